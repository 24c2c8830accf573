"""What a run found, as the tree keeps it: medians instead of samples, in ``benchmarks/recorded/``.

README and manual show these figures, and no others; ``pages.py`` puts them there.
"""

from __future__ import annotations

import json
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.build import HERE
from benchmarks.compare import CROWDED, SATURATED
from benchmarks.contenders import FLOORS, OURS
from benchmarks.rows import ROWS

_FIGURES: Final = ("cpu_us", "p50_us", "p99_us", "share", "busy")  # of which the median is kept
FOLDER: Final = HERE / "recorded"


@frozen
class Measured:
    """One contender in one row: medians of its rounds."""

    name: str
    rate: float  # messages per second
    low: float
    high: float
    cpu_us: float  # of the server, per message
    p50_us: float
    p99_us: float
    waited: float  # share of the time that somebody else had the cores
    share: float = 1.0  # of its core that the server used
    busy: float = 0.0  # share of its core that the load generator used

    @property
    def fills_load(self) -> bool:
        """Whether the generator's core was full: whoever is quicker hardly shows."""
        return self.busy >= SATURATED


@frozen
class Rounds:
    """The ratios of the single rounds, in each of which both stood under the load one soon after the other."""

    middle: float
    low: float
    high: float


@frozen
class Judged:
    """A target, and what was found."""

    subject: str
    against: str
    must: float
    aim: float
    ratio: float | None
    verdict: str
    rounds: Rounds | None = None
    by_cpu: float | None = None  # the other's CPU time per message / the subject's


@frozen
class RecordedRow:
    key: str
    name: str
    measured: tuple[Measured, ...]
    judged: tuple[Judged, ...]
    missing: dict[str, str]

    @property
    def ours(self) -> Measured:
        """The contender that the others are held against: we, plainly, or else the first, whoever that is."""
        return next((one for one in self.measured if one.name == OURS), self.measured[0])

    @property
    def floor(self) -> Measured | None:
        """What does nothing but to send bytes back, where it was measured."""
        return next((one for one in self.measured if one.name in FLOORS), None)

    @property
    def is_crowded(self) -> bool:
        return any(one.waited > CROWDED for one in self.measured)

    def called(self, name: str) -> Measured | None:
        return next((one for one in self.measured if one.name == name), None)


@frozen
class RecordedSize:
    figure: str
    unit: str
    must: float
    value: float
    verdict: str


@frozen
class Speed:
    at: str  # ISO 8601
    machine: str
    python: str
    versions: dict[str, str]
    rounds: int
    seconds: float
    rows: tuple[RecordedRow, ...]
    sizes: tuple[RecordedSize, ...]

    def row(self, key: str) -> RecordedRow | None:
        return next((row for row in self.rows if row.key == key), None)


def condense(document: dict[str, Any]) -> dict[str, Any]:
    """What ``report.write_json`` wrote, without the single samples."""
    rows = []
    for row in document["rows"]:
        samples = {name: found for name, found in row["samples"].items() if found}
        rows.append(
            {
                "key": row["key"],
                "name": row["name"],
                "measured": [
                    {
                        "name": name,
                        "rate": median(one["rate"] for one in found),
                        "low": min(one["rate"] for one in found),
                        "high": max(one["rate"] for one in found),
                        **{key: _rounded(median(one[key] for one in found)) for key in _FIGURES},
                        "waited": _rounded(median(max(one["waited"], one["load_waited"]) for one in found)),
                    }
                    for name, found in samples.items()
                ],
                "judged": [
                    {
                        **one["target"],
                        "ratio": None if one["ratio"] is None else _rounded(one["ratio"]),
                        "verdict": one["verdict"],
                        "rounds": one["rounds"] and {key: _rounded(found) for key, found in one["rounds"].items()},
                        "by_cpu": None if one["cpu_ratio"] is None else _rounded(one["cpu_ratio"]),
                    }
                    for one in row["comparisons"]
                ],
                "missing": {name: problem.partition("\n")[0] for name, problem in row["problems"].items()},
            }
        )
    sizes = [
        {
            **{key: one[key] for key in ("figure", "unit", "must", "verdict")},
            "value": _rounded(one["value"]["middle"]),
        }
        for one in document["sizes"]
    ]
    return {
        "at": document["at"],
        "machine": f"{document['machine']['cores']} cores, {document['machine']['processor']}",
        "python": document["python"].get("version", ""),
        "versions": document.get("versions", {}),
        "rounds": document["rounds"],
        "seconds": document["seconds"],
        "rows": rows,
        "sizes": sizes,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def read_speed(document: dict[str, Any]) -> Speed:
    """What ``condense`` made, as objects; rows in the order of the table."""
    order = {row.key: at for at, row in enumerate(ROWS)}
    rows = [
        RecordedRow(
            key=row["key"],
            name=row["name"],
            measured=tuple(Measured(**one) for one in row["measured"]),
            judged=tuple(
                Judged(**{**one, "rounds": Rounds(**rounds) if (rounds := one.get("rounds")) else None})
                for one in row["judged"]
            ),
            missing=row["missing"],
        )
        for row in document["rows"]
    ]
    rows.sort(key=lambda row: order.get(row.key, len(order)))
    return Speed(
        **{key: document[key] for key in ("at", "machine", "python", "versions", "rounds", "seconds")},
        rows=tuple(rows),
        sizes=tuple(RecordedSize(**size) for size in document["sizes"]),
    )


def load(kind: str) -> dict[str, Any] | None:
    """What was recorded of a kind, ``"speed"`` or ``"scale"``; None before the first time."""
    path = FOLDER / f"{kind}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def keep(kind: str, document: dict[str, Any]) -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{kind}.json").write_text(json.dumps(document, indent=1) + "\n")
