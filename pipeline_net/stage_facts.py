"""What a pipeline finds out about a stage: the facts of its class, a name that is free, and what it holds."""

from __future__ import annotations

import re
from typing import Any, Final

from .context import ChannelHandlerContext
from .errors import PipelineError
from .event_bits import mask_of
from .events_by_name import lacks_events
from .handler import (
    ChannelHandler,
    has_its_own,
    interpreted_encode,
    interpreted_read,
    overridden_events,
    refuse_coroutines,
)
from .loop import StageFacts
from .on_pool import Executor, StageOnPool

_MOST_KNOWN: Final = 1024  # classes; who makes one for each connection must not have us keep them all
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def learn_facts(cls: type, known: dict[type, StageFacts]) -> StageFacts:
    """Look at a handler class, which takes long, and is done once for each loop: the facts are kept in ``known``.

    Raises:
        PipelineError: one of its events is a coroutine or a generator.
    """
    refuse_coroutines(cls)
    if len(known) >= _MOST_KNOWN:
        known.clear()
    by_name = lacks_events(cls)
    facts = known[cls] = StageFacts(
        mask_of(overridden_events(cls)),
        _WORD_START.sub("-", cls.__name__.strip("_")).lower(),
        None if by_name else interpreted_read(cls),
        None if by_name else interpreted_encode(cls),
        is_greeted=has_its_own(cls, "handler_added"),
        is_bid_farewell=has_its_own(cls, "handler_removed"),
        by_name=by_name,
    )
    return facts


def take_apart(stage: Any, executor: Executor | None, pipeline: Any) -> tuple[str, ChannelHandler, Executor | None]:
    """Find the name that a stage is given, its handler, and the pool on which that is to run; "" is no name.

    Args:
        executor: the pool of those that do not name one of their own.
        pipeline: drawn for whoever has made a mistake.

    Raises:
        PipelineError: it is no stage.
    """
    name = ""
    if isinstance(stage, tuple):
        if len(stage) != 2 or not isinstance(stage[0], str) or not stage[0]:
            raise PipelineError(f"a stage is a handler or (name, handler), not {stage!r}; in\n{pipeline!r}")
        name, stage = stage
    if isinstance(stage, StageOnPool):
        return name, stage.handler, stage.executor
    if not isinstance(stage, ChannelHandler):
        hint = f": did you mean {stage.__name__}()?" if isinstance(stage, type) else ""
        raise PipelineError(f"a stage is a ChannelHandler, not {stage!r}{hint}; in\n{pipeline!r}")
    return name, stage, executor


def is_taken(name: str, seats: list[ChannelHandlerContext[Any, Any]]) -> bool:
    """Whether one of ``seats`` is called ``name``."""
    for seat in seats:  # noqa: SIM110 - they are few: a set of names, or a generator, would take longer to make
        if seat.name == name:
            return True
    return False


def free_name(base: str, seats: list[ChannelHandlerContext[Any, Any]]) -> str:
    """Find a name for one more: ``base``, or ``base-2`` and so on."""
    name = base
    number = 2
    while is_taken(name, seats):
        name = f"{base}-{number}"
        number += 1
    return name


def drawn_unread(handler: ChannelHandler) -> str:
    """What a drawing says of the bytes that a handler holds.  It is drawn to report a mistake, so it makes none."""
    try:
        unread = handler.unread_bytes
    except Exception as exc:  # noqa: BLE001 - which is what there is to see
        return f"  unread_bytes raised {type(exc).__name__}"
    return f"  {unread} bytes unread" if unread else ""
