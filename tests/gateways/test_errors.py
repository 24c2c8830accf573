"""What goes wrong between a server and an application."""

from __future__ import annotations

from pipeline_net import PipelineNetError
from pipeline_net.gateways.errors import ClientDisconnectedError, StartupFailedError


def test_who_catches_what() -> None:
    assert issubclass(ClientDisconnectedError, PipelineNetError)
    assert issubclass(ClientDisconnectedError, OSError)  # as ASGI asks for
    assert str(ClientDisconnectedError("gone")) == "gone"
    assert issubclass(StartupFailedError, PipelineNetError)
