"""What must be made before anything is measured: load generators, a certificate, peers in Java and Go.

Everything lands in ``benchmarks/bin`` and is made anew when its source is newer.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

from attrs import frozen

from benchmarks.contenders import CERTIFICATE, EPOLL_ECHO, GO_ECHO, NETTY_CLASSES, NETTY_JARS, Build, Mode

HERE: Final = Path(__file__).resolve().parent
_BIN: Final = HERE / "bin"
_SHARED_HEADER: Final = "load.h"
_CERTIFICATE_DAYS: Final = 30
_TIMEOUT: Final = 180.0  # seconds; Go compiles its standard library at the first time


class BenchmarkError(Exception):
    """A server or a load generator did not do what it was asked; the message says which and why."""


@frozen
class Generator:
    """A load generator in C: its source in ``benchmarks/``, the libraries that it is linked with, and what it is told
    besides where, how much, how many and how long.
    """

    source: str
    libraries: tuple[str, ...] = ()
    options: tuple[Literal["mode", "in-flight", "ca"], ...] = ("mode", "in-flight")

    @property
    def binary(self) -> Path:
        return _BIN / Path(self.source).stem


# A new kind of load is a line here, and its name in contenders.Mode; its generator prints load.h's figures.
GENERATORS: Final[dict[Mode, Generator]] = {
    "raw": Generator("load.c"),
    "frame": Generator("load.c"),
    "line": Generator("load.c"),
    "churn": Generator("load.c"),
    "tls": Generator("load_tls.c", ("-lssl", "-lcrypto"), options=("ca",)),
    "websocket": Generator("load_websocket.c", options=("in-flight",)),
}


def generator(mode: Mode) -> Path:
    """Compile what loads in that mode, unless it is there; where it is.

    Raises:
        BenchmarkError: no C compiler, or it does not like the source (TLS: is libssl-dev missing?).
    """
    wanted = GENERATORS[mode]
    if mode == "tls":
        _make_certificate()
    if is_stale(wanted.binary, HERE / wanted.source, HERE / _SHARED_HEADER):
        _compile_c(HERE / wanted.source, wanted.binary, *wanted.libraries)
    return wanted.binary


def netty() -> None:
    """Compile the server on netty.

    Raises:
        BenchmarkError: no JDK, or no netty.
    """
    source = HERE / "peers" / "netty" / "EchoServer.java"
    missing = [jar for jar in NETTY_JARS if not Path(jar).exists()]
    if missing:
        raise BenchmarkError(f"netty is not installed (Debian: libnetty-java): there is no {missing[0]}")
    javac = _program("javac", what="no JDK (Debian: default-jdk-headless)")
    folder = HERE / NETTY_CLASSES
    if is_stale(folder / "EchoServer.class", source):
        folder.mkdir(parents=True, exist_ok=True)
        run((javac, "-nowarn", "-d", str(folder), "-cp", ":".join(NETTY_JARS), str(source)), _TIMEOUT)


def go_echo() -> None:
    """Compile the server on Go's standard library.

    Raises:
        BenchmarkError: no Go.
    """
    source = HERE / "peers" / "go" / "echo.go"
    go = _program("go", what="no Go (Debian: golang-go)")
    if is_stale(HERE / GO_ECHO, source):
        _into_place(HERE / GO_ECHO, lambda made: (go, "build", "-o", made, str(source)))


def epoll_echo() -> None:
    """Compile the server on epoll in C.

    Raises:
        BenchmarkError: no C compiler.
    """
    source = HERE / "peers" / "epoll_echo.c"
    if is_stale(HERE / EPOLL_ECHO, source):
        _compile_c(source, HERE / EPOLL_ECHO)


BUILDS: Final[dict[Build, Callable[[], None]]] = {
    "netty": netty,
    "go": go_echo,
    "epoll": epoll_echo,
    "certificate": lambda: _make_certificate(),
}


def is_stale(made: Path, *sources: Path) -> bool:
    """Whether it must be made anew: it is missing, or older than one of its sources."""
    return not made.exists() or made.stat().st_mtime < max(source.stat().st_mtime for source in sources)


def run(command: Sequence[str], timeout: float) -> str:
    """What a program prints.

    Raises:
        BenchmarkError: it is not installed, takes longer than ``timeout`` seconds, or fails; with what it said.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise BenchmarkError(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{command[0]} did not finish within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise BenchmarkError(
            (done.stderr or done.stdout).strip() or f"{command[0]} ended with status {done.returncode}"
        )
    return done.stdout


def _compile_c(source: Path, binary: Path, *libraries: str) -> None:
    compiler = _program(os.environ.get("CC", "gcc"), "cc", what=f"{source.name} needs a C compiler")
    flags = ("-O2", "-Wall", "-Wextra")
    _into_place(binary, lambda made: (compiler, *flags, "-o", made, str(source), *libraries))


def _into_place(binary: Path, command: Callable[[str], Sequence[str]]) -> None:
    """Two runs at once must not see each other's half-written file."""
    binary.parent.mkdir(exist_ok=True)
    made = binary.with_suffix(f".{os.getpid()}")
    run(command(str(made)), _TIMEOUT)
    made.replace(binary)


def _make_certificate() -> None:
    certificate = HERE / CERTIFICATE
    if certificate.exists() and time.time() - certificate.stat().st_mtime < _CERTIFICATE_DAYS * 86400 / 2:
        return
    certificate.parent.mkdir(exist_ok=True)
    made = certificate.with_suffix(f".{os.getpid()}")
    what = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    whose = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    where = ("-days", str(_CERTIFICATE_DAYS), "-keyout", str(made), "-out", f"{made}.crt")
    run(("openssl", *what, *whose, *where), _TIMEOUT)
    with made.open("ab") as both, open(f"{made}.crt", "rb") as written:
        both.write(written.read())
    os.unlink(f"{made}.crt")
    made.replace(certificate)


def _program(*names: str, what: str) -> str:
    for name in names:
        found = shutil.which(name)
        if found is not None:
            return found
    raise BenchmarkError(f"{what}: {' or '.join(names)} is not installed")
