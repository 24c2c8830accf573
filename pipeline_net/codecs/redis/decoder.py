"""RedisCommandDecoder: what clients send to a Redis server.

A command is an array of bulk strings.  Lengths come first, so nothing is searched for and values may hold any byte::

    *3\\r\\n  $3\\r\\nSET\\r\\n  $3\\r\\nkey\\r\\n  $5\\r\\nvalue\\r\\n   -->   [b"SET", b"key", b"value"]

Anything that does not begin with ``*`` is an *inline command*: a line of words, for people with ``nc``::

    SET key "two words"\\n                                   -->   [b"SET", b"key", b"two words"]

Arguments are taken out of the buffer as they arrive.  So an array of a hundred thousand elements in small pieces is
parsed once, and a value of a megabyte that comes byte by byte is not looked at before its last byte.

What the real server accepts and refuses, and in which words, was tried on redis-server 7.0.15.  On purpose we differ:

* ``\\r`` must be followed by ``\\n``, and a value by both.  The real server skips whatever two bytes are there, so two
  programs that read the same bytes may disagree about where a command ends.
* A length is refused at its first wrong byte, not at the end of its line; so no line of digits is ever buffered.
* The limits are lower than the real ones (values of 512 MiB, 2147483647 elements), because those let one connection
  take a gigabyte before anything is known about it.
* ``\\0`` in an inline command is a byte like others; the real server waits for ever for the end of such a line.

Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from typing import Final

from ..._mypyc import i64
from ...buffer import ReceiveBuffer
from ...errors import CorruptedFrameError, DecodeError
from ..base import COSTLY_TURN, ByteToMessageDecoder
from .messages import Command
from .rules import ARRAY, BULK, CR, LF, MINUS, NINE, UNFINISHED, ZERO, checked, refusal, unended

# Bytes, as indexing gives them; those of the protocol are in ``rules``.
_SPACE: Final = 32
_TAB: Final = 9
_BACKSLASH: Final = 92
_DOUBLE_QUOTE: Final = 34
_SINGLE_QUOTE: Final = 39
_X: Final = 120
_HEX: Final = b"0123456789abcdefABCDEF"
_ESCAPES: Final = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}

_SHOWN: Final = 80  # bytes of a line, in a complaint: anybody can cause one, and logs are not for whole lines

_MAX_NEGATIVE: Final = 2**63  # "*-9223372036854775808" is the least number that the real server takes


class RedisCommandDecoder(ByteToMessageDecoder[Command]):
    r"""bytes → Command, a list of ``bytes``, as a Redis server reads them.

    An array of no elements (``*0``, ``*-1``) and an empty line are no command, and are skipped::

        +----------------------------+     +-----------------------+
        | *2\r\n $4\r\nECHO\r\n      | --> | [b"ECHO", b"hi"]      |
        | $2\r\nhi\r\n PING\r\n      |     | [b"PING"]             |
        +----------------------------+     +-----------------------+

    Args:
        max_bulk_length: bytes of one argument (``proto-max-bulk-len`` of the real server, where it is 512 MiB).
        max_elements: arguments of one command, its name included.
        max_inline_length: bytes of an inline command's line, without its ``\n``.
        max_command_length: bytes of one whole command on the wire, all lengths and line ends included.

    Raises:
        DecodeError: the bytes are no command, or one above a limit; as soon as that is known, which for lengths is
            before what they announce.  ``reply`` is the error in the real server's words; ``server_stack()`` sends it.
        CorruptedFrameError: the input ended in the middle of a command.
    """

    def __init__(
        self,
        *,
        max_bulk_length: int = 64 * 1024 * 1024,
        max_elements: int = 1024 * 1024,
        max_inline_length: int = 64 * 1024,
        max_command_length: int = 128 * 1024 * 1024,
    ) -> None:
        self.turn = COSTLY_TURN
        self._max_bulk: i64 = checked("max_bulk_length", max_bulk_length)
        self._short: i64 = ZERO + min(9, max_bulk_length)  # the highest digit that is a length by itself
        self._max_elements: i64 = checked("max_elements", max_elements)
        self._max_inline: i64 = checked("max_inline_length", max_inline_length)
        self._max_command: i64 = checked("max_command_length", max_command_length)
        # What must survive a return in the middle of a command.
        self._args: list[bytes] = []  # taken out already
        self._missing: i64 = 0  # how many more there will be; 0 between commands
        self._awaited: i64 = -1  # bytes of the value whose length is known but which has not all arrived; or -1
        self._taken: i64 = 0  # bytes of this command that have left the buffer
        self._in_line = False  # the begin of an inline command is here, its end is not
        self._after: i64 = 0  # where the line ended that _length read

    @property
    def unread_bytes(self) -> int:
        buffer = self._buffer
        return self._taken if buffer is None else self._taken + buffer.left

    def take_unread(self) -> bytes:
        rest = super().take_unread()
        pieces: list[bytes] = []
        if self._missing > 0 and not self._failed:
            # Numbers have one form only, so this is what came, to the byte.
            pieces.append(b"*%d\r\n" % (len(self._args) + self._missing))
            for arg in self._args:
                pieces.append(b"$%d\r\n%b\r\n" % (len(arg), arg))
            if self._awaited >= 0:
                pieces.append(b"$%d\r\n" % self._awaited)
        self._args = []
        self._missing = 0
        self._awaited = -1
        self._taken = 0
        self._in_line = False
        pieces.append(rest)
        return b"".join(pieces)

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        size: i64 = self._taken + buffer.left
        if size == 0:
            return None
        return CorruptedFrameError(f"the input ended in the middle of a command: {size} bytes of it are here")

    def decode(self, buffer: ReceiveBuffer) -> Command | None:
        if self._awaited >= 0 and not self._take_awaited(buffer):
            return None
        if self._in_line:
            return self._decode_inline(buffer)  # without joining its pieces each time that another one comes
        data = buffer.data
        start: i64 = buffer.pos
        end: i64 = start + buffer.left
        at: i64 = start
        args = self._args
        missing: i64 = self._missing
        length: i64
        begin: i64
        close: i64
        if missing == 0:
            if self._taken > 0:  # the awaited value was the last
                return self._command_done()
            if data[at] != ARRAY:
                return self._decode_inline(buffer)
            missing = self._length(data, at + 1, end, True)
            if missing == UNFINISHED:
                return None
            at = self._after
            if missing == 0:
                buffer.skip(at - start)
                return None  # an empty array asks for nothing
            args = []
        latest: i64 = start + self._max_command - self._taken  # where this command must have ended
        while at < end:
            if data[at] != BULK:
                raise _wrong_type(data[at])
            if at + 3 < end and data[at + 2] == CR and data[at + 3] == LF and ZERO <= data[at + 1] <= self._short:
                length = data[at + 1] - ZERO  # as _length() reads it; one digit is what most have
                begin = at + 4
            else:
                length = self._length(data, at + 1, end, False)
                if length == UNFINISHED:
                    break
                begin = self._after
            close = begin + length
            if close + 2 > latest:
                raise refusal("too big request", f"a command is over the limit of {self._max_command} bytes")
            if close + 2 > end:
                at = begin
                self._awaited = length
                break
            if data[close] != CR or data[close + 1] != LF:
                raise unended()
            args.append(data[begin:close])
            at = close + 2
            missing -= 1
            if missing == 0:
                self._taken = 0
                self._missing = 0
                buffer.skip(at - start)
                return args
        # Keep what there is, so that none of it is parsed again.
        self._args = args
        self._missing = missing
        self._taken += at - start
        buffer.skip(at - start)
        if self._awaited >= 0:
            buffer.wait_for(self._awaited + 2)
        return None

    def _take_awaited(self, buffer: ReceiveBuffer) -> bool:
        """Take the value that took several reads; the buffer puts its pieces together with a single copy."""
        length: i64 = self._awaited
        if buffer.left < length + 2:
            return False  # the input has ended, or was fed by hand
        value = buffer.take(length)
        if buffer.take(2) != b"\r\n":
            raise unended()
        self._args.append(value)
        self._awaited = -1
        self._missing -= 1
        self._taken += length + 2
        return True

    def _length(self, data: bytes, at: i64, end: i64, is_count: bool) -> i64:
        """Read the number and the line end at ``at``; leave in ``_after`` where they stop.  A negative count is 0.

        ``int()`` would take spaces, underscores, plus signs and any length; a Redis server takes none of those.
        """
        limit: i64 = self._max_elements if is_count else self._max_bulk
        value: i64 = 0
        first: i64 = at
        byte: i64
        while at < end:
            byte = data[at]
            if ZERO <= byte <= NINE:
                value = value * 10 + byte - ZERO
                if value > limit or (at > first and data[first] == ZERO):
                    raise _wrong_length(data, first, at + 1, is_count, limit)
                at += 1
            elif byte == CR and at > first:
                if at + 1 == end:
                    return UNFINISHED
                if data[at + 1] != LF:
                    raise _wrong_length(data, first, at + 2, is_count, limit)
                self._after = at + 2
                return value
            elif byte == MINUS and at == first and is_count:
                return self._negative_count(data, at, end, limit)
            else:
                raise _wrong_length(data, first, at + 1, is_count, limit)
        return UNFINISHED

    def _negative_count(self, data: bytes, first: i64, end: i64, limit: i64) -> i64:
        """Read what only old clients send: ``*-1``, which is no array at all."""
        at: i64 = first + 1
        value = 0  # any size: the least number of 64 bits has no positive twin among them
        while at < end and ZERO <= data[at] <= NINE:
            value = value * 10 + data[at] - ZERO
            at += 1
            if value == 0 or value > _MAX_NEGATIVE:
                raise _wrong_length(data, first, at, True, limit)
        if at == end or (data[at] == CR and at + 1 == end and value > 0):
            return UNFINISHED
        if data[at] != CR or value == 0 or data[at + 1] != LF:
            raise _wrong_length(data, first, at + 1, True, limit)
        self._after = at + 2
        return 0

    def _command_done(self) -> Command:
        args = self._args
        self._args = []
        self._taken = 0
        return args

    def _decode_inline(self, buffer: ReceiveBuffer) -> Command | None:
        size: i64 = buffer.find(b"\n")
        if size > self._max_inline or (size < 0 and buffer.left > self._max_inline):
            raise refusal("too big inline request", f"a line is over the limit of {self._max_inline} bytes")
        self._in_line = size < 0
        if size < 0:
            return None
        line = buffer.take(size + 1)
        args = split_words(line[: size - 1] if size > 0 and line[size - 1] == CR else line[:size])
        if args is None:
            raise refusal("unbalanced quotes in request", f"quotes do not end, or end inside a word: {line[:_SHOWN]!r}")
        return args if args else None


def split_words(line: bytes) -> list[bytes] | None:
    r"""Split what somebody typed into words; ``None`` if its quotes do not match.  The rules are the real server's:

    * words are separated by blanks;
    * in ``"double quotes"``, ``\n \r \t \b \a`` and ``\x41`` stand for a byte; other bytes after a backslash for
      themselves;
    * in ``'single quotes'`` only ``\'`` means something;
    * a word may open quotes in its middle, ``a"b c"``, but must end where they close.
    """
    words: list[bytes] = []
    end: i64 = len(line)
    at: i64 = 0
    while True:
        while at < end and _is_blank(line[at]):
            at += 1
        if at == end:
            return words
        word = bytearray()
        while at < end and not _ends_word(line[at]):
            byte: i64 = line[at]
            at += 1
            if byte in (_DOUBLE_QUOTE, _SINGLE_QUOTE):
                at = _read_quoted(line, at, byte, word)
                if at == UNFINISHED or (at < end and not _is_blank(line[at])):
                    return None
                break
            word.append(byte)
        words.append(bytes(word))


def _read_quoted(line: bytes, at: i64, quote: i64, word: bytearray) -> i64:
    """Append to ``word`` what stands between the quotes; where they end, or ``UNFINISHED``."""
    end: i64 = len(line)
    while at < end:
        byte: i64 = line[at]
        at += 1
        if byte == quote:
            return at
        if byte == _BACKSLASH and at < end:
            if quote == _DOUBLE_QUOTE:
                byte = line[at]
                at += 1
                if byte == _X and at + 1 < end and line[at] in _HEX and line[at + 1] in _HEX:
                    byte = int(line[at : at + 2], 16)
                    at += 2
                else:
                    byte = _ESCAPES.get(byte, byte)
            elif line[at] == quote:
                byte = quote
                at += 1
        word.append(byte)
    return UNFINISHED


def _is_blank(byte: i64) -> bool:
    return byte == _SPACE or _TAB <= byte <= CR


def _ends_word(byte: i64) -> bool:
    """Vertical tabs and form feeds separate words, but do not end one: so the real server has it."""
    return byte in (_SPACE, _TAB, LF, CR)


def _wrong_length(data: bytes, first: i64, end: i64, is_count: bool, limit: i64) -> DecodeError:
    rule = "invalid multibulk length" if is_count else "invalid bulk length"
    return refusal(rule, f"expected a decimal number up to {limit}, not {data[first:end]!r}")


def _wrong_type(byte: int) -> DecodeError:
    got = " " if byte in (0, CR, LF) else chr(byte)  # the real server blanks out what would end the reply
    return refusal(f"expected '$', got '{got}'", f"the arguments of a command are bulk strings, not {bytes([byte])!r}")
