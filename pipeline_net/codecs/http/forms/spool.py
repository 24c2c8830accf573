"""FormSpool: puts one form together; small files stay in memory, others go to disk on a pool's thread.

::

    parts ─▶ fields, small files            in memory
        └──▶ queue ─▶ one job at a time ─▶ disk       on a thread of the loop's pool
             hold_reads ◀── a batch waits behind the job
             release_reads ◀── the job is done

A disk may stand still for seconds while the kernel writes back, and a loop must not stand still with it.  So no file is
opened, written or closed on the loop; the hop to the pool is made once for a batch, which takes the kernel much longer
to copy than the hop takes (see decisions).  What waits is never much more than two batches.
"""

from __future__ import annotations

import errno
import io
import logging
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Any, Final

from ....complaints import log_failure
from ....errors import ChannelClosedError, PipelineError, PoolFullError
from ..errors import HttpDecodeError
from .fields import Fields
from .messages import FormFieldData, FormFieldPart, FormFieldStart, FormRequest
from .uploads import UnnamedFile, UploadedFile

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture
    from ..messages import Request

_logger: Final = logging.getLogger("pipeline_net.http")

BATCH: Final = 256 * 1024  # bytes that are written by one job
_MEMORY_PER_FORM: Final = 16  # times what a file may take
_SMALL: Final = 4096  # bytes; smaller pieces are gathered
_DISK_IS_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class _Upload:
    """A file that is coming in."""

    def __init__(self, start: FormFieldStart) -> None:
        self.start = start
        self.size = 0
        self.memory: bytearray | None = bytearray()  # until it goes to disk
        self.file: UnnamedFile | None = None  # made by the first job

    def completed(self) -> UploadedFile:
        file: IO[bytes]
        if self.file is None:
            file = io.BytesIO(self.memory or b"")
        else:
            self.file.seek(0)
            file = self.file
        start = self.start
        return UploadedFile(start.name, start.raw_filename or "", start.filename, start.content_type, file, self.size)


