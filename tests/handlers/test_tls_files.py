"""Files over TLS: read and encrypted piece by piece, in their turn, as fast as the peer takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelBrokenError, ChannelClosedError, FileRegion
from pipeline_net.testing import EmbeddedChannel

from .conftest import Certificates, Diary, Peer, connected


def _file(tmp_path: Path, size: int) -> tuple[Any, bytes]:
    data = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "data"
    path.write_bytes(data[:size])
    return path.open("rb"), data[:size]


@pytest.mark.parametrize("early", [True, False])
def test_files_are_encrypted_piece_by_piece_in_order_with_other_writes(
    certificates: Certificates, tmp_path: Path, early: bool
) -> None:
    file, data = _file(tmp_path, 1_000_000)
    with file:
        channel = EmbeddedChannel(certificates.server().handler(), Diary())
        peer = Peer(channel, certificates.client_context())
        if not early:
            peer.talk()
        futures = [
            channel.write(b"before "),
            channel.write(FileRegion(file, 100, 900_000)),
            channel.write(b" between "),
            channel.write(FileRegion(file, 0, 0)),
            channel.write(FileRegion(file, 5, 10)),
            channel.write(b" after"),
        ]
        closed = channel.close()
        channel.run_pending()
        peer.talk()
        assert peer.received == b"before " + data[100:900_100] + b" between " + data[5:15] + b" after"
        assert [future.exception() for future in futures] == [None] * 6
        assert closed.done()
        assert peer.has_ended
        assert channel.pending_write_bytes == 0


def test_a_large_file_does_not_become_a_large_buffer(certificates: Certificates, tmp_path: Path) -> None:
    file, data = _file(tmp_path, 3_000_000)
    with file:
        channel, peer = connected(certificates, Diary())
        channel.peer_window = 0
        channel.write(FileRegion(file, 0, len(data)))
        channel.run_pending()
        assert not channel.is_writable
        for _ in range(10):
            channel.write(b"more")  # which waits behind the file, and makes nobody read more of it
            channel.run_pending()
        held = len(data) + 300_000
        assert channel.pending_write_bytes <= held
        assert sum(len(piece) for piece in channel.unsent) <= 300_000
        channel.peer_window = None
        channel.run_pending()
        assert peer.talk().received == data + b"more" * 10


def test_a_file_that_has_become_shorter_ends_the_channel(certificates: Certificates, tmp_path: Path) -> None:
    file, _ = _file(tmp_path, 1000)
    with file:
        diary = Diary()
        channel, _ = connected(certificates, diary)
        region = FileRegion(file, 500, 500)
        (tmp_path / "data").write_bytes(b"")
        written = channel.write(region)
        channel.run_pending()
        assert "has become shorter" in str(written.exception())
        assert not channel.is_open


def test_a_file_that_was_closed_ends_the_channel_behind_what_was_written_before(
    certificates: Certificates, tmp_path: Path
) -> None:
    file, _ = _file(tmp_path, 1000)
    with file:
        region = FileRegion(file)
    channel, peer = connected(certificates, Diary())
    before, written, after = (channel.write(message) for message in (b"before", region, b"after"))
    channel.run_pending()
    assert before.exception() is None
    assert [type(future.exception()) for future in (written, after)] == [ChannelBrokenError] * 2
    assert not channel.is_open
    assert peer.talk().received == b"before"


def test_closing_does_not_wait_for_a_file_for_ever(certificates: Certificates, tmp_path: Path) -> None:
    file, data = _file(tmp_path, 3_000_000)
    with file:
        channel, _ = connected(certificates, Diary())
        channel.peer_window = 0
        written = channel.write(FileRegion(file, 0, len(data)))
        closed = channel.close()
        channel.run_pending()
        assert isinstance(channel.write(b"late").exception(), ChannelClosedError)
        channel.advance(29)
        assert not closed.done()
        channel.advance(2)
        assert closed.done()
        assert isinstance(written.exception(), ChannelClosedError)
