"""The recorded figures as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.charts import scale_description, speed_description
from benchmarks.guard import RECORDED as GUARD
from benchmarks.recorded import RecordedRow, RecordedSize, Speed

_SIZE_WORDS: Final = {
    "a connection that never spoke": "memory of an idle connection with three stages",
    "after one frame and its reply": "the same, after one frame and its reply",
    "a TLS connection that never spoke": "memory of an idle TLS connection",
    "after 16 KiB and as much in reply": "the same, after 16 KiB and as much in reply",
    "schedule one of 100 000": "scheduling one of 100 000 timers",
    "cancel one of 100 000": "cancelling one of 100 000 timers",
    "import pipeline_net, without the interpreter": "`import pipeline_net`",
}
_UNITS: Final = {"us": "µs"}


def blocks(speed: Speed, scale: dict[str, Any] | None) -> dict[str, str]:
    """Name of a block → what stands in it."""
    return {
        "speed-chart": f"![{_alt(speed_description(speed))}](docs/charts/speed.svg)",
        "speed-chart-manual": f"![{_alt(speed_description(speed))}](../charts/speed.svg)",
        "speed-summary": summary(speed),
        "speed-run": run(speed),
        "speed-targets": targets(speed),
        "speed-rows": rows(speed),
        "sizes": sizes(speed),
        "missing": missing(speed),
        "scale": scale_charts(scale),
        "guard": guard(),
    }


def _alt(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")


def _table(head: tuple[str, ...], lines: Sequence[tuple[str, ...]]) -> str:
    drawn = [head, ("---",) * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in drawn)


def summary(speed: Speed) -> str:
    """One line a row: ours, as a multiple of each peer."""
    lines = []
    for row in speed.rows:
        if row.measured:
            others = [one for one in row.measured if one is not row.ours]
            told = " · ".join(f"{_plain(one.name)} {_ratio(row.ours.rate / one.rate)}" for one in others)
            lines.append((_work(row), told))
    return _table(("work", "messages per second of pipeline_net, divided by those of …"), lines)


def _work(row: RecordedRow) -> str:
    crowd = " (unsure)" if row.is_crowded else ""
    return f"{row.name.replace(' x ', ' × ')}{crowd}"


def _plain(name: str) -> str:
    return name.replace("pipeline_net, pure", "our pure build")


def _ratio(value: float) -> str:
    return f"**{value:.2f}**" if value < 10 else f"**{value:.0f}**"


def run(speed: Speed) -> str:
    """Where and when, in a sentence."""
    peers = ", ".join(f"{name} {version}" for name, version in sorted(speed.versions.items()))
    sentence = (
        f"One run of `make bench`, {speed.at[:10]}, on {speed.machine}; {speed.python or 'CPython 3.11'}; "
        f"{speed.rounds} rounds of {speed.seconds:g} s."
    )
    crowded = sum(row.is_crowded for row in speed.rows)
    if crowded:
        sentence += f" In {crowded} rows others held the cores for a while; they are marked as unsure."
    return f"{sentence} Versions: {peers}." if peers else sentence


def targets(speed: Speed) -> str:
    lines = [
        (
            row.name.replace(" x ", " × "),
            f"{judged.subject} / {judged.against}",
            f"{judged.must:g}",
            f"{judged.aim:g}",
            "-" if judged.ratio is None else f"{judged.ratio:.2f}",
            judged.verdict,
        )
        for row in speed.rows
        for judged in row.judged
    ]
    return _table(("work", "ratio of", "must", "aim", "found", "verdict"), lines)


def rows(speed: Speed) -> str:
    """Everything that was measured."""
    lines = []
    for row in speed.rows:
        for number, one in enumerate(row.measured):
            lines.append(
                (
                    _work(row) if number == 0 else "",
                    one.name,
                    f"{one.rate:,.0f}",
                    f"{one.low:,.0f} – {one.high:,.0f}",
                    f"{one.cpu_us:,.2f}",
                    f"{one.p50_us:,.0f}",
                    f"{one.p99_us:,.0f}",
                )
            )
    head = ("work", "server", "messages/s", "of all rounds", "CPU µs/message", "p50 µs", "p99 µs")
    return _table(head, lines)


def sizes(speed: Speed) -> str:
    lines = [
        (_SIZE_WORDS[size.figure], _with_unit(size.value, size), f"≤ {_with_unit(size.must, size)}", size.verdict)
        for size in speed.sizes
        if size.figure in _SIZE_WORDS
    ]
    return _table(("", "found", "must be", "verdict"), lines)


def _with_unit(value: float, size: RecordedSize) -> str:
    return f"{value:.2g} {_UNITS.get(size.unit, size.unit)}"


def missing(speed: Speed) -> str:
    """Who was to be measured in that run, and was not."""
    found = {(name, problem): None for row in speed.rows for name, problem in row.missing.items()}
    if not found:
        return "Nobody was missing in the recorded run."
    return "\n".join(f"* {name}: {problem}" for name, problem in found)


def scale_charts(scale: dict[str, Any] | None) -> str:
    """The drawings of the curves, in the order in which they were measured."""
    if scale is None:
        return "No curves have been recorded yet; `make bench-scale` measures them."
    drawings = [f"![{_alt(scale_description(curve))}](../charts/scale-{curve['key']}.svg)" for curve in scale["curves"]]
    when = f"One run of `make bench-scale`, {scale['at'][:10]}: {scale['rounds']} rounds of {scale['seconds']:g} s."
    if any(point["waited"] > 0.05 for curve in scale["curves"] for of in curve["points"].values() for point in of):
        when += " Others held the cores for a part of it, so its latencies are too high."
    return "\n\n".join([when, *drawings])


def guard() -> str:
    """Instructions per message, as recorded."""
    found = json.loads(GUARD.read_text())
    tools = found["toolchain"]
    lines = [(path, f"{count:,}") for path, count in found["instructions"].items()]
    said = f"Counted with {tools['python']}, GCC {tools['compiler']}, {tools['libc']}."
    return f"{_table(('path', 'instructions per message'), lines)}\n\n{said}"
