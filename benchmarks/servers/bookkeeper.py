"""A framed echo that can be asked for its books: what it holds, and what it has logged.

It prints its port, and answers each line on standard input with a line of JSON.  When standard input ends, so does it.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import logging
import os
import re
import sys
import threading
from typing import Any, Final, Never

from pipeline_net import (
    Channel,
    ChannelFuture,
    ChannelHandlerContext,
    ChannelInboundHandler,
    DecodeError,
    EventLoop,
    EventLoopGroup,
    ServerBootstrap,
    Stack,
    wire,
)
from pipeline_net.codecs import LengthFieldBasedFrameDecoder, LengthFieldPrepender
from pipeline_net.complaints import complaints_of

_MAX_FRAME: Final = 1 << 20  # bytes
_PATIENCE: Final = 30.0  # seconds for a loop to answer
_MORE: Final = re.compile("more like these .*: (FrameTooLong|CorruptedFrame)Error")


class Errors(logging.Handler):
    """Keeps what was logged as an error, unless that is what peers are meant to cause."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[1] if record.exc_info else None
        if not isinstance(cause, DecodeError) and not _MORE.search(record.getMessage()):
            self.found.append(self.format(record)[:500])


class Echo(ChannelInboundHandler[bytes, Never, bytes]):
    def channel_read(self, ctx: ChannelHandlerContext[Never, bytes], msg: bytes) -> None:
        ctx.write(msg)


def stack(channel: Channel) -> Stack:
    return wire() >> LengthFieldBasedFrameDecoder(_MAX_FRAME, 0, 4, 0, 4) >> LengthFieldPrepender(4) >> Echo()


def has_work(loop: EventLoop) -> bool:
    """Whether a timer or a task waits there, but for the one that tells what was not logged: that is told now."""
    loop.execute(complaints_of(loop).tell)
    answer: ChannelFuture[bool] = ChannelFuture(loop)
    loop.execute(lambda: answer.set_result(loop.next_deadline() is not None))
    return answer.result(_PATIENCE)


def trim() -> None:
    """Let glibc give back what it only keeps for later, so that what is left is held by somebody."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return  # another C library


def books(group: EventLoopGroup, errors: Errors) -> dict[str, Any]:
    busy = sum(has_work(loop) for loop in group)
    gc.collect()
    trim()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "channels": sum(loop.channels for loop in group),
        "timers or tasks": busy,
        "blocks": sys.getallocatedblocks(),
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "errors": errors.found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Echo frames, and say what that costs.")
    parser.add_argument("--loops", type=int, default=2)
    arguments = parser.parse_args()
    errors = Errors()
    logging.getLogger("pipeline_net").addHandler(errors)
    logging.getLogger("pipeline_net").propagate = False
    with EventLoopGroup(arguments.loops) as group:
        server = ServerBootstrap(group, initializer=stack).bind("tcp://127.0.0.1:0")
        print(server.addresses[0].rpartition(":")[2], flush=True)
        for _ in sys.stdin:
            print(json.dumps(books(group, errors)), flush=True)


if __name__ == "__main__":
    main()
