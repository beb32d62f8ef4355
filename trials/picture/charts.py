"""The whole drawing: a key, and for each recording its schedule above its requests, all on one time axis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import altair as alt

from trials.picture.findings import NO_VERSION, bucket_seconds, buckets, duration, failed_spans, versions
from trials.picture.legend import legend
from trials.picture.marks import FAINT, FONT, INK, QUIET, VERSION_COLOURS, layers
from trials.picture.measures import PLOT_PIXELS, TimeAxis, clock
from trials.picture.requests import HEIGHT, highest, request_marks
from trials.picture.schedule import schedule

if TYPE_CHECKING:
    from trials.picture.recording import Recording

NEAR_PIXELS = 3
REQUESTS_AXIS = alt.Axis(title="requests a second", tickCount=4, grid=False)


def chart(recordings: list[Recording]) -> alt.VConcatChart:
    """The drawing without its title."""
    seconds = max(duration(recording) for recording in recordings)
    colours = colour_of_versions(recordings)
    drawn = [_recording(each, TimeAxis(seconds, each.speed), colours) for each in recordings]
    whole: alt.VConcatChart = (
        alt.vconcat(_key(), *drawn, spacing=28)
        .configure(
            aria=False,  # the page has the figures as tables
            font=FONT,
            padding={"left": 14, "right": 24, "top": 14, "bottom": 14},
            background="white",
        )
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK,
            titleColor=QUIET,
            titleFontWeight="normal",
            labelFontSize=11,
            titleFontSize=11,
            domainColor=QUIET,
            tickColor=QUIET,
            gridColor=FAINT,
        )
    )
    return whole


def colour_of_versions(recordings: list[Recording]) -> dict[str, str]:
    """The same colour for a version in each recording; neighbours differ."""
    colours = {v: VERSION_COLOURS[n % len(VERSION_COLOURS)] for n, v in enumerate(versions(recordings))}
    return colours | {"": FAINT, NO_VERSION: FAINT}


def _recording(recording: Recording, axis: TimeAxis, colours: dict[str, str]) -> alt.VConcatChart:
    length = bucket_seconds(axis.seconds)
    found = buckets(recording, length)
    failed = failed_spans(found, length, axis.to_seconds(NEAR_PIXELS))
    upper = schedule(recording, axis, colours, failed)
    life = layers(upper.marks, _across(axis, None), _y(upper.bottom, 0, None))
    requests = layers(
        request_marks(found, length, axis, colours),
        _across(axis, _time(axis)),
        _y(0, highest(found, length), REQUESTS_AXIS if found else None),
    )
    return alt.vconcat(
        life.properties(width=PLOT_PIXELS, height=upper.bottom),
        requests.properties(width=PLOT_PIXELS, height=HEIGHT),
        spacing=2,
    )


def _across(axis: TimeAxis, shown: alt.Axis | None) -> alt.X:
    scale = alt.Scale(domain=[0, axis.seconds], nice=False, zero=False)
    return alt.X("x:Q", scale=scale, axis=shown)


def _y(first: float, last: float, shown: alt.Axis | None) -> alt.Y:
    return alt.Y("y:Q", scale=alt.Scale(domain=[first, last], nice=False, zero=False), axis=shown)


def _time(axis: TimeAxis) -> alt.Axis:
    """Each tick's time in the lab, and below it the same in AWS's time."""
    ticks = axis.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1
    decimals = 1 if step < 1 else 0
    labels = [
        [clock(tick, decimals)] if axis.speed == 1 else [clock(tick, decimals), clock(tick * axis.speed)]
        for tick in ticks
    ]
    title = "time from the beginning (m:ss)"
    if axis.speed != 1:
        title += f"; below it AWS's time, of which {axis.speed:g} s pass in each second of the lab"
    return alt.Axis(
        title=title,
        values=ticks,
        labelExpr=f"{json.dumps(labels)}[round(datum.value / {step})]",
        labelFlush=False,
        labelOverlap=False,
        grid=False,
    )


def _key() -> alt.LayerChart:
    marks, height = legend()
    return layers(marks, _across(TimeAxis(PLOT_PIXELS, 1), None), _y(height, 0, None)).properties(
        width=PLOT_PIXELS, height=height
    )
