"""ReceiveBuffer: the bytes that a decoder has not consumed yet.

Chunks arrive as immutable ``bytes`` and are sliced, never shifted: consuming moves a position.  In the common case one
chunk holds whole frames and is looked at directly.  When a frame spans chunks, they are kept as they came and put
together once, when somebody takes them; so a frame of any size, in pieces of any size, costs time in proportion to its
length.  Small pieces are gathered in a ``bytearray``, because a peer that sends two bytes at a time must not cost us
forty each.

Looking again for something that was not there before starts where the last search ended (``find``), and a decoder that
knows how much it needs is not asked again before that much is here (``wait_for``).
"""

from __future__ import annotations

from struct import Struct
from typing import Final, final

from ._mypyc import i64, mypyc_attr

_SMALL: Final = 4096  # bytes; smaller pieces are gathered
_GATHERED: Final = 65536  # bytes in one gathered piece
_LARGE: Final = 65536  # bytes; a part at least this large is worth receiving as one piece

_IS_INTERPRETED: Final = __file__.endswith(".py")  # then struct is quicker than arithmetic
_BIG_U32: Final = Struct(">I").unpack_from
_LITTLE_U32: Final = Struct("<I").unpack_from


@mypyc_attr(allow_interpreted_subclasses=True)
class ReceiveBuffer:
    """Bytes in the order of their arrival; decoders look (``data``, ``peek``, ``find``) and then consume (``take``, …).

    ``pos`` is where the unread bytes begin in ``data``; ``left`` is how many there are.  Both are there to be read: to
    move on, use ``skip``.  ``front`` is ``data`` as far as it is one piece already: looking at it costs nothing.
    """

    def __init__(self, data: bytes = b"") -> None:
        self.front: bytes = data
        self.pos: i64 = 0
        self.left: i64 = len(data)
        self.wanted: i64 = 0  # bytes that must be here before the decoder is asked again
        self.expected: i64 = 0  # bytes that should arrive as one piece next; see expect()
        self._pieces: list[bytes | bytearray] = []  # what follows front, not joined to it yet
        # what find() knows: this needle begins nowhere from _sought_from to _searched (counted from the first unread
        # byte), and that search ended in this piece
        self._sought = b""
        self._sought_from: i64 = 0
        self._searched: i64 = 0
        self._piece: i64 = 0
        self._piece_start: i64 = 0

    def __len__(self) -> int:
        return self.left

    def __repr__(self) -> str:
        start = self.peek(32)
        return f"<ReceiveBuffer {self.left} bytes: {start!r}{'…' if self.left > len(start) else ''}>"

    @property
    def data(self) -> bytes:
        """All bytes that are here, as one; the unread ones begin at ``pos``.  Consumed ones may be in front."""
        if self._pieces:
            self._join()
        return self.front

    @final
    def append(self, chunk: bytes) -> None:
        """Add what has arrived."""
        size: i64 = len(chunk)
        if self.left == 0:
            self.front = chunk
            self.pos = 0
            self.left = size
            self._searched = 0
            return
        self.left += size
        pieces = self._pieces
        if size >= _SMALL:
            pieces.append(chunk)
            return
        last = pieces[-1] if pieces else b""
        if isinstance(last, bytearray) and len(last) < _GATHERED:
            last += chunk
        else:
            pieces.append(bytearray(chunk))

    def peek(self, n: int) -> bytes:
        """Look at the next ``n`` bytes, or at all if fewer are here."""
        if n < 0:
            raise self._too_few("peek", n)
        if n > self.left:
            n = self.left
        start = self.pos
        if n > len(self.front) - start:
            self._join()
            start = 0
        return self.front[start : start + n]

    def peek_uint(self, offset: int, length: int, little_endian: bool = False) -> int:
        """Look at the unsigned number of ``length`` bytes that lies ``offset`` bytes ahead; they must be here."""
        if 0 < length <= 4 and offset >= 0:
            return self.peek_u32(offset, length, little_endian)
        if offset < 0 or length < 0 or offset + length > self.left:
            raise self._too_few("peek_uint", offset + length)
        data = self.data
        start: i64 = self.pos + offset
        return int.from_bytes(data[start : start + length], "little" if little_endian else "big")

    @final
    def peek_u32(self, offset: i64, length: i64, little_endian: bool = False) -> i64:
        """Do what ``peek_uint`` does for 1 to 4 bytes, in machine numbers."""
        data = self.front
        start: i64 = self.pos + offset
        if start + length > len(data):
            if offset + length > self.left:
                raise self._too_few("peek_uint", offset + length)
            data = self.data
            start = self.pos + offset
        if _IS_INTERPRETED and length == 4:
            number: i64 = (_LITTLE_U32 if little_endian else _BIG_U32)(data, start)[0]
            return number
        # Shifts, because int.from_bytes makes a slice and a bound method first: four times as slow when compiled.
        value: i64 = data[start]
        if length == 1:
            return value
        second: i64 = data[start + 1]
        if length == 2:
            return second << 8 | value if little_endian else value << 8 | second
        third: i64 = data[start + 2]
        if length == 3:
            return third << 16 | second << 8 | value if little_endian else value << 16 | second << 8 | third
        last: i64 = data[start + 3]
        if little_endian:
            return last << 24 | third << 16 | second << 8 | value
        return value << 24 | second << 16 | third << 8 | last

    def take(self, n: int) -> bytes:
        """Consume the next ``n`` bytes.

        Raises:
            BufferError: fewer are here; nothing is consumed.
        """
        if n < 0 or n > self.left:
            raise self._too_few("take", n)
        start: i64 = self.pos
        end: i64 = start + n
        self.left -= n
        self.wanted = 0
        self._searched = 0
        if end <= len(self.front):
            self.pos = end
            if start == 0 and end == len(self.front):
                return self.front
            return self.front[start:end]
        return self._gather(n)

    def skip(self, n: int) -> None:
        """Consume ``n`` bytes without looking at them.

        Raises:
            BufferError: fewer are here; nothing is consumed.
        """
        if n < 0 or n > self.left:
            raise self._too_few("skip", n)
        end: i64 = self.pos + n
        self.left -= n
        self.wanted = 0
        self._searched = 0
        if end <= len(self.front):
            self.pos = end
        else:
            self._gather(n)

    @final
    def cut(self, start: i64, end: i64, n: i64) -> bytes:
        """Consume the next ``n`` bytes and return those from ``start`` to ``end``: a frame without what is around it.

        Raises:
            BufferError: fewer are here; nothing is consumed.
        """
        if not 0 <= start <= end <= n:
            raise ValueError(f"cut({start}, {end}, {n}): must be three rising counts of bytes")
        if n > self.left:
            raise self._too_few("cut", n)
        pos: i64 = self.pos
        last: i64 = pos + n
        if last <= len(self.front):
            self.left -= n
            self.wanted = 0
            self._searched = 0
            self.pos = last
            return self.front[pos + start : pos + end]
        if start > 0:
            self.skip(start)
        part = self.take(end - start)
        if end < n:
            self.skip(n - end)
        return part

    def take_all(self) -> bytes:
        """Consume everything."""
        return self.take(self.left)

    def give_away(self) -> bytes:
        """Consume everything, and wait for nothing: what follows belongs to another stream."""
        rest = self.take(self.left) if self.left > 0 else b""
        self.clear()
        return rest

    @final
    def wait_for(self, n: i64) -> None:
        """Do not ask the decoder again before ``n`` unread bytes are here; for who is about to return "not yet"."""
        self.wanted = n
        if n - self.left >= _LARGE:
            self.expected = n - self.left

    def expect(self, n: i64) -> None:
        """Say that the next ``n`` bytes belong together.

        A transport that can will bring just these as one piece, which then need not be copied to be taken.  A wish, no
        more: they may come in any other pieces.
        """
        self.expected = n

    def find(self, needle: bytes, start: int = 0) -> int:
        """Find ``needle`` in the unread bytes, at ``start`` or later: its distance from the first unread byte, or -1.

        A search for the same needle that found nothing is not repeated for the bytes that were there then.
        """
        if start < 0:
            raise ValueError(f"start must not be negative, but is {start}")
        pos: i64 = self.pos
        if not self._pieces:
            begin: i64 = start
            if self._searched > begin >= self._sought_from and self._sought == needle:
                begin = self._searched
            at: i64 = self.front.find(needle, pos + begin)
            if at >= 0:
                return at - pos
            self._remember(needle, start, 0, 0)
            return -1
        return self._find_in_pieces(needle, start)

    @final
    def trim(self) -> None:
        """Let go of what is consumed, so that a few unread bytes do not hold a whole chunk in memory."""
        if self.left == 0:
            self.front = b""
            self.pos = 0
        elif self.pos > self.left and not self._pieces:  # otherwise it would copy more than it frees
            self.front = self.front[self.pos :]
            self.pos = 0

    def clear(self) -> None:
        """Drop everything."""
        self.front = b""
        self._pieces = []
        self.pos = 0
        self.left = 0
        self.wanted = 0
        self._searched = 0

    # -- how it is done -----------------------------------------------------------------------------

    def _too_few(self, what: str, n: int) -> Exception:
        if n < 0:
            return ValueError(f"{what}({n}): a count of bytes is not negative")
        return BufferError(f"{what}({n}): only {self.left} bytes are here")

    def _join(self) -> None:
        self.front = b"".join([self.front[self.pos :], *self._pieces])
        self.pos = 0
        self._pieces = []
        self._piece = 0
        self._piece_start = 0

    def _gather(self, n: i64) -> bytes:
        """Consume ``n`` bytes that reach beyond the first chunk, copying each of them once."""
        pieces = self._pieces
        if self.pos == len(self.front) and len(pieces[0]) == n and isinstance(pieces[0], bytes):
            whole = pieces.pop(0)  # it came as one piece, and is handed on as it came
            self.front = b"" if self.left == 0 else bytes(pieces.pop(0))
            self.pos = 0
            self._piece = 0
            self._piece_start = 0
            return bytes(whole)
        parts: list[bytes | bytearray] = [self.front[self.pos :]]
        missing: i64 = n - len(parts[0])
        used = 0
        self.front = b""
        self.pos = 0
        while missing > 0:
            piece = pieces[used]
            used += 1
            size: i64 = len(piece)
            if size <= missing:
                parts.append(piece)
                missing -= size
            else:
                parts.append(piece[:missing])
                self.front = bytes(piece)
                self.pos = missing
                missing = 0
        del pieces[:used]
        if self.left > 0 and self.pos == len(self.front):
            self.front = bytes(pieces.pop(0))
            self.pos = 0
        self._piece = 0
        self._piece_start = 0
        return b"".join(parts)

    def _remember(self, needle: bytes, start: int, piece: i64, piece_start: i64) -> None:
        """Everything was searched for ``needle`` from ``start`` on; a needle may still begin in the last bytes."""
        begin: i64 = start
        if self._searched < begin or begin < self._sought_from or self._sought != needle:
            self._sought_from = begin  # otherwise this search went on where one from further ahead had ended
        overlap: i64 = len(needle) - 1
        searched: i64 = self.left - overlap
        self._sought = needle
        self._searched = searched if searched > 0 else 0
        self._piece = piece
        self._piece_start = piece_start

    def _find_in_pieces(self, needle: bytes, start: int) -> int:
        """Search without joining: each piece, and the seam before it."""
        overlap = len(needle) - 1
        begin: i64 = start
        first: i64 = len(self.front) - self.pos
        index: i64 = 0
        piece_start: i64 = first
        if self._searched > begin >= self._sought_from and self._sought == needle:
            begin = self._searched
            if self._piece_start > first:
                index = self._piece
                piece_start = self._piece_start
        elif begin > first:  # nearly always close to the end: several needles are sought in turn in what has come last
            index = len(self._pieces) - 1
            piece_start = self.left - len(self._pieces[index])
            while piece_start > begin:
                index -= 1
                piece_start -= len(self._pieces[index])
        if begin < first:
            at = self.front.find(needle, self.pos + begin)
            if at >= 0:
                return at - self.pos
        pieces = self._pieces
        count: i64 = len(pieces)
        while index < count:
            piece = pieces[index]
            size: i64 = len(piece)
            if overlap > 0 and begin < piece_start:
                # the seam: a needle that begins before this piece and ends in it
                seam_start: i64 = piece_start - overlap
                if seam_start < begin:
                    seam_start = begin
                seam = self._slice(seam_start, piece_start + overlap, index, piece_start)
                at = seam.find(needle)
                if at >= 0:
                    return seam_start + at
            inside: i64 = begin - piece_start
            at = piece.find(needle, inside if inside > 0 else 0)
            if at >= 0:
                return piece_start + at
            if index == count - 1:
                break
            piece_start += size
            index += 1
        self._remember(needle, start, index, piece_start)
        return -1

    def _slice(self, begin: i64, end: i64, index: i64, piece_start: i64) -> bytes:
        """Copy a few bytes around the start of a piece; ``begin`` and ``end`` count from the first unread byte."""
        parts: list[bytes] = []
        at: i64 = index
        at_start: i64 = piece_start
        while at < len(self._pieces) and at_start < end:  # forward, from the piece on
            parts.append(bytes(self._pieces[at][: end - at_start]))
            at_start += len(self._pieces[at])
            at += 1
        at = index
        at_start = piece_start
        while at_start > begin:  # backward, until begin is inside
            at -= 1
            if at < 0:
                first: i64 = at_start
                back: i64 = first - begin
                whole = self.front
                parts.insert(0, whole[len(whole) - back :])
                break
            piece = self._pieces[at]
            at_start -= len(piece)
            cut: i64 = begin - at_start
            parts.insert(0, bytes(piece[cut if cut > 0 else 0 :]))
        return b"".join(parts)
