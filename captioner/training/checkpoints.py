"""Checkpoints: safetensors files with their state as JSON in the header. No pickles.

A file is written under a temporary name, flushed to the disk, and renamed. A kill at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn, optim

from captioner.errors import UserError
from captioner.files import replacing
from captioner.readers import check_regular
from captioner.training.plan import Progress

State = dict[str, Any]
_ADVICE = "restore an intact copy, or train again in another run.folder=..."
NEWEST, BEST = "newest.safetensors", "best.safetensors"
"""Files of a run folder: the state from which training resumes, and the weights with the best validation score."""


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], state: State) -> None:
    """Write tensors and state.

    Raises:
        UserError: a value is infinite or not a number; the earlier file stays.
    """
    if name := not_finite(tensors):
        raise UserError(f"{path} is not written, since {name} holds values that are infinite or not numbers")
    apart = _apart(tensors)
    with replacing(path) as beside:
        try:
            save_file(apart, beside, metadata={"state": json.dumps(state), "crc32": _checksum(apart)})
        except SafetensorError as error:  # such as a full disk
            raise OSError(f"{path} cannot be written ({error}); the earlier file is kept") from error


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of which shares memory with another, as the format wants; some networks share weights."""
    apart, storages = {}, set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if storage in storages else tensor
        storages.add(storage)
    return apart


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """CRC-32 of the bytes of all tensors, in the order of their names."""
    checksum = 0
    for _, tensor in sorted(tensors.items()):
        checksum = zlib.crc32(tensor.contiguous().flatten().view(torch.uint8).numpy().data, checksum)
    return str(checksum)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], State]:
    """The tensors, on the CPU, and the state.

    Raises:
        UserError: the file is missing, cut off, a pickle, or not a checkpoint of this program; or a value is not a finite number.
    """
    with _opened(path) as (file, state):
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        written = (file.metadata() or {}).get("crc32")  # files of earlier versions have none
    if written not in (None, _checksum(tensors)):
        raise UserError(f"{path} is damaged: its numbers are not those that were written; {_ADVICE}")
    if name := not_finite(tensors):
        raise UserError(
            f"{path} holds values that are infinite or not numbers, first in {name}: its training had diverged, or the file is damaged; "
            "restore an intact copy, or delete it and train again with a lower optimiser.learning_rate"
        )
    return tensors, state


def problem_with_weights(path: Path, wanted: Mapping[str, Tensor] | None = None) -> str | None:
    """What is wrong with a checkpoint that cannot be loaded, or not into a model with the wanted tensors; None if it can."""
    try:
        tensors, _ = load_checkpoint(path)
        if wanted is not None:
            check_shapes(wanted, tensors, path)
    except UserError as error:
        return str(error).partition(";")[0]
    return None


def checkpoint_state(path: Path) -> State:
    """The state of a training run, without its tensors."""
    with _opened(path) as (_, state):
        if "progress" not in state:
            raise KeyError("progress")
        return state


