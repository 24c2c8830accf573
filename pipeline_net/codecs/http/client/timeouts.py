"""Timeouts, PhaseTimer: how long each part of a request may take, and who watches that.

::

    pool     connect   tls     send          head                   read, read, read …
    ──────▶──────────▶───────▶─────────────▶──────────────────────▶──────────────────▶
    a place  TCP       TLS     the request,   the whole head of the  each time: until
    in the   (CONNECT)         without any    final response         the next bytes
    pool                       progress
    ─────────────────────────── total ────────────────────────────────────────────────
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from ....loop import Loop
    from ....transport.timers import TimerHandle


def _positive_or_none(_: object, field: attrs.Attribute[Any], value: float | None) -> None:
    if value is not None and not value > 0:  # nan, too
        raise ValueError(f"{field.name} must be more than 0 seconds, or None for no limit, and not {value!r}")


def _seconds(default: float) -> Any:
    return attrs.field(default=default, validator=_positive_or_none)


@attrs.frozen(kw_only=True)
class Timeouts:
    """Seconds for each part of a request; ``None`` for ever.

    Raises:
        ValueError: a time that is not above 0.
    """

    pool: float | None = _seconds(10.0)
    """Until there is a connection, or room for another one."""
    connect: float | None = _seconds(10.0)
    """Until the server, or the proxy, has accepted the connection."""
    tls: float | None = _seconds(10.0)
    """Until the handshake is done; before that, until a proxy has answered CONNECT."""
    send: float | None = _seconds(30.0)
    """Without any progress in sending the request."""
    head: float | None = _seconds(60.0)
    """From the last byte of the request to the last one of the head of its response."""
    read: float | None = _seconds(30.0)
    """From some bytes of the body to the next ones."""
    total: float | None = _seconds(300.0)
    """For all of it, redirects and retries included: to the end of the body, or, when it is streamed, of the head."""


def _nobody(phase: str, seconds: float) -> None:
    """Stand in for whoever was told."""


class PhaseTimer:
    """Says when a phase takes too long: ``expired(phase, seconds)``, on the loop.

    ``touch`` notes the time and leaves the loop's timer alone; when that fires too early, it is set for the rest.
    """

    def __init__(self, loop: Loop, expired: Callable[[str, float], object]) -> None:
        self.phase = ""
        self._loop = loop
        self._expired = expired
        self._seconds: float | None = None
        self._deadline = 0.0
        self._fires_at = 0.0
        self._timer: TimerHandle | None = None

    def begin(self, phase: str, seconds: float | None) -> None:
        """The next phase begins, and may take so long."""
        self.phase = phase
        self._seconds = seconds
        if seconds is None:
            self.stop()
            return
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._fires_at > self._deadline:
            self._set(seconds)

    def touch(self) -> None:
        """There was progress: the phase has all its time again."""
        if self._seconds is not None:
            self._deadline = self._loop.time() + self._seconds

    def stop(self) -> None:
        """Nobody waits for anything."""
        self._seconds = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Nobody waits any more: let go of whoever would be told, who refers to us."""
        self.stop()
        self._expired = _nobody

    def _set(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires_at = self._loop.time() + seconds
        self._timer = self._loop.schedule(seconds, self._fire)

    def _fire(self) -> None:
        self._timer = None
        if self._seconds is None:
            return
        left = self._deadline - self._loop.time()
        if left > 0:
            self._set(left)
        else:
            self._expired(self.phase, self._seconds)
