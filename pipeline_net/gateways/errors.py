"""What goes wrong between a server and an application of somebody else's."""

from __future__ import annotations

from ..errors import PipelineNetError


class ClientDisconnectedError(PipelineNetError, OSError):
    """The client has gone: nobody will read what the application sends.

    ASGI 3.0, HTTP: "If send() is called on a closed connection the server should raise a server-specific subclass of
    OSError."
    """


class StartupFailedError(PipelineNetError):
    """The application has said that it cannot start (``lifespan.startup.failed``); the message is its own."""
