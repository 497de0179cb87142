"""Ctrl-C and requests to end, in the first moments of a command and later."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.builder.test_renamed import OLD_RUN

_CODE = """
import sys
from importlib.abc import MetaPathFinder

class CtrlC(MetaPathFinder):
    def find_spec(self, name, *_):
        if name == "numpy.linalg":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
sys.argv = ["captioner", "settings"]
from captioner.cli import main
main()
"""


def test_ctrl_c_while_numpy_is_imported_ends_the_command(tmp_path):
    ended = subprocess.run([sys.executable, "-c", _CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "stopped\n")


_STOPPED = """
import os, signal, sys, time
from captioner.captioner import Captioner
from captioner.cli import main
stream, asked = Captioner.stream, getattr(signal, sys.argv.pop())

def stopped(self, photos):
    yield next(iter(stream(self, photos)))
    os.kill(os.getpid(), asked)
    time.sleep(60)

Captioner.stream = stopped
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_request_to_end_keeps_the_captions_so_far(pictures, tmp_path, name):
    photos = sorted((pictures / "images").glob("val_*.png"))[:2]
    table = tmp_path / "captions.csv"
    arguments = ["caption", *photos, "--model", OLD_RUN, "--csv", table]
    code = f"import sys; sys.argv = ['captioner', *{list(map(str, arguments))!r}, {name!r}]\n{_STOPPED}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 130, ended.stderr
    assert len(table.read_text(encoding="utf-8").splitlines()) == 2
