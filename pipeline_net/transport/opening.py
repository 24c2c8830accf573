"""How a new channel gets its stages: what every transport does before the first event.

::

    initializer(channel) ─▶ stages ─▶ add_last: handler_added each ─▶ channel_registered
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from .._mypyc import with_cause
from ..channel import Channel
from ..channel_life import NEW
from ..errors import PipelineError
from ..handler import ChannelHandler
from ..on_pool import StageOnPool
from ..pipeline import Stage
from ..stack import Stack

# A Stack is an iterable of stages, too.
Initializer: TypeAlias = Callable[[Channel], Iterable[Stage] | None]


def seat_stages(channel: Channel, initializer: Initializer) -> None:
    """Seat what the initializer gives, and register the channel; on its loop.

    Raises:
        PipelineError: what it gave is neither stages nor ``None``.
        Exception: whatever the initializer raised.
    """
    given = initializer(channel)
    if given is not None and given is not channel.pipeline:  # which is what add_last() returns
        try:
            stages = given.stages if type(given) is Stack else tuple(given)
        except TypeError as exc:
            name = "on_pool" if isinstance(given, StageOnPool) else type(given).__name__
            hint = f": did you mean [{name}(…)]?" if isinstance(given, (ChannelHandler, StageOnPool)) else ""
            error = PipelineError(
                f"the initializer {initializer!r} returns a stack, several stages, or None, and not {given!r}{hint}"
            )
            raise with_cause(error, exc) from exc
        channel.pipeline.seat_last(stages)
    if channel.state == NEW:  # else a stage has closed it already
        channel.register()
