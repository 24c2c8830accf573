"""The command line: in this process where it comes back by itself, in one of its own where it serves."""

from __future__ import annotations

import ast
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pipeline_net
from pipeline_net import cli

_ROOT = Path(__file__).parent.parent

MODULE = """
import sys
from pipeline_net import *
from pipeline_net.codecs import LineBasedFrameDecoder

class Echo(ChannelInboundHandler[bytes]):
    def channel_read(self, ctx, msg):
        ctx.write(msg)

class Shout(EventHandler):
    def react(self, conn):
        return conn.read().upper()

shout = Shout()

def initializer(channel):
    return wire() >> Echo()

def main(loops="all"):
    print("arguments:", sys.argv[1:])

def taken():
    with EventLoopGroup(1) as loops:
        ServerBootstrap(loops, initializer=initializer).bind("tcp://127.0.0.1:0", sys.argv[2])

def broken():
    raise FileNotFoundError(2, "no such thing")

def interrupted():
    raise KeyboardInterrupt

def two(channel, more):
    pass

stack = wire() >> Echo()
number = 7

class Plain:
    pass

class Wanting:
    def __init__(self, x):
        pass

class WantingHandler(EventHandler):
    def __init__(self, x):
        pass

class Careless(LineBasedFrameDecoder):
    'Forgets a line when its end comes alone.'
    def __init__(self, max_length=64):
        super().__init__(max_length)
    def decode(self, buffer):
        if buffer.peek(2)[:1] == b"\\n":
            buffer.skip(1)
            return None
        return super().decode(buffer)
"""

