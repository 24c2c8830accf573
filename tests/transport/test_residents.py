"""Who lives on a loop: counted from the moment that it is expected until it is gone."""

from __future__ import annotations

import threading

from pipeline_net import ChannelFuture, ChannelOptions, EventLoop
from pipeline_net.loop import Listener
from pipeline_net.transport.stream_channel import StreamChannel


class Door(Listener):
    def __init__(self, loop: EventLoop, shut: list[str], name: str) -> None:
        self._loop = loop
        self._shut = shut
        self._name = name
        loop.adopt_listener(self)

    def stop_listening(self) -> None:
        self._loop.forget_listener(self)
        self._shut.append(self._name)


def test_a_channel_counts_while_it_is_on_its_way_and_while_it_is_here(lone: EventLoop) -> None:
    assert lone.channels == 0
    lone.expect()
    assert lone.channels == 1
    lone.arrived()
    channel = StreamChannel(lone, ChannelOptions(), None)
    assert lone.channels == 1
    lone.forget(channel)
    assert lone.channels == 0
    lone.forget(channel)  # again is allowed
    assert lone.channels == 0


def test_expecting_is_counted_right_from_many_threads(lone: EventLoop) -> None:
    def come_and_go() -> None:
        for _ in range(2_000):
            lone.expect()
        for _ in range(1_999):
            lone.arrived()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lone.channels == 4


def test_every_listener_is_told_to_stop_although_that_takes_it_out_of_the_set(lone: EventLoop) -> None:
    shut: list[str] = []
    doors = [Door(lone, shut, name) for name in "abc"]
    lone.close_listeners()
    assert sorted(shut) == ["a", "b", "c"]
    lone.close_listeners()
    assert len(shut) == len(doors)


def test_who_waits_for_the_last_to_go_is_told_then_or_at_once(lone: EventLoop) -> None:
    channels = [StreamChannel(lone, ChannelOptions(), None) for _ in range(2)]
    empty: ChannelFuture[None] = ChannelFuture(lone)
    lone.when_empty(empty)
    lone.forget(channels[0])
    assert not empty.done()
    lone.forget(channels[1])
    assert empty.done()
    at_once: ChannelFuture[None] = ChannelFuture(lone)
    lone.when_empty(at_once)
    assert at_once.done()
