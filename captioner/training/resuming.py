"""The newest checkpoint: everything from which a training run resumes as if it had not stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn, optim

from captioner.errors import UserError
from captioner.training.averaging import WeightAverage
from captioner.training.checkpoints import (
    State,
    check_shapes,
    fill_model,
    fill_optimiser,
    load_checkpoint,
    model_tensors,
    optimiser_tensors,
    save_checkpoint,
    tensors_of,
)
from captioner.training.contract import Objective
from captioner.training.optimisation import Constant
from captioner.training.plan import Progress


@dataclass(frozen=True)
class Resumable:
    """The parts that a step changes. `frozen` is saved once beside the checkpoints."""

    objective: Objective
    average: WeightAverage
    optimiser: optim.Optimizer
    schedule: Constant
    scaler: torch.amp.GradScaler
    frozen: nn.Module | None

    def save(self, path: Path, progress: Progress) -> None:
        tensors = {
            f"{part}/{name}": tensor
            for part, named in {
                "model": model_tensors(self.objective.model, self.frozen),
                "average": self.average.averages,
                "objective": self._own_buffers(),
                "optimiser": optimiser_tensors(self.optimiser, self.objective.model),
            }.items()
            for name, tensor in named.items()
        }
        state = {"progress": asdict(progress), "schedule": self.schedule.state(), "scaler": self.scaler.state_dict()}
        save_checkpoint(path, tensors, state)

    def restore(self, path: Path) -> Progress:
        """Load the state of all parts; returns the progress of the run.

        Raises:
            UserError: the checkpoint is damaged, or belongs to another model, objective or version of this program.
        """
        tensors, state = load_checkpoint(path)
        self._check_own(tensors, path)
        _check_state(state, path)
        fill_model(self.objective.model, tensors_of(tensors, "model/"), path, self.frozen)
        self.average.fill(tensors_of(tensors, "average/"))
        for name, buffer in self._own_buffers().items():
            buffer.copy_(tensors[f"objective/{name}"])
        fill_optimiser(self.optimiser, self.objective.model, tensors_of(tensors, "optimiser/"))
        self.schedule.restore(state["schedule"])
        if state["scaler"]:  # empty where the run was computed in a type that needs no scaler
            self.scaler.load_state_dict(state["scaler"])
        return Progress(**state["progress"])

    def _check_own(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """Raise a UserError if averages or buffers of the objective do not fit this training run."""
        for part, wanted in {"average/": self.average.averages, "objective/": self._own_buffers()}.items():
            stored = {name: tensor for name, tensor in tensors.items() if name.startswith(part)}
            check_shapes({part + name: tensor for name, tensor in wanted.items()}, stored, path)

    def _own_buffers(self) -> dict[str, Tensor]:
        """The objective's buffers outside the model, such as a baseline of rewards."""
        return {name: buffer for name, buffer in self.objective.named_buffers() if not name.startswith("model.")}


def _check_state(state: State, path: Path) -> None:
    """Raise a UserError if the state has other keys than `save` writes."""
    wanted = {"progress", "schedule", "scaler", *(f"progress.{field.name}" for field in fields(Progress))}
    stored = {*state, *(f"progress.{name}" for name in state.get("progress", {}))}
    if stored != wanted:
        raise UserError(
            f"{path} should hold the progress of training as this version of the program writes it, got one that differs in "
            f"{', '.join(sorted(stored ^ wanted))}; delete it and train again, or continue with the version that wrote it"
        )
