"""Memory of freed tensors stays in the process, and the size of weights is known before they are made."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from captioner import cli
from captioner.layers import allocation
from captioner.layers.allocation import size_of_weights
from tests.builder.test_renamed import OLD_RUN

FAULTS = """
import resource, torch
from captioner.layers.allocation import keep_memory

def faults():
    for turn in range(24):
        if turn == 12:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.zeros(2**24)  # 64 MiB, twice what glibc keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

returned = faults()
assert keep_memory()
print(returned, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of Linux's C library")
def test_tensors_take_the_memory_of_earlier_ones():
    """Otherwise each of 12 asks for 16,384 pages anew, or 32 where the system gives huge ones."""
    program = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    returned, kept = map(int, program.stdout.split())
    assert returned >= 32 * 12
    assert kept < returned / 4


def test_captioning_keeps_memory(pictures, monkeypatch):
    """Otherwise the pages of every large tensor are cleared anew for every batch of photos."""
    kept = []
    monkeypatch.setattr(allocation, "keep_memory", lambda: kept.append(True))
    cli.caption([str(min((pictures / "images").glob("val_*.png")))], [OLD_RUN])
    assert kept == [True]


def test_the_size_of_weights_is_known_without_drawing_them():
    def make() -> nn.Module:
        layers = nn.Embedding(7, 5), nn.Linear(5, 3), nn.LSTMCell(3, 2), nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
        return nn.ModuleList([*layers, nn.TransformerDecoderLayer(4, 2)])

    before = torch.get_rng_state()
    size = size_of_weights(make)
    assert torch.equal(torch.get_rng_state(), before)
    assert size == sum(tensor.nbytes for tensor in make().state_dict().values())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is limited")
def test_a_command_that_asks_for_more_than_the_free_memory_ends_with_one_line(monkeypatch, capsys):
    """Otherwise Linux promises the memory, and kills the process once it is used."""
    import resource

    monkeypatch.setattr(allocation, "_GPUS", ())
    monkeypatch.setattr(allocation, "free_memory", lambda: 2.0**26)
    monkeypatch.setattr(allocation, "_free_swap", lambda: 2**26)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    for taking in (lambda: bytearray(2**31), lambda: torch.empty(2**31, dtype=torch.uint8)):
        with pytest.raises(SystemExit) as ended:
            cli.main(taking)
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith("error: this needs more memory than there is")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    bytearray(2**31)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is limited")
@pytest.mark.parametrize("files", [{"_GPUS": ("/dev/null",)}, {"free_memory": lambda: float("inf")}])
def test_memory_is_not_limited_with_a_gpu_or_where_the_free_memory_is_unknown(monkeypatch, files):
    import resource

    monkeypatch.setattr(allocation, "_GPUS", ())
    for name, value in files.items():
        monkeypatch.setattr(allocation, name, value)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with allocation.within_free_memory():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_free_swap_space_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr(allocation, "_MEMINFO", tmp_path / "meminfo")
    assert allocation._free_swap() == 0
    (tmp_path / "meminfo").write_text("MemAvailable:  100 kB\nSwapFree:       2 kB\n")
    assert allocation._free_swap() == 2048
