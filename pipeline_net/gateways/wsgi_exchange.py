"""WsgiExchange: one call of a WSGI application, between the loop of its connection and a thread of the pool.

::

    thread of the pool                                       loop of the channel
    app(environ, start_response)
    ├─ environ["wsgi.input"].read()   ◀── RequestBody ◀───   Data, End
    ├─ write(data), each block        ─── loop.execute ──▶   Response, Data          (WsgiReply)
    │    waits while too much waits   ◀── credit ─────────   the peer has read some of it
    └─ close()                        ─── loop.execute ──▶   End

A body that comes in chunks is collected before the application is called, in memory or in a file: most applications go
by CONTENT_LENGTH, and Django takes a body without one for none.

What may be on its way from the thread to the peer is bounded: a block is handed over when there is credit, and credit
comes back when the channel is writable again.  A list is sent as one response, with its length.

A thread is what a server of WSGI has least of, and whoever reads slowly would like to keep one.  It leaves while the
kernel sends a file, of which the application only has to hear the end.  What iterates over blocks stays on its thread,
and waits there: a generator may hold what belongs to the thread (a connection of sqlite3, a session by
``threading.local``), and would find another thread's.  An application that says that it has none of that leaves, too
(``any_thread``); between two blocks it keeps its context variables, which are its own.

Source: PEP 3333
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from ..codecs.http.headers import Headers
from ..codecs.http.messages import FullResponse, Request, Response
from ..complaints import log_failure
from ..errors import ChannelError, EncodeError, PipelineError
from ..file_region import FileRegion, is_plain
from .errors import ClientDisconnectedError
from .response_head import BODYLESS, tidy_head
from .wsgi_reply import WsgiReply

if TYPE_CHECKING:
    from types import TracebackType

    from ..future import ChannelFuture

logger: Final = logging.getLogger("pipeline_net.wsgi")

_Leave = Callable[[], object]  # begins to wait, without a thread, for the time of the next step
_Step = Callable[[], "_Leave | None"]
ExcInfo = tuple[type[BaseException], BaseException, "TracebackType | None"]

_BLOCK: Final = 65536  # bytes of a file that are read at once, where the kernel cannot send it
_IN_MEMORY: Final = 1 << 20  # bytes of a body of unknown length; more go to a file


class FileWrapper:
    """``wsgi.file_wrapper``: a file to be sent, by the kernel itself where that is possible.

    Args:
        file: anything with ``read(size)``.
        block_size: bytes that are read at once, where it is read.
    """

    def __init__(self, file: Any, block_size: int = _BLOCK) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close: Callable[[], object] = file.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(self.block_size):
            yield block


class WsgiExchange:
    """One call of the application; all of it happens on one thread of the pool, or on several one after the other.

    Args:
        sends_files: whether the kernel may send files by itself, which it cannot through TLS.
        go_on: gets, on the loop, what has to be run on some thread of the pool.
        any_thread: whether the rest of a response may be made by another thread than its beginning.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        environ: dict[str, Any],
        request: Request,
        reply: WsgiReply,
        sends_files: bool,
        go_on: Callable[[Callable[[], object]], object],
        *,
        any_thread: bool = False,
    ) -> None:
        self._app = app
        self._environ = environ
        self._request = request
        self._reply = reply
        self._sends_files = sends_files
        self._go_on = go_on
        self._context = Context() if any_thread else None
        self._result: Any = None
        self._blocks: Iterator[bytes] = iter(())
        self._collected: BinaryIO | None = None  # a body that came in chunks
        self._status = 0
        self._reason: str | None = None
        self._headers: Headers | None = None
        self._has_sent_head = False
        self._left = -1  # bytes that Content-Length has promised and that have not been sent; -1: it has not

    def run(self) -> None:
        """Call the application, send what it returns, and look after what it leaves behind."""
        self._run(self._call)

    def _run(self, step: _Step) -> None:
        """Do one step: all there is to do, or as much as can be done without waiting."""
        leave: _Leave | None = None
        try:
            leave = self._closing(step) if self._context is None else self._context.run(self._closing, step)
        except ClientDisconnectedError:
            logger.debug("%r: the client has gone", self._request)
            self._reply.give_up()
        except BaseException as exc:
            log_failure(self._reply.loop, logger, exc, "an application", "%r: the application raised", self._request)
            self._reply.give_up()
            if not isinstance(exc, Exception):
                raise  # SystemExit and its like end what the thread is at, and no more; nobody else tells of it
        if leave is not None:
            leave()  # from here on another thread may be at it

    def _closing(self, step: _Step) -> _Leave | None:
        leave: _Leave | None = None
        try:
            leave = step()
        finally:
            if leave is None:
                self._close()
        return leave

    def _close(self) -> None:
        # "If the iterable returned by the application has a close() method, the server or gateway must call that method
        # upon completion of the current request".
        result = self._result
        self._result = None  # it may well have start_response, and so us
        self._blocks = iter(())
        try:
            close = getattr(result, "close", None)
            if close is not None:
                close()
        finally:
            if self._collected is not None:
                self._collected.close()

    # -- steps: they return how to wait for the next one, and None when there is none -----------------

    def _call(self) -> _Leave | None:
        if self._request.body_length < 0:
            self._collect()
        self._result = result = self._app(self._environ, self.start_response)
        if isinstance(result, (list, tuple)) and not self._has_sent_head:
            self._send_whole(b"".join(result))
            return None
        if isinstance(result, FileWrapper) and self._sends_files:
            region = self._region_to_send(result.file)
            if region is not None:
                return self._send_file(region)
        self._blocks = iter(result)
        return self._iterate()

    def _iterate(self) -> _Leave | None:
        waits = self._context is None
        for block in self._blocks:
            # "… before the first non-empty bytestring is yielded"
            if block and not self._write(block, waits):
                return partial(self._reply.when_room, partial(self._go_on, partial(self._run, self._iterate_again)))
        self._send_rest()
        return None

    def _iterate_again(self) -> _Leave | None:
        self._reply.check()
        return self._iterate()

    def _send_file(self, region: FileRegion) -> _Leave | None:
        self._send_head()
        if self._request.method == "HEAD" or not len(region):
            self._reply.end()
            return None
        sent = self._reply.send_file(region)
        return partial(sent.add_done_callback, self._file_is_sent)

    def _file_is_sent(self, sent: ChannelFuture[Any]) -> None:
        self._go_on(partial(self._run, partial(self._end_file, sent)))

    def _end_file(self, sent: ChannelFuture[Any]) -> _Leave | None:
        try:
            sent.result()
        except ChannelError as exc:
            raise ClientDisconnectedError("the client has gone before it has read the file") from exc
        self._reply.end()
        return None

    def _collect(self) -> None:
        """Wait for the whole body; how much it may be is for the limits of HTTP to say."""
        environ = self._environ
        arriving = environ["wsgi.input"]
        body: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - it is closed when the response is sent
        self._collected = body
        while block := arriving.read(_BLOCK):
            body.write(block)
        environ["CONTENT_LENGTH"] = str(body.tell())
        body.seek(0)
        environ["wsgi.input"] = body

    # -- what the application says ------------------------------------------------------------------

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """Note the head of the response; it is sent with the first bytes of the body."""
        if exc_info is not None:
            try:
                if self._has_sent_head:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or the traceback would hold this frame, and this frame the traceback
        elif self._headers is not None:
            # "… it is a fatal error to call start_response without the exc_info argument if start_response has already
            # been called".
            raise PipelineError("start_response was called a second time, without exc_info")
        code, reason = _take_status_apart(status)
        if not isinstance(headers, list):
            raise PipelineError(f"the headers of a response are a list of pairs, not {headers!r:.100}")
        self._headers = tidy_head(code, headers)
        self._status, self._reason = code, reason
        return self.write

    def write(self, data: bytes) -> None:
        """Send some of the body, after the head; waits while the peer does not read."""
        self._write(data, waits=True)

    def _write(self, data: bytes, waits: bool) -> bool:
        """Send some of the body; False if it is not time for more of it."""
        if not isinstance(data, bytes):
            raise EncodeError(f"the body of a response is bytes, not {data!r:.100}")
        self._send_head()
        if self._status in BODYLESS:
            return True
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                raise EncodeError(f"the body is {-self._left} bytes longer than its Content-Length")
        # What Content-Length has promised is here: the client need not wait for close().
        return self._reply.send(data, self._left == 0, waits)

    def _head(self) -> Headers:
        headers = self._headers
        if headers is None:
            # "… start_response must have been called before the iterable yields its first body bytestring".
            raise PipelineError("the application has returned a body without calling start_response")
        return headers

    def _send_head(self) -> None:
        if self._has_sent_head:
            return
        headers = self._head()
        headers.facts()
        self._left = headers.length if self._request.method != "HEAD" else -1
        self._has_sent_head = True
        self._reply.begin(Response(self._status, headers, self._reason))

    def _send_rest(self) -> None:
        if not self._has_sent_head and self._head().get("content-length") is None:
            self._send_whole(b"")
            return
        self._send_head()
        if self._left > 0 and self._status not in BODYLESS:
            raise EncodeError(f"the body is {self._left} bytes shorter than its Content-Length")
        self._reply.end()

    def _send_whole(self, body: bytes) -> None:
        headers = self._head()
        self._has_sent_head = True
        if self._status in BODYLESS:
            body = b""
        self._reply.send_whole(FullResponse(self._status, headers, body, reason=self._reason))

    def _region_to_send(self, file: Any) -> FileRegion | None:
        """Find out what the kernel can send of a file, if anything, and complete the head."""
        region = _region_of(file)
        if region is None or self._has_sent_head or self._status in BODYLESS:
            return None
        headers = self._head()
        headers.facts()
        if headers.length < 0:
            headers["content-length"] = str(len(region))
        elif headers.length <= len(region):
            region = FileRegion(region.file, region.offset, headers.length)
        else:
            return None  # it will turn out to be too short
        return region


def _take_status_apart(status: Any) -> tuple[int, str | None]:
    """Read ``"404 Not Found"``."""
    if not isinstance(status, str):
        raise EncodeError(f"a status is text such as '200 OK', not {status!r}")
    code, _, reason = status.partition(" ")
    if len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise EncodeError(f"a status begins with three digits, and not as {status!r} does")
    return int(code), reason


def _region_of(file: Any) -> FileRegion | None:
    try:
        if not is_plain(file) or not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return None
        binary: BinaryIO = file
        return FileRegion(binary, binary.tell())
    except (AttributeError, OSError, ValueError, TypeError):
        return None  # something that is read, and no file of the kernel's
