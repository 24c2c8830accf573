"""The door of the Redis house offers what the manual promises for servers."""

from __future__ import annotations

from pipeline_net.codecs import redis

# As they are grouped in the manual.
_PROMISED = """
    CommandTable CommandRegistry CommandEntry CommandError CommandHandler
    Session LATER NO_REPLY
    ServerState KeyWatcher OutputLimit PubSub
    integer printable
"""


def test_the_door_offers_the_server_kit() -> None:
    assert set(_PROMISED.split()) <= set(redis.__all__)


def test_everything_offered_is_there_once() -> None:
    assert [name for name in redis.__all__ if not hasattr(redis, name)] == []
    assert len(set(redis.__all__)) == len(redis.__all__)
