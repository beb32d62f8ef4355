"""Each task's life, and when the name pointed to its address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.picture.canvas import GAP, LANE_HEIGHT, Canvas
from trials.picture.findings import NO_IMAGE, Hold, duration, holds
from trials.picture.marks import BLACK, FAINT, QUIET, Bar, Line, Mark, Text
from trials.picture.measures import GUTTER_PIXELS, label_pixels, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.picture.recording import TaskLife

ROW_HEIGHT, TIGHT_ROW_HEIGHT = 20, 15
MANY_ROWS = 16
BEFORE_RUNNING, NOT_ANSWERING = "#E4E4E4", "#A8A8A8"
AFTER_SIGTERM_OPACITY = 0.35


def tasks(drawn: Canvas) -> None:
    """A row for each task, by its creation; and one for each address that the name held and no task had."""
    found = sorted(drawn.recording.tasks, key=lambda task: task.created_at)
    held = holds(drawn.recording)
    strangers = sorted({hold.address for hold in held if hold.task is None})
    height = TIGHT_ROW_HEIGHT if len(found) + len(strangers) > MANY_ROWS else ROW_HEIGHT
    drawn.marks += [
        drawn.caption("tasks", drawn.bottom + LANE_HEIGHT / 2),
        Text(drawn.axis.to_seconds(4), drawn.bottom + LANE_HEIGHT / 2, _tasks_words(drawn), QUIET, halo=True),
    ]
    drawn.bottom += LANE_HEIGHT
    for task in found:
        began = drawn.since(task.created_at)
        words = _label(task)
        drawn.marks += [drawn.caption(words, drawn.bottom + height / 2), *_leader(drawn, began, height)]
        drawn.marks += _life(drawn, task, height)
        drawn.marks += [_hold(drawn, hold, height) for hold in held if hold.task is task]
        drawn.bottom += height
    for address in strangers:
        drawn.marks.append(drawn.caption(f"no task · {shortened(address, 15)}", drawn.bottom + height / 2))
        own = [hold for hold in held if hold.task is None and hold.address == address]
        drawn.marks += [_hold(drawn, hold, height) for hold in own]
        drawn.bottom += height
    drawn.bottom += GAP


def _tasks_words(drawn: Canvas) -> str:
    if not drawn.recording.tasks:
        return "No task ran."
    name = shortened(drawn.recording.host_name, 60)
    return f"one row each: its life, and below it in black when {name} pointed to its address"


def _label(task: TaskLife) -> str:
    """Version and address, the version cut so that both fit left of the plot."""
    if not task.version and not task.address:
        return NO_IMAGE
    address = shortened(task.address or "no address", len("255.255.255.255"))
    labels = [f"{shortened(task.version, most)} · {address}" for most in range(14, 0, -1)]
    return next((label for label in labels if label_pixels(label) <= GUTTER_PIXELS - 8), address)


def _leader(drawn: Canvas, began: float, height: float) -> Iterator[Mark]:
    """From the row's label to the task, where that begins far away."""
    if drawn.axis.to_pixels(began) > LANE_HEIGHT:
        y = drawn.bottom + height / 2
        yield Line(0, began - drawn.axis.to_seconds(4), y, y, FAINT, dotted=True)


def _life(drawn: Canvas, task: TaskLife, height: float) -> Iterator[Mark]:
    colour = drawn.colours[task.version]
    end = duration(drawn.recording)
    stopped = end if task.stopped_at is None else drawn.since(task.stopped_at)
    stopping = stopped if task.stopping_at is None else min(drawn.since(task.stopping_at), stopped)
    running = stopping if task.running_at is None else min(drawn.since(task.running_at), stopping)
    answering = stopping if task.answering_at is None else min(drawn.since(task.answering_at), stopping)
    segments = [
        ("is placed, its image is pulled", drawn.since(task.created_at), running, BEFORE_RUNNING, 1.0),
        ("runs, and does not answer yet", running, answering, NOT_ANSWERING, 1.0),
        ("answers", answering, stopping, colour, 1.0),
        ("after SIGTERM", stopping, stopped, colour, AFTER_SIGTERM_OPACITY),
    ]
    for name, began, ended, fill, opacity in segments:
        if ended > began:
            tip = {
                "task": task.id,
                "version": task.version or NO_IMAGE,
                "address": task.address,
                "now it": name,
                "from": drawn.axis.moment(began),
                "for": drawn.axis.length(ended - began),
                **_pulled(drawn, task),
                "whole life": drawn.axis.length(stopped - drawn.since(task.created_at)),
            }
            yield Bar(
                began, ended, drawn.bottom + 2, drawn.bottom + height - 8, fill, opacity=opacity, tip=tip
            )


def _pulled(drawn: Canvas, task: TaskLife) -> dict[str, str]:
    return {} if task.pulled_at is None else {"image pulled": drawn.axis.moment(drawn.since(task.pulled_at))}


def _hold(drawn: Canvas, hold: Hold, height: float) -> Bar:
    tip = {
        "name": drawn.recording.host_name,
        "pointed to": hold.address,
        "from": drawn.axis.moment(hold.began),
        "for": drawn.axis.length(hold.ended - hold.began),
    }
    top = drawn.bottom + height - 7
    ended = max(hold.ended, hold.began + drawn.axis.to_seconds(1))
    return Bar(hold.began, ended, top, top + (4 if height == ROW_HEIGHT else 3), BLACK, tip=tip)
