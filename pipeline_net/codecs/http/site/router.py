"""Router: which function answers which request; for sites that want no framework.

::

    router = http.Router()

    @router.get("/notes/{number:int}")
    def note(request, number):
        return http.json_response(notes[number])

    http.server_stack() >> http.RequestAggregator() >> router

Source: RFC 9110, sections 9 (methods) and 15.5 (client errors)
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ....complaints import complaints_of, log_failure
from ....context import ChannelHandlerContext
from ....errors import PipelineError, PoolFullError
from ....future import ChannelFuture
from ....handler import ChannelInboundHandler
from ..errors import HttpDecodeError
from ..forms.messages import FormRequest
from ..grammar import is_token
from ..messages import FullRequest, FullResponse, Request, ResponsePart
from .answers import HttpError, redirect
from .route_pattern import MalformedPathError, RoutePattern, split_path
from .route_table import Match, Route, RouteTable
from .streaming import PartWriter, StreamingResponse, addressed

if TYPE_CHECKING:
    from ....loop import Loop

F = TypeVar("F", bound=Callable[..., Any])

_logger: Final = logging.getLogger("pipeline_net.http")

# RFC 9110 9.1: "The method token is case-sensitive"
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_ANY: Final = "*"


def _plain_error(request: Request, error: HttpError) -> FullResponse:
    return error.response()


class Router(ChannelInboundHandler[FullRequest, FullRequest, ResponsePart]):
    """``FullRequest`` → the call of a function, whose result is the response.

    A handler is called with the request, and with what stands in the places of its pattern, under their names.  It
    returns

    * a ``FullResponse``;
    * a ``ChannelFuture`` of one, which answers when it is done;
    * an iterator, such as a generator makes: a ``Response`` first, then ``bytes``; see ``PartWriter``;
    * a ``StreamingResponse``, such as an ``EventStream``;

    or raises ``HttpError``.  What ``parse_query`` and the like say of what the client has sent (``HttpDecodeError``) is
    answered with its status.  Any other exception is logged and answered with 500, and the peer learns no more.  It
    runs on the loop, and so must not block; with ``blocking=True`` it runs on a thread of the pool, and a request that
    finds no room there is answered with 503.

    Where ``Forms`` stands in front, a form is routed like the request that brought it, and the handler gets the
    ``FormRequest``.

    What matches no route is answered with 404, unless ``pass_on`` says so; a route for other methods with 405 and
    Allow, or 204 to OPTIONS.  HEAD is answered as GET is, without the body.  A path that is not well-formed is answered
    with 400: see ``split_path``.

    One router serves all connections of all loops: its routes are fixed when the first connection uses it.

    Args:
        redirect_slashes: whether ``/notes/`` is redirected (308) to ``/notes`` when only that is a route, and the other
            way round; otherwise it is a 404.
        render_error: makes the answers to errors, ``render_error(request, error)``; plain text by default.
    """

    shareable = True

    def __init__(
        self,
        *,
        redirect_slashes: bool = True,
        render_error: Callable[[Request, HttpError], FullResponse] = _plain_error,
    ) -> None:
        self._table = RouteTable()
        self._redirects_slashes = redirect_slashes
        self._render_error = render_error
        self._is_fixed = False
        self._passes_rest = False

    def __repr__(self) -> str:
        return f"<Router of {len(self._table.routes)} routes>"

    # -- routes -------------------------------------------------------------------------------------

    def get(self, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of GET, and of HEAD."""
        return self.route("GET", pattern, blocking=blocking)

    def post(self, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of POST."""
        return self.route("POST", pattern, blocking=blocking)

    def put(self, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of PUT."""
        return self.route("PUT", pattern, blocking=blocking)

    def patch(self, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of PATCH."""
        return self.route("PATCH", pattern, blocking=blocking)

    def delete(self, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of DELETE."""
        return self.route("DELETE", pattern, blocking=blocking)

    def route(self, method: str, pattern: str, *, blocking: bool = False) -> Callable[[F], F]:
        """Decorate the handler of any method; the function itself stays what it is.

        Raises:
            TypeError: the pattern is no string.
        """
        given: Any = pattern
        if not isinstance(given, str):  # such as a function, below a decorator without its parentheses
            raise TypeError(f"a route is a path, as in @router.get('/notes'), and not {given!r}")

        def decorate(handler: F) -> F:
            self.add(method, pattern, handler, blocking=blocking)
            return handler

        return decorate

    def add(self, method: str, pattern: str, handler: Callable[..., Any], *, blocking: bool = False) -> None:
        """Add a route.

        Raises:
            ValueError: the pattern is none (see ``RoutePattern``), or matches what another one does; the method is no
                token, or a usual one in small letters; the handler is ``async def``, or does not take what the pattern
                gives it; the router is in use.
        """
        if not is_token(method.encode("utf-8")) or method == _ANY:
            raise ValueError(f"a method is a token such as GET, not {method!r}")
        if method != method.upper() and method.upper() in _METHODS:
            raise ValueError(f"methods are written in capitals: {method.upper()!r}, not {method!r}")
        parsed = RoutePattern(pattern)
        _check_handler(handler, parsed, blocking)
        self._add(Route(method, parsed, handler, blocking=blocking))

    def mount(self, prefix: str, router: Router) -> None:
        """Add all routes of another router, each behind ``prefix``.  That router is fixed from now on.

        Raises:
            ValueError: the prefix does not begin with a slash, or ends with one; that router passes on ``/``; and like
                ``add``.
        """
        _check_prefix(prefix)
        if router._passes_rest:
            raise ValueError(f"a router that passes on '/' is the last one: leave {prefix!r} with pass_on({prefix!r})")
        router._is_fixed = True
        for route in router._table.routes:
            pattern = RoutePattern(prefix + route.pattern.text)
            if route.handler is not None:
                _check_handler(route.handler, pattern, route.blocking)
            self._add(Route(route.method, pattern, route.handler, blocking=route.blocking))

    def pass_on(self, prefix: str) -> None:
        """Leave ``prefix`` and all below it to the stage behind the router, whatever the method.

        ``pass_on("/")`` leaves it whatever matches no route, in the place of 404: files beside an API, for example.

        Raises:
            ValueError: like ``mount``.
        """
        if prefix == "/":
            if self._is_fixed:
                raise ValueError("pass_on('/') comes too late: the router is in use")
            self._passes_rest = True
            return
        _check_prefix(prefix)
        for rest in ("", "/", "/{rest:path}"):
            self._add(Route(_ANY, RoutePattern(prefix + rest), None))

    def _add(self, route: Route) -> None:
        if self._is_fixed:
            raise ValueError(f"{route!r} comes too late: the router is in use")
        self._table.add(route)

    # -- requests -----------------------------------------------------------------------------------

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self._is_fixed = True

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
        if isinstance(msg, FullRequest):
            self._dispatch(ctx, msg, msg)
        elif isinstance(msg, FormRequest):
            self._dispatch(ctx, msg.request, msg)
        elif isinstance(msg, Request):
            raise PipelineError("a Router reads whole requests: put a RequestAggregator in front of it")
        else:
            ctx.fire_channel_read(msg)

    def _dispatch(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, given: FullRequest | FormRequest
    ) -> None:
        """Find the route of ``request``; its handler gets what was ``given``."""
        path = request.path
        route = self._table.find_literal(request.method, path)
        if route is None:
            self._search(ctx, request, given, path)
        else:
            self._call(ctx, request, given, route, {})

    def _search(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, given: FullRequest | FormRequest, path: str
    ) -> None:
        """Look for a route segment by segment; say what is wrong if there is none."""
        if not path.startswith("/"):
            self._answer(ctx, request, self._answer_without_path(ctx.channel.loop, request))
            return
        try:
            segments = split_path(path)
        except MalformedPathError as exc:
            self._answer(ctx, request, self._rendered(ctx.channel.loop, request, HttpError(400, str(exc))))
            return
        match = self._table.find(request.method, segments)
        if match.route is not None:
            self._call(ctx, request, given, match.route, match.arguments)
        elif match.methods:
            self._answer(ctx, request, self._answer_with_methods(ctx.channel.loop, request, match))
        else:
            answer = self._answer_without_route(ctx.channel.loop, request, path, segments)
            if answer is None:
                ctx.fire_channel_read(given)
            else:
                self._answer(ctx, request, answer)

    def _answer_without_path(self, loop: Loop, request: Request) -> FullResponse:
        if request.method == "OPTIONS" and request.target == "*":
            return FullResponse(204, {"allow": _allow([route.method for route in self._table.routes])})
        if request.method == "CONNECT":
            return self._rendered(loop, request, HttpError(501, headers={"connection": "close"}))
        return self._rendered(loop, request, HttpError(400, "a path begins with a slash"))

    def _answer_with_methods(self, loop: Loop, request: Request, match: Match) -> FullResponse:
        allow = {"allow": _allow(match.methods)}
        if request.method == "OPTIONS":
            return FullResponse(204, allow)
        return self._rendered(loop, request, HttpError(405, headers=allow))

    def _answer_without_route(
        self, loop: Loop, request: Request, path: str, segments: list[str]
    ) -> FullResponse | None:
        if self._redirects_slashes and len(path) > 1 and path[1] != "\\":  # which browsers read as a slash
            has_slash = segments[-1] == ""
            other = self._table.find(request.method, segments[:-1] if has_slash else [*segments, ""])
            if other.route is not None or other.methods:
                query = request.raw_target.partition(b"?")[1].decode() + request.query
                return redirect((path[:-1] if has_slash else path + "/") + query, 308)
        return None if self._passes_rest else self._rendered(loop, request, HttpError(404))

    # -- answers ------------------------------------------------------------------------------------

    def _call(
        self,
        ctx: ChannelHandlerContext[Any, Any],
        request: Request,
        given: FullRequest | FormRequest,
        route: Route,
        arguments: dict[str, Any],
    ) -> None:
        handler = route.handler
        if handler is None:
            ctx.fire_channel_read(given)
            return
        try:
            if route.blocking:
                call = functools.partial(_call_blocking, handler, given, arguments)
                result: Any = ctx.channel.loop.run_blocking(call)
            else:
                result = handler(given, **arguments)
        except Exception as exc:  # noqa: BLE001 - whatever a handler raises, its request is answered
            result = self._answer_error(ctx.channel.loop, request, exc)
        self._answer(ctx, request, result)

    def _answer(self, ctx: ChannelHandlerContext[Any, Any], request: Request, result: Any) -> None:
        """Write what a handler has returned."""
        if isinstance(result, FullResponse):
            ctx.write(addressed(result, request))
        elif isinstance(result, StreamingResponse):
            result.begin(ctx, request)
        elif isinstance(result, ChannelFuture):
            result.add_done_callback(functools.partial(self._future_is_done, ctx, request))
        elif isinstance(result, Iterator):
            PartWriter(result, functools.partial(self._answer_error, ctx.channel.loop)).begin(ctx, request)
        else:
            error = self._answer_error(ctx.channel.loop, request, self._error_of_result(request, result))
            ctx.write(addressed(error, request))

    def _future_is_done(
        self, ctx: ChannelHandlerContext[Any, Any], request: Request, future: ChannelFuture[Any]
    ) -> None:
        loop = ctx.channel.loop
        if not loop.in_loop:  # it is a future of another loop
            loop.execute(self._future_is_done, ctx, request, future)
            return
        if not ctx.channel.is_open:
            self._nobody_waits(ctx, request, future)
            return
        try:
            result = future.result()
            if isinstance(result, ChannelFuture):
                raise TypeError(f"a future has brought another future: {result!r}")
        except Exception as exc:  # noqa: BLE001 - whatever it failed with, its request is answered
            result = self._answer_error(loop, request, exc)
        try:
            self._answer(ctx, request, result)
        except Exception as exc:  # noqa: BLE001 - as if the request had just been read: no task may swallow it
            ctx.fire_exception_caught(exc)

    def _nobody_waits(self, ctx: ChannelHandlerContext[Any, Any], request: Request, future: ChannelFuture[Any]) -> None:
        """The client has gone before there was an answer; a stream learns that when it begins."""
        if not future.cancelled() and future.exception() is None and isinstance(future.result(), StreamingResponse):
            future.result().begin(ctx, request)

    def _answer_error(self, loop: Loop, request: Request, exc: Exception) -> FullResponse:
        """Make the answer to what a handler has raised."""
        if isinstance(exc, HttpError):
            return self._rendered(loop, request, exc)
        if isinstance(exc, HttpDecodeError) and 400 <= exc.status <= 499:
            return self._rendered(loop, request, HttpError(exc.status))  # a query, cookies: what the client has sent
        if isinstance(exc, PoolFullError):
            level = complaints_of(loop).level(_logger, logging.ERROR, "requests for which there was no thread")
            _logger.log(level, "%s", exc)
            return self._rendered(loop, request, HttpError(503, headers={"retry-after": "1"}))
        log_failure(loop, _logger, exc, "a handler", "%r: the handler raised", request)
        return self._rendered(loop, request, HttpError(500))

    def _error_of_result(self, request: Request, result: Any) -> TypeError:
        """Name who returned something that is no response; its route is looked for again, since this is rare."""
        handler = "a handler"
        with contextlib.suppress(ValueError):  # it may have made a path of its request that is none
            path = request.path
            route = self._table.find_literal(request.method, path)
            if route is None:
                route = self._table.find(request.method, split_path(path)).route
            if route is not None:
                handler = f"{_name_of(route.handler)}, the handler of {route.method} {route.pattern.text},"
        return TypeError(f"{handler} returned {result!r:.100}{_way_out(result)}")

    def _rendered(self, loop: Loop, request: Request, error: HttpError) -> FullResponse:
        try:
            response = self._render_error(request, error)
            if not isinstance(response, FullResponse):
                raise TypeError(f"render_error returns a FullResponse, not {response!r:.100}")
        except Exception as exc:  # noqa: BLE001 - answered as if there were no render_error
            log_failure(loop, _logger, exc, "render_error", "%r: render_error raised for %r", request, error)
            return HttpError(500).response()
        return response


def _call_blocking(handler: Callable[..., Any], given: Any, arguments: dict[str, Any]) -> Any:
    result = handler(given, **arguments)
    if isinstance(result, Iterator):
        raise TypeError(f"{result!r} would be iterated on the loop, and so cannot come from a handler that blocks")
    return result


def _name_of(handler: Any) -> str:
    """What a handler is called in its program; of an object that can be called, its class."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    name: str = getattr(handler, "__qualname__", type(handler).__qualname__)
    return name


def _way_out(result: Any) -> str:
    """Say what makes a response of a result that is none."""
    if result is None:
        return ": is there a return missing?"
    if isinstance(result, dict | list):
        return ": http.json_response(…) makes a response of that"
    if isinstance(result, str | bytes):
        return ": http.FullResponse(200, body=…) makes a response of its bytes"
    return ", and not a response (see Router)"


def _check_handler(handler: Callable[..., Any], pattern: RoutePattern, blocking: bool) -> None:
    if inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler):
        raise ValueError(
            f"the handler of {pattern.text} is async def, and nobody would await it: handlers are plain functions; what"
            " takes long returns a ChannelFuture or is blocking=True"
        )
    if blocking and inspect.isgeneratorfunction(handler):
        raise ValueError(f"the handler of {pattern.text} is a generator, which runs on the loop and must not block")
    try:
        signature = inspect.signature(handler)
    except ValueError:
        return  # a function of C that does not tell what it takes
    try:
        signature.bind(None, **dict.fromkeys(pattern.names))
    except TypeError as exc:
        raise ValueError(
            f"the handler of {pattern.text} is called as handler(request"
            f"{''.join(f', {name}=…' for name in pattern.names)}), but takes {signature}"
        ) from exc


def _check_prefix(prefix: str) -> None:
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError(f"a prefix begins with a slash and does not end with one, and so cannot be {prefix!r}")


def _allow(methods: list[str]) -> str:
    """Write the value of Allow: what was registered, and what is answered anyway."""
    known = dict.fromkeys(method for method in methods if method != _ANY)
    if "GET" in known:
        known["HEAD"] = None
    known["OPTIONS"] = None
    return ", ".join(known)
