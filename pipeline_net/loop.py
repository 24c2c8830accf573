"""Loop: what channels and handlers need of the loop they live on.

``transport.EventLoop`` is the real one; ``testing`` has one whose time stands still until it is told to pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ._mypyc import i64, mypyc_attr

if TYPE_CHECKING:
    from .future import ChannelFuture
    from .options import ChannelOptions
    from .transport.timers import TimerHandle

_ROOMY: Final = 65536  # bytes; whoever asks for reads smaller than the default means it as a bound
_LITTLE: Final = 479  # bytes; with its header, the largest block of pymalloc


class OptionFacts:
    """What every channel with these options begins with.

    Compiled code reads an attribute of a compiled class in one instruction, and one of an attrs class by its name.
    """

    def __init__(self, options: ChannelOptions) -> None:
        self.options = options
        self.high: i64 = options.write_buffer_high
        self.low: i64 = options.write_buffer_low
        self.limit: i64 = options.write_buffer_limit
        self.auto_flush: bool = options.auto_flush
        self.auto_read: bool = options.auto_read
        self.pauses_when_unwritable: bool = options.pause_reads_when_unwritable
        # Any keeps the ints as objects, each of which all channels share.
        self.receive_size: Any = options.receive_size
        if self.receive_size >= _ROOMY:
            self.receive_size += self.receive_size // 16  # a body of just so many bytes has a header, too
        self.little: Any = min(_LITTLE, self.receive_size)  # bytes asked for while little comes at a time


class StageFacts:
    """What a pipeline needs to know of a handler class: which events it overrides, and what to call an instance.

    ``reads`` is its ``channel_read`` if that is an interpreted function.  Compiled code that calls a method of an
    interpreted class has it looked up by name each time, which costs a third of calling a small one.  ``encodes``, for
    the same reason, is its ``encode``, if ``write`` of the class does nothing but pass on what that returns.
    ``is_greeted`` and ``is_bid_farewell`` say whether it has a ``handler_added`` and a ``handler_removed`` of its own;
    ``by_name``, that compiled code must ask for its events by name (see ``events_by_name``).
    """

    def __init__(
        self,
        mask: int,
        name: str,
        reads: Any = None,
        encodes: Any = None,
        is_greeted: bool = True,
        is_bid_farewell: bool = True,
        by_name: bool = False,
    ) -> None:
        self.mask: i64 = mask
        self.is_greeted = is_greeted
        self.is_bid_farewell = is_bid_farewell
        self.by_name = by_name
        self.name = name
        self.reads = reads
        self.encodes = encodes


@mypyc_attr(allow_interpreted_subclasses=True)
class Watched:
    """Whoever may have a descriptor in a loop's selector.  (No trait: compiled ones have no interpreted subclasses.)"""

    def on_events(self, bits: int) -> None:
        """The descriptor is ready for what ``bits`` say (see ``transport.poller``)."""
        raise NotImplementedError

    def events_failed(self, exc: BaseException) -> None:
        """``on_events`` has raised ``exc``, which has been logged; the descriptor is not watched any more."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Listener(Watched):
    """Whoever takes in new peers on a loop."""

    def stop_listening(self) -> None:
        """Take in nobody any more, and let the socket go; again is allowed."""
        raise NotImplementedError

    def resume_listening(self) -> None:
        """There is room again for whoever waits to be taken in."""
        raise NotImplementedError

    def disown(self) -> None:
        """This is a forked child: the parent alone takes in peers."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Loop(ABC):
    """Runs everything of its channels, one thing after the other, on one thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.channels_made = 0
        # What pipelines have learned about handler classes: kept per loop, so that loops share nothing.
        self.stage_facts: dict[type, StageFacts] = {}
        self._option_facts: OptionFacts | None = None  # of the last channel, and as a rule of all
        # What stages of one kind share on this loop, such as scratch memory, under a name of theirs.
        self.shared: dict[str, Any] = {}

    def facts_of(self, options: ChannelOptions) -> OptionFacts:
        """Look up what channels with these options begin with."""
        facts = self._option_facts
        if facts is None or facts.options is not options:
            facts = self._option_facts = OptionFacts(options)
        return facts

    @property
    @abstractmethod
    def in_loop(self) -> bool:
        """Whether the caller is on this loop's thread."""

    @abstractmethod
    def execute(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` on the loop, after what was asked for earlier.  From any thread."""

    def execute_until_stopped(self, fn: Callable[..., object], *args: Any) -> None:
        """Like ``execute``, but also while the loop is being stopped: for what its channels are still owed.

        Raises:
            ChannelClosedError: the loop has stopped: nothing runs on it any more.
        """
        self.execute(fn, *args)

    @abstractmethod
    def schedule(self, delay: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` once, ``delay`` seconds from now.  From any thread."""

    @abstractmethod
    def schedule_every(self, interval: float, fn: Callable[..., object], *args: Any) -> TimerHandle:
        """Run ``fn(*args)`` every ``interval`` seconds until it is cancelled; first after one interval.  From
        any thread.
        """

    @abstractmethod
    def run_blocking(self, fn: Callable[..., Any], *args: Any) -> ChannelFuture[Any]:
        """Run ``fn(*args)`` on a pool thread, where it may block; the future is completed on the loop."""

    def run_owed(self, fn: Callable[[], object]) -> None:
        """Like ``run_blocking``, for what must not be lost and has nobody who waits for it: never refused for want of
        room.  On the loop.
        """
        self.run_blocking(fn)

    @abstractmethod
    def time(self) -> float:
        """Seconds of the loop's clock, which only ever grows."""

    @abstractmethod
    def adopt_listener(self, listener: Listener) -> None:
        """Let ``listener`` know when the loop takes in nobody any more, as it does before it ends."""

    @abstractmethod
    def forget_listener(self, listener: Listener) -> None:
        """It need not know any more."""
