"""The memory of this computer: what is free, and what the C library does with memory that tensors have freed."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

_MEMINFO = Path("/proc/meminfo")
_STATUS = Path("/proc/self/status")
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Devices whose drivers reserve more addresses than there is memory."""
_RESERVED = 2**30
"""Bytes that threads and libraries reserve and never use; they count too."""
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of glibc's malloc.h


def keep_memory() -> bool:
    """Keep freed memory in this process for the next step's tensors. Returns whether this worked.

    Otherwise glibc returns the pages of every large tensor to the system, and the next step gets them back with one page fault per 4 KiB
    (`benchmarks/train_step.py --memory returned` measures the cost). The process then never shrinks. Does nothing except on Linux with
    glibc.
    """
    return _mallopt(_MMAP_MAX, 0) and _mallopt(_TRIM_THRESHOLD, -1)


def one_arena() -> bool:
    """Make all threads that start from now on allocate from one arena of glibc. Returns whether this worked.

    Otherwise every thread has an arena of its own, which keeps memory that the thread has freed, so that a service takes more memory with
    every new thread.
    """
    return _mallopt(_ARENA_MAX, 1)


def _mallopt(option: int, value: int) -> bool:
    """Set an option of glibc's malloc. Returns whether this worked; it cannot elsewhere."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and mallopt(option, value) == 1


def free_memory() -> float:
    """Bytes that programs can still take: what Linux says is available, elsewhere all memory, infinite where that is unknown."""
    try:
        available = _bytes(_MEMINFO, "MemAvailable")
        return float("inf") if available is None else available
    except OSError:
        names = getattr(os, "sysconf_names", {})
        known = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= names.keys()
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else float("inf")


@contextmanager
def within_free_memory() -> Iterator[None]:
    """Inside, this process can take the memory and the swap space that are free now, and an error is raised when it asks for more.

    Otherwise Linux promises more than there is, and kills this process or another one when the memory is used. Does nothing on other
    systems, and with GPUs.
    """
    if sys.platform != "linux" or any(map(os.path.exists, _GPUS)):
        yield
        return
    import resource

    before, highest = resource.getrlimit(resource.RLIMIT_DATA)
    taken = _bytes(_STATUS, "VmData")
    allowed = float("inf") if taken is None else taken + _RESERVED + free_memory() + _free_swap()
    lowest = min([limit for limit in (before, highest) if limit != resource.RLIM_INFINITY], default=float("inf"))
    if allowed < lowest:
        resource.setrlimit(resource.RLIMIT_DATA, (int(allowed), highest))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, highest))


def _free_swap() -> int:
    return (_bytes(_MEMINFO, "SwapFree") or 0) if _MEMINFO.exists() else 0


def _bytes(path: Path, name: str) -> int | None:
    """A number of kB that Linux tells in a file of /proc, in bytes."""
    line = re.search(rf"^{name}:\s*(\d+) kB", path.read_text(encoding="utf-8"), re.MULTILINE)
    return None if line is None else 1024 * int(line[1])


def check_memory(make: Callable[[], nn.Module]) -> None:
    """Raise a MemoryError if the weights of the module that `make` makes are larger than the free memory. Linux would promise it, and kill
    this process later."""
    needed, free = size_of_weights(make) / 2**30, free_memory() / 2**30
    if needed > free:
        raise MemoryError(f"its weights need {needed:,.1f} GiB of memory, {free:,.1f} GiB are free")


def size_of_weights(make: Callable[[], nn.Module]) -> int:
    """Bytes of the weights of the module that `make` makes, without the memory for them.

    No random numbers are drawn. For tensors without memory, torch would first import its compiler, which takes seconds.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class NotDrawn(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.__name__ in ("normal_", "uniform_"):
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    with torch.device("meta"), NotDrawn():
        return sum(weight.nbytes for weight in make().state_dict().values())
