"""When replies leave, what waits for the disk, and what a rewrite does with what comes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelInboundHandler
from pipeline_net.errors import ChannelClosedError
from pipeline_net.testing import EmbeddedChannel

Part = Callable[[str], Any]


def wire(*words: str | bytes | int) -> bytes:
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def test_no_reply_leaves_before_the_disk_has_what_it_depends_on(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = EmbeddedChannel()
    server = part("program").RedisServer(channel.loop)
    server.keep(tmp_path / "data.aof", "always")
    channel.pipeline.add_stack(server.stages(channel))
    sent_before: list[list[Any]] = []
    monkeypatch.setattr(part("append_only"), "sync_file", lambda fd: sent_before.append(list(channel.outbound)))
    channel.write_inbound(wire("PING") + wire("SET", "a", 1) + wire("INCR", "a") + wire("GET", "a") + wire("QUIT"))
    assert sent_before == [[b"+PONG\r\n"]]  # one for all, and before any reply that depends on it
    assert b"".join(channel.outbound) == b"+PONG\r\n+OK\r\n:2\r\n$1\r\n2\r\n+OK\r\n"
    assert not channel.is_open
    server.journal.close()


class Books:
    """Stands for the journal: how many records there are, and how many are safe."""

    def __init__(self) -> None:
        self.added = 0
        self.safe = 0
        self.holding: set[Any] = set()

    def hold(self, holder: Any) -> int:
        if self.added == self.safe:
            return 0
        self.holding.add(holder)
        return self.added

    def let_go(self, holder: Any) -> None:
        self.holding.discard(holder)

    def make_safe(self, safe: int, channel: EmbeddedChannel) -> None:
        self.safe = safe
        for holder in list(self.holding):
            holder.release(safe)
        channel.run_pending()


def test_replies_leave_in_order_as_records_become_safe(part: Part) -> None:
    books = Books()
    channel = EmbeddedChannel(part("journal").Acknowledger(books))
    channel.write_outbound(b"0")
    for record in (1, 2):
        books.added = record
        channel.write_outbound(b"%d" % record, b"read after %d" % record)
    assert channel.outbound == [b"0"]
    books.make_safe(1, channel)
    assert channel.outbound == [b"0", b"1", b"read after 1"]
    books.make_safe(2, channel)
    assert channel.outbound == [b"0", b"1", b"read after 1", b"2", b"read after 2"]
    assert not books.holding
    channel.finish()


def test_a_connection_is_closed_after_the_replies_that_were_held_back(part: Part) -> None:
    books = Books()
    channel = EmbeddedChannel(part("journal").Acknowledger(books))
    books.added = 1
    channel.write_outbound(b"reply")
    closed = channel.close()
    channel.run_pending()
    assert channel.is_open
    books.make_safe(1, channel)
    assert channel.outbound == [b"reply"]
    assert closed.done()
    assert not channel.is_open


def test_replies_that_are_held_back_count_at_the_water_marks(part: Part) -> None:
    books = Books()
    channel = EmbeddedChannel(part("journal").Acknowledger(books))
    books.added = 1
    channel.write_outbound(bytes(70_000))
    was_writable = channel.is_writable
    books.make_safe(1, channel)
    assert (was_writable, channel.is_writable) == (False, True)
    channel.finish()


def test_what_is_answered_while_replies_leave_comes_after_them(part: Part) -> None:
    books = Books()

    class Answers(ChannelInboundHandler[bytes]):
        def channel_writability_changed(self, ctx: Any) -> None:
            if ctx.channel.is_writable:
                ctx.write(b"as soon as there was room")

    channel = EmbeddedChannel(part("journal").Acknowledger(books), Answers())
    books.added = 1
    channel.write_outbound(bytes(70_000), b"second")
    books.make_safe(1, channel)
    assert channel.outbound[:3] == [bytes(70_000), b"second", b"as soon as there was room"]
    channel.finish()


def test_what_was_held_back_fails_when_the_connection_ends(part: Part) -> None:
    books = Books()
    channel = EmbeddedChannel(part("journal").Acknowledger(books))
    books.added = 1
    written = channel.write(b"reply")
    channel.abort()
    channel.run_pending()
    with pytest.raises(ChannelClosedError):
        written.result()
    assert not books.holding


def test_what_waits_for_the_disk_is_bounded(part: Part, tmp_path: Path) -> None:
    channel = EmbeddedChannel()
    server = part("program").RedisServer(channel.loop)
    server.keep(tmp_path / "data.aof", "always")
    for _ in range(40):
        server.journal.append([b"SET", b"a", bytes(1_000_000)], 0)  # no task is run meanwhile
    assert 20_000_000 < (tmp_path / "data.aof").stat().st_size < 40_000_000
    server.journal.close()
    channel.finish()


def test_a_transaction_that_an_error_broke_off_does_not_swallow_what_comes_later(part: Part, tmp_path: Path) -> None:
    path = tmp_path / "data.aof"
    channel = EmbeddedChannel()
    server = part("program").RedisServer(channel.loop)
    server.keep(path, "no")
    [wrote] = server.state.write_listeners
    for is_executing, value in ((True, b"1"), (False, b"2")):
        client = server.client()
        client.is_executing = is_executing
        client.db.set(b"a", value)
        wrote(client, [b"SET", b"a", value])
    channel.run_pending()
    records = [wire("MULTI"), wire("SELECT", 0), wire("SET", "a", 1), wire("EXEC"), wire("SET", "a", 2)]
    assert path.read_bytes() == b"".join(records)
    server.journal.close()
    channel.finish()


# -- a file in the place of another ---------------------------------------------------------------------


def test_the_new_file_has_what_was_added_meanwhile_and_the_old_one_too(part: Part, tmp_path: Path) -> None:
    path, new = tmp_path / "data.aof", tmp_path / "new"
    file = part("append_only").AppendOnlyFile(path)
    old = path.open("rb")
    file.add(b"1")
    file.begin_rewrite()
    new.write_bytes(b"short for 1;")
    file.add(b"2")
    file.commit(sync=False)
    file.add(b"3")
    assert file.switch(new, sync=True) is None
    file.add(b"4")
    file.close()
    assert path.read_bytes() == b"short for 1;234"
    assert old.read() == b"123"
    assert not new.exists()
    assert (file.safe, file.added) == (4, 4)
    old.close()


def test_a_rewrite_is_given_up_when_too_much_comes_meanwhile(
    part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part("append_only"), "_MAX_MISSED", 5)
    file = part("append_only").AppendOnlyFile(tmp_path / "data.aof")
    file.begin_rewrite()
    for record in (b"123", b"456", b"789"):
        file.add(record)
    failure = file.switch(tmp_path / "new", sync=True)
    assert "more than 5 bytes were added while it was made" in str(failure)
    file.close()
    assert (tmp_path / "data.aof").read_bytes() == b"123456789"


def test_nobody_else_may_write_to_the_new_file_either(part: Part, tmp_path: Path) -> None:
    append_only = part("append_only")
    file = append_only.AppendOnlyFile(tmp_path / "data.aof")
    file.begin_rewrite()
    (tmp_path / "new").write_bytes(b"")
    assert file.switch(tmp_path / "new", sync=False) is None
    with pytest.raises(append_only.FileInUseError, match="another server"):
        append_only.AppendOnlyFile(tmp_path / "data.aof")
    file.close()
