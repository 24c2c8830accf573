"""Echo on a bare ``select.epoll``: what the kernel and the interpreter allow when nobody abstracts anything.

What spares both of them work is done here, too: sockets are watched edge-triggered, so that none is looked at again
after it has been read, and they are read and written by their numbers.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
from typing import Final

_READ_SIZE: Final = 65536  # bytes; above glibc's mmap threshold every read would also map and unmap memory
_NEWS: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET


def serve(listener: socket.socket) -> None:
    poller = select.epoll()
    poller.register(listener.fileno(), select.EPOLLIN)
    accepting = listener.fileno()
    connections: dict[int, socket.socket] = {}
    unsent: dict[int, bytes] = {}
    read, write = os.read, os.write

    while True:
        for fd, events in poller.poll():
            if fd == accepting:
                accept_all(listener, poller, connections)
                continue
            try:
                if fd in unsent:
                    # Nothing more is read from a peer that does not take its replies.
                    data = unsent[fd]
                    rest = data[write(fd, data) :]
                    if rest:
                        unsent[fd] = rest
                    else:
                        del unsent[fd]
                        poller.modify(fd, _NEWS)  # says at once what has come meanwhile
                    continue
                while True:
                    data = read(fd, _READ_SIZE)
                    if not data:
                        connections.pop(fd).close()
                        break
                    try:
                        sent = write(fd, data)
                    except BlockingIOError:
                        sent = 0
                    if sent < len(data):
                        unsent[fd] = data[sent:]
                        poller.modify(fd, select.EPOLLOUT)
                        break
                    if len(data) < _READ_SIZE and not events & select.EPOLLRDHUP:
                        break  # what is there already is no news: only a short read, with no end behind it, is the last
            except BlockingIOError:
                continue
            except ConnectionError:
                unsent.pop(fd, None)
                connections.pop(fd).close()


def accept_all(listener: socket.socket, poller: select.epoll, connections: dict[int, socket.socket]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection
        poller.register(connection.fileno(), _NEWS)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    listener = socket.create_server(("127.0.0.1", options.parse_args().port), backlog=1024)
    listener.setblocking(False)
    print(listener.getsockname()[1], flush=True)
    serve(listener)


if __name__ == "__main__":
    main()
