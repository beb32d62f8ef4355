"""What was found: in words, with its cure. And how digests and commands are spelled in such words. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

# What to look at where nobody is answered.
LISTENS = "does the container listen on its port at 0.0.0.0 (at 127.0.0.1 only, nobody reaches it)"


class Level(Enum):
    """How much a finding matters."""

    PROBLEM = "problem"
    UNSEEN = "unseen"
    """Could not be looked at."""
    NOTE = "note"
    """Worth knowing, and nothing to repair: somebody wants it so, or it passes."""


class Finding(NamedTuple):
    """One thing that a person who asks "why?" should know."""

    level: Level
    kind: str
    """A stable name of what it is, such as `image-failed`."""
    what: str
    cure: str = ""
    """What to do, in words."""
    command: str = ""
    """A line for the terminal that does it."""


def problem(kind: str, what: str, cure: str, command: str = "") -> Finding:
    """Return a finding that somebody must do something about."""
    return Finding(Level.PROBLEM, kind, what, cure, command)


def note(kind: str, what: str, cure: str = "", command: str = "") -> Finding:
    """Return a finding that explains, and needs nobody."""
    return Finding(Level.NOTE, kind, what, cure, command)


def aws(operation: str, **options: object) -> str:
    """Return a command of the AWS CLI; `log_group_name` is its option `--log-group-name`."""
    given = [f"--{name.replace('_', '-')} {value}" for name, value in options.items()]
    return " ".join(["aws", operation, *given])


def no_log_group(what: str, group: str) -> Finding:
    """Return that a log group is missing."""
    return problem("no-log-group", what, "make it:", aws("logs create-log-group", log_group_name=group))


def short(digest: str | None) -> str:
    """Return as much of a digest as Docker shows."""
    algorithm, _, value = (digest or "no image").partition(":")
    return f"{algorithm}:{value[:12]}" if value else algorithm
