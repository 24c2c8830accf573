from __future__ import annotations

import logging
from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, DecodeError
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


def test_a_server_answers_in_the_version_it_is_told() -> None:
    channel = EmbeddedChannel(redis.server_stack(protocol=3) >> Repeat())
    assert channel.write_outbound({b"a": None})
    assert _sent(channel) == b"%1\r\n$1\r\na\r\n_\r\n"
    channel.pipeline.get(redis.RedisReplyEncoder).protocol = 2
    channel.write_outbound({b"a": None})
    assert _sent(channel) == b"*2\r\n$1\r\na\r\n$-1\r\n"
    channel.finish()


class Asker(ChannelInboundHandler[redis.Reply, Never, redis.Request]):
    """Asks when it is connected, and keeps the answers."""

    def __init__(self) -> None:
        self.replies: list[redis.Reply] = []

    def channel_active(self, ctx: ChannelHandlerContext[Never, redis.Request]) -> None:
        ctx.write(["HELLO", 3])

    def channel_read(self, ctx: ChannelHandlerContext[Never, redis.Request], msg: redis.Reply) -> None:
        self.replies.append(msg)


def test_requests_go_out_and_replies_come_in() -> None:
    asker = Asker()
    channel = EmbeddedChannel(redis.client_stack() >> asker)
    channel.run_pending()
    assert _sent(channel) == b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"
    channel.write_inbound(b"%1\r\n$5\r\nproto\r\n:3\r\n>1\r\n$4\r\nping\r\n_\r\n")
    assert asker.replies == [{b"proto": 3}, redis.Push([b"ping"]), redis.NULL]
    channel.finish()


def test_a_client_and_a_server_understand_each_other() -> None:
    requests = [[b"SET", b"key", b"a\r\nb"], [b"GET", b"key"], [b"MGET", *[b"x"] * 100]]
    client = EmbeddedChannel(redis.client_stack() >> Asker())
    server = EmbeddedChannel(redis.server_stack(protocol=3) >> Repeat())
    client.run_pending()
    _sent(client)
    client.write_outbound(*requests)
    server.write_inbound(_sent(client))
    client.write_inbound(_sent(server))
    assert client.pipeline.get(Asker).replies == requests


@pytest.mark.parametrize(
    ("limits", "data"),
    [
        ({"max_bulk_length": 3}, b"$4\r\n"),
        ({"max_elements": 3}, b"*4\r\n"),
        ({"max_depth": 1}, b"*1\r\n*1\r\n"),
        ({"max_line_length": 3}, b"+PING"),
        ({"max_message_length": 9}, b"$4\r\nPING\r\n"),
    ],
)
def test_a_limit_reaches_the_decoder_of_a_client(limits: dict[str, Any], data: bytes) -> None:
    channel = EmbeddedChannel(redis.client_stack(**limits) >> Asker())
    with pytest.raises(DecodeError):
        channel.write_inbound(data)
    assert not channel.is_open


def test_attributes_reach_a_client_that_asks_for_them() -> None:
    channel = EmbeddedChannel(redis.client_stack(attributes=True) >> Asker())
    channel.write_inbound(b"|1\r\n:1\r\n:2\r\n:3\r\n")
    assert channel.pipeline.get(Asker).replies == [redis.Attributed({1: 2}, 3)]
    channel.finish()
