"""A run at Weights & Biases: its numbers, its pictures, and its best score.

A run has an id of its own, which is kept in its folder and used again when the run is resumed. The package wandb is imported on first
use, since it takes a second.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from captioner.errors import UserError
from captioner.files import write_text_atomically
from captioner.readers import read_text, reason

_ID = "wandb_id.txt"
_NO_LOGIN = {"offline", "dryrun", "disabled"}
"""Values of WANDB_MODE with which nothing is sent."""


def check_login() -> None:
    """Make sure that logging can start. On a terminal, wandb asks for a key that is missing.

    Raises:
        UserError: wandb is not installed, or has no key and no terminal on which to ask for one.
    """
    wandb = _library()
    if os.environ.get("WANDB_MODE") in _NO_LOGIN:
        return
    try:
        wandb.login(verify=False)
    except Exception as error:  # its own kinds, and those of pydantic, which reads its environment variables
        raise UserError(_help(error)) from error


class WandbRun:
    """One run there.

    Args:
        folder: the run folder.
        settings: all settings, by section.
        logged: the lines of `log.jsonl` from which the run goes on.
        resumed: whether the run goes on from a checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, dict[str, Any]],
        logged: Sequence[Mapping[str, Any]] = (),
        resumed: bool = False,
    ):
        self.wandb, self.folder, self.monitor = _library(), folder, settings["run"]["monitor"]
        # wandb's own files; without the second variable it stages pictures in the home folder
        self.variables = {"WANDB_DIR", "WANDB_DATA_DIR"} - os.environ.keys()
        os.environ.update(dict.fromkeys(self.variables, str(folder)))
        group = settings["log"]["group"]
        try:
            self.run = self.wandb.init(
                project=settings["log"]["project"],
                id=_id(folder, resumed),
                name=f"{group} {folder.name}".strip(),
                group=group or None,
                tags=_tags(settings),
                config=settings,
                resume="allow",
            )
        except Exception as error:
            self._give_back_variables()
            raise UserError(_help(error)) from error
        self.run.define_metric(f"validation/{self.monitor}", summary="max")
        self.best = -math.inf  # of the monitored score, over the whole run
        for line in logged:
            if line["kind"] == "validation":
                self._note_best(line["step"], line)

    def write(
        self, kind: str, step: int, values: dict[str, Any], pictures: Sequence[tuple[Image.Image, str]] = ()
    ) -> None:
        numbers = {f"{kind}/{name}": value for name, value in values.items() if isinstance(value, int | float)}
        samples = {  # one by one, since wandb shows pictures of a list in the size of the first
            f"samples/{number}": self.wandb.Image(picture, caption=caption)
            for number, (picture, caption) in enumerate(pictures)
        }
        self.run.log({**numbers, **samples}, step=step)
        if kind == "validation":
            self._note_best(step, values)

    def _note_best(self, step: int, values: Mapping[str, Any]) -> None:
        """Show the best validation of the whole run in the summary."""
        score = values.get(self.monitor)
        if score is not None and score > self.best:
            self.best = score
            self.run.summary.update({f"best/{self.monitor}": score, "best/epoch": values["epoch"], "best/step": step})

    def close(self) -> None:
        self.run.finish()
        self._give_back_variables()

    def _give_back_variables(self) -> None:
        """The next run of this process has a folder of its own."""
        for variable in self.variables:
            os.environ.pop(variable, None)


def _library() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise UserError("log.wandb needs the package wandb; pip install wandb, or set log.wandb=false") from error
    return wandb


def _help(error: Exception) -> str:
    return (
        f"log.wandb=true cannot log to Weights & Biases ({reason(error)}); run `wandb login`, set WANDB_MODE=offline "
        "to log without a network, or set log.wandb=false"
    )


def _id(folder: Path, resumed: bool) -> str:
    """The run's id. Earlier versions named the run after its folder and kept no id."""
    path = folder / _ID
    if not path.exists():
        write_text_atomically(path, (folder.name if resumed else secrets.token_hex(4)) + "\n")
    return read_text(path, "delete it, and the run gets another id").strip()


def _tags(settings: dict[str, dict[str, Any]]) -> list[str]:
    """What runs are looked for by: the kinds of their parts."""
    score = settings["attention"].get("score")
    attention = settings["attention"]["kind"] + (f":{score}" if score else "")
    kinds = [settings[section]["kind"] for section in ("data", "encoder", "decoder", "objective")]
    return [tag[:64] for tag in dict.fromkeys([*kinds, attention])]
