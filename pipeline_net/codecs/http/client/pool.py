"""Pool: which connection a request gets, and who has to wait.

Everything happens on one loop, which keeps the books, so there is no lock.

* A connection that is idle is watched.  When the server closes it, or says anything, it is gone that very moment; so it
  is never handed out.
* The one that was used last is used next: the others grow old, and go.
* Who waits for a place is served in the order in which they asked, whatever route they want: when all places are taken,
  a connection that is free makes room for another route's, if somebody there has waited longer.
"""

from __future__ import annotations

from collections import Counter, deque

from ....errors import ChannelClosedError, PoolFullError
from .connection import Connection
from .exchange import Exchange, Place
from .opening import Connector, Opening, OpeningKeeper
from .proxy import Route


class Pool(OpeningKeeper, Place):
    """The connections of a client; on the loop."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._options = connector.options
        self._loop = connector.loop
        self._taken: Counter[Route] = Counter()  # places, by route: connections and attempts to make one
        self._connections: set[Connection] = set()
        self._openings: set[Opening] = set()
        self._idle: dict[Route, list[Connection]] = {}  # by route, those used last at the end
        self._waiting: dict[Route, deque[Exchange]] = {}
        self._asked = 0  # requests for a place so far
        self._is_closed = False
        self._keeps_idle = True

    def __repr__(self) -> str:
        return (
            f"<Pool: {len(self._connections)} connections, {self.idle} idle;"
            f" {len(self._openings)} being made, {self.waiting} requests waiting>"
        )

    @property
    def connections(self) -> int:
        """How many there are, idle ones too."""
        return len(self._connections)

    @property
    def idle(self) -> int:
        """How many nobody uses."""
        return sum(map(len, self._idle.values()))

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return sum(map(len, self._waiting.values()))

    # -- asking -------------------------------------------------------------------------------------

    def acquire(self, exchange: Exchange) -> None:
        """Find a connection for it, make one, or let it wait."""
        route = exchange.route
        if self._is_closed:
            exchange.fail(ChannelClosedError(f"{exchange.request}: the client is closed"))
            return
        connection = self._take_idle(route)
        if connection is not None:
            connection.start(exchange)
            return
        if self._has_room(route):
            self._open(exchange)
            return
        if self.waiting >= self._options.max_waiting:
            exchange.fail(
                PoolFullError(f"{exchange.request}: {self._options.max_waiting} requests wait for a connection already")
            )
            return
        exchange.number = self._asked
        self._asked += 1
        exchange.place = self
        exchange.timer.begin("pool", exchange.request.timeouts.pool)
        self._waiting.setdefault(route, deque()).append(exchange)

    def give_up(self, exchange: Exchange) -> None:
        """One that waits is of no more interest."""
        line = self._waiting.get(exchange.route)
        if line is not None and exchange in line:
            line.remove(exchange)
            if not line:
                del self._waiting[exchange.route]

    def _take_idle(self, route: Route) -> Connection | None:
        line = self._idle.get(route)
        while line:
            connection = line.pop()
            if not line:
                self._idle.pop(route, None)
            self._wake(connection)
            if connection.is_reusable:
                return connection
            connection.close()
            line = self._idle.get(route)
        return None

    def _has_room(self, route: Route) -> bool:
        """Whether there may be one more on that route; an idle one of another route makes room for it."""
        if self._taken[route] >= self._options.max_per_origin:
            return False
        if self._places < self._options.max_connections:
            return True
        oldest = next((line[0] for line in self._idle.values()), None)
        if oldest is None:
            return False
        oldest.close()
        return True

    @property
    def _places(self) -> int:
        return len(self._connections) + len(self._openings)

    def _open(self, exchange: Exchange) -> None:
        try:
            opening = Opening(self, self._connector, exchange)
        except Exception as exc:  # noqa: BLE001 - it makes stages of the program's own, and somebody waits
            exchange.fail(exc)
            return
        self._openings.add(opening)
        self._taken[exchange.route] += 1
        opening.start()

    # -- what becomes of them -----------------------------------------------------------------------

    def opened(self, opening: Opening, connection: Connection) -> None:
        self._openings.discard(opening)
        self._connections.add(connection)
        exchange = opening.exchange
        if self._is_closed and exchange.is_over:
            connection.close()
            return
        connection.start(exchange)

    def not_opened(self, opening: Opening) -> None:
        if opening in self._openings:
            self._openings.discard(opening)
            self._leave(opening.route)

    def ended(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.discard(connection)
            self._forget_idle(connection)
            self._leave(connection.route)

    def _leave(self, route: Route) -> None:
        """A place on that route is free."""
        self._taken[route] -= 1
        if not self._taken[route]:
            del self._taken[route]
        if self._waiting and not self._is_closed:
            self._loop.execute(self._serve_next)

    def settled(self, connection: Connection) -> None:
        if connection.exchange is not None:
            return
        age_left = self._options.max_lifetime - connection.age
        patience = min(self._options.idle_timeout, age_left)
        if connection.idle_limit is not None:
            patience = min(patience, connection.idle_limit)
        if self._is_closed or not self._keeps_idle or patience <= 0:
            connection.close()
            return
        route = connection.route
        line = self._waiting.get(route)
        if self._oldest_that_lacks_room() < (line[0].number if line else self._asked):
            connection.close()  # whoever has waited longer gets the place
            return
        if line:
            exchange = line.popleft()
            if not line:
                del self._waiting[route]
            connection.start(exchange)
            return
        self._idle[route] = [*self._idle.pop(route, []), connection]  # the route used last goes to the end
        connection.idle_timer = self._loop.schedule(patience, self._idle_too_long, connection)

    def _oldest_that_lacks_room(self) -> int:
        """The number of who has waited longest only because all places are taken; a large one if nobody has."""
        if self._places < self._options.max_connections:
            return self._asked
        limit = self._options.max_per_origin
        numbers = [line[0].number for route, line in self._waiting.items() if self._taken[route] < limit]
        return min(numbers, default=self._asked)

    def _serve_next(self) -> None:
        """Make connections for those who have waited longest, as long as there is room."""
        while self._waiting and not self._is_closed:
            limit = self._options.max_per_origin
            lines = [line for route, line in self._waiting.items() if self._taken[route] < limit]
            if not lines:
                return
            line = min(lines, key=lambda line: line[0].number)
            route = line[0].route
            if not self._has_room(route):
                return
            exchange = line.popleft()
            if not line:
                del self._waiting[route]
            self._open(exchange)

    def _wake(self, connection: Connection) -> None:
        if connection.idle_timer is not None:
            connection.idle_timer.cancel()
            connection.idle_timer = None

    def _idle_too_long(self, connection: Connection) -> None:
        connection.idle_timer = None
        if connection.exchange is None:
            connection.close()

    def _forget_idle(self, connection: Connection) -> None:
        line = self._idle.get(connection.route)
        if line is not None and connection in line:
            line.remove(connection)
            if not line:
                del self._idle[connection.route]

    # -- the end ------------------------------------------------------------------------------------

    def close(self) -> None:
        """Take no more requests; those that wait fail, those under way go on, idle connections are closed."""
        self._is_closed = True
        error = ChannelClosedError("the client is closed")
        for line in list(self._waiting.values()):
            for exchange in list(line):
                exchange.fail(error)
        self.keep_none()

    def keep_none(self) -> None:
        """Close what nobody uses, from now on."""
        self._keeps_idle = False
        for idle in list(self._idle.values()):
            for connection in list(idle):
                connection.close()

    def abort(self, error: BaseException) -> None:
        """Cut everything off."""
        self.close()
        for opening in list(self._openings):
            opening.fail(error)
        for connection in list(self._connections):
            connection.broke(error)
