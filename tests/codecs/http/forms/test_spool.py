"""Files on their way to disk: back-pressure, and nothing that is left behind, whatever happens."""

from __future__ import annotations

import errno
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelFuture, ChannelHandlerContext, ChannelInboundHandler, PoolFullError
from pipeline_net.codecs import http
from pipeline_net.codecs.http.forms import spool
from pipeline_net.codecs.http.forms.uploads import UnnamedFile
from pipeline_net.testing import EmbeddedChannel

_HEAD = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
_END = b"\r\n--b--\r\n"
_SIZE = 4 * spool.BATCH


class Jobs:
    """A pool whose jobs run when a test says so."""

    def __init__(self, channel: EmbeddedChannel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting: list[Callable[[], object]] = []
        self.is_full = False
        self._loop: Any = channel.loop
        self._channel = channel
        self._run = channel.loop.run_blocking
        monkeypatch.setattr(channel.loop, "run_blocking", self._keep)

    def _keep(self, fn: Callable[..., Any], *args: Any) -> Any:
        if self.is_full:
            raise PoolFullError("no room")
        promise: ChannelFuture[Any] = ChannelFuture(self._loop)

        def run() -> None:
            try:
                promise.set_result(fn(*args))
            except OSError as exc:
                promise.set_exception(exc)

        self.waiting.append(run)
        return promise

    def run_one(self) -> None:
        self.waiting.pop(0)()
        self._channel.run_pending()

    def run_all(self) -> None:
        while self.waiting:
            self.run_one()


def open_files() -> set[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # the listing's own
        if "(deleted)" in target and "#" in target:
            found.add(target)
    return found


@pytest.fixture
def upload(serve: Any, post: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A channel into which one upload goes, piece by piece."""

    class Upload:
        def __init__(self, size: int = _SIZE) -> None:
            self.channel, self.answer = serve()
            self.jobs = Jobs(self.channel, monkeypatch)
            request = post(_HEAD + b"y" * size + _END)
            self.pieces = [request[at : at + 65_536] for at in range(0, len(request), 65_536)]

        def send(self, count: int = 1) -> None:
            for _ in range(count):
                self.channel.write_inbound(self.pieces.pop(0))

        def send_all(self) -> None:
            self.send(len(self.pieces))

        @property
        def is_read(self) -> bool:
            return bool(self.channel._read_holds == 0)

        @property
        def reply(self) -> bytes:
            return b"".join(self.channel.outbound)

    return Upload


def test_reading_stops_while_the_disk_is_slower(upload: Any) -> None:
    up = upload()
    up.send(5)
    assert len(up.jobs.waiting) == 1  # the first batch
    assert up.is_read
    up.send(4)
    assert len(up.jobs.waiting) == 1  # one job at a time: what it writes is in order
    assert not up.is_read
    up.jobs.run_one()
    assert len(up.jobs.waiting) == 1  # the second batch
    assert up.is_read
    up.send_all()
    assert up.answer.read == []  # the form is here, but not yet on disk
    up.jobs.run_all()
    (form,) = up.answer.read
    assert up.is_read
    assert form.files[0].read() == b"y" * _SIZE
    form.close()


def test_what_waits_can_be_asked_for(upload: Any) -> None:
    up = upload()
    up.send(7)
    forms = up.channel.pipeline.get(http.Forms)
    assert 65_536 < forms.unread_bytes < spool.BATCH
    up.jobs.run_all()
    up.channel.abort()
    up.channel.run_pending()
    up.jobs.run_all()


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_a_client_that_goes_leaves_nothing(upload: Any, finished: int, tmp_path: Path) -> None:
    before = open_files()
    up = upload()
    up.send(9)
    for _ in range(finished):
        up.jobs.run_one()
    up.channel.abort()
    up.channel.run_pending()
    up.jobs.run_all()
    assert open_files() == before
    assert up.answer.read == []
    assert up.is_read
    assert list(tmp_path.iterdir()) == []


def test_files_are_closed_on_the_pool_too(upload: Any) -> None:
    before = open_files()
    up = upload()
    up.send(9)
    up.jobs.run_one()
    up.channel.abort()
    up.channel.run_pending()
    assert len(up.jobs.waiting) == 1  # the second batch, which is under way
    up.jobs.run_one()
    assert open_files() != before  # nothing was closed on the loop
    assert len(up.jobs.waiting) == 1
    up.jobs.run_one()
    assert open_files() == before


def test_a_client_that_stops_in_the_middle(upload: Any) -> None:
    before = open_files()
    up = upload()
    up.send(9)
    up.channel.finish()
    up.jobs.run_all()
    assert open_files() == before
    assert up.answer.read == []


def test_a_form_that_the_application_forgets_leaves_nothing(upload: Any) -> None:
    before = open_files()
    up = upload()
    up.send_all()
    up.jobs.run_all()
    assert open_files() != before
    up.answer.read.clear()
    gc.collect()
    assert open_files() == before


def test_a_form_that_was_delivered_outlives_its_connection(upload: Any) -> None:
    up = upload()
    up.send_all()
    up.jobs.run_all()
    up.channel.abort()
    up.channel.run_pending()
    (form,) = up.answer.read
    assert len(form.files[0].read()) == _SIZE
    form.close()


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 500)])
def test_a_disk_that_fails(upload: Any, monkeypatch: pytest.MonkeyPatch, number: int, status: int, caplog: Any) -> None:
    before = open_files()
    up = upload()
    up.send(6)
    up.jobs.run_one()

    def fail(self: Any, data: Any) -> int:
        raise OSError(number, "said the disk")

    monkeypatch.setattr(UnnamedFile, "write", fail)
    up.send(3)
    up.jobs.run_all()
    assert up.reply.startswith(b"HTTP/1.1 %d " % status)
    assert not up.channel.is_open
    assert "could not be written" in caplog.text
    assert open_files() == before


def test_a_pool_without_room(upload: Any) -> None:
    before = open_files()
    up = upload()
    up.jobs.is_full = True
    up.send(5)
    assert up.reply.startswith(b"HTTP/1.1 503 ")
    assert not up.channel.is_open
    assert open_files() == before


def test_a_pool_without_room_at_the_end_of_a_form(upload: Any) -> None:
    up = upload(100_000)
    up.jobs.is_full = True
    up.send_all()
    assert up.reply.startswith(b"HTTP/1.1 503 ")
    assert up.answer.read == []


def test_a_disk_that_writes_less_than_it_was_given(upload: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write = UnnamedFile.write
    monkeypatch.setattr(UnnamedFile, "write", lambda self, data: write(self, data[:1000]))
    up = upload(100_000)
    up.send_all()
    up.jobs.run_all()
    assert up.answer.read[0].files[0].read() == b"y" * 100_000
    up.answer.read[0].close()


def test_many_small_files_go_to_disk_when_they_take_too_much_memory_together(serve: Any, post: Any) -> None:
    channel, answer = serve(http.Forms(memory_per_file=10))
    channel.write_inbound(post((_HEAD + b"y" * 10 + b"\r\n") * 20 + b"--b--"))
    channel.run_pending()
    (form,) = answer.read
    assert [file.is_in_memory for file in form.files] == [True] * 16 + [False] * 4
    assert all(file.read() == b"y" * 10 for file in form.files)
    form.close()


def test_forms_that_are_pipelined_are_answered_in_order(post: Any, tmp_path: Path) -> None:
    class Answer(ChannelInboundHandler[http.FormRequest]):
        def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: http.FormRequest) -> None:
            sizes = b" ".join(b"%d" % file.size for file in msg.files)
            ctx.write(http.FullResponse(200, None, sizes, to=msg.request))
            msg.close()

    limits = http.Limits(max_pipelined=3)
    stack = http.server_stack(date=False, limits=limits) >> http.Forms(folder=tmp_path) >> Answer()
    channel = EmbeddedChannel(stack)
    channel.write_inbound(b"".join(post(_HEAD + b"y" * size + _END) for size in (100_000, 5, 90_000)))
    channel.run_pending()
    replies = b"".join(channel.outbound)
    assert [reply.split(b"\r\n\r\n")[1] for reply in replies.split(b"HTTP/1.1 ")[1:]] == [b"100000", b"5", b"90000"]


def test_small_pieces_are_gathered(serve: Any, post: Any) -> None:
    forms = http.Forms(memory_per_file=0)
    channel, answer = serve(forms)
    request = post(_HEAD + b"y" * 3000 + _END)
    for at in range(len(request)):
        channel.write_inbound(request[at : at + 1])
    channel.run_pending()
    assert answer.read[0].files[0].read() == b"y" * 3000
    answer.read[0].close()
