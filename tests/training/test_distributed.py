"""Processes of one training run."""

from __future__ import annotations

import time

from torch import distributed

from captioner.training.distributed import processes


def test_groups_are_destroyed_after_their_threads_have_had_time_to_end(monkeypatch):
    """At once, PyTorch before 2.8 may wait for ever: a thread frees the last tensors while the group that it serves is destroyed."""
    calls = []
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    for name in ("init_process_group", "new_group", "destroy_process_group"):
        monkeypatch.setattr(distributed, name, lambda *_, name=name, **__: calls.append(name))
    monkeypatch.setattr(time, "sleep", lambda seconds: calls.append("time" if seconds >= 0.1 else ""))
    with processes("cpu"):
        assert calls == ["init_process_group", "new_group"]
    assert calls[2:] == ["time", "destroy_process_group"]
