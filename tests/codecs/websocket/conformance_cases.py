"""The cases of the public conformance suite (Autobahn|Testsuite), as data: what its client sends, what must come back.

Sections 1 to 7, 9 and 10; 12 and 13 are in test_conformance (the suite has none of 8 and 11 for servers).  Sizes of 9
are scaled by 1/16, and the thousand messages of each case of 9.7, 9.8, 12 and 13 to ten or less.  The server echoes.

``CASES``: id → frames, how they are cut, outcome.  ``WHOLE`` sends all at once, ``FRAMES`` frame by frame, a number so
many bytes at a time.  The outcome lists what comes back; its last member is the code of the Close, ``None`` if it has
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from pipeline_net.codecs.websocket import Pong

from .conftest import make_frame

Case: TypeAlias = tuple[list[bytes], int, list[Any]]

WHOLE: Final = 0
FRAMES: Final = -1
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
SCALE: Final = 16

NORMAL: Final = make_frame(CLOSE, b"\x03\xe8")
BYTES: Final = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"
KOSME: Final = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # kosme, in eleven bytes
PREFIX: Final = "Hello-µ@ßöäüàá-UTF-8!!".encode()


def fragments(payloads: list[bytes], opcode: int = TEXT) -> list[bytes]:
    last = len(payloads) - 1
    return [make_frame(0 if at else opcode, payload, fin=at == last) for at, payload in enumerate(payloads)]


def parts(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def fine(frames: list[bytes], messages: list[Any], cut: int = WHOLE) -> Case:
    """All is well, and the suite closes."""
    return [*frames, NORMAL], cut, [*messages, 1000]


def wrong(frames: list[bytes], messages: list[Any] | None = None, cut: int = WHOLE, code: int = 1002) -> Case:
    """The connection must fail, behind these messages."""
    return frames, cut, [*(messages or []), code]


def section_1() -> Iterator[tuple[str, Case]]:
    """Framing."""
    for number, size in enumerate((0, 125, 126, 127, 128, 65535, 65536, 65536), 1):
        cut = 997 if number == 8 else WHOLE
        yield f"1.1.{number}", fine([make_frame(TEXT, b"*" * size)], ["*" * size], cut)
        yield f"1.2.{number}", fine([make_frame(BINARY, b"\xfe" * size)], [b"\xfe" * size], cut)


def section_2() -> Iterator[tuple[str, Case]]:
    """Pings and pongs."""
    yield "2.1", fine([make_frame(PING)], [Pong()])
    yield "2.2", fine([make_frame(PING, b"Hello, world!")], [Pong(b"Hello, world!")])
    yield "2.3", fine([make_frame(PING, BYTES)], [Pong(BYTES)])
    yield "2.4", fine([make_frame(PING, b"\xfe" * 125)], [Pong(b"\xfe" * 125)])
    yield "2.5", wrong([make_frame(PING, b"\xfe" * 126)])
    yield "2.6", fine([make_frame(PING, b"\xfe" * 125)], [Pong(b"\xfe" * 125)], 1)
    yield "2.7", fine([make_frame(PONG)], [])
    yield "2.8", fine([make_frame(PONG, b"unsolicited")], [])
    yield "2.9", fine([make_frame(PONG, b"unsolicited"), make_frame(PING, b"ping")], [Pong(b"ping")])
    ten = [b"payload-%d" % n for n in range(10)]
    for number, cut in ((10, WHOLE), (11, 1)):
        yield f"2.{number}", fine([make_frame(PING, data) for data in ten], [Pong(data) for data in ten], cut)


def section_3() -> Iterator[tuple[str, Case]]:
    """Reserved bits."""
    text, ping = make_frame(TEXT, b"Hello, world!"), make_frame(PING)
    yield "3.1", wrong([make_frame(TEXT, b"Hello, world!", rsv=1)])
    for number, rsv, cut in ((2, 2, WHOLE), (3, 3, FRAMES), (4, 4, 1)):
        yield f"3.{number}", wrong([text, make_frame(TEXT, b"Hello", rsv=rsv), ping], ["Hello, world!"], cut)
    yield "3.5", wrong([make_frame(BINARY, BYTES, rsv=5)])
    yield "3.6", wrong([make_frame(PING, b"Hello", rsv=6)])
    yield "3.7", wrong([make_frame(CLOSE, rsv=7)])


def section_4() -> Iterator[tuple[str, Case]]:
    """Reserved opcodes."""
    text, ping = make_frame(TEXT, b"Hello, world!"), make_frame(PING)
    for group, first in (("1", 3), ("2", 11)):
        yield f"4.{group}.1", wrong([make_frame(first)])
        yield f"4.{group}.2", wrong([make_frame(first + 1, b"reserved opcode payload")])
        for number, payload, cut in ((3, b"", WHOLE), (4, b"payload", FRAMES), (5, b"payload", 1)):
            opcode = first + number - 1
            yield f"4.{group}.{number}", wrong([text, make_frame(opcode, payload), ping], ["Hello, world!"], cut)


def section_5() -> Iterator[tuple[str, Case]]:
    """Fragmentation."""
    two = fragments([b"fragment1", b"fragment2"])
    both = "fragment1fragment2"
    ping, text = make_frame(PING, b"ping"), make_frame(TEXT, b"Hello, world!")
    yield "5.1", wrong([make_frame(PING, b"fragment1", fin=False), make_frame(0, b"fragment2")])
    yield "5.2", wrong([make_frame(PONG, b"fragment1", fin=False), make_frame(0, b"fragment2")])
    for number, cut in ((3, WHOLE), (4, FRAMES), (5, 1)):
        yield f"5.{number}", fine(two, [both], cut)
        yield f"5.{number + 3}", fine([two[0], ping, two[1]], [Pong(b"ping"), both], cut)
    for number, cut in ((9, WHOLE), (10, FRAMES), (11, 1)):
        yield f"5.{number}", wrong([make_frame(0, b"non-continuation payload"), text], cut=cut)
        yield f"5.{number + 3}", wrong([make_frame(0, b"non-continuation payload", fin=False), text], cut=cut)
    yield "5.15", wrong([*two, make_frame(0, b"fragment3", fin=False), make_frame(TEXT, b"fragment4")], [both])
    again = [
        make_frame(0, b"fragment1", fin=False),
        make_frame(TEXT, b"fragment2", fin=False),
        make_frame(0, b"fragment3"),
    ]
    yield "5.16", wrong(again * 2)
    yield "5.17", wrong([make_frame(0, b"fragment1"), *again[1:]] * 2)
    yield "5.18", wrong([make_frame(TEXT, b"fragment1", fin=False), make_frame(TEXT, b"fragment2")])
    five = fragments([b"fragment%d" % n for n in range(1, 6)])
    pings = [make_frame(PING, b"pongme %d!" % n) for n in (1, 2)]
    answer = [Pong(b"pongme 1!"), Pong(b"pongme 2!"), "fragment1fragment2fragment3fragment4fragment5"]
    for number, cut in ((19, WHOLE), (20, FRAMES)):
        yield f"5.{number}", fine([*five[:2], pings[0], *five[2:4], pings[1], five[4]], answer, cut)


def section_6() -> Iterator[tuple[str, Case]]:
    """UTF-8."""
    yield "6.1.1", fine([make_frame(TEXT)], [""])
    yield "6.1.2", fine(fragments([b"", b"", b""]), [""])
    yield "6.1.3", fine(fragments([b"", b"middle frame payload", b""]), ["middle frame payload"])
    yield "6.2.1", fine([make_frame(TEXT, PREFIX)], [PREFIX.decode()])
    yield "6.2.2", fine(fragments([PREFIX[:7], PREFIX[7:]]), [PREFIX.decode()])
    yield "6.2.3", fine(fragments(parts(PREFIX, 1)), [PREFIX.decode()])
    yield "6.2.4", fine(fragments(parts(KOSME, 1)), [KOSME.decode()])
    invalid = KOSME + b"\xed\xa0\x80edited"
    yield "6.3.1", wrong([make_frame(TEXT, invalid)], code=1007)
    yield "6.3.2", wrong(fragments(parts(invalid, 1)), code=1007)
    # 6.4 is test_conformance's: it asks when the connection fails
    texts: dict[str, list[bytes]] = {
        "5": [PREFIX, KOSME, b"Hello-\xc2\xb5", PREFIX * 2, KOSME * 2],
        "6": [b"\xce", b"\xce\xba", *(KOSME[:size] for size in range(3, 12))],
        "7": [b"\x00", b"\xc2\x80", b"\xe0\xa0\x80", b"\xf0\x90\x80\x80"],
        "8": [b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80"],
        "9": [b"\x7f", b"\xdf\xbf", b"\xef\xbf\xbf", b"\xf4\x8f\xbf\xbf"],
        "10": [b"\xf7\xbf\xbf\xbf", b"\xfb\xbf\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf\xbf"],
        "11": [b"\xed\x9f\xbf", b"\xee\x80\x80", b"\xef\xbf\xbd", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"],
        "12": [*((b"\x80\xbf" * 4)[:size] for size in range(1, 8)), bytes(range(0x80, 0xC0))],
        "13": [
            b" ".join(bytes([start]) for start in range(*bounds)) + b" "
            for bounds in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
        ],
        "14": (
            missing := [
                *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xfc\x80\x80\x80\x80"),
                *(b"\xdf", b"\xef\xbf", b"\xf7\xbf\xbf", b"\xfb\xbf\xbf\xbf", b"\xfd\xbf\xbf\xbf\xbf"),
            ]
        ),
        "15": [b"".join(missing)],
        "16": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"],
        "17": [b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xf8\x80\x80\x80\xaf", b"\xfc\x80\x80\x80\x80\xaf"],
        "18": [b"\xc1\xbf", b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xf8\x87\xbf\xbf\xbf", b"\xfc\x83\xbf\xbf\xbf\xbf"],
        "19": [b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80"],
        "20": [
            b"\xed" + rest
            for rest in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf", b"\xb0\x80", b"\xbe\x80", b"\xbf\xbf")
        ],
        "21": [
            b"\xed" + high + b"\xed" + low
            for high in (b"\xa0\x80", b"\xad\xbf", b"\xae\x80", b"\xaf\xbf")
            for low in (b"\xb0\x80", b"\xbf\xbf")
        ],
        "22": [chr(plane << 16 | last).encode() for plane in range(17) for last in (0xFFFE, 0xFFFF)],
        "23": [chr(special).encode() for special in (0xFFF9, 0xFFFA, 0xFFFB, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF)],
    }
    valid = {
        *(f"6.{group}.{n}" for group in ("5", "7", "9", "22", "23") for n in range(1, 35)),
        *("6.6.2", "6.6.5", "6.6.7", "6.6.9", "6.6.11", "6.11.1", "6.11.2", "6.11.3", "6.11.4"),
    }
    for group, payloads in texts.items():
        for number, payload in enumerate(payloads, 1):
            name = f"6.{group}.{number}"
            frames = [make_frame(TEXT, payload)]
            yield name, fine(frames, [payload.decode()]) if name in valid else wrong(frames, code=1007)


def section_7() -> Iterator[tuple[str, Case]]:
    """Closing."""
    text, ping = make_frame(TEXT, b"Hello World!"), make_frame(PING)
    two = fragments([b"fragment1", b"fragment2"])
    yield "7.1.1", fine([text], ["Hello World!"])
    yield "7.1.2", fine([NORMAL], [])
    yield "7.1.3", ([NORMAL, ping], WHOLE, [1000])
    yield "7.1.4", ([NORMAL, text], WHOLE, [1000])
    yield "7.1.5", ([two[0], NORMAL, two[1]], WHOLE, [1000])
    yield "7.1.6", ([make_frame(TEXT, b"BAsd7&jh23" * 26_000), NORMAL, ping], WHOLE, ["BAsd7&jh23" * 26_000, 1000])
    yield "7.3.1", ([make_frame(CLOSE)], WHOLE, [None])
    yield "7.3.2", wrong([make_frame(CLOSE, b"a")])
    yield "7.3.3", fine([], [])
    yield "7.3.4", ([make_frame(CLOSE, b"\x03\xe8Hello World!")], WHOLE, [1000])
    yield "7.3.5", ([make_frame(CLOSE, b"\x03\xe8" + b"*" * 123)], WHOLE, [1000])
    yield "7.3.6", wrong([make_frame(CLOSE, b"\x03\xe8" + b"*" * 124)])
    yield "7.5.1", wrong([make_frame(CLOSE, b"\x03\xe8" + KOSME + b"\xed\xa0\x80edited")], code=1007)
    codes = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    for number, code in enumerate(codes, 1):
        yield f"7.7.{number}", ([make_frame(CLOSE, code.to_bytes(2, "big"))], WHOLE, [code])
    for number, code in enumerate((0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999), 1):
        yield f"7.9.{number}", wrong([make_frame(CLOSE, code.to_bytes(2, "big"))])
    for number, code in enumerate((5000, 65535), 1):  # the suite takes any outcome
        yield f"7.13.{number}", wrong([make_frame(CLOSE, code.to_bytes(2, "big"))])


def section_9() -> Iterator[tuple[str, Case]]:
    """Size and speed; here only that it comes back."""
    mega = 1024 * 1024 // SCALE
    for kind, (opcode, group) in enumerate(((TEXT, 1), (BINARY, 2))):
        for number, size in enumerate((mega // 16, mega // 4, mega, 4 * mega, 8 * mega, 16 * mega), 1):
            message = b"*" * size
            yield f"9.{group}.{number}", fine([make_frame(opcode, message)], [message if kind else message.decode()])
        message = b"*" * (4 * mega)
        expected: Any = message if kind else message.decode()
        for number in range(1, 10):
            size = 64 * 4 ** (number - 1) // SCALE
            frames = fragments(parts(message, size), opcode)
            yield f"9.{group + 2}.{number}", fine(frames, [expected])
        message = b"*" * mega
        expected = message if kind else message.decode()
        for number in range(1, 7):
            cut = 64 * 2**number // SCALE
            yield f"9.{group + 4}.{number}", fine([make_frame(opcode, message)], [expected], cut)
        for number, size in enumerate((0, 16, 64, 256, 1024, 4096), 1):
            message = b"*" * size
            expected = message if kind else message.decode()
            yield f"9.{group + 6}.{number}", fine([make_frame(opcode, message)] * 10, [expected] * 10)


def section_10() -> Iterator[tuple[str, Case]]:
    """Fragments as others make them."""
    message = b"*" * 65536
    yield "10.1.1", fine(fragments(parts(message, 1300)), [message.decode()])


CASES: Final[dict[str, Case]] = {
    name: case
    for section in (section_1, section_2, section_3, section_4, section_5, section_6, section_7, section_9, section_10)
    for name, case in section()
}
