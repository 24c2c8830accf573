"""One request and its response, without waiting: on a channel in memory, message by message."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler, EncodeError, PipelineError
from pipeline_net.codecs import http
from pipeline_net.gateways.asgi_exchange import READ_AHEAD, AsgiExchange
from pipeline_net.gateways.errors import ClientDisconnectedError
from pipeline_net.testing import EmbeddedChannel

_START = {"type": "http.response.start", "status": 200}
_POST = b"POST / HTTP/1.1\r\nhost: x\r\n"


class Exchange(AsgiExchange):
    """Notes what it is told."""

    def __init__(self, ctx: Any, request: http.Request) -> None:
        self.told: list[str] = []
        super().__init__(ctx, request)

    def news(self) -> None:
        self.told.append("news")

    def room(self) -> None:
        self.told.append("room")


class Stage(ChannelInboundHandler[Any]):
    """Begins an exchange with every head."""

    def __init__(self) -> None:
        self.exchange: Any = None

    def channel_read(self, ctx: Any, msg: Any) -> None:
        if isinstance(msg, http.Request):
            self.exchange = Exchange(ctx, msg)
        elif isinstance(msg, http.Data):
            self.exchange.take_data(msg.data)
        elif self.exchange.request.has_body:
            self.exchange.take_end()

    def exception_caught(self, ctx: Any, exc: BaseException) -> None:
        if not self.exchange.take_write_error(exc):
            ctx.fire_exception_caught(exc)

    def channel_inactive(self, ctx: Any) -> None:
        self.exchange.take_disconnect()


def begin(wire: bytes) -> tuple[EmbeddedChannel, Exchange]:
    stage = Stage()
    channel = EmbeddedChannel(http.server_stack(auto_continue=False, date=False) >> stage)
    channel.write_inbound(wire)
    return channel, stage.exchange


def sent(channel: EmbeddedChannel) -> bytes:
    channel.run_pending()
    pieces = []
    while (piece := channel.read_outbound()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


def test_a_body_is_read_in_what_has_come() -> None:
    channel, exchange = begin(_POST + b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n")
    assert exchange.next_message() == {"type": "http.request", "body": b"abc", "more_body": True}
    assert exchange.next_message() is None
    channel.write_inbound(b"0\r\n\r\n")
    assert exchange.told[-1] == "news"
    assert exchange.next_message() == {"type": "http.request", "body": b"", "more_body": False}
    assert exchange.next_message() is None  # until the response is over, or nobody there
    exchange.take_disconnect()
    assert exchange.next_message() == {"type": "http.disconnect"}


def test_reading_pauses_while_much_waits() -> None:
    channel, exchange = begin(_POST + b"content-length: 200000\r\n\r\n")
    channel.write_inbound(bytes(READ_AHEAD - 1))
    assert channel.wants_to_read
    channel.write_inbound(b"x")
    assert not bool(channel.wants_to_read)
    assert len(exchange.next_message()["body"]) == READ_AHEAD
    assert channel.wants_to_read


def test_an_application_that_answers_early_reads_no_more_and_holds_nothing() -> None:
    channel, exchange = begin(_POST + b"content-length: 200000\r\n\r\n")
    channel.write_inbound(bytes(READ_AHEAD))
    exchange.respond(_START)
    exchange.respond({"type": "http.response.body"})
    assert channel.wants_to_read
    assert exchange.next_message() == {"type": "http.disconnect"}
    channel.write_inbound(bytes(200000 - READ_AHEAD))
    assert sent(channel).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_head_waits_for_the_body() -> None:
    channel, exchange = begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert exchange.respond(_START)
    assert sent(channel) == b""
    assert exchange.respond({"type": "http.response.body", "body": bytearray(b"hi")})
    assert sent(channel) == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    assert exchange.respond({"type": "whatever"})  # "any further messages on the channel will be ignored"


def test_a_sender_is_told_to_wait_while_the_peer_does_not_read() -> None:
    channel, exchange = begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    exchange.respond(_START)
    assert exchange.respond({"type": "http.response.body", "body": b"x", "more_body": True})
    assert not exchange.respond({"type": "http.response.body", "body": bytes(100_000), "more_body": True})
    assert not exchange.has_room()
    assert len(sent(channel)) > 100_000
    assert bool(exchange.has_room())


def test_what_cannot_be_written_is_raised_where_it_was_sent() -> None:
    channel, exchange = begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    exchange.respond({**_START, "headers": [(b"content-length", b"1")]})
    with pytest.raises(EncodeError, match="Content-Length says 1"):
        exchange.respond({"type": "http.response.body", "body": b"xx"})
    assert not exchange.app_ended()  # it was not sent: there is still a 500 to send
    assert sent(channel).startswith(b"HTTP/1.1 500 ")


def test_after_the_client_has_gone_sending_raises_and_ending_does_nothing() -> None:
    channel, exchange = begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    channel.abort()
    channel.run_pending()
    assert exchange.told == ["news", "room"]
    with pytest.raises(ClientDisconnectedError):
        exchange.respond(_START)
    with pytest.raises(ClientDisconnectedError):
        exchange.has_room()
    assert exchange.app_ended()


def test_what_comes_out_of_turn_names_what_was_expected() -> None:
    _, exchange = begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    with pytest.raises(PipelineError, match=r"http\.response\.start was expected"):
        exchange.respond({"type": "http.response.body"})
