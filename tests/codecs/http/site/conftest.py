"""A site in a channel without a network: what it is asked, and what it answers, as bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel


class Site:
    """``site.ask("GET", "/notes", origin="https://a")`` returns what came back, as a whole response."""

    def __init__(self, *stages: Any, whole: bool = True, **settings: Any) -> None:
        self._stages = stages
        self._whole = whole
        self._settings = settings
        self.channel = self.connect()

    def connect(self) -> EmbeddedChannel:
        """Begin a new connection."""
        stages: list[Any] = [http.server_stack(date=False, **self._settings)]
        before = [
            stage
            for stage in self._stages
            if isinstance(stage, (http.Cors, http.Redirect, http.BasicAuthentication, http.AccessLog))
        ]
        stages += before
        if self._whole:
            stages.append(http.RequestAggregator())
        stages += [stage for stage in self._stages if stage not in before]
        self.channel = EmbeddedChannel(*stages, remote_address=("192.0.2.1", 4711), local_address=("192.0.2.9", 80))
        return self.channel

    def send(self, method: str, target: str, body: bytes = b"", **headers: str) -> bytes:
        """Send a request, and return the bytes that came back."""
        lines = [f"{method} {target} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
        if "host" not in headers:
            lines.append("Host: example.org")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.channel.write_inbound(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return self.sent()

    def sent(self) -> bytes:
        """Take what was sent since the last time."""
        data = b"".join(bytes(piece) for piece in self.channel.outbound)
        self.channel.outbound.clear()
        return data

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> http.FullResponse:
        """Send a request, and return the response."""
        data = self.send(method, target, body, **headers)
        decoder = http.HttpResponseDecoder()
        decoder.expect(method)
        client = EmbeddedChannel(decoder, http.ResponseAggregator())
        client.write_inbound(data)
        response = client.read_inbound()
        assert isinstance(response, http.FullResponse), data
        return response


MakeSite: TypeAlias = Callable[..., Site]


@pytest.fixture
def make_site() -> MakeSite:
    """``make_site(*stages)``: what watches goes below the aggregator, the rest above."""
    return Site
