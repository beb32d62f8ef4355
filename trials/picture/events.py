"""Phases, pushes and deployments: what was done to the service, and what ECS made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.picture.canvas import LANE_HEIGHT, Canvas
from trials.picture.findings import NO_IMAGE, duration
from trials.picture.marks import BAND, FAILURE, INK, QUIET, Band, Bar, Line, Mark, Triangle
from trials.picture.measures import LABEL_GAP, Place, beside, from_there, label_pixels, lanes, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.picture.recording import Deployment

HALF_A_MARK = 5
SHORTEST_BAR = 3
"""Pixels: what was over at once is still seen."""
DIGEST_LETTERS = 19
LONGEST_TITLE = 60


def bands(drawn: Canvas, top: float) -> Iterator[Mark]:
    """Behind everything: every other phase, and red where requests failed."""
    for number, phase in enumerate(drawn.recording.phases):
        began, ended = drawn.since(phase.began_at), drawn.since(phase.ended_at)
        tip = {
            "phase": phase.title,
            "began": drawn.axis.moment(began),
            "lasted": drawn.axis.length(ended - began),
        }
        yield Band(began, ended, top, drawn.bottom, BAND if number % 2 == 0 else "#FFFFFF", tip=tip)
    for began, ended, count in drawn.failed:
        lasted = drawn.axis.length(ended - began)
        tip = {"requests failed": f"{count:,}", "from": drawn.axis.moment(began), "for": lasted}
        yield Band(began, ended, top, drawn.bottom, FAILURE, opacity=0.12, tip=tip)


def phases(drawn: Canvas) -> None:
    """A label at the beginning of each phase."""
    found = sorted(drawn.recording.phases, key=lambda phase: phase.began_at)
    begins = [drawn.axis.to_pixels(drawn.since(phase.began_at)) for phase in found]
    words = [shortened(phase.title, LONGEST_TITLE) for phase in found]
    places = [from_there(x, label_pixels(text, bold=True)) for x, text in zip(begins, words, strict=True)]
    chosen = lanes(places)
    for phase, text, place, lane in zip(found, words, places, chosen, strict=True):
        began, y = drawn.since(phase.began_at), drawn.bottom + LANE_HEIGHT * (lane + 0.5)
        drawn.marks += [Line(began, began, drawn.bottom, y + 6)] if lane else []
        drawn.marks.append(drawn.label(place, y, text, bold=True))
    if found:
        drawn.row("what was tried", max(chosen) + 1)


def pushes(drawn: Canvas) -> None:
    """A mark at each push, and its version."""
    found = sorted(drawn.recording.pushes, key=lambda push: push.at)
    times = [drawn.since(push.at) for push in found]
    words = [shortened(push.version) for push in found]
    moments = [drawn.axis.to_pixels(at) for at in times]
    places = [
        beside(moment - HALF_A_MARK, moment + HALF_A_MARK, label_pixels(text))
        for moment, text in zip(moments, words, strict=True)
    ]
    chosen = lanes(places)
    for push, at, text, place, lane in zip(found, times, words, places, chosen, strict=True):
        y = drawn.bottom + LANE_HEIGHT * (lane + 0.5)
        digest = push.digest[:DIGEST_LETTERS] or "not recorded"
        tip = {"push of": push.version, "at": drawn.axis.moment(at), "digest": digest}
        drawn.marks += [Triangle(at, y, tip=tip), drawn.label(place, y, text)]
    if found:
        drawn.row("docker push", max(chosen) + 1)


def push_lines(drawn: Canvas, top: float) -> Iterator[Mark]:
    """Down through all that a push led to."""
    for push in drawn.recording.pushes:
        at = drawn.since(push.at)
        yield Line(at, at, top, drawn.bottom, QUIET, dotted=True)


def deployments(drawn: Canvas) -> None:
    """A bar for each, with its version and status; those at the same time one below the other."""
    found = sorted(drawn.recording.deployments, key=lambda each: each.created_at)
    places = [_deployment_place(drawn, each) for each in found]
    chosen = lanes(places)
    for each, place, lane in zip(found, places, chosen, strict=True):
        top = drawn.bottom + LANE_HEIGHT * lane
        label = drawn.label(place, top + LANE_HEIGHT / 2, _deployment_words(each))
        drawn.marks += [_deployment_bar(drawn, each, top), label]
    if found:
        drawn.row("deployments", max(chosen) + 1)


def _deployment_words(each: Deployment) -> str:
    if not each.version:
        return NO_IMAGE
    known = {"SUCCESSFUL": "live", "ROLLBACK_SUCCESSFUL": "rolled back"}
    status = known.get(each.status, each.status.lower().replace("_", " "))
    return shortened(f"{shortened(each.version)}: {status}", 40)


def _deployment_place(drawn: Canvas, each: Deployment) -> Place:
    """The label's place: in its bar where there is room."""
    began = drawn.axis.to_pixels(drawn.since(each.created_at))
    ended = max(drawn.axis.to_pixels(_ended(drawn, each)), began + SHORTEST_BAR)
    width = label_pixels(_deployment_words(each))
    if width + 2 * LABEL_GAP <= ended - began:
        return Place(began + LABEL_GAP, "left", began, ended)
    return beside(began, ended, width)


def _ended(drawn: Canvas, each: Deployment) -> float:
    return duration(drawn.recording) if each.finished_at is None else drawn.since(each.finished_at)


def _deployment_bar(drawn: Canvas, each: Deployment, top: float) -> Bar:
    began, ended = drawn.since(each.created_at), _ended(drawn, each)
    shown = max(ended, began + drawn.axis.to_seconds(SHORTEST_BAR))
    tip = {
        "deployment": each.id,
        "of": each.version or NO_IMAGE,
        "status": each.status,
        "created": drawn.axis.moment(began),
        "lasted": drawn.axis.length(ended - began) + ("" if each.finished_at else ", till the end"),
    }
    y, y2 = top + 2, top + LANE_HEIGHT - 2
    if each.status.startswith("ROLLBACK"):
        return Bar(began, shown, y, y2, "#FFFFFF", INK, dashed=True, tip=tip)
    colour = drawn.colours[each.version]
    return Bar(began, shown, y, y2, colour, colour, opacity=0.3, tip=tip)
