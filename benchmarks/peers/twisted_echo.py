"""Echo on Twisted, with the protocol classes that it ships: raw, ``Int32StringReceiver``, ``LineOnlyReceiver``.

On its own epoll reactor: on the asyncio one, with uvloop underneath, the same takes more time.
"""

from __future__ import annotations

import argparse
from typing import Any, Final, cast

_MAX_FRAME: Final = 16 * 1024 * 1024  # bytes, as for the framed server of ours
_MAX_LINE: Final = 1024 * 1024  # bytes


def install_reactor() -> Any:
    """Twisted's reactor is a module that exists once it is installed: nothing of it may be imported before."""
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor

    return reactor


def factory_of(work: str) -> Any:
    from twisted.internet.protocol import Factory, Protocol
    from twisted.protocols.basic import Int32StringReceiver, LineOnlyReceiver

    class Raw(Protocol):
        def dataReceived(self, data: bytes) -> None:
            cast(Any, self.transport).write(data)  # its interface is a zope one, which mypy takes for a class

    class Framed(Int32StringReceiver):
        MAX_LENGTH = _MAX_FRAME

        def stringReceived(self, string: bytes) -> None:
            self.sendString(string)

    class Line(LineOnlyReceiver):
        delimiter = b"\n"
        MAX_LENGTH = _MAX_LINE

        def lineReceived(self, line: bytes) -> None:
            self.sendLine(line)

    works: dict[str, type[Protocol]] = {"raw": Raw, "framed": Framed, "line": Line}
    return Factory.forProtocol(works[work])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", choices=("raw", "framed", "line"), required=True)
    options.add_argument("--port", type=int, default=0)
    chosen = options.parse_args()
    reactor = install_reactor()
    port = reactor.listenTCP(chosen.port, factory_of(chosen.work), backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


if __name__ == "__main__":
    main()
