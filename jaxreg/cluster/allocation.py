"""How a worker of Dask asks the system for memory."""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST = 32 * 2**20  # bytes: glibc's own limit of the latter


def allocate_as_usual() -> None:
    """Takes back a setting of Dask's nanny that costs half as much again of a member's time.

    It starts workers with MALLOC_TRIM_THRESHOLD_=65536, with which glibc gives memory back to the system after each
    step, and asks for it before the next one. What glibc comes to by itself is set in its place.
    """
    if "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another system, another allocator
        return
    mallopt(M_MMAP_THRESHOLD, LARGEST)
    mallopt(M_TRIM_THRESHOLD, 2 * LARGEST)
