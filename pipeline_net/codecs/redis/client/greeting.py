"""Greeting: what is said on a new connection before anybody may use it.

::

    we                                  a server of RESP3         one that is too old, or has no RESP3
    HELLO 3 AUTH user pass SETNAME me   %7 server redis …         -ERR unknown command / -NOPROTO …
                                                                  ┌─ AUTH user pass
                                                                  └─ CLIENT SETNAME me
    SELECT 5, and the setup commands    +OK …                     +OK …

Nothing here knows of connections: requests come out, replies go in.

A refusal is final when trying again cannot help, such as a wrong password.  It is not when the server is only busy with
itself: it loads its data, it has too many clients.
"""

from __future__ import annotations

from typing import Any, Final

from ..messages import RedisError, Request
from .errors import ReplyError
from .options import ClientOptions

# Codes of errors that pass by themselves.
_PASSING: Final = frozenset({"LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN"})
_FULL: Final = b"max number of clients"  # -ERR max number of clients reached

_HELLO: Final = 0
_REST: Final = 1


class Greeting:
    """Asks, and looks at the answers; ``protocol`` and ``server`` are what came of it.

    Args:
        with_setup: whether to select the database and run the setup commands, which a connection that only listens
            does not need.
    """

    def __init__(self, options: ClientOptions, *, with_setup: bool = True) -> None:
        self.protocol = 2
        self.server: dict[Any, Any] = {}
        """What the server has said about itself, if it knows HELLO."""
        self._options = options
        self._with_setup = with_setup
        self._step = _HELLO
        self._asked: list[Request] = []

    def begin(self) -> list[Request]:
        """What to send first; nothing if there is nothing to say."""
        options = self._options
        if options.protocol == 2:
            return self._ask_rest(knows_hello=False)
        hello: list[bytes | str | int | float] = ["HELLO", 3]
        if options.password is not None:
            hello += ["AUTH", options.username or "default", options.password]
        if options.name is not None:
            hello += ["SETNAME", options.name]
        self._asked = [hello]
        return self._asked

    def answered(self, replies: list[Any]) -> list[Request]:
        """Look at the replies to what was sent last; what to send next, or nothing when the greeting is over.

        Raises:
            ReplyError: the server does not want us; ``is_passing`` says whether it may want us later.
        """
        if self._step == _HELLO:
            return self._hello_answered(replies[0])
        for request, reply in zip(self._asked, replies, strict=True):
            if isinstance(reply, RedisError):
                raise ReplyError(reply, str(request[0]))
        return []

    def _hello_answered(self, reply: Any) -> list[Request]:
        if isinstance(reply, RedisError):
            if not _means_no_resp3(reply):
                raise ReplyError(reply, "HELLO")
            return self._ask_rest(knows_hello=False)
        self.protocol = 3
        if isinstance(reply, dict):
            self.server = reply
        return self._ask_rest(knows_hello=True)

    def _ask_rest(self, *, knows_hello: bool) -> list[Request]:
        options = self._options
        self._step = _REST
        asked: list[Request] = []
        if not knows_hello:
            if options.password is not None:
                # Servers before version 6 know one password and no users.
                asked.append(["AUTH", *([options.username] if options.username else []), options.password])
            if options.name is not None:
                asked.append(["CLIENT", "SETNAME", options.name])
        if self._with_setup:
            if options.database != 0:
                asked.append(["SELECT", options.database])
            asked += options.setup
        self._asked = asked
        return asked


def _means_no_resp3(error: RedisError) -> bool:
    """Whether HELLO is unknown (servers before version 6), or RESP3 is."""
    return error.code == "NOPROTO" or (error.code == "ERR" and b"unknown command" in error.text.lower())


def is_passing(error: ReplyError) -> bool:
    """Whether the server may want us later, although it does not want us now."""
    return error.code in _PASSING or _FULL in error.error.text
