"""A run's lower part: requests a second, stacked by the version that answered; failures at the bottom."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from trials.picture.findings import Bucket, failed_spans
from trials.picture.marks import FAILURE, QUIET, Bar, Mark, Text
from trials.picture.measures import PLOT_PIXELS, TimeAxis, label_pixels, shortened
from trials.picture.words import kinds_of_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

HEIGHT = 96
HEADROOM = 1.3
"""Above the highest bar is room for the labels of failures."""
DARK = "#0072B2"
"""The one colour on which white letters are read better than black ones."""


def highest(found: list[Bucket], seconds: float) -> float:
    """The axis's end, in requests a second."""
    return max((bucket.total for bucket in found), default=1) / seconds * HEADROOM


def request_marks(found: list[Bucket], seconds: float, axis: TimeAxis, colours: dict[str, str]) -> list[Mark]:
    """The bars, and the labels directly on them."""
    if not found:
        return [Text(axis.to_seconds(4), 0.5, "No request was made.", QUIET)]
    bars = [bar for bucket in found for bar in _stacked(bucket, seconds, axis, colours)]
    return [*bars, *_version_labels(found, seconds, axis, colours), *_failure_labels(found, seconds, axis)]


def _stacked(bucket: Bucket, seconds: float, axis: TimeAxis, colours: dict[str, str]) -> Iterator[Bar]:
    base = 0.0
    # A pixel more: between two bars that only touch, the white behind them shines through.
    ended = min(bucket.began + seconds + axis.to_seconds(1), axis.seconds)
    tip = {"from": axis.moment(bucket.began), "for": axis.length(seconds)}
    if bucket.failed:
        base = bucket.failed / seconds
        own = {"failed": f"{bucket.failed:,} of {bucket.total:,}", "how": kinds_of_failure(bucket.failures)}
        yield Bar(bucket.began, ended, 0, base, FAILURE, tip=own | tip)
    for version, colour in colours.items():
        if count := bucket.answers[version]:
            own = {"answered by": version, "requests": f"{count:,} of {bucket.total:,}"}
            slowest = {"slowest of all": f"{bucket.slowest_seconds:.3f} s"}
            yield Bar(bucket.began, ended, base, base + count / seconds, colour, tip=own | tip | slowest)
            base += count / seconds


def _version_labels(
    found: list[Bucket], seconds: float, axis: TimeAxis, colours: dict[str, str]
) -> Iterator[Text]:
    """Each version's name on its longest stretch, where there is room for it."""
    longest: dict[str, list[Bucket]] = {}
    for version, group in groupby(found, key=_leading):
        stretch = list(group)
        if len(stretch) > len(longest.get(version, [])):
            longest[version] = stretch
    for version, stretch in longest.items():
        text = shortened(version, 18)
        if version and label_pixels(text, bold=True) + 8 < axis.to_pixels(
            stretch[-1].began + seconds - stretch[0].began
        ):
            middle = stretch[len(stretch) // 2]
            y = (middle.failed + (middle.total - middle.failed) / 2) / seconds
            x = (stretch[0].began + stretch[-1].began + seconds) / 2
            colour = "#FFFFFF" if colours[version] == DARK else "#000000"
            yield Text(x, y, text, colour, align="center", bold=True)


def _leading(bucket: Bucket) -> str:
    """The version that gave the most answers; empty where more than half failed."""
    if bucket.failed * 2 > bucket.total:
        return ""
    return max(bucket.answers, key=lambda version: bucket.answers[version])


def _failure_labels(found: list[Bucket], seconds: float, axis: TimeAxis) -> Iterator[Text]:
    """How many failed, above each time that some did; neighbours share a label, so that none overlaps."""
    room = axis.to_seconds(label_pixels("99,999 failed", bold=True) + 6)
    y = highest(found, seconds) * (1 - 0.5 * (1 - 1 / HEADROOM))
    for began, ended, count in failed_spans(found, seconds, room):
        half = label_pixels(f"{count:,} failed", bold=True) / 2
        x = min(max(axis.to_pixels((began + ended) / 2), half), PLOT_PIXELS - half)
        yield Text(axis.to_seconds(x), y, f"{count:,} failed", FAILURE, align="center", bold=True)
