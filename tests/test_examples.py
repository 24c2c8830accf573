"""Every example is listed for its readers and run by a test; what they are worth otherwise, ``tests/examples`` says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent.parent
_EXAMPLES = sorted(
    [path.name for path in (_ROOT / "examples").glob("*.py")]
    + [path.parent.name for path in (_ROOT / "examples").glob("*/__main__.py")]
)
_README = (_ROOT / "examples" / "README.md").read_text()


def _words_of(test: Path) -> set[str]:
    """Every string that a test file has, docstrings aside."""
    tree = ast.parse(test.read_text())
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in remarks
    }


_NAMED_BY_TESTS = set().union(*(_words_of(path) for path in (_ROOT / "tests" / "examples").rglob("test_*.py")))


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_is_run_by_a_test(example: str) -> None:
    assert example in _NAMED_BY_TESTS, f"no test in tests/examples runs {example}"


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_is_in_the_list_of_examples(example: str) -> None:
    assert f"]({example})" in _README


def test_the_list_of_examples_names_no_others() -> None:
    assert set(re.findall(r"\]\((\w+(?:\.py)?)\)", _README)) == set(_EXAMPLES)


def test_the_command_line_names_all_examples_and_no_others() -> None:
    manual = " ".join((_ROOT / "docs" / "reference" / "command-line.md").read_text().split())
    listed = manual.partition("An example is found by its name")[2].partition("A `_server` at the end")[0]
    names = re.findall(r"`(\w+)`", listed)
    assert names == sorted({name.removesuffix(".py").removesuffix("_server") for name in _EXAMPLES})


def test_there_are_the_examples_that_readers_were_promised() -> None:
    promised = {"echo", "blocking_work", "push_server", "codec_server", "codec_client", "chat", "redis_server"}
    assert promised | {"udp_echo", "telemetry"} <= {name.removesuffix(".py") for name in _EXAMPLES}
