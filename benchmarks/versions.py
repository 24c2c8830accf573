"""Which versions of the peers were measured: a ratio without them cannot be repeated."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Final

from benchmarks.process import Python

_DISTRIBUTIONS: Final = ("uvloop", "uvicorn", "httptools", "granian", "twisted", "gevent", "websockets", "picows")
_QUESTION: Final = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        continue
print(json.dumps(found))
"""
_PROGRAMS: Final = {
    "redis-server": ("redis-server", "--version"),
    "nginx": ("nginx", "-v"),
    "java": ("java", "-version"),
    "go": ("go", "version"),
}
_TIMEOUT: Final = 30.0  # seconds


def versions(python: Python) -> dict[str, str]:
    """Name → version, of what is installed; who is missing is missing here, too."""
    asked = subprocess.run(
        (python.path, "-P", "-c", _QUESTION, *_DISTRIBUTIONS),
        env=python.environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=True,
    )
    found: dict[str, str] = json.loads(asked.stdout)
    for name, command in _PROGRAMS.items():
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
        except (FileNotFoundError, subprocess.TimeoutExpired):
            continue  # the rows that need it say so; and all figures are there already, and must be written
        number = first_version(said.stdout + said.stderr)
        if number is not None:
            found[name] = number
    return found


def first_version(text: str) -> str | None:
    """The first thing in a program's words that looks like its version."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return found[0] if found else None
