"""What a client of TLS keeps of a connection, so that the next one to that server begins sooner.

A session is offered once: RFC 8446 C.4, "Clients SHOULD NOT reuse a ticket for multiple connections", for whoever looks
on could tell that they come from one client.  Each connection ends with reading its session for the one that follows.

In some releases of Python each such reading leaks the session, of 5 KiB: all of 3.11, 3.12 up to 3.12.7, and 3.13.0
(https://github.com/python/cpython/issues/116810).  A client that connects ten times a second would lose 5 GB a day.  So
there a session is offered as long as the server takes it, and another one is read when it does not any more.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import Any, Final

READING_LEAKS: Final = sys.version_info < (3, 12, 8) or sys.version_info[:3] == (3, 13, 0)


def give_back(sessions: MutableMapping[str, Any], name: str, offered: Any, tls: Any) -> None:
    """The handshake is done: keep the session that was ``offered``, if it must be offered again and was taken."""
    if READING_LEAKS and tls.session_reused:
        sessions[name] = offered


def remember(sessions: MutableMapping[str, Any], name: str, tls: Any) -> None:
    """The connection ends: keep what shortens the next handshake; a server of TLS 1.3 sends it some time after this
    one.
    """
    if READING_LEAKS and name in sessions:
        return
    session = tls.session
    if session is not None and session.has_ticket:
        sessions[name] = session
