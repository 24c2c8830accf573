r"""HttpDecoder: what the decoders of requests and responses share: header lines, bodies, chunks, trailers.

Bytes are looked at where they lie, once: one pass over a head validates it and notes the few headers that decide about
framing.  The others stay the block of bytes they are (see ``headers``).

A line is judged when its LF is here, and not before.  So what is refused does not depend on how the network has cut the
bytes, and a line that comes byte by byte is not parsed again for each of them: only an LF is looked for.  Limits hold
all the time.

Where two programs might read the same bytes differently, one of them a proxy that decides who may ask for what, the
one who sends them can smuggle a request past the other.  So nothing is guessed, and nothing repaired:

* a line ends with CRLF.  RFC 9112 2.2 lets a recipient take a single LF; we do not;
* "No whitespace is allowed between the field name and colon" (RFC 9112 5.1);
* "A server that receives an obs-fold in a request message that is not within a "message/http" container MUST either
  reject the message by sending a 400 …" or replace it (RFC 9112 5.2).  It is rejected;
* one Content-Length of decimal digits, or one Transfer-Encoding that is ``chunked``, and never both.

Source: RFC 9112; RFC 9110, sections 5 and 8.6
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic

from typing_extensions import TypeVar

from ..._mypyc import i64, mypyc_attr
from ...buffer import ReceiveBuffer
from ...errors import DecodeError
from ..base import COSTLY_TURN, ByteToMessageDecoder
from . import decisive_names as names
from .chunk_line import extensions_are_well_formed
from .errors import HttpDecodeError
from .grammar import COLON, CR, DELETE, FIELD, HEX, LF, MAX_NUMBER, SEMICOLON, SPACE, TAB, TOKEN, decimal
from .headers import from_block
from .messages import END, Data, End
from .options import LIMITS, STRICT, Leniency, Limits
from .tidy import MAX_EMPTY_LINES, end_of_head, tidied

if TYPE_CHECKING:
    from ...context import ChannelHandlerContext

P = TypeVar("P", covariant=True, default=Any)

# Steps, in the order of the wire.
START_LINE: Final = 0
FIELDS: Final = 1
BODY: Final = 2
CHUNK_SIZE: Final = 3
CHUNK_DATA: Final = 4
CHUNK_END: Final = 5
TRAILERS: Final = 6
TO_THE_END: Final = 7  # a body that ends with the connection
ENDED: Final = 8  # all bytes of the message are taken, and End is owed

_MAX_DIGITS: Final = 16  # of a chunk's size: what 64 bits hold; a longer one is refused, also if it begins with zeros


@mypyc_attr(allow_interpreted_subclasses=True)
class HttpDecoder(ByteToMessageDecoder[P], Generic[P]):
    """bytes → a head, ``Data``, ``End``; subclasses read the first line, and say what the headers mean."""

    def __init__(self, *, limits: Limits = LIMITS, leniency: Leniency = STRICT) -> None:
        self.turn = COSTLY_TURN
        self.step: i64 = START_LINE
        self._max_start_line: i64 = limits.max_start_line
        self._max_head: i64 = limits.max_head
        self._max_headers: i64 = limits.max_headers
        self._max_extensions: i64 = limits.max_chunk_extensions
        self._max_trailers: i64 = limits.max_trailers
        self._max_body: i64 = limits.max_body
        self._forgives_repeated_length: bool = leniency.repeated_length
        self._forgives_both: bool = leniency.coding_over_length
        self._forgives_lf: bool = leniency.bare_lf
        self._tidies: bool = leniency.bare_lf or leniency.obs_fold
        # What must survive a return in the middle of a head or of trailers.
        self.line_at: i64 = 0  # where the first line begins that was not parsed, from the first unread byte
        self.fields_at: i64 = 0  # where the header lines begin
        self._in_line = False  # a line has begun, and had not ended when we looked
        self._count: i64 = 0  # header lines
        self._empty: i64 = 0  # lines in front of a head that is forgiven that
        # What the header lines have said about framing and the connection.
        self.length: i64 = -1
        self.coding: bytes | None = None
        self.connection: bytes | None = None
        self.host: bytes | None = None
        self.expectation: bytes | None = None
        self.has_upgrade = False
        # The body.
        self._missing: i64 = 0  # bytes of the body, or of the chunk, that have not come
        self._body: i64 = 0  # bytes of the body that have come, or are announced
        self._extensions: i64 = 0  # bytes of chunk extensions so far

    # -- what subclasses fill in --------------------------------------------------------------------

    def read_start_line(self, buffer: ReceiveBuffer) -> bool:
        """Read the first line, and set ``line_at`` and ``fields_at`` behind it; False for "not all here"."""
        raise NotImplementedError

    def finish_head(self, block: bytes) -> P:
        """Make the message of a head whose header lines are ``block``, and begin its body."""
        raise NotImplementedError

    def refusal(self, status: int, message: str) -> HttpDecodeError:
        """Make the error for bytes that break the rules."""
        return HttpDecodeError(status, message)

    # -- the way through a message ------------------------------------------------------------------

    @property
    def is_between_messages(self) -> bool:
        """Whether no byte of a message is here that has not ended."""
        return self.step == START_LINE and self.unread_bytes == 0

    def decode(self, buffer: ReceiveBuffer) -> P | None:
        if self.step <= FIELDS:
            if self._tidies:
                return self._decode_untidy_head(buffer)
            return self._decode_head(buffer)
        part: P | None = self._decode_body(buffer)
        return part

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        if self.step == START_LINE and buffer.left == 0:
            return None
        where = "head" if self.step <= FIELDS else "body"
        return self.refusal(400, f"the input ended in the {where} of a message")

    def _decode_head(self, buffer: ReceiveBuffer) -> P | None:
        if self._in_line and not self._line_has_come(buffer):
            return None
        if self.step == START_LINE:
            if not self.read_start_line(buffer):
                return None
            self.step = FIELDS
        if not self._read_fields(buffer, self._max_head):
            return None
        start: i64 = self.fields_at
        size: i64 = self.line_at
        block = buffer.cut(start, size - 2, size)
        self.line_at = 0
        self._count = 0
        return self.finish_head(block)

    def _line_has_come(self, buffer: ReceiveBuffer) -> bool:
        """Whether the line that was not all here now is; only an LF is looked for."""
        if buffer.find(b"\n", self.line_at) >= 0:
            return True
        self._check_unended(buffer.left)
        return False

    def _check_unended(self, size: i64) -> None:
        """Refuse to wait for the end of a line when it would be over its limit."""
        if self.step == START_LINE:
            if size - 1 > self._max_start_line:
                raise self._start_line_too_long()
        elif self.step == TRAILERS:
            if size > self._max_trailers:
                raise self.refusal(431, f"trailers are over the limit of {self._max_trailers} bytes")
        elif self.step == CHUNK_SIZE:
            if size - _MAX_DIGITS - 1 + self._extensions > self._max_extensions:  # no sum with a limit: it may be any
                raise self._extensions_too_long()
        elif size > self._max_head:
            raise self.refusal(431, f"a head is over the limit of {self._max_head} bytes")

    def line_is_unfinished(self, size: i64) -> bool:
        """Remember that a line has begun; ``size`` is how much there is, from the first unread byte on.

        Always False: what a method returns that had to stop there.
        """
        self._in_line = True
        self._check_unended(size)
        return False

    def line_is_bad(self, data: bytes, base: i64, at: i64, end: i64, what: str) -> bool:
        """Refuse the line that goes wrong at ``at``, if its LF is here: only then it is judged.

        Always False: what a method returns that had to stop there.
        """
        stop: i64 = data.find(b"\n", at, end)
        if stop < 0:
            return self.line_is_unfinished(end - base)
        self._check_unended(stop - base)
        line = data[base + self.line_at : stop + 1]
        raise self.refusal(400, f"{what}: {line[:100]!r}{'…' if len(line) > 100 else ''}")

    def _start_line_too_long(self) -> HttpDecodeError:
        return self.refusal(414, f"a start line is over the limit of {self._max_start_line} bytes")

    def check_start_line(self, size: i64) -> None:
        """Hold the length of the first line, without its CRLF, to its limit."""
        if size > self._max_start_line:
            raise self._start_line_too_long()

    # -- header lines -------------------------------------------------------------------------------

    def _read_fields(self, buffer: ReceiveBuffer, limit: i64) -> bool:
        """Go over the header lines from ``line_at`` on; True behind the empty line that ends them."""
        data = buffer.data
        base: i64 = buffer.pos
        end: i64 = base + buffer.left
        at: i64 = base + self.line_at
        stop: i64 = base + limit
        token = TOKEN
        letters = names.FIRST_LETTERS
        byte: i64
        self._in_line = False
        while at < end:
            self.line_at = at - base
            if data[at] == CR:
                if at + 1 == end:
                    return self.line_is_unfinished(end - base)
                if data[at + 1] != LF:
                    return self.line_is_bad(data, base, at, end, "CR without LF")
                at += 2
                if at > stop:
                    self._check_unended(at - base)
                self.line_at = at - base
                return True
            colon: i64 = at
            while colon < end and token[data[colon]]:
                colon += 1
            if colon == end:
                return self.line_is_unfinished(end - base)
            if data[colon] != COLON or colon == at:
                return self.line_is_bad(data, base, colon, end, _wrong_name(data[colon], colon == at))
            last: i64 = colon + 1
            while last < end:
                byte = data[last]
                if (byte < SPACE and byte != TAB) or byte == DELETE:
                    break  # what FIELD says, but one look instead of two
                last += 1
            if last + 1 >= end:
                return self.line_is_unfinished(end - base)
            if data[last] != CR or data[last + 1] != LF:
                return self.line_is_bad(data, base, last, end, "a control character in the value of a header")
            if last + 2 > stop:
                self._check_unended(last + 2 - base)
            self._count += 1
            if self._count > self._max_headers:
                raise self.refusal(431, f"there are more than {self._max_headers} header lines")
            size: i64 = colon - at
            if size <= names.LONGEST and data[at] | 0x20 == letters[size]:
                name = data[at:colon]
                if name == names.TITLES[size] or name.lower() == names.NAMES[size]:
                    self._note(size, data, colon, last)
            at = last + 2
        self.line_at = at - base
        return self.line_is_unfinished(end - base)

    def _note(self, name: i64, data: bytes, colon: i64, last: i64) -> None:
        """Keep what one of the headers says that decide about framing or the connection."""
        first: i64 = colon + 1
        while first < last and (data[first] == SPACE or data[first] == TAB):
            first += 1
        while last > first and (data[last - 1] == SPACE or data[last - 1] == TAB):
            last -= 1
        value = data[first:last]
        if self.step == TRAILERS:
            # RFC 9110 6.5.1: "A sender MUST NOT generate a trailer field" that is "necessary for message framing,
            # routing …"; whoever merges trailers into headers would be led astray.
            if name in (names.HOST, names.CONTENT_LENGTH, names.TRANSFER_ENCODING):
                raise self.refusal(400, f"{names.NAMES[name].decode('ascii')} must not be a trailer")
        elif name == names.HOST:
            if self.host is not None:
                # RFC 9112 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request
                # message that lacks a Host header field and to any request message that contains more than one Host
                # header field line"
                raise self.refusal(400, "there is more than one Host")
            self.host = value
        elif name == names.CONTENT_LENGTH:
            length = decimal(value)
            if length < 0:
                raise self.refusal(400, f"Content-Length is one decimal number, not {value[:40]!r}")
            if self.length >= 0 and (length != self.length or not self._forgives_repeated_length):
                raise self.refusal(400, f"there is more than one Content-Length: {self.length} and {length}")
            self.length = length
        elif name == names.TRANSFER_ENCODING:
            self.coding = value if self.coding is None else self.coding + b"," + value
        elif name == names.CONNECTION:
            self.connection = value if self.connection is None else self.connection + b"," + value
        elif name == names.EXPECT:
            self.expectation = value if self.expectation is None else self.expectation + b"," + value
        elif name == names.UPGRADE:
            self.has_upgrade = True

    def forget_notes(self) -> None:
        """The head is done: the next one has headers of its own."""
        self.length = -1
        self.coding = None
        self.connection = None
        self.host = None
        self.expectation = None
        self.has_upgrade = False

    # -- bodies -------------------------------------------------------------------------------------

    def begin_no_body(self) -> None:
        """Only ``End`` follows."""
        self.step = ENDED
        self.owes_message = True

    def begin_body(self, length: i64) -> None:
        """So many bytes follow."""
        if length > self._max_body:
            raise self.refusal(413, f"a body of {length} bytes is over the limit of {self._max_body}")
        if length == 0:
            self.begin_no_body()
        else:
            self._missing = length
            self.step = BODY

    def begin_chunks(self, coding: bytes, has_length: bool) -> None:
        """Chunks follow, if the one transfer coding is ``chunked``."""
        if has_length and not self._forgives_both:
            # RFC 9112 6.3: "Such a message might indicate an attempt to perform request smuggling … or response
            # splitting … and ought to be handled as an error."
            raise self.refusal(400, "there are both Content-Length and Transfer-Encoding")
        if coding.lower() != b"chunked":
            codings = [name.strip(b" \t") for name in coding.lower().split(b",")]
            # RFC 9112 6.3: "If a Transfer-Encoding header field is present in a request and the chunked transfer
            # coding is not the final encoding, the message body length cannot be determined reliably; the server MUST
            # respond with the 400 (Bad Request) status code and then close the connection."
            if codings[-1] != b"chunked" or b"chunked" in codings[:-1] or b"" in codings:
                raise self.refusal(400, f"Transfer-Encoding must be chunked, not {coding[:40]!r}")
            # RFC 9112 6.1: "A server that receives a request message with a transfer coding it does not understand
            # SHOULD respond with 501 (Not Implemented)."
            raise self.refusal(501, f"nobody here knows the transfer coding {coding[:40]!r}")
        self._body = 0
        self._extensions = 0
        self.step = CHUNK_SIZE

    def begin_to_the_end(self) -> None:
        """Everything follows that comes until the connection ends."""
        self._body = 0
        self.step = TO_THE_END

    def _decode_body(self, buffer: ReceiveBuffer) -> Any:
        size: i64
        while True:
            step = self.step
            if step == ENDED:
                self.owes_message = False
                self.step = START_LINE
                return END
            if step in (BODY, CHUNK_DATA):
                size = buffer.left
                if size == 0:
                    return None
                if size >= self._missing:
                    size = self._missing
                self._missing -= size
                if self._missing == 0:
                    if step == BODY:
                        self.begin_no_body()
                    else:
                        self.step = CHUNK_END
                return Data(buffer.take(size))
            if step == CHUNK_SIZE:
                if not self._read_chunk_size(buffer):
                    return None
            elif step == CHUNK_END:
                if not self._read_chunk_end(buffer):
                    return None
            elif step == TRAILERS:
                return self._decode_trailers(buffer)
            else:
                return self._decode_to_the_end(buffer)

    def _read_chunk_size(self, buffer: ReceiveBuffer) -> bool:
        r"""Read ``1a;name=value\r\n``; False for "not all here"."""
        if self._in_line and not self._line_has_come(buffer):
            return False
        if buffer.left == 0:
            return False
        data = buffer.data
        base: i64 = buffer.pos
        end: i64 = base + buffer.left
        at: i64 = base
        value: i64 = 0
        digit: i64
        hexadecimal = HEX
        self._in_line = False
        while at < end:
            digit = hexadecimal[data[at]]
            if digit == 255:
                break
            value = value * 16 + digit
            at += 1
            if value > MAX_NUMBER or at - base > _MAX_DIGITS:
                return self.line_is_bad(data, base, at, end, "the size of a chunk has too many digits")
        if at == end:
            return self.line_is_unfinished(end - base)
        if at == base:
            return self.line_is_bad(data, base, at, end, "the size of a chunk is a hexadecimal number")
        last: i64 = at
        if data[at] != CR:
            if data[at] != SEMICOLON and data[at] != SPACE and data[at] != TAB:
                return self.line_is_bad(data, base, at, end, "the size of a chunk is a hexadecimal number")
            field = FIELD
            while last < end and field[data[last]]:
                last += 1
        if last + 1 >= end:
            return self.line_is_unfinished(end - base)
        if data[last] != CR or data[last + 1] != LF:
            return self.line_is_bad(data, base, last, end, "a control character behind the size of a chunk")
        if last > at:
            self._extensions += last - at
            if self._extensions > self._max_extensions:
                raise self._extensions_too_long()
            if not extensions_are_well_formed(data[at:last]):
                raise self.refusal(400, f"what follows the size of a chunk is no extension: {data[at:last][:40]!r}")
        buffer.skip(last + 2 - base)
        if value == 0:
            self.step = TRAILERS
            return True
        self._body += value
        if self._body > self._max_body:
            raise self.refusal(413, f"a body is over the limit of {self._max_body} bytes")
        self._missing = value
        self.step = CHUNK_DATA
        return True

    def _extensions_too_long(self) -> HttpDecodeError:
        # RFC 9112 7.1.1: "A recipient ought to limit the total length of chunk extensions received in a request to an
        # amount reasonable for the services provided …"
        return self.refusal(413, f"chunk extensions are over the limit of {self._max_extensions} bytes")

    def _read_chunk_end(self, buffer: ReceiveBuffer) -> bool:
        """Read the CRLF behind the bytes of a chunk; False for "not all here"."""
        ending = buffer.peek(2)
        if not b"\r\n".startswith(ending):
            raise self.refusal(400, f"a chunk is followed by CRLF, not by {ending!r}")
        if len(ending) < 2:
            return False
        buffer.skip(2)
        self.step = CHUNK_SIZE
        return True

    def _decode_trailers(self, buffer: ReceiveBuffer) -> End | None:
        if (self._in_line and not self._line_has_come(buffer)) or buffer.left == 0:
            return None
        if not self._read_fields(buffer, self._max_trailers):
            return None
        size: i64 = self.line_at
        block = buffer.cut(0, size - 2, size)
        self.line_at = 0
        self._count = 0
        self.step = START_LINE
        return END if not block else End(from_block(block))

    def _decode_to_the_end(self, buffer: ReceiveBuffer) -> Data | None:
        if buffer.left == 0:
            return None
        self._body += buffer.left
        if self._body > self._max_body:
            raise self.refusal(413, f"a body is over the limit of {self._max_body} bytes")
        return Data(buffer.take_all())

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.owes_message = False
        super().handler_removed(ctx)

    # -- what is forgiven ---------------------------------------------------------------------------

    def _decode_untidy_head(self, buffer: ReceiveBuffer) -> P | None:
        """Bring a whole head into the form that it should have had, and decode that."""
        while buffer.left > 0 and buffer.peek(1) == b"\n" and self._forgives_lf:
            self._empty += 1
            if self._empty > MAX_EMPTY_LINES:
                raise self.refusal(400, "a head begins with its first line, and not with empty ones")
            buffer.skip(1)
        size = end_of_head(buffer, self._forgives_lf)
        if size < 0:
            if buffer.left > self._max_head:
                raise self.refusal(431, f"a head is over the limit of {self._max_head} bytes")
            return None
        tidy = ReceiveBuffer(tidied(buffer.take(size), self._forgives_lf, self._tidies))
        message = self._decode_head(tidy)
        if message is None:
            raise self.refusal(400, "a head ends before its headers do")
        self._empty = 0
        return message


def _wrong_name(byte: int, is_empty: bool) -> str:
    if is_empty and byte in (SPACE, TAB):
        return "a header does not go on in the next line"
    if byte in (SPACE, TAB):
        return "a blank in or behind the name of a header"
    return "a header has a name and a colon"
