"""MessageToByteEncoder: the base of encoders that make bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic

from typing_extensions import TypeVar

from .._mypyc import mypyc_attr
from ..handler import ChannelOutboundHandler

if TYPE_CHECKING:
    from ..context import ChannelHandlerContext
    from ..future import ChannelFuture

In = TypeVar("In", contravariant=True, default=Any)


@mypyc_attr(allow_interpreted_subclasses=True)
class MessageToByteEncoder(ChannelOutboundHandler[In, bytes], Generic[In]):
    """M → bytes; what ``encode`` raises fails that write alone, and nothing of the message is written.

    Every message that is written comes here, whatever its type.  For bytes that are ready to be sent it is a
    ``MessageToByteEncoder[M | bytes]``, whose ``encode`` returns them as they are.
    """

    only_encodes: ClassVar[bool] = True

    def encode(self, msg: In) -> bytes | list[bytes]:
        """Put one message into bytes; a list is written piece by piece, without copying.

        Each piece is a message of its own to the stages nearer to the wire: return one where these frame it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have a method encode(self, msg)")

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        ctx.write_encoded(self.encode(msg), promise)
