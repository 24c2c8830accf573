"""The public conformance suite (Autobahn|Testsuite 25.10.1), case by case, for our server and for our client.

All 517 cases are here, as the suite's case definitions have them: once with the suite as a client of
``server_stack()``, which is its "fuzzingclient", and once as a server of ``client_stack()``, its "fuzzingserver".  Each
begins with the handshake.  What plays them (``conformance_suite``) has frames, masks and zlib of its own.  The suite's
own program, which is Python 2, is not run.

What differs from the suite is said in ``conformance_cases`` and ``conformance_compression``: where it takes several
outcomes we want one; no clock runs; a case of 12 and 13 is from 4 to 50 messages and not 1000, of content of the same
kind.  Sizes, chops, fragments and round trips of all others are those of the suite; the limits are raised for section
9.  Here nothing goes through a network: see ``test_conformance_tcp`` for that.
"""

from __future__ import annotations

from typing import Any, Never

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs.websocket import Deflate, Limits, client_stack, server_stack
from pipeline_net.testing import EmbeddedChannel

from .conformance_cases import CASES, CLOSE, LARGE, TEXT, TOGETHER, Case, Event, Frame, close, wrong
from .conformance_compression import COMPRESSED, answer_to, offer_of, understand
from .conformance_suite import Suite

ROOMY = Limits(max_message=16 * 1024 * 1024, max_fragments=65536)
DEFLATE = {  # what we wish ourselves: as little memory as by default, or nothing
    "12": Deflate(),
    "13": Deflate(server_max_window_bits=15, client_max_window_bits=15, threshold=0),
}
ROLES = ("server", "client")


class Echo(ChannelInboundHandler[Any, Never, Any]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, Any], msg: Any) -> None:
        ctx.write(msg)


class EmbeddedLink:
    """Into a channel without a network."""

    def __init__(self, role: str, deflate: Deflate | None = None) -> None:
        stack: Any
        if role == "server":
            stack = server_stack(limits=ROOMY, deflate=deflate)
        else:
            stack = client_stack("ws://suite/", limits=ROOMY, deflate=deflate)
        self.channel = EmbeddedChannel(stack, Echo())

    def send(self, data: bytes) -> None:
        if self.channel.is_open:
            self.channel.write_inbound(data)

    def receive(self) -> bytes:
        data = b"".join(self.channel.outbound)
        self.channel.outbound.clear()
        return data

    def is_quiet(self) -> bool:
        return self.channel.is_open and not self.channel.outbound


def begin(role: str) -> tuple[EmbeddedLink, Suite]:
    link = EmbeddedLink(role)
    if role == "server":
        suite = Suite(link, "client")
        assert suite.ask() == ""
    else:
        suite = Suite(link, "server")
        key, _ = suite.be_asked()
        suite.agree(key)
    return link, suite


def check(role: str, case: Case) -> None:
    link, suite = begin(role)
    suite.play(case)
    assert suite.events == case.events
    assert suite.is_closed
    assert suite.code == case.code
    check_end(link, waits=role == "client" and not case.fails)


def check_end(link: EmbeddedLink, waits: bool) -> None:
    """A server closes TCP, and so does a client that fails the connection; otherwise a client waits for the server."""
    assert link.channel.is_open is waits
    if waits:
        link.channel.finish_input()
    assert not link.channel.is_open
    assert link.receive() == b""


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", CASES)
def test_case(case: str, role: str) -> None:
    check(role, CASES[case])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("case", LARGE)
def test_large_case(case: str, role: str) -> None:
    check(role, LARGE[case]())


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", COMPRESSED)
def test_compressed_case(name: str, role: str) -> None:
    case = COMPRESSED[name]
    link = EmbeddedLink(role, DEFLATE[name.partition(".")[0]])
    if role == "server":
        suite = Suite(link, "client")
        suite.compress(understand(suite.ask(offer_of(case.wishes)), case.wishes))
    else:
        suite = Suite(link, "server")
        key, offered = suite.be_asked()
        answer, agreed = answer_to(offered, case.wishes)
        suite.agree(key, answer)
        suite.compress(agreed)
    for message in case.messages():
        events = [Event(case.opcode, message)]
        suite.play(Case(suite.compressed(message, case.opcode, case.frame_size), TOGETHER, events, None))
        assert suite.events == events
        suite.events.clear()
    suite.play(Case([close(1000)], TOGETHER, [], 1000))
    assert suite.code == 1000
    check_end(link, waits=role == "client")


def test_the_table_has_every_case() -> None:
    counts = {"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126}
    names = [*CASES, *LARGE, *COMPRESSED]
    assert {section: sum(name.split(".")[0] == section for name in names) for section in counts} == counts
    assert len(names) == 517


@pytest.mark.parametrize("role", ROLES)
def test_the_suite_notices_what_is_wrong(role: str) -> None:
    """A case whose expectation is not met does not pass."""
    hello = Frame(TEXT, b"hello")
    for unmet in (wrong([hello]), wrong([hello, Frame(CLOSE)], [Event(TEXT, b"hello")]), wrong([close(1000)])):
        with pytest.raises(AssertionError):
            check(role, unmet)
