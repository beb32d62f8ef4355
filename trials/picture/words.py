"""What a run came to, in a sentence, and as figures that a program can read. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trials.picture.findings import by_deployments, duration, failing_span, failures, first_answer, within
from trials.picture.measures import clock, shortened

if TYPE_CHECKING:
    from collections import Counter

    from trials.picture.recording import Recording, Request


def headline(recordings: list[Recording]) -> str:
    """The first recording in a sentence; the others are what it is compared with."""
    ours = recordings[0]
    pushes = {0: "No push", 1: "1 push"}.get(len(ours.pushes), f"{len(ours.pushes)} pushes")
    return f"{pushes} in {clock(duration(ours))} minutes: {_failed_when(ours)}"


def _failed_when(recording: Recording) -> str:
    """How many requests failed during deployments; and of what else was tried, where some failed."""
    requests = f"requests to {shortened(recording.host_name, 60)}"
    deploying, others = by_deployments(recording)
    if not failures(recording) or not deploying:
        return failed(recording, requests)
    found = [each for phase in deploying for each in within(recording, phase)]
    said = [f"{_failed_of(found)} {requests} failed during deployments"]
    for phase in others:
        if spanned := failing_span(within(recording, phase)):
            seconds = spanned[-1].at - spanned[0].at
            said.append(f"{_failed_of(spanned)} in {seconds:.1f} s of “{shortened(phase.title, 60)}”")
    return ", ".join(said)


def _failed_of(requests: list[Request]) -> str:
    return f"{sum(bool(each.failure) for each in requests):,} of {len(requests):,}"


def explanation(recordings: list[Recording]) -> str:
    """Where this was measured, and what the others came to."""
    ours, *others = recordings
    said = f"Measured in the lab: AWS's APIs and a model of ECS on one machine, not AWS itself{_speed(ours)}."
    if others:
        compared = "; ".join(f"{each.title}: {failed(each, 'requests')}" for each in others)
        said += f" First {ours.title}; then, on the same time axis, {compared}."
    return said


def failed(recording: Recording, requests: str) -> str:
    """Failed and total in words."""
    if not recording.requests:
        return "no request was made"
    return f"{_failed_of(recording.requests)} {requests} failed"


def kinds_of_failure(kinds: Counter[str], most: int | None = None) -> str:
    """The ways in which requests failed, and how many; the most frequent first; empty where none did."""
    return ", ".join(f"{kind} ({count:,})" for kind, count in kinds.most_common(most))


def figures(recording: Recording) -> dict[str, Any]:
    """The recording's own figures; times in seconds of the lab, from its beginning."""
    kinds = failures(recording)
    began = recording.began_at
    return {
        "title": recording.title,
        "host_name": recording.host_name,
        "speed": recording.speed,
        "seconds": round(duration(recording), 3),
        "requests": {"total": len(recording.requests), "failed": kinds.total(), "failures": dict(kinds)},
        "pushes": [
            {
                "version": push.version,
                "digest": push.digest,
                "at": round(push.at - began, 3),
                "first_answer_after": _rounded(first_answer(recording, push.version, push.at)),
            }
            for push in recording.pushes
        ],
        "deployments": [
            {
                "id": each.id,
                "version": each.version,
                "status": each.status,
                "created": round(each.created_at - began, 3),
            }
            for each in recording.deployments
        ],
        "tasks": [
            {"id": task.id, "version": task.version, "address": task.address} for task in recording.tasks
        ],
        "record": [{"at": round(s.at - began, 3), "addresses": list(s.addresses)} for s in recording.records],
    }


def _speed(recording: Recording) -> str:
    return "" if recording.speed == 1 else f"; its time passes {recording.speed:g} times as fast"


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
