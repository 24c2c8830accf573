"""Puts the recorded figures into README and manual, and draws their charts: ``make bench-pages``.

Figures stand between two comments, ``<!-- figures: name -->`` and ``<!-- end of figures -->``; what is between them is
written by this program and by nobody else, so that a table and the run that it speaks of cannot drift apart.

    python benchmarks/run.py pages --take     take over what was measured last, then write
    python benchmarks/run.py pages            write from what is recorded
    python benchmarks/run.py pages --check    only say what would change
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import charts, recorded, tables
from benchmarks.build import HERE
from benchmarks.curves import CURVES
from benchmarks.report import RESULTS
from benchmarks.rows import ROWS

_ROOT: Final = HERE.parent
PAGES: Final = ("README.md", "docs/explanation/speed.md")
CHARTS: Final = "docs/charts"
_BLOCK: Final = re.compile(r"(<!-- figures: (?P<name>[\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def filled(text: str, blocks: dict[str, str]) -> str:
    """A page with its figures.

    Raises:
        KeyError: it asks for figures that nobody makes.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found['name']].strip()}\n\n{found[3]}", text)


def written(root: Path) -> dict[Path, str]:
    """Everything that is made from the recorded figures: path → content."""
    speed_document, scale_document = recorded.load("speed"), recorded.load("scale")
    files: dict[Path, str] = {}
    if speed_document is None:
        return files
    speed = recorded.read_speed(speed_document)
    blocks = tables.blocks(speed, scale_document)
    for name in PAGES:
        files[root / name] = filled((root / name).read_text(encoding="utf-8"), blocks)
    files[root / CHARTS / "speed.svg"] = charts.speed(speed)
    if scale_document is not None:
        for name, drawing in charts.scale(scale_document).items():
            files[root / CHARTS / f"{name}.svg"] = drawing
    return files


def take(say: Callable[[str], object] = print) -> None:
    """Record the newest results, if they are whole: a run of a few rows is no table."""
    for path in sorted(RESULTS.glob("speed-*.json"), reverse=True):
        document = json.loads(path.read_text())
        absent = {row.key for row in ROWS} - {row["key"] for row in document["rows"]}
        if absent:
            say(f"{path.name} is not taken: it has no {', '.join(sorted(absent))}")
            continue
        recorded.keep("speed", recorded.condense(document))
        say(f"taken: {path.name}")
        break
    for path in sorted(RESULTS.glob("scale-*.json"), reverse=True):
        curves: dict[str, Any] = json.loads(path.read_text())
        if {curve["key"] for curve in curves["curves"]} >= {curve.key for curve in CURVES}:
            recorded.keep("scale", curves)
            say(f"taken: {path.name}")
            break


def main(arguments: list[str]) -> int:
    """0; with ``--check``, 1 when a page or a chart is not what the recorded figures make of it."""
    parser = argparse.ArgumentParser(prog="benchmarks.pages", description="Figures and charts of README and manual.")
    parser.add_argument("--take", action="store_true", help="first record the newest results")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something would change")
    chosen = parser.parse_args(arguments)
    if chosen.take:
        take()
    stale = [
        (path, content)
        for path, content in written(_ROOT).items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    for path, content in stale:
        print(f"{'stale' if chosen.check else 'written'}: {path.relative_to(_ROOT)}")
        if not chosen.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return 1 if chosen.check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
