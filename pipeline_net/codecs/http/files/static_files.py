"""StaticFiles: the files of a folder, over HTTP.

Source: RFC 9110, sections 8.8, 13, 14 and 15.3.7; RFC 9111, section 4.1
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ....errors import PoolFullError
from ....handler import TransparentHandler
from ..content.negotiation import IDENTITY, AcceptEncoding
from ..headers import Headers, HeadersLike, as_headers
from ..messages import Data, End, FullRequest, FullResponse, Request, Response
from ..status import reason_phrase
from .answers import Answer, Representation
from .finding import Finder, Found, Question
from .media_types import media_type_of
from .root_folder import CAN_OPEN_BELOW, ENDINGS, RootFolder
from .sending import Sending
from .target_path import names_of

if TYPE_CHECKING:
    from ....context import ChannelHandlerContext
    from ....future import ChannelFuture

_NOT_FOUND: Final = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.EILSEQ)
)
_BUSY: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.ENOMEM))
_METHODS: Final = ("GET", "HEAD")
_LISTING_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


class _OpenFiles:
    """How many files are open, or being opened, on one loop."""

    def __init__(self) -> None:
        self.count = 0


class StaticFiles(TransparentHandler[Any]):  # parts stay parts, and whole messages whole ones
    """Requests below ``prefix`` → responses with files of ``root``; all other messages → the same.

    ::

        http.server_stack() >> http.ContentCompression() >> http.StaticFiles("public", prefix="/static/") >> Mine()

    It reads requests in parts or whole.  GET and HEAD are answered, with conditions (ETag, Last-Modified) and ranges,
    several of them too; other methods with 405.  Files above 64 KiB are sent by the kernel, region by region.

    What is not to be seen is a 404, whatever the reason: names that mean something else when they are decoded
    (``..``, ``%2e%2e``, ``%2f``, a backslash, NUL), dot files, links, whatever is no regular file.  A file is opened
    name by name from the root, so that nobody can exchange a folder for a link meanwhile.

    A folder is answered with its index file, or a page that lists it, or 404; without a slash at the end, with a
    redirect.  A file that becomes shorter while it is sent ends the connection.  The ETag is made of the time of the
    last change, in nanoseconds, and the size: whoever changes a file twice within the clock's grain to the same size
    keeps its tag.

    Args:
        root: the folder; where it leads is looked up for each request, so that it may be a link which changes.
        prefix: the path under which the root is found; begins and ends with a slash.  With ``/`` it answers what has no
            path as well: ``OPTIONS *`` with 204, CONNECT with 501.
        index: names of files that stand for their folder.
        listing: whether folders without one are listed.
        cache_control: the value of Cache-Control for files.
        headers: more headers, for every response with a file.
        media_types: types by the ends of names, before those that are known: ``{".gpx": "application/gpx+xml"}``.
        charset: what types of text are said to be in; ``None`` to say nothing.
        precompressed: codings whose neighbours are sent to who takes them, the preferred one first: with ``("br",
            "gzip")``, ``a.css.br`` or ``a.css.gz`` for ``a.css``, unless it is older.
        dotfiles: whether names that begin with a dot are served; ``/.well-known`` always is.
        follow_symlinks: whether links are followed, wherever they lead.
        in_pool: whether files are opened, and small ones read, on a thread of the pool, because a disk may take its
            time.  Without, it is quicker for files that are in memory, and one that is not stops all of the loop.
        max_open_files: files that are open at a time on one loop; more requests are answered with 503.
        max_ranges: ranges in one request; more are ignored, as are those that ask for more bytes than there are.

    Raises:
        ValueError: no folder, a prefix without its slashes, an unknown coding, an index that is no name, a limit below
            1; or a system that cannot open files below a folder (Windows).
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        prefix: str = "/",
        index: Iterable[str] = ("index.html",),
        listing: bool = False,
        cache_control: str | None = None,
        headers: HeadersLike | None = None,
        media_types: Mapping[str, str] | None = None,
        charset: str | None = "utf-8",
        precompressed: Iterable[str] = (),
        dotfiles: bool = False,
        follow_symlinks: bool = False,
        in_pool: bool = True,
        max_open_files: int = 256,
        max_ranges: int = 16,
    ) -> None:
        if not CAN_OPEN_BELOW:
            raise ValueError("StaticFiles needs a system that opens files below a folder (openat)")
        if not os.path.isdir(root):
            raise ValueError(f"root must be a folder, and {os.fspath(root)!r} is none")
        if not prefix.startswith("/") or not prefix.endswith("/") or names_of(prefix) is None:
            raise ValueError(f"prefix must begin and end with a slash, like '/static/', and not be {prefix!r}")
        names = [os.fsencode(name) for name in index]
        if any(not name or b"/" in name or b"\0" in name for name in names):
            raise ValueError(f"index must be names of files, and not {names!r}")
        self._codings = tuple(precompressed)
        for coding in self._codings:
            if coding not in ENDINGS:
                raise ValueError(f"a precompressed coding is one of {', '.join(ENDINGS)}, not {coding!r}")
        for what, limit in (("max_open_files", max_open_files), ("max_ranges", max_ranges)):
            if limit < 1:
                raise ValueError(f"{what} must be at least 1, and is {limit!r}")
        self._prefix = prefix
        self._cache_control = cache_control
        self._headers = Headers() if headers is None else as_headers(headers)
        self._media_types = media_types or {}
        self._charset = charset
        self._in_pool = in_pool
        self._max_open_files = max_open_files
        self._max_ranges = max_ranges
        folder = RootFolder(os.fsencode(root), follow_symlinks=follow_symlinks, dotfiles=dotfiles)
        self._finder = Finder(folder, names, listing)
        self._is_ours = False  # the rest of the request that is being read
        self._sendings: set[Sending] = set()
        self._open_files = _OpenFiles()

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        shared = ctx.loop.shared.get("http.files")
        if shared is None:
            shared = ctx.loop.shared["http.files"] = self._open_files
        assert isinstance(shared, _OpenFiles)
        self._open_files = shared

    def handler_removed(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        for sending in list(self._sendings):
            sending.stop()

    # -- which requests -----------------------------------------------------------------------------

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, Request):
            path = msg.path
            is_ours = path.startswith(self._prefix) or path + "/" == self._prefix or self._prefix == "/"
            self._is_ours = is_ours and not isinstance(msg, FullRequest)
            if is_ours:
                self._answer(ctx, msg, path)
                return
        elif self._is_ours and isinstance(msg, Data | End):
            return  # a body that nobody wants
        ctx.fire_channel_read(msg)

    def _answer(self, ctx: ChannelHandlerContext[Any, Any], request: Request, path: str) -> None:
        if not path.startswith("/"):
            self._answer_without_path(ctx, request)
            return
        if request.method not in _METHODS:
            self._refuse(ctx, request, 405, {"allow": ", ".join(_METHODS)})
            return
        if not path.startswith(self._prefix):
            self._redirect(ctx, request, path)
            return
        names = names_of(path[len(self._prefix) - 1 :])
        if names is None:
            self._refuse(ctx, request, 404)
            return
        if self._open_files.count >= self._max_open_files:
            self._refuse(ctx, request, 503, {"retry-after": "1"})
            return
        question = Question(names, path, self._codings_for(request), request.method != "HEAD")
        self._open_files.count += 1
        if not self._in_pool:
            self._find_now(ctx, request, path, question)
            return
        try:
            finding = ctx.loop.run_blocking(self._finder.find, question)
        except PoolFullError:
            self._open_files.count -= 1
            self._refuse(ctx, request, 503, {"retry-after": "1"})
        else:
            finding.add_done_callback(partial(self._was_found, ctx, request, path))

    def _answer_without_path(self, ctx: ChannelHandlerContext[Any, Any], request: Request) -> None:
        """Answer ``OPTIONS *`` and CONNECT, which nobody behind would answer if all paths are here."""
        if request.method == "CONNECT":
            self._refuse(ctx, request, 501, {"connection": "close"})
        else:
            ctx.write(FullResponse(204, {"allow": ", ".join(_METHODS)}, to=request))

    def _codings_for(self, request: Request) -> list[str]:
        """Which of the precompressed codings the client takes, the best one first."""
        if not self._codings:
            return []
        accepted = AcceptEncoding(request.headers.get("accept-encoding"))
        if accepted.choose(self._codings) == IDENTITY:
            return []
        return sorted(
            (coding for coding in self._codings if accepted.weight(coding)), key=accepted.weight, reverse=True
        )

    # -- what was found -----------------------------------------------------------------------------

    def _find_now(self, ctx: ChannelHandlerContext[Any, Any], request: Request, path: str, question: Question) -> None:
        try:
            found = self._finder.find(question)
        except OSError as exc:
            self._was_not_found(ctx, request, path, exc)
        else:
            self._send(ctx, request, found)

    def _was_found(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, path: str, finding: ChannelFuture[Found]
    ) -> None:
        failure = finding.exception()
        if failure is None:
            found = finding.result()
            if ctx.is_removed or not ctx.channel.is_open:
                self._give_back(found)
            else:
                self._send(ctx, request, found)
        elif ctx.is_removed or not ctx.channel.is_open:
            self._open_files.count -= 1
        else:
            self._was_not_found(ctx, request, path, failure)

    def _was_not_found(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, path: str, failure: BaseException
    ) -> None:
        self._open_files.count -= 1
        if isinstance(failure, IsADirectoryError):
            self._redirect(ctx, request, path)
        elif isinstance(failure, PermissionError):
            self._refuse(ctx, request, 403)
        elif isinstance(failure, OSError) and failure.errno in _NOT_FOUND:
            self._refuse(ctx, request, 404)
        elif isinstance(failure, OSError) and failure.errno in _BUSY:
            self._refuse(ctx, request, 503, {"retry-after": "1"})
        else:
            self._refuse(ctx, request, 500)
            raise failure

    def _send(self, ctx: ChannelHandlerContext[Any, Any], request: Request, found: Found) -> None:
        if found.facts is None:
            self._give_back(found)
            self._send_page(ctx, request, found.body or b"")
            return
        answer = Answer(request.method, request.headers, self._representation(found), time.time(), self._max_ranges)
        headers = answer.headers
        for name, value in self._headers.items():
            headers.add(name, value)
        if found.file is None or not answer.pieces or request.method == "HEAD":
            self._give_back(found)
            if request.method == "HEAD" and answer.length is not None:
                headers.add("content-length", str(answer.length))
            body = answer.whole(found.body or b"") if request.method != "HEAD" else b""
            ctx.write(FullResponse(answer.status, headers, body, to=request))
            return
        headers.add("content-length", str(answer.length))
        ctx.write(Response(answer.status, headers, to=request))
        sending = Sending(ctx, request, found.file, answer.pieces, self._was_sent)
        self._sendings.add(sending)
        sending.go_on()

    def _representation(self, found: Found) -> Representation:
        assert found.facts is not None, "a page has no facts"
        return Representation(
            size=found.facts.st_size,
            modified_ns=found.facts.st_mtime_ns,
            media_type=media_type_of(found.name, self._media_types, self._charset),
            coding=found.coding,
            varies=len(self._codings) > 0,
            cache_control=self._cache_control,
        )

    def _was_sent(self, sending: Sending) -> None:
        self._sendings.discard(sending)
        self._open_files.count -= 1

    def _give_back(self, found: Found) -> None:
        self._open_files.count -= 1
        if found.file is not None:
            found.file.close()

    # -- what is not a file -------------------------------------------------------------------------

    def _send_page(self, ctx: ChannelHandlerContext[Any, Any], request: Request, page: bytes) -> None:
        headers = Headers(
            {
                "content-type": "text/html; charset=utf-8",
                "content-security-policy": _LISTING_POLICY,
                "x-content-type-options": "nosniff",
                "cache-control": "no-cache",
            }
        )
        if request.method == "HEAD":
            headers.add("content-length", str(len(page)))
        ctx.write(FullResponse(200, headers, b"" if request.method == "HEAD" else page, to=request))

    def _redirect(self, ctx: ChannelHandlerContext[Any, Any], request: Request, path: str) -> None:
        """Add the slash that a folder wants; the path begins with one alone, so it leads to nobody else."""
        query = f"?{request.query}" if "?" in request.target else ""
        self._refuse(ctx, request, 301, {"location": f"{path}/{query}"})

    def _refuse(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        status: int,
        more: Mapping[str, str] | None = None,
    ) -> None:
        body = f"{status} {reason_phrase(status)}\n".encode("ascii")
        headers = Headers({"content-type": "text/plain", "x-content-type-options": "nosniff", **(more or {})})
        if request.method == "HEAD":
            headers.add("content-length", str(len(body)))
            body = b""
        ctx.write(FullResponse(status, headers, body, to=request))
