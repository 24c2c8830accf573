"""Client: asks servers of HTTP, for many threads and coroutines at once.

::

    with http.Client() as client:
        response = client.get("https://example.org/")       # waits
        response = await client.execute("GET", url)         # in asyncio; or .result(), or add_done_callback

Requests are checked and put together by whoever asks for them, on their own thread: a mistake is raised there.  All
connections of a client live on one loop, which keeps the books.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Never, Self

import attrs

from ....errors import BlockingOperationError, ChannelClosedError
from ....future import ChannelFuture
from ....loop import Listener
from ....transport.address import parse_address
from ....transport.event_loop import EventLoop
from ....transport.group import EventLoopGroup
from ....transport.running import on_a_loop
from ..headers import Headers, HeadersLike
from .auth import AuthLike, BasicAuth, as_auth
from .call import Call, Surroundings, closed_error
from .errors import UrlError
from .opening import Connector
from .options import ClientOptions
from .pool import Pool
from .proxy import FROM_ENVIRONMENT, as_proxy_choice
from .request import (
    PreparedRequest,
    body_and_type,
    checked_method,
    merged_headers,
    refuse_keywords,
    with_framing,
)
from .response import ClientResponse
from .stream import Streaming
from .timeouts import Timeouts
from .url import Params, Url, parse_url

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from ....handlers.tls_context import ClientTlsLike

_AGENT: Final = "pipeline_net"
_UNSET: Final[Any] = object()


def _as_loop(given: Any) -> EventLoop:
    if isinstance(given, EventLoop):
        return given
    hint = ": a URL is base_url=…" if isinstance(given, str) else ""
    raise TypeError(f"loops are an EventLoopGroup or an EventLoop, not {given!r}{hint}")


class Client:
    """A client of HTTP/1.1; all its methods may be called from any thread.

    Args:
        loops: where its connections live; without them the client has a loop, and a thread, of its own.  A loop that
            nobody has started must be driven by whoever made it.
        base_url: what relative URLs are appended to: ``"https://api.example.org/v1"``.
        headers: of every request, unless it has its own of the same name.
        auth: ``(user, password)``, ``BasicAuth`` or ``BearerAuth``, for every request that is made to ``base_url``'s
            origin; for every request if there is no base URL.  It does not follow redirects to other origins.
        cookies: an ``http.cookiejar.CookieJar``; without one, cookies are neither kept nor sent.
        proxy: ``"environment"`` asks ``http_proxy``, ``https_proxy`` and ``no_proxy``; or the URL of one, by http or
            https; or ``None``.
        address: where to connect, whatever host a URL names, such as ``"unix:///run/docker.sock"``.
        tls: whom to trust with ``https``, servers and proxies: a ``ClientTls`` or an ``ssl.SSLContext``; the system
            decides without it.
        options: how much, how long, how far.

    Raises:
        UrlError, AddressError: a URL or an address is none.
        ValueError, TypeError: an argument is not what it should be, or two contradict each other.
        ChannelClosedError: the group has been shut down.
    """

    def __init__(
        self,
        loops: EventLoopGroup | EventLoop | None = None,
        *,
        base_url: str | None = None,
        headers: HeadersLike | None = None,
        auth: AuthLike | None = None,
        cookies: CookieJar | None = None,
        proxy: str | None = FROM_ENVIRONMENT,
        address: str | None = None,
        tls: ClientTlsLike | None = None,
        options: ClientOptions = ClientOptions(),
        **unknown: Never,
    ) -> None:
        refuse_keywords("Client()", unknown)
        self._base = None if base_url is None else parse_url(base_url)
        if self._base is not None and "?" in self._base.target:
            raise UrlError(str(self._base), "a base URL has no query")
        self._auth = as_auth(auth)
        self._headers = Headers({"user-agent": _AGENT, "accept": "*/*"})
        if self._base is not None:
            self._headers = merged_headers(self._headers, headers, self._base)
        elif headers is not None:
            self._headers = merged_headers(self._headers, headers, Url("http", "localhost", 80, "/"))
        if address is not None:
            if parse_address(address).is_tls or parse_address(address).is_datagram:
                raise ValueError(f"address={address!r} says where to connect, by tcp://, unix:// or local://")
            if proxy == FROM_ENVIRONMENT:
                proxy = None
            elif proxy is not None:
                raise ValueError("address= says where to connect, and so does proxy=: give one of them")
        proxy_for = as_proxy_choice(proxy)
        self.options = options
        self._own_loop: EventLoop | None = None
        if loops is None:
            self._own_loop = EventLoop("http-client")
            self.loop: EventLoop = self._own_loop
        elif isinstance(loops, EventLoopGroup):
            loops.start()
            self.loop = loops.next()
        else:
            self.loop = _as_loop(loops)
        try:
            self._connector = Connector(self.loop, options, address, tls)
        except BaseException:
            if self._own_loop is not None:
                self._own_loop.stop()
            raise
        self._pool = Pool(self._connector)
        self._around = Surroundings(self.loop, options, self._pool, proxy_for, cookies)
        self._is_closed = False
        self._stop_listener: _EndsWithLoop | None = None
        if self._own_loop is not None:
            self._own_loop.start()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{self._pool.connections} connections, {self._pool.idle} idle"
        return f"<Client{'' if self._base is None else f' of {self._base}'}: {state}>"

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more requests."""
        return self._is_closed

    # -- asking -------------------------------------------------------------------------------------

    def execute(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: HeadersLike | None = None,
        body: Any = None,
        json: Any = None,
        form: Any = None,
        auth: AuthLike | None = _UNSET,
        timeouts: Timeouts | None = None,
        max_body: int | None = None,
        follow_redirects: bool = True,
        **unknown: Never,
    ) -> ChannelFuture[ClientResponse]:
        """Send a request; the future has the whole answer.  Wait for it, ``.result()``, or await it in asyncio.

        Args:
            params: names and values for the query; a list stands for several of one name.
            body: ``bytes``, ``str``, a ``FileRegion``, a file that is open in binary mode, or an iterable of pieces, in
                asyncio also an async one.  A file must stay open, and as it is, until the answer is there.
            json: what the body is made of, instead: anything that ``json.dumps`` takes.
            form: the same with pairs of names and values, as forms are sent.
            auth: instead of the client's; ``None`` for none.
            timeouts: instead of those of the options.
            max_body: bytes of the answer's body, instead of the options' limit.

        Raises:
            UrlError: the URL does not say where to go, or has what must not travel.
            EncodeError: a header could end its line early.
            ValueError, TypeError: an argument is not what it should be, or two contradict each other.

        A status such as 404 is an answer like others; ``response.raise_for_status()`` makes it an error.  The future
        fails with the errors of ``HttpClientError``, with ``PoolFullError`` when too many wait for a connection, with
        ``ChannelClosedError`` when the client is closed, and with what the body's iterator has raised.
        """
        refuse_keywords("a request", unknown)
        request = self._prepared(
            method, url, params, headers, (body, json, form), auth, timeouts, max_body, follow_redirects, False
        )
        return self._post(request)

    def call(self, method: str, url: str, **settings: Any) -> ClientResponse:
        """Send a request, and wait for the whole answer: ``execute(…).result()``.

        Raises:
            BlockingOperationError: called on a loop, which has other things to do.
            Exception: like ``execute``, and what its future fails with.
        """
        if on_a_loop():
            raise BlockingOperationError(
                f"{method} {url}: a loop cannot wait for an answer; use execute() and a callback"
            )
        if isinstance(settings.get("body"), AsyncIterable):
            raise TypeError("an async iterable is read while somebody awaits: use execute()")
        future = self.execute(method, url, **settings)
        try:
            return future.result()
        except BaseException:  # Ctrl-C, and what the request fails with
            future.cancel()
            raise

    def get(self, url: str, **settings: Any) -> ClientResponse:
        """``call("GET", url, …)``."""
        return self.call("GET", url, **settings)

    def head(self, url: str, **settings: Any) -> ClientResponse:
        """``call("HEAD", url, …)``."""
        return self.call("HEAD", url, **settings)

    def post(self, url: str, **settings: Any) -> ClientResponse:
        """``call("POST", url, …)``."""
        return self.call("POST", url, **settings)

    def put(self, url: str, **settings: Any) -> ClientResponse:
        """``call("PUT", url, …)``."""
        return self.call("PUT", url, **settings)

    def patch(self, url: str, **settings: Any) -> ClientResponse:
        """``call("PATCH", url, …)``."""
        return self.call("PATCH", url, **settings)

    def delete(self, url: str, **settings: Any) -> ClientResponse:
        """``call("DELETE", url, …)``."""
        return self.call("DELETE", url, **settings)

    def options_of(self, url: str, **settings: Any) -> ClientResponse:
        """``call("OPTIONS", url, …)``; ``options`` are the client's own."""
        return self.call("OPTIONS", url, **settings)

    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        headers: HeadersLike | None = None,
        body: Any = None,
        json: Any = None,
        form: Any = None,
        auth: AuthLike | None = _UNSET,
        timeouts: Timeouts | None = None,
        follow_redirects: bool = True,
        **unknown: Never,
    ) -> Streaming:
        """Send a request, and read the answer's body in parts: ``with client.stream("GET", url) as response: …``.

        The request leaves when the ``with`` is entered, or the ``async with``; arguments are those of ``execute``.
        """
        refuse_keywords("a request", unknown)
        request = self._prepared(
            method, url, params, headers, (body, json, form), auth, timeouts, None, follow_redirects, True
        )
        return Streaming(lambda: self._post(request), isinstance(body, AsyncIterable))

    def _prepared(
        self,
        method: str,
        url: str,
        params: Params | None,
        headers: HeadersLike | None,
        bodies: tuple[Any, Any, Any],
        auth: Any,
        timeouts: Timeouts | None,
        max_body: int | None,
        follow_redirects: bool,
        streams: bool,
    ) -> PreparedRequest:
        where = parse_url(url, self._base)
        if params is not None:
            where = where.with_params(params)
        method = checked_method(method, where)
        if timeouts is not None and not isinstance(timeouts, Timeouts):
            raise TypeError(f"timeouts= is a Timeouts, such as Timeouts(total=5), not {timeouts!r}")
        if max_body is not None and max_body < 0:
            raise ValueError(f"max_body must not be negative, but is {max_body}")
        body, content_type = body_and_type(*bodies)
        merged = merged_headers(self._headers, headers, where)
        return PreparedRequest(
            method=method,
            url=attrs.evolve(where, credentials=None),
            headers=with_framing(merged, method, body, content_type),
            body=body,
            auth=self._auth_for(where, auth),
            timeouts=self.options.timeouts if timeouts is None else timeouts,
            max_body=self.options.max_body if max_body is None else max_body,
            follows_redirects=follow_redirects,
            streams=streams,
        )

    def _auth_for(self, url: Url, given: Any) -> Any:
        """Choose among what the request, its URL, and the client have: in this order."""
        if given is not _UNSET:
            return as_auth(given)
        if url.credentials is not None:
            try:
                return BasicAuth(*url.credentials)
            except ValueError as exc:
                raise UrlError(str(url), str(exc)) from exc
        if self._base is not None and url.origin != self._base.origin:
            return None
        return self._auth

    def _post(self, request: PreparedRequest) -> ChannelFuture[Any]:
        future: ChannelFuture[Any] = ChannelFuture(self.loop)
        if self._is_closed:
            future.fail_if_pending(closed_error(self))
            return future
        try:
            self.loop.execute(self._start, request, future)
        except ChannelClosedError as exc:
            future.fail_if_pending(exc)
        return future

    def _start(self, request: PreparedRequest, future: ChannelFuture[Any]) -> None:
        if self._stop_listener is None:
            self._stop_listener = _EndsWithLoop(self)
            self.loop.adopt_listener(self._stop_listener)
        Call(self._around, request, future).start()

    # -- the end ------------------------------------------------------------------------------------

    def close(self) -> ChannelFuture[None]:
        """Take no more requests, wait for those under way (``close_timeout``), then close all connections."""
        self._is_closed = True
        promise: ChannelFuture[None] = ChannelFuture(self.loop)
        try:
            self.loop.execute(self._close, promise)
        except ChannelClosedError:
            promise.fulfil(None)  # a loop that has stopped has closed them
        return promise

    def _close(self, promise: ChannelFuture[None]) -> None:
        self._pool.close()
        empty: ChannelFuture[None] = ChannelFuture(self.loop)
        empty.add_done_callback(lambda _: self._closed(promise))
        if self._around.calls:
            timer = self.loop.schedule(self.options.close_timeout, self.cut_off)
            empty.add_done_callback(lambda _: timer.cancel())
            self._around.on_empty.append(empty)
        else:
            empty.fulfil(None)

    def cut_off(self) -> None:
        """End everything at once; on the loop."""
        self._is_closed = True
        error = closed_error(self)
        for call in list(self._around.calls):
            call.end(error)
        self._pool.abort(error)

    def keep_no_connections(self) -> None:
        """Let those go that nobody uses, now and later; on the loop."""
        self._pool.keep_none()

    def _closed(self, promise: ChannelFuture[None]) -> None:
        self._pool.close()
        if self._stop_listener is not None:
            self.loop.forget_listener(self._stop_listener)
            self._stop_listener = None
        promise.fulfil(None)
        if self._own_loop is not None:
            self._own_loop.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        closed = self.close()
        if self.loop.has_thread and not on_a_loop():
            closed.result()
            if self._own_loop is not None:
                self._own_loop.stop()  # waits for its thread

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class _EndsWithLoop(Listener):
    """Hears when the loop takes in nobody any more; if that is because it ends, so does the client.

    Before that it may wait for its channels to finish: those that nobody uses must not keep it waiting.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def stop_listening(self) -> None:
        if self._client.loop.is_stopping:
            self._client.cut_off()
        else:
            self._client.keep_no_connections()
