"""What the files themselves must be like: short, honestly named, and with a reason beside every exception to a rule.

A checker is silenced in one of these forms, and no other::

    # type: ignore[code]  # reason
    # pyright: ignore[rule]  # reason
    # noqa: RULE - reason
"""

from __future__ import annotations

import ast
import importlib
import io
import re
import tokenize
import tomllib
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import pipeline_net

_ROOT = Path(__file__).parent.parent
_MAX_LINES = 500  # a longer file has two subjects
_FORBIDDEN_NAMES = {"utils", "util", "common", "types", "helpers", "misc"}

# mypyc writes an attribute `_thread` as `__thread` into its C, which is a keyword of gcc and clang; so are these.
_C_KEYWORDS_BUT_ONE_UNDERSCORE = {
    *("_alignof", "_asm", "_attribute", "_complex", "_const", "_extension", "_imag", "_inline", "_int128", "_label"),
    *("_real", "_restrict", "_signed", "_thread", "_typeof", "_volatile"),
}

_PACKAGE_FILES = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / "pipeline_net").rglob("*.py"))
_ALL_FILES = sorted(
    str(path.relative_to(_ROOT))
    for folder in ("pipeline_net", "tests", "examples", "benchmarks")
    for path in (_ROOT / folder).rglob("*.py")
)

_SILENCER = re.compile(r"#\s*(type:\s*ignore|pyright:\s*ignore|noqa)", re.IGNORECASE)
_SILENCER_WITH_REASON = re.compile(
    r"# (?:type|pyright): ignore\[[\w-]+(?:, ?[\w-]+)*\]  # (?!noqa)\S.*"
    r"|# noqa: [A-Z]+[0-9]+(?:, ?[A-Z]+[0-9]+)* - \S.*"
)


def _comments(source: str) -> dict[int, str]:
    """Line number → comment."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _silencers_without_reason(source: str) -> list[str]:
    return [
        f"line {line}: {comment}"
        for line, comment in _comments(source).items()
        if _SILENCER.search(comment) and not _SILENCER_WITH_REASON.fullmatch(comment)
    ]


def _is_empty(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _swallowed_exceptions(source: str) -> list[str]:
    """Each bare ``except:``, and each handler that does nothing and has no comment that says why."""
    comments = _comments(source)
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            found.append(f"line {node.lineno}: a bare except also catches KeyboardInterrupt")
        elif all(_is_empty(statement) for statement in node.body):
            last = node.body[-1].end_lineno or node.lineno
            if not any(line in comments for line in range(node.lineno, last + 1)):
                found.append(f"line {node.lineno}: an exception is swallowed without a word")
    return found


@pytest.mark.parametrize("file", _ALL_FILES)
def test_a_file_has_one_subject(file: str) -> None:
    lines = len((_ROOT / file).read_text().splitlines())
    assert lines <= _MAX_LINES, f"{file} has {lines} lines"


@pytest.mark.parametrize("file", _ALL_FILES)
def test_a_name_says_what_is_in_the_room(file: str) -> None:
    assert not {part.lower() for part in Path(file).with_suffix("").parts} & _FORBIDDEN_NAMES


@pytest.mark.parametrize("file", _PACKAGE_FILES)
def test_no_exception_is_swallowed_without_a_word(file: str) -> None:
    assert _swallowed_exceptions((_ROOT / file).read_text()) == []


@pytest.mark.parametrize("file", [*_ALL_FILES, "setup.py", "docs/conf.py"])
def test_a_silenced_checker_has_a_reason_beside_it(file: str) -> None:
    assert _silencers_without_reason((_ROOT / file).read_text()) == []


@pytest.mark.parametrize(
    ("handler", "accepted"),
    [
        ("except OSError:\n    pass", False),
        ("except OSError:\n    ...", False),
        ("except:\n    raise", False),
        ("except OSError:  # it was closed before\n    pass", True),
        ("except OSError:\n    pass  # it was closed before", True),
        ("except OSError:\n    # it was closed before\n    pass", True),
        ("except OSError:\n    return_it()", True),
    ],
)
def test_which_exception_handlers_are_accepted(handler: str, accepted: bool) -> None:
    assert (_swallowed_exceptions(f"try:\n    work()\n{handler}\n") == []) is accepted


@pytest.mark.parametrize(
    ("comment", "accepted"),
    [
        ("type: ignore", False),
        ("type: ignore[arg-type]", False),
        ("type: ignore[arg-type]  # a bad stack is the point of this test", True),
        ("type: ignore[arg-type, misc]  # a bad stack is the point of this test", True),
        ("type: ignore[arg-type]  # noqa: E501", False),
        ("pyright: ignore[reportCallIssue]  # a bad stack is the point of this test", True),
        ("noqa", False),
        ("noqa: BLE001", False),
        ("noqa: BLE001 - a task that fails must not end the loop", True),
        ("an ordinary remark", True),
    ],
)
def test_which_silencers_are_accepted(comment: str, accepted: bool) -> None:
    assert (_silencers_without_reason(f"x = 1  # {comment}\n") == []) is accepted


def test_every_module_on_the_list_of_compiled_ones_exists(compiled_modules: tuple[str, ...]) -> None:
    assert [module for module in compiled_modules if not (_ROOT / module).is_file()] == []
    assert len(set(compiled_modules)) == len(compiled_modules)


def test_no_attribute_of_a_compiled_module_is_a_keyword_in_c(compiled_modules: tuple[str, ...]) -> None:
    found = [
        f"{module}:{node.lineno}: {node.attr}"
        for module in compiled_modules
        if (_ROOT / module).is_file()
        for node in ast.walk(ast.parse((_ROOT / module).read_text()))
        if isinstance(node, ast.Attribute) and node.attr in _C_KEYWORDS_BUT_ONE_UNDERSCORE
    ]
    assert found == []


def test_compiled_says_what_was_imported(compiled_modules: tuple[str, ...]) -> None:
    for module in compiled_modules:
        imported = importlib.import_module(module.removesuffix(".py").replace("/", "."))
        is_extension = str(imported.__file__).endswith(tuple(EXTENSION_SUFFIXES))
        assert is_extension is pipeline_net.COMPILED, (
            f"{imported.__file__} does not fit COMPILED = {pipeline_net.COMPILED}"
        )


def test_nothing_was_compiled_inside_the_source_tree() -> None:
    found = [path for suffix in EXTENSION_SUFFIXES for path in (_ROOT / "pipeline_net").rglob(f"*{suffix}")]
    assert found == [], "these shadow the files that you edit"


def test_the_version_is_the_same_wherever_it_is_said() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    assert pipeline_net.__version__ == project["version"]
