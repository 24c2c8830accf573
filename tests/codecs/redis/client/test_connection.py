"""Connections that are made, greeted, lost and made again; and those that must end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net import (
    ChannelBrokenError,
    ChannelClosedError,
    ChannelDuplexHandler,
    ChannelFuture,
    ChannelOptions,
    ConnectTimeoutError,
    EncodeError,
    EventLoopGroup,
    TlsError,
)
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.client.calls import Call
from pipeline_net.codecs.redis.client.connection import Connection, broken, joined
from pipeline_net.codecs.redis.client.connection_life import CLOSED, IDLE, PAUSED, READY

_QUICK = {"backoff": 0.001, "backoff_limit": 0.002}


class Watched(Connection):
    """Tells each thing that happens to it through a future."""

    def __init__(self, loops: EventLoopGroup, address: str, **options: Any) -> None:
        loops.start()
        super().__init__(loops.next(), address, redis.ClientOptions(**{**_QUICK, **options}))
        self.events: list[str] = []
        self.errors: list[BaseException] = []
        self.dropped: list[Call] = []
        self._changed = threading.Condition()

    def became_ready(self) -> None:
        self._note("ready")

    def lost(self, error: BaseException) -> None:
        self.errors.append(error)
        self._note("lost")

    def ended(self, error: BaseException) -> None:
        self.errors.append(error)
        self._note("ended")

    def _note(self, event: str) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait_for(self, *events: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.events[: len(events)] == list(events), 10), self.events

    def wait_for_error(self, part: str) -> BaseException:
        """Wait until one of the errors says ``part``, and return it."""

        def find() -> BaseException | None:
            return next((error for error in self.errors if part in str(error)), None)

        with self._changed:
            error = self._changed.wait_for(find, 10)
        assert error is not None, self.errors
        return error

    def on_loop(self, fn: Callable[[], Any]) -> Any:
        """Run a function on the loop, and wait for what it returns."""
        done: ChannelFuture[Any] = ChannelFuture(self.loop)
        self.loop.execute(lambda: done.set_result(fn()))
        return done.result(10)


def test_it_connects_and_greets(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    connection = Watched(loops, server.address, name="me")
    assert connection.state == IDLE
    connection.on_loop(connection.open)
    connection.wait_for("ready")
    assert server.received == [[b"HELLO", b"3", b"SETNAME", b"me"]]
    assert (connection.state, connection.protocol, connection.server) == (READY, 3, {b"proto": 3})
    connection.on_loop(connection.close)
    assert connection.events == ["ready", "ended"]
    assert isinstance(connection.errors[0], ChannelClosedError)


def test_closing_again_is_allowed_and_opening_again_does_nothing(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    connection = Watched(loops, fake(echoes).address)
    connection.on_loop(connection.open)
    connection.on_loop(connection.open)
    connection.wait_for("ready")
    connection.on_loop(connection.close)
    connection.on_loop(connection.close)
    connection.on_loop(connection.open)
    assert connection.events == ["ready", "ended"]
    assert connection.state == CLOSED


def test_an_old_server_is_spoken_to_in_the_old_protocol(loops: EventLoopGroup, fake: Any) -> None:
    def old(ctx: Any, command: list[bytes]) -> bytes:
        return b"-ERR unknown command 'HELLO'\r\n" if command[0] == b"HELLO" else b"+OK\r\n"

    server = fake(old)
    connection = Watched(loops, server.address, password="p", name="me", database=3)
    connection.on_loop(connection.open)
    connection.wait_for("ready")
    assert connection.protocol == 2
    assert server.received[1:] == [[b"AUTH", b"p"], [b"CLIENT", b"SETNAME", b"me"], [b"SELECT", b"3"]]
    connection.on_loop(connection.close)


def test_a_connection_that_is_lost_is_made_again(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    connection = Watched(loops, server.address)
    connection.on_loop(connection.open)
    connection.wait_for("ready")
    server.contexts[0].channel.abort()
    connection.wait_for("ready", "lost", "ready")
    assert isinstance(connection.errors[0], ChannelBrokenError)
    assert connection.last_error is None
    connection.on_loop(connection.close)


def test_a_server_that_cannot_be_reached_is_tried_again_and_again(
    loops: EventLoopGroup, fake: Any, echoes: Any
) -> None:
    server = fake(echoes)
    server.stop_listening()
    connection = Watched(loops, server.address)
    connection.on_loop(connection.open)
    connection.wait_for("lost", "lost", "lost")
    assert isinstance(connection.last_error, ChannelBrokenError)
    server.listen_again()
    with connection._changed:
        assert connection._changed.wait_for(lambda: connection.events[-1] == "ready", 10)
    connection.on_loop(connection.close)


def test_a_server_that_throws_us_out_again_is_approached_more_and_more_slowly(
    loops: EventLoopGroup, fake: Any, greeting: Any
) -> None:
    server = fake(lambda ctx, command: ctx.write(b"%0\r\n") or ctx.close())
    connection = Watched(loops, server.address, backoff=0.001, backoff_limit=3600.0)
    connection.on_loop(connection.open)
    connection.wait_for("ready", "lost", "ready", "lost", "ready", "lost", "ready", "lost")
    assert connection.on_loop(connection._backoff.next) >= 0.001 * 2**4 / 2
    connection.on_loop(connection.close)


def test_after_a_connection_that_has_held_the_pause_is_short_again(
    loops: EventLoopGroup, fake: Any, echoes: Any
) -> None:
    server = fake(echoes)
    connection = Watched(loops, server.address, backoff=1e-9, backoff_limit=1e-9)
    connection.on_loop(connection.open)
    for number in range(3):
        connection.wait_for(*["ready", "lost"] * number, "ready")
        server.contexts[-1].channel.abort()
    connection.wait_for(*["ready", "lost"] * 3)
    assert connection._backoff._failures == 1
    connection.on_loop(connection.close)


def test_a_pause_can_be_ended_by_closing(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    connection = Watched(loops, server.address, backoff=3600.0, backoff_limit=3600.0)
    connection.on_loop(connection.open)
    connection.wait_for("lost")
    assert connection.state == PAUSED
    connection.on_loop(connection.close)
    assert connection.events == ["lost", "ended"]


def test_a_connection_that_must_not_be_made_again_ends(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    connection = Watched(loops, server.address, reconnect=False)
    connection.on_loop(connection.open)
    connection.wait_for("ready")
    server.contexts[0].channel.abort()
    connection.wait_for("ready", "ended")
    assert connection.state == CLOSED


def test_a_wrong_password_is_not_tried_again_by_itself(loops: EventLoopGroup, fake: Any) -> None:
    server = fake(lambda ctx, command: b"-WRONGPASS invalid username-password pair\r\n")
    connection = Watched(loops, server.address, password="wrong")
    connection.on_loop(connection.open)
    connection.wait_for("ended")
    assert connection.state == IDLE
    assert isinstance(connection.errors[0], redis.ReplyError)
    server.behaviour = lambda ctx, command: b"%1\r\n+proto\r\n:3\r\n"
    connection.on_loop(connection.open)  # somebody asks for it once more
    connection.wait_for("ended", "ready")
    connection.on_loop(connection.close)


def test_a_server_that_is_loading_is_tried_again(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    answers = [b"-LOADING Redis is loading the dataset in memory\r\n", b"-ERR max number of clients reached\r\n"]
    server = fake(lambda ctx, command: answers.pop(0) if answers else echoes(ctx, command))
    connection = Watched(loops, server.address)
    connection.on_loop(connection.open)
    connection.wait_for("lost", "lost", "ready")
    assert [str(error) for error in connection.errors] == [
        "HELLO: LOADING Redis is loading the dataset in memory",
        "HELLO: ERR max number of clients reached",
    ]
    connection.on_loop(connection.close)


def test_a_server_that_does_not_answer_the_greeting_is_given_up(loops: EventLoopGroup, fake: Any) -> None:
    server = fake(lambda ctx, command: None)
    connection = Watched(loops, server.address, channel=ChannelOptions(connect_timeout=0.05))
    connection.on_loop(connection.open)
    error = connection.wait_for_error("the greeting")  # a busy machine may take longer than that to connect
    assert isinstance(error, ConnectTimeoutError)
    assert "has not answered the greeting within 0.05 s" in str(error)
    connection.on_loop(connection.close)


def test_a_loop_that_stops_ends_its_connections(fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    with EventLoopGroup(1) as loops:
        connection = Watched(loops, server.address)
        connection.on_loop(connection.open)
        connection.wait_for("ready")
    assert connection.events[-1] == "ended"
    assert isinstance(connection.last_error, ChannelClosedError)


def test_a_loop_that_stops_ends_those_too_that_are_between_two_attempts(fake: Any, echoes: Any) -> None:
    server = fake(echoes)
    server.stop_listening()
    with EventLoopGroup(1) as loops:
        connection = Watched(loops, server.address, backoff=3600.0, backoff_limit=3600.0)
        connection.on_loop(connection.open)
        connection.wait_for("lost")
    assert connection.events == ["lost", "ended"]
    assert str(connection.last_error) == f"{connection.loop.name} has been stopped"


class _Distrusts(ChannelDuplexHandler[Any, Any, Any, Any]):
    """Finds fault with the server once the channel is open, as a TLS handshake may."""

    def __init__(self, tells_of_the_opening: bool) -> None:
        self._tells = tells_of_the_opening

    def connect(self, ctx: Any, address: Any, promise: Any) -> None:
        self._promise = promise
        ctx.connect(address, ctx.new_promise())

    def channel_active(self, ctx: Any) -> None:
        if self._tells:
            ctx.fire_channel_active()
        self._promise.set_exception(TlsError("nobody vouches for this server"))
        ctx.close()


class _Distrusting(Watched):
    tells = False

    def more_stages(self) -> list[Any]:
        return [_Distrusts(self.tells)]


@pytest.mark.parametrize("tells", [False, True])
def test_what_a_lower_stage_finds_wrong_with_the_server_is_the_reason(
    tells: bool, loops: EventLoopGroup, fake: Any, echoes: Any
) -> None:
    connection = _Distrusting(loops, fake(echoes).address, backoff=3600.0, backoff_limit=3600.0)
    connection.tells = tells
    connection.on_loop(connection.open)
    connection.wait_for("lost")
    assert isinstance(connection.errors[0], TlsError)
    connection.on_loop(connection.close)
    assert connection.events == ["lost", "ended"]


def test_closing_while_connecting_gives_the_attempt_up(loops: EventLoopGroup, fake: Any, echoes: Any) -> None:
    connection = Watched(loops, fake(echoes).address)

    def open_and_close() -> None:
        connection.open()
        connection.close()

    connection.on_loop(open_and_close)
    assert connection.events == ["ended"]
    assert connection.on_loop(lambda: connection.loop.channels) == 0


def test_requests_are_joined_to_one_piece_large_values_included() -> None:
    encoder = redis.RedisCommandEncoder()
    data = joined(encoder, [("GET", "a"), ("SET", b"b", b"x" * 100_000)])
    assert data == b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$100000\r\n" + b"x" * 100_000 + b"\r\n"
    with pytest.raises(EncodeError, match="None"):
        joined(encoder, [("GET", "a"), ("SET", None)])  # type: ignore[list-item]  # the mistake is the point


def test_the_error_of_a_command_says_that_nobody_knows_whether_it_was_executed() -> None:
    reason = ChannelBrokenError("reset")
    error = broken("INCR", "tcp://h:1", reason)
    assert isinstance(error, ChannelBrokenError)
    assert str(error) == "reset; INCR was sent to tcp://h:1: it may have been executed, or not"
    assert error.__cause__ is reason
    assert isinstance(broken("INCR", "tcp://h:1", ChannelClosedError("closed")), ChannelClosedError)
