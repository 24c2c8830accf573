"""Installing: compiled where that is possible, pure elsewhere with a line that says why; an error only on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_type_checkers_find_the_types_of_what_is_installed() -> None:
    assert (Path(pipeline_net.__file__).parent / "py.typed").is_file()
