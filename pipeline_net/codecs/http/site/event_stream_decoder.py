r"""EventStreamDecoder and ServerSentEvent: a stream of events as a client reads it.

::

    stream  = [ BOM ] *event
    event   = *( comment / field ) end-of-line
    comment = ":" *any-char end-of-line
    field   = 1*name-char [ ":" [ SPACE ] *any-char ] end-of-line
    end-of-line = CR LF / CR / LF

A CR that is the last byte so far ends its line at once: an event must not wait for a byte that may never come.  If an
LF is the next byte, it belongs to that CR.

Source: WHATWG HTML, sections 9.2.5 and 9.2.6
"""

from __future__ import annotations

from typing import Final

from ....buffer import ReceiveBuffer
from ....errors import DecodeError
from ...base import ByteToMessageDecoder

_BOM: Final = b"\xef\xbb\xbf"
_MAX_DIGITS: Final = 18  # of a time in milliseconds


class ServerSentEvent:
    """One event: its ``data``, its name (``event``), and the id of the last event that had one (``last_event_id``)."""

    def __init__(self, data: str, event: str = "message", last_event_id: str = "") -> None:
        self.data: Final = data
        self.event: Final = event
        self.last_event_id: Final = last_event_id

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerSentEvent):
            return NotImplemented
        mine = (self.data, self.event, self.last_event_id)
        return mine == (other.data, other.event, other.last_event_id)

    def __hash__(self) -> int:
        return hash((self.data, self.event, self.last_event_id))

    def __repr__(self) -> str:
        return f"ServerSentEvent({self.data!r}, {self.event!r}, {self.last_event_id!r})"


class _NextByte:
    """Where a byte stands next; what was looked at once is not looked at again, whichever way lines end here."""

    def __init__(self, byte: bytes) -> None:
        self._byte = byte
        self._at = 0  # bytes from the front of the buffer; there it is, or nowhere before
        self._is_found = False

    def look(self, buffer: ReceiveBuffer) -> int:
        """Return how many bytes are in front of it; -1 if it is not here."""
        if not self._is_found:
            at = buffer.find(self._byte, self._at)
            self._is_found = at >= 0
            self._at = at if at >= 0 else buffer.left
        return self._at if self._is_found else -1

    def passed(self, count: int) -> None:
        """So many bytes were taken off the front."""
        if count > self._at:
            self._at = 0
            self._is_found = False
        else:
            self._at -= count


class EventStreamDecoder(ByteToMessageDecoder[ServerSentEvent]):
    r"""bytes → ServerSentEvent::

        event: news\n  data: one\n  data: two\n  id: 7\n  \n  -->  ServerSentEvent("one\ntwo", "news", "7")

    Comments and unknown fields are ignored, and so is an event that the end of the stream cuts off.  Of responses,
    ``EventStreamReader`` makes such events.

    Args:
        max_event: bytes of one line, and of the data of one event.
        last_event_id: of an earlier stream, which this one goes on with.

    Raises:
        DecodeError: a line or the data of an event is longer; nothing after it is decoded.
        ValueError: ``max_event`` is not above 0.
    """

    def __init__(self, max_event: int = 256 * 1024, *, last_event_id: str = "") -> None:
        if max_event < 1:
            raise ValueError(f"max_event must be more than 0 bytes, not {max_event!r}")
        self._max_event: Final = max_event
        self.last_event_id = last_event_id
        """What to send as Last-Event-ID to go on where this stream has ended."""
        self.retry: int | None = None
        """Milliseconds to wait before that, if the server has said so."""
        self._at_start = True  # where a byte order mark may stand
        self._after_cr = False  # an LF that comes next belongs to the line before
        self._lf = _NextByte(b"\n")
        self._cr = _NextByte(b"\r")
        self._name = ""
        self._id = last_event_id
        self._data: list[bytes] = []
        self._data_bytes = 0

    @property
    def unread_bytes(self) -> int:
        return super().unread_bytes + self._data_bytes

    def decode(self, buffer: ReceiveBuffer) -> ServerSentEvent | None:
        """Read lines until one of them ends an event."""
        while buffer.left > 0:
            if self._after_cr:
                self._after_cr = False
                if buffer.peek(1) == b"\n":
                    self._skip(buffer, 1)
                    continue
            if self._at_start and not self._is_past_bom(buffer):
                return None
            line = self._next_line(buffer)
            if line is None:
                return None
            event = self._take_line(line)
            if event is not None:
                return event
        return None

    def unfinished(self, buffer: ReceiveBuffer) -> DecodeError | None:
        """Say nothing: "Once the end of the file is reached, any pending data must be discarded."."""
        buffer.clear()
        return None

    def _is_past_bom(self, buffer: ReceiveBuffer) -> bool:
        front = buffer.peek(min(buffer.left, len(_BOM)))
        if front == _BOM:
            self._skip(buffer, len(_BOM))
        elif _BOM.startswith(front):
            return False  # it may become one
        self._at_start = False
        return True

    def _next_line(self, buffer: ReceiveBuffer) -> bytes | None:
        """Cut off one line, without its end."""
        lf = self._lf.look(buffer)
        cr = self._cr.look(buffer)
        end = lf if cr < 0 or 0 <= lf < cr else cr
        length = buffer.left if end < 0 else end
        if length > self._max_event:
            raise DecodeError(f"a line of an event stream has {length} bytes, and the limit is {self._max_event}")
        if end < 0:
            return None
        line = buffer.take(end)
        self._after_cr = end == cr
        self._skip(buffer, 1)
        self._lf.passed(end)
        self._cr.passed(end)
        return line

    def _skip(self, buffer: ReceiveBuffer, count: int) -> None:
        buffer.skip(count)
        self._lf.passed(count)
        self._cr.passed(count)

    def _take_line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._finished_event()
        field, colon, value = line.partition(b":")
        if colon and not field:
            return None  # a comment
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data_bytes += len(value) + 1
            if self._data_bytes > self._max_event + 1:
                raise DecodeError(f"the data of an event has more than {self._max_event} bytes")
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit() and len(value) <= _MAX_DIGITS:
            self.retry = int(value)
        return None

    def _finished_event(self) -> ServerSentEvent | None:
        """An empty line came.  "If the data buffer is an empty string, set the data buffer and the event type buffer to
        the empty string and return."
        """
        name, self._name = self._name, ""
        self.last_event_id = self._id
        if not self._data:
            return None
        data = b"\n".join(self._data).decode("utf-8", "replace")
        self._data = []
        self._data_bytes = 0
        return ServerSentEvent(data, name or "message", self.last_event_id)
