"""Processes of one training run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from torch import distributed

from captioner.errors import UserError
from captioner.training.distributed import processes


def test_groups_are_destroyed_after_their_threads_have_had_time_to_end(monkeypatch):
    """At once, PyTorch before 2.8 may wait for ever: a thread frees the last tensors while the group that it serves is destroyed."""
    calls = []
    for name, value in {
        "WORLD_SIZE": "2",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("init_process_group", "new_group", "destroy_process_group"):
        monkeypatch.setattr(distributed, name, lambda *_, name=name, **__: calls.append(name))
    monkeypatch.setattr(time, "sleep", lambda seconds: calls.append("time" if seconds >= 0.1 else ""))
    with processes("cpu"):
        assert calls == ["init_process_group", "new_group"]
    assert calls[2:] == ["time", "destroy_process_group"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "a"}, "WORLD_SIZE should be a whole number, as torchrun sets it, got 'a'"),
        ({"WORLD_SIZE": "2"}, "2 processes train together, but RANK is not set"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "MASTER_ADDR is not set; start them with torchrun, or unset WORLD_SIZE"),
    ],
)
def test_variables_of_another_launcher_are_an_error_in_one_line(monkeypatch, variables, message):
    for name in ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message), processes("cpu"):
        pass


WAITING = """
from captioner.training.distributed import processes
from captioner.training.stopping import StopRequest
stop = StopRequest()
with stop.listening():
    print("waiting", flush=True)
    with processes("cpu"):
        pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_waits_for_the_others_can_be_ended():
    variables = {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], env=os.environ | variables, stdout=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stdout.readline() == "waiting\n"
        time.sleep(1)
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait(60) == -signal.SIGTERM
