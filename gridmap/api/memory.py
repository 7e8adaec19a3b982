"""How this program asks the C library for memory."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_one_heap() -> None:
    """Lets all threads use one heap, so that what one gives back another can have.

    glibc makes a heap for each thread and returns little of it. With several threads that work on
    geometry in turn, an import's memory would grow with the file, by some 100 MB at 100,000 grids.
    Does nothing where the C library is another one. To be called before there are threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
