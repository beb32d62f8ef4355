"""Bars, texts and lines at exact places, as an Altair chart.

What is drawn is laid out in pixels beforehand, so that no label lies on another. Altair gives the scales, the
axes, what is shown where one points, and through vl-convert the PNG and the page's JavaScript.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

import altair as alt

if TYPE_CHECKING:
    from trials.picture.measures import Align

# Okabe and Ito's colours, which colour-blind people can tell apart: https://jfly.uni-koeln.de/color/
BLACK, FAILURE = "#000000", "#D55E00"
# Without its orange and yellow, which are too near to the red of failures, and to white.
VERSION_COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#CC79A7")
INK, QUIET, FAINT, BAND = "#222222", "#666666", "#D0D0D0", "#F4F4F4"
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"


@dataclass(frozen=True)
class Bar:
    """A rectangle from `began` to `ended` (seconds), `y` to `y2`; `tip` is shown where one points at it."""

    began: float
    ended: float
    y: float
    y2: float
    fill: str
    stroke: str = ""
    opacity: float = 1
    dashed: bool = False
    tip: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Band(Bar):
    """A bar behind everything else."""


@dataclass(frozen=True)
class Text:
    """One line, its middle at `y`; `halo`: on a white edge, where lines pass behind it."""

    x: float
    y: float
    text: str
    colour: str = INK
    size: float = 11
    align: Align = "left"
    bold: bool = False
    halo: bool = False


@dataclass(frozen=True)
class Line:
    """A thin line; dotted where it only leads the eye."""

    x: float
    x2: float
    y: float
    y2: float
    colour: str = FAINT
    dotted: bool = False


@dataclass(frozen=True)
class Triangle:
    """A mark for a moment."""

    x: float
    y: float
    colour: str = INK
    tip: dict[str, str] = field(default_factory=dict)


NOT_IN_ROWS = ("dashed", "dotted", "align", "bold", "halo")
"""What Vega-Lite takes for a whole layer only."""

Mark = Bar | Text | Line | Triangle
ORDER = (Band, Line, Bar, Triangle, Text)


def layers(marks: list[Mark], x: alt.X, y: alt.Y) -> alt.LayerChart:
    """The marks of each kind as one layer: bands lie below lines, these below bars, and texts above all."""
    kinds: dict[tuple[object, ...], list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(_kind(mark), []).append(mark)
    groups = sorted(kinds.values(), key=lambda group: ORDER.index(type(group[0])))
    return alt.LayerChart(layer=[layer for group in groups for layer in _layers(group, x, y)])


def _kind(mark: Mark) -> tuple[object, ...]:
    """What Vega-Lite cannot take from the rows: each needs a layer of its own."""
    match mark:
        case Bar():  # and Band
            return type(mark), mark.dashed, bool(mark.stroke), bool(mark.tip)
        case Text():
            return Text, mark.align, mark.bold, mark.halo
        case Line():
            return Line, mark.dotted
        case Triangle():
            return Triangle, bool(mark.tip)


def _layers(group: list[Mark], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    rows = alt.InlineData(values=[_row(mark) for mark in group])
    chart: alt.Chart = alt.Chart(rows).encode(x=x, y=y)
    match group[0]:
        case Bar() as bar:
            return [_bars(chart, bar)]
        case Text() as text:
            return _texts(chart, text)
        case Line() as line:
            return [_lines(chart, line)]
        case Triangle() as triangle:
            return [_triangles(chart, triangle)]


def _bars(chart: alt.Chart, first: Bar) -> alt.Chart:
    drawn: alt.Chart = chart.mark_rect(strokeDash=[4, 2] if first.dashed else [1, 0]).encode(
        x2="x2",
        y2="y2",
        fill=alt.Fill("fill:N", scale=None),
        fillOpacity=alt.FillOpacity("opacity:Q", scale=None),
    )
    if first.stroke:
        drawn = drawn.encode(stroke=alt.Stroke("stroke:N", scale=None))
    return _pointed_at(drawn) if first.tip else drawn


def _texts(chart: alt.Chart, first: Text) -> list[alt.Chart]:
    words = chart.encode(text=alt.Text("text:N"), size=alt.Size("size:Q", scale=None))
    weight: Literal["bold", "normal"] = "bold" if first.bold else "normal"
    written: alt.Chart = words.mark_text(align=first.align, baseline="middle", fontWeight=weight).encode(
        color=alt.Color("colour:N", scale=None)
    )
    edge: alt.Chart = words.mark_text(
        align=first.align,
        baseline="middle",
        fontWeight=weight,
        color="white",
        stroke="white",
        strokeWidth=3,
        opacity=0.8,
    )
    return [edge, written] if first.halo else [written]


def _lines(chart: alt.Chart, first: Line) -> alt.Chart:
    drawn: alt.Chart = chart.mark_rule(strokeWidth=1, strokeDash=[1, 3] if first.dotted else [1, 0]).encode(
        x2="x2", y2="y2", color=alt.Color("colour:N", scale=None)
    )
    return drawn


def _triangles(chart: alt.Chart, first: Triangle) -> alt.Chart:
    drawn: alt.Chart = chart.mark_point(shape="triangle-down", size=70, filled=True, opacity=1).encode(
        color=alt.Color("colour:N", scale=None)
    )
    return _pointed_at(drawn) if first.tip else drawn


def _pointed_at(chart: alt.Chart) -> alt.Chart:
    drawn: alt.Chart = chart.encode(tooltip=alt.Tooltip("tip:N"))
    return drawn


def _row(mark: Mark) -> dict[str, object]:
    row = asdict(mark)
    if isinstance(mark, Bar):
        row |= {"x": row.pop("began"), "x2": row.pop("ended")}
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in row.items()
        if value not in ("", {}) and key not in NOT_IN_ROWS
    }
