"""ProxyProtocolDecoder and ProxyProtocolEncoder: who is really there, behind a load balancer and in front of one.

::

    client ──▶ balancer ──▶ │ PROXY … │ bytes of the client │ ──▶ ProxyProtocolDecoder ──▶ TLS, HTTP, …
                                 └ told to the stages      └ untouched

A header is an assertion: whoever connects could send one, and would be believed.  So the decoder is told whom to
trust, and takes anybody else's first bytes for what they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from ..errors import CorruptedFrameError, ReadTimeoutError
from ..handler import ChannelOutboundHandler
from . import probes
from .first_bytes import FirstBytes
from .networks import Networks, address_of
from .proxy_header import MAX_HEADER, ProxyHeader, encode_proxy_header, read_proxy_header

if TYPE_CHECKING:
    from ..channel import Channel
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

_SHOWN: Final = 32  # bytes, in a complaint


def client_of(channel: Channel) -> Any:
    """Who is really there: the source of the PROXY header, or else ``channel.remote_address``."""
    header = channel.attrs.get(ProxyHeader)
    return channel.remote_address if header is None or header.source is None else header.source


class ProxyProtocolDecoder(FirstBytes[bytes]):
    """bytes → bytes, without the PROXY header in front of them.

    Seat it first.  What the header says is in ``channel.attrs[ProxyHeader]`` (see ``client_of``) when the stages behind
    hear of ``channel_active``, which waits for it, and comes as a user event next.  Then the decoder takes itself out.
    Connections of others than the trusted, and those without a header when none is ``required``, go on as they are.

    Args:
        trusted: networks (``"10.0.0.0/8"``) from which headers are believed: those of the balancers.  Peers without an
            IP address (Unix sockets) are trusted.
        versions: the versions of the protocol that are taken.
        required: whether a trusted peer must send a header.
        timeout: seconds until the header must be here.
        max_length: bytes of the longest header.

    Raises:
        CorruptedFrameError: to ``exception_caught``: no header, or one that contradicts itself.
        FrameTooLongError: before it is buffered, for a header above ``max_length``.
        ReadTimeoutError: to ``exception_caught``: the header did not come in time.
        ValueError: no networks, or a version or a timeout that makes no sense.
    """

    def __init__(
        self,
        trusted: Iterable[Any],
        *,
        versions: tuple[int, ...] = (1, 2),
        required: bool = True,
        timeout: float = 10.0,
        max_length: int = MAX_HEADER,
    ) -> None:
        super().__init__()
        if not versions or not set(versions) <= {1, 2}:
            raise ValueError(f"versions are 1, 2 or both, not {versions!r}")
        if not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
        self._trusted = trusted if isinstance(trusted, Networks) else Networks(trusted)
        self._versions = versions
        self._required = required
        self._timeout = timeout
        self._max_length = max_length

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: bytes) -> None:
        if self.is_done:
            return  # there was no header, and nothing that follows is believed
        self.hold(msg)
        try:
            decided = self._decode(ctx)
        except BaseException:
            self.stop()
            self.held = b""
            raise
        if not decided and not ctx.channel.auto_read:
            ctx.read()

    def channel_eof(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        if self.held and not self.is_done:
            held = self.held
            if not self._required:
                self._step_aside(ctx, None, held)
                ctx.fire_channel_read_complete()
            else:
                self.stop()
                self.held = b""
                ctx.fire_exception_caught(CorruptedFrameError(f"the input ended within a PROXY header: {held!r}"))
        ctx.fire_channel_eof()

    # -- how it is done -----------------------------------------------------------------------------

    def begin(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        address = address_of(ctx.channel.remote_address)
        if address is not None and address not in self._trusted:
            self._step_aside(ctx, None, b"")
        else:
            self.wait_for_bytes(ctx, self._timeout)

    def _decode(self, ctx: ChannelHandlerContext[Any, Any]) -> bool:
        """See whether the header is here; whether it is decided what becomes of the connection."""
        held = self.held
        if not self._required and probes.proxy(held) is False:
            self._step_aside(ctx, None, held)
            return True
        found = read_proxy_header(held, self._max_length)
        if found is None:
            return False
        header, size = found
        if header.version not in self._versions:
            raise CorruptedFrameError(f"a PROXY header of version {header.version} came, which is not taken here")
        self._step_aside(ctx, header, held[size:])
        return True

    def _step_aside(self, ctx: ChannelHandlerContext[Any, Any], header: ProxyHeader | None, rest: bytes) -> None:
        self.stop()
        self.held = rest
        ctx.pipeline.remove(self)
        if header is not None:
            ctx.channel.attrs[ProxyHeader] = header
        self.pass_on(ctx, header)

    def too_late(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.stop()
        held = self.held
        self.held = b""
        peer = ctx.channel.remote_address
        ctx.fire_exception_caught(
            ReadTimeoutError(f"{peer!r} has sent {held[:_SHOWN]!r} in {self._timeout:g} s, and no whole PROXY header")
        )
        ctx.close()


class ProxyProtocolEncoder(ChannelOutboundHandler[bytes | ProxyHeader, bytes]):
    """ProxyHeader → bytes; everything else → the same.

    For clients that stand in front of others: write a ``ProxyHeader`` before anything else.

    Args:
        version: 1 for text, 2 for binary.
        checksum: whether a version 2 header gets a CRC32c.

    Raises:
        EncodeError: fails the write of a header that cannot be said in that version.
        ValueError: there is no such version, or version 1 with a checksum.
    """

    def __init__(self, version: int = 2, *, checksum: bool = False) -> None:
        if version not in (1, 2):
            raise ValueError(f"there are versions 1 and 2, not {version!r}")
        if checksum and version == 1:
            raise ValueError("version 1 of the PROXY protocol has no checksum")
        self._version = version
        self._checksum = checksum

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        if isinstance(msg, ProxyHeader):
            msg = encode_proxy_header(msg, self._version, self._checksum)
        ctx.write(msg, promise)
