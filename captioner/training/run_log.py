"""The log of a run: JSON lines, and Weights & Biases on request.

Every line has `kind` (`start`, `train` or `validation`), `step` and `time`. A `start` with changed settings names
them in `changed`. A value that is not finite, such as the gradient norm of a step that the loss scaler skips, is null. A resumed run
drops lines later than its checkpoint, so that apart from `start` lines the file reads as if the run had never stopped.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.training.plan import Changes

_NAME = "log.jsonl"

Samples = Callable[[], Sequence[tuple[Image.Image, str]]]
"""Makes pictures with their captions."""


class RunLog:
    """Writes `log.jsonl` in the run's folder.

    Args:
        folder: the run folder.
        step: the step from which the run starts; later lines of an earlier start are dropped.
        validated: whether the validation after that step is part of what the run starts from; if not, its line is dropped.
        changed: settings that are others from this step on, with their values before and now.
        wandb: whether to log to Weights & Biases too; WANDB_MODE=offline works without a network.
        project: the name of the project there.
        settings: the settings to show there.
        samples: makes the pictures to show there after each validation.
    """

    def __init__(
        self,
        folder: Path,
        step: int = 0,
        wandb: bool = False,
        project: str = "captioner",
        settings: dict[str, Any] | None = None,
        samples: Samples | None = None,
        validated: bool = True,
        changed: Changes | None = None,
    ):
        self.path = folder / _NAME
        self._drop_after(step, validated)
        self.samples = samples
        self.wandb = _start_wandb(folder, project, settings or {}) if wandb else None
        self._append("start", step, {"changed": changed} if changed else {})

    def write(self, kind: str, step: int, **values: Any) -> None:
        values = {name: value if _is_json(value) else None for name, value in values.items()}
        self._append(kind, step, values)
        if self.wandb is not None:
            numbers = {f"{kind}/{name}": value for name, value in values.items() if isinstance(value, int | float)}
            self.wandb.log({**numbers, **self._pictures(kind)}, step=step)

    def close(self) -> None:
        if self.wandb is not None:
            self.wandb.finish()

    def _append(self, kind: str, step: int, values: dict[str, Any]) -> None:
        line = json.dumps({"kind": kind, "step": step, "time": round(time.time(), 3), **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _pictures(self, kind: str) -> dict[str, Any]:
        if kind != "validation" or self.samples is None:
            return {}
        import wandb

        return {"samples": [wandb.Image(picture, caption=caption) for picture, caption in self.samples()]}

    def _drop_after(self, step: int, validated: bool) -> None:
        """Keep the lines of what the run starts from. A validation is logged before it is part of a checkpoint."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            read = [(line, json.loads(line)) for line in lines if line.endswith("\n")]
            last = {"validation": step if validated else step - 1}
            kept = [line for line, values in read if values["step"] <= last.get(values["kind"], step)]
            write_text_atomically(self.path, "".join(kept) if step else "")


def run_seconds(folder: Path) -> float | None:
    """Seconds of training and validation; None if the log does not say when the run was started.

    The time between the last line before an interruption and the next start is not counted, so up to ten steps of each are missing.
    """
    lines = [json.loads(line) for line in (folder / _NAME).read_text(encoding="utf-8").splitlines()]
    if lines[0]["kind"] != "start":
        return None
    return sum(after["time"] - before["time"] for before, after in pairwise(lines) if after["kind"] != "start")


def _is_json(value: Any) -> bool:
    """JSON has no infinity and no NaN."""
    return not isinstance(value, float) or math.isfinite(value)


def _start_wandb(folder: Path, project: str, settings: dict[str, Any]) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise UserError("log.wandb needs the package wandb; pip install wandb, or set log.wandb=false") from error

    for variable in ("WANDB_DIR", "WANDB_DATA_DIR"):  # unset, the second stages pictures in the home folder
        os.environ.setdefault(variable, str(folder))
    return wandb.init(project=project, name=folder.name, id=folder.name, resume="allow", config=settings)
