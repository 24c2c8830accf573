"""Contracts of stages as functions: a decoder must not notice how its bytes were cut, nor hold more than it may.

They raise ``AssertionError``, which shows the smallest cut that fails, what was expected and what came; they need no
test framework.  Stages run in a pipeline, in an ``EmbeddedChannel``; a ``ByteToMessageDecoder`` by itself runs a second
time without one, through ``feed()`` and ``finish()``, and must do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from ..codecs.base import ByteToMessageDecoder
from ..context import ChannelHandlerContext
from ..errors import DecodeError, FrameTooLongError, PipelineError
from ..handler import ChannelHandler, ChannelInboundHandler
from ..on_pool import StageOnPool
from ..pipeline import Stage
from ..stack import Stack
from .cuts import Cuts, byte_by_byte, pairs_of_cuts, pieces_of, single_cuts, smallest
from .embedded_channel import EmbeddedChannel

Stages: TypeAlias = Stage | Stack[Any, Any, Any, Any] | Iterable[Stage]
Case: TypeAlias = tuple[bytes, Sequence[Any]]

_CHUNK: Final = 65536  # bytes; a transport delivers no more at once
_WIDE: Final = 120  # characters of one message, or of one piece, in a complaint
_MANY: Final = 12  # messages, or pieces, in a complaint
_FEW: Final = 4096  # pieces; a prefix is not fed in more, so that a check stays quick


def check_decoder(factory: Callable[[], Stages], cases: Iterable[Case]) -> None:
    """Check that a decoder makes the same messages of the same bytes, however they are cut.

    Each case is fed whole, byte by byte, cut at every point (a sample of them for large ones), and at every pair of
    points for tiny ones; all together are fed joined, so that one message may follow another, without those after which
    nothing more is decoded.  Who fails only there keeps something of one message that the next one meets.

    Args:
        factory: makes the decoder, or the stages, for one connection; what comes out at the application's end counts.
        cases: ``(bytes, [messages])``.  In the list, an exception class stands for an error of that class which must
            come at that place, an exception for one of the same class and words: ``(b"xyz", [b"x", DecodeError])``.
            Then the input ends.  A message or an error that only the end of input brings is listed last; an error
            may be left out, so ``(half_a_message, [])`` says that half a message is none.

    Raises:
        AssertionError: with the smallest cut that fails.
        TypeError: a case is no such pair.
    """
    together = b""
    messages: list[Any] = []
    last = b""
    for case in cases:
        data, expected = _taken_apart(case)
        outcome = _Check(factory, data, expected).run()
        if not outcome.at_end and not _ends_decoding(factory, data, outcome):
            together += data
            messages.extend(expected)
            last = data
    if together != last:
        _Check(factory, together, messages, " (the cases, one after the other)").run()


def check_codec(factory: Callable[[], Stages], messages: Sequence[Any]) -> None:
    """Check that what a codec encodes it also decodes, to an equal message, however the bytes are cut.

    Args:
        factory: makes the codec, or an encoder and a decoder, for one connection.
        messages: to be encoded, each alone and all one after the other; they must compare with ``==``.

    Raises:
        AssertionError: with the smallest cut that fails; or something other than bytes reached the wire.
    """
    for message in messages:
        check_decoder(factory, [(_encode(factory, [message]), [message])])
    check_decoder(factory, [(_encode(factory, messages), messages)])


def check_limits(factory: Callable[[], Stages], prefix_factory: Callable[[int], bytes], limit: int) -> None:
    """Check that no prefix of a message, however long and however cut, makes the stages hold more than ``limit`` bytes.

    Args:
        factory: makes the stages for one connection; what they hold is what their ``unread_bytes`` say, together.
        prefix_factory: makes the first ``n`` bytes of what a hostile peer sends: ``lambda n: b"a" * n``.
        limit: bytes.

    Raises:
        AssertionError: they hold more; or they never hold a byte, so that nothing was checked.
        TypeError: there is no ``prefix_factory``, but a prefix.
    """
    if not callable(prefix_factory):
        raise TypeError(
            f"prefix_factory makes the first n bytes, as in lambda n: b'a' * n, and is not {_short(prefix_factory)}"
        )
    most = 0
    for size in sorted({1, max(limit - 1, 1), limit, limit + 1, 2 * limit + 1, 4 * limit, limit + 2 * _CHUNK}):
        prefix = prefix_factory(size)
        for piece in sorted({1, 7, min(limit // 2 + 1, _CHUNK), min(limit + 1, _CHUNK), _CHUNK}):
            if len(prefix) // piece <= _FEW:
                most = max(most, _most_held(factory, prefix, piece, limit))
    if most == 0:
        raise AssertionError(
            f"{_describe(factory)}: no byte was ever held, so nothing was checked: is unread_bytes overridden, and is"
            f" {_short(prefix_factory(limit))} the beginning of a message?"
        )


class _Recorder(ChannelInboundHandler[Any]):
    """Sits at the application's end and keeps what comes, errors too."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.events.append(msg)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.events.append(exc)


