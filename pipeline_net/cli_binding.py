"""What the command line says when a server cannot listen where it should: why, and what to type instead."""

from __future__ import annotations

import errno
import sys
from pathlib import PurePath
from typing import Final

DEFAULT_PLACE: Final = "127.0.0.1:9000"  # where a module of the user's listens
DEFAULT_ADDRESS: Final = f"tcp://{DEFAULT_PLACE}"

_ELSEWHERE: Final = (errno.EADDRNOTAVAIL, errno.ENOENT, errno.ENOTDIR)
_TAKEN: Final = (errno.EADDRINUSE, errno.EACCES)


def says_why_it_cannot_bind(exc: OSError, again: str) -> bool:
    """Print why, and the command ``again`` with another address; false, and nothing, if that is not what went wrong."""
    if "cannot bind" not in str(exc) or not (exc.errno in _TAKEN or _must_be_elsewhere(exc)):
        return False
    print(f"pipeline-net: {exc.strerror}", file=sys.stderr)
    print(f"Choose another address:  {again} --address {another_address(exc)}", file=sys.stderr)
    return True


def another_address(exc: OSError) -> str:
    """Suggest an address for the one that the error names."""
    address = (exc.strerror or "").removeprefix("cannot bind ").rpartition(": ")[0]
    scheme, _, place = address.partition("://")
    if scheme == "unix":
        return f"unix://{PurePath(place).name}" if _must_be_elsewhere(exc) else f"{address}.2"
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        return DEFAULT_ADDRESS
    if _must_be_elsewhere(exc):
        return f"{scheme}://{'[::1]' if scheme.endswith('6') or '[' in host else '127.0.0.1'}:{port}"
    number = int(port)
    return f"{scheme}://{host}:{number + 8000 if number < 1024 else number + 1 if number < 65535 else number - 1}"


def _must_be_elsewhere(exc: OSError) -> bool:
    """Whether another port, or another name in that folder, would not help either."""
    return exc.errno in _ELSEWHERE or type(exc).__name__ == "gaierror"  # of socket, whose numbers differ by system
