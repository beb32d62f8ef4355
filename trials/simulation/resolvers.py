"""Resolvers: they ask a name server of Route 53, and remember the answer for its TTL."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trials.simulation.places import HOST_NAMES

if TYPE_CHECKING:
    from trials.simulation.cloud import Cloud

COUNT = 3
NEGATIVE_SECONDS = 300
"""How long a missing name is remembered: the SOA record's minimum, at most (RFC 2308)."""


@dataclass
class Resolver:
    """One resolver's cache: host name to answer and the time until when it holds."""

    cache: dict[str, tuple[frozenset[str], float]] = field(default_factory=dict)

    def ask(self, cloud: Cloud, host_name: str) -> frozenset[str]:
        """The addresses that a client gets now."""
        now = cloud.clock.now
        answer, until = self.cache.get(host_name, (frozenset(), 0))
        if now >= until:
            answer = cloud.zone.answer((host_name, "A"), now)
            self.cache[host_name] = (
                answer,
                now + (cloud.settings.ttl_seconds if answer else NEGATIVE_SECONDS),
            )
        return answer


@dataclass
class Clients:
    """People who look the host names up, each through a resolver of its own."""

    cloud: Cloud
    resolvers: list[Resolver] = field(default_factory=lambda: [Resolver() for _ in range(COUNT)])

    def look_up(self) -> None:
        """Ask for each name, at one resolver after the other, and count where nobody answers."""
        counts, tasks = self.cloud.checks.counts, self.cloud.model.engine.tasks.values()
        number = counts["look-ups"] // len(HOST_NAMES)
        answering = {task.interface.public_ip for task in tasks if self.cloud.serves(task)}
        for host_name in HOST_NAMES.values():
            counts["look-ups"] += 1
            given = self.resolvers[number % COUNT].ask(self.cloud, host_name)
            counts["look-ups of an address that does not answer"] += bool(given - answering)
