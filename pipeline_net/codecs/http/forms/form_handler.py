"""FormHandler: what Forms and FormParts share.  Finds the forms among the requests, and answers those it refuses."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from ....handler import ChannelInboundHandler
from ..errors import HttpDecodeError
from ..messages import Data, End, FullRequest, FullResponse, Request
from ..status import reason_phrase
from .content_type import FormDecoder, decoder_for
from .limits import FORM_LIMITS, FormLimits
from .messages import FormFieldPart

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext

_logger: Final = logging.getLogger("pipeline_net.http")

_MAY_BE_EMPTY: Final = ("POST", "PUT", "PATCH")  # with these, no body at all is a form without fields

_PASS: Final = 0  # the request is no form
_READ: Final = 1  # it is one
_DROP: Final = 2  # it was refused, and what is left of it is dropped


class FormHandler(ChannelInboundHandler[Any, Any, Any]):
    """The parts of requests → the parts of forms, for a subclass to do something with.

    Args:
        limits: how much a form may be.
        accept_others: whether requests whose body is no form are passed on; otherwise they are answered with 415.
    """

    def __init__(self, limits: FormLimits = FORM_LIMITS, *, accept_others: bool = False) -> None:
        self._limits = limits
        self._accept_others = accept_others
        self._state = _PASS
        self._request: Request | None = None
        self._decoder: FormDecoder | None = None
        self._received = 0

    # -- for subclasses -----------------------------------------------------------------------------

    def form_begins(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """A request brings a form."""
        raise NotImplementedError

    def form_comes(self, ctx: ChannelHandlerContext[Any, Any], parts: list[FormFieldPart]) -> None:
        """Some of the form that has begun is here."""
        raise NotImplementedError

    def form_ends(self, ctx: ChannelHandlerContext[Any, Any], end: End) -> None:
        """The form that has begun is complete."""
        raise NotImplementedError

    def form_breaks(self) -> None:
        """The form that has begun was refused."""

    # -- requests -----------------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            self._begin(ctx, msg)
        elif self._state == _PASS or not isinstance(msg, Data | End):
            ctx.fire_channel_read(msg)
        elif self._state == _READ:
            self._continue(ctx, msg)

    def _begin(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        self._state = _PASS
        try:
            decoder = self._decoder_for(request)
        except HttpDecodeError as exc:
            self.refuse(ctx, request, exc)
            self._state = _DROP
            return
        if decoder is None:
            ctx.fire_channel_read(request)
            return
        self._state = _READ
        self._request = request
        self._decoder = decoder
        self._received = 0
        self.form_begins(ctx, request)
        if isinstance(request, FullRequest):
            self._continue(ctx, Data(request.body))
            self._continue(ctx, End(request.trailers))

    def _decoder_for(self, request: Request) -> FormDecoder | None:
        has_body = len(request.body) > 0 if isinstance(request, FullRequest) else request.has_body
        if not has_body and request.method not in _MAY_BE_EMPTY:
            return None
        decoder = decoder_for(request, self._limits)
        if decoder is None:
            if has_body and not self._accept_others:
                raise HttpDecodeError(415, f"expected a form, not {request.headers.get('content-type')!r:.100}")
            return None
        if request.body_length > self._limits.max_total_size:
            raise self._too_large(request.body_length)
        return decoder

    def _continue(self, ctx: ChannelHandlerContext[Any, Any], msg: Data | End) -> None:
        request, decoder = self._request, self._decoder
        if request is None or decoder is None:
            return
        try:
            if isinstance(msg, Data):
                self._received += len(msg.data)
                if self._received > self._limits.max_total_size:
                    raise self._too_large(self._received)
                self.form_comes(ctx, decoder.feed(msg.as_bytes()))
                return
            self.form_comes(ctx, decoder.finish())
            self._forget()
            self.form_ends(ctx, msg)
        except HttpDecodeError as exc:
            self.drop_rest()
            self.form_breaks()
            self.refuse(ctx, request, exc)

    def _forget(self) -> None:
        self._state = _PASS
        self._request = None
        self._decoder = None

    def drop_rest(self) -> None:
        """What is still to come of the request that is being read is dropped."""
        self._forget()
        self._state = _DROP

    def _too_large(self, size: int) -> HttpDecodeError:
        return HttpDecodeError(413, f"a form of {size} bytes is over the limit of {self._limits.max_total_size}")

    def refuse(self, ctx: ChannelHandlerContext[Any, Any], request: Request, exc: HttpDecodeError) -> None:
        """Answer a request that will not be taken; the connection ends, because its body may go on for long."""
        _logger.info("%s: a form was refused: %s", ctx.channel.remote_address, exc)
        body = f"{exc.status} {reason_phrase(exc.status)}\n".encode("ascii")
        headers = {"content-type": "text/plain", "connection": "close"}
        ctx.write(FullResponse(exc.status, headers, body, to=request))
