"""Sites on real sockets, and nginx beside them."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pipeline_net import EventLoopGroup, ServerBootstrap
from pipeline_net.codecs import http

_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/t; proxy_temp_path {folder}/t; fastcgi_temp_path {folder}/t;
    uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
    server {{
        listen unix:{folder}/sock;
        root {root};
        if_modified_since before;
        max_ranges 16;
    }}
}}
"""


@pytest.fixture
def serve_files() -> Iterator[Callable[..., str]]:
    """``serve_files(root, …)`` serves a folder until the test ends; its address."""
    with ExitStack() as running:

        def run(
            root: Path, *stages: Callable[[], Any], address: str = "tcp://127.0.0.1:0", tls: Any = None, **settings: Any
        ) -> str:
            def pipeline(_: Any) -> Any:
                stack = http.server_stack()
                for stage in stages:
                    stack = stack >> stage()
                return stack >> http.StaticFiles(root, **settings)

            loops = running.enter_context(EventLoopGroup(1))
            more = {} if tls is None else {"tls": tls}
            server = running.enter_context(ServerBootstrap(loops, initializer=pipeline, **more).bind(address))
            return str(server.addresses[0])

        yield run


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], str]]:
    """``nginx(root)`` serves a folder with nginx until the test ends; the path of its socket."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    started = []

    def run(root: Path) -> str:
        folder = tmp_path_factory.mktemp("nginx")
        (folder / "conf").write_text(_NGINX.format(folder=folder, root=root))
        process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "conf"), "-e", "stderr"])
        started.append(process)
        path = str(folder / "sock")
        deadline = time.monotonic() + 10
        while True:
            assert process.poll() is None, "nginx has ended"
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                return path
            except OSError:
                assert time.monotonic() < deadline, "nginx does not listen"
                time.sleep(0.01)  # nothing tells when it does

    yield run
    for process in started:
        process.terminate()
        process.wait(10)
