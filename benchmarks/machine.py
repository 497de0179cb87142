"""What every benchmark says about where it ran, and how it takes times."""

from __future__ import annotations

import argparse
import datetime
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from captioner.layers.allocation import keep_memory

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
"""Time as one waits for it; or what processors spend on this process, which other work on the machine hardly disturbs, with one thread."""


def seconds(work: Callable[[], object], device: torch.device | None = None, clock: str = "wall") -> float:
    """How long a piece of work takes, the device's queue included."""
    now = CLOCKS[clock]
    cuda = device is not None and device.type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    start = now()
    work()
    if cuda:
        torch.cuda.synchronize()
    return now() - start


def chosen(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """What the command line gives, a clock among it.

    `--memory`, which is set here, is what the C library does with memory that tensors gave back: "kept", as our commands have it, or
    "returned", as it does by itself.
    """
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--memory", default="kept", choices=["kept", "returned"])
    given = vars(parser.parse_args())
    memory = given.pop("memory")
    print(f"memory that tensors gave back is {memory}")
    if memory == "kept" and not keep_memory():
        raise SystemExit("memory cannot be kept here; choose --memory returned")
    return given


def in_turn(works: Sequence[Callable[[], object]], rounds: int, device: torch.device | None = None) -> list[float]:
    """Median seconds of each; all take turns in every round, after one round that does not count."""
    return [statistics.median(found) for found in all_times(works, rounds, device)]


def all_times(
    works: Sequence[Callable[[], object]], rounds: int, device: torch.device | None = None, clock: str = "wall"
) -> list[list[float]]:
    """Seconds of each in every round; all take turns in a round, after one round that does not count."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(rounds + 1):
        for work, found in zip(works, times, strict=True):
            took = seconds(work, device, clock)
            if turn:
                found.append(took)
    return times


def where(device: torch.device | None = None) -> str:
    """Machine, threads, torch and date, in one line."""
    if device is not None and device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{_processor()}, {torch.get_num_threads()} threads"
    return f"{name}; torch {torch.__version__}; {datetime.date.today()}"


def _processor() -> str:
    """The processor's name, and whether it has matrix instructions for bfloat16."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    found = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    return found.get("model name", platform.processor()) + (" with AMX" if "amx_bf16" in found.get("flags", "") else "")
