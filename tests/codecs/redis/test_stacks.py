from __future__ import annotations

import logging
from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel


class Repeat(ChannelInboundHandler[redis.Command, Never, redis.Reply]):
    """Answers with the command itself, so that a test sees what was read; b"raise" does that."""

    def channel_read(self, ctx: ChannelHandlerContext[Never, redis.Reply], msg: redis.Command) -> None:
        if msg == [b"raise"]:
            raise LookupError("the handler's own mistake")
        ctx.write(msg)


def _sent(channel: EmbeddedChannel) -> bytes:
    sent = b"".join(channel.outbound)
    channel.outbound.clear()
    return sent


def test_commands_come_in_and_replies_go_out() -> None:
    channel = EmbeddedChannel(redis.server_stack() >> Repeat())
    channel.write_inbound(b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nPING\r\n")
    assert _sent(channel) == b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*1\r\n$4\r\nPING\r\n"
    channel.finish()


def test_a_peer_that_breaks_the_rules_is_told_which_after_its_other_replies(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(redis.server_stack() >> Repeat(), remote_address=("192.0.2.1", 4711))
    with caplog.at_level(logging.INFO, "pipeline_net.redis"):
        channel.write_inbound(b"PING\r\n*1\r\n$x\r\nPING\r\n")
    assert _sent(channel) == b"*1\r\n$4\r\nPING\r\n-ERR Protocol error: invalid bulk length\r\n"
    assert not channel.is_open
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "192.0.2.1" in caplog.text
    assert "expected a decimal number up to 67108864, not b'x'" in caplog.text


def test_a_peer_that_goes_in_the_middle_of_a_command_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    channel = EmbeddedChannel(redis.server_stack() >> Repeat())
    channel.write_inbound(b"*2\r\n$4\r\nECHO\r\n")
    channel.finish_input()
    assert _sent(channel) == b""
    assert not channel.is_open
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_other_exceptions_are_passed_on() -> None:
    channel = EmbeddedChannel(redis.server_stack() >> Repeat())
    with pytest.raises(LookupError):
        channel.write_inbound(b"raise\n")


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        ({"max_bulk_length": 3}, b"*1\r\n$4\r\n"),
        ({"max_elements": 3}, b"*4\r\n"),
        ({"max_inline_length": 3}, b"PING\n"),
        ({"max_command_length": 13}, b"*1\r\n$4\r\nPING\r\n"),
    ],
)
def test_a_limit_reaches_the_decoder(limits: dict[str, Any], data: bytes) -> None:
    channel = EmbeddedChannel(redis.server_stack(**limits) >> Repeat())
    channel.write_inbound(data)
    assert _sent(channel).startswith(b"-ERR Protocol error: ")
    assert not channel.is_open


def test_the_depth_reaches_the_encoder() -> None:
    with pytest.raises(ValueError, match="max_depth"):
        redis.server_stack(max_depth=0)
