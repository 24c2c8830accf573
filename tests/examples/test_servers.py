"""The examples, each run as a process and spoken to by a real client."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

Start = Callable[..., str]
Dial = Callable[[str], socket.socket]

_WAIT = 20.0  # seconds; for a process to end on a busy machine


def received(client: socket.socket) -> bytes:
    """Everything until the server closes."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


class Lines:
    """A client that reads lines."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._unread = b""

    def say(self, line: str) -> None:
        self._client.sendall(line.encode() + b"\n")

    def hear(self) -> str:
        while b"\n" not in self._unread:
            part = self._client.recv(65536)
            assert part, f"closed after {self._unread!r}"
            self._unread += part
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()


@pytest.mark.parametrize("loops", ["1", "2"])
def test_echo(start_example: Start, dial: Dial, loops: str) -> None:
    client = dial(start_example("echo.py", "--loops", loops))
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    assert received(client) == b"hello"


def test_echo_over_udp_and_unix_sockets(start_example: Start, dial: Dial, tmp_path: Path) -> None:
    for address in ("udp://127.0.0.1:0", f"unix://{tmp_path}/echo"):
        client = dial(start_example("echo.py", address=address))
        client.send(b"hello")
        assert client.recv(100) == b"hello"


def test_udp_echo(start_example: Start, dial: Dial) -> None:
    address = start_example("udp_echo.py", "--loops", "2", address="udp://127.0.0.1:0")
    for word in (b"one", b"two", b""):
        client = dial(address)
        client.send(word)
        assert client.recv(100) == word


def test_blocking_work_keeps_the_order_and_lets_others_work_meanwhile(start_example: Start, dial: Dial) -> None:
    address = start_example("blocking_work.py", "--seconds", "0.1")
    clients = [dial(address) for _ in range(5)]
    began = time.monotonic()
    for client in clients:
        client.sendall(b"one\ntwo\n")
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        assert received(client) == b"one, after 0.1 s\ntwo, after 0.1 s\n"
    assert time.monotonic() - began < 0.9  # one after the other it would have been a second


def test_push_server(start_example: Start, dial: Dial) -> None:
    address = start_example("push_server.py", "--interval", "0.02", "--loops", "2")
    for listener in [Lines(dial(address)) for _ in range(3)]:
        assert listener.hear() == "a beat every 0.02 s"
        beats = [int(match[1]) for _ in range(3) if (match := re.fullmatch(r"beat (\d+) at [\d:]{8}", listener.hear()))]
        assert beats == [beats[0], beats[0] + 1, beats[0] + 2]


def ask(address: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "codec_client.py"), "--address", address, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=_WAIT, check=False)


def test_codec_server_and_its_client(start_example: Start, dial: Dial) -> None:
    address = start_example("codec_server.py")
    asked = ask(address, "hello", "", "world" * 1000)
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, f"HELLO\n\n{'WORLD' * 1000}\n", "")
    client = dial(address)
    for byte in b"\x00\x00\x00\x02hi":
        client.sendall(bytes([byte]))
    assert client.recv(6) == b"\x00\x00\x00\x02HI"


def test_the_client_of_the_codec_server_says_when_there_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    asked = ask(f"tcp://127.0.0.1:{port}", "hello")
    assert asked.returncode == 1
    assert asked.stderr.startswith("codec_client: ")
    assert "Traceback" not in asked.stderr


def test_chat(start_example: Start, dial: Dial) -> None:
    address = start_example("chat.py", "--loops", "2")
    ada = Lines(dial(address))
    assert ada.hear() == "* welcome, guest-1; here are: guest-1"
    ada.say("/name Ada")
    assert ada.hear() == "* guest-1 is now Ada"
    bob = Lines(dial(address))
    assert bob.hear() == "* welcome, guest-2; here are: Ada, guest-2"
    assert ada.hear() == "* guest-2 is here"
    bob.say("/name Ada")
    assert bob.hear() == "* Ada is taken"
    bob.say("/name two words")
    assert bob.hear() == "* a name is one word of at most 20 characters"
    bob.say("hello, wörld")
    assert [ada.hear(), bob.hear()] == ["guest-2: hello, wörld"] * 2
    ada.say("/who")
    assert ada.hear() == "* here are: Ada, guest-2"
    bob.say("/quit")
    assert bob.hear() == "* bye"
    assert ada.hear() == "* guest-2 has left"


@pytest.mark.parametrize(
    "example",
    sorted([*EXAMPLES.glob("*.py"), *(path.parent for path in EXAMPLES.glob("*/__main__.py"))]),
    ids=lambda path: path.name,
)
def test_an_example_is_introduced_and_says_how_to_run_it(example: Path) -> None:
    assert f"[{example.name}]({example.name})" in (EXAMPLES / "README.md").read_text()
    tree = ast.parse((example / "__main__.py" if example.is_dir() else example).read_text())
    assert f"python examples/{example.name}" in (ast.get_docstring(tree) or "")
    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def test_the_list_of_examples_names_only_those_that_exist() -> None:
    named = set(re.findall(r"\]\((\w+(?:\.py)?)\)", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.glob("*.py")} | {
        path.parent.name for path in EXAMPLES.glob("*/__main__.py")
    }
