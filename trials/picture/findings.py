"""What a recording comes to: its figures, its requests in buckets, when the name held which address. Pure.

All times are seconds from the recording's beginning.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from trials.picture.measures import nice_seconds

if TYPE_CHECKING:
    from trials.picture.recording import Phase, Recording, Request, TaskLife

MOST_BUCKETS = 180
NO_VERSION = "(no version)"
NO_IMAGE = "waits for the first push"
"""A deployment or a task without a version: there was no image yet."""


@dataclass(frozen=True)
class Hold:
    """The name held `address` in this span; `task` is whose address it was, None where no task had it."""

    address: str
    task: TaskLife | None
    began: float
    ended: float


@dataclass
class Bucket:
    """The requests that were due within some seconds: answers by version, failures by kind."""

    began: float
    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0

    @property
    def failed(self) -> int:
        """How many failed."""
        return self.failures.total()

    @property
    def total(self) -> int:
        """How many were made."""
        return self.failed + self.answers.total()


def duration(recording: Recording) -> float:
    """Seconds from the beginning to the last thing that is known; never 0, so that there is an axis."""
    known = [
        recording.ended_at,
        *(phase.ended_at for phase in recording.phases),
        *(push.at for push in recording.pushes),
        *(each.finished_at or each.created_at for each in recording.deployments),
        *(task.stopped_at or task.created_at for task in recording.tasks),
        *(state.at for state in recording.records),
        *(request.at for request in recording.requests),
    ]
    return max(*known, recording.began_at + 1) - recording.began_at


def failures(recording: Recording) -> Counter[str]:
    """How many requests failed, by kind."""
    return Counter(request.failure for request in recording.requests if request.failure)


def within(recording: Recording, phase: Phase) -> list[Request]:
    """The requests that were due in the phase, in order."""
    found = (each for each in recording.requests if phase.began_at <= each.at < phase.ended_at)
    return sorted(found, key=lambda each: each.at)


def by_deployments(recording: Recording) -> tuple[list[Phase], list[Phase]]:
    """The phases in which a deployment began, and the others."""
    moments = [each.created_at for each in recording.deployments]
    deploying = [p for p in recording.phases if any(p.began_at <= at < p.ended_at for at in moments)]
    return deploying, [phase for phase in recording.phases if phase not in deploying]


def failing_span(requests: list[Request]) -> list[Request]:
    """Those from the first that failed to the last; empty where none did."""
    numbers = [number for number, each in enumerate(requests) if each.failure]
    return requests[numbers[0] : numbers[-1] + 1] if numbers else []


def versions(recordings: list[Recording]) -> list[str]:
    """Every version, in the order in which it first appeared."""
    seen: dict[str, None] = {}
    for recording in recordings:
        appeared = [
            *((push.at, push.version) for push in recording.pushes),
            *((task.created_at, task.version) for task in recording.tasks),
            *((each.created_at, each.version) for each in recording.deployments),
            *((request.at, request.version) for request in recording.requests if not request.failure),
        ]
        seen |= dict.fromkeys(version or NO_VERSION for _, version in sorted(appeared))
    return list(seen)


def bucket_seconds(axis_seconds: float) -> float:
    """How long a bucket is, where the axis is that long."""
    return nice_seconds(axis_seconds / MOST_BUCKETS)


def buckets(recording: Recording, seconds: float) -> list[Bucket]:
    """The requests in buckets of that length, in order; none for a span without requests."""
    found: dict[int, Bucket] = {}
    for request in recording.requests:
        number = max(0, int((request.at - recording.began_at) // seconds))
        bucket = found.setdefault(number, Bucket(number * seconds))
        if request.failure:
            bucket.failures[request.failure] += 1
        else:
            bucket.answers[request.version or NO_VERSION] += 1
        bucket.slowest_seconds = max(bucket.slowest_seconds, request.latency_seconds)
    return [found[number] for number in sorted(found)]


def first_answer(recording: Recording, version: str, after: float) -> float | None:
    """Seconds from `after` to when the version's first answer arrived; None: it never answered."""
    arrivals = (_arrived(each) for each in recording.requests if each.version == version and not each.failure)
    return min((arrival - after for arrival in arrivals if arrival >= after), default=None)


def holds(recording: Recording) -> list[Hold]:
    """Each span in which the name held an address, and whose address that was at the time."""
    end = duration(recording)
    states = [(max(0.0, s.at - recording.began_at), set(s.addresses)) for s in recording.records]
    states = [*sorted(states, key=lambda state: state[0]), (end, set())]
    open_since: dict[str, float] = {}
    found: list[Hold] = []
    for at, addresses in states:
        for address in sorted(open_since.keys() - addresses):
            found += _by_owner(recording, address, open_since.pop(address), at)
        for address in addresses - open_since.keys():
            open_since[address] = at
    return sorted(found, key=lambda hold: (hold.began, hold.address))


def _by_owner(recording: Recording, address: str, began: float, ended: float) -> list[Hold]:
    """The span in parts: an address that is free again may become a later task's."""
    owners = sorted((t for t in recording.tasks if t.address == address), key=lambda task: task.created_at)
    starts = [(task.created_at - recording.began_at, task) for task in owners]
    before = [task for at, task in starts if at <= began]
    parts = [
        (began, before[-1] if before else None),
        *((at, task) for at, task in starts if began < at < ended),
    ]
    ends = [at for at, _ in parts[1:]] + [ended]
    return [Hold(address, task, at, until) for (at, task), until in zip(parts, ends, strict=True)]


def failed_spans(found: list[Bucket], seconds: float, apart: float) -> list[tuple[float, float, int]]:
    """From when to when requests failed, and how many; spans closer than `apart` are one."""
    failed = [bucket for bucket in found if bucket.failed]
    numbers: list[int] = []
    for before, bucket in zip([None, *failed], failed, strict=False):
        near = before is not None and bucket.began - before.began - seconds < apart
        numbers.append(numbers[-1] + (not near) if numbers else 0)
    grouped = groupby(zip(numbers, failed, strict=True), key=lambda pair: pair[0])
    spans = [[bucket for _, bucket in group] for _, group in grouped]
    return [(group[0].began, group[-1].began + seconds, sum(b.failed for b in group)) for group in spans]


def _arrived(request: Request) -> float:
    return request.at + request.latency_seconds
