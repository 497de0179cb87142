"""Mixed precision is a half-precision type only where the device has instructions for it."""

from __future__ import annotations

import pytest
import torch

from captioner.encoders.small_cnn import SmallCNN
from captioner.features.store import FeatureStore
from captioner.training import distributed
from captioner.training.distributed import cpu_has_bfloat16, number_type, precision_text

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("onednn", "capabilities", "native"),
    [
        (False, {"avx2": True}, False),
        (True, {"avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),  # oneDNN emulates here
        (True, {"avx512_f": True, "avx512_bf16": True}, True),
        (True, {"amx_bf16": True}, True),
        (True, {"neon": True, "bf16": True}, True),
    ],
)
def test_instructions_decide(monkeypatch, onednn, capabilities, native):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert cpu_has_bfloat16() == native


def test_the_list_of_instructions_is_read_on_this_machine():
    assert cpu_has_bfloat16() in (True, False)


@pytest.mark.parametrize(("native", "chosen"), [(True, torch.bfloat16), (False, torch.float32)])
def test_mixed_on_a_cpu(monkeypatch, native, chosen):
    monkeypatch.setattr(distributed, "cpu_has_bfloat16", lambda: native)
    assert number_type("mixed", CPU) == chosen
    assert number_type("fp32", CPU) == torch.float32
    assert ("in place of mixed" in precision_text("mixed", CPU)) == (not native)
    assert precision_text("fp32", CPU) == "float32"


def test_mixed_on_cards(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert number_type("mixed", torch.device("cuda")) == torch.float16


def test_a_store_goes_on_in_another_precision(tmp_path):
    """A store begun in bfloat16 serves a `mixed` run on a machine that computes in float32; a run in fp32 has its own."""
    encoder = SmallCNN(size=16, width=2, region_size=4)
    begun = FeatureStore.of(encoder, tmp_path, "small", torch.bfloat16)
    begun.folder.mkdir(parents=True)
    halves = (torch.bfloat16, torch.float16, torch.float32)
    assert FeatureStore.of(encoder, tmp_path, "small", torch.float32, halves).folder == begun.folder
    assert FeatureStore.of(encoder, tmp_path, "small", torch.float32).folder != begun.folder
