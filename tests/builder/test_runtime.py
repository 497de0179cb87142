"""`encoder.runtime` follows the machine: it may differ from that of training, and is not shared with a packed model."""

from __future__ import annotations

import sys

import pytest

from captioner import builder
from captioner.builder.run_folder import lasting, read_run_settings
from captioner.commands.pack.packing import portable
from captioner.errors import UserError
from tests.builder.test_renamed import OLD_RUN


def test_the_runtime_may_change_after_training():
    settings = read_run_settings(OLD_RUN, ["encoder.runtime=torch"])
    assert settings.encoder.runtime == "torch"
    assert builder.load(OLD_RUN, device="cpu", overrides=["encoder.runtime=torch"]).model.encoder.runtime == "torch"
    assert "runtime" not in lasting(settings)["encoder"]
    assert portable(settings).encoder.runtime == "auto"


def test_paths_in_lists_are_not_part_of_a_packed_model():
    teachers = "objective.teachers=[/home/me/runs/first, ../second]"
    settings = builder.read("drawn", ["objective.kind=distillation", teachers])
    assert portable(settings).objective.options["teachers"] == ["first", "second"]


def test_loading_with_onnx_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        UserError, match=r"encoder\.runtime=onnx needs onnxruntime, which is not installed; run pip inst"
    ):
        builder.load(OLD_RUN, device="cpu", overrides=["encoder.runtime=onnx"])
