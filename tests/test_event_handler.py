"""EventHandler: which callback comes when, what it may return, and what happens when one fails; over real sockets."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import (
    Action,
    ChannelBrokenError,
    Conn,
    CorruptedFrameError,
    EventHandler,
    PipelineError,
    ReceiveBuffer,
    serve,
)
from pipeline_net.codecs.base import ICodec
from pipeline_net.server import RunningServer

Dial = Callable[[str], socket.socket]

_WAIT = 10.0  # seconds; how long a test waits for what must come


class Lines(ICodec[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b"\n")
        if end < 0:
            return None
        line = buffer.take(end)
        buffer.skip(1)
        return line

    def encode(self, message: bytes) -> bytes:
        return bytes(message) + b"\n"


class Diary(EventHandler):
    """Echoes, and writes down what is called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.closed: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def on_init_complete(self, server: RunningServer) -> Any:
        self.calls.append("on_init_complete")

    def on_opened(self, conn: Conn) -> Any:
        self.calls.append("on_opened")

    def react(self, conn: Conn) -> Any:
        self.calls.append("react")
        return conn.read()

    def on_eof(self, conn: Conn) -> Any:
        self.calls.append("on_eof")
        return Action.CLOSE

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        self.calls.append("on_closed")
        self.closed.put((conn.context, exc))

    def on_shutdown(self, server: RunningServer) -> Any:
        self.calls.append("on_shutdown")


