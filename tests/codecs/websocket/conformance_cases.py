"""The cases of the public conformance suite (Autobahn|Testsuite 25.10.1) as data: what it sends, what must come back.

Reproduced from the suite's case definitions, number by number: payloads, fragments, reserved bits, how each frame is
chopped, whether the suite lets time pass, which events it calls OK, and who closes with which code.  All of its cases
are here: sections 1 to 7, 9 and 10 in this file, 12 and 13 in ``conformance_compression``; it has none of 8 and 11, and
9.9 is switched off in it.

Where the suite takes more than one outcome, the one that we want is a row of the table, and so stricter than the suite:

* 3.2 to 3.4, 4.1.3 to 4.2.5 and 5.15: it calls it "non-strict" if the good message in front of the bad frame does not
  come back.  Ours does.
* 6.4: "non-strict" if wrong text is refused only when more of it, or its end, has come.  Ours is refused at once.
* 7.1.6: informational; ours answers both messages before the Close.  7.13: informational; ours is 1002.
* 7.3.1: no code, or 1000; ours repeats that there is none.  7.5.1: 1002 or 1007; ours is 1007.  7.7: 1000 or the code
  that was sent; ours is the latter.  7.9 and everything that fails: the code, or a connection that is dropped.

Changed: seconds in which the suite waits are ``WAIT`` here, for which no clock runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple, TypeAlias

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frame(NamedTuple):
    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0


class Event(NamedTuple):
    """What comes back; a ``Pong``, or a message that is ``TEXT`` or ``BINARY``."""

    opcode: int
    payload: bytes


class Chops(NamedTuple):
    """One frame that is sent in these pieces of its payload, and time between them."""

    opcode: int
    pieces: tuple[bytes, ...]


class Answer(NamedTuple):
    """So many events have come before the suite goes on."""

    events: int


WAIT: Final = "wait"  # until everything is digested; the connection is then still open, and silent
TOGETHER: Final = 0
SYNC: Final = -1  # each frame is a write of its own; a number above 0: pieces of so many bytes

Step: TypeAlias = "Frame | Chops | Answer | str"


class Case(NamedTuple):
    steps: list[Step]
    cut: int
    events: list[Event]
    code: int | None  # of the Close that comes back
    suite_closes: bool = False  # with 1000, when the events are there
    fails: bool = False  # we close, TCP too; otherwise it is the server that closes TCP


KOSME: Final = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # kosme, in eleven bytes
BYTES: Final = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
HELLO: Final = Frame(TEXT, b"Hello, world!")
EDITED: Final = b"edited"
UMLAUTS: Final = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def fragments(payload: bytes, size: int, opcode: int = TEXT) -> list[Step]:
    """A message in frames of so many bytes, the last of them shorter."""
    starts = range(0, len(payload), size)
    last = len(starts) - 1
    return [Frame(0 if at else opcode, payload[i : i + size], at == last) for at, i in enumerate(starts)]


def repeated(pattern: bytes, size: int) -> bytes:
    return (pattern * (size // len(pattern) + 1))[:size]


def fine(steps: list[Step], events: list[Event], cut: int = TOGETHER) -> Case:
    return Case(steps, cut, events, 1000, suite_closes=True)


def wrong(steps: list[Step], events: list[Event] | None = None, cut: int = TOGETHER, code: int = 1002) -> Case:
    """The connection must fail, behind these events."""
    return Case(steps, cut, events or [], code, fails=True)


def closing(steps: list[Step], code: int | None, events: list[Event] | None = None) -> Case:
    """A good Close is among the steps."""
    return Case(steps, TOGETHER, events or [], code)


def close(code: int, reason: bytes = b"") -> Frame:
    return Frame(CLOSE, code.to_bytes(2, "big") + reason)


def section_1() -> Iterator[tuple[str, Case]]:
    """Framing."""
    for number, size in enumerate((0, 125, 126, 127, 128, 65535, 65536, 65536), 1):
        cut = 997 if number == 8 else TOGETHER
        for group, opcode, byte in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
            yield f"1.{group}.{number}", fine([Frame(opcode, byte * size)], [Event(opcode, byte * size)], cut)


def section_2() -> Iterator[tuple[str, Case]]:
    """Pings and pongs."""
    full = b"\xfe" * 125
    for number, payload in enumerate((b"", b"Hello, world!", BYTES, full), 1):
        yield f"2.{number}", fine([Frame(PING, payload)], [Event(PONG, payload)])
    yield "2.5", wrong([Frame(PING, b"\xfe" * 126)])
    yield "2.6", fine([Frame(PING, full)], [Event(PONG, full)], 1)
    unsolicited = Frame(PONG, b"unsolicited pong payload")
    yield "2.7", fine([Frame(PONG)], [])
    yield "2.8", fine([unsolicited], [])
    yield "2.9", fine([unsolicited, Frame(PING, b"ping payload")], [Event(PONG, b"ping payload")])
    ten = [b"payload-%d" % n for n in range(10)]
    for number, cut in ((10, TOGETHER), (11, 1)):
        yield f"2.{number}", fine([Frame(PING, data) for data in ten], [Event(PONG, data) for data in ten], cut)


def section_3() -> Iterator[tuple[str, Case]]:
    """Reserved bits."""
    yield "3.1", wrong([HELLO._replace(rsv=1)])
    for rsv, cut in ((2, TOGETHER), (3, SYNC), (4, 1)):
        yield f"3.{rsv}", wrong([HELLO, HELLO._replace(rsv=rsv), Frame(PING)], [Event(*HELLO[:2])], cut)
    yield "3.5", wrong([Frame(BINARY, BYTES, rsv=5)])
    yield "3.6", wrong([Frame(BINARY, b"Hello, world!", rsv=6)])
    yield "3.7", wrong([Frame(CLOSE, rsv=7)])


def section_4() -> Iterator[tuple[str, Case]]:
    """Reserved opcodes."""
    for group, first in ((1, 3), (2, 11)):
        yield f"4.{group}.1", wrong([Frame(first)])
        yield f"4.{group}.2", wrong([Frame(first + 1, b"reserved opcode payload")])
        for number, payload, cut in ((3, b"", TOGETHER), (4, HELLO.payload, TOGETHER), (5, HELLO.payload, 1)):
            bad = Frame(first + number - 1, payload)
            yield f"4.{group}.{number}", wrong([HELLO, bad, Frame(PING)], [Event(*HELLO[:2])], cut)


def section_5() -> Iterator[tuple[str, Case]]:
    """Fragmentation."""
    one, two, three, four, five = (b"fragment%d" % n for n in range(1, 6))
    begin, end = Frame(TEXT, one, False), Frame(0, two)
    both = Event(TEXT, one + two)
    ping, pong = Frame(PING, b"ping payload"), Event(PONG, b"ping payload")
    stray = Frame(0, b"non-continuation payload")
    yield "5.1", wrong([Frame(PING, one, False), end])
    yield "5.2", wrong([Frame(PONG, one, False), end])
    for at, cut in enumerate((TOGETHER, SYNC, 1)):
        yield f"5.{3 + at}", fine([begin, end], [both], cut)
        yield f"5.{6 + at}", fine([begin, ping, end], [pong, both], cut)
        yield f"5.{9 + at}", wrong([stray, HELLO], cut=cut)
        yield f"5.{12 + at}", wrong([stray._replace(fin=False), HELLO], cut=cut)
    yield "5.15", wrong([begin, end, Frame(0, three, False), Frame(TEXT, four)], [both])
    yield "5.16", wrong([Frame(0, one, False), Frame(TEXT, two, False), Frame(0, three)] * 2)
    yield "5.17", wrong([Frame(0, one), Frame(TEXT, two, False), Frame(0, three)] * 2)
    yield "5.18", wrong([begin, Frame(TEXT, two)])
    pongs = [Event(PONG, b"pongme 1!"), Event(PONG, b"pongme 2!")]
    steps: list[Step] = [begin, Frame(0, two, False), Frame(PING, b"pongme 1!"), Answer(1), WAIT]
    steps += [Frame(0, three, False), Frame(0, four, False), Frame(PING, b"pongme 2!"), Frame(0, five)]
    for number, cut in ((19, TOGETHER), (20, SYNC)):
        yield f"5.{number}", fine(steps, [*pongs, Event(TEXT, one + two + three + four + five)], cut)


def section_6() -> Iterator[tuple[str, Case]]:
    """UTF-8."""
    middle = b"middle frame payload"
    yield "6.1.1", fine([Frame(TEXT)], [Event(TEXT, b"")])
    for number, payload in ((2, b""), (3, middle)):
        steps: list[Step] = [Frame(TEXT, fin=False), Frame(0, payload, False), Frame(0)]
        yield f"6.1.{number}", fine(steps, [Event(TEXT, payload)])
    yield "6.2.1", fine([Frame(TEXT, UMLAUTS)], [Event(TEXT, UMLAUTS)])
    half = len("Hello-µ@ßöä".encode())
    yield "6.2.2", fine([Frame(TEXT, UMLAUTS[:half], False), Frame(0, UMLAUTS[half:])], [Event(TEXT, UMLAUTS)])
    yield "6.2.3", fine(fragments(UMLAUTS, 1), [Event(TEXT, UMLAUTS)])
    yield "6.2.4", fine(fragments(KOSME, 1), [Event(TEXT, KOSME)])
    surrogate = KOSME + b"\xed\xa0\x80" + EDITED
    yield "6.3.1", wrong([Frame(TEXT, surrogate)], code=1007)
    yield "6.3.2", wrong(fragments(surrogate, 1), code=1007)
    beyond = b"\xf4\x90\x80\x80"  # U+110000; wrong from its second byte on
    for number, parts in ((1, (KOSME, beyond, EDITED)), (2, (KOSME + beyond[:1], beyond[1:2], beyond[2:] + EDITED))):
        first, second, third = parts
        steps = [Frame(TEXT, first, False), WAIT, Frame(0, second, False), Frame(0, third)]
        yield f"6.4.{number}", wrong(steps, code=1007)
        yield f"6.4.{number + 2}", wrong([Chops(TEXT, parts)], code=1007)
    for group, texts in enumerate(utf8_texts(), 5):
        for number, (is_valid, text) in enumerate(texts, 1):
            frames: list[Step] = [Frame(TEXT, text)]
            yield f"6.{group}.{number}", fine(frames, [Event(TEXT, text)]) if is_valid else wrong(frames, code=1007)


def utf8_texts() -> Iterator[list[tuple[bool, bytes]]]:
    """What is valid UTF-8 and what is not, group by group from 6.5 on: Markus Kuhn's decoder test, and some more."""

    def all_of(is_valid: bool, *texts: bytes) -> list[tuple[bool, bytes]]:
        return [(is_valid, text) for text in texts]

    yield all_of(True, *(f"hello{character}world".encode() for character in "$¢€\U00024b62"), KOSME)
    yield [(size in (2, 5, 7, 9, 11), KOSME[:size]) for size in range(1, 12)]
    yield all_of(True, b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80")
    yield all_of(False, b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80")
    yield all_of(True, b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf")
    yield all_of(False, b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf")
    boundaries = all_of(True, b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf")
    yield [*boundaries, (False, b"\xf4\x90\x80\x80")]
    alternating = [(b"\x80\xbf" * 3)[:size] for size in range(2, 7)]
    yield all_of(False, b"\x80", b"\xbf", *alternating, bytes(range(0x80, 0xBF)))
    lonely = ((0xC0, 0xDF), (0xE0, 0xEF), (0xF0, 0xF7), (0xF8, 0xFB), (0xFC, 0xFD))
    yield all_of(False, *(b"".join(bytes([start, 0x20]) for start in range(*bounds)) for bounds in lonely))
    missing = [bytes([start]) + b"\x80" * more for more, start in enumerate((0xC0, 0xE0, 0xF0, 0xF8, 0xFC))]
    missing += [bytes([start]) + b"\xbf" * more for more, start in enumerate((0xDF, 0xEF, 0xF7, 0xFB, 0xFD))]
    yield all_of(False, *missing)
    yield all_of(False, b"".join(missing))
    yield all_of(False, b"\xfe", b"\xff", b"\xfe\xfe\xff\xff")
    for first, middle, last in ((0xC0, 0x80, 0xAF), (0xC1, 0xBF, 0xBF), (0xC0, 0x80, 0x80)):  # three kinds of overlong
        if middle == 0x80:
            starts = [bytes([first]), b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80"]
        else:
            starts = [b"\xc1", b"\xe0\x9f", b"\xf0\x8f\xbf", b"\xf8\x87\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf"]
        yield all_of(False, *(start + bytes([last]) for start in starts))
    halves = (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf", b"\xb0\x80", b"\xbe\x80", b"\xbf\xbf")
    yield all_of(False, *(b"\xed" + half for half in halves))
    lows = (b"\xb0\x80", b"\xbf\xbf")
    yield all_of(False, *(b"\xed" + high + b"\xed" + low for high in halves[:4] for low in lows))
    yield all_of(True, *(chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)))
    yield all_of(True, *(chr(special).encode() for special in range(0xFFF9, 0x10000)))


def section_7() -> Iterator[tuple[str, Case]]:
    """Closing."""
    hello, normal = Frame(TEXT, b"Hello World!"), close(1000)
    yield "7.1.1", fine([hello], [Event(TEXT, b"Hello World!")])
    yield "7.1.2", closing([normal, Frame(CLOSE)], 1000)
    yield "7.1.3", closing([normal, Frame(PING)], 1000)
    yield "7.1.4", closing([normal, hello], 1000)
    yield "7.1.5", closing([Frame(TEXT, b"fragment1", False), normal, Frame(0, b"fragment2")], 1000)
    long = repeated(b"BAsd7&jh23", 256 * 1024)
    events = [Event(TEXT, long), Event(TEXT, b"Hello World!")]
    yield "7.1.6", closing([Frame(TEXT, long), hello, normal, Frame(PING)], 1000, events)
    yield "7.3.1", closing([Frame(CLOSE)], None)
    yield "7.3.2", wrong([Frame(CLOSE, b"a")])
    yield "7.3.3", closing([normal], 1000)
    yield "7.3.4", closing([close(1000, b"Hello World!")], 1000)
    yield "7.3.5", closing([close(1000, b"*" * 123)], 1000)
    yield "7.3.6", wrong([close(1000, b"*" * 124)])
    yield "7.5.1", wrong([close(1000, KOSME + b"\xed\xa0\x80" + EDITED)], code=1007)
    codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(codes, 1):
        yield f"7.7.{number}", closing([close(code)], code)
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", wrong([close(code)])
    for number, code in enumerate((5000, 65535), 1):
        yield f"7.13.{number}", wrong([close(code)])


def large(opcode: int, message: bytes, size: int, cut: int = TOGETHER) -> Case:
    """A message in frames of so many bytes."""
    return fine(fragments(message, size, opcode), [Event(opcode, message)], cut)


def round_trips(opcode: int, message: bytes) -> Case:
    steps: list[Step] = []
    for count in range(1, 1001):
        steps += [Frame(opcode, message), Answer(count)]
    return fine(steps, [Event(opcode, message)] * 1000)


def section_9() -> Iterator[tuple[str, Callable[[], Case]]]:
    """Size and speed, in full; here only that everything comes back.  Made when it is wanted: it is large."""
    for opcode, more, pattern, byte in ((TEXT, 0, b"BAsd7&jh23", b"*"), (BINARY, 1, b"\x00\xfe\x23\xfa\xf0", b"\xfe")):
        for number, size in enumerate((64, 256, 1024, 4096, 8192, 16384), 1):
            message = repeated(pattern, size * 1024)
            yield f"9.{1 + more}.{number}", partial(large, opcode, message, len(message))
        for number in range(1, 10):
            message = (byte if number == 1 else b"*") * 4 * 1024 * 1024
            yield f"9.{3 + more}.{number}", partial(large, opcode, message, 64 * 4 ** (number - 1))
        message = repeated(pattern, 1024 * 1024)
        for number in range(1, 7):
            yield f"9.{5 + more}.{number}", partial(large, opcode, message, len(message), 32 << number)
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            yield f"9.{7 + more}.{number}", partial(round_trips, opcode, byte * size)


def section_10() -> Iterator[tuple[str, Case]]:
    """Fragments as a library makes them by itself."""
    yield "10.1.1", large(TEXT, b"*" * 65536, 1300)


_SMALL: Final = (section_1, section_2, section_3, section_4, section_5, section_6, section_7, section_10)
CASES: Final[dict[str, Case]] = {name: case for section in _SMALL for name, case in section()}
LARGE: Final[dict[str, Callable[[], Case]]] = dict(section_9())
