"""The log of a run: JSON lines, and Weights & Biases and TensorBoard on request.

Every line has `kind` (`start`, `train` or `validation`), `step` and `time`. A `start` with changed settings names
them in `changed`. A value that is not finite, such as the gradient norm of a step that the loss scaler skips, is null. A resumed run
drops lines later than its checkpoint, so that apart from `start` lines the file reads as if the run had never stopped.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from PIL import Image
from pydantic import Field
from typing_extensions import TypedDict

from captioner.files import write_text_atomically
from captioner.readers import read_json_lines
from captioner.training.plan import Changes

if TYPE_CHECKING:
    from captioner.training.tensorboard_log import TensorBoardRun
    from captioner.training.wandb_log import WandbRun

LOG = "log.jsonl"
_ADVICE = "remove that line, or move the log away"

Samples = Callable[[], Sequence[tuple[Image.Image, str]]]
"""Makes pictures with their captions."""


class _Line(TypedDict):
    """What every line of the log has, besides values by name."""

    kind: str
    step: int
    time: Annotated[float, Field(ge=0, lt=1e11)]  # seconds since 1970


class RunLog:
    """Writes `log.jsonl` in the run's folder.

    Args:
        folder: the run folder.
        step: the step from which the run starts; later lines of an earlier start are dropped.
        validated: whether the validation after that step is part of what the run starts from; if not, its line is dropped.
        changed: settings that are others from this step on, with their values before and now.
        wandb: the settings, to log to Weights & Biases too; WANDB_MODE=offline works without a network.
        samples: makes the pictures to show there after each validation.
        tensorboard: the settings, to log for TensorBoard too.
    """

    def __init__(
        self,
        folder: Path,
        step: int = 0,
        wandb: dict[str, dict[str, Any]] | None = None,
        samples: Samples | None = None,
        validated: bool = True,
        changed: Changes | None = None,
        tensorboard: dict[str, dict[str, Any]] | None = None,
    ):
        self.path = folder / LOG
        kept = self._drop_after(step, validated)
        self.samples = samples
        self.others: list[WandbRun | TensorBoardRun] = []
        if wandb is not None:
            from captioner.training.wandb_log import WandbRun

            self.others.append(WandbRun(folder, wandb, kept, resumed=step > 0))
        if tensorboard is not None:
            from captioner.training.tensorboard_log import TensorBoardRun

            self.others.append(TensorBoardRun(folder, tensorboard, step))
        self._append("start", step, {"changed": changed} if changed else {})

    def write(self, kind: str, step: int, **values: Any) -> None:
        values = {name: value if _is_json(value) else None for name, value in values.items()}
        self._append(kind, step, values)
        if self.others:
            pictures = self.samples() if kind == "validation" and self.samples is not None else ()
            for other in self.others:
                other.write(kind, step, values, pictures)

    def close(self) -> None:
        for other in self.others:
            other.close()

    def _append(self, kind: str, step: int, values: dict[str, Any]) -> None:
        line = json.dumps({"kind": kind, "step": step, "time": round(time.time(), 3), **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _drop_after(self, step: int, validated: bool) -> list[dict[str, Any]]:
        """Keep the lines of what the run starts from, and return them. A validation is logged before it is part of a checkpoint."""
        if not self.path.exists():
            return []
        last = {"validation": step if validated else step - 1}
        rows = read_log(self.path.parent)
        kept = [row for row in rows if step and row["step"] <= last.get(row["kind"], step)]
        write_text_atomically(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        return kept


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without one that is being written or that a killed program left; none if there is no log."""
    log = folder / LOG
    return read_json_lines(log, _ADVICE, _Line, unfinished=True) if log.exists() else []


def check_logs(wandb: bool, tensorboard: bool) -> None:
    """Raise a UserError if one of these cannot be written."""
    if wandb:
        from captioner.training.wandb_log import check_login

        check_login()
    if tensorboard:
        from captioner.training.tensorboard_log import check_tensorboard

        check_tensorboard()


def run_seconds(folder: Path) -> float | None:
    """Seconds of training and validation; None if the log does not say when the run was started.

    The time between the last line before an interruption and the next start is not counted, so up to ten steps of each are missing.
    """
    lines = read_log(folder)
    if not lines or lines[0]["kind"] != "start":
        return None
    return sum(after["time"] - before["time"] for before, after in pairwise(lines) if after["kind"] != "start")


def _is_json(value: Any) -> bool:
    """JSON has no infinity and no NaN."""
    return not isinstance(value, float) or math.isfinite(value)
