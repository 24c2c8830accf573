"""Reading messages: one by one, by iterating, through a callback; and what happens to those that nobody reads."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import FrameType
from typing import Any

import pytest

from pipeline_net import BlockingOperationError, ChannelClosedError, ChannelFuture, EventLoopGroup
from pipeline_net.codecs import redis


@pytest.fixture
def client(loops: EventLoopGroup, real_address: str) -> Iterator[redis.Client]:
    with redis.Client(loops, real_address) as client:
        yield client


def _subscribed(client: redis.Client, *channels: str, **settings: Any) -> redis.Subscription:
    subscription = client.subscribe(*channels, **settings)
    subscription.ready.result(10)
    return subscription


def test_messages_are_read_one_by_one(client: redis.Client) -> None:
    with _subscribed(client, "news", patterns=("w.*",)) as messages:
        client.call("PUBLISH", "news", "hello")
        client.call("PUBLISH", "w.berlin", b"\xff")
        assert messages.next(10) == redis.Message(b"news", b"hello")
        assert messages.next(10) == redis.Message(b"w.berlin", b"\xff", b"w.*")
        assert messages.next(0.001) is None


def test_a_reader_that_stopped_waiting_takes_no_message_with_it(client: redis.Client) -> None:
    with _subscribed(client, "news") as messages:
        assert messages.next(0.001) is None
        given_up = messages.get()
        assert given_up.cancel()
        client.call("PUBLISH", "news", "hello")
        assert messages.next(10) == redis.Message(b"news", b"hello")


def test_readers_that_stopped_waiting_are_not_kept_until_a_message_comes(client: redis.Client) -> None:
    with _subscribed(client, "news") as messages:
        waits = messages.get()
        for _ in range(50):
            assert messages.next(0) is None
        last = messages.get()
        client.call("PUBLISH", "news", "hello")
        assert waits.result(10) == redis.Message(b"news", b"hello")
        assert len(messages._getters) == 1
        assert not last.done()


@pytest.mark.parametrize("read", [next, lambda messages: messages.next(10)])
def test_a_reader_that_is_interrupted_takes_no_message_with_it(
    client: redis.Client, read: Callable[[redis.Subscription], Any]
) -> None:
    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupt

    with _subscribed(client, "news") as messages:
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Interrupt):
                read(messages)
        finally:
            signal.signal(signal.SIGALRM, before)
        client.call("PUBLISH", "news", "hello")
        assert messages.next(10) == redis.Message(b"news", b"hello")


def test_iterating_ends_when_the_subscription_does(client: redis.Client) -> None:
    messages = _subscribed(client, "news")
    seen: list[bytes] = []

    def read() -> None:
        for message in messages:
            seen.append(message.data)
            if message.data == b"9":
                messages.close()

    reader = threading.Thread(target=read)
    reader.start()
    client.execute_many([("PUBLISH", "news", number) for number in range(10)]).result()
    reader.join(10)
    assert seen == [b"%d" % number for number in range(10)]
    assert messages.is_closed
    assert "(ended)" in repr(messages)


def test_it_is_an_async_iterator(loops: EventLoopGroup, real_address: str) -> None:
    async def main() -> list[bytes]:
        seen = []
        async with redis.Client(loops, real_address) as client:
            async with client.subscribe("news") as messages:
                await messages.ready
                client.execute_many([("PUBLISH", "news", number) for number in range(3)])
                async for message in messages:
                    seen.append(message.data)
                    if len(seen) == 3:
                        break
            async for _ in messages:
                raise AssertionError("it has been closed")
        return seen

    assert asyncio.run(main()) == [b"0", b"1", b"2"]


def test_an_iteration_that_is_cancelled_loses_no_message(loops: EventLoopGroup, real_address: str) -> None:
    async def main() -> list[bytes]:
        seen: list[bytes] = []
        async with redis.Client(loops, real_address) as client:
            with client.subscribe("news") as messages:
                await messages.ready
                sending = client.execute_many([("PUBLISH", "news", number) for number in range(200)])
                while len(seen) < 200:
                    step = asyncio.ensure_future(messages.__anext__())
                    await asyncio.sleep(0)
                    step.cancel()
                    try:
                        seen.append((await step).data)
                    except asyncio.CancelledError:
                        await asyncio.sleep(0)
                await sending
        return seen

    assert asyncio.run(main()) == [b"%d" % number for number in range(200)]


def test_a_callback_is_called_on_the_loop_and_may_fail(client: redis.Client, caplog: pytest.LogCaptureFixture) -> None:
    heard: SimpleQueue[tuple[redis.Message, bool]] = SimpleQueue()

    def hear(message: redis.Message) -> None:
        heard.put((message, client.loop.in_loop))
        raise ValueError("not today")

    with _subscribed(client, "news", on_message=hear):
        for data in (b"1", b"2"):
            client.call("PUBLISH", "news", data)
            assert heard.get(timeout=10) == (redis.Message(b"news", data), True)
    assert "not today" in caplog.text


def test_the_oldest_messages_go_when_nobody_reads(client: redis.Client, caplog: pytest.LogCaptureFixture) -> None:
    with _subscribed(client, "news", queue_limit=3) as messages, _subscribed(client, "news") as other:
        client.execute_many([("PUBLISH", "news", number) for number in range(10)]).result()
        for number in range(10):
            assert other.next(10) == redis.Message(b"news", b"%d" % number)
        assert messages.dropped == 7
        assert [messages.next(10) for _ in range(3)] == [redis.Message(b"news", b"%d" % at) for at in (7, 8, 9)]
    assert caplog.text.count("3 messages wait to be read") == 1


def test_a_channel_that_is_named_twice_is_listened_to_once(client: redis.Client) -> None:
    with _subscribed(client, "news", "news") as messages:
        client.call("PUBLISH", "news", "once")
        assert messages.next(10) == redis.Message(b"news", b"once")
        assert messages.next(0.01) is None


@pytest.mark.parametrize(
    ("settings", "complaint"), [({}, "at least one channel"), ({"patterns": ("a",), "queue_limit": 0}, "queue_limit")]
)
def test_a_subscription_to_nothing_is_a_mistake(settings: dict[str, Any], complaint: str, client: redis.Client) -> None:
    with pytest.raises(ValueError, match=complaint):
        client.subscribe(**settings)


def test_waiting_on_the_loop_is_refused(client: redis.Client) -> None:
    messages = _subscribed(client, "news")
    outcome: ChannelFuture[Any] = ChannelFuture(client.loop)

    def wait() -> None:
        try:
            messages.next(1.0)
        except BlockingOperationError as exc:
            outcome.set_result(exc)

    client.loop.execute(wait)
    assert isinstance(outcome.result(10), BlockingOperationError)


def test_who_waits_is_told_when_the_loop_stops(real_address: str, loops: EventLoopGroup) -> None:
    messages = _subscribed(redis.Client(loops, real_address), "news")
    waiting = messages.get()
    loops.shutdown(0.0)
    assert isinstance(waiting.exception(10), ChannelClosedError)
    assert isinstance(messages.get().exception(10), ChannelClosedError)
    assert list(messages) == []


@pytest.mark.parametrize("read", [lambda messages: messages.next(10), next])
def test_a_refusal_is_raised_to_who_reads(
    read: Callable[[Any], Any], loops: EventLoopGroup, fake: Any, greeting: Any
) -> None:
    server = fake(greeting(lambda ctx, command: b"-NOPERM this user has no permissions\r\n"))
    with redis.Client(loops, server.address) as client:
        messages = client.subscribe("secrets")
        with pytest.raises(redis.ReplyError, match="SUBSCRIBE: NOPERM"):
            messages.ready.result(10)
        with pytest.raises(redis.ReplyError, match="SUBSCRIBE: NOPERM"):
            read(messages)
