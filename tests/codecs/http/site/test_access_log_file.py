"""A file that may be slow, and a loop that does not wait for it."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from pipeline_net.codecs import http


class Slow(io.StringIO):
    """A file whose first write takes until a test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.is_writing = threading.Event()
        self.may_go_on = threading.Event()
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        self.is_writing.set()
        assert self.may_go_on.wait(10)
        return len(text)


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_lines_are_appended_and_what_is_left_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_text("before\n")
    log = http.AccessLogFile(path)
    for number in range(5000):
        log(f"line {number}")
    log.close()
    log.close()
    assert path.read_text().splitlines() == ["before", *(f"line {number}" for number in range(5000))]
    log("too late")
    assert log.dropped == 1
    assert threading.active_count() == 1


def test_a_slow_file_gets_many_lines_at_once_and_too_many_are_dropped() -> None:
    file = Slow()
    log = http.AccessLogFile(file, max_lines=100)
    log("first")
    assert file.is_writing.wait(10)
    for number in range(150):
        log(f"line {number}")
    assert log.dropped == 50
    assert "100 lines waiting" in repr(log)
    file.may_go_on.set()
    log.close()
    assert [text.count("\n") for text in file.writes] == [1, 100]
    assert not file.closed  # it is not ours


def test_a_disk_that_is_full_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    log = http.AccessLogFile(Broken())
    for _ in range(3):
        log("x")
    log.close()
    assert log.dropped == 3
    assert caplog.text.count("No space left on device") == 1


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    with http.AccessLogFile(tmp_path / "log") as log:

        def write() -> None:
            for _ in range(500):
                log("x" * 50)

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (tmp_path / "log").read_text() == ("x" * 50 + "\n") * 2000


def test_without_a_line_there_is_no_thread(tmp_path: Path) -> None:
    with http.AccessLogFile(tmp_path / "log"):
        assert threading.active_count() == 1


@pytest.mark.parametrize("lines", [0, -1])
def test_a_limit_is_above_zero(lines: Any) -> None:
    with pytest.raises(ValueError, match="max_lines must be more than 0"):
        http.AccessLogFile(io.StringIO(), max_lines=lines)


def test_a_path_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        http.AccessLogFile(tmp_path / "none" / "log")
