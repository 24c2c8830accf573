"""Bodies of requests: where their bytes come from, piece by piece, when there is room for them.

::

    bytes, str, dict of a form    known, sent again when needed
    FileRegion, open file         known; parts of it go from the file to the socket without passing through Python
    list, tuple of pieces         in chunks; sent again when needed
    generator, any iterator       in chunks, once; advanced on a thread of the pool, because it may block
    async iterable                in chunks, once; advanced on the asyncio loop that awaits the response

A body is asked for its next piece only when the connection can take it, so nothing piles up.  Whoever gives a
Content-Length beside an iterable has it sent without chunks.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ....errors import ChannelClosedError
from ....file_region import FileRegion, is_plain

if TYPE_CHECKING:
    from ....loop import Loop

Piece: TypeAlias = "bytes | memoryview | FileRegion"
Deliver: TypeAlias = "Callable[[Piece | None, BaseException | None], object]"
"""Is given the next piece; ``None`` at the end; or what was raised instead."""

BodyLike: TypeAlias = (
    "bytes | bytearray | memoryview | str | FileRegion | io.IOBase | Iterable[Any] | AsyncIterable[Any]"
)

_PART: Final = 262144  # bytes; of what is there already, as much as one write takes
_END: Final = object()


class BodyReader(ABC):
    """Reads one body once."""

    @abstractmethod
    def next(self, deliver: Deliver) -> None:
        """Ask for the next piece; not again before it has been delivered, on the loop."""

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Nobody wants the rest."""


class RequestBody(ABC):
    """What a request carries.  ``length`` is ``None`` where only the end will tell."""

    length: int | None = None
    can_repeat = True
    """Whether it can be sent once more, on another connection or to another place."""

    @abstractmethod
    def open(self, loop: Loop) -> BodyReader:
        """Begin to read it from its front."""


class BytesBody(RequestBody):
    """Bytes that are there."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length: int | None = len(data)

    def open(self, loop: Loop) -> BodyReader:
        view = memoryview(self.data)
        return _Ready(view[at : at + _PART] for at in range(0, len(view), _PART))

    def __repr__(self) -> str:
        return f"<body of {self.length} bytes>"


class FileBody(RequestBody):
    """A part of a file, which has to stay open, and as it is, until the response is there."""

    def __init__(self, region: FileRegion) -> None:
        self._region = region
        self.length: int | None = region.count

    def open(self, loop: Loop) -> BodyReader:
        region = self._region
        end = region.offset + region.count
        return _Ready(FileRegion(region.file, at, min(_PART, end - at)) for at in range(region.offset, end, _PART))

    def __repr__(self) -> str:
        return f"<body from {self._region!r}>"


class _Ready(BodyReader):
    """Pieces that can be had without waiting."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces

    def next(self, deliver: Deliver) -> None:
        try:
            piece = next(self._pieces, None)
        except (OSError, ValueError) as exc:  # the file has been closed, or has become shorter
            deliver(None, exc)
        else:
            deliver(piece, None)


class IterableBody(RequestBody):
    """Pieces of an iterable; one that is an iterator itself can be read once."""

    def __init__(self, pieces: Iterable[Any]) -> None:
        self._pieces = pieces
        self.can_repeat = not isinstance(pieces, Iterator)

    def open(self, loop: Loop) -> BodyReader:
        return _OnThePool(loop, self._pieces)

    def __repr__(self) -> str:
        return f"<body from {type(self._pieces).__name__}>"


class _OnThePool(BodyReader):
    def __init__(self, loop: Loop, pieces: Iterable[Any]) -> None:
        self._loop = loop
        self._iterable = pieces
        self._pieces: Iterator[Any] | None = None

    def next(self, deliver: Deliver) -> None:
        self._loop.run_blocking(self._advance).add_done_callback(
            lambda done: deliver(done.result(), None) if done.exception() is None else deliver(None, done.exception())
        )

    def _advance(self) -> Piece | None:
        if self._pieces is None:
            self._pieces = iter(self._iterable)
        piece = next(self._pieces, _END)
        return None if piece is _END else as_piece(piece)


