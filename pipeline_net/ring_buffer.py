"""A byte queue that grows and gives back, and the pool that its blocks come from.

A connection that waits for the rest of a frame has to keep bytes; ten thousand idle connections should keep none.
So a ring holds one block, a fixed-size ``bytearray`` whose length is a power of two, only while it holds bytes.
Blocks travel: pool → ring → larger ring → pool.

A ``bytearray`` refuses to be resized while a ``memoryview`` of it lives, and a user may keep for ever what ``peek``
returned.  Therefore no block is ever resized: growing and shrinking move the bytes to another block, and the old one
goes back.  A block of which somebody still holds a view is not pooled but left to that somebody, so a view that
outlives its bytes can never show the bytes of another connection.

Decided against: a linked list of chunks (``find`` and ``peek`` would cross a seam at every chunk), and a buffer that
slides its bytes to the front (a slow reader of a large queue would move all of it, again and again).

Nothing here is thread-safe: a pool and its rings belong to one loop.
"""

from __future__ import annotations

from typing import Final

SMALLEST_BLOCK: Final = 1024  # bytes; below this the objects around a block outweigh it
LARGEST_POOLED_BLOCK: Final = 1024 * 1024  # bytes; larger blocks are rare, and too dear to keep in store
_SMALLEST_BITS: Final = SMALLEST_BLOCK.bit_length()
_SIZES: Final = LARGEST_POOLED_BLOCK.bit_length() - SMALLEST_BLOCK.bit_length() + 1

# A ring moves to a smaller block when it uses an eighth of its own, and then half fills the new one at most.  At least
# three eighths of a block are written or read between two moves, which pays for them: the cost per byte is constant.
_SHRINK_RATIO: Final = 8

_NO_BLOCK: Final = bytearray()  # what a ring without a block points at; nobody else ever sees it
_NO_VIEW: Final = memoryview(b"")


def block_size(size: int) -> int:
    """Return the length of the block that ``size`` bytes need: a power of two, ``SMALLEST_BLOCK`` at least."""
    if size <= SMALLEST_BLOCK:
        return SMALLEST_BLOCK
    return 1 << (size - 1).bit_length()


class BlockPool:
    """Used blocks of one loop, sorted by size, for the next ring that needs one.

    What the pool keeps is bounded in bytes and in number; a block that does not fit is left to the garbage
    collector.  Blocks are not wiped: whoever acquires one reads only what it wrote.

    Args:
        max_held_bytes: the sum of the lengths of all blocks in store; 0 keeps none.
        max_held_blocks: how many blocks may be in store; 0 keeps none.
    """

    def __init__(self, *, max_held_bytes: int = 4 * 1024 * 1024, max_held_blocks: int = 1024) -> None:
        if max_held_bytes < 0:
            raise ValueError(f"max_held_bytes cannot be negative: {max_held_bytes}")
        if max_held_blocks < 0:
            raise ValueError(f"max_held_blocks cannot be negative: {max_held_blocks}")
        self._max_held_bytes: int = max_held_bytes
        self._max_held_blocks: int = max_held_blocks
        self._held_bytes: int = 0
        self._held: set[int] = set()  # id() of every block in store, so that giving one back twice is noticed
        self._free: list[list[bytearray]] = [[] for _ in range(_SIZES)]

    @property
    def held_bytes(self) -> int:
        """The sum of the lengths of all blocks in store."""
        return self._held_bytes

    @property
    def held_blocks(self) -> int:
        """How many blocks are in store."""
        return len(self._held)

    def acquire(self, size: int) -> bytearray:
        """Hand out a block of at least ``size`` bytes; its length is a power of two, its content anything."""
        if size < 0:
            raise ValueError(f"a block cannot have {size} bytes")
        length = block_size(size)
        if length <= LARGEST_POOLED_BLOCK:
            free = self._free[length.bit_length() - _SMALLEST_BITS]
            if free:
                block = free.pop()
                self._held.remove(id(block))
                self._held_bytes -= length
                return block
        return bytearray(length)

    def release(self, block: bytearray) -> None:
        """Take a block back; the caller must not touch it again.

        It is kept for reuse unless a view of it lives, the pool is full, or it is above ``LARGEST_POOLED_BLOCK``.

        Raises:
            ValueError: no block of this pool can have that length, or the block is in store already.
        """
        length = len(block)
        if length < SMALLEST_BLOCK or length & (length - 1):
            raise ValueError(f"no block of a pool has {length} bytes")
        if id(block) in self._held:
            raise ValueError(f"this block of {length} bytes was given back before")
        if (
            length > LARGEST_POOLED_BLOCK
            or self._held_bytes + length > self._max_held_bytes
            or len(self._held) >= self._max_held_blocks
            or _has_views(block)
        ):
            return
        self._free[length.bit_length() - _SMALLEST_BITS].append(block)
        self._held.add(id(block))
        self._held_bytes += length

    def __repr__(self) -> str:
        return f"<BlockPool {len(self._held)} blocks, {self._held_bytes} bytes in store>"


