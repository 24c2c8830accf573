"""STARTTLS: TLS is seated in a pipeline that runs, and no byte is lost, wherever the stream is cut."""

from __future__ import annotations

import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_net import (
    ChannelInboundHandler,
    ChannelOptions,
    ForeignThreadError,
    MessageToByteEncoder,
    TlsError,
)
from pipeline_net.codecs import (
    GeneratorDecoder,
    JsonObjectDecoder,
    LengthFieldBasedFrameDecoder,
    LineBasedFrameCodec,
    LineBasedFrameDecoder,
    StringDecoder,
)
from pipeline_net.handlers import FlowControlHandler, ServerTls, TlsHandler, start_tls
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Peer


class NewlineEncoder(MessageToByteEncoder[bytes]):
    def encode(self, msg: bytes) -> bytes:
        return msg + b"\n"


class Session(ChannelInboundHandler[bytes]):
    """Answers lines, and begins with TLS when it is asked to."""

    def __init__(self, tls: ServerTls) -> None:
        self.tls = tls
        self.plain: list[bytes] = []
        self.secret: list[bytes] = []

    def channel_read(self, ctx: Any, msg: bytes) -> None:
        if TlsHandler in ctx.pipeline:
            self.secret.append(msg)
            ctx.write(b"secret " + msg)
        elif msg == b"STARTTLS":
            ctx.write(b"go ahead")
            start_tls(ctx.pipeline, self.tls.handler())
        else:
            self.plain.append(msg)
            ctx.write(b"plain " + msg)


class HastyClient(Peer):
    """Sends its ClientHello together with STARTTLS, without waiting for the answer."""

    def __init__(self, channel: EmbeddedChannel, context: ssl.SSLContext) -> None:
        super().__init__(channel, context)
        self.said_plainly = b""

    def first_flight(self) -> bytes:
        self._work()
        return b"one\ntwo\nSTARTTLS\n" + self.given()

    def take(self) -> bool:
        while self.channel.outbound and not self.said_plainly.endswith(b"go ahead\n"):
            self.said_plainly += self.channel.read_outbound()
        return super().take()


def _stages(tls: ServerTls, kind: str) -> list[Any]:
    if kind == "codec":
        return [LineBasedFrameCodec(), Session(tls)]
    return [LineBasedFrameDecoder(100), NewlineEncoder(), Session(tls)]


def _play(certificates: Certificates, tls: ServerTls, kind: str, cuts: list[int]) -> Session:
    """Let a whole conversation arrive in pieces that end at ``cuts``, counted from its beginning."""
    stages = _stages(tls, kind)
    session: Session = stages[-1]
    channel = EmbeddedChannel(*stages)
    client = HastyClient(channel, certificates.client_context())
    position = 0
    ends = sorted(cuts)

    def deliver(data: bytes) -> None:
        nonlocal position
        here = [end - position for end in ends if position < end < position + len(data)]
        for start, stop in zip([0, *here], [*here, len(data)], strict=True):
            channel.write_inbound(data[start:stop])
        position += len(data)

    deliver(client.first_flight())
    client.take()
    client.write(b"three\nfo")
    client.write(b"ur\n")
    deliver(client.given())
    client.take()
    assert client.said_plainly == b"plain one\nplain two\ngo ahead\n"
    assert client.received == b"secret three\nsecret four\n"
    return session


@pytest.mark.parametrize("kind", ["decoder and encoder", "codec"])
def test_no_byte_is_lost_at_any_cut(certificates: Certificates, kind: str) -> None:
    tls = certificates.server()
    for cut in range(1, 900, 1 if kind != "codec" else 5):  # the whole conversation has some 800 bytes
        session = _play(certificates, tls, kind, [cut])
        assert (session.plain, session.secret) == ([b"one", b"two"], [b"three", b"four"]), cut


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 900), unique=True))
def test_no_byte_is_lost_at_any_cuts(certificates: Certificates, cuts: list[int]) -> None:
    session = _play(certificates, certificates.server(), "decoder and encoder", cuts)
    assert (session.plain, session.secret) == ([b"one", b"two"], [b"three", b"four"])


def test_what_was_smuggled_in_behind_the_command_is_no_command(certificates: Certificates) -> None:
    """Whoever sits in between could put a line there, which must not be taken for one that came encrypted."""
    tls = certificates.server()
    stages = _stages(tls, "decoder and encoder")
    channel = EmbeddedChannel(*stages)
    with pytest.raises(TlsError, match="plain HTTP"):
        channel.write_inbound(b"STARTTLS\nDELETE everything\n")
    assert (stages[-1].plain, stages[-1].secret) == ([], [])


