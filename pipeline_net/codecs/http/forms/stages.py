"""Forms and FormParts: the stages that read forms, whole or in parts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from ....unread_message import UnreadMessage
from ..errors import HttpDecodeError
from ..messages import End, Request
from .form_handler import FormHandler
from .limits import FORM_LIMITS, FormLimits
from .messages import FormFieldPart, FormRequest
from .spool import FormSpool

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext

_MEMORY_PER_FILE: Final = 64 * 1024  # bytes


class FormParts(FormHandler):
    """``Request``, ``Data``, ``End`` → ``Request``, the parts of its form as they arrive, ``End``::

        Request("POST", …)  Data(b"a=1&b")  Data(b"=2")  End()
            -->  Request("POST", …)  FormFieldStart("a")  FormFieldData(b"1")  FormFieldEnd()  …  End()

    For applications that pass uploads on themselves, to another server for instance.  Where that is slower than the
    client, ``ctx.channel.hold_reads()``.  A form that turns out to be too large or malformed is answered, and then the
    channel ends: ``channel_inactive`` without ``End`` means that what came so far is worth nothing.

    Args:
        limits: how much a form may be; more is answered with 413.
        accept_others: whether requests whose body is no form are passed on as they are; otherwise they are answered
            with 415.  Requests without a body always pass.
    """

    def form_begins(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        ctx.fire_channel_read(request)

    def form_comes(self, ctx: ChannelHandlerContext[Any, Any], parts: list[FormFieldPart]) -> None:
        for part in parts:
            if ctx.channel.is_open:  # whoever closes wants no more
                ctx.fire_channel_read(part)

    def form_ends(self, ctx: ChannelHandlerContext[Any, Any], end: End) -> None:
        if ctx.channel.is_open:
            ctx.fire_channel_read(end)


class Forms(FormHandler):
    """``Request``, ``Data``, ``End`` → ``FormRequest``::

        Request("POST", …)  Data(b"a=1&b=x+y")  End()  -->  FormRequest(request, Fields([("a", "1"), ("b", "x y")]), [])

    Reads ``application/x-www-form-urlencoded`` and ``multipart/form-data``.  Small files stay in memory; others are
    written, on a thread of the loop's pool, to files without a name, which are gone as soon as nobody has them open.
    While the disk is slower than the peer, the peer is not read from.

    With ``max_pipelined`` above 1, a form that is in memory may overtake one that is still being written; answer
    ``to=form.request``.

    A form above a limit is answered with 413, a malformed one with 400, a disk that is full with 507; then the
    connection ends, and nothing is left of it.

    Args:
        limits: how much a form may be.  ``server_stack(limits=http.Limits(max_body=…))`` must be as high.
        folder: where files are written; None takes ``tempfile.gettempdir()``, which often is in memory: choose a disk.
        memory_per_file: bytes up to which a file stays in memory; those of one form together may take 16 times that.
        accept_others: whether requests whose body is no form are passed on as they are; otherwise they are answered
            with 415.  Requests without a body always pass.

    Raises:
        ValueError: a negative ``memory_per_file``, or a ``folder`` that is none.
    """

    def __init__(
        self,
        limits: FormLimits = FORM_LIMITS,
        *,
        folder: str | os.PathLike[str] | None = None,
        memory_per_file: int = _MEMORY_PER_FILE,
        accept_others: bool = False,
    ) -> None:
        super().__init__(limits, accept_others=accept_others)
        if memory_per_file < 0:
            raise ValueError(f"memory_per_file must not be negative, but is {memory_per_file!r}")
        if folder is None:
            import tempfile  # here, for it brings a good deal along

            folder = tempfile.gettempdir()
        if not os.path.isdir(folder):
            raise ValueError(f"uploads need a folder, and {os.fspath(folder)!r} is none")
        self._folder = os.fspath(folder)
        self._memory_per_file = memory_per_file
        self._spool: FormSpool | None = None  # of the form that is coming in
        self._finishing: list[FormSpool] = []  # forms that are here, but not yet on disk

    @property
    def unread_bytes(self) -> int:
        return sum(spool.queued_bytes for spool in self._spools())

    def form_begins(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        def completed(spool: FormSpool, outcome: FormRequest | HttpDecodeError) -> None:
            self._completed(ctx, spool, outcome)

        self._spool = FormSpool(ctx, request, self._folder, self._memory_per_file, completed)

    def form_comes(self, ctx: ChannelHandlerContext[Any, Any], parts: list[FormFieldPart]) -> None:
        if self._spool is not None:
            self._spool.take(parts)

    def form_ends(self, ctx: ChannelHandlerContext[Any, Any], end: End) -> None:
        spool = self._spool
        if spool is not None:
            self._spool = None
            self._finishing.append(spool)
            spool.end()

    def form_breaks(self) -> None:
        if self._spool is not None:
            self._spool.discard()
            self._spool = None

    def user_event_triggered(self, ctx: ChannelHandlerContext[Any, Any], event: Any) -> None:
        if isinstance(event, UnreadMessage) and isinstance(event.message, FormRequest):
            event.message.close()
            # Who owes the client an answer knows the request, and not what became of it here.
            ctx.pipeline.fire_user_event_triggered(UnreadMessage(event.message.request))
            return
        ctx.fire_user_event_triggered(event)

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        spools = self._spools()
        self._spool = None
        self._finishing = []
        for spool in spools:
            spool.discard()

    def _spools(self) -> list[FormSpool]:
        return [*self._finishing, *([self._spool] if self._spool is not None else [])]

    def _completed(
        self, ctx: ChannelHandlerContext[Any, Any], spool: FormSpool, outcome: FormRequest | HttpDecodeError
    ) -> None:
        if spool in self._finishing:
            self._finishing.remove(spool)
        if isinstance(outcome, FormRequest):
            ctx.fire_channel_read(outcome)
            ctx.fire_channel_read_complete()
        else:
            if self._spool is spool:
                self._spool = None
                self.drop_rest()
            self.refuse(ctx, spool.request, outcome)
