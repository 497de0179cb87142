"""What the C library does with memory that tensors gave back."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_memory() -> bool:
    """Let this process keep the memory that tensors gave back, for those of the next step; returns whether it does.

    Otherwise glibc hands each large tensor's pages to the system when it is freed, and the next step asks for them anew, one page fault for
    every 4 KiB (`benchmarks/train_step.py --memory returned` shows what that costs). The process then stays as large as it once was.
    Elsewhere than on Linux with glibc nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and mallopt(_MMAP_MAX, 0) == 1 and mallopt(_TRIM_THRESHOLD, -1) == 1
