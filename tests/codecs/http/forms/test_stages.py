"""Forms whole and in parts, in a server's pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler
from pipeline_net.codecs import http
from pipeline_net.testing import EmbeddedChannel

_PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="../x.txt"\r\nContent-Type: text/plain\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="e"; filename=""\r\n\r\n\r\n'
    b"--b--\r\n"
)


def large(size: int) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n' + b"y" * size + b"\r\n--b--\r\n"


@pytest.mark.parametrize("size", [1, 10, 10_000])
def test_a_form_with_a_file(serve: Any, post: Any, size: int) -> None:
    channel, answer = serve()
    request = post(_PARTS)
    for at in range(0, len(request), size):
        channel.write_inbound(request[at : at + size])
    (form,) = answer.read
    assert form.fields == http.Fields({"a": "1"})
    (file,) = form.files  # an input that was left empty is no file
    assert (file.name, file.raw_filename, file.filename, file.content_type) == ("f", "../x.txt", "x.txt", "text/plain")
    assert (file.read(), file.size, file.is_in_memory) == (b"hello", 5, True)
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 200 ")
    assert channel.is_open


def test_a_urlencoded_form_and_another(serve: Any, post: Any) -> None:
    channel, answer = serve()
    channel.write_inbound(post(b"a=1&b=x+y&a=2", "application/x-www-form-urlencoded") * 2)
    assert [form.fields.items() for form in answer.read] == [[("a", "1"), ("b", "x y"), ("a", "2")]] * 2


@pytest.mark.parametrize("size", [65_536, 65_537, 1_000_000])
def test_a_large_file_goes_to_disk(serve: Any, post: Any, tmp_path: Path, size: int) -> None:
    channel, answer = serve()
    request = post(large(size))
    for at in range(0, len(request), 65_536):
        channel.write_inbound(request[at : at + 65_536])
    channel.run_pending()
    (file,) = answer.read[0].files
    assert file.is_in_memory is (size <= 65_536)
    assert file.read() == b"y" * size
    file.save(tmp_path / "kept")
    assert (tmp_path / "kept").stat().st_size == size
    answer.read[0].close()


def test_a_form_in_parts(serve: Any, post: Any) -> None:
    channel, answer = serve(http.FormParts())
    channel.write_inbound(post(_PARTS))
    head, *parts, end = answer.read
    assert isinstance(head, http.Request)
    assert end == http.END
    assert parts == [
        http.FormFieldStart("a"),
        http.FormFieldData(b"1"),
        http.FormFieldEnd(),
        http.FormFieldStart("f", "../x.txt", "text/plain"),
        http.FormFieldData(b"hello"),
        http.FormFieldEnd(),
        http.FormFieldStart("e", ""),
        http.FormFieldEnd(),
    ]


def test_whoever_closes_gets_no_further_part_of_a_form(post: Any) -> None:
    read: list[Any] = []

    class Closes(ChannelInboundHandler[Any]):
        def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: Any) -> None:
            read.append(msg)
            if isinstance(msg, http.FormFieldStart):
                ctx.write(http.FullResponse(403, {"connection": "close"}))

    channel = EmbeddedChannel(http.server_stack(date=False) >> http.FormParts() >> Closes())
    channel.write_inbound(post(_PARTS))
    assert read[1:] == [http.FormFieldStart("a")]


def test_an_upload_that_is_refused_leaves_nothing(serve: Any, post: Any, tmp_path: Path) -> None:
    channel, answer = serve(http.Forms(http.FormLimits(max_file_size=500_000), folder=tmp_path))
    channel.write_inbound(post(large(600_000)))
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 413 ")
    assert answer.read == []
    assert list(tmp_path.iterdir()) == []


def test_text_that_is_no_utf_8(serve: Any, post: Any) -> None:
    channel, answer = serve()
    channel.write_inbound(post(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--b--\r\n'))
    assert b"".join(channel.outbound).startswith(b"HTTP/1.1 400 ")
    assert answer.read == []


def test_what_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="memory_per_file must not be negative"):
        http.Forms(memory_per_file=-1)
    with pytest.raises(ValueError, match="uploads need a folder"):
        http.Forms(folder=tmp_path / "none")