def _has_views(block: bytearray) -> bool:
    """Say whether anybody holds a buffer on ``block``.

    Python tells nobody how many buffers it has given out, but it refuses to shorten a ``bytearray`` that has any, and
    it refuses before it changes anything.  Taking one byte off and putting it back moves no memory.
    """
    try:
        block.append(block.pop())
    except BufferError:
        return True
    return False


class RingBuffer:
    """bytes → bytes, first in, first out; the queue is as large as what waits in it.

    The bytes lie in one block and may run over its end to its beginning::

        write(b"abcdefgh"), read(5), write(b"ijk"), with a block of 8 (real ones have 1024 bytes and more)

          +---+---+---+---+---+---+---+---+
          | i | j | k |   |   | f | g | h |       peek() -> (b"fgh", b"ijk")
          +---+---+---+---+---+---+---+---+

    A full block is exchanged for the next power of two that has room.  A block of which an eighth is used is exchanged
    for a smaller one.  An empty ring holds no block.

    One rule for counts: ``read``, ``peek`` and ``peek_bytes`` give exactly what was asked for, or raise
    ``BufferError`` ("short buffer") and change nothing.  Only ``discard`` takes what there is.  A negative count raises
    ``ValueError``; it never means "all".

    Args:
        capacity: bytes for which the first block has room, and below which a block is not exchanged for a smaller one;
            nothing is allocated before the first write.
        max_size: bytes that may wait; the block may be larger, as it is a power of two.  None: no limit.
        pool: where blocks come from and go to; None: they are allocated and freed.

    Raises:
        ValueError: ``capacity`` is negative or above ``max_size``, or ``max_size`` is not positive.
        OverflowError: a write would pass ``max_size``; nothing of it is kept.
        BufferError: more is wanted than waits.
    """

    def __init__(self, capacity: int = 0, *, max_size: int | None = None, pool: BlockPool | None = None) -> None:
        if capacity < 0:
            raise ValueError(f"capacity cannot be negative: {capacity}")
        if max_size is not None:
            if max_size < 1:
                raise ValueError(f"max_size must be positive: {max_size}")
            if capacity > max_size:
                raise ValueError(f"capacity {capacity} is above max_size {max_size}")
        self._pool: BlockPool | None = pool
        self._max_size: int = -1 if max_size is None else max_size
        self._floor: int = block_size(capacity)
        self._block: bytearray = _NO_BLOCK
        self._view: memoryview = _NO_VIEW  # copies in and out of the block once; slices of a bytearray copy twice
        self._capacity: int = 0
        self._start: int = 0
        self._used: int = 0

    def __len__(self) -> int:
        return self._used

    @property
    def capacity(self) -> int:
        """The length of the block in bytes; 0 while the ring holds none."""
        return self._capacity

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._used == 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append a copy of ``data``, all of it or, above ``max_size``, nothing."""
        if not isinstance(data, (bytes, bytearray)):
            data = _flat(data)
        size = len(data)
        if size == 0:
            return
        used = self._used + size
        if 0 <= self._max_size < used:
            raise OverflowError(
                f"{size} bytes do not fit: {self._used} wait already, and the limit is {self._max_size} bytes"
            )
        if used > self._capacity:
            self._move(max(used, self._floor))
        at = (self._start + self._used) & (self._capacity - 1)
        room = self._capacity - at  # up to the end of the block
        if size <= room:
            self._view[at : at + size] = data
        else:
            source = memoryview(data)
            self._view[at:] = source[:room]
            self._view[: size - room] = source[room:]
        self._used = used

    def read(self, n: int) -> bytes:
        """Take the first ``n`` bytes."""
        taken = self.peek_bytes(n)
        self._consume(n)
        return taken

    def read_all(self) -> bytes:
        """Take everything that waits, perhaps nothing."""
        return self.read(self._used)

    def peek_bytes(self, n: int) -> bytes:
        """Copy the first ``n`` bytes and leave them in the ring."""
        self._check(n)
        start = self._start
        room = self._capacity - start
        if n <= room:
            return self._view[start : start + n].tobytes()
        return b"".join((self._view[start:], self._view[: n - room]))

    def peek(self, n: int | None = None) -> tuple[memoryview, memoryview]:
        """Show the first ``n`` bytes (None: all) in place, as two read-only views; the second is mostly empty.

        The views belong to the caller until the next change of the ring.  Kept for longer they stay safe to read, and
        show old bytes or newer ones of this ring, never another ring's; but they keep their block from being reused.
        """
        wanted = self._used if n is None else n
        self._check(wanted)
        if wanted == 0:
            return memoryview(b""), memoryview(b"")  # new ones, since the caller may release() them
        start = self._start
        room = self._capacity - start
        if wanted <= room:
            return self._view[start : start + wanted].toreadonly(), memoryview(b"")
        return self._view[start:].toreadonly(), self._view[: wanted - room].toreadonly()

    def discard(self, n: int) -> int:
        """Drop the first ``n`` bytes, or all if fewer wait; return how many."""
        dropped = min(n, self._used)
        self._check(dropped)
        self._consume(dropped)
        return dropped

    def find(self, needle: bytes, start: int = 0) -> int:
        """Return where ``needle`` first begins, counted from the first waiting byte, or -1; look from ``start`` on.

        An empty needle is found at ``start``, as ``bytes.find`` does; a negative ``start`` raises ``ValueError``.
        """
        if start < 0:
            raise ValueError(f"a position cannot be negative: {start}")
        if start + len(needle) > self._used:
            return -1
        if not needle:
            return start
        origin = self._start
        room = self._capacity - origin
        if self._used <= room:
            found = self._block.find(needle, origin + start, origin + self._used)
            return -1 if found < 0 else found - origin
        wrapped = self._used - room  # bytes that lie at the beginning of the block
        if start < room:
            found = self._block.find(needle, origin + start)
            if found >= 0:
                return found - origin
            # Neither end holds it whole; the last bytes of one and the first of the other may hold it together.
            reach = len(needle) - 1
            seam_from = max(start, room - reach)
            seam = b"".join((self._view[origin + seam_from :], self._view[: min(reach, wrapped)]))
            found = seam.find(needle)
            if found >= 0:
                return seam_from + found
        found = self._block.find(needle, max(start - room, 0), wrapped)
        return -1 if found < 0 else found + room

    def clear(self) -> None:
        """Drop everything that waits; like every empty ring, it then holds no block."""
        self.release()

    def release(self) -> None:
        """Give the block back, with whatever waits in it: for the end of a connection.  The ring remains usable."""
        block = self._block
        view = self._view
        self._block = _NO_BLOCK
        self._view = _NO_VIEW
        self._start = self._used = 0
        if self._capacity:
            self._capacity = 0
            self._give_back(block, view)

    def __repr__(self) -> str:
        return f"<RingBuffer {self._used} bytes in a block of {self._capacity}>"

    def _check(self, n: int) -> None:
        if n < 0:
            raise ValueError(f"a number of bytes cannot be negative: {n}")
        if n > self._used:
            raise BufferError(f"short buffer: {n} bytes are wanted, {self._used} wait")

    def _consume(self, n: int) -> None:
        self._used -= n
        if self._used == 0:
            self.release()
            return
        self._start = (self._start + n) & (self._capacity - 1)
        if self._capacity > self._floor and self._used * _SHRINK_RATIO <= self._capacity:
            self._move(max(2 * self._used, self._floor))

    def _move(self, size: int) -> None:
        """Exchange the block for one of at least ``size`` bytes; what waits then begins at its first byte."""
        pool = self._pool
        block = bytearray(block_size(size)) if pool is None else pool.acquire(size)
        view = memoryview(block)
        old_block = self._block
        old_view = self._view
        if self._used:
            start = self._start
            before_end = min(self._used, self._capacity - start)
            view[:before_end] = old_view[start : start + before_end]
            view[before_end : self._used] = old_view[: self._used - before_end]
        had_block = self._capacity > 0
        self._block = block
        self._view = view
        self._capacity = len(block)
        self._start = 0
        if had_block:
            self._give_back(old_block, old_view)

    def _give_back(self, block: bytearray, view: memoryview) -> None:
        view.release()  # our own; what is left then are views of the caller's
        if self._pool is not None:
            self._pool.release(block)


def _flat(data: memoryview) -> memoryview:
    """View ``data`` as plain bytes, whatever the shape and the items of the original."""
    view = memoryview(data)
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")
