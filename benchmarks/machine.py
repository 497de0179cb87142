"""Timing, and a description of the machine, for all benchmarks."""

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
from captioner.training.distributed import mixed_precision

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
"""Elapsed time, or the processor time of this process; with one thread, other work on the machine hardly affects the latter."""


def seconds(work: Callable[[], object], device: torch.device | None = None, clock: str = "wall") -> float:
    """The time that a piece of work takes, including the device's queue."""
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
    """Parse the command line, with the options `--clock` and `--memory` of all benchmarks.

    `--memory` says what the C library does with the memory of freed tensors, and is applied here: "kept", as in our commands, or
    "returned" to the system, its default.
    """
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    parser.add_argument("--memory", default="kept", choices=["kept", "returned"])
    options = vars(parser.parse_args())
    memory = options.pop("memory")
    print(f"memory of freed tensors is {memory}")
    if memory == "kept" and not keep_memory():
        raise SystemExit("memory cannot be kept on this system; choose --memory returned")
    return options


def precisions(device: torch.device) -> list[torch.dtype]:
    """float32, and bfloat16 where the device multiplies it natively; emulated, one product takes minutes."""
    if mixed_precision(device) == torch.bfloat16:
        return [torch.float32, torch.bfloat16]
    print("rows in bf16 are left out: this processor has no instructions for it")
    return [torch.float32]


def in_turn(
    works: Sequence[Callable[[], object]], rounds: int, device: torch.device | None = None, clock: str = "wall"
) -> list[float]:
    """Median seconds of each work; all take turns in every round, after a warm-up round."""
    return [statistics.median(times) for times in all_times(works, rounds, device, clock)]


def all_times(
    works: Sequence[Callable[[], object]], rounds: int, device: torch.device | None = None, clock: str = "wall"
) -> list[list[float]]:
    """Seconds of each work in every round; all take turns in a round, after a warm-up round."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(rounds + 1):
        for work, own_times in zip(works, times, strict=True):
            took = seconds(work, device, clock)
            if turn:
                own_times.append(took)
    return times


def where(device: torch.device | None = None) -> str:
    """Machine, its instruction sets, threads, torch and date, in one line."""
    if device is not None and device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"
    return f"{name}; torch {torch.__version__}; {datetime.date.today()}"


INSTRUCTION_SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_bf16": "AVX512-BF16",
    "amx_bf16": "AMX",
    "asimd": "NEON",
    "sve": "SVE",
    "bf16": "BF16",
}
"""The names of those that matter for products, by their flags in /proc/cpuinfo."""


def _processor() -> str:
    """The processor's name and instruction sets; elsewhere than on Linux, the set that torch uses."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return f"{platform.processor()} ({torch.backends.cpu.get_cpu_capability()})"
    entries = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in lines if ":" in line}
    flags = f"{entries.get('flags', '')} {entries.get('Features', '')}".split()  # the names on x86 and on Arm
    sets = ", ".join(name for flag, name in INSTRUCTION_SETS.items() if flag in flags)
    return f"{entries.get('model name', platform.processor())} ({sets or 'no vector instructions known'})"