class _Outcome:
    """What came of some bytes: messages and errors, in order, and what only the end of input brought."""

    def __init__(self, before_end: list[Any], at_end: list[Any]) -> None:
        self.before_end = before_end
        self.at_end = at_end

    def __repr__(self) -> str:
        after = f", then at the end of input {_listed(self.at_end)}" if self.at_end else ""
        return f"{_listed(self.before_end)}{after}"

    def fits(self, expected: Sequence[Any]) -> bool:
        """Whether this is what a case asks for; an error that only the end of input brought may be unmentioned."""
        if _all_fit(expected, [*self.before_end, *self.at_end]):
            return True
        unmentioned = all(isinstance(event, BaseException) for event in self.at_end)
        return unmentioned and _all_fit(expected, self.before_end)

    def is_like(self, other: _Outcome) -> bool:
        """Whether another cut came to the same; errors are alike when their classes are."""
        return _all_fit(_classes(other.before_end), self.before_end) and _all_fit(_classes(other.at_end), self.at_end)


class _Check:
    """One case, under every cut; or several, which ``what`` then says."""

    def __init__(self, factory: Callable[[], Stages], data: bytes, expected: Sequence[Any], what: str = "") -> None:
        self._factory = factory
        self._data = data
        self._expected = expected
        self._what = what

    def run(self) -> _Outcome:
        data = self._data
        whole, _ = _decode(self._factory, [data])
        if not whole.fits(self._expected):
            self._fail((), whole, "")
        bytewise, ends = _decode(self._factory, pieces_of(data, byte_by_byte(data)))
        for cuts in (*single_cuts(data, ends), *pairs_of_cuts(data)):
            self._compare(cuts, whole)
        if not bytewise.is_like(whole):
            self._compare(smallest(byte_by_byte(data), lambda cuts: self._differs(cuts, whole)), whole)
        if all(isinstance(event, DecodeError) for event in _errors(whole)):
            for cuts in ((), byte_by_byte(data)):
                fed = _feed(self._factory, pieces_of(data, cuts))
                if fed is not None and not fed.is_like(whole):
                    self._fail(cuts, fed, " by feed() and finish(), without a pipeline,")
        return whole

    def _differs(self, cuts: Cuts, whole: _Outcome) -> bool:
        return not _decode(self._factory, pieces_of(self._data, cuts))[0].is_like(whole)

    def _compare(self, cuts: Cuts, whole: _Outcome) -> None:
        got, _ = _decode(self._factory, pieces_of(self._data, cuts))
        if not got.is_like(whole):
            self._fail(cuts, got, "")

    def _fail(self, cuts: Cuts, got: _Outcome, how: str) -> None:
        if not cuts:
            where = "whole"
        elif len(cuts) <= 2:
            where = f"cut at {' and '.join(map(str, cuts))}"
        else:
            where = f"cut into {len(cuts) + 1} pieces"
        pieces = pieces_of(self._data, cuts)
        crashes = [error for error in _errors(got) if not isinstance(error, DecodeError)]
        raise AssertionError(
            f"{_describe(self._factory)} is wrong about {len(self._data)} bytes{self._what}{how} {where}\n"
            f"  fed:      {' | '.join(map(_short, pieces[:_MANY]))}{' | …' if len(pieces) > _MANY else ''}\n"
            f"  expected: {_listed(self._expected)}\n"
            f"  got:      {got!r}"
        ) from (crashes[0] if crashes else None)


def _taken_apart(case: Any) -> Case:
    """Make sure that a case is one; what is no bytes would pass a decoder by, as a message."""
    if not isinstance(case, tuple | list) or len(case) != 2 or not isinstance(case[0], bytes | bytearray | memoryview):
        raise TypeError(f"a case is (bytes, [messages]), and not {_short(case)}")
    return bytes(case[0]), case[1]


def _seat(factory: Callable[[], Stages]) -> tuple[EmbeddedChannel, _Recorder]:
    given: Any = factory
    if isinstance(given, (list, tuple, Stack)):
        names = ", ".join(f"{type(stage).__name__}(…)" for stage in given if not isinstance(stage, str))
        raise TypeError(f"new stages are needed for each run: pass a function that makes them, as in lambda: [{names}]")
    if not callable(given):
        name = type(factory).__name__
        raise TypeError(
            f"a new stage is needed for each run: pass {name}, or a function that makes one, not one {name}"
        )
    made = factory()
    recorder = _Recorder()
    stages: list[Any] = [made] if isinstance(made, (ChannelHandler, Stack, StageOnPool, tuple)) else list(made)
    return EmbeddedChannel(*stages, recorder), recorder


