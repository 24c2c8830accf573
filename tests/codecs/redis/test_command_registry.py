from __future__ import annotations

import functools
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from pipeline_net.codecs import redis


def _answer(session: Any, args: redis.Command) -> redis.Reply:
    return redis.OK


def test_a_command_is_found_however_it_is_spelt() -> None:
    table = redis.CommandRegistry()
    assert table.command("get", arity=2)(_answer) is _answer
    for spelling in (b"GET", b"get", b"GeT"):
        entry = table.find([spelling, b"key"])
        assert entry is not None
        assert entry.name == "get"
        assert entry.run is _answer
    assert table.find([b"GETX"]) is None
    assert set(table.spellings) == {b"GET", b"get"}
    assert [entry.name for entry in table] == ["get"]
    assert len(table) == 1


def test_a_subcommand_is_found_by_two_words_and_its_container_is_made_by_itself() -> None:
    table = redis.CommandRegistry()
    table.command("CONFIG GET", arity=-3, group="server")(_answer)
    table.command("CONFIG SET", arity=-4, group="server")(_answer)
    found = table.find([b"config", b"get", b"x"])
    assert found is not None
    assert (found.name, found.arity) == ("config|get", -3)
    assert table.find([b"CONFIG", b"NOPE"]) is None
    container = table.find([b"CONFIG"])
    assert container is not None
    assert (container.name, container.arity) == ("config", -2)
    assert b"CONFIG" not in table.spellings  # or its second word would not be looked at
    assert len(table) == 1


def test_a_name_with_a_bar_is_a_subcommand() -> None:
    table = redis.CommandRegistry()
    table.command("CONFIG GET", arity=-3)(_answer)
    table.command("PING", arity=-1)(_answer)
    names = [b"config|get", b"CONFIG|GET", b"config", b"ping", b"ping|x", b"config|x", b"nope", b"nope|x"]
    found = [entry and entry.name for entry in (table.find_by_name(name) for name in names)]
    assert found == ["config|get", "config|get", "config", "ping", None, None, None, None]


def test_a_container_may_have_a_function_of_its_own_before_or_after_its_subcommands() -> None:
    for names in (["COMMAND", "COMMAND COUNT"], ["COMMAND COUNT", "COMMAND"]):
        table = redis.CommandRegistry()
        for name in names:
            table.command(name, arity=-1 if name == "COMMAND" else 2)(_answer)
        whole, count = table.find([b"COMMAND"]), table.find([b"COMMAND", b"COUNT"])
        assert whole is not None
        assert count is not None
        assert (whole.arity, count.arity) == (-1, 2)
        assert table.spellings == {}


def test_the_same_name_again_replaces_what_was_there() -> None:
    table = redis.CommandRegistry()
    table.command("GET", arity=2)(_answer)
    table.command("GET", arity=3)(_answer)
    entry = table.find([b"get"])
    assert entry is not None
    assert entry.arity == 3
    assert table.spellings[b"get"] is entry
    assert len(table) == 1


@pytest.mark.parametrize(("arity", "least", "most"), [(1, 1, 1), (3, 3, 3), (-1, 1, 2**60), (-3, 3, 2**60)])
def test_arity_says_how_many_words(arity: int, least: int, most: int) -> None:
    entry = redis.CommandEntry("x", arity, _answer)
    assert entry.least == least
    assert entry.most == most or entry.most > most > least


def test_flags_are_shown_in_the_order_of_the_real_server_and_those_for_the_kit_alone_are_not() -> None:
    entry = redis.CommandEntry("x", 1, _answer, "fast immediate write no_auth while_subscribed may_replicate admin")
    assert entry.flags == ("write", "admin", "fast", "no_auth")
    assert entry.is_write
    assert entry.may_replicate
    assert entry.is_immediate
    assert entry.while_subscribed
    assert not entry.needs_auth
    assert not entry.is_monitored
    plain = redis.CommandEntry("x", 1, _answer, "readonly")
    assert not plain.is_write
    assert plain.reads_or_writes
    assert plain.needs_auth
    assert plain.is_monitored


