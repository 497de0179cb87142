"""Checkpoints load unchanged, or with an error that says what is wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from captioner.errors import UserError
from captioner.training.checkpoints import (
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
