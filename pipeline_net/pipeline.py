"""ChannelPipeline: the stages of one channel, in order from the wire to the application.

::

    wire ─▶ head ─▶ decoder ─▶ … ─▶ your handler ─▶ tail        inbound events
    wire ◀─ head ◀─ encoder ◀─ … ◀─ your handler ◀─ tail        outbound operations

The head turns operations into what the transport does.  The tail is where events end that nobody kept: an exception is
logged and closes the channel, a message is logged and dropped, the end of input closes the channel.  Both ends are one
seat, at which the stages begin and end as in a ring: events start there and arrive there from the other side.

The stages may change at any moment, also in the middle of an event.  A newcomer hears nothing before its
``handler_added`` has returned; whoever left still forwards what it holds (see ``forwarding``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from . import event_bits
from .context import ChannelHandlerContext
from .ends import ENDS, ENDS_FACTS, NOWHERE
from .errors import PipelineError
from .forwarding import retire, vacate, vacate_for_good
from .handler import ChannelHandler
from .loop import StageFacts
from .on_pool import Executor, StageOnPool
from .pooled import PooledContext
from .stage_facts import drawn_unread, free_name, is_taken, learn_facts, take_apart

if TYPE_CHECKING:
    from .channel import Channel
    from .future import ChannelFuture
    from .stack import Stack

Stage: TypeAlias = ChannelHandler | StageOnPool[Any] | tuple[str, ChannelHandler | StageOnPool[Any]]
Which: TypeAlias = str | ChannelHandler | type[Any]
Seat: TypeAlias = ChannelHandlerContext[Any, Any]

_GUARDS: Final[bool] = sys.flags.dev_mode  # whether seats look who uses them


class ChannelPipeline:
    """The stages of one channel.  May be changed from any thread; everything else belongs on the channel's loop."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.ends: Seat = _seat(self, "ends", ENDS, ENDS_FACTS)  # a new seat is its own neighbour, as it should be here
        self.ends.mask = ENDS_FACTS.mask
        self.ends.encodes = False
        self._is_emptying = False  # the channel is closed, and its stages are leaving

    # -- looking ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        seats = self._seats()
        wide = max((len(seat.name) for seat in seats), default=0)
        lines = [f"<ChannelPipeline of {self.channel}"]
        for seat in seats:
            handler = seat.handler
            mask = seat.facts.mask
            reads = "↓" if mask & event_bits.EVERY_INBOUND else " "
            writes = "↑" if mask & event_bits.EVERY_OUTBOUND else " "
            line = f"  {reads}{writes} {seat.name:{wide}}  {type(handler).__name__}"
            if isinstance(seat, PooledContext):
                line += "  on a pool"
            lines.append(line + drawn_unread(handler))
        if not seats:
            lines.append("  (no stages)")
        return "\n".join(lines) + "\n>"

    def __len__(self) -> int:
        return len(self._seats())

    def __iter__(self) -> Iterator[ChannelHandler]:
        return iter([seat.handler for seat in self._seats()])

    def __contains__(self, which: object) -> bool:
        return isinstance(which, (str, ChannelHandler, type)) and self._find(which) is not None

    @property
    def names(self) -> list[str]:
        """The names of the stages, from the wire to the application."""
        return [seat.name for seat in self._seats()]

    @property
    def first(self) -> ChannelHandler | None:
        """The handler next to the wire."""
        seats = self._seats()
        return seats[0].handler if seats else None

    @property
    def last(self) -> ChannelHandler | None:
        """The handler farthest from the wire."""
        seats = self._seats()
        return seats[-1].handler if seats else None

    def get(self, which: Which) -> Any:
        """Find a handler by its name, its class, or itself; ``None`` when it is not here."""
        return None if (seat := self._find(which)) is None else seat.handler

    def context(self, which: Which) -> Seat | None:
        """Find a handler's seat by its name, its class, or itself; ``None`` when it is not here."""
        return self._find(which)

    # -- changing -----------------------------------------------------------------------------------

    def add_first(self, *stages: Stage, executor: Executor | None = None) -> ChannelPipeline:
        """Seat ``stages``, in the order given, next to the wire."""
        self._on_loop(self._add_after, self.ends, stages, executor)
        return self

    def add_last(self, *stages: Stage, executor: Executor | None = None) -> ChannelPipeline:
        """Seat ``stages``, in the order given, at the application's end.

        Args:
            executor: a ``WorkerPool``, or anything with ``submit(fn, *args)``: events of these handlers run there, one
                at a time and in order; what they write or fire comes back to the loop by itself.
        """
        self._on_loop(self._add_before, self.ends, stages, executor)
        return self

    def seat_last(self, stages: tuple[Stage, ...]) -> None:
        """Seat ``stages`` at the application's end; on the channel's loop."""
        self._add_before(self.ends, stages, None)

    def add_before(self, base: Which, *stages: Stage, executor: Executor | None = None) -> ChannelPipeline:
        """Seat ``stages`` on the wire side of ``base``."""
        self._on_loop(self._add_next_to, base, True, stages, executor)
        return self

    def add_after(self, base: Which, *stages: Stage, executor: Executor | None = None) -> ChannelPipeline:
        """Seat ``stages`` on the application side of ``base``."""
        self._on_loop(self._add_next_to, base, False, stages, executor)
        return self

    def add_stack(self, stack: Stack[Any, Any, Any, Any]) -> ChannelPipeline:
        """Seat the stages of ``wire() >> …`` at the application's end."""
        return self.add_last(*stack.handlers)

    def remove(self, which: Which) -> ChannelHandler:
        """Take a handler out.  What it still forwards reaches its neighbours."""
        removed: ChannelHandler = self._on_loop(self._replace, which, ())
        return removed

    def replace(self, which: Which, *stages: Stage) -> ChannelHandler:
        """Put ``stages`` in the place of a handler.  What the old one still forwards goes through the new ones."""
        replaced: ChannelHandler = self._on_loop(self._replace, which, stages)
        return replaced

    def remove_all(self) -> None:
        """Take every handler out, from the tail to the head: the last thing that happens to a closed channel."""
        seat = self.ends.next
        if seat is NOWHERE:
            return
        while seat is not self.ends:
            if isinstance(seat, PooledContext) and seat.is_busy:
                seat.when_idle(self.remove_all)  # those behind it have yet to hear what it passes on
                return
            seat = seat.next
        self._is_emptying = True  # or who seats a stage when it leaves would never let this end
        seat = self.ends.prev
        while seat is not self.ends:
            if _notices_leaving(seat):
                self._unseat(seat, seat.prev, self.ends)  # and all links are right again, for it may fire and write
                if not isinstance(seat, PooledContext):
                    retire(seat, self.ends)
                elif seat.is_busy:
                    seat.when_idle(self.remove_all)  # those before it hear of their end after this one
                    return
            else:  # then nobody can use a link before the next one leaves
                seat.prev.next = self.ends
                self.ends.prev = seat.prev
                seat.handler.seats -= 1
                retire(seat, self.ends)
            seat = self.ends.prev
        self._point_ends_at(self.ends)
        self.channel.stages_have_left()

    def fall_apart(self) -> None:
        """The channel is closed, and its last stage has left: let go of what refers to itself."""
        self._is_emptying = True
        self._point_ends_at(NOWHERE)

    def _point_ends_at(self, seat: Seat) -> None:
        """Let nobody be seated between the ends: they lead to each other, or nowhere."""
        self.ends.next = self.ends.prev = seat
        self.ends.point_at(seat)

    # -- inbound events start at the head, outbound operations at the tail --------------------------

    def fire_channel_registered(self) -> None:
        self.ends.fire_channel_registered()

    def fire_channel_active(self) -> None:
        self.ends.fire_channel_active()

    def fire_channel_read(self, msg: Any) -> None:
        self.ends.fire_channel_read(msg)

    def fire_channel_read_complete(self) -> None:
        self.ends.fire_channel_read_complete()

    def fire_channel_eof(self) -> None:
        self.ends.fire_channel_eof()

    def fire_channel_writability_changed(self) -> None:
        self.ends.fire_channel_writability_changed()

    def fire_user_event_triggered(self, event: Any) -> None:
        self.ends.fire_user_event_triggered(event)

    def fire_exception_caught(self, exc: BaseException) -> None:
        self.ends.fire_exception_caught(exc)

    def fire_channel_inactive(self) -> None:
        self.ends.fire_channel_inactive()

    def fire_channel_unregistered(self) -> None:
        self.ends.fire_channel_unregistered()

    def bind(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.bind(address, promise)

    def connect(self, address: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.connect(address, promise)

    def read(self) -> None:
        self._tail.read()

    def write(self, msg: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.write(msg, promise)

    def flush(self) -> None:
        self._tail.flush()

    def write_and_flush(self, msg: Any, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.write_and_flush(msg, promise)

    def shutdown_output(self, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.shutdown_output(promise)

    def close(self, promise: ChannelFuture[Any] | None = None) -> None:
        self._tail.close(promise)

    # -- how it is done -----------------------------------------------------------------------------

    @property
    def _tail(self) -> Seat:
        """Where operations start: at the ends; once those lead nowhere, at a seat like others that have left."""
        if self.ends.next is not NOWHERE:
            return self.ends
        seat = _seat(self, "tail", ENDS, ENDS_FACTS)
        retire(seat, self.ends)
        return seat

    def _seats(self) -> list[Seat]:
        seats: list[Seat] = []
        seat = self.ends.next
        while seat is not self.ends and seat is not NOWHERE:
            if not isinstance(seat, PooledContext) or not seat.is_leaving:
                seats.append(seat)
            seat = seat.next
        return seats

    def _find(self, which: Which) -> Seat | None:
        for seat in self._seats():
            if isinstance(which, str):
                found = seat.name == which
            elif isinstance(which, type):
                found = isinstance(seat.handler, which)
            else:
                found = seat.handler is which
            if found:
                return seat
        return None

    def _must_find(self, which: Which) -> Seat:
        seat = self._find(which)
        if seat is None:
            raise PipelineError(f"there is no stage {which!r} in\n{self!r}")
        return seat

    def _facts_of(self, handler: ChannelHandler) -> StageFacts:
        cls = type(handler)
        known = self.channel.loop.stage_facts
        facts = known.get(cls)
        if facts is None:
            facts = learn_facts(cls, known)
        return facts

    def _on_loop(self, change: Callable[..., Any], *args: Any) -> Any:
        """Make a change on the loop's thread; a caller on another thread waits for it, and gets its error."""
        loop = self.channel.loop
        if loop.in_loop:
            return change(*args)
        done = self.channel.new_promise()
        loop.execute(_settle, done, change, args)
        return done.result()

    def _add_next_to(self, base: Which, before: bool, stages: tuple[Stage, ...], executor: Executor | None) -> None:
        seat = self._must_find(base)
        if before:
            self._add_before(seat, stages, executor)
        else:
            self._add_after(seat, stages, executor)

    def _add_after(self, base: Seat, stages: tuple[Stage, ...], executor: Executor | None) -> None:
        for seat in self._make_seats(stages, executor, None):
            while base.is_removed:  # by the handler_added of a newcomer, perhaps its own
                base = base.prev
            self._insert(seat, base)
            self._admit(seat)
            base = seat
        self._renew_links()

    def _add_before(self, base: Seat, stages: tuple[Stage, ...], executor: Executor | None) -> None:
        for seat in self._make_seats(stages, executor, None):
            while base.is_removed:
                base = base.next
            self._insert(seat, base.prev)
            self._admit(seat)
        self._renew_links()

    def _make_seats(self, stages: tuple[Any, ...], executor: Executor | None, leaving: Seat | None) -> list[Seat]:
        """Check all of them before the first is seated, so that a refusal changes nothing.

        Args:
            leaving: the seat they replace, whose name is free again.
        """
        if self._is_emptying:
            raise PipelineError(f"{self.channel} is closed, and its pipeline takes no stages any more")
        seats = self._seats()  # those that are here, and then the new ones
        if leaving is not None:
            seats.remove(leaving)
        here = len(seats)
        for stage in stages:
            name = ""
            pool = executor
            if isinstance(stage, ChannelHandler):
                handler: ChannelHandler = stage  # compiled, each use of what may be anything would be checked again
            else:
                name, handler, pool = take_apart(stage, executor, self)
            if (handler.seats > 0 or any(seat.handler is handler for seat in seats)) and not handler.shareable:
                raise PipelineError(
                    f"{handler!r} has a seat already, and is not shareable: make a new one for each channel,"
                    f" or set shareable = True on a handler that keeps no state; in\n{self!r}"
                )
            if name and is_taken(name, seats):
                raise PipelineError(f"the name {name!r} is taken in\n{self!r}")
            facts = self._facts_of(handler)  # which refuses a class whose events are coroutines
            if not name:
                name = free_name(facts.name, seats)
            if pool is None:
                seats.append(_seat(self, name, handler, facts))
            else:
                seats.append(PooledContext(self, name, handler, facts, pool))
        return seats[here:] if here else seats

    def _insert(self, seat: Seat, after: Seat) -> None:
        """Give the seat neighbours; as its mask is still 0, no event stops there.  The links are renewed later."""
        seat.prev = after
        seat.next = after.next
        after.next.prev = seat
        after.next = seat
        seat.handler.seats += 1

    def _admit(self, seat: Seat, replaced: Seat | None = None) -> None:
        """Let ``handler_added`` run, then let events in; a handler that fails it is shown out again.  After the last of
        several, the caller renews the links.

        Args:
            replaced: hears what comes until then, except from the newcomer, and nothing more afterwards: no event meets
                both of them.
        """
        facts = seat.facts
        raised: BaseException | None = None
        if facts.is_greeted or isinstance(seat, PooledContext):
            self._renew_links()  # for it may fire and write; nobody else can before the caller is done
            if replaced is not None and seat.prev is replaced:
                seat.write_like(replaced)
            try:
                seat.events.handler_added(seat)
            except KeyboardInterrupt:
                raise
            except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
                raised = exc
        if replaced is not None:
            replaced.mask = 0
        if raised is not None:
            self.reject(seat, raised)
            raised = None  # the way that it went leads here
        elif not seat.is_removed:  # it may have taken itself out again
            seat.mask = facts.mask
            if isinstance(seat, PooledContext):
                seat.take_all_of_a_kind()
            else:
                seat.reads = facts.reads
                seat.encodes = facts.encodes

    def reject(self, seat: Seat, exc: BaseException) -> None:
        """Show a handler out whose ``handler_added`` raised, and report that through ``exception_caught``."""
        error = PipelineError(f"handler_added of {seat.name!r} raised {exc!r}, so it was removed; it sat in\n{self!r}")
        error.__cause__ = exc
        if isinstance(seat, PooledContext):
            seat.leave()
        elif not seat.is_removed:
            self._unseat(seat, seat.prev, seat.next)
        self.fire_exception_caught(error)

    def _replace(self, which: Which, stages: tuple[Stage, ...]) -> ChannelHandler:
        old = self._must_find(which)
        handler = old.handler
        seats = self._make_seats(stages, None, old)
        after = old
        for seat in seats:
            while after.is_removed:
                after = after.prev
            self._insert(seat, after)
            self._admit(seat, None if isinstance(old, PooledContext) else old)
            after = seat
        self._renew_links()
        stayed = [seat for seat in seats if not seat.is_removed]
        if isinstance(old, PooledContext):
            old.leave(stayed[-1] if stayed else None)
        elif not old.is_removed:  # by a newcomer's handler_added
            self._unseat(old, stayed[-1] if stayed else old.prev, stayed[0] if stayed else old.next)
        return handler

    def unlink(self, seat: Seat, prev: Seat, next_: Seat) -> None:
        """Take a seat out; what it still forwards will go to ``next_``, what it still writes to ``prev``."""
        before = seat.prev
        after = seat.next
        before.next = after
        after.prev = before
        seat.prev = prev
        seat.next = next_
        seat.handler.seats -= 1
        (vacate_for_good if self._is_emptying and not isinstance(seat, PooledContext) else vacate)(seat)
        self._relink(before, after)

    def _unseat(self, seat: Seat, prev: Seat, next_: Seat) -> None:
        """Take a seat out, and tell its handler."""
        events = seat.events
        self.unlink(seat, prev, next_)
        if not _notices_leaving(seat):
            return
        try:
            events.handler_removed(seat)
        except KeyboardInterrupt:
            raise
        except BaseException as exc:  # noqa: BLE001 - no user code can kill a loop
            self.report_removal(seat, exc)

    def report_removal(self, seat: Seat, exc: BaseException) -> None:
        """Report through ``exception_caught`` that a ``handler_removed`` raised."""
        error = PipelineError(f"handler_removed of {seat.name!r} raised {exc!r}; it sat in\n{self!r}")
        error.__cause__ = exc
        self.fire_exception_caught(error)

    def _renew_links(self) -> None:
        self._relink(self.ends, self.ends)

    def _relink(self, before: Seat, after: Seat) -> None:
        """Let all learn it who fire or write past what has changed between ``before`` and ``after``."""
        seat = after.prev
        seat.link_to_next(after)
        while seat is not self.ends:
            seat.prev.link_to_next(seat)
            seat = seat.prev
        seat = before.next
        seat.link_to_prev(before)
        while seat is not self.ends:
            seat.next.link_to_prev(seat)
            seat = seat.next


def _notices_leaving(seat: Seat) -> bool:
    return seat.facts.is_bid_farewell or isinstance(seat, PooledContext)


def _seat(pipeline: ChannelPipeline, name: str, handler: ChannelHandler, facts: StageFacts) -> Seat:
    if _GUARDS:
        from .guarded import GuardedContext  # nobody else pays for it

        return GuardedContext(pipeline, name, handler, facts)
    return ChannelHandlerContext(pipeline, name, handler, facts)


def _settle(promise: ChannelFuture[Any], change: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        result = change(*args)
    except BaseException as exc:
        promise.set_exception(exc)  # whoever asked for the change waits for it, whatever it is
        if isinstance(exc, KeyboardInterrupt):
            raise
    else:
        promise.set_result(result)