@pytest.mark.parametrize(
    ("flags", "group", "further", "categories"),
    [
        ("write denyoom", "string", "", ("write", "string", "slow")),
        ("readonly fast", "sorted-set", "", ("read", "sortedset", "fast")),
        ("admin noscript", "server", "", ("admin", "slow", "dangerous")),
        ("write blocking", "list", "", ("write", "list", "slow", "blocking")),
        ("pubsub fast", "pubsub", "", ("pubsub", "fast")),
        ("write", "generic", "dangerous", ("keyspace", "write", "slow", "dangerous")),
        ("fast", "transactions", "", ("fast", "transaction")),
    ],
)
def test_flags_and_group_say_the_categories(flags: str, group: str, further: str, categories: tuple[str, ...]) -> None:
    table = redis.CommandRegistry()
    table.command("X", arity=1, flags=flags, group=group, categories=further)(_answer)
    entry = table.find([b"X"])
    assert entry is not None
    assert entry.categories == categories


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": "GET", "arity": 0}, "arity of 'GET' .* cannot be 0"),
        ({"name": "", "arity": 1}, "name of one word"),
        ({"name": "A B C", "arity": 1}, "name of one word"),
        ({"name": "A ", "arity": 1}, "name of one word"),
        ({"name": "GET", "arity": 1, "flags": "wirte"}, "'GET' has the flag 'wirte'"),
    ],
)
def test_a_mistake_is_told_where_it_is_made(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        redis.CommandRegistry().command(**settings)


async def _async(session: Any, args: redis.Command) -> redis.Reply:
    return redis.OK


async def _async_generator(session: Any, args: redis.Command) -> AsyncIterator[redis.Reply]:
    yield redis.OK


def _generator(session: Any, args: redis.Command) -> Iterator[redis.Reply]:
    yield redis.OK


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (_async, r"'CONFIG GET' is async def, and nobody would await it: .* session\.later"),
        (functools.partial(_async), "'CONFIG GET' is async def"),
        (_async_generator, "'CONFIG GET' is async def"),
        (_generator, "'CONFIG GET' is a generator, and nobody would iterate it"),
        (lambda: redis.OK, r"'CONFIG GET' is called as function\(session, args\), but takes \(\)"),
        (lambda args: redis.OK, r"but takes \(args\)"),
        (lambda session, key, value: redis.OK, r"but takes \(session, key, value\)"),
        (lambda session, *, args: redis.OK, r"but takes \(session, \*, args\)"),
        (redis.OK, "'CONFIG GET' is .*, which cannot be called"),
    ],
)
def test_a_function_that_could_not_answer_is_refused_by_the_name_of_its_command(function: Any, complaint: str) -> None:
    table = redis.CommandRegistry()
    with pytest.raises(ValueError, match=complaint):
        table.command("CONFIG GET", arity=3)(function)
    assert len(table) == 0


class _Answers:
    def __call__(self, session: Any, args: redis.Command) -> redis.Reply:
        return redis.OK

    def method(self, session: Any, args: redis.Command) -> redis.Reply:
        return redis.OK


def _of_three(store: Any, session: Any, args: redis.Command) -> redis.Reply:
    return redis.OK


@pytest.mark.parametrize(
    "function",
    [
        *(_Answers(), _Answers().method, functools.partial(_of_three, {}), max),
        *(lambda *words: redis.OK, lambda session, args, more=None: redis.OK),
    ],
)
def test_whatever_can_be_called_with_a_session_and_words_may_answer(function: Callable[..., Any]) -> None:
    table = redis.CommandRegistry()
    assert table.command("X", arity=1)(function) is function
    assert len(table) == 1


@pytest.mark.parametrize("keys", [1, (1, 1), (1, 1, 1, 1), (1, 1, None), (1, 1, True), "one", b"one", None, ["k"] * 3])
def test_keys_are_three_numbers_and_the_complaint_says_which(keys: Any) -> None:
    with pytest.raises(TypeError) as caught:
        redis.CommandRegistry().command("GET", arity=2, keys=keys)
    assert str(caught.value) == (
        "the keys= of 'GET' are three numbers, the first word that is a key, the last, and the step, as in"
        f" keys=(1, 1, 1), and not {keys!r}"
    )


def test_keys_may_stand_in_a_list() -> None:
    table = redis.CommandRegistry()
    table.command("GET", arity=2, keys=[1, -1, 1])(_answer)
    entry = table.find([b"GET", b"a"])
    assert entry is not None
    assert entry.keys == (1, -1, 1)


@pytest.mark.parametrize("text", ["one\r\ntwo", b"one\r\ntwo"])
def test_an_error_is_one_line_and_keeps_its_code(text: str | bytes) -> None:
    assert redis.CommandError(text).reply == redis.RedisError("ERR", "one  two")
    assert redis.CommandError(text, "WRONGTYPE").reply.wire == b"-WRONGTYPE one  two\r\n"


def test_a_command_error_travels_between_processes() -> None:
    """A function may have another process do its work."""
    error = redis.CommandError("no such\nthing", "NOTHING")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, again.reply) == (redis.CommandError, error.args, error.reply)