class AsyncIterableBody(RequestBody):
    """Pieces of an async iterable, advanced on the asyncio loop on which the request was made."""

    can_repeat = False

    def __init__(self, pieces: AsyncIterable[Any], host: Any) -> None:
        self._pieces = pieces
        self._host = host

    def open(self, loop: Loop) -> BodyReader:
        return _OnAsyncio(loop, self._pieces, self._host)

    def __repr__(self) -> str:
        return f"<body from {type(self._pieces).__name__}>"


class _OnAsyncio(BodyReader):
    def __init__(self, loop: Loop, pieces: AsyncIterable[Any], host: Any) -> None:
        self._loop = loop
        self._iterable = pieces
        self._pieces: AsyncIterator[Any] | None = None
        self._host = host
        self._pending: Any = None

    def next(self, deliver: Deliver) -> None:
        import asyncio  # only whoever awaits pays for asyncio

        advance = self._advance()
        try:
            self._pending = asyncio.run_coroutine_threadsafe(advance, self._host)
        except RuntimeError as exc:  # that loop is closed
            advance.close()
            deliver(None, exc)
            return
        self._pending.add_done_callback(lambda done: self._pass_on(done, deliver))

    async def _advance(self) -> Piece | None:
        if self._pieces is None:
            self._pieces = aiter(self._iterable)
        piece = await anext(self._pieces, _END)
        return None if piece is _END else as_piece(piece)

    def _pass_on(self, done: Any, deliver: Deliver) -> None:
        """Bring the outcome to our loop; on the thread of the other one."""
        if done.cancelled():
            piece, error = None, ChannelClosedError("the body was cancelled")
        else:
            error = done.exception()
            piece = None if error is not None else done.result()
        try:
            self._loop.execute(deliver, piece, error)
        except ChannelClosedError:
            return  # our loop has stopped, which has ended the request

    def close(self) -> None:
        if self._pending is not None:
            self._pending.cancel()


def as_piece(piece: Any) -> Piece:
    """Take what an iterable gave: bytes, text, or a part of a file.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(piece, bytes | memoryview | FileRegion):
        return piece
    if isinstance(piece, bytearray):
        return bytes(piece)
    if isinstance(piece, str):
        return piece.encode()
    raise TypeError(f"a piece of a body is bytes, str or a FileRegion, not {piece!r:.100}")


def as_body(given: Any) -> RequestBody | None:
    """Take what a caller may give as the body of a request; ``None`` stands for no body.

    Raises:
        TypeError: it is nothing of that; or it is an async iterable, and no asyncio loop runs here.
    """
    if given is None:
        return None
    if isinstance(given, str):
        return BytesBody(given.encode())
    if isinstance(given, bytes | bytearray | memoryview):
        return BytesBody(bytes(given))
    if isinstance(given, FileRegion):
        return FileBody(given)
    if isinstance(given, io.IOBase):
        return _as_file(given)
    if isinstance(given, AsyncIterable):
        return AsyncIterableBody(given, _running_asyncio_loop(given))
    if isinstance(given, Iterable) and not isinstance(given, dict):
        return IterableBody(given)
    raise TypeError(f"a body is bytes, str, a file, or an iterable of such pieces, not {given!r:.100}")


def _as_file(file: Any) -> RequestBody:
    """Take an open file from where it stands: a real one as a region, another one in pieces."""
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"a file must be open in binary mode, and {file!r} is open for text")
    if is_plain(file):
        try:
            return FileBody(FileRegion(file, file.tell()))
        except OSError:
            pass  # a pipe, which has no size
    return IterableBody(iter(lambda: file.read(_PART), b""))  # a BytesIO, a socket's file, one that decompresses


def _running_asyncio_loop(given: Any) -> Any:
    import asyncio  # only whoever awaits pays for asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError as exc:
        raise TypeError(f"{given!r:.100} is an async iterable, and no asyncio loop runs here to read it") from exc
