"""What a patient person with a stopwatch sees: since when a task answers, and what its name says."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Self, TypeVar

from lab.resolver import ResolutionError, Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from lab.lab import Lab

T = TypeVar("T")

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LOOK_SECONDS = 0.02


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


def accepts(address: str, port: int) -> bool:
    """Return whether a TCP connection is accepted."""
    try:
        socket.create_connection((address, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def page(resolver: Resolver, host_name: str, port: int) -> str:
    """Return what a visitor of the host name reads.

    Raises:
        OSError: the name has no address, or nobody answers there.
    """
    addresses = resolver.resolve(host_name)
    if not addresses:
        raise OSError(f"{host_name} has no address")
    with DIRECTLY.open(f"http://{addresses[0]}:{port}/", timeout=2) as answer:
        text: str = answer.read(100_000).decode()
        return text


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
