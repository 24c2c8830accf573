"""Drawings are well-formed, carry their colours and words with them, and are the same for the same figures."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from attrs import evolve

from benchmarks.rows import ROWS
from benchmarks.svg import Bar, Line, Panel, Plot, Scale, bars, curves, short, whole

_PANEL = Panel("Echo <raw>", (Bar("ours", 1.0, 0.9, 1.1, is_ours=True), Bar("theirs & co", 0.5, 0.5, 0.5)))
_PLOT = Plot("CPU", "connections", "µs", (Line("ours", ((1, 2.0), (10, 3.0))), Line("theirs", ((1, 4.0), (10, 9.0)))))
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("drawing", [bars("Speed", "ours 1", [_PANEL]), curves("Scale", "ours 2", [_PLOT])])
def test_a_drawing_is_well_formed_and_says_what_it_shows(drawing: str) -> None:
    root = ET.fromstring(drawing)
    assert root.get("role") == "img"
    described = {element.tag.removeprefix(_SVG): element.text for element in root if element.get("id")}
    assert set(described) == {"title", "desc"}
    assert "prefers-color-scheme: dark" in drawing
    assert "http" not in drawing.replace("http://www.w3.org/2000/svg", "")  # nothing is loaded from anywhere


def test_the_same_figures_are_the_same_bytes() -> None:
    assert bars("Speed", "", [_PANEL]) == bars("Speed", "", [_PANEL])


def test_bars_are_as_long_as_their_values() -> None:
    root = ET.fromstring(bars("Speed", "", [_PANEL]))
    lengths = [float(rect.get("width", "")) for rect in root.iter(f"{_SVG}rect") if rect.get("width") != "100%"]
    assert lengths[0] == pytest.approx(2 * lengths[1], rel=0.01)


def test_panels_fill_the_shorter_column() -> None:
    long = Panel("long", tuple(Bar(f"bar {n}", 1.0, 1.0, 1.0) for n in range(9)))
    drawing = ET.fromstring(bars("Speed", "", [long, _PANEL, _PANEL]))
    heads = [text for text in drawing.iter(f"{_SVG}text") if text.get("class") == "head"][1:]
    assert [float(head.get("x", "")) < 400 for head in heads] == [True, False, False]


def test_an_axis_is_logarithmic() -> None:
    scale = Scale(1, 100, 0, 200)
    assert [scale.at(value) for value in (1, 10, 100)] == pytest.approx([0, 100, 200])


def test_an_axis_makes_no_mountains_of_noise() -> None:
    scale = Scale.over([10.0, 10.1], 0, 100)
    assert abs(scale.at(10.1) - scale.at(10.0)) < 1


@pytest.mark.parametrize(("low", "high"), [(1, 10_000), (9, 40), (2, 5), (1000, 10_000)])
def test_an_axis_has_a_few_ticks_inside(low: float, high: float) -> None:
    scale = Scale(low, high, 0, 100)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(low <= tick <= high for tick in ticks)


def test_what_might_be_longer_is_marked() -> None:
    bar = Bar("theirs", 0.5, 0.5, 0.5)
    assert ">0.50<" in bars("Speed", "", [Panel("Echo", (bar,))])
    assert ">0.50°<" in bars("Speed", "", [Panel("Echo", (evolve(bar, is_cut_off=True),))])


def test_the_longest_name_has_room_left_of_its_bar() -> None:
    longest = max((one.name for row in ROWS for one in row.contenders), key=len)
    drawing = ET.fromstring(bars("Speed", "", [Panel("Echo", (Bar(longest, 1.0, 1.0, 1.0, is_ours=True),))]))
    (name,) = (text for text in drawing.iter(f"{_SVG}text") if text.text == longest)
    assert float(name.get("x", "")) > 7 * len(longest)  # bold, 12 px: 6.6 a letter in DejaVu Sans


def test_nothing_grows_by_halves() -> None:
    assert whole([1, 1.5, 2, 1e6]) == [1, 2, 1e6]


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (10, "10"), (10_000, "10k"), (1_500_000, "1.5M")])
def test_numbers_of_an_axis_are_short(value: float, shown: str) -> None:
    assert short(value) == shown
