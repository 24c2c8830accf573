"""The stages that follow are chosen by what the handshake agreed upon."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline_net import TlsError
from pipeline_net.handlers import AlpnHandler
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Peer


class Chosen:
    """Functions that make one stage, and write down that they were asked to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.diary = Diary()

    def one(self, channel: Any) -> list[Diary]:
        self.names.append("one")
        return [self.diary]

    def two(self, channel: Any) -> list[Diary]:
        self.names.append("two")
        return [self.diary]

    def other(self, channel: Any) -> list[Diary]:
        self.names.append("other")
        return [self.diary]


def _meet(certificates: Certificates, stage: AlpnHandler, *wanted: str) -> EmbeddedChannel:
    channel = EmbeddedChannel(certificates.server(alpn=["one", "two"]).handler(), stage)
    context = certificates.client_context()
    if wanted:
        context.set_alpn_protocols(list(wanted))
    Peer(channel, context).talk().say(b"hello")
    return channel


@pytest.mark.parametrize(
    ("wanted", "name"),
    [(["two"], "two"), (["two", "one"], "one"), (["three"], "other"), ([], "other")],
)
def test_the_best_protocol_that_both_know_chooses(certificates: Certificates, wanted: list[str], name: str) -> None:
    chosen = Chosen()
    _meet(certificates, AlpnHandler({"one": chosen.one, "two": chosen.two}, chosen.other), *wanted)
    assert chosen.names == [name]


def test_the_chosen_stages_see_what_every_stage_sees(certificates: Certificates) -> None:
    chosen = Chosen()
    channel = _meet(certificates, AlpnHandler({"one": chosen.one}), "one")
    assert [entry for entry in chosen.diary.log if entry != "complete"] == ["active", "TlsHandshakeDone", "read"]
    assert chosen.diary.received == b"hello"
    assert AlpnHandler not in channel.pipeline


def test_without_a_fallback_a_peer_that_knows_none_is_refused(certificates: Certificates) -> None:
    chosen = Chosen()
    with pytest.raises(TlsError, match="no protocol in common: ALPN says None, and there are one"):
        _meet(certificates, AlpnHandler({"one": chosen.one}), "three")
    assert chosen.names == []


def test_other_events_pass() -> None:
    diary = Diary()
    channel = EmbeddedChannel(AlpnHandler({}), diary)
    channel.fire_user_event(7)
    assert diary.log == ["int"]


def test_nobody_behind_hears_of_the_end_of_what_they_have_not_seen_begin(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), AlpnHandler({}), diary)
    channel.close()
    channel.run_pending()
    assert "active" not in diary.log
    assert "inactive" not in diary.log


def test_stages_that_were_there_before_hear_of_the_beginning_once(certificates: Certificates) -> None:
    """TLS that begins later: everybody knows already that the channel is active."""
    diary = Diary()
    channel = EmbeddedChannel(diary)
    channel.pipeline.add_first(certificates.server(alpn=["one"]).handler(), AlpnHandler({"one": lambda channel: []}))
    context = certificates.client_context()
    context.set_alpn_protocols(["one"])
    Peer(channel, context).talk()
    assert diary.log.count("active") == 1
    assert diary.log.count("TlsHandshakeDone") == 1


@pytest.mark.parametrize("what_is_returned", [lambda pipeline: None, lambda pipeline: pipeline])
def test_the_function_may_seat_the_stages_itself(certificates: Certificates, what_is_returned: Any) -> None:
    diary = Diary()

    def seat(channel: Any) -> Any:
        return what_is_returned(channel.pipeline.add_last(diary))

    channel = _meet(certificates, AlpnHandler({"one": seat}), "one")
    assert AlpnHandler not in channel.pipeline
    assert [entry for entry in diary.log if entry != "complete"] == ["active", "TlsHandshakeDone", "read"]
