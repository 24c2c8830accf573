"""Monitors: who watches all commands, and what they see of one.

::

    +1700000000.123456 [0 127.0.0.1:50412] "SET" "greeting" "hello\\n"

As with subscribers, each loop keeps its own list, and other loops send it one task for a command; a client whose
commands come faster than another loop can show them is slowed down.  Nothing is formatted while nobody watches.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from ...errors import ChannelClosedError
from .messages import Command

if TYPE_CHECKING:
    from ...loop import Loop
    from .session import Session

_ESCAPES: Final = {
    ord("\\"): b"\\\\",
    ord('"'): b'\\"',
    ord("\n"): b"\\n",
    ord("\r"): b"\\r",
    ord("\t"): b"\\t",
    7: b"\\a",
    8: b"\\b",
}
_SPELT: Final = [
    _ESCAPES.get(byte) or (bytes([byte]) if 32 <= byte < 127 else b"\\x%02x" % byte) for byte in range(256)
]
_PIECE: Final = 4096  # bytes that are spelt at once: while they are, each takes a place in a list
_REDACTED: Final = b"(redacted)"


def quoted(arg: bytes) -> bytes:
    r"""Spell a value so that it is one line of ASCII: ``"two\nlines\x00"``."""
    pieces = [b'"']
    for start in range(0, len(arg), _PIECE):
        pieces.append(b"".join([_SPELT[byte] for byte in arg[start : start + _PIECE]]))
    pieces.append(b'"')
    return b"".join(pieces)


def without_secrets(args: Command) -> Command:
    """Take the passwords out of AUTH and HELLO."""
    name = args[0].upper()
    if name == b"AUTH":
        return [args[0], *([_REDACTED] * (len(args) - 1))]
    if name == b"HELLO":
        shown = list(args)
        for at in range(2, len(args) - 2):
            if args[at].upper() == b"AUTH":
                shown[at + 1] = shown[at + 2] = _REDACTED
        return shown
    return args


class Monitors:
    """All connections of a server that watch its commands."""

    def __init__(self) -> None:
        self.loops: Final[dict[Loop, dict[Session, None]]] = {}
        """Each entry is made and removed by its own loop; empty while nobody watches."""

    def add(self, session: Session) -> None:
        """Show commands to ``session``, too; on its loop."""
        here = self.loops.get(session.loop)
        if here is None:
            self.loops[session.loop] = {session: None}
        else:
            here[session] = None

    def discard(self, session: Session) -> None:
        """Show it no more; on its loop."""
        here = self.loops.get(session.loop)
        if here is not None:
            here.pop(session, None)
            if not here:
                del self.loops[session.loop]

    def feed(self, session: Session, args: Command) -> None:
        """Show a command of ``session`` to everybody who watches; on its loop."""
        channel = session.channel
        source = session.peer
        if not isinstance(channel.remote_address, tuple):
            source = f"unix:{channel.local_address}"  # the client's end of a Unix socket has no name
        words = b" ".join([quoted(arg) for arg in without_secrets(args)])
        line = b"+%.6f [%d %b] %b\r\n" % (time.time(), session.database, source.encode(), words)
        for loop in list(self.loops):
            if loop.in_loop:
                self._show(loop, line)
            else:
                try:
                    loop.execute(self._show, loop, line)
                except ChannelClosedError:
                    continue  # that loop is being stopped, and whoever watches there with it
                session.sent_across(loop, len(line))

    def _show(self, loop: Loop, line: bytes) -> None:
        wire = [line]
        here: dict[Any, None] | None = self.loops.get(loop)
        if here is not None:
            for session in list(here):
                if session.is_answered:
                    session.write_unasked(wire)
