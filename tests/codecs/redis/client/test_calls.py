"""Calls take as many replies as they have commands, whoever still waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import ChannelFuture, ProtocolError
from pipeline_net.codecs import redis
from pipeline_net.codecs.redis.client.calls import AskedCall, Call, GroupCall, SingleCall, TransactionCall
from pipeline_net.testing import EmbeddedChannel

_ERROR = redis.RedisError("ERR", "no")


def _future() -> ChannelFuture[Any]:
    return EmbeddedChannel().new_promise()


def _give(call: Call, *replies: Any) -> None:
    for reply in replies:
        call.missing -= 1
        call.take(reply)


def _single() -> tuple[SingleCall, ChannelFuture[Any]]:
    future = _future()
    return SingleCall("GET", [b"x"], None, future), future


def _group(kind: type[GroupCall], count: int, *, keeps_errors: bool = False) -> tuple[GroupCall, list[Any]]:
    futures = [_future() for _ in range(count)]
    names = [f"C{number}" for number in range(count)]
    return kind(names, [b"x"], None, _future(), futures, keeps_errors), futures


@pytest.mark.parametrize(
    ("reply", "result"),
    [
        (b"value", b"value"),
        (redis.NULL, None),
        (redis.NULL_ARRAY, None),
        ([b"a", None], [b"a", None]),
        (redis.OK, redis.OK),
        (0, 0),
    ],
)
def test_a_reply_becomes_the_result(reply: Any, result: Any) -> None:
    call, future = _single()
    _give(call, reply)
    assert future.result() == result
    assert call.missing == 0


def test_an_error_becomes_an_exception() -> None:
    call, future = _single()
    _give(call, _ERROR)
    assert isinstance(future.exception(), redis.ReplyError)
    assert str(future.exception()) == "GET: ERR no"


def test_a_reply_to_nobody_is_swallowed() -> None:
    call, future = _single()
    before = call.is_given_up
    future.cancel()
    assert (before, call.is_given_up) == (False, True)
    _give(call, b"late")
    assert future.cancelled()
    call, future = _single()
    call.fail(TimeoutError("late"))
    _give(call, b"late")
    assert isinstance(future.exception(), TimeoutError)


def test_a_group_gives_each_its_own_and_all_to_whoever_waits_for_all() -> None:
    call, futures = _group(GroupCall, 3)
    _give(call, 1, redis.NULL)
    assert not call.done.done()
    assert [future.done() for future in futures] == [True, True, False]
    _give(call, b"c")
    assert call.done.result() == [1, None, b"c"]
    assert [future.result() for future in futures] == [1, None, b"c"]


def test_the_first_error_fails_a_group_after_all_replies_are_there() -> None:
    call, futures = _group(GroupCall, 3)
    _give(call, 1, _ERROR)
    assert not call.done.done()
    _give(call, redis.RedisError("ERR", "another"))
    assert str(call.done.exception()) == "C1: ERR no"
    assert futures[0].result() == 1
    assert str(futures[2].exception()) == "C2: ERR another"


def test_a_group_may_keep_its_errors_as_messages() -> None:
    call, _ = _group(GroupCall, 2, keeps_errors=True)
    _give(call, 1, _ERROR)
    assert call.done.result() == [1, _ERROR]


def test_a_group_is_given_up_when_nobody_waits_for_any_of_it() -> None:
    call, futures = _group(GroupCall, 2)
    call.done.cancel()
    before = call.is_given_up
    for future in futures:
        future.cancel()
    assert (before, call.is_given_up) == (False, True)


def test_a_group_that_fails_fails_everybody_who_has_no_reply_yet() -> None:
    call, futures = _group(GroupCall, 2)
    _give(call, 1)
    call.fail(ConnectionError("gone"))
    assert futures[0].result() == 1
    assert isinstance(futures[1].exception(), ConnectionError)
    assert isinstance(call.done.exception(), ConnectionError)


def test_a_group_is_called_after_its_first_command() -> None:
    assert _group(GroupCall, 1)[0].name == "C0"
    assert _group(GroupCall, 3)[0].name == "C0 and 2 more"


def test_the_reply_to_exec_holds_those_to_all_commands() -> None:
    call, futures = _group(TransactionCall, 2)
    assert call.count == 4
    _give(call, redis.OK, redis.QUEUED, redis.QUEUED)
    assert not any(future.done() for future in futures)
    _give(call, [redis.OK, 7])
    assert call.done.result() == [redis.OK, 7]
    assert futures[1].result() == 7


def test_a_command_that_fails_inside_exec_is_told_to_its_own_caller() -> None:
    call, futures = _group(TransactionCall, 2)
    _give(call, redis.OK, redis.QUEUED, redis.QUEUED, [_ERROR, 7])
    assert str(futures[0].exception()) == "C0: ERR no"
    assert futures[1].result() == 7
    assert str(call.done.exception()) == "C0: ERR no"


def test_a_watched_key_that_changed_aborts_the_transaction() -> None:
    for null in (redis.NULL, redis.NULL_ARRAY):
        call, futures = _group(TransactionCall, 1)
        _give(call, redis.OK, redis.QUEUED, null)
        assert isinstance(call.done.exception(), redis.TransactionAbortedError)
        assert isinstance(futures[0].exception(), redis.TransactionAbortedError)


def test_a_command_that_is_not_even_queued_fails_all_and_is_the_cause() -> None:
    call, futures = _group(TransactionCall, 2)
    _give(call, redis.OK, redis.QUEUED, redis.RedisError("ERR", "unknown command 'C1'"))
    assert str(futures[1].exception()) == "C1: ERR unknown command 'C1'"
    _give(call, redis.RedisError("EXECABORT", "Transaction discarded because of previous errors."))
    error = call.done.exception()
    assert isinstance(error, redis.ReplyError)
    assert error.code == "EXECABORT"
    assert str(error.__cause__) == "C1: ERR unknown command 'C1'"
    assert str(futures[0].exception()).startswith("EXEC: EXECABORT")


def test_a_server_that_refuses_multi_is_the_cause_of_what_exec_says() -> None:
    call, futures = _group(TransactionCall, 1)
    _give(call, redis.RedisError("NOPERM", "not you"), 1, redis.RedisError("ERR", "EXEC without MULTI"))
    error = call.done.exception()
    assert error is not None
    assert str(error.__cause__) == "MULTI: NOPERM not you"
    assert str(futures[0].exception()) == "EXEC: ERR EXEC without MULTI"


@pytest.mark.parametrize("answer", [[1], b"odd", [1, 2, 3]])
def test_an_answer_to_exec_that_does_not_fit_is_the_servers_fault(answer: Any) -> None:
    call, futures = _group(TransactionCall, 2)
    _give(call, redis.OK, redis.QUEUED, redis.QUEUED, answer)
    assert isinstance(call.done.exception(), ProtocolError)
    assert isinstance(futures[0].exception(), ProtocolError)


def test_what_the_client_itself_asks_keeps_the_replies_as_they_are() -> None:
    call = AskedCall("HELLO", [b"x"], 2)
    _give(call, _ERROR, redis.NULL)
    assert call.replies == [_ERROR, redis.NULL]
    assert not call.is_given_up
