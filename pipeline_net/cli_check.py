"""pipeline-net check: a decoder must not notice how its bytes are cut.

A file of cases is TOML.  ``messages`` are Python, as ``repr`` writes it; an error that must come stands among them::

    arguments = [16]                                # optional: what the decoder is made with
    keywords = { strip_delimiter = false }          # optional

    [[case]]
    name = "two lines"                              # optional: what the verdict calls it
    text = "GET\\r\\nPUT\\n"                            # or hex = "47 45 54 0d 0a"
    messages = ["b'GET'", "b'PUT'"]

    [[case]]
    text = "a line that is much too long\\nPUT\\n"
    messages = [{ error = "FrameTooLongError" }, "b'PUT'"]
"""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from . import errors
from .cli_names import UsageError, load
from .testing import check_decoder

Case: TypeAlias = tuple[str, bytes, list[Any]]


class Shown:
    """Stands for any message of which ``repr`` says ``text``."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __eq__(self, other: object) -> bool:
        return repr(other) == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return self._text


def check(arguments: argparse.Namespace) -> int:
    """Say of each case whether the decoder is right; returns the exit code.

    Raises:
        UsageError: the file or the decoder is not what it should be.
    """
    what: str = arguments.what
    if ":" not in what:
        raise UsageError(f"{what!r} is not of the form MODULE:NAME, such as frames:FrameDecoder")
    file = _read_cases(arguments.cases)
    made = load(what)
    if not callable(made):
        raise UsageError(f"{what} is {made!r}; expected a decoder class, or a function that makes a decoder")
    factory = _Factory(made, file.arguments, file.keywords)
    try:
        factory()
    except (TypeError, ValueError) as exc:
        raise UsageError(f"{what} cannot be made with the arguments of {arguments.cases}: {exc}") from exc
    failures = 0
    for name, data, messages in file.cases:
        failures += not _verdict(factory, name, [(data, messages)])
    cases = [(data, messages) for _, data, messages in file.cases]
    if not failures and len(cases) > 1:
        failures += not _verdict(factory, "all of them, one after the other", cases)
    if failures:
        print(f"{what} is WRONG")
        return 1
    print(f"{what} is right, whole, byte by byte and cut at every point")
    return 0


def _verdict(factory: Callable[[], Any], name: str, cases: list[tuple[bytes, list[Any]]]) -> bool:
    try:
        check_decoder(factory, cases)
    except AssertionError as exc:
        print(f"  FAILED  {name}\n          " + str(exc).replace("\n", "\n          "))
        return False
    print(f"  ok      {name}")
    return True


@attrs.frozen
class _CaseFile:
    """What a file of cases says."""

    arguments: list[Any]
    keywords: dict[str, Any]
    cases: list[Case]


@attrs.frozen
class _Factory:
    """Makes the decoder for one connection."""

    made: Callable[..., Any]
    arguments: list[Any]
    keywords: dict[str, Any]

    def __call__(self) -> Any:
        return self.made(*self.arguments, **self.keywords)


def _read_cases(path: Path) -> _CaseFile:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise UsageError(f"cannot read the cases of {path}: {exc}") from exc
    _refuse_others(tables, {"arguments", "keywords", "case"}, str(path))
    arguments = tables.get("arguments", [])
    keywords = tables.get("keywords", {})
    if not isinstance(arguments, list) or not isinstance(keywords, dict):
        raise UsageError(f"{path}: arguments is a list, and keywords a table")
    entries = tables.get("case", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path}: there is no [[case]] in it")
    cases = [_read_case(entry, f"{path}: case {number}") for number, entry in enumerate(entries, 1)]
    return _CaseFile(arguments, keywords, cases)


def _read_case(entry: dict[str, Any], where: str) -> Case:
    _refuse_others(entry, {"name", "text", "hex", "messages"}, where)
    text, digits = entry.get("text"), entry.get("hex")
    if (text is None) == (digits is None):
        raise UsageError(f"{where} wants either text or hex")
    if not isinstance(text or "", str) or not isinstance(digits or "", str):
        raise UsageError(f"{where}: text and hex are strings")
    try:
        data = bytes.fromhex(digits) if digits is not None else str(text).encode()
    except ValueError as exc:
        raise UsageError(f"{where}: hex is pairs of hexadecimal digits, not {digits!r}") from exc
    messages = entry.get("messages")
    if not isinstance(messages, list):
        raise UsageError(f"{where} wants messages = […]; an empty list where none are complete")
    return str(entry.get("name", repr(data))), data, [_read_message(message, where) for message in messages]


def _read_message(message: Any, where: str) -> Any:
    if isinstance(message, str):
        return Shown(message)
    if isinstance(message, dict) and list(message) == ["error"]:
        name = message["error"]
        error = getattr(errors, name, None) if isinstance(name, str) else None
        if not (isinstance(error, type) and issubclass(error, Exception)):
            raise UsageError(f"{where}: there is no error {name!r} in pipeline_net.errors")
        return error
    raise UsageError(
        f'{where}: a message is a string, what repr() says of it, or {{ error = "DecodeError" }}, not {message!r}'
    )


def _refuse_others(table: dict[str, Any], known: set[str], where: str) -> None:
    others = sorted(table.keys() - known)
    if others:
        raise UsageError(f"{where} has {', '.join(others)}; known are {', '.join(sorted(known))}")
