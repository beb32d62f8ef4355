"""A run's upper part: heading, phases, pushes, deployments, each task's life and what the name held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.picture.canvas import Canvas
from trials.picture.events import bands, deployments, phases, push_lines, pushes
from trials.picture.findings import failures
from trials.picture.marks import FAILURE, INK, Text
from trials.picture.measures import GUTTER_PIXELS, TimeAxis, shortened
from trials.picture.tasks import tasks
from trials.picture.words import failed, kinds_of_failure

if TYPE_CHECKING:
    from trials.picture.recording import Recording

HEADING_HEIGHT = 52


def schedule(
    recording: Recording,
    axis: TimeAxis,
    colours: dict[str, str],
    failed_spans: list[tuple[float, float, int]],
) -> Canvas:
    """The whole upper part, ready to be drawn."""
    drawn = Canvas(recording, axis, colours, failed_spans)
    _heading(drawn)
    top = drawn.bottom
    phases(drawn)
    pushes(drawn)
    deployments(drawn)
    tasks(drawn)
    drawn.marks[:0] = [*bands(drawn, top), *push_lines(drawn, top)]
    return drawn


def figure(recording: Recording) -> str:
    """Failed and total in words, and how they failed."""
    said = kinds_of_failure(failures(recording), 3)
    return failed(recording, "requests") + (f": {said}" if said else "")


def _heading(drawn: Canvas) -> None:
    recording = drawn.recording
    left = drawn.axis.to_seconds(-GUTTER_PIXELS)
    colour = FAILURE if failures(recording) else INK
    drawn.marks += [
        Text(left, 10, shortened(recording.title, 110), INK, 16, bold=True),
        Text(left, 31, shortened(figure(recording), 130), colour, 13, bold=True),
    ]
    drawn.bottom = HEADING_HEIGHT