class FormSpool:
    """The form of one request.

    Args:
        folder: where files go that do not fit ``memory_per_file`` bytes.
        completed: called on the loop with the whole form, or with what is the matter.
    """

    def __init__(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        folder: str,
        memory_per_file: int,
        completed: Callable[[FormSpool, FormRequest | HttpDecodeError], object],
    ) -> None:
        self._ctx = ctx
        self.request = request
        self._folder = folder
        self._memory_per_file = memory_per_file
        self._memory_left = memory_per_file * _MEMORY_PER_FORM
        self._completed = completed
        self._fields: list[tuple[str, str]] = []
        self._uploads: list[_Upload] = []
        self._name = ""
        self._value = bytearray()
        self._upload: _Upload | None = None  # the part that is coming in, if it is a file
        self._queue: list[tuple[_Upload, bytes | bytearray]] = []
        self.queued_bytes = 0
        self._is_writing = False  # a job is under way
        self._is_holding = False
        self._has_ended = False
        self._is_over = False  # delivered, refused or discarded

    def take(self, parts: list[FormFieldPart]) -> None:
        """Take what has come.

        Raises:
            HttpDecodeError: a value is no UTF-8.
        """
        for part in parts:
            if isinstance(part, FormFieldData):
                self._take_data(part.data)
            elif isinstance(part, FormFieldStart):
                self._name = part.name
                self._upload = _Upload(part) if part.is_file else None
            else:
                self._take_end()
        self._go_on()

    def end(self) -> None:
        """All has come."""
        self._has_ended = True
        self._go_on()

    def discard(self) -> None:
        """Nobody wants the form any more: let go of all that there is of it."""
        self._is_over = True
        self._queue.clear()
        self.queued_bytes = 0
        self._release()
        if not self._is_writing:
            self._close_files()

    def _take_data(self, data: bytes) -> None:
        upload = self._upload
        if upload is None:
            self._value += data
            return
        upload.size += len(data)
        memory = upload.memory
        if memory is not None:
            if upload.size <= self._memory_per_file and len(data) <= self._memory_left:
                self._memory_left -= len(data)
                memory += data
                return
            self._memory_left += len(memory)
            upload.memory = None
            self._enqueue(upload, bytes(memory))
        self._enqueue(upload, data)

    def _enqueue(self, upload: _Upload, data: bytes) -> None:
        self.queued_bytes += len(data)
        queue = self._queue
        if len(data) >= _SMALL:
            queue.append((upload, data))
        elif queue and queue[-1][0] is upload and isinstance(queue[-1][1], bytearray):
            queue[-1][1].extend(data)
        else:
            queue.append((upload, bytearray(data)))

    def _take_end(self) -> None:
        upload = self._upload
        if upload is None:
            value = self._value
            self._value = bytearray()
            try:
                self._fields.append((self._name, value.decode("utf-8")))
            except UnicodeDecodeError as exc:
                raise HttpDecodeError(400, f"expected UTF-8 as the value of {self._name!r:.100}") from exc
        elif upload.start.raw_filename or upload.size:  # browsers send an input that was left empty like a file
            self._uploads.append(upload)
        self._upload = None

    def _go_on(self) -> None:
        """Write, wait or deliver, whatever it is time for."""
        if self._is_over:
            return
        if self._is_writing:
            if self.queued_bytes >= BATCH and not self._is_holding:
                self._is_holding = True
                self._ctx.channel.hold_reads()
        elif self.queued_bytes >= BATCH or (self._has_ended and self._queue):
            self._write()
        elif self._has_ended:
            self._is_over = True
            files = [upload.completed() for upload in self._uploads]
            self._completed(self, FormRequest(self.request, Fields(self._fields), files))

    def _write(self) -> None:
        queue = self._queue
        self._queue = []
        self.queued_bytes = 0
        try:
            job = self._ctx.channel.loop.run_blocking(_write_all, queue, self._folder)
        except PoolFullError:
            self._refuse(HttpDecodeError(503, "the pool that writes files has no room"))
            return
        self._is_writing = True
        job.add_done_callback(self._written)

    def _written(self, job: ChannelFuture[None]) -> None:
        self._is_writing = False
        if self._is_over:
            self._close_files()
            return
        exc = job.exception()
        if exc is not None:
            self._fail(exc)
            return
        self._go_on()
        self._release()

    def _fail(self, exc: BaseException) -> None:
        loop = self._ctx.channel.loop
        log_failure(loop, _logger, exc, "uploads", "an upload could not be written to %s", self._folder)
        full = isinstance(exc, OSError) and exc.errno in _DISK_IS_FULL
        self._refuse(HttpDecodeError(507 if full else 500, f"an upload could not be written: {exc}"))

    def _refuse(self, exc: HttpDecodeError) -> None:
        self.discard()
        self._completed(self, exc)

    def _release(self) -> None:
        if self._is_holding:
            self._is_holding = False
            self._ctx.channel.release_reads()

    def _close_files(self) -> None:
        """Close what is on disk: on the pool, because freeing a large file takes its time."""
        uploads = [*self._uploads, *([self._upload] if self._upload is not None else [])]
        files = [upload.file for upload in uploads if upload.file is not None]
        self._uploads = []
        self._upload = None
        if not files:
            return
        try:
            self._ctx.channel.loop.run_blocking(_close_all, files)
        except (PoolFullError, PipelineError, ChannelClosedError):
            _close_all(files)  # nobody else is there to do it


def _write_all(queue: list[tuple[_Upload, bytes | bytearray]], folder: str) -> None:
    for upload, data in queue:
        if upload.file is None:
            upload.file = UnnamedFile(folder)
        rest = memoryview(data)
        while rest:
            rest = rest[upload.file.write(rest) :]


def _close_all(files: list[UnnamedFile]) -> None:
    for file in files:
        file.close()