def received(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(65536)


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_the_callbacks_come_in_the_order_of_a_servers_life(serving: Any, dial: Dial) -> None:
    handler = Diary()
    server = serving(handler)
    client = dial(server.addresses[0])
    assert exchange(client, b"hello") == b"hello"
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b""
    server.shutdown()
    serving.join(server)
    assert handler.calls == ["on_init_complete", "on_opened", "react", "on_eof", "on_closed", "on_shutdown"]
    assert handler.closed.get(timeout=_WAIT) == (None, None)


@pytest.mark.parametrize("codec", [None, Lines])
def test_what_on_opened_returns_greets_the_peer_through_the_codec(serving: Any, dial: Dial, codec: Any) -> None:
    class Polite(Diary):
        def on_opened(self, conn: Conn) -> Any:
            return b"welcome"

    client = dial(serving(Polite(), codec=codec).addresses[0])
    assert client.recv(100) == (b"welcome" if codec is None else b"welcome\n")


def test_what_is_sent_before_close_arrives(serving: Any, dial: Dial) -> None:
    data = bytes(range(256)) * 8192  # 2 MiB: far more than the kernel takes at once

    class Farewell(Diary):
        def react(self, conn: Conn) -> Any:
            conn.write(b"first ")
            return data, Action.CLOSE

    handler = Farewell()
    client = dial(serving(handler).addresses[0])
    client.sendall(b"go, and this the server leaves unread")
    assert received(client) == b"first " + data
    assert handler.closed.get(timeout=_WAIT) == (None, None)


def test_who_answers_elsewhere_may_stay_open_when_the_peer_has_said_all(serving: Any, dial: Dial) -> None:
    class Slow(Diary):
        def react(self, conn: Conn) -> Any:
            conn.context = conn.read()

        def on_eof(self, conn: Conn) -> Any:
            def answer() -> None:
                conn.async_write(conn.context[::-1])
                conn.close()

            threading.Thread(target=answer).start()

    client = dial(serving(Slow()).addresses[0])
    client.sendall(b"abc")
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b"cba"


# -- how a connection ended -------------------------------------------------------------------------


def test_a_peer_that_resets_is_reported_as_broken(serving: Any, dial: Dial) -> None:
    handler = Diary()
    client = dial(serving(handler).addresses[0])
    assert exchange(client, b"x") == b"x"
    reset(client)
    _, exc = handler.closed.get(timeout=_WAIT)
    assert isinstance(exc, ChannelBrokenError)
    assert isinstance(exc.__cause__, OSError)


def test_a_truncated_frame_is_reported(serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    handler = Diary()
    client = dial(serving(handler, codec=Lines).addresses[0])
    client.sendall(b"whole\nhalf")
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b"whole\n"
    _, exc = handler.closed.get(timeout=_WAIT)
    assert isinstance(exc, CorruptedFrameError)


# -- callbacks that fail ----------------------------------------------------------------------------


class Failing(Diary):
    """Fails in one callback for connections that say "fail"; does the same as ever for the others."""

    def __init__(self, where: str, how: Callable[[], Any]) -> None:
        super().__init__()
        self._where = where
        self._how = how

    def _perhaps(self, callback: str, conn: Conn, reply: Any) -> Any:
        return self._how() if callback == self._where and conn.context == b"fail" else reply

    def react(self, conn: Conn) -> Any:
        data = conn.read()
        if conn.context is None:
            conn.context = data
        return self._perhaps("react", conn, data)

    def on_eof(self, conn: Conn) -> Any:
        return self._perhaps("on_eof", conn, Action.CLOSE)

    def pre_write(self, conn: Conn, data: Any) -> Any:
        return self._perhaps("pre_write", conn, None)

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        super().on_closed(conn, exc)
        return self._perhaps("on_closed", conn, None)


def divide() -> Any:
    return 1 / 0


def text() -> Any:
    return "text"


@pytest.mark.parametrize("where", ["react", "on_eof", "pre_write"])
@pytest.mark.parametrize(("how", "error"), [(divide, ZeroDivisionError), (text, PipelineError)])
def test_a_callback_that_fails_is_logged_and_costs_its_own_connection(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture, where: str, how: Callable[[], Any], error: type
) -> None:
    handler = Failing(where, how)
    server = serving(handler)
    neighbour = dial(server.addresses[0])
    assert exchange(neighbour, b"before") == b"before"
    client = dial(server.addresses[0])
    client.sendall(b"fail")
    client.shutdown(socket.SHUT_WR)
    answer = received(client)
    assert answer == (b"fail" if where == "on_eof" else b"")
    context, exc = handler.closed.get(timeout=_WAIT)
    assert (context, type(exc)) == (b"fail", error)
    if error is PipelineError:
        assert f"{where} returned 'text'" in str(exc)
    assert exchange(neighbour, b"after") == b"after"
    logged = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.exc_info[1] for record in logged if record.exc_info] == [exc]


@pytest.mark.parametrize(("how", "error"), [(divide, ZeroDivisionError), (lambda: b"x", PipelineError)])
def test_on_closed_that_fails_is_logged(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture, how: Callable[[], Any], error: type
) -> None:
    handler = Failing("on_closed", how)
    server = serving(handler)
    client = dial(server.addresses[0])
    assert exchange(client, b"fail") == b"fail"
    client.close()
    handler.closed.get(timeout=_WAIT)
    assert exchange(dial(server.addresses[0]), b"others") == b"others"  # the loop has gone through it by now
    logged = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert logged == [error]
    assert server.connections != []


def test_on_opened_that_fails_closes_with_that_reason(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Diary):
        def on_opened(self, conn: Conn) -> Any:
            raise LookupError("no place")

    handler = Broken()
    client = dial(serving(handler).addresses[0])
    assert received(client) == b""
    assert isinstance(handler.closed.get(timeout=_WAIT)[1], LookupError)


@pytest.mark.parametrize("error", [LookupError, SystemExit])
def test_a_pre_write_that_fails_for_somebody_who_waits_tells_that_one_too(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    told: SimpleQueue[BaseException | None] = SimpleQueue()

    class Broken(Diary):
        def react(self, conn: Conn) -> Any:
            conn.async_write(conn.read(), lambda _, exc: told.put(exc))

        def pre_write(self, conn: Conn, data: Any) -> Any:
            raise error("no ink")

    handler = Broken()
    client = dial(serving(handler).addresses[0])
    client.sendall(b"x")
    assert received(client) == b""
    assert isinstance(told.get(timeout=_WAIT), error)
    assert isinstance(handler.closed.get(timeout=_WAIT)[1], error)


# -- pre_write --------------------------------------------------------------------------------------


def test_pre_write_sees_what_goes_to_the_socket_and_may_send_something_else(serving: Any, dial: Dial) -> None:
    seen: list[bytes] = []

    class Shouting(Diary):
        def pre_write(self, conn: Conn, data: Any) -> Any:
            seen.append(bytes(data))
            return {b"loud\n": bytes(data).upper(), b"bye\n": Action.CLOSE}.get(bytes(data))

    client = dial(serving(Shouting(), codec=Lines).addresses[0])
    client.sendall(b"calm\nloud\nbye\nnever\n")
    assert received(client) == b"calm\nLOUD\nbye\n"
    assert seen == [b"calm\n", b"loud\n", b"bye\n"]


def test_pre_write_may_end_the_server(serving: Any, dial: Dial) -> None:
    class Last(Diary):
        def pre_write(self, conn: Conn, data: Any) -> Any:
            return Action.SHUTDOWN

    server = serving(Last())
    client = dial(server.addresses[0])
    client.sendall(b"x")
    assert received(client) == b"x"
    serving.join(server)


def test_a_handler_without_pre_write_pays_nothing_for_it(serving: Any, dial: Dial) -> None:
    names: SimpleQueue[list[str]] = SimpleQueue()

    class Looking(EventHandler):
        def on_opened(self, conn: Conn) -> None:
            names.put(conn.channel.pipeline.names)

    dial(serving(Looking()).addresses[0])
    assert names.get(timeout=_WAIT) == ["conn-stage"]


# -- tick -------------------------------------------------------------------------------------------


class Ticking(Diary):
    """Returns, tick by tick, what the test gave; an exception is raised."""

    def __init__(self, *replies: Any) -> None:
        super().__init__()
        self._replies = list(replies)
        self.threads: SimpleQueue[str] = SimpleQueue()

    def tick(self) -> Any:
        self.threads.put(threading.current_thread().name)
        reply = self._replies.pop(0) if self._replies else (0.0, Action.SHUTDOWN)
        if isinstance(reply, Exception):
            raise reply
        return reply


def test_ticks_come_on_one_loop_from_the_start_until_one_ends_the_server(serving: Any) -> None:
    handler = Ticking(0.001, (0.0, Action.NONE), 0)
    server = serving(handler, ticker=True, loops=2)
    serving.join(server)
    threads = [handler.threads.get(timeout=_WAIT) for _ in range(4)]
    assert len(set(threads)) == 1
    assert threads[0].startswith("loop-")
    assert handler.threads.empty()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (ValueError("a bad day"), ValueError),
        *((reply, PipelineError) for reply in (None, b"x", "1", -1, True, float("nan"), float("inf"), (1,), (1, 2))),
    ],
)
def test_a_tick_that_fails_is_logged_and_the_next_one_comes_after_the_last_delay(
    serving: Any, caplog: pytest.LogCaptureFixture, reply: Any, error: type
) -> None:
    handler = Ticking(0.001, reply)
    serving.join(serving(handler, ticker=True))
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [error]
    assert "the next one comes in 0.001 s" in caplog.text


def test_no_ticker_no_ticks(serving: Any, dial: Dial) -> None:
    handler = Ticking()
    assert exchange(dial(serving(handler).addresses[0]), b"x") == b"x"
    assert handler.threads.empty()


def test_a_ticker_without_a_tick_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match=r"Diary has no method tick\(self\)"):
        serve(Diary(), "tcp://127.0.0.1:0", ticker=True)
    with pytest.raises(NotImplementedError, match="Diary"):
        Diary().tick()
