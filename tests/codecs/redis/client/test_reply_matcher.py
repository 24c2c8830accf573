"""The stage that knows whose reply comes next: whatever callers do, nobody ever gets somebody else's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_net import ChannelBrokenError, ChannelClosedError, ChannelFuture, CorruptedFrameError, ProtocolError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.client.calls import Call, GroupCall, SingleCall
from pipeline_net.codecs.redis.client.reply_matcher import MatcherOwner, ReplyMatcher
from pipeline_net.testing import EmbeddedChannel, chunks

_SAID = b">2\r\n$7\r\nmessage\r\n$1\r\na\r\n"


class Owner(MatcherOwner):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.opened = 0
        self.answered: list[Call] = []
        self.pushes: list[Any] = []
        self.room = 0
        self.ends: list[BaseException] = []

    def channel_opened(self, matcher: ReplyMatcher) -> None:
        self.opened += 1

    def channel_ended(self, matcher: ReplyMatcher, error: BaseException) -> None:
        self.ends.append(error)

    def call_answered(self, call: Call) -> None:
        self.answered.append(call)

    def may_send_again(self) -> None:
        self.room += 1

    def pushed(self, push: redis.Push) -> None:
        self.pushes.append(push)


class Wired:
    """A matcher on a decoder, in a channel whose network is the test."""

    def __init__(self) -> None:
        self.owner = Owner()
        self.matcher = ReplyMatcher(self.owner)
        self.matcher.decoder = decoder = redis.RedisReplyDecoder()
        self.channel = EmbeddedChannel(decoder, self.matcher)

    def ask(self, data: bytes = b"GET") -> ChannelFuture[Any]:
        future: ChannelFuture[Any] = self.channel.new_promise()
        self.matcher.send(SingleCall(data.decode(), [data], None, future))
        self.channel.run_pending()
        return future


@pytest.fixture
def wired() -> Wired:
    return Wired()


def test_the_owner_hears_when_the_channel_is_open(wired: Wired) -> None:
    assert wired.owner.opened == 1
    assert wired.matcher.may_send


def test_replies_go_to_callers_in_the_order_in_which_they_asked(wired: Wired) -> None:
    first, second, third = wired.ask(b"1"), wired.ask(b"2"), wired.ask(b"3")
    wired.channel.run_pending()
    assert wired.channel.outbound == [b"1", b"2", b"3"]
    wired.channel.write_inbound(b"+a\r\n:2\r", b"\n$1\r\nc\r\n")
    assert [first.result(), second.result(), third.result()] == [redis.SimpleString("a"), 2, b"c"]
    assert len(wired.owner.answered) == 3
    assert not wired.matcher.in_flight


def test_a_caller_who_gives_up_does_not_shift_the_others(wired: Wired) -> None:
    first, second, third = wired.ask(), wired.ask(), wired.ask()
    second.cancel()
    first.fail_if_pending(TimeoutError("late"))
    wired.channel.write_inbound(b":1\r\n:2\r\n:3\r\n")
    assert third.result() == 3
    assert second.cancelled()
    assert isinstance(first.exception(), TimeoutError)


def test_a_push_is_nobodys_reply(wired: Wired) -> None:
    future = wired.ask()
    wired.channel.write_inbound(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n")
    assert not future.done()
    assert wired.owner.pushes == [[b"invalidate", [b"a"]]]
    wired.channel.write_inbound(b":1\r\n>1\r\n+x\r\n")
    assert future.result() == 1


def test_a_call_of_several_commands_takes_several_replies(wired: Wired) -> None:
    done: ChannelFuture[Any] = wired.channel.new_promise()
    wired.matcher.send(GroupCall(["A", "B"], [b"AB"], None, done, None, False))
    after = wired.ask()
    wired.channel.write_inbound(b":1\r\n:2\r\n:3\r\n")
    assert done.result() == [1, 2]
    assert after.result() == 3


def test_a_reply_that_nobody_asked_for_ends_the_connection(wired: Wired) -> None:
    wired.channel.write_inbound(b":1\r\n:2\r\n")
    (end,) = wired.owner.ends
    assert isinstance(end, ProtocolError)
    assert str(end) == "the server has replied 1 to nothing"
    assert not wired.channel.is_open


@pytest.mark.parametrize("others", [0, 1])
def test_a_reply_that_comes_before_its_command_has_left_is_nobodys(others: int, wired: Wired) -> None:
    before = [wired.ask(b"1") for _ in range(others)]
    future: ChannelFuture[Any] = wired.channel.new_promise()
    wired.matcher.send(SingleCall("2", [b"2"], None, future))
    wired.channel.pipeline.fire_channel_read(b"+1\r\n" * others + b"+evil\r\n")  # in the turn in which it was asked
    wired.channel.run_pending()
    assert [asked.result() for asked in before] == [redis.SimpleString("1")] * others
    assert not future.done()
    (end,) = wired.owner.ends
    assert str(end) == "the server has replied SimpleString(b'evil') before it was asked 2"


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"+", b"evil\r\n"),
        (b"+evil\r", b"\n"),
        (b"$4\r\n", b"evil\r\n"),
        (b"*2\r\n+ev\r\n", b"+il\r\n"),
        (b"|1\r\n+a\r\n", b"+b\r\n+evil\r\n"),
    ],
)
def test_a_reply_that_had_begun_before_anybody_asked_is_nobodys(begun: bytes, rest: bytes, wired: Wired) -> None:
    assert len(redis.RedisReplyDecoder().feed(begun + rest)) == 1, "it would be one"
    wired.channel.write_inbound(begun)
    future = wired.ask()
    wired.channel.write_inbound(rest)
    assert not future.done()
    (end,) = wired.owner.ends
    assert "before it was asked" in str(end)


@pytest.mark.parametrize("at", range(1, len(_SAID)))
def test_a_push_may_have_begun_before_somebody_asks(at: int, wired: Wired) -> None:
    wired.channel.write_inbound(_SAID[:at])
    future = wired.ask()
    wired.channel.write_inbound(_SAID[at:] + b":1\r\n")
    assert future.result() == 1
    assert wired.owner.pushes == [[b"message", b"a"]]
    assert wired.owner.ends == []


@pytest.mark.parametrize("nonsense", [b"?what\r\n", b":1x\r\n", b"$-7\r\n"])
def test_bytes_that_are_no_reply_end_the_connection_and_nothing_after_them_counts(
    nonsense: bytes, wired: Wired
) -> None:
    first, second = wired.ask(), wired.ask()
    wired.channel.write_inbound(b":1\r\n" + nonsense + b":2\r\n")
    assert first.result() == 1
    (end,) = wired.owner.ends
    assert isinstance(end, ProtocolError)
    assert not second.done()
    assert len(wired.matcher.in_flight) == 1


def test_a_server_that_says_no_more_is_given_up_at_once(wired: Wired) -> None:
    wired.ask()
    wired.channel.finish_input()
    (end,) = wired.owner.ends
    assert isinstance(end, ChannelBrokenError)
    assert str(end) == "the server has closed the connection"


def test_a_server_that_stops_in_the_middle_of_a_reply_is_told_apart(wired: Wired) -> None:
    wired.ask()
    wired.channel.write_inbound(b"$5\r\nhal")
    wired.channel.finish_input()
    (end,) = wired.owner.ends
    assert isinstance(end, CorruptedFrameError)


def test_a_network_that_breaks_is_the_reason(wired: Wired) -> None:
    wired.ask()
    wired.channel.fail(ConnectionResetError("reset"))
    wired.channel.run_pending()
    (end,) = wired.owner.ends
    assert isinstance(end, ChannelBrokenError)
    assert isinstance(end.__cause__, ConnectionResetError)


def test_calls_of_a_connection_that_is_released_are_handed_over_once(wired: Wired) -> None:
    future = wired.ask()
    (call,) = wired.matcher.release(ChannelClosedError("enough"))
    assert isinstance(call, SingleCall)
    assert call.future is future
    wired.channel.run_pending()
    assert not wired.channel.is_open
    assert not wired.matcher.in_flight
    assert not wired.matcher.may_send
    assert [str(end) for end in wired.owner.ends] == ["enough"]


def test_what_was_sent_is_not_kept_to_be_sent_again(wired: Wired) -> None:
    wired.ask()
    assert wired.matcher.in_flight[0].data == []


def test_a_peer_that_does_not_read_stops_the_sending_until_it_does(wired: Wired) -> None:
    wired.channel.peer_window = 0
    wired.ask(b"x" * 100_000)
    could_send = wired.matcher.may_send
    wired.channel.peer_window = None
    wired.channel.run_pending()
    assert (could_send, wired.matcher.may_send) == (False, True)
    assert wired.owner.room == 1


def test_a_reply_that_stays_out_after_a_timeout_ends_the_connection(wired: Wired) -> None:
    future = wired.ask()
    future.fail_if_pending(TimeoutError("late"))
    wired.matcher.expect_late(30.0)
    wired.channel.advance(29.9)
    assert len(wired.owner.ends) == 0
    wired.channel.advance(0.2)
    (end,) = wired.owner.ends
    assert str(end) == "the reply to GET is more than 30 s late"


def test_a_reply_that_is_only_late_does_not(wired: Wired) -> None:
    first = wired.ask()
    first.fail_if_pending(TimeoutError("late"))
    wired.matcher.expect_late(30.0)
    wired.channel.advance(10.0)
    second = wired.ask()
    second.fail_if_pending(TimeoutError("late"))
    wired.matcher.expect_late(30.0)
    wired.channel.write_inbound(b":1\r\n")
    wired.channel.advance(20.0)  # the first one came; the second gets as long again
    wired.channel.advance(29.0)
    assert wired.owner.ends == []
    wired.channel.advance(1.0)
    assert len(wired.owner.ends) == 1


def test_a_connection_that_ends_leaves_no_timer(wired: Wired) -> None:
    wired.ask().fail_if_pending(TimeoutError("late"))
    wired.matcher.expect_late(30.0)
    wired.channel.finish_input()
    wired.channel.advance(60.0)
    assert len(wired.owner.ends) == 1


_ASK, _CANCEL, _TIME_OUT, _REPLY, _PUSH = range(5)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_replies_are_never_off_by_one_whatever_callers_do(data: st.DataObject) -> None:
    """Callers ask, cancel and time out at random; replies and pushes come at random, cut anywhere."""
    wired = Wired()
    futures: list[ChannelFuture[Any]] = []
    given_up: set[int] = set()
    unsent = b""
    replied = pushes = 0
    for step in data.draw(st.lists(st.sampled_from(range(5)), max_size=60)):
        if step == _ASK:
            futures.append(wired.ask(b"%d" % len(futures)))
        elif step in (_CANCEL, _TIME_OUT) and futures:
            number = data.draw(st.integers(0, len(futures) - 1))
            if not futures[number].done():
                given_up.add(number)
                if step == _CANCEL:
                    futures[number].cancel()
                else:
                    futures[number].fail_if_pending(TimeoutError("late"))
        elif step == _REPLY and replied < len(futures):
            unsent += b"$%d\r\n%d\r\n" % (len(str(replied)), replied)
            replied += 1
        elif step == _PUSH:
            unsent += b">1\r\n+x\r\n"
            pushes += 1
        if unsent and data.draw(st.booleans()):
            for piece in data.draw(chunks(unsent)):
                wired.channel.write_inbound(piece)
            unsent = b""
    wired.channel.write_inbound(unsent)
    for number, future in enumerate(futures):
        if number in given_up:
            assert future.done()
            assert future.cancelled() or isinstance(future.exception(), TimeoutError)
        elif number < replied:
            assert future.result() == b"%d" % number
        else:
            assert not future.done()
    assert len(wired.owner.pushes) == pushes
    assert len(wired.matcher.in_flight) == len(futures) - replied
