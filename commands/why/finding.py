"""What was found: in words, with its cure. And how a digest is spelled in such words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

DENIED = ("AccessDenied", "UnauthorizedOperation", "AuthorizationError")
"""In the codes of errors: JSON and XML services, EC2, SNS."""
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
    """What to do, in words."""
    command: str = ""
    """A line for the terminal that does it."""


def problem(kind: str, what: str, cure: str, command: str = "") -> Finding:
    """Return a finding that somebody must do something about."""
    return Finding(Level.PROBLEM, kind, what, cure, command)


def note(kind: str, what: str, cure: str = "", command: str = "") -> Finding:
    """Return a finding that explains, and needs nobody."""
    return Finding(Level.NOTE, kind, what, cure, command)


def unseen(what: str, error: Exception) -> Finding:
    """Return that `what` could not be looked at."""
    said = " ".join(str(error).split())
    if is_denied(error):
        cure = "you need the right to read it: docs/why.md lists the actions"
    elif isinstance(error, ClientError | BotoCoreError | HTTPError | OSError):
        cure = "try again; the rest of this page is right"
    else:
        said = f"{type(error).__name__}: {said}"
        cure = "this command does not understand AWS's answer: please report this line"
    return Finding(Level.UNSEEN, "unseen", f"could not look at {what}: {said}", cure)


def is_denied(error: Exception) -> bool:
    """Return whether AWS refused, because who asks has no right to."""
    return isinstance(error, ClientError) and any(
        code in error.response.get("Error", {}).get("Code", "") for code in DENIED
    )


def short(digest: str | None) -> str:
    """Return as much of a digest as Docker shows."""
    algorithm, _, value = (digest or "no image").partition(":")
    return f"{algorithm}:{value[:12]}" if value else algorithm
