"""What a patient person with a stopwatch sees: since when a task answers, and what its name says."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from lab.user.resolver import ResolutionError, Resolver
from lab.waiting import LOOK_SECONDS, accepts

if TYPE_CHECKING:
    from types import TracebackType

    from lab.lab import Lab


class Watch:
    """Notes, while its block runs, when a task first answers, and the record's changes."""

    def __init__(self, lab: Lab, host_name: str, port: int) -> None:
        self.answering_since: dict[str, float] = {}
        """Address to the time of its first accepted connection."""
        self.records: list[tuple[float, frozenset[str]]] = []
        """When the name had which new set of addresses, oldest first."""
        self._lab = lab
        self._host_name = host_name
        self._port = port
        self._end = threading.Event()
        self._threads = [threading.Thread(target=loop) for loop in (self._watch_tasks, self._watch_record)]

    def __enter__(self) -> Self:
        """Begin to watch."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Watch no longer."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def record_held(self, address: str) -> float | None:
        """Return when the record first held `address`, or None."""
        return next((at for at, addresses in self.records if address in addresses), None)

    def _watch_tasks(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            for interface in self._lab.ecs.interfaces().values():
                address = interface.public_ip
                if address and address not in self.answering_since and accepts(address, self._port):
                    self.answering_since[address] = time.time()

    def _watch_record(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            try:
                addresses = frozenset(Resolver(self._lab.dns).resolve(self._host_name))
            except ResolutionError:
                continue
            if not self.records or self.records[-1][1] != addresses:
                self.records.append((time.time(), addresses))
