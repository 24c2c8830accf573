"""Replies made at random, right ones and wrong ones, cut anywhere: what ``hiredis`` makes of them, and what we do."""

from __future__ import annotations

from typing import Any

import hiredis
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import DecodeError
from pipeline_net.codecs import redis
from pipeline_net.testing import chunks

S = redis.SimpleString

_scalars = (
    st.none()
    | st.booleans()
    | st.binary(max_size=40)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text("abc äö", max_size=20).map(S)
    | st.builds(redis.RedisError, st.sampled_from(["ERR", "WRONGTYPE"]), st.text("abc ", max_size=20))
    | st.builds(redis.Verbatim, st.sampled_from(["txt", "mkd"]), st.binary(max_size=20))
)
_replies = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=6).map(redis.SetReply)
        | st.dictionaries(st.binary(max_size=5) | st.text("abc", max_size=4).map(S), inner, max_size=4)
    ),
    max_leaves=25,
)
_messages = _replies | st.lists(_replies, min_size=1, max_size=4).map(redis.Push)


def _plain(reply: Any) -> Any:
    """As hiredis tells it: it has no types of its own for lines, sets and pushes."""
    if isinstance(reply, S):
        return reply.text
    if isinstance(reply, redis.Verbatim):
        return reply.data
    if isinstance(reply, redis.RedisError | hiredis.ReplyError):
        return ("error", reply.line.decode("utf-8", "replace") if isinstance(reply, redis.RedisError) else str(reply))
    if isinstance(reply, redis.Null):
        return None
    if isinstance(reply, redis.MapReply):
        return {_plain(key): _plain(value) for key, value in reply}
    if isinstance(reply, dict):
        return {_plain(key): _plain(value) for key, value in reply.items()}
    if isinstance(reply, set):
        return sorted((_plain(member) for member in reply), key=repr)
    if isinstance(reply, list):
        plain = [_plain(item) for item in reply]
        return sorted(plain, key=repr) if type(reply) is redis.SetReply else plain
    return reply if reply == reply else "nan"


def _sorted_sets(reply: Any, like: Any) -> Any:
    """hiredis gives a list for a set, in its order on the wire; put it in ours."""
    if isinstance(like, set | redis.SetReply):
        return sorted(map(_plain, reply), key=repr)
    return _plain(reply)


@given(st.data(), st.lists(_messages, min_size=1, max_size=4))
def test_any_replies_survive_any_cuts(data: st.DataObject, messages: list[Any]) -> None:
    encoder = redis.RedisReplyEncoder(protocol=3)
    wire = b"".join(b"".join(made) if isinstance(made := encoder.encode(m), list) else made for m in messages)
    decoder = redis.RedisReplyDecoder()
    replies = [reply for piece in data.draw(chunks(wire)) for reply in decoder.feed(piece)]
    assert decoder.finish() == []
    again = b"".join(b"".join(made) if isinstance(made := encoder.encode(r), list) else made for r in replies)
    assert len(replies) == len(messages)
    assert len(again) == len(wire)  # sets may come in another order


_flat_messages = st.recursive(_scalars, lambda inner: st.lists(inner, max_size=6), max_leaves=25)


@given(st.data(), st.lists(_flat_messages, min_size=1, max_size=5))
def test_replies_come_as_they_were_meant(exactly: Any, data: st.DataObject, messages: list[Any]) -> None:
    encoder = redis.RedisReplyEncoder(protocol=3)
    wire = b"".join(b"".join(made) if isinstance(made := encoder.encode(m), list) else made for m in messages)
    decoder = redis.RedisReplyDecoder()
    replies = [reply for piece in data.draw(chunks(wire)) for reply in decoder.feed(piece)]
    assert [exactly(reply) for reply in replies] == [redis.NULL if m is None else m for m in messages]
    reader = hiredis.Reader()
    reader.feed(wire)
    assert [_plain(reply) for reply in replies] == [_plain(reader.gets()) for _ in messages]


@given(st.lists(_messages, min_size=1, max_size=3), st.data())
def test_what_hiredis_refuses_is_refused_and_what_both_accept_is_the_same(
    messages: list[Any], data: st.DataObject
) -> None:
    """Where ours is stricter, or knows more, the comparison ends: streams, attributes, big numbers, plus signs."""
    encoder = redis.RedisReplyEncoder(protocol=3)
    wire = bytearray(
        b"".join(b"".join(made) if isinstance(made := encoder.encode(m), list) else made for m in messages)
    )
    for _ in range(data.draw(st.integers(0, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(
            st.sampled_from(b"*$%~>#_,=-0123456789:\r\n xtfe\xff")
        )
    decoder = redis.RedisReplyDecoder()
    try:
        ours = decoder.feed(bytes(wire))
    except DecodeError as exc:
        ours = exc.messages
    reader = hiredis.Reader()
    reader.feed(bytes(wire))
    for reply in ours:
        try:
            theirs = reader.gets()
        except TypeError:
            return  # a map whose key is a list: there it cannot be read
        if _unlike_hiredis(reply):
            return
        assert repr(_sorted_sets(theirs, reply)) == repr(_plain(reply)), bytes(wire)


def _unlike_hiredis(reply: Any) -> bool:
    """Whether something in it has another form there: sets inside, keys that are the same to hiredis, and errors whose
    code is no text, which we take for a sentence without a code.
    """
    if isinstance(reply, redis.RedisError):
        return b"\xff" in reply.text
    if isinstance(reply, redis.MapReply):
        return True
    if isinstance(reply, dict):
        return len(_plain(reply)) < len(reply) or any(map(_holds_set, reply.values()))
    return isinstance(reply, list) and any(map(_holds_set, reply))


def _holds_set(reply: Any) -> bool:
    return isinstance(reply, set | redis.SetReply) or _unlike_hiredis(reply)


_TOKENS = (
    rb"*2\r\n *?\r\n %1\r\n ~2\r\n >1\r\n |1\r\n $?\r\n ;1\r\na\r\n ;0\r\n .\r\n :1\r\n +OK\r\n $1\r\na\r\n _\r\n"
    rb" #t\r\n ,1\r\n (1\r\n =5\r\ntxt:a\r\n !3\r\nERR\r\n \r x"
)


@given(
    st.data(),
    st.lists(st.sampled_from(_TOKENS.replace(rb"\r\n", b"\r\n").replace(rb"\r", b"\r").split(b" ")), max_size=30),
)
def test_any_sequence_of_tokens_comes_to_the_same_however_it_is_cut(
    exactly: Any, data: st.DataObject, tokens: list[bytes]
) -> None:
    wire = b"".join(tokens)
    outcomes = []
    for pieces in ([wire], data.draw(chunks(wire)), [wire[at : at + 1] for at in range(len(wire))]):
        decoder = redis.RedisReplyDecoder(attributes=True)
        replies: list[Any] = []
        error = None
        try:
            for piece in pieces:
                replies += decoder.feed(piece)
            decoder.finish()
        except DecodeError as exc:
            replies += exc.messages
            error = type(exc)
        outcomes.append(([exactly(reply) for reply in replies], error))
    assert outcomes[0] == outcomes[1] == outcomes[2]
