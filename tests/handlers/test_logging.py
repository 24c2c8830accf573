"""What is written down, and what it costs to say nothing."""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, ChannelOptions, FileRegion
from pipeline_net.handlers.logging import LoggingHandler, hexdump
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Keeps(ChannelInboundHandler[Any]):
    def exception_caught(self, ctx: Ctx, exc: BaseException) -> None:
        """Handled."""


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition("  ")[2] for record in caplog.records]


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "pipeline_net.log")
    return caplog


def test_a_life_in_lines(everything: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(LoggingHandler(), Keeps(), options=ChannelOptions(auto_read=False))
    channel.pipeline.read()
    channel.write_inbound(b"hello", "an object")
    channel.write_outbound(b"x" * 40)
    channel.write(FileRegion(BytesIO(b"12345"), 2))
    channel.flush()
    channel.pipeline.fire_user_event_triggered(("login", "ada"))
    channel.pipeline.fire_exception_caught(ValueError("no"))
    channel.pipeline.shutdown_output()
    channel.finish()
    assert said(everything) == [
        "registered",
        "active at 'embedded'",
        "asks for more",
        "read 5 bytes: b'hello'",
        "read str 'an object'",
        "read complete",
        f"write 40 bytes: {b'x' * 32!r}…",
        "write 3 bytes of a file, from 2",
        "flush",
        "event ('login', 'ada')",
        "exception ValueError('no')",
        "shutdown output",
        "end of input",
        "close",
        "inactive",
        "unregistered",
    ]
    assert everything.records[0].getMessage().startswith(f"{channel.id} 'test'  ")


def test_connecting_and_writability(everything: pytest.LogCaptureFixture) -> None:
    options = ChannelOptions(write_buffer_high=4, write_buffer_low=2)
    channel = EmbeddedChannel(LoggingHandler(), Keeps(), options=options)
    everything.clear()
    channel.pipeline.connect("tcp://192.0.2.1:80")
    channel.pipeline.bind("tcp://:80")
    channel.peer_window = 0
    channel.write(b"12345")
    channel.run_pending()
    channel.peer_window = None
    channel.run_pending()
    assert [line for line in said(everything) if not line.startswith("exception")] == [
        "connect 'tcp://192.0.2.1:80'",
        "bind 'tcp://:80'",
        "write 5 bytes: b'12345'",
        "not writable, 5 bytes pending",
        "writable, 0 bytes pending",
    ]


def test_a_hexdump() -> None:
    data = bytes(range(0x20, 0x31)) + b"\x00\xff"
    assert hexdump(data, 100) == (
        "\n  00000000  20 21 22 23 24 25 26 27  28 29 2a 2b 2c 2d 2e 2f  | !\"#$%&'()*+,-./|"
        "\n  00000010  30 00 ff                                          |0..|"
    )
    assert hexdump(b"", 100) == ""
    assert hexdump(bytearray(b"abc"), 2) == (
        "\n  00000000  61 62                                             |ab|\n  … 1 more"
    )
    assert hexdump(memoryview(b"abc")[:0], 2) == ""


def test_a_hexdump_is_bounded(everything: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(LoggingHandler("info", hexdump=True, limit=32))
    everything.clear()
    channel.write_inbound(b"x" * 1_000_000)
    line = everything.records[0]
    assert line.levelno == logging.INFO
    assert len(line.getMessage().splitlines()) == 4
    assert line.getMessage().endswith("  … 999968 more")


def test_no_byte_of_the_peer_breaks_a_line(everything: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(LoggingHandler())
    everything.clear()
    channel.write_inbound(b"\r\nforged \x1b[31m")
    assert said(everything)[0] == r"read 14 bytes: b'\r\nforged \x1b[31m'"


def test_below_its_level_it_describes_nothing() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise AssertionError("nobody may ask")

    logging.getLogger("pipeline_net.log").setLevel(logging.NOTSET)
    channel = EmbeddedChannel(LoggingHandler(logging.DEBUG))
    channel.write_inbound(Shy())
    assert len(channel.inbound) == 1


def test_what_cannot_describe_itself_passes_all_the_same(everything: pytest.LogCaptureFixture) -> None:
    class Mute(Exception):
        def __repr__(self) -> str:
            raise ValueError("no")

    channel = EmbeddedChannel(LoggingHandler())
    channel.write_inbound(Mute())
    channel.pipeline.fire_user_event_triggered(Mute())
    channel.pipeline.fire_exception_caught(Mute())
    with pytest.raises(Mute):
        channel.check()
    assert len(channel.inbound) == 1
    assert "exception <Mute instance at" in everything.text


def test_one_instance_serves_all_channels_and_may_come_and_go(everything: pytest.LogCaptureFixture) -> None:
    handler = LoggingHandler()
    one, two = EmbeddedChannel(handler), EmbeddedChannel(handler)
    one.write_inbound(b"1")
    one.pipeline.remove(handler)
    everything.clear()
    one.write_inbound(b"2")
    two.write_inbound(b"3")
    assert said(everything) == ["read 1 byte: b'3'", "read complete"]
    assert one.inbound == [b"1", b"2"]


@pytest.mark.parametrize("wrong", [{"level": "LOUD"}, {"limit": -1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no level 'LOUD': CRITICAL|limit must not be negative, but is -1"):
        LoggingHandler(**wrong)
