"""Installing: compiled where that is possible, pure elsewhere with a line that says why; an error only on request."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import pipeline_net

_ROOT = Path(__file__).parent.parent
# What pip does, but that nothing is built: it prints how many libraries would be.
_PROGRAM = """
import setuptools, sys
setuptools.setup = lambda **found: print("libraries:", len(found["ext_modules"]))
sys.argv = ["setup.py", {command!r}]
exec(compile(open("setup.py").read(), "setup.py", "exec"), {{"__name__": "__main__"}})
"""


def _set_up(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    around = {name: value for name, value in os.environ.items() if not name.startswith("PIPELINE_NET_")}
    program = _PROGRAM.format(command=command)
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=_ROOT,
        env={**around, **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"PIPELINE_NET_PURE": "1"}, "pure build, because PIPELINE_NET_PURE is set"),
        ({"CC": "false"}, "pure build, because false cannot compile against Python.h"),
        ({"CC": "there-is-no-such-compiler"}, "pure build, because there is no C compiler (there-is-no-such-compiler:"),
    ],
)
def test_where_nothing_can_be_compiled_the_build_is_pure_and_says_why(environment: dict[str, str], reason: str) -> None:
    done = _set_up("bdist_wheel", **environment)
    assert done.returncode == 0, done.stderr
    assert reason in done.stdout
    assert done.stdout.endswith("libraries: 0\n")


def test_who_requires_the_compiled_build_gets_an_error_instead() -> None:
    done = _set_up("bdist_wheel", CC="false", PIPELINE_NET_REQUIRE_COMPILED="1")
    assert done.returncode != 0
    assert "a compiled build was required, but false cannot compile" in done.stderr


def test_asking_for_metadata_compiles_nothing() -> None:
    done = _set_up("egg_info", CC="there-is-no-such-compiler")
    assert (done.returncode, done.stdout) == (0, "libraries: 0\n")


# What mypyc writes for a class, a method, a function, a property without a setter and one with it.
_GENERATED = r"""
static PyTypeObject CPyType_rooms___buffer___Buffer_template_ = {
    .tp_name = "Buffer",
    .tp_doc = PyDoc_STR("Buffer(data=b\'\')\n--\n\n"),
};
{"take",
 (PyCFunction)CPyPy_rooms___buffer___Buffer___take,
 METH_FASTCALL | METH_KEYWORDS, PyDoc_STR("take($self, n)\n--\n\n")},
{"skip",
 (PyCFunction)CPyPy_rooms___buffer___Buffer___skip,
 METH_FASTCALL | METH_KEYWORDS, PyDoc_STR("skip($self, n)\n--\n\n")},
{"make", (PyCFunction)CPyPy_rooms___buffer___make, METH_FASTCALL | METH_KEYWORDS, PyDoc_STR(NULL) /* docstring */},
{"left",
 (getter)rooms___buffer___Buffer_get_left,
NULL, NULL, NULL},
{"pos",
 (getter)rooms___buffer___Buffer_get_pos,
 (setter)rooms___buffer___Buffer_set_pos,
NULL, NULL},
"""
_SOURCE = '''
class Buffer:
    r"""Bytes → bytes, "as they come\\?"."""
    def take(self, n):
        """Take.

        All of it.
        """
    def skip(self, n): ...
    @property
    def left(self):
        """What is left."""
    @property
    def pos(self):
        """Where."""
def make():
    """Make one."""
'''


def test_docstrings_stand_behind_the_signatures_in_what_mypyc_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("setuptools.setup", lambda **_: None)
    monkeypatch.setattr(sys, "argv", ["setup.py", "egg_info"])
    put_docstrings_in = runpy.run_path(str(_ROOT / "setup.py"))["put_docstrings_in"]
    module = tmp_path / "a" / "rooms" / "buffer.py"
    module.parent.mkdir(parents=True)
    module.write_text(_SOURCE)
    generated = tmp_path / "native.c"
    generated.write_text(_GENERATED)
    extension = SimpleNamespace(sources=[str(generated)])
    monkeypatch.chdir(tmp_path)
    put_docstrings_in([extension], ["a/rooms/buffer.py"])
    text = generated.read_text()
    assert r""""Buffer(data=b\'\')\n--\n\n" "Bytes \342\206\222 bytes, \042as they come\134\077\042."),""" in text
    assert r'"take($self, n)\n--\n\n" "Take.\012\012All of it.")}' in text
    assert r'PyDoc_STR("skip($self, n)\n--\n\n")}' in text
    assert 'PyDoc_STR("Make one.") /* docstring */' in text
    assert '_get_left,\nNULL, "What is left.", NULL}' in text
    assert '_set_pos,\n"Where.", NULL}' in text
    put_docstrings_in([extension], ["a/rooms/buffer.py"])
    assert generated.read_text() == text  # mypyc may find its own output up to date


@pytest.mark.parametrize(
    "what",
    [
        pipeline_net.Channel,
        pipeline_net.Channel.write,
        pipeline_net.Channel.is_writable,
        pipeline_net.ReceiveBuffer.find,
        pipeline_net.ByteToMessageDecoder,
        pipeline_net.ChannelPipeline.add_last,
        pipeline_net.wire,
        pipeline_net.EventLoop.schedule,
    ],
)
def test_help_tells_what_it_is_in_both_builds(what: Any) -> None:
    assert len((what.__doc__ or "").strip()) > 10


def test_type_checkers_find_the_types_of_what_is_installed() -> None:
    assert (Path(pipeline_net.__file__).parent / "py.typed").is_file()
