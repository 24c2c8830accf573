"""RedisCommandEncoder: what a client asks of a Redis server."""

from __future__ import annotations

from ..base import MessageToByteEncoder
from .messages import Request


class RedisCommandEncoder(MessageToByteEncoder[Request]):
    r"""Request → bytes: a list or tuple of ``bytes``, ``str``, ``int`` and ``float``, as an array of bulk strings.

    Args:
        max_elements: arguments of one command, its name included.

    Raises:
        EncodeError: no list or tuple, an empty one, or an argument of another type.
    """

    def __init__(self, *, max_elements: int = 1024 * 1024) -> None:
        raise NotImplementedError("to come")

    def encode(self, msg: Request) -> bytes | list[bytes]:
        raise NotImplementedError("to come")
