"""What flows between a WebSocket and its application.

::

    both ways     str, bytes      a text message, a binary one
                  Fragment        a part of a long one; inbound only if asked for
    outbound      Ping, Pong      Close      PreparedMessage
    user events   Ping, Pong: they came; a Ping has been answered already
                  Closed: it is over, and why; once

Source: RFC 6455, sections 5.5 and 5.6
"""

from __future__ import annotations

from typing import Final, TypeAlias

from .close_codes import may_travel
from .opcodes import MAX_CONTROL, MAX_REASON


class Ping:
    """Asks the peer for a ``Pong`` with the same bytes.

    Raises:
        ValueError: more than 125 bytes.
    """

    def __init__(self, data: bytes = b"") -> None:
        _check_control("Ping", data)
        self.data: Final = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ping) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"Ping({self.data!r})"


class Pong:
    """Answers a ``Ping``; without one, a sign of life.

    Raises:
        ValueError: more than 125 bytes.
    """

    def __init__(self, data: bytes = b"") -> None:
        _check_control("Pong", data)
        self.data: Final = data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pong) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    def __repr__(self) -> str:
        return f"Pong({self.data!r})"


class Close:
    """The last frame that its sender sends.

    Args:
        code: why; ``None`` to say nothing.
        reason: for whoever reads logs; at most 123 bytes of UTF-8.

    Raises:
        ValueError: a code that must not travel, a reason that is too long, or one without a code.
    """

    def __init__(self, code: int | None = 1000, reason: str = "") -> None:
        if code is None:
            if reason:
                raise ValueError(f"a Close without a code has no room for a reason: {reason!r:.200}")
        elif not may_travel(code):
            raise ValueError(f"no Close frame may have the code {code}: see RFC 6455 7.4; 4000 to 4999 are yours")
        if len(reason.encode("utf-8")) > MAX_REASON:
            raise ValueError(f"a reason has at most {MAX_REASON} bytes of UTF-8: {reason!r:.200}")
        self.code: Final = None if code is None else int(code)
        self.reason: Final = reason

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Close) and other.code == self.code and other.reason == self.reason

    def __hash__(self) -> int:
        return hash((self.code, self.reason))

    def __repr__(self) -> str:
        return f"Close({self.code}, {self.reason!r})" if self.reason else f"Close({self.code})"


class Fragment:
    """A part of a message that is too long, or too young, to be in one piece.

    The first one decides whether the message is text or binary; all are of the same kind.  The last is ``final``, and
    may be empty.  Where fragments come in, a ``str`` never ends inside a character.
    """

    def __init__(self, data: str | bytes, final: bool) -> None:
        self.data: Final = data
        self.final: Final = final

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fragment) and other.data == self.data and other.final is self.final

    def __hash__(self) -> int:
        return hash((self.data, self.final))

    def __repr__(self) -> str:
        return f"Fragment({self.data!r:.100}, final={self.final})"


class PreparedMessage:
    """A message that is put into bytes once, however many channels it is written to.

    Frames of a server are the same for everybody.  They are also compressed once, for those peers with whom
    ``server_no_context_takeover`` was agreed on; others get it as it is, because what their window holds is theirs.
    Clients mask each frame anew, and gain nothing.
    """

    def __init__(self, data: str | bytes) -> None:
        self.data: Final = data
        self.plain: bytes | None = None  # the frame; made by the first encoder that needs it
        self.compressed: dict[tuple[int, int, int], bytes] = {}  # window bits, level, memory level: the frame

    def __repr__(self) -> str:
        return f"PreparedMessage({self.data!r:.100})"


class Closed:
    """User event: the WebSocket is over; no message follows, and what is written goes nowhere.

    Args:
        code: what the peer's Close said, 1005 if it had no code, 1006 if none came; or with which code we gave up.
        reason: what the peer's Close said, or what we found wrong.
        clean: whether Close frames went both ways.
        by_peer: whether the peer began.
    """

    def __init__(self, code: int, reason: str, clean: bool, by_peer: bool) -> None:
        self.code: Final = code
        self.reason: Final = reason
        self.clean: Final = clean
        self.by_peer: Final = by_peer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closed) and (
            (other.code, other.reason, other.clean, other.by_peer) == (self.code, self.reason, self.clean, self.by_peer)
        )

    def __hash__(self) -> int:
        return hash((self.code, self.reason, self.clean, self.by_peer))

    def __repr__(self) -> str:
        return f"Closed({self.code}, {self.reason!r}, clean={self.clean}, by_peer={self.by_peer})"


InMessage: TypeAlias = "str | bytes | Fragment | Ping | Pong | Close"
OutMessage: TypeAlias = "str | bytes | Fragment | Ping | Pong | Close | PreparedMessage"


def _check_control(what: str, data: bytes) -> None:
    if len(data) > MAX_CONTROL:
        raise ValueError(f"a {what} has at most {MAX_CONTROL} bytes, not {len(data)}")
