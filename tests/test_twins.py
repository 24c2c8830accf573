"""Every module has a twin: ``pipeline_net/codecs/line.py`` is tested by ``tests/codecs/test_line.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_PACKAGE = _TESTS.parent / "pipeline_net"

# Module: why it has no twin, and who tests it instead.
_WITHOUT_TWIN: dict[str, str] = {
    "__main__.py": "two lines, which tests/test_cli.py runs",
    "cli_check.py": "tests/test_cli.py types its command",
    "cli_names.py": "tests/test_cli.py names things on its command line",
    "_mypyc.py": "stand-ins that do nothing; each build of the suite runs with one half of them",
}

_MODULES = sorted(str(path.relative_to(_PACKAGE)) for path in _PACKAGE.rglob("*.py") if path.name != "__init__.py")

# The same for the programs of benchmarks/; what they start (servers, peers, micro) is run by them.
_BENCHMARKS = _TESTS.parent / "benchmarks"
_BENCHMARKS_WITHOUT_TWIN: dict[str, str] = {
    "__main__.py": "tests/benchmarks/test_main.py",
    "contenders.py": "data, which tests/benchmarks/test_rows.py and test_process.py look at",
    "curves.py": "data, which tests/benchmarks/test_scale.py looks at",
    "holding_up.py": "tests/test_holding_up.py runs it",
    "run.py": "three lines, which every target of the Makefile runs",
    "size.py": "it measures, for half a minute; tests/benchmarks/test_rows.py looks at its keys",
    "tls_crowd.py": "it measures, by hand",
}


def _twin(module: str) -> Path:
    path = Path(module)
    return _TESTS / path.parent / f"test_{path.name}"


@pytest.mark.parametrize("module", [module for module in _MODULES if module not in _WITHOUT_TWIN])
def test_a_module_has_a_twin(module: str) -> None:
    assert _twin(module).is_file(), (
        f"{module} wants {_twin(module).relative_to(_TESTS.parent)}, or a reason in _WITHOUT_TWIN"
    )


@pytest.mark.parametrize("module", _WITHOUT_TWIN)
def test_an_excuse_is_not_older_than_its_reason(module: str) -> None:
    assert module in _MODULES, f"{module} is gone"
    assert not _twin(module).exists(), f"{module} has a twin by now"


@pytest.mark.parametrize("module", sorted(path.name for path in _BENCHMARKS.glob("*.py") if path.stem != "__init__"))
def test_a_program_of_the_benchmarks_has_a_twin(module: str) -> None:
    has_twin = (_TESTS / "benchmarks" / f"test_{module}").is_file()
    assert has_twin is not (module in _BENCHMARKS_WITHOUT_TWIN)
