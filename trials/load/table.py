"""How many requests failed: for each phase, way of deploying and image. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trials.picture.recording import Phase, Recording, Request


HEAD_COLUMNS = 9  # as wide as 1234/5678


@dataclass(frozen=True)
class Count:
    """The requests of a phase, and how those failed that did."""

    total: int
    failed: int
    kinds: Mapping[str, int]
    repeated: int = 0

    def __str__(self) -> str:
        """As the table shows it."""
        return f"{self.failed}/{self.total}"


def count(
    requests: Iterable[Request], repeated: Iterable[float] = (), *, phase: Phase | None = None
) -> Count:
    """Return the count of those that were due in the phase, or of all."""

    def within(at: float) -> bool:
        return phase is None or phase.began_at <= at < phase.ended_at

    due = [request for request in requests if within(request.at)]
    kinds = Counter(request.failure for request in due if request.failure)
    return Count(len(due), kinds.total(), dict(sorted(kinds.items())), sum(within(at) for at in repeated))


def as_json(recordings: Sequence[Recording], repeated: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Return a line for each phase and service, and one for all phases of each service."""
    lines = []
    for recording in recordings:
        for phase in (*recording.phases, None):
            found = count(recording.requests, repeated.get(recording.host_name, ()), phase=phase)
            lines.append(
                {
                    "phase": phase.title if phase else "all",
                    "service": recording.title,
                    "requests": found.total,
                    "failed": found.failed,
                    "failures": found.kinds,
                    "repeated": found.repeated,
                }
            )
    return lines


def drawn(recordings: Sequence[Recording]) -> Table:
    """Return the table: a line for each phase, a column for each service."""
    table = Table(title="Failed requests / all requests")
    table.add_column("")
    for recording in recordings:
        lines = [line for part in recording.title.split(", ") for line in wrap(part, HEAD_COLUMNS)]
        table.add_column("\n".join(lines), justify="right", no_wrap=True)
    for phase in (*recordings[0].phases, None):
        counts = [count(recording.requests, phase=phase) for recording in recordings]
        cells = [f"[red]{each}[/]" if each.failed else f"[green]{each}[/]" for each in counts]
        table.add_row(phase.title if phase else "[bold]all[/]", *cells)
    return table
