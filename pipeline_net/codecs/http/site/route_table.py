"""RouteTable: which route a path leads to, found in a tree of segments.

::

    /notes             GET, POST             ""──notes──{int}
    /notes/new         GET                          │
    /notes/{n:int}     GET, DELETE                  ├──new
    /{page}            GET                   {str}  └─ …

At each segment the text itself goes before an ``int``, that before a ``str``, and a ``path`` comes last; if a branch
leads nowhere, or to routes for other methods only, the next one is tried.  The depth of a branch is the number of the
segment it looks at, so no branch is looked at twice for one path: what a hostile path can cost is bounded by its own
length and by the number of routes, whatever stands in it.  There is no regular expression that could do otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .route_pattern import INT, PATH, STR, RoutePattern, number_of, rest_of

_NO_VALUES: Final[tuple[Any, ...]] = ()


class Route:
    """What happens to requests of one method that match one pattern.

    Args:
        handler: ``handler(request, **places)``; ``None`` for requests that are passed on to the next stage.
        blocking: whether it runs on a thread of the pool.
    """

    def __init__(
        self, method: str, pattern: RoutePattern, handler: Callable[..., Any] | None, *, blocking: bool = False
    ) -> None:
        self.method: Final = method
        self.pattern: Final = pattern
        self.names: Final = pattern.names
        self.handler: Final = handler
        self.blocking: Final = blocking

    def __repr__(self) -> str:
        return f"<Route {self.method} {self.pattern.text}>"


class Match:
    """What a path leads to: a route and the values of its places, or only the methods that there would be."""

    def __init__(self, route: Route | None, values: tuple[Any, ...], methods: list[str]) -> None:
        self.route = route
        self.values = values
        self.methods = methods  # of routes that match the path, when none matches the method

    @property
    def arguments(self) -> dict[str, Any]:
        """The values under the names of their places."""
        return {} if self.route is None else dict(zip(self.route.names, self.values, strict=True))


class _Node:
    """One segment of the tree; ``routes`` are those that end here, ``with_slash`` those that end in a slash."""

    def __init__(self) -> None:
        self.texts: dict[str, _Node] = {}
        self.places: dict[str, _Node] = {}  # kind: what follows
        self.routes: dict[str, Route] = {}  # method: route
        self.with_slash: dict[str, Route] = {}


class RouteTable:
    """Routes, fixed as they are added.

    Raises:
        ValueError: two routes could not be told apart.
    """

    def __init__(self) -> None:
        self._root = _Node()
        self.routes: Final[list[Route]] = []
        self._literal: dict[str, dict[str, Route]] = {}  # routes without places, which go before all others

    def add(self, route: Route) -> None:
        """Take in a route."""
        node = self._root
        for kind, text in route.pattern.segments:
            node = node.places.setdefault(kind, _Node()) if kind else node.texts.setdefault(text, _Node())
        ends = node.with_slash if route.pattern.ends_with_slash else node.routes
        # What is passed on is passed on whatever its method, and so stands alone.
        known = ends.get(route.method) or ends.get("*")
        if known is None and ends and route.method == "*":
            known = next(iter(ends.values()))
        if known is not None:
            raise ValueError(f"{known!r} and {route!r} match the same requests")
        ends[route.method] = route
        self.routes.append(route)
        if not route.names:
            self._literal[route.pattern.text] = ends

    def find_literal(self, method: str, path: str) -> Route | None:
        """Find a route without places by the path as it came: one look, which most requests need no more than."""
        ends = self._literal.get(path)
        return None if ends is None else ends.get(method)

    def find(self, method: str, segments: list[str]) -> Match:
        """Find the route for a path that ``split_path`` took apart."""
        search = _Search(method, segments)
        route = search.look(self._root, 0, _NO_VALUES)
        return Match(route, search.values, search.methods)


class _Search:
    """One walk through the tree."""

    def __init__(self, method: str, segments: list[str]) -> None:
        self._method = method
        self._segments = segments
        self._has_slash = segments[-1] == ""
        self._depth = len(segments) - 1 if self._has_slash else len(segments)
        self.values = _NO_VALUES
        self.methods: list[str] = []

    def look(self, node: _Node, at: int, values: tuple[Any, ...]) -> Route | None:
        """Look at what follows ``node``, with the segment number ``at``; the deepest pattern bounds the recursion."""
        if at == self._depth:
            return self._choose(node.with_slash if self._has_slash else node.routes, values)
        segment = self._segments[at]
        following = node.texts.get(segment)
        if following is not None:
            route = self.look(following, at + 1, values)
            if route is not None:
                return route
        return self._look_at_places(node.places, at, values) if node.places else None

    def _look_at_places(self, places: dict[str, _Node], at: int, values: tuple[Any, ...]) -> Route | None:
        segment = self._segments[at]
        route: Route | None = None
        following = places.get(INT)
        if following is not None:
            number = number_of(segment)
            if number >= 0:
                route = self.look(following, at + 1, (*values, number))
        following = places.get(STR)
        if route is None and following is not None and segment:
            route = self.look(following, at + 1, (*values, segment))
        following = places.get(PATH)
        if route is None and following is not None:
            rest = rest_of(self._segments, at)
            if rest is not None:
                route = self._choose(following.routes, (*values, rest))
        return route

    def _choose(self, ends: dict[str, Route], values: tuple[Any, ...]) -> Route | None:
        method = self._method
        route = ends.get(method)
        if route is None and method == "HEAD":
            route = ends.get("GET")
        if route is None:
            route = ends.get("*")
        if route is None:
            self.methods.extend(ends)
        else:
            self.values = values
        return route