def test_a_client_begins_with_tls_when_the_server_says_so(certificates: Certificates) -> None:
    class Asks(ChannelInboundHandler[bytes]):
        answers: list[bytes]

        def channel_active(self, ctx: Any) -> None:
            self.answers = []
            ctx.write(b"STARTTLS")

        def channel_read(self, ctx: Any, msg: bytes) -> None:
            if TlsHandler in ctx.pipeline:
                self.answers.append(msg)
            else:
                assert msg == b"go ahead"
                start_tls(ctx.pipeline, certificates.client().handler("localhost"))
                ctx.write(b"first secret")

    asks = Asks()
    channel = EmbeddedChannel(LineBasedFrameDecoder(100), NewlineEncoder(), asks)
    assert channel.read_outbound() == b"STARTTLS\n"
    channel.write_inbound(b"go ahead\n")
    peer = Peer(channel, certificates.server_context()).talk()
    assert peer.received == b"first secret\n"
    peer.say(b"welcome\n")
    assert asks.answers == [b"welcome"]


def test_a_second_tls_is_seated_behind_the_first(certificates: Certificates) -> None:
    diary = Diary()
    channel = EmbeddedChannel(certificates.server().handler(), diary)
    Peer(channel, certificates.client_context()).talk()
    inner = certificates.server("other").handler()
    start_tls(channel.pipeline, inner, after=TlsHandler)
    assert list(channel.pipeline)[1:] == [inner, diary]
    assert inner.facts is None


def test_half_a_message_behind_another_decoder_cannot_become_the_beginning_of_a_secret_one(
    certificates: Certificates,
) -> None:
    """Its bytes are no bytes of the wire any more, so TLS cannot have them; and they must not be kept either."""
    tls = certificates.server()
    session = Session(tls)
    channel = EmbeddedChannel(LengthFieldBasedFrameDecoder(100, 0, 1, 0, 1), LineBasedFrameDecoder(100), session)
    with pytest.raises(TlsError, match=r"in the clear .* LineBasedFrameDecoder"):
        channel.write_inbound(b"\x10STARTTLS\nDELETE \x0ceverything\nSET")
    assert not channel.is_open
    assert (session.plain, session.secret) == ([], [])


@pytest.mark.parametrize("decoded", ["bytes", "text"])
def test_a_message_that_waits_to_be_asked_for_is_not_taken_for_a_secret_one(
    certificates: Certificates, decoded: str
) -> None:
    class Slow(ChannelInboundHandler[Any]):
        seen: list[Any]

        def channel_active(self, ctx: Any) -> None:
            self.seen = []
            ctx.read()

        def channel_read(self, ctx: Any, msg: Any) -> None:
            self.seen.append(msg)
            if len(self.seen) == 2:
                start_tls(ctx.pipeline, certificates.server().handler())
            ctx.loop.execute(ctx.read)  # it has something to do first

    slow = Slow()
    between = [StringDecoder()] if decoded == "text" else []
    stages = [LineBasedFrameDecoder(100), *between, FlowControlHandler(), slow]
    channel = EmbeddedChannel(*stages, options=ChannelOptions(auto_read=False))
    with pytest.raises(TlsError, match=r"in the clear .* FlowControlHandler"):
        channel.write_inbound(b"NOOP\nSTARTTLS\nDELETE everything\n")
    assert not channel.is_open
    assert len(slow.seen) == 2


class Story(GeneratorDecoder[bytes]):
    def message(self) -> Any:
        kind = yield 1
        return kind + (yield b"\n")


@pytest.mark.parametrize("decoder", [Story(), JsonObjectDecoder(100)], ids=["generator", "json"])
def test_what_a_decoder_has_taken_of_half_a_message_belongs_to_tls_too(
    certificates: Certificates, decoder: Any
) -> None:
    channel = EmbeddedChannel(decoder, Diary())
    channel.write_inbound(b'{"a": [')
    handler = certificates.server().handler()
    start_tls(channel.pipeline, handler)
    channel.run_pending()
    assert decoder.unread_bytes == 0
    assert str(handler.failure).startswith("the peer speaks no TLS: it began with b'{\"a\": ['")


def test_it_is_begun_on_the_loop(certificates: Certificates) -> None:
    channel = EmbeddedChannel(LineBasedFrameDecoder(100))
    handler = certificates.server().handler()
    with ThreadPoolExecutor(1) as threads, pytest.raises(ForeignThreadError, match="on the channel's loop"):
        threads.submit(start_tls, channel.pipeline, handler).result()
    assert len(channel.pipeline) == 1
