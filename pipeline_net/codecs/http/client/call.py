"""Call: what a caller has asked for, from the first attempt to the answer: retries and redirects are made here.

::

    attempt ──▶ head ──┬──▶ redirect ──▶ attempt …
       ▲               ├──▶ Retry-After ──▶ pause ──▶ attempt …
       └── lost, and   ├──▶ body in parts ──▶ the caller
           may repeat  └──▶ whole body ──▶ the caller
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ....errors import ChannelClosedError
from ....future import ChannelFuture
from ..headers import Headers
from ..messages import End, Request, Response
from .cookies import cookie_for, keep_cookies
from .errors import ConnectError, HttpClientError, ProxyError, RequestTimeoutError
from .exchange import Exchange, ExchangeOwner
from .options import ClientOptions
from .pool import Pool
from .proxy import Proxy, route_of
from .redirects import is_redirect, redirected
from .request import PreparedRequest
from .response import ClientResponse, ResponseHead
from .retries import asked_pause, can_repeat, pause_before
from .sinks import Dropped, Sink, WholeBody
from .stream import BodyQueue, StreamedResponse
from .url import Url

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from ....transport.event_loop import EventLoop
    from ....transport.timers import TimerHandle

_WORTH_READING: Final = 65536  # bytes of a redirect's body; a new connection costs less than more of that


class Surroundings:
    """What all calls of a client share."""

    def __init__(
        self,
        loop: EventLoop,
        options: ClientOptions,
        pool: Pool,
        proxy_for: Callable[[Url], Proxy | None],
        jar: CookieJar | None,
    ) -> None:
        self.loop = loop
        self.options = options
        self.pool = pool
        self.proxy_for = proxy_for
        self.jar = jar
        self.calls: set[Call] = set()
        self.on_empty: list[ChannelFuture[None]] = []

    def forget(self, call: Call) -> None:
        """A call is over."""
        self.calls.discard(call)
        if not self.calls:
            while self.on_empty:
                self.on_empty.pop().fulfil(None)


class Call(ExchangeOwner):
    """One request of a caller, who waits for ``future``; on the loop."""

    def __init__(self, around: Surroundings, request: PreparedRequest, future: ChannelFuture[Any]) -> None:
        self._around = around
        self._request = request
        self._future = future
        self._history: tuple[ResponseHead, ...] = ()
        self._exchange: Exchange | None = None
        self._response: Response | None = None
        self._sink: Sink | None = None
        self._next: PreparedRequest | None = None  # what follows when this body has been dropped
        self._pause = 0.0
        self._retries = 0
        self._dead_connections = 0
        self._total: TimerHandle | None = None
        self._pause_timer: TimerHandle | None = None
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Call of {self._request}>"

    def start(self) -> None:
        """Begin."""
        self._around.calls.add(self)
        self._future.on_cancel(self.abandon)
        if self._future.done():
            self.abandon()  # before anybody could be told
            return
        total = self._request.timeouts.total
        if total is not None:
            self._total = self._around.loop.schedule(total, self._took_too_long, total)
        self._attempt()

    # -- one attempt --------------------------------------------------------------------------------

    def _attempt(self) -> None:
        self._pause_timer = None
        self._next = None
        if self._is_over:
            return
        request = self._request
        try:
            proxy = self._around.proxy_for(request.url)
            head = wire_request(request, proxy, self._around.jar)
        except Exception as exc:  # noqa: BLE001 - a jar may be anybody's, and somebody waits
            self._fail(exc)
            return
        self._exchange = Exchange(self, request, head, route_of(request.url, proxy), self._around.loop)
        self._around.pool.acquire(self._exchange)

    def got_head(self, exchange: Exchange, response: Response) -> Sink:
        request, options = self._request, self._around.options
        self._response = response
        if self._around.jar is not None:
            keep_cookies(self._around.loop, self._around.jar, request.url, response.headers)
        if request.follows_redirects and is_redirect(response.status, response.headers):
            try:
                self._next = redirected(request, response.status, response.headers, options)
            except HttpClientError as exc:
                self._fail(exc)
                exchange.abandon()
                return Dropped(0)
            self._pause = 0.0
            self._history = (*self._history, ResponseHead(request, response, self._history))
            return Dropped(_WORTH_READING)
        pause = asked_pause(response.status, response.headers, options.retry_after)
        if pause is not None and can_repeat(request) and self._retries < max(options.retries, 1):
            self._retries += 1
            self._next, self._pause = request, pause
            return Dropped(_WORTH_READING)
        self._sink = self._body_goes_to(exchange, response)
        return self._sink

    def _body_goes_to(self, exchange: Exchange, response: Response) -> Sink:
        if not self._request.streams:
            return WholeBody(self._request.max_body)
        queue = BodyQueue(self._around.loop, exchange, self._around.options.stream_buffer, self.abandon)
        if self._total is not None:
            self._total.cancel()
            self._total = None
        if not self._future.set_result(StreamedResponse(self._request, response, self._history, queue)):
            self.abandon()
        return queue

    def got_all(self, exchange: Exchange, end: End) -> None:
        if self._next is not None:
            self._go_on()
            return
        sink, response = self._sink, self._response
        assert response is not None, "an end comes behind a head"
        self._finish()
        if isinstance(sink, BodyQueue):
            sink.end(end.trailers)
        elif isinstance(sink, WholeBody):
            self._future.fulfil(ClientResponse(self._request, response, self._history, sink.body(), end.trailers))

    def broke(self, exchange: Exchange, error: BaseException) -> None:
        if self._is_over:
            return
        if self._next is not None:
            self._go_on()  # what was lost is the rest of a body that nobody wants
        elif isinstance(self._sink, BodyQueue):
            self._finish()
            self._sink.fail(error)
        elif self._was_dead_already(exchange):
            self._dead_connections += 1
            self._attempt()
        elif self._retries < self._around.options.retries and self._may_retry(exchange, error):
            self._next = self._request
            self._pause = pause_before(self._retries, self._around.options.retry_pause)
            self._retries += 1
            self._go_on()
        else:
            self._fail(error)

    def _was_dead_already(self, exchange: Exchange) -> bool:
        """Whether a kept connection was closed by the server in the very moment in which we used it."""
        return (
            exchange.was_lost
            and exchange.on_used_connection
            and can_repeat(self._request)
            and self._dead_connections < self._around.options.max_per_origin
        )

    def _may_retry(self, exchange: Exchange, error: BaseException) -> bool:
        if not exchange.was_sent:
            return isinstance(error, ConnectError | ProxyError) or (
                isinstance(error, RequestTimeoutError) and error.phase in ("connect", "tls")
            )
        return exchange.was_lost and can_repeat(self._request)

    def _go_on(self) -> None:
        """Send the next request, after a pause if there is to be one."""
        following = self._next
        assert following is not None, "somebody has decided what comes next"
        self._request = following
        self._response = self._sink = None
        if self._pause > 0:
            self._pause_timer = self._around.loop.schedule(self._pause, self._attempt)
        else:
            self._around.loop.execute(self._attempt)  # behind the task that frees the connection

    # -- the end ------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """The caller does not want the answer any more."""
        if not self._is_over:
            self._let_go()

    def end(self, error: BaseException) -> None:
        """The client ends."""
        if not self._is_over:
            self._let_go()
            if isinstance(self._sink, BodyQueue):
                self._sink.fail(error)
            self._future.fail_if_pending(error)

    def _took_too_long(self, seconds: float) -> None:
        self._total = None
        self._let_go()
        self._future.fail_if_pending(RequestTimeoutError(str(self._request.url), "total", seconds))

    def _fail(self, error: BaseException) -> None:
        self._finish()
        self._future.fail_if_pending(error)

    def _let_go(self) -> None:
        exchange = self._exchange
        self._finish()
        if exchange is not None:
            exchange.abandon()

    def _finish(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._exchange = None  # which refers to us
        for timer in (self._total, self._pause_timer):
            if timer is not None:
                timer.cancel()
        self._around.forget(self)


def wire_request(request: PreparedRequest, proxy: Proxy | None, jar: CookieJar | None) -> Request:
    """Make the head that travels: Host, Cookie, Authorization, and the target in the form that the next hop wants.

    Proxy-Authorization goes to a proxy that reads the request, and never through a tunnel to the server behind it.
    """
    url = request.url
    own = request.headers
    headers = Headers()
    if "host" not in own:
        headers.add("host", url.authority)  # RFC 9110 7.2: it "SHOULD" be the first
    is_read_by_proxy = proxy is not None and url.scheme == "http"
    for name, value in own.items():
        if is_read_by_proxy or name.lower() != "proxy-authorization":
            headers.add(name, value)
    if request.auth is not None and "authorization" not in own:
        headers.add("authorization", request.auth.value)
    if jar is not None and "cookie" not in own:
        cookie = cookie_for(jar, url)
        if cookie is not None:
            headers.add("cookie", cookie)
    if proxy is None or not is_read_by_proxy:
        return Request(request.method, url.target, headers)
    if proxy.authorization is not None and "proxy-authorization" not in own:
        headers.add("proxy-authorization", proxy.authorization)
    return Request(request.method, str(url), headers)


def closed_error(what: object) -> ChannelClosedError:
    """Make the error for whoever uses a client that is closed."""
    return ChannelClosedError(f"{what!r} is closed")
