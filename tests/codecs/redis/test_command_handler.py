from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import EncodeError, PipelineError
from pipeline_net.codecs import redis
from pipeline_net.testing import EmbeddedChannel

Connect = Callable[..., Any]


def test_a_batch_of_commands_is_answered_in_order(kit: Connect) -> None:
    client = kit()
    assert client.ask("SET k v", "GET k", "PING", "get nothing", "GeT k") == (
        b"+OK\r\n$1\r\nv\r\n+PONG\r\n$-1\r\n$1\r\nv\r\n"
    )
    client.finish()


def test_what_speaks_against_a_command_is_said_in_the_words_of_the_real_server(kit: Connect) -> None:
    client = kit()
    for command, reply in (
        ("NOPE a", b"-ERR unknown command 'NOPE', with args beginning with: 'a' \r\n"),
        ("GET", b"-ERR wrong number of arguments for 'get' command\r\n"),
        ("CLIENT", b"-ERR wrong number of arguments for 'client' command\r\n"),
        ("client nope", b"-ERR unknown subcommand 'nope'. Try CLIENT HELP.\r\n"),
        ("SET a b c", b"-ERR syntax error\r\n"),
    ):
        assert client.ask(command) == reply
    client.finish()


@pytest.mark.parametrize("commands", ["PING\r\nSTOP\r\nPING\r\n", "MULTI\r\nPING\r\nSTOP\r\nEXEC\r\nPING\r\n"])
def test_an_interrupted_command_ends_the_connection_so_that_no_later_reply_is_taken_for_its_own(commands: str) -> None:
    table = redis.CommandTable()

    @table.command("STOP", arity=1)
    def stop(session: redis.Session, args: redis.Command) -> redis.Reply:
        raise KeyboardInterrupt

    state = redis.ServerState()
    channel = EmbeddedChannel(redis.server_stack(), redis.CommandHandler(table, redis.Session(state)))
    with pytest.raises(KeyboardInterrupt):
        channel.write_inbound(commands.encode())
    channel.run_pending()
    assert not channel.is_open
    assert b"".join(channel.outbound).count(b"+PONG\r\n") == 1
    assert not state.is_running


def test_it_wants_an_encoder_below_it() -> None:
    with pytest.raises(PipelineError, match=r"server_stack\(\) >> CommandHandler"):
        EmbeddedChannel(redis.CommandHandler(redis.CommandTable(), redis.Session(redis.ServerState())))


def test_the_encoder_may_speak_another_version_from_the_begin() -> None:
    session = redis.Session(redis.ServerState())
    stack = redis.server_stack(protocol=3) >> redis.CommandHandler(redis.CommandTable(), session)
    channel = EmbeddedChannel(stack)
    channel.write_inbound(b"CLIENT GETNAME\r\n")
    assert channel.outbound == [b"_\r\n"]
    assert session.protocol == 3
    channel.finish()


