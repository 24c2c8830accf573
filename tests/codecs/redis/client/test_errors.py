"""What a caller is told, and what is kept from logs."""

from __future__ import annotations

import pickle

from pipeline_net import PipelineNetError
from pipeline_net.codecs import redis


def test_an_error_reply_says_which_command_it_answers_and_what_the_server_said() -> None:
    error = redis.ReplyError(redis.RedisError("WRONGTYPE", "Operation against a key"), "LPUSH")
    assert str(error) == "LPUSH: WRONGTYPE Operation against a key"
    assert error.code == "WRONGTYPE"
    assert error.error == redis.RedisError("WRONGTYPE", "Operation against a key")
    assert isinstance(error, PipelineNetError)


def test_an_error_reply_without_a_command_is_what_the_server_said() -> None:
    assert str(redis.ReplyError(redis.RedisError("ERR", b"odd \xff bytes"))) == "ERR odd \ufffd bytes"


def test_an_aborted_transaction_is_no_error_reply() -> None:
    assert not issubclass(redis.TransactionAbortedError, redis.ReplyError)
    assert issubclass(redis.TransactionAbortedError, PipelineNetError)


def test_an_error_reply_travels_between_processes() -> None:
    error = redis.ReplyError(redis.RedisError("WRONGTYPE", b"odd \xff bytes"), "LPUSH")
    again = pickle.loads(pickle.dumps(error))
    assert (again.error, again.command, str(again)) == (error.error, error.command, str(error))
