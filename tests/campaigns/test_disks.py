"""A disk that fills up, or a limit on the size of files, ends a command with one line; with room it goes on."""

from __future__ import annotations

import os
import resource
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
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if mounted.returncode:
        pytest.skip("a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def run(arguments: list[str], folder: Path, largest: int = resource.RLIM_INFINITY) -> subprocess.CompletedProcess:
    """The command in a folder; no file may be larger than `largest` bytes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(CONFIGS.parent)}
    return subprocess.run(
        [sys.executable, "-m", "captioner", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=900,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY)),
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
    assert ended.returncode == 0 or "is a finished run" in ended.stderr, ended.stderr
    assert not leftovers(small_disk)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("largest_kib", [0, 1, 8, 60, 200])
def test_a_limit_on_the_size_of_files_ends_a_run_with_one_line_and_it_goes_on(largest_kib, frozen, tmp_path, pictures):
    more = [f"encoder.frozen={frozen}", "run.epochs=1", "run.save_minutes=0"]
    command = ["train", str(DRAWN), *tiny_settings(pictures, Path("run")), *more]
    ended = run(command, tmp_path, 1024 * largest_kib)
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (0, 2), ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == (ended.returncode != 0)
    ended = run(command, tmp_path)
    assert ended.returncode == 0 or "is a finished run" in ended.stderr, ended.stderr
    assert not leftovers(tmp_path)
