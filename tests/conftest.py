"""What holds for every test: which build is tested, and that nothing is left behind.

``PIPELINE_NET_EXPECT=compiled`` (or ``pure``) fails the run at once when the other build would be imported.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import threading
import time
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_DESCRIPTORS = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_GRACE = 2.0  # seconds for threads, children and sockets that are on their way out when a test returns

# Processes that tests start must import the installed package too, not the tree they happen to be started in.
os.environ["PYTHONSAFEPATH"] = "1"


def _compiled_modules() -> tuple[str, ...]:
    """COMPILED_MODULES of setup.py, which cannot be imported without building."""
    for node in ast.parse((_ROOT / "setup.py").read_text()).body:
        if (
            isinstance(node, ast.AnnAssign)
            and ast.unparse(node.target) == "COMPILED_MODULES"
            and node.value is not None
        ):
            modules: tuple[str, ...] = ast.literal_eval(node.value)
            return modules
    raise LookupError("setup.py has no COMPILED_MODULES")


def _find_build() -> tuple[str, Path]:
    """Compiled, pure or mixed, and where; found from the files, so that nothing has to be imported for it."""
    spec = importlib.util.find_spec("pipeline_net")
    if spec is None or not spec.submodule_search_locations:
        raise pytest.UsageError("pipeline_net is not installed here; `make env` does it")
    package = Path(next(iter(spec.submodule_search_locations)))
    there = [package.parent / module for module in _compiled_modules() if (package.parent / module).exists()]
    compiled = [path for path in there if any(path.with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES)]
    if not compiled:
        return "pure", package
    return ("compiled" if len(compiled) == len(there) else "mixed"), package


def pytest_configure(config: pytest.Config) -> None:
    expected = os.environ.get("PIPELINE_NET_EXPECT")
    if not expected:
        return
    build, package = _find_build()
    if build != expected:
        raise pytest.UsageError(f"expected the {expected} build of pipeline_net, but {package} holds a {build} one")


def pytest_report_header(config: pytest.Config) -> str:
    build, package = _find_build()
    return f"pipeline_net: {build}, from {package}; {platform.python_implementation()} {platform.python_version()}"


@pytest.fixture(scope="session")
def compiled_modules() -> tuple[str, ...]:
    """The files that the compiled build compiles, as ``pipeline_net/….py``."""
    return _compiled_modules()


def _open_descriptors() -> dict[int, str]:
    """Every open descriptor and what it is."""
    found = {}
    for name in os.listdir(_DESCRIPTORS):
        try:
            found[int(name)] = os.readlink(f"{_DESCRIPTORS}/{name}")
        except OSError:
            continue  # the one that listed the directory is closed again, or is no link (macOS)
    return found


def _count_descriptors() -> int:
    return len(os.listdir(_DESCRIPTORS))


def _has_children() -> bool:
    """Whether there is a child process, running or never waited for."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fail a test that leaves a thread, a child process or an open descriptor.

    The first look counts only, which takes microseconds; names are collected where the counts differ.
    """
    threads = threading.enumerate()
    descriptors = _count_descriptors()
    children = _has_children()
    yield
    deadline = time.monotonic() + _GRACE
    while True:
        left = [thread for thread in threading.enumerate() if thread not in threads]
        more = _count_descriptors() - descriptors
        orphans = _has_children() and not children
        if not left and more <= 0 and not orphans:
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.005)
    found = [f"threads {[thread.name for thread in left]}"] if left else []
    if more > 0:
        found.append(f"{more} open descriptors, among these: {_open_descriptors()}")
    if orphans:
        found.append("a child process that was not waited for")
    pytest.fail(f"left behind: {'; '.join(found)}", pytrace=False)
