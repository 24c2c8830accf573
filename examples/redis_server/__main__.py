"""A Redis server in Python: strings, hashes, lists, sets, sorted sets, and a file that survives.

    python examples/redis_server
    redis-cli SET greeting hello EX 60
    python examples/redis_server --appendonly data.aof --appendfsync always

The folder is a package whose parts import each other; this file makes it one when it is started as a program.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Start the server."""
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder.parent))
    importlib.import_module(f"{folder.name}.program").main()


if __name__ == "__main__":
    main()
