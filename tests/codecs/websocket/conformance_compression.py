"""Sections 12 and 13 of the public conformance suite as data: compressed messages, and how compression is agreed on.

Section 12 sends five kinds of content over what two peers agree on without wishes; section 13 sends the first kind over
seven sets of wishes.  Each has eighteen cases: a size of message, and a size of frame that it is cut into, compressed.
A message takes up its content where the one before it stopped, and goes on at the front when it comes to the end.

Changed: a case of the suite is 1000 messages, one here is from 4 to 50 (``count_of``); and the suite's five files are
not copied, but content of the same kind is made: JSON, a grey picture, German verse as bytes, HTML, and what a PDF is,
text and noise.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from .conformance_cases import BINARY, TEXT
from .conformance_suite import Compression

# Characters or bytes of a message, and the most bytes of a frame; 0 for a message in one frame.
SIZES: Final = (
    *((size, 0) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)),
    *((size, 256) for size in (8192, 16384, 32768, 65536, 131072)),
    *((131072, frame_size) for frame_size in (1024, 4096, 32768)),
)
CONTENT_SIZE: Final = 200_000


class Wish(NamedTuple):
    """What a client offers for the server's side, and a server answers for the client's."""

    forgets: bool
    bits: int  # 0 for none


NO_WISH: Final = Wish(False, 0)
# What the suite offers as a client, the best first, and what it accepts as a server.
WISHES: Final = (
    (NO_WISH,),
    (Wish(True, 0),),
    (Wish(False, 9),),
    (Wish(False, 15),),
    (Wish(True, 9),),
    (Wish(True, 15),),
    (Wish(True, 9), Wish(True, 0), NO_WISH),
)


class CompressedCase(NamedTuple):
    wishes: tuple[Wish, ...]
    kind: int
    size: int
    frame_size: int

    @property
    def opcode(self) -> int:
        return TEXT if self.kind in (1, 4) else BINARY

    def messages(self) -> Iterator[bytes]:
        content = content_of(self.kind)
        at = 0
        for _ in range(count_of(self.size)):
            message = (content * 2)[at : at + self.size]
            yield message.encode() if isinstance(message, str) else message
            at = (at + self.size) % len(content)


def count_of(size: int) -> int:
    return max(4, min(50, 262144 // size))


@cache
def content_of(kind: int) -> str | bytes:
    chance = random.Random(kind)
    if kind == 1:
        case = {"behavior": "OK", "behaviorClose": "OK", "duration": 2, "remoteCloseCode": 1000}
        cases = {f"1.{n}": {**case, "duration": chance.randrange(500)} for n in range(1600)}
        return json.dumps(cases, indent=3)[:CONTENT_SIZE]
    if kind == 2:
        waves = (128 + 90 * math.sin(n / 900) * math.cos(n % 512 / 60) for n in range(CONTENT_SIZE))
        return bytes(int(wave) + chance.randrange(16) for wave in waves)
    words = ["Habe", "nun,", "ach!", "Philosophie,", "Juristerei", "und", "Medizin", "für", "müssen", "Straße"]
    lines = [" ".join(chance.choices(words, k=8)) for _ in range(4500)]
    if kind == 3:
        return "\r\n".join(lines).encode()[:CONTENT_SIZE]
    if kind == 4:
        return "".join(f'<div class="c{n % 7}"><p>{line}</p></div>\n' for n, line in enumerate(lines))[:CONTENT_SIZE]
    streams = (b"%d 0 obj\n<< /Length 900 >>\nstream\n%b\nendstream\n" % (n, chance.randbytes(900)) for n in range(220))
    return b"".join(streams)[:CONTENT_SIZE]


def offer_of(wishes: tuple[Wish, ...]) -> str:
    """Say as a client what is offered."""
    return ", ".join(
        "permessage-deflate; client_no_context_takeover; client_max_window_bits"
        + ("; server_no_context_takeover" if wish.forgets else "")
        + (f"; server_max_window_bits={wish.bits}" if wish.bits else "")
        for wish in wishes
    )


def understand(answer: str, wishes: tuple[Wish, ...]) -> Compression:
    """Find out as a client what the server has agreed to, which must be one of the wishes."""
    assert "," not in answer
    said = _parameters(answer)
    agreed = Compression(
        int(said.get("client_max_window_bits") or 15),
        "client_no_context_takeover" in said,
        int(said.get("server_max_window_bits") or 15),
        "server_no_context_takeover" in said,
    )
    first = wishes[0]
    assert agreed.in_bits <= (first.bits or 15)
    assert agreed.in_forgets or not first.forgets
    return agreed


def answer_to(offered: str, wishes: tuple[Wish, ...]) -> tuple[str, Compression]:
    """Answer as a server: the first offer that grants a wish is taken, the best wish first."""
    offers = [_parameters(offer) for offer in offered.split(",")]
    for wish in wishes:
        for offer in offers:
            if wish.bits and "client_max_window_bits" not in offer:
                continue
            answer, bits, forgets = "permessage-deflate", offer.get("server_max_window_bits"), False
            if "server_no_context_takeover" in offer:
                answer, forgets = f"{answer}; server_no_context_takeover", True
            if bits:
                answer = f"{answer}; server_max_window_bits={bits}"
            if wish.forgets:
                answer = f"{answer}; client_no_context_takeover"
            if wish.bits:
                answer = f"{answer}; client_max_window_bits={wish.bits}"
            return answer, Compression(int(bits or 15), forgets, wish.bits or 15, wish.forgets)
    raise AssertionError(f"nothing of {offered!r} can be taken, which the suite calls unimplemented")


def _parameters(extension: str) -> dict[str, str]:
    name, *parameters = extension.replace(" ", "").split(";")
    assert name == "permessage-deflate"
    found = [parameter.partition("=") for parameter in parameters]
    return {key: value for key, _, value in found}


COMPRESSED: Final[dict[str, CompressedCase]] = {
    **{
        f"12.{kind}.{number}": CompressedCase(WISHES[0], kind, *sizes)
        for kind in range(1, 6)
        for number, sizes in enumerate(SIZES, 1)
    },
    **{
        f"13.{group}.{number}": CompressedCase(wishes, 1, *sizes)
        for group, wishes in enumerate(WISHES, 1)
        for number, sizes in enumerate(SIZES, 1)
    },
}
