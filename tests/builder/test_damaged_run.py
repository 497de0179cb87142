"""A file of a run that is damaged, or comes from another run, ends in an error that names the file and says what is wrong."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
import torch
from torch import nn, optim

from captioner import builder
from captioner.builder.run_folder import check_folder
from captioner.commands import runs
from captioner.commands.curves.training_curves import read_curves
from captioner.commands.pack.model_card import _scores
from captioner.errors import UserError
from captioner.training.checkpoints import BEST, NEWEST, fill_model, fill_optimiser, load_checkpoint, save_checkpoint
from captioner.training.run_log import LOG, run_seconds
from tests.builder.test_renamed import OLD_RUN


@pytest.fixture
def run(tmp_path) -> Path:
    return Path(shutil.copytree(OLD_RUN, tmp_path / "run"))


def test_a_checkpoint_that_is_cut_off_is_no_pickle_whatever_the_size_of_its_header(tmp_path):
    path = tmp_path / "best.safetensors"
    for size in (0x0280, 0x0480, 0x1080, 0x80):
        path.write_bytes(struct.pack("<Q", size) + b'{"__metadata__":{"state":"{}"}')
        with pytest.raises(UserError, match="it was cut off"):
            load_checkpoint(path)
    for pickle in (b"\x80\x02}q\x00.", b"\x80\x04\x95\x05\x00\x00\x00\x00\x00", b"PK\x03\x04"):
        path.write_bytes(pickle)
        with pytest.raises(UserError, match="is a pickle"):
            load_checkpoint(path)


@pytest.mark.parametrize("kind", [torch.int64, torch.complex64, torch.bool])
def test_weights_that_are_no_floats_are_refused(tmp_path, kind):
    model = nn.Linear(2, 3)
    wrong = {name: tensor.detach().to(kind) for name, tensor in model.named_parameters()}
    with pytest.raises(UserError, match=rf"bias is {str(kind)[6:]} \[3\] there and \[3\] in this model"):
        fill_model(model, wrong, tmp_path / BEST)
    fill_model(model, {name: tensor.detach().half() for name, tensor in model.named_parameters()}, tmp_path / BEST)


@pytest.mark.parametrize("change", [torch.Tensor.half, torch.Tensor.long, lambda moment: moment[:1]])
def test_moments_of_another_type_or_shape_are_refused(change):
    model = nn.Linear(2, 3)
    optimiser = optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="does not fit the parameter weight"):
        fill_optimiser(optimiser, model, {"weight/exp_avg": change(torch.zeros(3, 2))})


def test_a_run_without_its_best_weights_is_not_called_finished(run):
    progress = {"epoch": 1, "best_score": 0.5, "finished": True}
    save_checkpoint(run / NEWEST, {}, {"progress": progress})
    settings = builder.read_run_settings(run)
    with pytest.raises(UserError, match="is a finished run"):
        check_folder(run, settings)
    (run / BEST).unlink()
    with pytest.raises(UserError, match=r"no checkpoint at .*best\.safetensors; restore an intact copy"):
        check_folder(run, settings)


@pytest.mark.parametrize("added", ["strange: {a: 1}", "- a", "", "7"])
def test_settings_of_a_run_that_are_damaged_name_their_file(run, added):
    path = run / "settings.yaml"
    path.write_text(path.read_text() + added if ":" in added else added, encoding="utf-8")
    for overrides in ([], ["search.max_length=3"]):
        with pytest.raises(UserError, match=r"run.settings\.yaml.* restore an intact copy"):
            builder.read_run_settings(run, overrides)


def test_a_wrong_override_is_not_the_fault_of_the_file(run):
    with pytest.raises(UserError) as refused:
        builder.read_run_settings(run, ["search.max_length=long"])
    assert "settings.yaml" not in str(refused.value)


DAMAGED_LINES = {
    "text for numbers": '{"kind": "train", "step": "a", "time": "b", "loss": 1}',
    "a time far away": '{"kind": "train", "step": 1, "time": 1e300, "loss": 1}',
    "no kind": '{"step": 1, "time": 2}',
    "no object": "null",
}


@pytest.mark.parametrize("line", DAMAGED_LINES.values(), ids=DAMAGED_LINES)
def test_a_damaged_log_is_named(run, line):
    (run / LOG).write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"log\.jsonl, line 1"):
        read_curves(run)
    with pytest.raises(UserError, match=r"log\.jsonl, line 1"):
        run_seconds(run)
    assert "damaged" in list(runs.table(run.parent).columns[-1].cells)


def test_a_run_without_a_log_has_no_duration(run):
    assert run_seconds(run) is None


@pytest.mark.parametrize(
    "change", [{"protocol": 7}, {"scores": {"model": {"CIDEr-D": "x"}}}, {"intervals": {"model": {"CIDEr-D": [1]}}}]
)
def test_damaged_scores_are_named_by_the_card(tmp_path, change):
    path = tmp_path / "val" / "scores.json"
    path.parent.mkdir()
    content = {"scores": {"model": {"CIDEr-D": 0.5}}, "protocol": {"split": "val"}, "signature": "s"}
    path.write_text(json.dumps(content))
    assert "CIDEr-D" in _scores(tmp_path)
    path.write_text(json.dumps(content | change))
    with pytest.raises(UserError, match=r"scores\.json should be as this program writes it"):
        _scores(tmp_path)