CASES = r"""
arguments = [16]
keywords = { strip_delimiter = false }

[[case]]
name = "two lines"
text = "GET\r\nPUT\n"
messages = ["b'GET\\r\\n'", "b'PUT\\n'"]
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module ``mine``, which is the current one."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return tmp_path


def _check(folder: Path, what: str, cases: str) -> int:
    (folder / "cases.toml").write_text(cases)
    return cli.main(["check", what, "--cases", "cases.toml"])


def _ask(address: str, data: bytes) -> bytes:
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


# -- version --------------------------------------------------------------------------------------------


def test_version_says_which_build_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version"]) == 0
    said = capsys.readouterr().out
    build = "compiled" if pipeline_net.COMPILED else "pure Python"
    assert said.startswith(f"pipeline_net {pipeline_net.__version__}, {build}, on CPython 3.")


def test_python_m_and_the_installed_command_are_the_same() -> None:
    command = Path(sys.executable).with_name("pipeline-net")
    by_module = subprocess.run([sys.executable, "-m", "pipeline_net", "version"], capture_output=True, check=True)
    by_name = subprocess.run([command, "--version"], capture_output=True, check=True)
    assert by_module.stdout == by_name.stdout != b""


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["check", "mine:Decoder"], ["dance"], ["run", "redis", "--loops", "0"]]
)
def test_what_is_not_understood_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: pipeline-net" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["check", "--help"], ["version", "--help"]])
def test_help_is_there_for_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    assert "usage: pipeline-net" in capsys.readouterr().out


# -- run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "answer"), [("mine:initializer", b"hello"), ("mine:Shout", b"HELLO"), ("mine:shout", b"HELLO")]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_of_your_own_answers_and_ends_quietly(
    module: Path, start_program: Callable[..., Any], what: str, answer: bytes, number: int
) -> None:
    program = start_program(
        "-m", "pipeline_net", "run", what, "--address", "tcp://127.0.0.1:0", "--loops", "2", cwd=module
    )
    assert _ask(program.addresses[0], b"hello") == answer
    assert program.stop(number) == 0
    assert program.output == f"listening on {program.addresses[0]}\n"


def test_a_main_function_sees_the_options_as_its_own(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.argv
    assert cli.main(["run", "mine:main", "--address", "unix://here.sock", "--loops", "3"]) == 0
    assert capsys.readouterr().out == "arguments: ['--address', 'unix://here.sock', '--loops', '3']\n"
    assert sys.argv is before


def test_what_follows_two_dashes_are_options_of_the_program_itself(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", "mine:main", "--loops", "3", "--", "--appendonly", "data.aof"]) == 0
    assert capsys.readouterr().out == "arguments: ['--loops', '3', '--appendonly', 'data.aof']\n"
    assert cli.main(["run", "mine:initializer", "--", "--odd"]) == 2
    assert "mine:initializer is no program, and has no options of its own: --odd" in capsys.readouterr().err
    assert cli.main(["version", "--", "--odd"]) == 2
    assert "only a program that is run has options of its own: --odd" in capsys.readouterr().err


def test_an_example_is_found_by_its_name_and_runs_as_a_program(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (module / "examples").mkdir()
    (module / "examples" / "neighbour.py").write_text("WORD = 'hello'")
    (module / "examples" / "push_server.py").write_text(
        "import sys, neighbour\nif __name__ == '__main__':\n    print(neighbour.WORD, sys.argv)"
    )
    assert cli.main(["run", "push", "--loops", "2"]) == 0
    path = module / "examples" / "push_server.py"
    assert capsys.readouterr().out == f"hello ['{path}', '--loops', '2']\n"
    assert cli.main(["run", "pull"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pipeline-net: no example is called 'pull'; there are: ")
    assert {"neighbour", "push"} <= set(said.partition("there are: ")[2].partition(".")[0].split(", "))


def test_who_stands_among_the_examples_is_sent_up(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (module / "examples").mkdir()
    (module / "examples" / "my_own.py").write_text("print('hello')")
    monkeypatch.chdir(module / "examples")
    assert cli.main(["run", "my-own"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("pipeline-net: my_own.py is here: examples are run from the folder above examples/")
    monkeypatch.chdir("..")  # as it says
    assert cli.main(["run", "my-own"]) == 0


def test_examples_of_the_source_tree_are_found_from_its_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT)
    assert cli.find_example("redis") == _ROOT / "examples" / "redis_server"


def test_without_examples_it_says_where_they_are(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "__file__", str(module / "site-packages" / "pipeline_net" / "cli.py"))
    assert cli.main(["run", "redis"]) == 2
    said = capsys.readouterr().err
    assert "examples are part of the source tree" in said
    assert "Go to the root of the tree" in said


def test_an_address_that_is_taken_is_named_with_a_way_out(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for what in ("mine:initializer", "mine:Shout", "mine:taken"):
            assert cli.main(["run", what, "--address", f"tcp://127.0.0.1:{port}"]) == 1
            said = capsys.readouterr().err.splitlines()
            assert said[0] == f"pipeline-net: cannot bind tcp://127.0.0.1:{port}: Address already in use"
            assert said[1].startswith(f"Choose another address:  pipeline-net run {what} --address tcp://127.0.0.1:")
            assert len(said) == 2


def test_other_errors_of_a_program_are_shown_as_they_are(module: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such thing"):
        cli.main(["run", "mine:broken"])


def test_ctrl_c_is_no_error(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "mine:interrupted"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nowhere:main", "no module 'nowhere'"),
        ("mine.inner:main", "no module 'mine.inner'"),
        ("mine:nothing", "mine has no 'nothing'"),
        ("mine:", "not of the form MODULE:NAME, such as mine:app"),
        ("mine:two", "mine:two wants 2 arguments"),
        ("mine:two", "pipeline-net wsgi mine:two"),
        ("mine.py:main", "did you mean mine:main?"),
        ("mine", "name what it serves, too, as in mine:initializer"),
        ("mine:number", "mine:number is 7; expected a function"),
        ("mine:Echo", "every channel wants its own"),
        ("mine:stack", "every channel wants its own"),
        ("mine:Plain", "mine:Plain is a class, and no EventHandler: name a function from a channel to its stages"),
        ("mine:Wanting", "mine:Wanting is a class, and no EventHandler"),
        ("mine:WantingHandler", "cannot be made without arguments: name an instance"),
    ],
)
def test_what_cannot_be_run_is_explained(
    module: Path, capsys: pytest.CaptureFixture[str], what: str, said: str
) -> None:
    assert cli.main(["run", what]) == 2
    assert said in capsys.readouterr().err


def test_a_module_that_python_has_under_the_same_name_is_told_apart(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (module / "ast.py").write_text("def initializer(channel): pass")
    assert cli.main(["run", "ast:initializer"]) == 2
    said = capsys.readouterr().err
    assert "ast has no 'initializer': it is " in said
    assert said.endswith(f"{ast.__file__}, not {module / 'ast.py'}, which needs another name\n")


def test_an_import_that_fails_inside_the_module_is_not_taken_for_a_missing_module(module: Path) -> None:
    (module / "needy.py").write_text("import not_installed_here")
    with pytest.raises(ModuleNotFoundError, match="not_installed_here"):
        cli.main(["run", "needy:main"])


# -- check ----------------------------------------------------------------------------------------------


def test_a_decoder_that_is_right_passes(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(module, "pipeline_net.codecs:LineBasedFrameDecoder", CASES) == 0
    assert capsys.readouterr().out == (
        "  ok      two lines\n"
        "pipeline_net.codecs:LineBasedFrameDecoder is right, whole, byte by byte and cut at every point\n"
    )


def test_a_decoder_that_notices_the_cuts_fails(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = """
        [[case]]
        hex = "61 0a"
        messages = ["b'a'"]
        [[case]]
        name = "an empty line"
        text = "a\\n\\nb\\n"
        messages = ["b'a'", "b''", "b'b'"]
    """
    assert _check(module, "mine:Careless", cases) == 1
    said = capsys.readouterr().out
    assert said.startswith("  ok      b'a\\n'\n  FAILED  an empty line\n")
    assert "Careless is wrong about 5 bytes" in said
    assert "expected: [b'a', b'', b'b']" in said
    assert said.endswith("mine:Careless is WRONG\n")


def test_an_error_that_must_come_is_named_by_its_class(module: Path) -> None:
    cases = """
        arguments = [4]
        [[case]]
        text = "too long\\nb\\n"
        messages = [{ error = "FrameTooLongError" }, "b'b'"]
        [[case]]
        text = "half"
        messages = []
    """
    assert _check(module, "pipeline_net.codecs:LineBasedFrameDecoder", cases) == 0
    assert (
        _check(module, "pipeline_net.codecs:LineBasedFrameDecoder", cases.replace("FrameTooLong", "CorruptedFrame"))
        == 1
    )


def test_cases_that_pass_alone_are_also_fed_one_after_the_other(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (module / "fickle.py").write_text(
        "from mine import LineBasedFrameDecoder\n"
        "class Decoder(LineBasedFrameDecoder):\n"
        "    count = 0\n"
        "    def decode(self, buffer):\n"
        "        line = super().decode(buffer)\n"
        "        self.count += line is not None\n"
        "        return None if self.count == 2 else line\n"
    )
    cases = "arguments = [9]\n" + '[[case]]\ntext = "a\\n"\nmessages = ["b\'a\'"]\n' * 2
    assert _check(module, "fickle:Decoder", cases) == 1
    assert "FAILED  all of them, one after the other" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ("", "there is no [[case]]"),
        ("case = [", "cannot read the cases"),
        ("[[case]]\nmessages = []", "case 1 wants either text or hex"),
        ("[[case]]\ntext = ''\nhex = ''\nmessages = []", "case 1 wants either text or hex"),
        ("[[case]]\ntext = 7\nmessages = []", "text and hex are strings"),
        ("[[case]]\nhex = '0'\nmessages = []", "pairs of hexadecimal digits"),
        ("[[case]]\ntext = 'a'", "wants messages"),
        ("[[case]]\ntext = 'a'\nmessages = [7]", "a message is a string"),
        ("[[case]]\ntext = 'a'\nmessages = [{ error = 'OddError' }]", "there is no error 'OddError'"),
        ("[[case]]\ntext = 'a'\nmessage = []", "has message; known are hex, messages, name, text"),
        ("arguments = 7\n[[case]]\ntext = 'a'\nmessages = []", "arguments is a list"),
        ("arguments = [-1]\n[[case]]\ntext = 'a'\nmessages = []", "max_length must be from 1"),
    ],
)
def test_a_file_of_cases_that_makes_no_sense_is_explained(
    module: Path, capsys: pytest.CaptureFixture[str], cases: str, said: str
) -> None:
    assert _check(module, "mine:Careless", cases) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("what", "said"), [("mine", "not of the form"), ("mine:number", "expected a decoder class")])
def test_what_cannot_be_checked_is_explained(
    module: Path, capsys: pytest.CaptureFixture[str], what: str, said: str
) -> None:
    assert _check(module, what, "[[case]]\ntext = 'a'\nmessages = []") == 2
    assert said in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "mine:Careless", "--cases", "absent.toml"]) == 2
    assert "absent.toml" in capsys.readouterr().err
