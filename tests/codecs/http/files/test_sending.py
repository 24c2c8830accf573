"""Sending: region by region as the peer takes them, and the file is closed in any case, once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, ChannelDuplexHandler, ChannelFuture, ChannelHandlerContext, FileRegion
from pipeline_net.codecs.http import Data, End, Request
from pipeline_net.codecs.http.files.root_folder import SentFile
from pipeline_net.codecs.http.files.sending import Sending
from pipeline_net.testing import EmbeddedChannel

_MIB = 1 << 20


class Wire(ChannelDuplexHandler[Any]):
    """Keeps what is written, and says that it is sent when the test says so."""

    def __init__(self) -> None:
        self.written: list[Any] = []
        self.promises: list[ChannelFuture[Any]] = []

    def write(self, ctx: ChannelHandlerContext[Any, Any], msg: Any, promise: ChannelFuture[Any] | None) -> None:
        self.written.append(msg)
        if promise is not None:
            self.promises.append(promise)


class Seat(ChannelDuplexHandler[Any]):
    ctx: ChannelHandlerContext[Any, Any]

    def handler_added(self, ctx: ChannelHandlerContext[Any, Any]) -> None:
        self.ctx = ctx


class Desk:
    """A channel, an open file of four MiB, and the sending of it."""

    def __init__(self, folder: Path, *pieces: Any) -> None:
        self.path = folder / "file"
        self.path.write_bytes(bytes(4 * _MIB))
        fd = os.open(self.path, os.O_RDONLY)
        self.file = SentFile(fd, os.fstat(fd), b"file", None)
        self.request = Request("GET", "/")
        self.wire, seat = Wire(), Seat()
        self.channel = EmbeddedChannel(self.wire, seat)
        self.done = 0
        self.sending = Sending(seat.ctx, self.request, self.file, pieces, self._is_done)
        self.sending.go_on()

    def _is_done(self, _: Sending) -> None:
        self.done += 1

    def peer_takes(self) -> None:
        self.wire.promises.pop(0).set_result(None)
        self.channel.run_pending()


def _shown(msg: Any) -> Any:
    if isinstance(msg, Data):
        data = msg.data
        return (data.offset, data.count) if isinstance(data, FileRegion) else data
    return type(msg)


def test_a_region_is_written_when_the_one_before_it_has_gone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (10, 10 + 2 * _MIB), b"between", (0, 5))
    shown = []
    while desk.wire.promises:
        assert len(desk.wire.promises) == 1
        assert not desk.file.closed
        shown += [_shown(msg) for msg in desk.wire.written]
        assert all(msg.to is desk.request for msg in desk.wire.written)
        desk.wire.written.clear()
        desk.peer_takes()
    shown += [_shown(msg) for msg in desk.wire.written]
    assert shown == [(10, _MIB), (10 + _MIB, _MIB), b"between", (0, 5), End]
    assert (desk.file.closed, desk.done) == (True, 1)


def test_a_write_that_fails_ends_the_connection(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (0, 3 * _MIB))
    desk.wire.promises.pop().set_exception(OSError("the network is gone"))
    with pytest.raises(ChannelBrokenError, match="the network is gone"):
        desk.channel.run_pending()
    assert (desk.file.closed, desk.done, desk.channel.is_aborted) == (True, 1, True)


def test_a_file_that_has_become_shorter_ends_the_connection(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (0, 3 * _MIB))
    os.truncate(desk.path, _MIB + 5)
    with pytest.raises(ChannelBrokenError, match="not inside a file of 1048581 bytes"):
        desk.peer_takes()
    assert (desk.file.closed, desk.done, desk.channel.is_aborted) == (True, 1, True)
    assert End not in [type(msg) for msg in desk.wire.written]


def test_a_channel_that_closes_gives_the_file_back(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (0, 3 * _MIB))
    desk.channel.abort()
    desk.peer_takes()
    assert (desk.file.closed, desk.done) == (True, 1)
    assert len(desk.wire.written) == 1


def test_it_may_be_stopped_at_any_time_and_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path, (0, 3 * _MIB))
    desk.sending.stop()
    desk.sending.stop()
    assert (desk.file.closed, desk.done) == (True, 1)
    desk.peer_takes()
    assert len(desk.wire.written) == 1


@pytest.mark.parametrize("piece", [(5, 5 + _MIB), (0, 1)])
def test_what_fits_into_one_region_is_one(piece: tuple[int, int], tmp_path: Path) -> None:
    desk = Desk(tmp_path, piece)
    assert [_shown(msg) for msg in desk.wire.written] == [(piece[0], piece[1] - piece[0])]
    desk.peer_takes()
    assert desk.done == 1
