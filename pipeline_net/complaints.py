"""Complaints: what a loop has to say of failures, without letting anybody make it say the same for ever.

What ends a connection at the end of its pipeline is logged with the traceback and the drawn pipeline, a kilobyte and
more.  Whoever may connect may break the rules, and thousands of times a second; then the log would fill the disk, and
bury whatever else it has to tell.  So of each kind of failure the first few in ten seconds are logged at their level,
and the others at DEBUG.  They are counted, and one line says how many they were, when the ten seconds are over::

    ERROR  <StreamChannel loop-1/17 …>: an exception reached the end of the pipeline, so the channel is closed …
    ERROR  <StreamChannel loop-1/18 …>: …
    ERROR  1234 more like these came within 10 s, and were not shown: FrameTooLongError (line.py:83) in LineDecoder, …

What is counted is forgotten with that line; and there is one timer, while there is something that it has to tell.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from .errors import PipelineNetError
from .loop import Listener, Loop

if TYPE_CHECKING:
    from .pipeline import ChannelPipeline
    from .transport.timers import TimerHandle

SHOWN: Final = 20  # of each kind, within …
INTERVAL: Final = 10.0  # seconds
KINDS: Final = 100  # that are told apart within them; the rest is one kind more

_OTHERS: Final = "failures of other kinds"
_NAME: Final = "pipeline_net.complaints"


class _Kind:
    """How often one thing has happened since the interval began."""

    def __init__(self, logger: logging.Logger, level: int) -> None:
        self.logger = logger
        self.level = level
        self.count = 0
        self.shown = 0


class Complaints(Listener):
    """What has been said on one loop; from any thread, for a stage may run on a pool.

    It hears as a ``Listener`` when its loop ends, so that what was counted is told by then.
    """

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._kinds: dict[str, _Kind] = {}
        self._began_at = -INTERVAL
        self._is_expected = False  # a timer will tell what was counted
        self._timer: TimerHandle | None = None

    def level(self, logger: logging.Logger, level: int, kind: str) -> int:
        """Look up at which level to log one more of this kind: ``level`` for the first few, then DEBUG.

        Nothing is counted that ``logger`` would not say at ``level``.
        """
        if not logger.isEnabledFor(level):
            return logging.DEBUG
        now = self._loop.time()
        with self._lock:
            is_over = now - self._began_at >= INTERVAL
            over = self._take() if is_over else []
            elapsed = now - self._began_at
            if is_over:
                self._began_at = now
            shown = self._is_shown(logger, level, kind)
            must_set_timer = not shown and not self._is_expected
            if must_set_timer:
                self._is_expected = True
            wait = self._began_at + INTERVAL - now
        _tell(over, elapsed)
        if must_set_timer:
            try:
                self._timer = self._loop.schedule(wait, self.tell)
                self._loop.adopt_listener(self)
            except PipelineNetError:
                self.tell()  # the loop has stopped
            except BaseException:
                self._is_expected = False  # so deep down that there was no place for it: the next one tries again
                raise
        return level if shown else logging.DEBUG

    def _is_shown(self, logger: logging.Logger, level: int, title: str) -> bool:
        kind = self._kinds.get(title)
        if kind is None:
            if len(self._kinds) >= KINDS:
                title = _OTHERS
                kind = self._kinds.get(title)
            if kind is None:
                kind = self._kinds[title] = _Kind(logger, level)
        kind.count += 1
        if kind.count > SHOWN or title == _OTHERS:
            return False
        kind.shown += 1
        return True

    def _take(self) -> list[tuple[str, _Kind]]:
        """Begin to count anew; returns what has to be told."""
        hidden = [(title, kind) for title, kind in self._kinds.items() if kind.count > kind.shown]
        self._kinds = {}
        return hidden

    def tell(self) -> None:
        """Tell now what there is to be told, and begin anew; on the loop."""
        with self._lock:
            now = self._loop.time()
            hidden = self._take()
            elapsed = now - self._began_at
            self._began_at = now
            self._is_expected = False
            timer = self._timer
            self._timer = None
        if timer is not None:
            timer.cancel()
            self._loop.forget_listener(self)
        _tell(hidden, elapsed)

    def stop_listening(self) -> None:
        """The loop takes nobody in any more, and may be about to end."""
        self.tell()

    def resume_listening(self) -> None:
        """There is nobody that it takes in."""


def complaints_of(loop: Loop) -> Complaints:
    """The complaints of a loop."""
    known: Complaints | None = loop.shared.get(_NAME)
    if known is None:
        known = loop.shared.setdefault(_NAME, Complaints(loop))
    return known


def log_failure(
    loop: Loop,
    logger: logging.Logger,
    exc: BaseException,
    whose: str,
    what: str,
    *args: object,
    level: int = logging.ERROR,
) -> None:
    """Log an exception that ends here, with its traceback: at ``level``, or DEBUG for one more of many.

    Args:
        whose: what has raised it, in no words of the peer: ``"a task"``.
        what: the line, to be formatted with ``args``.
    """
    shown = complaints_of(loop).level(logger, level, kind_of(exc, whose))
    logger.log(shown, what, *args, exc_info=exc)


def level_of_failure(loop: Loop, logger: logging.Logger, exc: BaseException, stages: str) -> int:
    """Look up at which level to log an exception that nobody has handled: ERROR, or DEBUG for one more of many."""
    return complaints_of(loop).level(logger, logging.ERROR, kind_of(exc, stages))


def kind_of(exc: BaseException, stages: str) -> str:
    """Say what kind of failure it is, in no words of the peer: what was raised, where, in which stage or stages."""
    trace: Any = exc.__traceback__
    place = ""
    if trace is not None:
        while trace.tb_next is not None:
            trace = trace.tb_next
        place = f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    return f"{type(exc).__name__}{place} in {stages}"


def stages_of(pipeline: ChannelPipeline) -> str:
    """Name the classes of a pipeline's stages."""
    return ", ".join([type(handler).__name__ for handler in pipeline]) or "no stages"


def _tell(hidden: list[tuple[str, _Kind]], elapsed: float) -> None:
    for title, kind in hidden:
        count = kind.count - kind.shown
        what = "%d more like these came within %.3g s, and were not shown: %s"
        kind.logger.log(kind.level, what, count, elapsed, title, extra={"hidden": count})
