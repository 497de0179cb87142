"""A disk that fills up, or a limit on the size of files, ends a command with one line; with room it goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns.forks import leftovers
from tests.helpers import CONFIGS, DRAWN, tiny_settings

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(3600)]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True
        ).returncode
    ):
        pytest.skip("a small file system needs root and mount")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CONFIGS.parent)}
    return subprocess.run(
        [sys.executable, "-m", "captioner", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=300,
    )


@pytest.mark.parametrize("free_kib", [4, 40, 120, 200, 300, 400, 600])
def test_a_full_disk_ends_a_run_with_one_line_and_it_goes_on(free_kib, small_disk, pictures):
    filler = small_disk / "filler"
    filler.write_bytes(bytes(1024 * (1024 - free_kib) - 8192))
    command = ["train", str(DRAWN), *tiny_settings(pictures, Path("run")), "run.epochs=1", "run.save_minutes=0"]
    ended = run(command, small_disk)
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (0, 2), ended.stderr
    filler.unlink()
    ended = run(command, small_disk)
    assert ended.returncode == 0, ended.stderr
    assert not leftovers(small_disk)