def newest_progress(folder: Path) -> dict[str, Any] | None:
    """The progress of a run in its newest checkpoint; None if it was killed at its first validation, which training again soon repeats.

    Raises:
        UserError: the checkpoint is damaged; or it is lost, or left out of a packed model, and training would replace the best weights.
    """
    if (folder / NEWEST).exists():
        return checkpoint_state(folder / NEWEST)["progress"]
    log = folder / "log.jsonl"
    if not log.exists() or log.read_bytes().count(b'"kind": "validation"') > 1:
        raise UserError(
            f"{folder} has {BEST} but no {NEWEST}, without which training would begin again and replace it; restore {NEWEST}, or give "
            f"another run.folder=..., with run.from_run={folder} to begin with these weights"
        )
    return None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, State]]:
    check_regular(path, _ADVICE)
    if not path.exists():
        raise UserError(f"no checkpoint at {path}; train first, or copy this file too if the run was copied")
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {})["state"])
            if not isinstance(state, dict):
                raise TypeError("the state is no object")
            if "progress" in state:
                TypeAdapter(Progress).validate_python(state["progress"], strict=False)
            yield file, state
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: nested too deeply
        raise UserError(f"{path} {_problem_with(path)}; {_ADVICE}") from error


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor with a value that is infinite or not a number; None if there is none."""
    floats = ((name, tensor) for name, tensor in tensors.items() if tensor.is_floating_point())
    return next((name for name, tensor in floats if not tensor.isfinite().all()), None)


def _problem_with(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(9)
    is_safetensors = start[8:] == b"{"  # after the size of the header, whose first byte may be any
    if start[:2] == b"PK" or (start[:1] == b"\x80" and not is_safetensors):
        return "is a pickle (torch.save), which this program never reads, since loading one can run any code"
    return "is not a complete checkpoint of this program: it was cut off, or it is another kind of file"


def model_tensors(model: nn.Module, frozen: nn.Module | None = None) -> dict[str, Tensor]:
    """The model's parameters and buffers, without those of a frozen part, which is saved once beside the checkpoints."""
    skipped = {id(tensor) for tensor in frozen.state_dict(keep_vars=True).values()} if frozen is not None else set()
    return {name: tensor for name, tensor in model.state_dict(keep_vars=True).items() if id(tensor) not in skipped}


def tensors_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, under their names without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


_BESIDE = "use the settings.yaml and vocabulary.json that were saved beside it"


def fill_model(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    frozen: nn.Module | None = None,
    advice: str = _BESIDE,
) -> None:
    """Load the tensors of `model_tensors`; `advice` says what to do if they do not fit.

    Raises:
        UserError: the checkpoint belongs to a model of another shape; the first difference is named.
    """
    check_shapes(model_tensors(model, frozen), tensors, path, advice)
    model.load_state_dict(dict(tensors), strict=False)


def check_shapes(
    wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], path: Path, advice: str = _BESIDE
) -> None:
    """Raise a UserError at the first tensor that is missing, has another shape, or holds integers or complex numbers for floats."""
    for name in sorted(wanted.keys() | tensors.keys()):
        here, there = (_shape(side[name]) if name in side else "nothing" for side in (wanted, tensors))
        if here != there:
            raise UserError(
                f"{path} is from another config: {name} is {there} there and {here} in this model; {advice}"
            )


def _shape(tensor: Tensor) -> str:
    """The shape, after the type if its numbers are not floats, such as `int64 [3]`; floats are read in any precision."""
    kind = "" if tensor.is_floating_point() else str(tensor.dtype).removeprefix("torch.") + " "
    return f"{kind}{list(tensor.shape)}"


def optimiser_tensors(optimiser: optim.Optimizer, model: nn.Module) -> dict[str, Tensor]:
    """Moments and step counts, by the name of their parameter."""
    return {
        f"{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def fill_optimiser(optimiser: optim.Optimizer, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Fill an optimiser with what `optimiser_tensors` gave.

    Raises:
        ValueError: a moment does not fit its parameter.
    """
    parameters = dict(model.named_parameters())
    has_only_moments = isinstance(
        optimiser, (optim.Adam, optim.AdamW)
    )  # besides the step; others keep values of other shapes too
    for full_name, value in tensors.items():
        name, _, key = full_name.rpartition("/")
        parameter = parameters[name]
        if key == "step":
            value = value.to(parameter.device) if optimiser.defaults.get("fused") else value
        elif (value.shape, value.dtype) == (parameter.shape, parameter.dtype):
            # a moment has the memory format of its parameter, which a file does not keep
            value = torch.empty_like(parameter, requires_grad=False).copy_(value)
        elif has_only_moments:
            raise ValueError(f"optimiser/{full_name} does not fit the parameter {name}")
        else:
            value = value.to(parameter.device)
        optimiser.state[parameter][key] = value
