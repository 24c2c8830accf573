"""The door of the Redis house: what the manual promises is offered, and all that is offered is there."""

from __future__ import annotations

from pipeline_net.codecs import redis

_PROMISED = """
    Command Request Reply OK PONG QUEUED NULL NULL_ARRAY
    SimpleString RedisError Verbatim Null Push SetReply MapReply Attributed
    RedisCommandDecoder RedisReplyEncoder RefusalHandler KeyPattern server_stack
    RedisReplyDecoder RedisCommandEncoder client_stack
    RedisPartDecoder RedisPartAggregator Part BulkHead BulkPart AggregateHead End BULK_END AGGREGATE_END
"""


def test_what_the_manual_promises_is_offered() -> None:
    assert set(_PROMISED.split()) <= set(redis.__all__)


def test_everything_offered_is_there_once() -> None:
    assert [name for name in redis.__all__ if not hasattr(redis, name)] == []
    assert len(set(redis.__all__)) == len(redis.__all__)
