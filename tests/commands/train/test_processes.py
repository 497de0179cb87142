"""Two real processes: none waits for ever for what another one found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from captioner.errors import UserError
from captioner.features import store
from captioner.training.distributed import others_alive
from tests.commands.train.test_resume import without_encoder
from tests.commands.train.test_training_run import FROZEN
from tests.helpers import CONFIGS, DRAWN, losses, tiny_settings

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
PROGRAM = """
import runpy, sys
from captioner.encoders import preprocess
from captioner.errors import Unreachable
from captioner.features import sources, store
real = sources.open_photo
def open_photo(path, *arguments):
    if path.name in {names}:
        raise Unreachable(f"{{path}} cannot be opened (Input/output error); check it and try again")
    return real(path, *arguments)
sources.open_photo = open_photo
{more}
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(tmp_path, settings, names=(), more="") -> subprocess.CompletedProcess:
    """Train in two processes, in which some photos cannot be opened."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(names=list(names), more=more), encoding="utf-8")
    command = [*TORCHRUN, str(program), str(CONFIGS.parent / "train.py"), str(DRAWN), *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "400"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_a_photo_that_cannot_be_opened_is_left_out_by_both(pictures, tmp_path):
    name = sorted((pictures / "images").glob("train_*.png"))[3].name
    settings = [*without_encoder(tiny_settings(pictures, tmp_path / "run")), *FROZEN, "run.epochs=1"]
    done = run(tmp_path, settings, [name])
    assert done.returncode == 0, done.stderr
    listed = (tmp_path / "run" / "unreadable_train.txt").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 1
    assert "Input/output error" in listed[0]
    assert [line["kind"] for line in losses(tmp_path / "run")].count("validation") == 1


@pytest.mark.slow
def test_an_error_while_regions_are_stored_ends_both(pictures, tmp_path):
    """As a full disk does, which only the process that writes sees."""
    settings = [*without_encoder(tiny_settings(pictures, tmp_path / "run")), *FROZEN, "run.epochs=1"]
    done = run(tmp_path, settings, more="store.FeatureStore.check_space = lambda *given: 1 / 0")
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    assert "the first process ended; its message says why" in done.stderr
    shutil.rmtree(tmp_path / "features", ignore_errors=True)
    refused = run(tmp_path, [*settings, "search.min_length=30", "search.max_length=20"])
    assert refused.returncode != 0
    assert "search: " in refused.stderr
    assert "training_run.py" not in refused.stderr  # no traceback of ours


@pytest.mark.parametrize("text", ["Connection closed by peer", "out of memory"])
def test_a_process_that_ended_is_told_from_other_errors(text):
    wanted = UserError if "Connection" in text else RuntimeError
    with pytest.raises(wanted) as raised, others_alive():
        raise RuntimeError(text)
    assert type(raised.value) is wanted


def test_regions_that_another_machine_cannot_see_are_an_error(tmp_path):
    empty = store.FeatureStore(tmp_path, (4, 2), {})
    empty.check_rows([])
    with pytest.raises(ValueError, match=r"run\.features to a folder that all machines share"):
        empty.check_rows([[0], [1]])
