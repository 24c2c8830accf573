"""A server's stages with an application that keeps what it reads, and says what a test tells it to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EncodeError
from pipeline_net.codecs.http import FullRequest, FullResponse, Request, RequestAggregator, server_stack
from pipeline_net.testing import EmbeddedChannel


class Keep(ChannelInboundHandler[Any]):
    """Keeps what it reads, and answers nothing; /now is answered at once, /raise raises."""

    def __init__(self) -> None:
        self.read: list[Any] = []
        self.events: list[Any] = []
        self.errors: list[BaseException] = []
        self.ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        if isinstance(msg, Request) and msg.path == "/raise":
            raise LookupError("the handler's own mistake")
        if isinstance(msg, FullRequest) and msg.path == "/now":
            ctx.write(FullResponse(200))

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        self.events.append(event)

    def exception_caught(self, ctx: ChannelHandlerContext[Any, Any], exc: BaseException) -> None:
        self.errors.append(exc)
        if not isinstance(exc, EncodeError):
            ctx.fire_exception_caught(exc)

    @property
    def requests(self) -> list[Any]:
        return [msg for msg in self.read if isinstance(msg, Request)]

    def say(self, *parts: Any) -> None:
        for part in parts:
            self.ctx.write(part)


def _serve(*, whole: bool = True, options: Any = None, **settings: Any) -> tuple[EmbeddedChannel, Keep]:
    keep = Keep()
    stages: list[Any] = [server_stack(date=False, **settings)]
    if whole:
        stages.append(RequestAggregator())
    return EmbeddedChannel(*stages, keep, options=options, remote_address=("192.0.2.1", 4711)), keep


Serve: TypeAlias = Callable[..., tuple[EmbeddedChannel, Keep]]


@pytest.fixture
def serve() -> Serve:
    """``serve(whole=…, limits=…)`` makes a channel and its application."""
    return _serve