def _decode(factory: Callable[[], Stages], pieces: list[bytes]) -> tuple[_Outcome, list[int]]:
    """Let the stages decode; also tell after how many bytes something came out."""
    channel, recorder = _seat(factory)
    events = recorder.events
    ends: list[int] = []
    fed = 0
    for piece in pieces:
        before = len(events)
        if channel.is_open:
            channel.write_inbound(piece)
        fed += len(piece)
        if len(events) > before:
            ends.append(fed)
    so_far = len(events)
    channel.finish()
    return _Outcome(events[:so_far], events[so_far:]), ends


def _feed(factory: Callable[[], Stages], pieces: list[bytes]) -> _Outcome | None:
    """Let a decoder decode without a pipeline; ``None`` for stages that are more than that."""
    decoder = factory()
    if not isinstance(decoder, ByteToMessageDecoder):
        return None
    before_end: list[Any] = []
    at_end: list[Any] = []
    failed = False
    for piece in pieces:
        failed = failed or _collect(before_end, decoder.feed, piece)
        while not failed and before_end and isinstance(before_end[-1], FrameTooLongError):
            count = len(before_end)
            try:
                failed = _collect(before_end, decoder.feed, b"")  # what follows the overlong frame is decoded now
            except PipelineError:
                failed = True  # it has consumed nothing of that frame, which was the last that it could do
            if len(before_end) == count:
                break
    while not failed:
        count = len(at_end)
        failed = _collect(at_end, decoder.finish)
        if len(at_end) == count or not isinstance(at_end[-1], FrameTooLongError):
            break
    return _Outcome(before_end, at_end)


def _collect(events: list[Any], decode: Callable[..., list[Any]], *args: Any) -> bool:
    """Add what a call returns or raises to ``events``; whether that was the last that the decoder can do."""
    try:
        events.extend(decode(*args))
    except DecodeError as exc:
        events.extend(exc.messages)
        events.append(exc)
        return _is_final(exc)
    return False


def _encode(factory: Callable[[], Stages], messages: Sequence[Any]) -> bytes:
    channel, _ = _seat(factory)
    channel.write_outbound(*messages)
    for piece in channel.outbound:
        if not isinstance(piece, bytes | bytearray | memoryview):
            raise AssertionError(
                f"{_describe(factory)} let {_short(piece)} ({type(piece).__name__}) reach the wire, which is not bytes"
            )
    return b"".join(channel.outbound)


def _most_held(factory: Callable[[], Stages], prefix: bytes, size: int, limit: int) -> int:
    channel, _ = _seat(factory)
    handlers = list(channel.pipeline)
    most = 0
    for start in range(0, len(prefix), size):
        if not channel.is_open:
            break
        channel.write_inbound(prefix[start : start + size])
        held = sum(handler.unread_bytes for handler in handlers)
        most = max(most, held)
        if held > limit:
            raise AssertionError(
                f"{_describe(factory)} holds {held} bytes, and the limit is {limit}:"
                f" after {min(start + size, len(prefix))} of {_short(prefix)}, in pieces of {size}"
            )
    return most


def _describe(factory: Callable[[], Stages]) -> str:
    channel, recorder = _seat(factory)
    return " >> ".join(type(handler).__name__ for handler in channel.pipeline if handler is not recorder)


def _listed(events: Sequence[Any]) -> str:
    more = f", … {len(events)} in all" if len(events) > _MANY else ""
    return f"[{', '.join(map(_short, events[:_MANY]))}{more}]"


def _short(value: Any) -> str:
    text = value.__name__ if isinstance(value, type) else repr(value)
    return text if len(text) <= _WIDE else f"{text[: _WIDE // 2]}…{text[-_WIDE // 2 :]}"


def _errors(outcome: _Outcome) -> list[BaseException]:
    return [event for event in (*outcome.before_end, *outcome.at_end) if isinstance(event, BaseException)]


def _is_final(event: Any) -> bool:
    """Whether nothing can be decoded after this."""
    return isinstance(event, BaseException) and not isinstance(event, FrameTooLongError)


def _ends_decoding(factory: Callable[[], Stages], data: bytes, outcome: _Outcome) -> bool:
    """Whether nothing is decoded after these bytes; who refuses an overlong frame may know how to skip it, or not."""
    if any(_is_final(event) for event in outcome.before_end):
        return True
    if not any(isinstance(event, FrameTooLongError) for event in outcome.before_end):
        return False
    again, _ = _decode(factory, [data, data])
    return len(again.before_end) + len(again.at_end) == len(outcome.before_end)


def _classes(events: Sequence[Any]) -> list[Any]:
    return [type(event) if isinstance(event, BaseException) else event for event in events]


def _all_fit(expected: Sequence[Any], events: Sequence[Any]) -> bool:
    return len(expected) == len(events) and all(map(_fits, expected, events))


def _fits(expected: Any, event: Any) -> bool:
    if isinstance(expected, type) and issubclass(expected, BaseException):
        return isinstance(event, expected)
    if isinstance(expected, BaseException):
        return type(event) is type(expected) and str(event) == str(expected)
    return not isinstance(event, BaseException) and bool(expected == event)
