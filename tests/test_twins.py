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
