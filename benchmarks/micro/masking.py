"""Masking, the ways that we have and those of others: microseconds for each, by size.  Processor time, in turns."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any, Final

from pipeline_net.codecs.websocket.masking import as_number, compiled_ways, through_tables

_SIZES: Final = (16, 125, 1024, 4096, 16384, 65536, 1024 * 1024)  # bytes
_ROUNDS: Final = 5
_WORK: Final = 400_000  # bytes a round, and 300 more for each call


def ways() -> dict[str, Callable[[bytes, bytes], Any]]:
    """Name them; those that are not here are left out."""
    found: dict[str, Callable[[bytes, bytes], Any]] = {"number": as_number, "tables": through_tables}
    compiled, _ = compiled_ways()
    if compiled is not None:
        found["words"] = compiled
    try:
        from websockets.speedups import apply_mask
    except ImportError:
        return found  # benchmarks may be run without the peers
    found["websockets"] = apply_mask
    return found


def microseconds(way: Callable[[bytes, bytes], Any], data: bytes, key: bytes) -> float:
    calls = max(3, _WORK // (len(data) + 300))
    started = time.process_time()
    for _ in range(calls):
        way(data, key)
    return (time.process_time() - started) / calls * 1e6


def main() -> None:
    key = os.urandom(4)
    figures: dict[str, dict[int, float]] = {name: {} for name in ways()}
    for size in _SIZES:
        data = os.urandom(size)
        masked = {bytes(way(data, key)) for way in ways().values()}
        if len(masked) != 1:
            raise SystemExit(f"{size} bytes are masked in {len(masked)} ways")
        for _ in range(_ROUNDS):
            for name, way in ways().items():
                figures[name][size] = min(figures[name].get(size, 1e9), round(microseconds(way, data, key), 3))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
