"""The script for GPUs: its table at tiny sizes, and its order of tests and table."""

from __future__ import annotations

import subprocess

import pytest
import torch

from benchmarks import gpu
from tests.pages import ROOT


def test_without_a_gpu_it_says_so_and_prints_every_part(monkeypatch, capsys):
    for module, sizes in gpu.TINY.items():
        for name, size in sizes.items():
            monkeypatch.setattr(module, name, size)  # put back after the test
    monkeypatch.setattr(gpu.train_step, "best_rate", lambda device, dtype: 1e12)
    gpu.main(torch.device("cpu"), rounds=1, seconds=600, tests="2 skipped")
    printed = capsys.readouterr().out
    assert "not run on a GPU" in printed
    for text in ("2 skipped", "training step", "beam 5", "frozen encoder", "epoch of COCO's size"):
        assert text in printed


def test_parts_without_time_are_left_out(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "TINY", {})
    gpu.main(torch.device("cpu"), rounds=1, seconds=-1, tests="")
    assert capsys.readouterr().out.count("left out") == 4


@pytest.mark.parametrize("status", [0, 1])
def test_the_script_runs_the_tests_and_then_the_table(tmp_path, status):
    """Its status is that of the tests."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@"\ncase $1 in -m) exit {status};; esac\n', encoding="utf-8")
    program.chmod(0o755)
    done = subprocess.run(["bash", ROOT / "benchmarks/gpu.sh", program], capture_output=True, text=True)
    first, second = done.stdout.splitlines()
    assert first == "-m pytest -q -m cuda tests/devices"
    assert second == f"benchmarks/gpu.py --tests {first}"
    assert done.returncode == status
