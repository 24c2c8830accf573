"""ChannelPipeline: looking at it, naming its stages, what it refuses, and how it is drawn."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pipeline_net import (
    ByteToMessageDecoder,
    ChannelDuplexHandler,
    ChannelHandler,
    ChannelHandlerContext,
    ChannelInboundHandler,
    ChannelOutboundHandler,
    PipelineError,
    ReceiveBuffer,
)
from pipeline_net.testing import EmbeddedChannel

Ctx = ChannelHandlerContext[Any, Any]


class Plain(ChannelHandler):
    """Hears nothing."""


class Reader(ChannelInboundHandler[Any, Any]):
    def channel_read(self, ctx: Ctx, msg: Any) -> None:
        ctx.fire_channel_read(msg)


class Writer(ChannelOutboundHandler[Any, Any]):
    def flush(self, ctx: Ctx) -> None:
        ctx.flush()


class Both(ChannelDuplexHandler[Any, Any, Any, Any]):
    def channel_active(self, ctx: Ctx) -> None:
        ctx.fire_channel_active()

    def read(self, ctx: Ctx) -> None:
        ctx.read()


class Words(ByteToMessageDecoder[bytes]):
    def decode(self, buffer: ReceiveBuffer) -> bytes | None:
        end = buffer.find(b" ")
        return None if end < 0 else buffer.take(end + 1)


class Shared(ChannelInboundHandler[Any, Any]):
    shareable: ClassVar[bool] = True


# -- looking ----------------------------------------------------------------------------------------


def test_an_empty_pipeline_has_nothing() -> None:
    pipeline = EmbeddedChannel().pipeline
    assert (len(pipeline), list(pipeline), pipeline.names, pipeline.first, pipeline.last) == (0, [], [], None, None)


def test_stages_are_listed_from_the_wire_to_the_application() -> None:
    reader, writer, both = Reader(), Writer(), Both()
    pipeline = EmbeddedChannel(reader, ("second", writer), both).pipeline
    assert len(pipeline) == 3
    assert list(pipeline) == [reader, writer, both]
    assert pipeline.names == ["reader", "second", "both"]
    assert pipeline.first is reader
    assert pipeline.last is both


@pytest.mark.parametrize("which", ["second", Writer, "the handler itself"])
def test_a_stage_is_found_by_name_by_class_and_by_itself(which: Any) -> None:
    writer = Writer()
    pipeline = EmbeddedChannel(Reader(), ("second", writer)).pipeline
    which = writer if which == "the handler itself" else which
    assert which in pipeline
    assert pipeline.get(which) is writer
    ctx = pipeline.context(which)
    assert ctx is not None
    assert (ctx.name, ctx.handler) == ("second", writer)


@pytest.mark.parametrize("which", ["head", "tail", "Writer", Writer, Writer()], ids=repr)
def test_what_is_not_there_is_not_found(which: Any) -> None:
    pipeline = EmbeddedChannel(("second", Reader())).pipeline
    assert which not in pipeline
    assert pipeline.get(which) is None
    assert pipeline.context(which) is None
    for change in (pipeline.remove, pipeline.replace, pipeline.add_before, pipeline.add_after):
        with pytest.raises(PipelineError, match="there is no stage"):
            change(which)


@pytest.mark.parametrize("what", [3, None, b"second"])
def test_asking_for_what_can_be_no_stage_says_no(what: object) -> None:
    assert what not in EmbeddedChannel(("second", Reader())).pipeline


def test_the_first_of_several_is_found_by_class() -> None:
    first, second = Reader(), Reader()
    pipeline = EmbeddedChannel(Writer(), first, second).pipeline
    assert pipeline.get(Reader) is first
    assert pipeline.get(ChannelInboundHandler) is first
    assert pipeline.get(second) is second


def test_iterating_goes_on_while_stages_come_and_go() -> None:
    pipeline = EmbeddedChannel(Reader(), Writer(), Both()).pipeline
    seen = []
    for handler in pipeline:
        seen.append(type(handler).__name__)
        pipeline.remove(handler)
        pipeline.add_first(Plain())
    assert seen == ["Reader", "Writer", "Both"]
    assert pipeline.names == ["plain-3", "plain-2", "plain"]


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("class_name", "name"),
    [
        ("Echo", "echo"),
        ("LengthFieldPrepender", "length-field-prepender"),
        ("HTTPServerCodec", "http-server-codec"),
        ("TLSHandler", "tls-handler"),
        ("Utf8Decoder", "utf8-decoder"),
        ("Varint32FrameDecoder", "varint32-frame-decoder"),
        ("_Private", "private"),
        ("lower_case", "lower_case"),
        ("X", "x"),
    ],
)
def test_a_nameless_stage_is_called_after_its_class(class_name: str, name: str) -> None:
    cls: type[ChannelHandler] = type(class_name, (Plain,), {})
    assert EmbeddedChannel(cls()).pipeline.names == [name]


def test_a_nameless_stage_gets_a_number_when_its_name_is_taken() -> None:
    pipeline = EmbeddedChannel(Reader(), Reader(), ("reader-4", Plain()), Reader(), Reader()).pipeline
    assert pipeline.names == ["reader", "reader-2", "reader-4", "reader-3", "reader-5"]
    pipeline.remove("reader-2")
    pipeline.add_last(Reader())
    assert pipeline.names == ["reader", "reader-4", "reader-3", "reader-5", "reader-2"]


def test_a_name_is_given_once() -> None:
    pipeline = EmbeddedChannel(("a", Reader())).pipeline
    with pytest.raises(PipelineError, match="the name 'a' is taken in\n<ChannelPipeline of "):
        pipeline.add_last(("a", Writer()))
    with pytest.raises(PipelineError, match="the name 'b' is taken"):
        pipeline.add_last(("b", Writer()), ("b", Both()))
    assert pipeline.names == ["a"]


def test_a_name_is_free_again_after_its_stage_has_left() -> None:
    pipeline = EmbeddedChannel(("a", Reader())).pipeline
    pipeline.remove("a")
    pipeline.add_last(("a", Writer()))
    assert pipeline.names == ["a"]


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "complaint"),
    [
        (Reader, "a stage is a ChannelHandler, not <class '.*Reader'>: did you mean Reader\\(\\)\\?"),
        ("reader", "a stage is a ChannelHandler, not 'reader'"),
        (None, "a stage is a ChannelHandler, not None"),
        (("", Plain()), r"a stage is a handler or \(name, handler\), not \(''"),
        ((1, Plain()), r"a stage is a handler or \(name, handler\), not \(1"),
        (("a", Plain(), Plain()), r"a stage is a handler or \(name, handler\), not \('a'"),
        (("a", Reader), "a stage is a ChannelHandler, not <class"),
    ],
    ids=str,
)
def test_what_is_no_stage_is_refused_and_changes_nothing(stage: Any, complaint: str) -> None:
    pipeline = EmbeddedChannel(("there", Reader())).pipeline
    newcomer = Writer()
    for change in (
        lambda: pipeline.add_first(newcomer, stage),
        lambda: pipeline.add_last(newcomer, stage),
        lambda: pipeline.add_before("there", newcomer, stage),
        lambda: pipeline.add_after("there", newcomer, stage),
        lambda: pipeline.replace("there", newcomer, stage),
    ):
        with pytest.raises(PipelineError, match=complaint):
            change()
        assert pipeline.names == ["there"]
    pipeline.add_last(newcomer)  # its refusals have not marked it as seated


def test_an_instance_that_is_not_shareable_has_one_seat() -> None:
    reader = Reader()
    channel = EmbeddedChannel(reader)
    for pipeline in (channel.pipeline, EmbeddedChannel().pipeline):
        with pytest.raises(PipelineError, match="has a seat already, and is not shareable: make a new one"):
            pipeline.add_last(reader)
        with pytest.raises(PipelineError, match="has a seat already"):
            pipeline.add_last(*[Writer()] * 2)
    channel.pipeline.remove(reader)
    EmbeddedChannel(reader)  # it may move


def test_an_instance_that_left_with_its_channel_may_be_seated_again() -> None:
    reader = Reader()
    EmbeddedChannel(reader).finish()
    assert EmbeddedChannel(reader).pipeline.first is reader


def test_a_shareable_instance_has_as_many_seats_as_one_likes() -> None:
    shared = Shared()
    first, second = EmbeddedChannel(shared, shared), EmbeddedChannel(shared)
    assert first.pipeline.names == ["shared", "shared-2"]
    first.finish()
    assert list(second.pipeline) == [shared]


# -- drawn ------------------------------------------------------------------------------------------


def test_an_empty_pipeline_is_drawn() -> None:
    channel = EmbeddedChannel()
    assert repr(channel.pipeline) == f"<ChannelPipeline of {channel!r}\n  (no stages)\n>"


def test_a_stage_that_does_not_know_its_unread_bytes_is_drawn_all_the_same() -> None:
    class Broken(ChannelInboundHandler[Any]):
        @property
        def unread_bytes(self) -> int:
            raise LookupError("for a test")

        def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
            raise ValueError("which the report draws")

    channel = EmbeddedChannel(Broken())
    assert "broken  Broken  unread_bytes raised LookupError" in repr(channel.pipeline)
    with pytest.raises(PipelineError, match="handler_removed of 'broken' raised"):
        channel.finish()
    assert channel.close_future.done()
    assert len(channel.pipeline) == 0


def test_a_pipeline_is_drawn_one_line_a_stage() -> None:
    channel = EmbeddedChannel(Reader(), ("w", Writer()), Both(), Plain(), Words())
    channel.write_inbound(b"some wor")
    assert repr(channel.pipeline) == (
        f"<ChannelPipeline of <EmbeddedChannel {channel.id} active, 'embedded' to 'test'>\n"
        "  ↓  reader  Reader\n"
        "   ↑ w       Writer\n"
        "  ↓↑ both    Both\n"
        "     plain   Plain\n"
        "  ↓  words   Words  3 bytes unread\n"
        ">"
    )
