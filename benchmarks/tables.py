"""The recorded figures as tables in Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.charts import scale_description, speed_description
from benchmarks.contenders import PURE
from benchmarks.guard import RECORDED as GUARD
from benchmarks.recorded import Judged, Measured, RecordedRow, RecordedSize, Rounds, Speed

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
        "speed-kernel": kernel_share(speed),
        "speed-compiled": compiled_gain(speed),
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
            told = " · ".join(f"{_plain(one.name)} {_against(row.ours, one)}" for one in others)
            lines.append((_work(row), told))
    return _table(("work", "messages per second of pipeline_net, divided by those of …"), lines)


def _against(ours: Measured, other: Measured) -> str:
    """Ours as a multiple of the other; with what CPU time says where the load kept the quicker one from showing."""
    told = _ratio(ours.rate / other.rate)
    quicker = ours if ours.rate > other.rate else other
    if not quicker.fills_load or not ours.cpu_us:
        return told
    return f"{told}° ({other.cpu_us / ours.cpu_us:.2f})"


def _work(row: RecordedRow) -> str:
    return f"{_named(row)}{' (unsure)' if row.is_crowded else ''}"


def _named(row: RecordedRow) -> str:
    return row.name.replace(" x ", " × ")


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
        sentence += f" In {crowded} rows somebody waited for a core for a while; they are marked as unsure."
    return f"{sentence} Versions: {peers}." if peers else sentence


def kernel_share(speed: Speed) -> str:
    """How much of our time is the kernel's, in words, for rows that have the floor beside us."""
    told = [
        f"{row.floor.cpu_us:.1f} µs of our {row.ours.cpu_us:.1f} ({_named(row)})"
        for key in ("raw", "frames", "churn")
        if (row := speed.row(key)) is not None and row.floor is not None
    ]
    return f'"epoll in C", which does nothing but to send back what it gets, takes, for a message, {"; ".join(told)}.'


def compiled_gain(speed: Speed) -> str:
    """How much quicker the compiled build is than the pure one, in words: in each row that has both."""
    told = [
        f"{row.ours.rate / pure.rate:.1f} ({_named(row)})"
        for row in speed.rows
        if row.measured and (pure := row.called(PURE)) is not None and pure is not row.ours
    ]
    return f"It does so many times what the pure build does, handlers being interpreted in both: {'; '.join(told)}."


def targets(speed: Speed) -> str:
    lines = [
        (
            _named(row),
            f"{judged.subject} / {judged.against}",
            f"{judged.must:g}",
            f"{judged.aim:g}",
            _told(judged.ratio),
            _rounds(judged.rounds),
            _told(judged.by_cpu),
            *_floor(row, judged),
            f"{judged.verdict}{_doubt(row, judged)}",
        )
        for row in speed.rows
        for judged in row.judged
    ]
    head = ("work", "ratio of", "must", "aim", "found", "in the rounds", "by CPU", "floor", "floor by CPU", "verdict")
    return _table(head, lines)


def _rounds(found: Rounds | None) -> str:
    return "-" if found is None else f"{found.middle:.2f} ({found.low:.2f} – {found.high:.2f})"


def _told(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _floor(row: RecordedRow, judged: Judged) -> tuple[str, str]:
    """What the server that does nothing is of the same peer, by rate and by CPU time."""
    floor, against = row.floor, row.called(judged.against)
    if floor is None or against is None:
        return "-", "-"
    return _told(floor.rate / against.rate), _told(against.cpu_us / floor.cpu_us)


def _doubt(row: RecordedRow, judged: Judged) -> str:
    pair = [one for one in (row.called(judged.subject), row.called(judged.against)) if one is not None]
    return "°" if any(one.fills_load for one in pair) else ""


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
                    f"{one.share:.0%}",
                    f"{one.busy:.0%}{'°' if one.fills_load else ''}",
                )
            )
    head = (
        "work",
        "server",
        "messages/s",
        "of all rounds",
        "CPU µs/message",
        "p50 µs",
        "p99 µs",
        "its core",
        "load's core",
    )
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
        when += " In a part of it somebody waited for a core, so those latencies are too high."
    return "\n\n".join([when, *drawings])


def guard() -> str:
    """Instructions per message, as recorded."""
    found = json.loads(GUARD.read_text())
    tools = found["toolchain"]
    lines = [(path, f"{count:,}") for path, count in found["instructions"].items()]
    said = f"Counted with {tools['python']}, GCC {tools['compiler']}, {tools['libc']}."
    return f"{_table(('path', 'instructions per message'), lines)}\n\n{said}"
