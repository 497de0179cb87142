"""Checkpoints load unchanged, or with an error that says what is wrong."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn, optim

from captioner.errors import UserError
from captioner.training.checkpoints import (
    checkpoint_state,
    fill_model,
    fill_optimiser,
    load_checkpoint,
    model_tensors,
    optimiser_tensors,
    save_checkpoint,
)
from captioner.training.optimisation import adam


def make_model(width: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def step(model: nn.Module, optimiser) -> None:
    model(torch.ones(4, 2) * torch.arange(4)[:, None]).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def test_model_and_optimiser_come_back_bit_for_bit(tmp_path):
    model, path = make_model(), tmp_path / "checkpoint.safetensors"
    optimiser = adam(model.parameters())
    step(model, optimiser)
    save_checkpoint(
        path, model_tensors(model) | {f"o/{n}": t for n, t in optimiser_tensors(optimiser, model).items()}, {"step": 1}
    )
    tensors, state = load_checkpoint(path)
    again = make_model()
    again_optimiser = adam(again.parameters())
    fill_model(again, {n: t for n, t in tensors.items() if not n.startswith("o/")}, path)
    fill_optimiser(again_optimiser, again, {n.removeprefix("o/"): t for n, t in tensors.items() if n.startswith("o/")})
    assert state == {"step": 1}
    for _ in range(3):
        step(model, optimiser)
        step(again, again_optimiser)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_networks_that_share_weights_are_saved_too(tmp_path):
    shared = nn.Linear(2, 2)
    model, path = nn.ModuleDict({"a": shared, "b": shared}), tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, model.state_dict() | {"view": shared.weight[0]}, {})
    tensors, _ = load_checkpoint(path)
    assert set(tensors) == {"a.weight", "a.bias", "b.weight", "b.bias", "view"}
    assert tensors["a.weight"].equal(shared.weight)
    assert tensors["b.weight"].equal(shared.weight)


def test_a_failed_write_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(1)}, {"step": 1})

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("captioner.training.checkpoints.save_file", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"a": torch.zeros(1)}, {"step": 2})
    assert load_checkpoint(path)[1] == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_pickle_is_refused_unread(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="is a pickle"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_a_truncated_checkpoint_is_named(tmp_path, kept):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(100)}, {})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"cut off.*train again"):
        load_checkpoint(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(UserError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_a_checkpoint_from_another_config_names_the_first_difference(tmp_path):
    with pytest.raises(UserError, match=r"another config: 0\.bias is \[3\] there and \[5\] in this model"):
        fill_model(make_model(5), model_tensors(make_model(3)), tmp_path)


STATES = {
    "no state": None,
    "no object": "[]",
    "no progress": "{}",
    "a number": "5",
    "not json": "{",
    "nested": "[" * 100_000,
    "progress of another type": '{"progress": 5}',
    "a step as text": '{"progress": {"step": "many"}}',
}


@pytest.mark.parametrize("case", STATES)
def test_a_checkpoint_with_a_damaged_state_is_named(tmp_path, case):
    path, state = tmp_path / "newest.safetensors", STATES[case]
    save_file({"a": torch.ones(1)}, path, metadata={"state": state} if state is not None else None)
    for read in (load_checkpoint, checkpoint_state) if case != "no progress" else (checkpoint_state,):
        with pytest.raises(
            UserError, match=r"newest\.safetensors .*restore an intact copy, or train again in another run.folder"
        ):
            read(path)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool])
def test_a_number_that_was_changed_on_the_disk_is_noticed(tmp_path, dtype):
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, {"a": torch.ones(400).to(dtype), "b": torch.ones(()).to(dtype)}, {"step": 1})
    tensors, _ = load_checkpoint(path)
    assert tensors["a"].sum() == 400
    content = bytearray(path.read_bytes())
    content[-200:-100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"best\.safetensors is damaged: its numbers are not those that were written"):
        load_checkpoint(path)


def test_a_disk_that_is_full_while_a_checkpoint_is_written_is_an_error_of_the_system(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(1)}, {"step": 1})

    def full(*arguments, **options):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("captioner.training.checkpoints.save_file", full)
    with pytest.raises(OSError, match=r"No space left.*the earlier file is kept"):
        save_checkpoint(path, {"a": torch.zeros(1)}, {"step": 2})
    assert load_checkpoint(path)[1] == {"step": 1}


@settings(max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=some.integers(0, 400), piece=some.binary(min_size=1, max_size=4))
def test_a_mutated_checkpoint_is_read_or_named(tmp_path, position, piece):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, {"a": torch.ones(3), "b": torch.zeros(2, 2)}, {"progress": {"step": 1}})
    content = path.read_bytes()
    position %= len(content)
    path.write_bytes(content[:position] + piece + content[position + len(piece) :])
    try:
        load_checkpoint(path)
    except UserError as error:
        message = str(error)
    else:
        message = path.name
    assert path.name in message


@pytest.mark.parametrize("kind", [optim.Adam, optim.NAdam, optim.Adafactor, optim.ASGD, optim.SGD, optim.Adagrad])
def test_every_optimiser_of_torch_comes_back(kind):
    model, copied = nn.Linear(3, 2), nn.Linear(3, 2)
    copied.load_state_dict(model.state_dict())
    first, second = kind(model.parameters(), lr=0.1), kind(copied.parameters(), lr=0.1)

    def step(network, optimiser):
        network(torch.ones(1, 3)).pow(2).sum().backward()
        optimiser.step()

    step(model, first)
    copied.load_state_dict(model.state_dict())
    copied.zero_grad()
    model.zero_grad()
    fill_optimiser(second, copied, {name: value.clone() for name, value in optimiser_tensors(first, model).items()})
    step(model, first)
    step(copied, second)
    for own, other in zip(model.parameters(), copied.parameters(), strict=True):
        assert torch.equal(own, other)
