"""Server processes: started on a core of their own, observed through /proc, stopped with SIGTERM."""

from __future__ import annotations

import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from attrs import frozen

from benchmarks.build import BUILDS, HERE, BenchmarkError
from benchmarks.contenders import PORT, Contender

_START_TIMEOUT: Final = 20.0  # seconds until a server must have printed its port
_STOP_TIMEOUT: Final = 5.0  # seconds between SIGTERM and SIGKILL
_SPARE_DESCRIPTORS: Final = 200  # beside the connections
_TICK: Final = 1.0 / os.sysconf("SC_CLK_TCK")  # seconds; the unit of utime and stime
_LISTEN: Final = "0A"  # a state in /proc/net/tcp: TCP_LISTEN of Linux
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")  # bytes; the unit of statm


@frozen
class Cores:
    """Which core serves and which one loads; the same one twice where there is only one."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        usable = sorted(os.sched_getaffinity(0))
        return cls(server=usable[-1], load=usable[0])


@frozen
class Python:
    """An interpreter, and whether it finds pipeline_net by itself or needs the source tree on its path."""

    path: str
    environment: dict[str, str]
    build: str  # "compiled", "pure", or why there is none
    version: str = ""

    @classmethod
    def examine(cls, path: str) -> Python:
        """Ask the interpreter itself, in a directory from which it cannot import the source tree by accident."""
        path = os.path.abspath(path)  # not resolved: a link's own folder is what makes it a virtual environment
        environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        question = (
            "import platform, pipeline_net; print('compiled' if pipeline_net.COMPILED else 'pure');"
            "print(platform.python_implementation(), platform.python_version())"
        )
        problem = ""
        for extra in ({}, {"PYTHONPATH": str(HERE.parent)}):
            candidate = environment | extra
            answer = subprocess.run(
                (path, "-P", "-c", question),
                cwd=HERE,
                env=candidate,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            if answer.returncode == 0:
                return cls(path, candidate, *answer.stdout.splitlines())
            problem = answer.stderr.strip().rpartition("\n")[2]
        return cls(path, environment, f"not importable: {problem}")


@frozen
class Turns:
    """How long a thread had its core, and how long it was ready while the core ran somebody else; in seconds."""

    ran: float
    waited: float


def held_by_others(before: dict[int, Turns], after: dict[int, Turns]) -> float:
    """For how many seconds, at least, others than the threads of a server kept one of them waiting.

    A thread also waits for its siblings, as those of Go and of a JVM do on one core; but not longer than these ran.
    """
    began = {number: before.get(number, Turns(0.0, 0.0)) for number in after}
    ran = sum(turns.ran - began[number].ran for number, turns in after.items())
    waits = [
        turns.waited - began[number].waited - (ran - (turns.ran - began[number].ran)) for number, turns in after.items()
    ]
    return max(0.0, *waits) if waits else 0.0


class Restless:
    """A program that always wants its core: whoever shares that gets half of it.  Use as a context manager."""

    def __init__(self, core: int) -> None:
        command = (_program("taskset"), "--cpu-list", str(core), sys.executable, "-S", "-c", "while True: pass")
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # Ctrl-C is no news of its

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Restless:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()


class ServerProcess:
    """A running contender.  Use as a context manager: whatever happens, the process ends.

    ``core`` is its core, or a list of them as ``taskset`` takes it.
    """

    def __init__(self, contender: Contender, python: Python | None, core: int | str) -> None:
        self.contender = contender
        self.port = 0
        if contender.needs is not None:
            BUILDS[contender.needs]()
        if contender.is_given_port:
            self.port = _free_port()
        arguments = [argument.replace(PORT, str(self.port)) for argument in contender.command]
        if python is None:
            command = [_program(arguments[0]), *arguments[1:]]
            environment = dict(os.environ)
        else:
            command = [python.path, "-P", *arguments, *(() if contender.is_given_port else ("--port", "0"))]
            environment = python.environment
        # taskset becomes the server: it is pinned before its first instruction, and counts the cores that it has
        pinned = [_program("taskset"), "--cpu-list", str(core), *command]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - stop() closes it
        self._process = subprocess.Popen(pinned, stdout=subprocess.PIPE, stderr=self._errors, env=environment, cwd=HERE)
        try:
            if contender.is_given_port:
                self._await_listener()
            else:
                self.port = self._read_port()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time since the start, of all threads, and of the worker processes that it has."""
        return sum(_cpu_seconds(pid) for pid in _family(self.pid))

    def threads(self) -> dict[int, Turns]:
        """Its threads and those of its workers, by number; none where the kernel does not tell."""
        found = {}
        for pid in _family(self.pid):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                try:
                    ran, waited, _ = (thread / "schedstat").read_text().split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # a thread that has just ended, or a kernel without scheduler statistics
                found[int(thread.name)] = Turns(int(ran) / 1e9, int(waited) / 1e9)
        return found

    def peak_bytes(self) -> int:
        """The most resident memory that it has had since ``forget_peak``, or since its start."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise BenchmarkError("this kernel does not tell how much memory a process has had")

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # proc(5): resets VmHWM

    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def check_alive(self) -> None:
        if self._process.poll() is not None:
            raise BenchmarkError(
                f"{self.contender.name} ended with status {self._process.returncode}: {self._complaint()}"
            )

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        ready, _, _ = select.select((self._process.stdout,), (), (), _START_TIMEOUT)
        line = self._process.stdout.readline().strip() if ready else b""
        if ready and not line:
            self._process.wait(_STOP_TIMEOUT)  # it closed its output: it is ending
            self.check_alive()
        if not line.isdigit():
            said = repr(line.decode(errors="replace")) if line else f"nothing within {_START_TIMEOUT:.0f} s"
            raise BenchmarkError(f"{self.contender.name} printed {said} instead of its port: {self._complaint()}")
        return int(line)

    def _await_listener(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        who = "nobody"
        while time.monotonic() < deadline:
            self.check_alive()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    if self._owns(_listeners(self.port)):
                        return
                    who = "somebody else"  # has taken the port since it was free, and must not be measured instead
            time.sleep(0.01)
        raise BenchmarkError(f"{self.contender.name}: {who} listens on {self.port}: {self._complaint()}")

    def _owns(self, sockets: set[str]) -> bool:
        """Whether one of these sockets is its own, or a worker's; taken for granted where the kernel names none."""
        return not sockets or any(
            _points_at(descriptor, sockets)
            for pid in _family(self.pid)
            for descriptor in Path(f"/proc/{pid}/fd").iterdir()
        )

    def _complaint(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip().rpartition("\n")[2] or "it said nothing"


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK


def _family(pid: int) -> list[int]:
    """A process and all that it has started, as far as they are alive."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").iterdir():
            children = task / "children"
            if children.exists():  # not in every kernel
                found += map(int, children.read_text().split())
    return found


def _listeners(port: int) -> set[str]:
    """The sockets that listen on a port, as links of ``/proc/<pid>/fd`` name them."""
    table = Path("/proc/net/tcp")
    lines = table.read_text().splitlines()[1:] if table.exists() else []
    rows = [line.split() for line in lines]
    return {f"socket:[{row[9]}]" for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port}


def _points_at(descriptor: Path, sockets: set[str]) -> bool:
    try:
        return str(descriptor.readlink()) in sockets
    except FileNotFoundError:
        return False  # closed since it was listed


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _program(name: str) -> str:
    """The path of a program, or of one that was built in ``benchmarks/``."""
    found = shutil.which(name) or shutil.which(str(HERE / name))
    if found is None:
        raise BenchmarkError(f"{name} is not installed")
    return found


def allow_descriptors(connections: int) -> None:
    """Let this process, and the servers and load generators that inherit it, have so many connections.

    Raises:
        BenchmarkError: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_DESCRIPTORS
    if resource.RLIM_INFINITY not in (soft, hard) and soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchmarkError(f"{connections} connections need more descriptors than `ulimit -Hn`, which is {hard}")
    if soft != resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def interpreter_of(chosen: str | None, beside: Path) -> str:
    """The interpreter asked for; else the one in ``beside``, where an environment was made; else this one."""
    if chosen is not None:
        return chosen
    candidate = beside / "bin" / "python"
    return str(candidate) if candidate.exists() else sys.executable
