"""Sending: the body of a response out of parts of an open file, no faster than the peer takes it.

A file is written in regions of a MiB, each when the one before it has gone: what is written counts as pending, however
little memory it takes, and more than the hard cap of it would close the channel.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ....complaints import complaints_of
from ....errors import ChannelBrokenError
from ....file_region import FileRegion
from ..messages import Data, End, Request
from .ranges import Span
from .root_folder import SentFile

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture

_logger: Final = logging.getLogger("pipeline_net.http")

Piece: TypeAlias = bytes | Span

_REGION: Final = 1 << 20  # bytes written at once


class Sending:
    """Sends pieces of a file, or bytes between them, then ``End``; closes the file in any case, and says so, once."""

    def __init__(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        file: SentFile,
        pieces: Sequence[Piece],
        done: Callable[[Sending], object],
    ) -> None:
        self._ctx = ctx
        self._request = request
        self._file = file
        self._pieces = list(reversed(pieces))  # the next one is the last
        self._done = done
        self._is_over = False

    def go_on(self) -> None:
        """Write the next part; ``End`` with the last one."""
        ctx = self._ctx
        if not self._pieces:
            ctx.write(End(to=self._request))
            self.stop()
            return
        piece = self._pieces.pop()
        if not isinstance(piece, bytes):
            start, end = piece
            if end - start > _REGION:
                self._pieces.append((start + _REGION, end))
                end = start + _REGION
            try:
                data: bytes | FileRegion = FileRegion(self._file, start, end - start)
            except ValueError as exc:  # it has become shorter
                self._fail(exc)
                return
        else:
            data = piece
        sent = ctx.new_promise()
        sent.add_done_callback(self._is_sent)
        ctx.write(Data(data, to=self._request), sent)

    def stop(self) -> None:
        """Give the file back; again is allowed."""
        if not self._is_over:
            self._is_over = True
            self._file.close()
            self._done(self)

    def _is_sent(self, sent: ChannelFuture[Any]) -> None:
        if self._is_over:
            return
        failure = sent.exception()
        if failure is not None:
            self._fail(failure)
        elif self._ctx.is_removed or not self._ctx.channel.is_open:
            self.stop()
        else:
            self.go_on()

    def _fail(self, exc: BaseException) -> None:
        self.stop()
        channel = self._ctx.channel
        if channel.is_open:
            level = complaints_of(channel.loop).level(_logger, logging.WARNING, "files that are not sent to their end")
            _logger.log(level, "%s: %s is not sent to its end: %s", channel, os.fsdecode(self._file.label), exc)
            channel.abort(ChannelBrokenError(str(exc)))  # the peer must not take the half for the whole
