"""What was found: in words, with its cure. And how times and digests are spelled in such words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

# What to look at where nobody is answered.
LISTENS = "does the container listen on its port at 0.0.0.0 (at 127.0.0.1 only, nobody reaches it)"


class Level(Enum):
    """How much a finding matters."""

    PROBLEM = "problem"
    NOTE = "note"
    """Worth knowing, and nothing to repair: somebody wants it so, or it passes."""
    UNSEEN = "unseen"
    """Could not be looked at."""


@dataclass(frozen=True)
class Finding:
    """One thing that a person who asks "why?" should know."""

    level: Level
    kind: str
    """A stable name of what it is, such as `image-failed`."""
    what: str
    cure: str = ""


def problem(kind: str, what: str, cure: str) -> Finding:
    """Return a finding that somebody must do something about."""
    return Finding(Level.PROBLEM, kind, what, cure)


def note(kind: str, what: str, cure: str = "") -> Finding:
    """Return a finding that explains, and needs nobody."""
    return Finding(Level.NOTE, kind, what, cure)


def moment(at: datetime, now: datetime) -> str:
    """Return a time as a person says it: of today without the date. UTC, as in the functions' reasons."""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def short(digest: str | None) -> str:
    """Return as much of a digest as Docker shows."""
    algorithm, _, value = (digest or "no image").partition(":")
    return f"{algorithm}:{value[:12]}" if value else algorithm
