"""Commands that cannot go through ``execute()``, and what to use instead.

A connection has one reply for each command, in order.  Some commands break that, and would give every later caller
somebody else's reply; others change the connection, and would be undone when it is made anew.  On a connection that
many share there is one kind more: those that mean the commands which follow, because others may come in between.
"""

from __future__ import annotations

from typing import Any, Final

from ....errors import PipelineError

_SUBSCRIBE: Final = "its replies come when they like: use client.subscribe()"
_OPTIONS: Final = "a new connection would not know of it: use ClientOptions"
_STREAM: Final = "what follows is no reply: seat stages of your own on redis.client_stack()"
_TOGETHER: Final = "others use this connection, too: use client.transaction(), or a client of a ClientPool"
_REPLY: Final = "it leaves commands without replies, which are counted"

_EVERYWHERE: Final = {
    "SUBSCRIBE": _SUBSCRIBE,
    "UNSUBSCRIBE": _SUBSCRIBE,
    "PSUBSCRIBE": _SUBSCRIBE,
    "PUNSUBSCRIBE": _SUBSCRIBE,
    "SSUBSCRIBE": _SUBSCRIBE,
    "SUNSUBSCRIBE": _SUBSCRIBE,
    "MONITOR": _STREAM,
    "SYNC": _STREAM,
    "PSYNC": _STREAM,
    "REPLCONF": _STREAM,
    "HELLO": _OPTIONS,
    "AUTH": _OPTIONS,
    "SELECT": _OPTIONS,
    "RESET": "it undoes the greeting: close the client instead",
    "QUIT": "use client.close()",
}
_SHARED: Final = {
    "MULTI": _TOGETHER,
    "EXEC": _TOGETHER,
    "DISCARD": _TOGETHER,
    "WATCH": _TOGETHER,
    "UNWATCH": _TOGETHER,
}


def _in_both_types(table: dict[str, str]) -> dict[Any, str]:
    """Names are looked up as they come, text or bytes."""
    return {**table, **{name.encode(): hint for name, hint in table.items()}}


ON_ANY_CONNECTION: Final[dict[Any, str]] = _in_both_types(_EVERYWHERE)
ON_A_SHARED_CONNECTION: Final[dict[Any, str]] = _in_both_types({**_EVERYWHERE, **_SHARED})


def check_command(command: Any, refused: dict[Any, str]) -> str:
    """Name a command, if it may go through ``execute()``.

    Raises:
        PipelineError: it may not, or there is none.
    """
    if not command:
        raise PipelineError("a command has at least a name")
    name = command[0]
    if not isinstance(name, str | bytes):
        raise PipelineError(f"the name of a command is text, and not {name!r}")
    upper = name.upper()
    hint = refused.get(upper)
    if hint is None and (upper == "CLIENT" or upper == b"CLIENT") and len(command) > 1:
        second = command[1]
        if isinstance(second, str | bytes) and second.upper() in ("REPLY", b"REPLY"):
            hint = _REPLY
    text = name if isinstance(name, str) else name.decode("utf-8", "replace")
    if hint is not None:
        raise PipelineError(f"{text} cannot be used like this: {hint}")
    return text
