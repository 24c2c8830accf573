"""Stages between messages: each promise of the docstrings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipeline_net.codecs.message_to_message import (
    MessageToMessageCodec,
    MessageToMessageDecoder,
    MessageToMessageEncoder,
)
from pipeline_net.context import ChannelHandlerContext
from pipeline_net.errors import CorruptedFrameError
from pipeline_net.handler import ChannelInboundHandler
from pipeline_net.options import ChannelOptions
from pipeline_net.testing import EmbeddedChannel

Context = ChannelHandlerContext[Any, Any]


class Words(MessageToMessageCodec[str, str, list[str], str]):
    """Lines to words, and lists of words to lines."""

    def decode(self, ctx: Context, msg: str) -> str | list[str] | None:
        words = msg.split()
        return None if not words else words[0] if len(words) == 1 else words

    def encode(self, ctx: Context, msg: list[str]) -> str | list[str] | None:
        return None if not msg else " ".join(msg) if len(msg) < 3 else msg


class DecodesWords(MessageToMessageDecoder[str, str]):
    def decode(self, ctx: Context, msg: str) -> str | list[str] | None:
        return [] if msg == "nothing" else Words().decode(ctx, msg)


class EncodesWords(MessageToMessageEncoder[list[str], str]):
    def encode(self, ctx: Context, msg: list[str]) -> str | list[str] | None:
        return Words().encode(ctx, msg)


class Forgives(ChannelInboundHandler[Any, Any]):
    def exception_caught(self, ctx: Context, exc: BaseException) -> None:
        ctx.fire_channel_read(type(exc))


class TestMessagesToMessages:
    @pytest.mark.parametrize("stage", [Words, DecodesWords])
    def test_one_message_becomes_none_one_or_several(self, stage: Callable[[], Any]) -> None:
        channel = EmbeddedChannel(stage())
        channel.write_inbound("", "a", "b c d")
        assert channel.inbound == ["a", "b", "c", "d"]

    @pytest.mark.parametrize("stage", [Words, DecodesWords])
    def test_a_message_that_became_nothing_asks_for_more(self, stage: Callable[[], Any]) -> None:
        channel = EmbeddedChannel(stage(), options=ChannelOptions(auto_read=False))
        channel.write_inbound("")
        assert channel.reads_requested == 1
        channel.write_inbound("a")
        assert channel.reads_requested == 1

    def test_so_does_one_that_became_an_empty_list(self) -> None:
        channel = EmbeddedChannel(DecodesWords(), options=ChannelOptions(auto_read=False))
        channel.write_inbound("nothing")
        assert channel.reads_requested == 1

    @pytest.mark.parametrize("stage", [Words, EncodesWords])
    def test_one_write_becomes_none_one_or_several(self, stage: Callable[[], Any]) -> None:
        channel = EmbeddedChannel(stage())
        promises = [channel.write(words) for words in ([], ["a", "b"], ["c", "d", "e"])]
        channel.run_pending()
        assert channel.outbound == ["a b", "c", "d", "e"]
        assert [promise.done() for promise in promises] == [True] * 3

    def test_what_decode_raises_costs_that_message_alone(self) -> None:
        class Strict(DecodesWords):
            def decode(self, ctx: Context, msg: str) -> str | list[str] | None:
                if "!" in msg:
                    raise CorruptedFrameError("a ! is forbidden")
                return super().decode(ctx, msg)

        channel = EmbeddedChannel(Strict(), Forgives())
        channel.write_inbound("a", "!", "b")
        assert channel.inbound == ["a", CorruptedFrameError, "b"]

    @pytest.mark.parametrize("stage", [MessageToMessageDecoder, MessageToMessageCodec])
    def test_what_message_decoders_must_write_is_named(self, stage: type[Any]) -> None:
        with pytest.raises(NotImplementedError, match=r"must have a method decode\(self, ctx, msg\)"):
            EmbeddedChannel(stage()).write_inbound("x")

    @pytest.mark.parametrize("stage", [MessageToMessageEncoder, MessageToMessageCodec])
    def test_what_message_encoders_must_write_is_named(self, stage: type[Any]) -> None:
        with pytest.raises(NotImplementedError, match=r"must have a method encode\(self, ctx, msg\)"):
            EmbeddedChannel(stage()).write_outbound("x")
