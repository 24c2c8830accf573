"""The numbers of RFC 6455 5.2, written down a second time."""

from __future__ import annotations

from pipeline_net.codecs.websocket import opcodes


def test_opcodes_are_those_of_the_rfc() -> None:
    names = ("CONTINUATION", "TEXT", "BINARY", "CLOSE", "PING", "PONG")
    assert [getattr(opcodes, name) for name in names] == [0x0, 0x1, 0x2, 0x8, 0x9, 0xA]
    assert (opcodes.FIN, opcodes.RSV1, opcodes.MASKED) == (0b1000_0000, 0b0100_0000, 0b1000_0000)
    assert (opcodes.MAX_CONTROL, opcodes.MAX_REASON) == (125, 123)
