"""nginx that says hello: one worker, no log, connections that are kept alive for ever.

nginx reads its configuration from a file, and cannot be told a port otherwise; so this writes one into memory, and
becomes nginx.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Final

_WORK: Final = Path(__file__).resolve().parent.parent / "bin" / "nginx"
_CONFIGURATION: Final = """
daemon off;
master_process off;
pid {work}/{port}.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "Hello, world\\n"; }}
    }}
}}
"""


def configuration(port: int) -> str:
    return _CONFIGURATION.format(work=_WORK, port=port)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    chosen = options.parse_args()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        sys.exit("nginx is not installed")
    _WORK.mkdir(parents=True, exist_ok=True)
    memory = os.memfd_create("nginx.conf", 0)
    os.write(memory, configuration(chosen.port).encode())
    os.execv(nginx, [nginx, "-c", f"/proc/self/fd/{memory}"])


if __name__ == "__main__":
    main()
