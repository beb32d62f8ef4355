"""Virtual time: what is due happens in order, and a story of it is kept."""

from __future__ import annotations

import heapq
from collections import Counter
from typing import TYPE_CHECKING

from trials.simulation.images import in_words
from trials.simulation.places import START, clock

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """The time, what is due, the story, and how often each kind of fault was injected."""

    def __init__(self) -> None:
        self.now = self.began_at = START
        self.faults: Counter[str] = Counter()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0
        self._story: list[tuple[float, str, tuple[object, ...]]] = []

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in so many seconds."""
        self._sequence += 1
        heapq.heappush(self._due, (self.now + seconds, self._sequence, action))

    def next_due(self) -> float:
        """When something is due next; never, if nothing is."""
        return self._due[0][0] if self._due else float("inf")

    def act(self) -> None:
        """Let the next thing happen, at its time."""
        due, _, action = heapq.heappop(self._due)
        self.now = due
        action()

    def tell(self, text: str, *values: object) -> None:
        """Write a line of the story; `text` has a %s for each value, put together only if it is read."""
        self._story.append((self.now, text, values))

    def fault(self, kind: str, text: str = "", *values: object) -> None:
        """Count a fault, and tell of it."""
        self.faults[kind] += 1
        if text:
            self.tell(text, *values)

    def story(self) -> list[str]:
        """What happened, a line each."""
        return [
            f"{clock(at)} {in_words(text % values if values else text)}" for at, text, values in self._story
        ]