def test_a_function_with_a_mistake_closes_the_connection_and_no_other(
    kit: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client, other = kit(), kit()
    with pytest.raises(LookupError):
        client.ask("SET k v", "BUG", "GET k")
    assert client.take() == b"+OK\r\n"
    assert not client.is_open
    assert client.session.has_closed
    assert other.ask("GET k") == b"$1\r\nv\r\n"
    assert "a mistake of the function's author" in caplog.text
    other.finish()


def test_a_mistake_inside_a_transaction_leaves_the_server_as_it_was(kit: Connect) -> None:
    client, other = kit(), kit()
    with pytest.raises(LookupError):
        client.ask("MULTI", "BUG", "EXEC")
    assert not client.session.is_executing
    assert not client.session.state.is_running
    assert other.ask("MULTI", "PING", "EXEC") == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"
    other.finish()


def _odd_client() -> tuple[EmbeddedChannel, redis.Session]:
    """A client of a server two commands of which answer what RESP has no form for, one of them later."""
    odd: Any = object()
    table = redis.CommandTable()
    table.command("ODD", arity=2)(lambda session, args: odd)
    table.command("SLOW ODD", arity=2)(lambda session, args: session.later())
    session = redis.Session(redis.ServerState())
    return EmbeddedChannel(redis.server_stack() >> redis.CommandHandler(table, session)), session


@pytest.mark.parametrize(
    ("commands", "name"),
    [(b"PING\r\nODD x\r\n", "odd"), (b"MONITOR\r\nodd x\r\n", "odd"), (b"MULTI\r\nODD x\r\nEXEC\r\n", "exec")],
)
def test_what_cannot_be_sent_comes_with_the_name_of_its_command(commands: bytes, name: str) -> None:
    channel, _ = _odd_client()
    with pytest.raises(EncodeError, match=r"^RESP has no form for object") as caught:
        channel.write_inbound(commands)
    assert caught.value.__notes__ == [f"the last command was {name!r}: has it returned what RESP cannot carry?"]
    assert not channel.is_open


def test_so_does_what_comes_later_and_cannot_be_sent() -> None:
    channel, session = _odd_client()
    channel.write_inbound(b"SLOW ODD\r\nPING\r\n")
    odd: Any = object()
    assert session.reply(odd)
    with pytest.raises(EncodeError, match=r"the last command was 'slow\|odd'"):
        channel.run_pending()
    assert not channel.is_open


def test_a_browser_is_sent_away_before_its_body_can_be_a_command(
    kit: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = kit()
    with caplog.at_level(logging.INFO, "pipeline_net.redis"):
        client.write_inbound(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET k evil\r\n")
    assert client.take() == b""
    assert not client.is_open
    assert client.store.values == {}
    assert "sent an HTTP request" in caplog.text


# -- commands that wait ----------------------------------------------------------------------------------


def test_commands_behind_a_reply_that_comes_later_wait_for_it(kit: Connect) -> None:
    waiting, other = kit(), kit()
    assert waiting.ask("PING", "BLPOP q 0", "PING", "GET k") == b"+PONG\r\n"
    assert waiting.ask("SET k late") == b""
    assert other.ask("SET k v", "RPUSH q x") == b"+OK\r\n:1\r\n"
    waiting.run_pending()
    assert waiting.take() == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n+PONG\r\n$1\r\nv\r\n+OK\r\n"
    assert other.ask("GET k") == b"$4\r\nlate\r\n"
    for client in (waiting, other):
        client.finish()


def test_one_that_waits_may_be_followed_by_another(kit: Connect) -> None:
    waiting, other = kit(), kit()
    waiting.ask("BLPOP q 0", "BLPOP q 0", "PING")
    other.ask("RPUSH q one")
    waiting.run_pending()
    assert waiting.take() == b"*2\r\n$1\r\nq\r\n$3\r\none\r\n"
    other.ask("RPUSH q two")
    waiting.run_pending()
    assert waiting.take() == b"*2\r\n$1\r\nq\r\n$3\r\ntwo\r\n+PONG\r\n"
    for client in (waiting, other):
        client.finish()


def test_a_client_that_sends_much_while_it_waits_is_not_read_from(kit: Connect) -> None:
    waiting, other = kit(), kit()
    waiting.ask("BLPOP q 0")
    assert waiting.wants_to_read
    waiting.ask(*["PING"] * 1500)
    assert not waiting.wants_to_read
    other.ask("RPUSH q x")
    waiting.run_pending()
    assert waiting.take() == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n" + b"+PONG\r\n" * 1500
    assert waiting.wants_to_read
    for client in (waiting, other):
        client.finish()


def test_a_client_that_goes_while_it_waits_is_withdrawn_and_what_it_sent_is_dropped(kit: Connect) -> None:
    waiting, other = kit(), kit()
    waiting.ask("BLPOP q 0", "SET k v", *["PING"] * 1500)
    waiting.finish()
    assert waiting.take() == b""
    assert waiting.store.withdrawn == [waiting.session]
    assert other.ask("RPUSH q x", "GET k", "BLPOP q 0") == b":1\r\n$-1\r\n*2\r\n$1\r\nq\r\n$1\r\nx\r\n"
    other.finish()


def test_the_end_of_input_ends_the_waiting_too(kit: Connect) -> None:
    waiting = kit()
    waiting.ask("BLPOP q 0")
    waiting.finish_input()
    assert not waiting.is_open
    assert waiting.store.withdrawn == [waiting.session]


# -- CLIENT PAUSE ----------------------------------------------------------------------------------------


def test_a_pause_holds_up_those_that_write_and_those_behind_them(kit: Connect) -> None:
    client, other = kit(), kit()
    assert other.ask("CLIENT PAUSE 100 WRITE", "GET k") == b"+OK\r\n$-1\r\n"
    assert client.ask("GET k", "SET k v", "PING") == b"$-1\r\n"
    assert other.ask("MULTI", "PING", "EXEC", "PUBLISH a b") == b"+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"
    client.advance(0.09)
    assert client.take() == b""
    client.advance(0.02)
    assert client.take() == b"+OK\r\n+PONG\r\n"
    other.advance(0.2)
    assert other.take() == b":0\r\n"
    assert client.ask("SET k w") == b"+OK\r\n"
    for one in (client, other):
        one.finish()


def test_a_pause_of_all_holds_up_everything_and_ends_by_itself(kit: Connect) -> None:
    client = kit()
    assert client.ask("CLIENT PAUSE 50", "PING", "MULTI", "SET k v", "EXEC") == b"+OK\r\n"
    client.advance(0.06)
    assert client.take() == b"+PONG\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"
    client.finish()


def test_a_transaction_that_writes_is_held_up_and_unpause_lets_it_go(kit: Connect) -> None:
    client, other = kit(), kit()
    client.ask("MULTI", "SET k v")
    other.ask("CLIENT PAUSE 100000 WRITE")
    assert client.ask("EXEC") == b""
    assert other.ask("CLIENT UNPAUSE") == b"+OK\r\n"
    client.run_pending()
    assert client.take() == b"*1\r\n+OK\r\n"
    for one in (client, other):
        one.finish()


def test_who_goes_while_clients_are_paused_leaves_nothing_behind(kit: Connect) -> None:
    client, other = kit(), kit()
    other.ask("CLIENT PAUSE 1000")
    client.ask("SET k v")
    client.finish()
    client.advance(2.0)
    assert client.take() == b""
    assert client.store.values == {}
    other.finish()


# -- a lock ----------------------------------------------------------------------------------------------


class Lock:
    """Counts how often it is taken, and refuses to be taken twice."""

    def __init__(self) -> None:
        self.taken = 0
        self.is_held = False

    def __enter__(self) -> None:
        assert not self.is_held
        self.is_held = True
        self.taken += 1

    def __exit__(self, *exc: object) -> None:
        self.is_held = False


def test_a_lock_is_held_once_for_each_command_each_transaction_each_timeout_and_each_farewell(kit: Connect) -> None:
    lock = Lock()
    client = kit(redis.ServerState(lock=lock))
    held: list[bool] = []
    client.session.state.on_write(lambda session, command: held.append(lock.is_held))
    client.ask("SET k v", "MULTI", "SET k w", "SET k x", "EXEC")
    assert (lock.taken, held) == (5, [True] * 3)
    client.ask("BLPOP q 1")
    client.advance(1.0)
    assert lock.taken == 7
    client.finish()
    assert lock.taken == 8
    assert not lock.is_held
