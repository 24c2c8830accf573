from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, PipelineError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.session import shown_address
from pipeline_net.testing import EmbeddedChannel

Connect = Callable[..., Any]


def test_a_session_belongs_to_one_connection() -> None:
    table, session = redis.CommandTable(), redis.Session(redis.ServerState())
    channel = EmbeddedChannel(redis.server_stack() >> redis.CommandHandler(table, session))
    with pytest.raises(PipelineError, match="cannot be another one's, too"):
        EmbeddedChannel(redis.server_stack() >> redis.CommandHandler(table, session))
    assert session.channel is channel
    assert session.loop is channel.loop
    channel.finish()


def test_a_session_says_who_it_is(kit: Connect) -> None:
    client = kit(remote_address=("192.0.2.1", 4711))
    client.ask("CLIENT SETNAME bob")
    assert repr(client.session) == f"<KitSession {client.session.id} 'bob'>"
    assert client.session.peer == "192.0.2.1:4711"
    client.finish()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (("127.0.0.1", 6379), "127.0.0.1:6379"),
        (("::1", 6379, 0, 0), "[::1]:6379"),
        ("/tmp/redis.sock", "/tmp/redis.sock:0"),
        (b"\0abstract", "\0abstract:0"),
        ("", "/tmp/ours:0"),
        (None, "/tmp/ours:0"),
    ],
)
def test_addresses_are_spelt_as_by_the_real_server(address: Any, shown: str) -> None:
    assert shown_address(address, "/tmp/ours") == shown


def test_one_that_may_answer_more_than_once_writes_in_between(kit: Connect) -> None:
    client = kit()
    client.session.write(7)
    client.session.push(b"hello", None)
    client.session.write_encoded(b"+raw\r\n")
    client.run_pending()
    assert client.take() == b":7\r\n*2\r\n$5\r\nhello\r\n$-1\r\n+raw\r\n"
    client.ask("HELLO 3")
    client.session.push(b"hello", None)
    client.run_pending()
    assert client.take() == b">2\r\n$5\r\nhello\r\n_\r\n"
    client.finish()


# -- replies that come later -----------------------------------------------------------------------------


def test_a_time_that_runs_out_withdraws_and_answers(kit: Connect) -> None:
    client = kit()
    assert client.ask("BLPOP q 2", "PING") == b""
    assert client.session.is_waiting
    client.advance(1.9)
    assert client.take() == b""
    client.advance(0.2)
    assert client.take() == b"*-1\r\n+PONG\r\n"
    assert client.store.withdrawn == [client.session]
    assert not client.session.is_waiting
    assert not client.session.reply(b"too late")
    client.finish()
    assert client.store.withdrawn == [client.session]


def test_a_reply_in_time_is_not_withdrawn(kit: Connect) -> None:
    client, other = kit(), kit()
    client.ask("BLPOP q 1")
    other.ask("RPUSH q x")
    client.advance(2.0)
    assert client.take() == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n"
    assert client.store.withdrawn == []
    for one in (client, other):
        one.finish()


def test_a_reply_may_be_nothing(kit: Connect) -> None:
    client = kit()
    client.ask("BLPOP q 0")
    assert client.session.reply(None)
    assert not client.session.reply(None)
    client.run_pending()
    assert client.take() == b"$-1\r\n"
    client.finish()


def test_a_reply_for_an_earlier_wait_is_not_taken_for_that_of_a_later_one(kit: Connect) -> None:
    client = kit()
    client.ask("BLPOP q 1")
    first = client.session.ticket
    client.advance(1.0)
    assert client.take() == b"*-1\r\n"
    client.ask("BLPOP q 0")
    assert not client.session.reply(b"for the first", first)
    assert client.session.reply(b"for the second", client.session.ticket)
    client.run_pending()
    assert client.take() == b"$14\r\nfor the second\r\n"
    client.finish()


def test_later_may_be_returned_as_it_is(kit: Connect) -> None:
    client = kit()
    assert client.ask("NEVER", "PING") == b""
    assert client.session.reply(b"now")
    client.run_pending()
    assert client.take() == b"$3\r\nnow\r\n+PONG\r\n"
    client.finish()


def test_inside_exec_nothing_waits(kit: Connect) -> None:
    client = kit()
    assert (
        client.ask("MULTI", "BLPOP q 0", "PING", "EXEC") == b"+OK\r\n" + b"+QUEUED\r\n" * 2 + b"*2\r\n*-1\r\n+PONG\r\n"
    )
    assert client.store.withdrawn == [client.session]
    assert client.store.waiting == {}
    client.finish()


def test_inside_exec_a_function_that_insists_has_a_mistake(kit: Connect) -> None:
    client = kit()
    with pytest.raises(PipelineError, match="inside EXEC no reply may come later"):
        client.ask("MULTI", "NEVER", "EXEC")


class _Handled(ChannelInboundHandler[Any]):
    """Keeps the connection, whatever a function has done."""

    def __init__(self) -> None:
        self.caught: list[BaseException] = []

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.caught.append(exc)


_withdrawn: list[redis.Session] = []
_careless = redis.CommandTable()


@_careless.command("FORGETS", arity=1)
def _forgets(session: redis.Session, args: redis.Command) -> redis.Reply:
    session.later(timeout=1, withdraw=_withdrawn.append)  # without return
    return None


@_careless.command("FAILS", arity=1)
def _fails(session: redis.Session, args: redis.Command) -> redis.Reply:
    session.later(timeout=1)
    raise redis.CommandError("no")


@_careless.command("WRITES", arity=1)
def _writes(session: redis.Session, args: redis.Command) -> redis.Reply:
    session.later(timeout=1, otherwise=b"later")
    return redis.NO_REPLY


