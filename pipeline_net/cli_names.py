"""What the command line is told by name: objects of modules; and how it says that it was told nonsense."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any


class UsageError(Exception):
    """What was asked cannot be done; the message says why, and what to type instead."""


def load(what: str) -> Any:
    """Find the object that ``module:name`` means; modules of the current folder count.

    Raises:
        UsageError: there is none.
    """
    module_name, _, name = what.partition(":")
    if not module_name or not name:
        raise UsageError(f"{what!r} is not of the form MODULE:NAME")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{module_name}.".startswith(f"{exc.name}."):
            raise  # it was found, and something that it imports was not
        raise UsageError(f"there is no module {module_name!r}, neither installed nor in {here}") from exc
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module_name} has no {name!r}")
        found = getattr(found, part)
    return found
