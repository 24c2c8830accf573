"""Which figures are drawn, and how: the speed chart, and the curves of scale."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.recorded import RecordedRow, Speed
from benchmarks.svg import Bar, Line, Panel, Plot, bars, curves

# Of each row: what the panel is called.  Rows that are not here are in the table only.
_PANELS: Final = {
    "raw": "Raw echo, 64 bytes",
    "frames": "Frames, 1 in flight",
    "frames-16": "Frames, 16 in flight",
    "lines": "Lines, 16 in flight",
    "large-frames": "Frames of 1 MiB",
    "churn": "Connect, 64 bytes, close",
    "churn-half": "Connect, 64 bytes, close; half a core",
    "http": "HTTP hello",
    "asgi": "ASGI hello",
    "websocket": "WebSocket echo, 1 KiB",
    "tls": "TLS echo, 16 KiB",
    "redis-get": "Redis GET",
    "redis-get-16": "Redis GET, -P 16",
}
_TITLE: Final = "Messages per second on one core, pipeline_net = 1   (°: the load generator's core was full)"


def speed(found: Speed) -> str:
    """Each row as a panel; our own rate is 1 in each."""
    panels = [_panel(row, _PANELS[row.key]) for row in found.rows if row.key in _PANELS and row.measured]
    return bars(_TITLE, speed_description(found), panels)


def speed_description(found: Speed) -> str:
    """The chart in words, for who cannot see it."""
    said = []
    for row in found.rows:
        if row.key in _PANELS and row.measured:
            others = [one for one in row.measured if not one.name.startswith("pipeline_net")]
            told = ", ".join(f"{one.name} {one.rate / row.ours.rate:.2f}" for one in others)
            said.append(f"{_PANELS[row.key]}: {told}")
    return "Relative to pipeline_net. " + "; ".join(said) + "."


def _panel(row: RecordedRow, title: str) -> Panel:
    base = row.ours.rate
    return Panel(
        title,
        tuple(
            Bar(
                one.name,
                one.rate / base,
                one.low / base,
                one.high / base,
                is_ours=one.name.startswith("pipeline_net"),
                is_cut_off=one.fills_load,
            )
            for one in row.measured
        ),
    )


def scale(document: dict[str, Any]) -> dict[str, str]:
    """Name of the file → drawing, for each recorded curve."""
    drawings = {}
    for curve in document["curves"]:
        plots = [
            _plot(curve, "CPU time of the server", "µs per message", "cpu_us"),
            _plot(curve, "Rate", "messages per second", "rate"),
            _plot(curve, "Latency, p50", "µs", "p50_us"),
            _plot(curve, "Latency, p99", "µs", "p99_us"),
            _plot(curve, "Latency, p99.9", "µs", "p99_9_us"),
        ]
        if _has_memory(curve):
            plots.append(_plot(curve, "Memory", "KiB per connection", "kib"))
        drawings[f"scale-{curve['key']}"] = curves(curve["title"], scale_description(curve), plots)
    return drawings


def scale_description(curve: dict[str, Any]) -> str:
    said = []
    for name, points in curve["points"].items():
        told = ", ".join(f"{point['at']:,}: {point['cpu_us']:.2f}" for point in points)
        said.append(f"{name} {told}")
    return f"CPU time of the server per message in µs, by {curve['grows']}. " + "; ".join(said) + "."


def _has_memory(curve: dict[str, Any]) -> bool:
    return any(point["kib"] is not None for points in curve["points"].values() for point in points)


def _plot(curve: dict[str, Any], title: str, up: str, figure: str) -> Plot:
    lines = []
    for name, points in curve["points"].items():
        # logarithms have no place for nothing, which a server of few messages may have used within a clock tick
        places = tuple((float(point["at"]), float(point[figure])) for point in points if (point[figure] or 0) > 0)
        if places:
            lines.append(Line(name, places))
    return Plot(title, curve["grows"], up, tuple(lines))
