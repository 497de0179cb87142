"""What the C library does with memory that tensors have freed."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_memory() -> bool:
    """Keep freed memory in this process for the next step's tensors. Returns whether this worked.

    Otherwise glibc returns the pages of every large tensor to the system, and the next step gets them back with one page fault per 4 KiB
    (`benchmarks/train_step.py --memory returned` measures the cost). The process then never shrinks. Does nothing except on Linux with
    glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    return mallopt is not None and mallopt(_MMAP_MAX, 0) == 1 and mallopt(_TRIM_THRESHOLD, -1) == 1
