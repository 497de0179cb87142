"""Memory of freed tensors stays in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
