"""Forms as they travel, and a server that reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel


class Answer(ChannelInboundHandler[Any]):
    """Keeps the messages, and answers each form or whole request with 200."""

    def __init__(self) -> None:
        self.read: list[Any] = []

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        self.read.append(msg)
        if isinstance(msg, http.FormRequest | http.FullRequest):
            ctx.write(http.FullResponse(200))


def _post(body: bytes, content_type: str = "multipart/form-data; boundary=b", *more: str) -> bytes:
    head = [f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\nContent-Type: {content_type}\r\n", *more]
    return "".join(head).encode() + b"\r\n" + body


@pytest.fixture
def post() -> Callable[..., bytes]:
    """``post(body, content_type)`` is a request as it travels."""
    return _post


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., tuple[EmbeddedChannel, Answer]]:
    """``serve(http.Forms(…))`` is a server with that stage, and its application."""

    def start(stage: Any = None) -> tuple[EmbeddedChannel, Answer]:
        answer = Answer()
        forms = http.Forms(folder=tmp_path) if stage is None else stage
        limits = http.Limits(max_body=2**40)
        channel = EmbeddedChannel(http.server_stack(date=False, limits=limits) >> forms >> answer)
        return channel, answer

    return start
