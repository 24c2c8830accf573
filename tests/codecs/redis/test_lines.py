from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_net import DecodeError, ReceiveBuffer
from pipeline_net.codecs.redis.lines import LineReader
from pipeline_net.testing import chunks


def _read(pieces: list[bytes], limit: int = 100) -> tuple[bytes | None, int]:
    """The line that these pieces make, and how many bytes were left in the buffer after it."""
    lines = LineReader(limit)
    buffer = ReceiveBuffer()
    line = None
    for piece in pieces:
        buffer.append(piece)
        if line is None and lines.is_waiting:
            line = lines.resume(buffer)
        elif line is None:
            line = lines.read(buffer.data, buffer.pos, buffer.pos + buffer.left)
            buffer.skip(lines.after - buffer.pos)
        assert lines.is_waiting is (line is None)
        assert (lines.held == 0) is (line is not None)
    assert lines.kind == ord("+")
    return line, buffer.left


@given(st.data(), st.binary(max_size=60).map(lambda text: text.replace(b"\r", b"").replace(b"\n", b"")))
def test_a_line_is_the_same_however_it_is_cut(data: st.DataObject, text: bytes) -> None:
    wire = b"+" + text + b"\r\n"
    assert _read(data.draw(chunks(wire))) == (text, 0)
    assert _read([wire[at : at + 1] for at in range(len(wire))]) == (text, 0)
    assert _read([wire + b"more"]) == (text, 4)


@pytest.mark.parametrize(
    "wire", [b"+a\rb", b"+a\nb", b"+a\r\r", b"+\n", b"+a\r\nb"[:3] + b"x", b"+123456", b"+123456\r\n"]
)
def test_a_line_is_refused_at_its_first_wrong_byte_however_it_is_cut(wire: bytes) -> None:
    for cut in range(1, len(wire)):
        with pytest.raises(DecodeError):
            _read([wire[:cut], wire[cut:]], 5)
    with pytest.raises(DecodeError):
        _read([wire], 5)
    with pytest.raises(DecodeError):
        _read([wire[at : at + 1] for at in range(len(wire))], 5)


def test_a_limit_holds_exactly() -> None:
    assert _read([b"+12345\r", b"\n"], 5) == (b"12345", 0)
    with pytest.raises(DecodeError, match="too long line: a line is over the limit of 4 bytes"):
        _read([b"+1234", b"5"], 4)
    with pytest.raises(ValueError, match="max_line_length"):
        LineReader(0)


def test_a_waiting_line_is_all_that_is_held() -> None:
    lines = LineReader(100)
    buffer = ReceiveBuffer(b"+abc")
    assert lines.read(buffer.data, 0, 4) is None
    buffer.skip(lines.after)
    assert (lines.held, buffer.left) == (4, 0)
    buffer.append(b"d\r")
    assert lines.resume(buffer) is None
    assert (lines.held, buffer.left) == (6, 0)


def test_the_begin_of_a_line_is_given_away_with_its_type() -> None:
    lines = LineReader(100)
    assert lines.give_away() == b""
    assert lines.read(b"+half", 0, 5) is None
    assert lines.give_away() == b"+half"
    assert (lines.held, lines.is_waiting) == (0, False)