def _careless_client(password: str | None = None) -> tuple[EmbeddedChannel, _Handled]:
    _withdrawn.clear()
    handler = redis.CommandHandler(_careless, redis.Session(redis.ServerState(password=password)))
    handled = _Handled()
    return EmbeddedChannel(redis.server_stack() >> handler >> handled), handled


@pytest.mark.parametrize(("command", "shown"), [("FORGETS", "None,"), ("FAILS", "a RedisError,")])
@pytest.mark.parametrize("before", ["", "MULTI\r\nDISCARD\r\n", "CLIENT REPLY SKIP\r\n"])
def test_a_function_that_says_later_and_returns_something_else_has_a_mistake(
    command: str, shown: str, before: str
) -> None:
    channel, handled = _careless_client()
    channel.write_inbound(before.encode())
    before_it = len(channel.outbound)
    channel.write_inbound(f"{command}\r\nPING\r\n".encode())
    channel.advance(5.0)
    (error,) = handled.caught
    assert isinstance(error, PipelineError)
    assert f"'{command.lower()}' called session.later(), and returned {shown}" in str(error)
    assert "return session.later(" in str(error)
    assert channel.outbound[before_it:] == [b"+PONG\r\n"]  # and no second one, which all others would be shifted by
    assert len(_withdrawn) == (command == "FORGETS")
    channel.finish()


def test_such_a_mistake_closes_the_connection_unless_a_stage_handles_it() -> None:
    handler = redis.CommandHandler(_careless, redis.Session(redis.ServerState()))
    channel = EmbeddedChannel(redis.server_stack() >> handler)
    with pytest.raises(PipelineError, match="would be a second reply"):
        channel.write_inbound(b"FORGETS\r\nPING\r\n")
    assert channel.outbound == []
    assert not channel.is_open


def test_later_may_be_said_and_nothing_returned() -> None:
    channel, handled = _careless_client()
    channel.write_inbound(b"WRITES\r\nPING\r\n")
    assert channel.outbound == []
    channel.advance(1.5)
    channel.write_inbound(b"PING\r\n")
    assert channel.outbound == [b"$5\r\nlater\r\n", b"+PONG\r\n", b"+PONG\r\n"]
    assert handled.caught == []
    channel.finish()


def test_who_says_later_outside_of_a_function_makes_the_next_command_wait() -> None:
    channel, handled = _careless_client()
    handler = channel.pipeline.get(redis.CommandHandler)
    assert isinstance(handler, redis.CommandHandler)
    handler.session.later()
    channel.write_inbound(b"PING\r\n")
    assert handler.session.reply(b"now")
    channel.run_pending()
    assert channel.outbound == [b"$3\r\nnow\r\n", b"+PONG\r\n"]
    assert handled.caught == []
    channel.finish()


def test_a_reply_to_somebody_who_has_gone_is_refused(kit: Connect) -> None:
    client = kit()
    client.ask("BLPOP q 0")
    client.finish()
    assert not client.session.reply(b"x")
    assert client.session.has_closed


# -- clients that do not read ----------------------------------------------------------------------------


def _limited(**settings: Any) -> redis.ServerState:
    return redis.ServerState(push_limit=redis.OutputLimit(**settings))


def test_a_subscriber_above_the_hard_limit_is_closed_at_once(kit: Connect, caplog: pytest.LogCaptureFixture) -> None:
    state = _limited(hard=1000, soft=500)
    slow, other = kit(state), kit(state)
    slow.ask("SUBSCRIBE a")
    slow.peer_window = 0
    with caplog.at_level(logging.WARNING, "pipeline_net.redis"):
        for _ in range(40):
            other.ask(f"PUBLISH a {'x' * 50}")
        slow.run_pending()
    assert not slow.is_open
    assert slow.session.has_closed
    assert "reads too slowly: 10" in caplog.text
    assert other.ask("PUBLISH a b") == b":0\r\n"
    other.finish()


def test_a_subscriber_above_the_soft_limit_is_closed_after_a_while(kit: Connect) -> None:
    state = _limited(hard=10_000, soft=500, soft_seconds=10.0)
    slow, other = kit(state), kit(state)
    slow.ask("SUBSCRIBE a")
    slow.peer_window = 0
    for _ in range(20):
        other.ask(f"PUBLISH a {'x' * 50}")
    slow.advance(9.0)
    assert slow.is_open
    slow.advance(2.0)
    assert not slow.is_open
    other.finish()


def test_a_subscriber_that_catches_up_in_time_stays(kit: Connect) -> None:
    state = _limited(hard=10_000, soft=500, soft_seconds=10.0)
    slow, other = kit(state), kit(state)
    slow.ask("SUBSCRIBE a")
    slow.peer_window = 0
    for _ in range(20):
        other.ask(f"PUBLISH a {'x' * 50}")
    slow.advance(9.0)
    slow.peer_window = None
    slow.advance(1.5)
    assert slow.is_open
    other.ask("PUBLISH a b")
    slow.advance(100.0)
    assert slow.is_open
    assert slow.take().count(b"message") == 21
    for one in (slow, other):
        one.finish()


def test_much_at_once_is_no_reason_while_the_client_reads(kit: Connect) -> None:
    state = _limited(hard=1000, soft=500)
    reader, other = kit(state), kit(state)
    reader.ask("SUBSCRIBE a")
    reader.take()
    other.ask(*[f"PUBLISH a {'x' * 50}"] * 100)
    reader.run_pending()
    assert reader.is_open
    assert reader.take().count(b"message") == 100
    for one in (reader, other):
        one.finish()
