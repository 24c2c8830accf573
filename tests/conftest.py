"""What holds for every test: which build is tested, and that nothing is left behind.

``PIPELINE_NET_EXPECT=compiled`` (or ``pure``) fails the run at once when the other build would be imported.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from .nginx import Nginx, has_nginx, has_nginx_stream

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from pipeline_net import EventHandler
    from pipeline_net.server import RunningServer

# A busy machine is no reason for a test to fail; what takes for ever meets pytest's own limit.  The suite draws the
# same examples in every run; `make explore` draws others, and more of them.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000, print_blob=True)
settings.load_profile("suite")

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
    # A shell lets what it runs in the background ignore Ctrl-C, and so would every server that the tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
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


class Serving:
    """Runs ``serve()`` in threads of their own, so that the test can be the client."""

    def __init__(self) -> None:
        self._running: list[tuple[threading.Thread, RunningServer]] = []
        self._raised: list[BaseException] = []

    def __call__(self, handler: EventHandler, *addresses: str, **settings: Any) -> RunningServer:
        """Start a server, on any free TCP port if no address is given, and return when it is ready."""
        from pipeline_net import serve

        started: SimpleQueue[RunningServer | BaseException] = SimpleQueue()

        def run() -> None:
            try:
                serve(handler, *(addresses or ("tcp://127.0.0.1:0",)), ready=started.put, **settings)
            except BaseException as exc:  # noqa: BLE001 - the test gets it
                self._raised.append(exc)
                started.put(exc)

        thread = threading.Thread(target=run, name="serve")
        thread.start()
        outcome = started.get(timeout=10)
        if isinstance(outcome, BaseException):
            thread.join()
            self._raised.remove(outcome)
            raise outcome
        self._running.append((thread, outcome))
        return outcome

    def join(self, server: RunningServer, timeout: float = 10.0) -> None:
        """Wait until ``serve()`` has returned by itself."""
        for thread, running in self._running:
            if running is server:
                thread.join(timeout)
                assert not thread.is_alive(), f"{server} goes on"

    def stop_all(self) -> None:
        for _, server in self._running:
            server.shutdown()
        for _, server in self._running:
            self.join(server)
        if self._raised:
            raise self._raised[0]


@pytest.fixture
def serving() -> Iterator[Serving]:
    """``serving(handler, *addresses, **settings)`` is ``serve()`` in the background until the test ends."""
    servers = Serving()
    yield servers
    servers.stop_all()


@pytest.fixture
def dial() -> Iterator[Callable[[str], socket.socket]]:
    """``dial("tcp://127.0.0.1:9000")`` is a connected client socket with a time limit, closed when the test ends."""
    opened: list[socket.socket] = []

    def connect(address: str) -> socket.socket:
        scheme, _, rest = address.partition("://")
        if scheme == "unix":
            client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target: Any = "\0" + rest[1:] if rest.startswith("@") else rest
        else:
            host, _, port = rest.rpartition(":")
            family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
            client = socket.socket(family, socket.SOCK_DGRAM if scheme.startswith("udp") else socket.SOCK_STREAM)
            target = (host.strip("[]"), int(port))
        opened.append(client)
        client.settimeout(10)
        client.connect(target)
        return client

    yield connect
    for client in opened:
        client.close()


class Program:
    """A server in a process of its own, which says ``listening on <address> …`` when it is ready."""

    def __init__(self, arguments: tuple[str, ...], cwd: Path | None) -> None:
        self.output = ""
        """What it has written so far, errors included; all of it after ``stop()``."""
        self._process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line
            if line.startswith("listening on "):
                self.addresses = line.split()[2:]
                return
        self.stop()
        raise AssertionError(f"{arguments} ended before it was listening:\n{self.output}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send it a signal, unless it has ended; return its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(number)
            try:
                self.output += self._process.communicate(timeout=20)[0]
            except subprocess.TimeoutExpired:
                self._process.kill()
                self.output += self._process.communicate()[0]
                raise
        return self._process.returncode


@pytest.fixture
def start_program() -> Iterator[Callable[..., Program]]:
    """``start_program("-m", "pipeline_net", …)`` runs Python until the test ends; Ctrl-C ends it."""
    programs: list[Program] = []

    def start(*arguments: str, cwd: Path | None = None) -> Program:
        programs.append(Program(arguments, cwd))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()


@pytest.fixture
def start_nginx(tmp_path: Path) -> Iterator[Callable[..., Nginx]]:
    """``start_nginx("location / { … }", http=…, stream=…)`` runs nginx until the test ends; see ``Nginx``."""
    if not has_nginx():
        pytest.skip("nginx is not installed")
    running: list[Nginx] = []

    def start(server: str = "", *, http: str = "", stream: str = "") -> Nginx:
        if stream and not has_nginx_stream():
            pytest.skip("nginx's module for streams is not installed (libnginx-mod-stream)")
        running.append(Nginx(tmp_path / f"nginx-{len(running)}", server, http=http, stream=stream))
        return running[-1]

    yield start
    for nginx in running:
        nginx.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A real browser without a window, driven by Selenium; it ends with the module's last test.

    Not for the whole session: while its processes run, ``no_leaks`` cannot see a child that a test has left.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = chromium
    # No sandbox, because tests run as root in containers; no shared memory, because /dev/shm is small there.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    chrome = Chrome(options=options, service=ChromeService(driver))
    try:
        yield chrome
    finally:
        chrome.quit()
