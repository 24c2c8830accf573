"""A long message fed byte by byte: ns a byte for 256 KiB and for 1 MiB.  Linear means: the same."""

from __future__ import annotations

import json
import time
from typing import Final

from pipeline_net import ByteToMessageDecoder
from pipeline_net.codecs import LengthFieldBasedFrameDecoder, LineBasedFrameDecoder

_SHORT: Final = 256 * 1024  # bytes
_LONG: Final = 1024 * 1024  # bytes
_ROUNDS: Final = 3


def ns_a_byte(decoder: ByteToMessageDecoder[bytes], encoded: bytes, message: bytes) -> float:
    pieces = [encoded[at : at + 1] for at in range(len(encoded))]
    decoded: list[bytes] = []
    started = time.perf_counter()
    for piece in pieces:
        decoded += decoder.feed(piece)
    taken = time.perf_counter() - started
    if decoded != [message]:
        raise SystemExit(f"{type(decoder).__name__} made {len(decoded)} messages of one, or a wrong one")
    return taken / len(encoded) * 1e9


def main() -> None:
    figures: dict[str, list[float]] = {"frame short": [], "frame long": [], "line short": [], "line long": []}
    for _ in range(_ROUNDS):
        for name, size in (("short", _SHORT), ("long", _LONG)):
            body = b"x" * size
            frames = LengthFieldBasedFrameDecoder(2 * _LONG, initial_bytes_to_strip=4)
            figures[f"frame {name}"].append(ns_a_byte(frames, size.to_bytes(4, "big") + body, body))
            figures[f"line {name}"].append(ns_a_byte(LineBasedFrameDecoder(2 * _LONG), body + b"\n", body))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
