"""What a loop tells the memory allocator of the C library before it begins."""

from __future__ import annotations

from typing import Final

_LARGE_BLOCK: Final = 8 << 20  # bytes; twice as much may stay unused at the end of a heap


def settle_allocator() -> None:
    """Let glibc learn at once what it learns in time: that large blocks come and go here.

    Up to then it takes each from the kernel, and every frame of a megabyte costs hundreds of page faults.
    """
    bytes(_LARGE_BLOCK)
