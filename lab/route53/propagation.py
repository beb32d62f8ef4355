"""Route 53's propagation: name servers answer with what the record sets were some seconds ago.

"Propagation normally completes within 60 seconds" (Route 53 API reference, ChangeResourceRecordSets). Here
every change takes equally long, and changes are seen in the order in which they were made.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.route53.name_server import Records

# Without a word from the edge: CloudFormation makes and removes zones inside MiniStack.
LOOK_SECONDS = 1.0


class Propagation:
    """The record sets as name servers know them when it is called; `history` is what Route 53 held."""

    def __init__(
        self, read: Callable[[], Records], delay_seconds: float, clock: Callable[[], float] = time.time
    ) -> None:
        self.history: list[tuple[float, Records]] = []
        """Oldest first, with the clock's times; empty where nobody looks, as in a lab without a delay."""
        self.delay_seconds = delay_seconds
        self._read = read
        self._clock = clock
        self._changed = threading.Event()
        self._end = False

    def __call__(self) -> Records:
        """Return the newest record sets that have been propagated; those of the first look at once."""
        until = self._clock() - self.delay_seconds
        known = [records for at, records in list(self.history) if at <= until]
        return known[-1] if known else self.history[0][1] if self.history else {}

    def look(self) -> None:
        """Read the record sets; a change counts from before it was read."""
        at, records = self._clock(), dict(self._read())
        if not self.history or self.history[-1][1] != records:
            self.history.append((at, records))

    def changed(self) -> None:
        """Tell that a request has just changed record sets: `follow` looks at once."""
        self._changed.set()

    def follow(self) -> None:
        """Look after each change, until `close`. It blocks: a thread's work."""
        while not self._end:
            self._changed.clear()
            with suppress(ClientError, BotoCoreError):  # a zone may be deleted while it is looked at
                self.look()
            self._changed.wait(LOOK_SECONDS)

    def close(self) -> None:
        """End `follow`."""
        self._end = True
        self._changed.set()
