"""DatagramConn: the gnet-style front over UDP; only ``react``, and the answer goes straight back."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import pytest

from pipeline_net import Action, Conn, Datagram, EventHandler, FrameTooLongError, PipelineError
from pipeline_net.codecs.base import ICodec

Dial = Callable[[str], socket.socket]

_HERE = "udp://127.0.0.1:0"
_WAIT = 10.0  # seconds


class Reacting(EventHandler):
    """Does what the test says; the callbacks of connections must never come."""

    def __init__(self, react: Callable[[Conn], Any]) -> None:
        self._react = react

    def react(self, conn: Conn) -> Any:
        return self._react(conn)

    def on_opened(self, conn: Conn) -> Any:
        raise AssertionError("UDP has no connections")

    def on_closed(self, conn: Conn, exc: BaseException | None) -> Any:
        raise AssertionError("UDP has no connections")


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.send(data)
    return client.recv(65536)


def test_the_answer_goes_straight_back_to_the_sender(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    server = serving(Reacting(lambda conn: conn.read()), _HERE)
    one, two = dial(server.addresses[0]), dial(server.addresses[0])
    one.send(b"1")
    two.send(b"2")
    one.send(b"3")
    assert [one.recv(10), one.recv(10), two.recv(10)] == [b"1", b"3", b"2"]
    assert server.connections == []
    server.shutdown()
    serving.join(server)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_empty_datagram_is_one_too(serving: Any, dial: Dial) -> None:
    client = dial(serving(Reacting(lambda conn: conn.read()), _HERE).addresses[0])
    assert exchange(client, b"") == b""
    assert exchange(client, b"after") == b"after"


def test_a_datagram_is_read_in_parts_and_its_rest_is_dropped(serving: Any, dial: Dial) -> None:
    def react(conn: Conn) -> bytes:
        parts = [conn.peek(2), conn.next(1), b"%d" % conn.discard(1), b"%d" % conn.buffered]
        with pytest.raises(BufferError):
            conn.peek(5)
        if conn.buffered == 1:
            parts.append(conn.read_frame())
        return b" ".join(parts)

    client = dial(serving(Reacting(react), _HERE).addresses[0])
    assert exchange(client, b"abcdef") == b"ab a 1 4"
    assert exchange(client, b"xyz") == b"xy x 1 1 z"


def test_several_answers_are_several_datagrams(serving: Any, dial: Dial) -> None:
    told: SimpleQueue[BaseException | None] = SimpleQueue()

    def react(conn: Conn) -> bytes:
        conn.write(b"one")
        conn.async_write(b"two", lambda _, exc: told.put(exc))
        conn.async_writev([b"th", b"ree"])
        return b"four"

    client = dial(serving(Reacting(react), _HERE).addresses[0])
    client.send(b"go")
    assert [client.recv(10) for _ in range(4)] == [b"one", b"two", b"three", b"four"]
    assert told.get(timeout=_WAIT) is None


def test_the_callback_hears_what_the_kernel_did_not_take(serving: Any, dial: Dial) -> None:
    told: SimpleQueue[BaseException | None] = SimpleQueue()

    def react(conn: Conn) -> None:
        conn.async_write(b"x" * 70_000, lambda _, exc: told.put(exc))

    dial(serving(Reacting(react), _HERE).addresses[0]).send(b"go")
    assert isinstance(told.get(timeout=_WAIT), OSError)


def test_a_datagram_conn_is_good_for_one_call_only_and_says_so(serving: Any, dial: Dial) -> None:
    kept: SimpleQueue[Conn] = SimpleQueue()

    def react(conn: Conn) -> bytes:
        kept.put(conn)
        return b"got it"

    client = dial(serving(Reacting(react), _HERE).addresses[0])
    assert exchange(client, b"x") == b"got it"
    assert exchange(client, b"y") == b"got it"  # by now the first call has returned for certain
    conn = kept.get(timeout=_WAIT)
    uses: list[Callable[[], Any]] = [
        conn.read,
        conn.read_frame,
        lambda: conn.peek(1),
        lambda: conn.next(1),
        lambda: conn.discard(1),
        lambda: conn.write(b"late"),
        lambda: conn.async_write(b"late"),
        lambda: conn.async_writev([b"late"]),
    ]
    for use in uses:
        with pytest.raises(PipelineError, match="react has returned"):
            use()
    assert conn.remote_address == client.getsockname()
    assert conn.local_address == client.getpeername()


def test_who_answers_later_writes_a_datagram(serving: Any, dial: Dial) -> None:
    asked: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    client = dial(serving(Reacting(lambda conn: asked.put((conn.channel, conn.remote_address))), _HERE).addresses[0])
    client.send(b"x")
    channel, address = asked.get(timeout=_WAIT)
    channel.write(Datagram(b"later", address)).result(_WAIT)
    assert client.recv(10) == b"later"


def test_what_udp_does_not_have(serving: Any, dial: Dial) -> None:
    def react(conn: Conn) -> Any:
        conn.close()
        with pytest.raises(PipelineError, match="cannot be woken"):
            conn.wake()
        with pytest.raises(PipelineError, match="a datagram is bytes"):
            conn.write(42)
        return conn.read(), Action.CLOSE

    client = dial(serving(Reacting(react), _HERE).addresses[0])
    assert exchange(client, b"once") == b"once"
    assert exchange(client, b"again") == b"again"


@pytest.mark.parametrize("reply", [lambda: 1 / 0, lambda: "text"])
def test_a_react_that_fails_costs_its_datagram_only(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture, reply: Callable[[], Any]
) -> None:
    client = dial(serving(Reacting(lambda conn: reply() if conn.peek(1) == b"!" else conn.read()), _HERE).addresses[0])
    client.send(b"!")
    assert exchange(client, b"next") == b"next"
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_a_datagram_longer_than_receive_size_is_not_handed_on_in_part(
    serving: Any, dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    client = dial(serving(Reacting(lambda conn: conn.read()), _HERE, receive_size=10).addresses[0])
    client.send(b"x" * 11)
    assert exchange(client, b"y" * 10) == b"y" * 10
    assert str(FrameTooLongError(11, 10)) in caplog.text


def test_pre_write_sees_and_replaces_answers(serving: Any, dial: Dial) -> None:
    class Shouting(Reacting):
        def pre_write(self, conn: Conn, data: Any) -> Any:
            return bytes(data).upper() if data != b"quit" else Action.SHUTDOWN

    server = serving(Shouting(lambda conn: conn.read()), _HERE)
    client = dial(server.addresses[0])
    assert exchange(client, b"loud") == b"LOUD"
    assert exchange(client, b"quit") == b"quit"
    serving.join(server)


def test_a_datagram_can_end_the_server(serving: Any, dial: Dial) -> None:
    server = serving(Reacting(lambda conn: (b"bye", Action.SHUTDOWN)), _HERE)
    assert exchange(dial(server.addresses[0]), b"stop") == b"bye"
    serving.join(server)


def test_a_codec_has_nothing_to_do_on_udp(serving: Any, dial: Dial) -> None:
    class Never(ICodec[bytes]):
        def decode(self, buffer: Any) -> bytes | None:
            raise AssertionError("a datagram is a frame")

        def encode(self, message: bytes) -> bytes:
            raise AssertionError("a datagram is a frame")

    client = dial(serving(Reacting(lambda conn: conn.read_frame()), _HERE, codec=Never).addresses[0])
    assert exchange(client, b"frame") == b"frame"


def test_datagrams_that_come_before_the_handler_is_ready_wait(serving: Any, dial: Dial) -> None:
    client: list[socket.socket] = []

    class Preparing(Reacting):
        is_prepared = False

        def on_init_complete(self, server: Any) -> Any:
            client.append(dial(server.addresses[0]))
            client[0].send(b"early")
            self.is_prepared = True

    handler = Preparing(lambda conn: b"%d " % handler.is_prepared + conn.read())
    serving(handler, _HERE)
    assert client[0].recv(100) == b"1 early"


def test_each_loop_may_have_a_socket_of_its_own(serving: Any, dial: Dial) -> None:
    server = serving(Reacting(lambda conn: conn.read()), _HERE, loops=2, reuse_port=True)
    assert len(server.addresses) == 1
    for _ in range(8):
        assert exchange(dial(server.addresses[0]), b"x") == b"x"
