"""Ctrl-C in the first moments of a command."""

from __future__ import annotations

import subprocess
import sys

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
