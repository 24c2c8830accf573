"""nginx for tests: a server in a folder of its own, that needs no privileges and leaves no files behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

_STREAM: Final = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
_FATAL: Final = ("[emerg]", "[alert]", "[crit]")

_CONFIGURATION: Final = """
{modules}
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log errors.log info;
events {{ worker_connections 512; }}
http {{
    types {{ text/html html; text/plain txt; text/css css; application/json json; }}
    default_type application/octet-stream;
    access_log access.log;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {http}
    server {{
        listen 127.0.0.1:{port};
        root html;
        {server}
    }}
}}
{stream}
"""


def has_nginx() -> bool:
    """Whether nginx is installed."""
    return shutil.which("nginx") is not None


def has_nginx_stream() -> bool:
    """Whether nginx can pass on TCP as it is, which Debian has in a package of its own."""
    return has_nginx() and _STREAM.exists()


class Nginx:
    """A running nginx.

    Args:
        folder: where its files go; ``folder/html`` is what it serves by itself.
        server: what stands in its one ``server {}``, for instance a ``location``.
        http: what stands beside that, for instance an ``upstream``.
        stream: what stands in a ``stream {}``'s one ``server {}``, for instance ``proxy_pass 127.0.0.1:9000;``.

    nginx knows no port 0.  So we listen, on a port that the kernel chooses, and hand it the sockets as it hands them to
    its own successor when its program is replaced: by number, in an environment variable.
    """

    def __init__(self, folder: Path, server: str = "", *, http: str = "", stream: str = "") -> None:
        self.folder = folder
        (folder / "html").mkdir(parents=True, exist_ok=True)
        listeners = [_listener()] + ([_listener()] if stream else [])
        try:
            ports = [listener.getsockname()[1] for listener in listeners]
            self.port: int = ports[0]
            self.stream_port: int = ports[-1]
            (folder / "nginx.conf").write_text(
                _CONFIGURATION.format(
                    user="user root root;" if os.getuid() == 0 else "",  # who else could not look into our folder
                    modules=f"load_module {_STREAM};" if stream else "",
                    port=self.port,
                    http=http,
                    server=server,
                    stream=f"stream {{ server {{ listen 127.0.0.1:{self.stream_port}; {stream} }} }}" if stream else "",
                )
            )
            numbers = [listener.fileno() for listener in listeners]
            program = ("nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "errors.log"))
            environment = {**os.environ, "NGINX": "".join(f"{number};" for number in numbers)}
            checked = subprocess.run((*program, "-t", "-q"), capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr
            self._process = subprocess.Popen(program, env=environment, pass_fds=numbers)
        finally:
            for listener in listeners:
                listener.close()

        self._wait_until_it_heeds_signals()

    def _wait_until_it_heeds_signals(self) -> None:
        """Wait for the line that it writes when its signals are set up: before that, one could get lost."""
        deadline = time.monotonic() + 20
        while "start worker process " not in self.errors:
            assert self._process.poll() is None, self.errors
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.002)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        """The same, as our bootstraps call it."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def errors(self) -> str:
        """What it has logged, from level info on."""
        log = self.folder / "errors.log"
        return log.read_text() if log.exists() else ""

    @property
    def requests(self) -> list[str]:
        """The lines of its access log, which come a moment after the responses; all of them after ``stop()``."""
        return (self.folder / "access.log").read_text().splitlines()

    def stop(self) -> None:
        """End it, and make sure that it has had no complaints about itself."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise
            assert self._process.returncode == 0, self.errors
        complaints = [line for line in self.errors.splitlines() if any(level in line for level in _FATAL)]
        assert not complaints, complaints


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener
