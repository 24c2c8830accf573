"""The HTTP client of the examples, with servers of the examples and of the test's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import ChannelHandlerContext, ChannelInboundHandler, EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "http_client.py"
_BIG = bytes(range(256)) * 5000


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(_EXAMPLE), *arguments], capture_output=True, text=True, timeout=30)


class _Files(ChannelInboundHandler[http.FullRequest]):
    """Keeps what is PUT, and gives it back."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._files = files

    def channel_read(self, ctx: ChannelHandlerContext[Any, Any], msg: http.FullRequest) -> None:
        if msg.method == "PUT":
            self._files[msg.path] = msg.body
            ctx.write(http.FullResponse(201))
        elif msg.path in self._files:
            ctx.write(http.FullResponse(200, {}, self._files[msg.path]))
        else:
            ctx.write(http.FullResponse(404, {}, b"nothing here\n"))


@pytest.fixture
def files() -> Iterator[str]:
    """The URL of a server that keeps files."""
    kept: dict[str, bytes] = {}
    limits = http.Limits(max_body=10**7)
    with EventLoopGroup(1) as loops:
        server = ServerBootstrap(
            loops,
            initializer=lambda channel: (
                http.server_stack(limits=limits) >> http.RequestAggregator(max_body=10**7) >> _Files(kept)
            ),
        ).bind("tcp://127.0.0.1:0")
        yield server.addresses[0].replace("tcp://", "http://")


def test_up_and_down_again(files: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_bytes(_BIG)
    assert _run("upload", str(here), f"{files}/x").stdout == "201 Created\n"
    done = _run("download", f"{files}/x", str(there))
    assert (done.returncode, there.read_bytes()) == (0, _BIG)
    assert done.stderr.endswith(f"100% of {len(_BIG):,} bytes\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


def test_what_is_not_there(files: str, tmp_path: Path) -> None:
    done = _run("show", f"{files}/nothing")
    assert (done.stdout, done.stderr) == ("nothing here\n", f"404 Not Found from {files}/nothing\n")
    done = _run("download", f"{files}/nothing", str(tmp_path / "x"))
    assert (done.returncode, done.stderr) == (
        1,
        f"http_client: {files}/nothing: the server answered 404 Not Found\n",
    )
    assert not (tmp_path / "x").exists()
    assert _run("show", "http://a b/").stderr.startswith("http_client: ")


def test_json(start_example: Callable[..., str]) -> None:
    url = start_example("http_json_api.py").replace("tcp://", "http://") + "/notes"
    done = _run("show", url, "--json", '{"text": "buy milk"}')
    assert done.stderr.startswith("201 Created")
    assert '"text": "buy milk"' in done.stdout
    assert '"buy milk"' in _run("show", url).stdout
