"""Bars and curves as SVG, readable on light and on dark pages; the same bytes for the same figures.

A drawing carries its own colours for both (``prefers-color-scheme``) and paints its own ground, so that it can be read
wherever it is shown.  It uses the reader's fonts, and loads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

_STYLE: Final = """
svg { --ground: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d8dee4; --other: #afb8c1;
  --c0: #0550ae; --c1: #bc4c00; --c2: #8250df; --c3: #1a7f37; --c4: #bf3989; --c5: #6e7781; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #0d1117; --ink: #e6edf3; --soft: #9198a1; --grid: #30363d; --other: #4d5661;
    --c0: #58a6ff; --c1: #f0883e; --c2: #bc8cff; --c3: #3fb950; --c4: #f778ba; --c5: #9198a1; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.soft { fill: var(--soft); font-size: 11px; stroke: var(--ground); stroke-width: 3px; paint-order: stroke; }
.head { font-weight: 600; font-size: 13px; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.ours { font-weight: 600; } .grid { stroke: var(--grid); } .one { stroke: var(--soft); }
"""
_COLOURS: Final = 6
_BAR: Final = 17  # height of a bar with its gap
_MARKS: Final = ("circle", "square", "diamond", "triangle", "cross", "plus")  # for readers who do not see the colours


@frozen
class Bar:
    name: str
    value: float
    low: float
    high: float
    is_ours: bool = False
    is_cut_off: bool = False  # it might be longer, and who measured could not see it


@frozen
class Panel:
    """Bars that belong together."""

    title: str
    bars: tuple[Bar, ...]


@frozen
class Line:
    name: str
    points: tuple[tuple[float, float], ...]


@frozen
class Plot:
    """Curves over one axis, both logarithmic."""

    title: str
    across: str
    up: str
    lines: tuple[Line, ...]


def bars(title: str, description: str, panels: Sequence[Panel], *, columns: int = 2) -> str:
    """Horizontal bars, in panels; each panel's bars share a scale that ends at its longest one, or at 1.25."""
    width, name_width, gap = 490, 216, 18
    drawn: list[str] = []
    tops = [34] * columns
    for panel in panels:
        column = tops.index(min(tops))
        drawn += _panel(panel, column * (width + gap) + 10, tops[column], width, name_width)
        tops[column] += 34 + _BAR * len(panel.bars)
    return _document(columns * (width + gap), max(tops) + 10, title, description, drawn)


def _panel(panel: Panel, left: int, top: int, width: int, name_width: int) -> list[str]:
    room = width - name_width - 50
    most = max(1.25, *(bar.high for bar in panel.bars))
    zero = left + name_width
    drawn = [_text(left, top + 12, panel.title, "head")]
    bottom = top + 22 + _BAR * len(panel.bars)
    one = _number(zero + room / most)
    line = f'<line class="one" stroke-dasharray="2 3" x1="{one}" y1="{top + 20}" x2="{one}" y2="{bottom}"/>'
    values = []
    for row, bar in enumerate(panel.bars):
        y = top + 22 + row * _BAR
        end = zero + room * bar.value / most
        told = f"{bar.value:.2f}{'°' if bar.is_cut_off else ''}"
        colour = "var(--c0)" if bar.is_ours else "var(--other)"
        drawn += [
            _text(zero - 6, y + 11, bar.name, "end ours" if bar.is_ours else "end"),
            f'<rect x="{zero}" y="{y + 1}" width="{_number(end - zero)}" height="{_BAR - 5}" fill="{colour}"/>',
            _whisker(zero + room * bar.low / most, zero + room * bar.high / most, y + 1 + (_BAR - 5) / 2),
        ]
        values.append(
            _text(
                max(end, zero + room * bar.high / most) + 5,
                y + 11,
                told,
                "soft",
            )
        )
    return [*drawn, line, *values]


def _whisker(low: float, high: float, y: float) -> str:
    if high - low < 1:
        return ""
    return f'<path class="one" d="M{_number(low)} {_number(y)}H{_number(high)}"/>'


def curves(title: str, description: str, plots: Sequence[Plot], *, columns: int = 2) -> str:
    """Plots in rows of ``columns``, with one legend for all of them."""
    width, height, top = 420, 290, 64
    names = list(dict.fromkeys(line.name for plot in plots for line in plot.lines))
    drawn = []
    x = 14.0
    for at, name in enumerate(names):
        drawn += [_mark(at, x + 5, 42), _text(x + 15, 46, name, "ours" if at == 0 else "")]
        x += 34 + 7 * len(name)
    for number, plot in enumerate(plots):
        down, right = divmod(number, columns)
        drawn += _plot(plot, names, right * width, top + down * height, width, height)
    rows = -(-len(plots) // columns)
    return _document(width * columns, top + rows * height + 4, title, description, drawn)


def _plot(plot: Plot, names: list[str], left: float, top: float, width: float, height: float) -> list[str]:
    x0, x1 = left + 62, left + width - 18
    y0, y1 = top + height - 42, top + 38
    across = Scale.over([x for line in plot.lines for x, _ in line.points], x0, x1)
    up = Scale.over([y for line in plot.lines for _, y in line.points], y0, y1)
    drawn = [_text(left + 14, top + 10, plot.title, "head"), _text((x0 + x1) / 2, y0 + 34, plot.across, "soft middle")]
    drawn.append(_text(x0, y1 - 6, plot.up, "soft"))
    for value in up.ticks():
        y = _number(up.at(value))
        drawn.append(f'<path class="grid" d="M{_number(x0)} {y}H{_number(x1)}"/>')
        drawn.append(_text(x0 - 6, up.at(value) + 4, short(value), "soft end"))
    for value in whole(across.ticks()):  # nothing here grows by halves
        x = _number(across.at(value))
        drawn.append(f'<path class="grid" d="M{x} {_number(y0)}V{_number(y1)}"/>')
        drawn.append(_text(across.at(value), y0 + 16, short(value), "soft middle"))
    for line in reversed(plot.lines):  # ours, the first, on top
        at = names.index(line.name)
        path = "L".join(f"{_number(across.at(x))} {_number(up.at(y))}" for x, y in line.points)
        stroke = f'fill="none" stroke="{_colour(at)}" stroke-width="{2.5 if at == 0 else 1.5}"'
        drawn.append(f'<path d="M{path}" {stroke}/>')
        drawn += [_mark(at, across.at(x), up.at(y)) for x, y in line.points]
    return drawn


@frozen
class Scale:
    """A logarithmic axis: values from ``low`` to ``high`` lie between two places of the drawing."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float) -> Scale:
        low, high = min(values), max(values)
        if high < low * 2:
            low, high = low / 2, high * 2  # noise must not look like mountains
        return cls(low / 1.15, high * 1.15, start, end)

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten, or more of them where there are few."""
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
            found = [step * 10.0**power for power in range(first, last + 1) for step in steps]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) >= 4:
                break
        return found


def whole(values: Sequence[float]) -> list[float]:
    return [value for value in values if value == int(value)]


def short(value: float) -> str:
    """A number for an axis: 10k, 1M, 0.5."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _mark(at: int, x: float, y: float) -> str:
    colour, r = _colour(at), 4 if at == 0 else 3
    kind = _MARKS[at % len(_MARKS)]
    if kind == "circle":
        return f'<circle cx="{_number(x)}" cy="{_number(y)}" r="{r}" fill="{colour}"/>'
    shapes = {
        "square": f"M{_number(x - r)} {_number(y - r)}h{2 * r}v{2 * r}h{-2 * r}z",
        "diamond": f"M{_number(x)} {_number(y - r - 1)}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z",
        "triangle": f"M{_number(x)} {_number(y - r - 1)}l{r + 1} {2 * r}h{-2 * r - 2}z",
        "plus": f"M{_number(x - r - 1)} {_number(y)}h{2 * r + 2}m{-r - 1} {-r - 1}v{2 * r + 2}",
        "cross": f"M{_number(x - r)} {_number(y - r)}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}",
    }
    return f'<path d="{shapes[kind]}" fill="{colour}" stroke="{colour}"/>'


def _colour(at: int) -> str:
    return f"var(--c{at % _COLOURS})"


def _text(x: float, y: float, text: str, kinds: str = "") -> str:
    kind = f' class="{kinds}"' if kinds else ""
    return f'<text x="{_number(x)}" y="{_number(y)}"{kind}>{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _document(width: float, height: float, title: str, description: str, drawn: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(width)} {_number(height)}" '
        f'width="{_number(width)}" height="{_number(height)}" role="img" aria-labelledby="t d">'
    )
    parts = [
        head,
        f'<title id="t">{escape(title)}</title>',
        f'<desc id="d">{escape(description)}</desc>',
        f"<style>{_STYLE}</style>",
        '<rect width="100%" height="100%" fill="var(--ground)"/>',
        _text(14, 20, title, "head"),
        *(part for part in drawn if part),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"
