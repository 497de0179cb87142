"""The newest checkpoint: everything that a training run needs to resume as if it had not stopped, also with changed settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from captioner.errors import UserError
from captioner.progress import Report, silent
from captioner.readers import parsing
from captioner.training.averaging import WeightAverage
from captioner.training.checkpoints import (
    BEST,
    State,
    check_shapes,
    fill_model,
    fill_optimiser,
    load_checkpoint,
    model_tensors,
    optimiser_tensors,
    problem_with_weights,
    save_checkpoint,
    tensors_of,
)
from captioner.training.contract import Objective
from captioner.training.optimisation import Constant
from captioner.training.plan import Changes, Plan, Progress

Nested = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Resumable:
    """The parts that a step changes. `frozen` is saved once beside the checkpoints.

    `settings`, section by section, are saved too: those that were others when a checkpoint was written have changed since.
    """

    objective: Objective
    average: WeightAverage
    optimiser: optim.Optimizer
    schedule: Constant
    scaler: torch.amp.GradScaler
    frozen: nn.Module | None
    plan: Plan
    settings: Nested

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint holds, with the part in front of each name."""
        parts = {
            "model": model_tensors(self.objective.model, self.frozen),
            "average": self.average.averages,
            "objective": self._own_buffers(),
            "optimiser": optimiser_tensors(self.optimiser, self.objective.model),
        }
        return {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def save(self, path: Path, progress: Progress) -> None:
        schedule, scaler = self.schedule.state(), self.scaler.state_dict()
        state = {"progress": asdict(progress), "schedule": schedule, "scaler": scaler, "settings": self.settings}
        save_checkpoint(path, self.tensors(), state)

    def restore(self, path: Path, report: Report = silent) -> tuple[Progress, Changes]:
        """Load the state of all parts; returns the progress of the run, and the settings that have changed since.

        If the best weights beside the checkpoint are lost or damaged, those of the next validation take their place.

        Raises:
            UserError: the checkpoint is damaged, or belongs to another model, objective or version of this program.
        """
        tensors, state = load_checkpoint(path)
        _check_state(state, path)
        changes = changes_of(state.get("settings", {}), self.settings)
        sections = {name.partition(".")[0] for name in changes}
        if "objective" not in sections:
            self._check_own("objective/", self._own_buffers(), tensors, path)
        if "run.ema_decay" not in changes:
            self._check_own("average/", self.average.averages, tensors, path)
        with parsing(path, "a checkpoint of this run", "delete it and train again, or restore an intact copy"):
            fill_model(self.objective.model, tensors_of(tensors, "model/"), path, self.frozen)
            self.average.fill(tensors_of(tensors, "average/"))
            for name, buffer in self._own_buffers().items():
                buffer.copy_(tensors.get(f"objective/{name}", buffer))
            fill_optimiser(self.optimiser, self.objective.model, tensors_of(tensors, "optimiser/"))
            if "schedule.kind" not in changes:
                of_scores = {"best", "waited"} if _other_scores(changes) else set()
                kept = {name: value for name, value in state["schedule"].items() if name not in of_scores}
                self.schedule.restore(kept)
            if state["scaler"]:  # empty where the run was computed in a type that needs no scaler
                self.scaler.load_state_dict(state["scaler"])
            progress = Progress(**state["progress"])
        model = model_tensors(self.objective.model, self.frozen)
        problem = (
            problem_with_weights(path.with_name(BEST), model) if progress.best_score > Progress.best_score else None
        )
        if problem:
            progress.best_score, progress.waited = Progress.best_score, 0
            report.note(f"{problem}; the next validation is the best so far")
        if changes:
            self._adapt(progress, changes)
            texts = [f"{name}={now} (before: {before})" for name, (before, now) in changes.items()]
            report.note(f"from step {progress.step} on: {', '.join(texts)}")
        return progress, changes

    def _adapt(self, progress: Progress, changes: Changes) -> None:
        """Take back what does not hold with the changed settings."""
        if changes.keys() & {
            "run.batch_size",
            "run.captions_per_photo",
            "run.seed",
        }:  # the epoch has another order, so it starts again
            progress.batch, progress.loss_sum, progress.loss_steps = 0, 0.0, 0
        if changes.keys() & {"objective.kind"}:
            progress.loss_sum, progress.loss_steps = 0.0, 0
        if _other_scores(changes):
            progress.best_score, progress.waited = Progress.best_score, 0
        progress.finished = progress.batch == 0 and progress.epoch > 0 and progress.is_complete(self.plan)

    def _check_own(self, part: str, wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path) -> None:
        """Raise a UserError if averages or buffers of the objective do not fit this training run."""
        stored = {name: tensor for name, tensor in tensors.items() if name.startswith(part)}
        check_shapes({part + name: tensor for name, tensor in wanted.items()}, stored, path)

    def _own_buffers(self) -> dict[str, Tensor]:
        """The objective's buffers outside the model, such as a baseline of rewards."""
        return {name: buffer for name, buffer in self.objective.named_buffers() if not name.startswith("model.")}


def _other_scores(changes: Changes) -> bool:
    """Whether scores from now on cannot be compared with the best so far: another one decides, or captions are decoded otherwise."""
    return any(name == "run.monitor" or name.startswith("search.") for name in changes)


def changes_of(before: Nested, now: Nested) -> Changes:
    """The settings that differ. A key that only one side has follows from a kind, or from another version of the program."""
    return {
        f"{section}.{key}": (before[section][key], value)
        for section, values in now.items()
        for key, value in values.items()
        if key in before.get(section, {}) and before[section][key] != value
    }


def _check_state(state: State, path: Path) -> None:
    """Raise a UserError if the state has other keys than `save` writes, or lacks one that every version wrote."""
    wanted = {"progress", "schedule", "scaler", *(f"progress.{field.name}" for field in fields(Progress))}
    stored = {*state, *(f"progress.{name}" for name in state.get("progress", {}))}
    newer = {"settings", "progress.loss_sum", "progress.loss_steps"}
    if (stored ^ wanted) - newer:
        raise UserError(
            f"{path} should hold the progress of training as this version of the program writes it, got one that differs in "
            f"{', '.join(sorted((stored ^ wanted) - newer))}; delete it and train again, or continue with the version that wrote it"
        )
