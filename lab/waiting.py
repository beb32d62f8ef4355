"""Waiting, by looking again and again."""

from __future__ import annotations

import socket
import time
import urllib.error
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOOK_SECONDS = 0.02


def until(look: Callable[[], T | None], what: str, seconds: float = 120) -> T:
    """Return the first answer of `look` that is not None or empty.

    Between two looks it sleeps for as long as a look takes, so that those who are awaited get on.

    Raises:
        TimeoutError: none came; the text says what was awaited and what was seen last.
    """
    deadline, last = time.monotonic() + seconds, ""
    while (began := time.monotonic()) < deadline:
        try:
            found = look()
        except (OSError, urllib.error.URLError) as error:
            found, last = None, repr(error)
        if found:
            return found
        time.sleep(max(LOOK_SECONDS, time.monotonic() - began))
    raise TimeoutError(f"waited {seconds:.0f} s for {what}; last seen: {last or 'nothing'}")


def accepts(address: str, port: int) -> bool:
    """Return whether a TCP connection is accepted."""
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True
