"""What the command line is told by name: objects of modules; and how it says that it was told nonsense."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
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
        raise UsageError(f"{what!r} is not of the form MODULE:NAME, such as {module_name or 'web'}:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{module_name}.".startswith(f"{exc.name}."):
            raise  # it was found, and something that it imports was not
        hint = f"; did you mean {module_name[:-3]}:{name}?" if module_name.endswith(".py") else ""
        raise UsageError(f"there is no module {module_name!r}, neither installed nor in {here}{hint}") from exc
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"{module_name} has no {name!r}{_elsewhere(module)}")
        found = getattr(found, part)
    return found


def _elsewhere(module: ModuleType) -> str:
    """Say which file a module is, if the current folder has another one of its name: ``site.py``, for example."""
    mine = Path.cwd() / f"{module.__name__}.py"
    loaded = getattr(module, "__file__", None)
    if not mine.is_file() or (loaded is not None and mine.samefile(loaded)):
        return ""
    return f": it is {loaded or 'a part of Python'}, not {mine}, which needs another name"
