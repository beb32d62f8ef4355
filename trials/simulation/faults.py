"""What AWS refuses or delays: windows of time, and how often something fails by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trials.simulation.places import CALM, FaultRates

if TYPE_CHECKING:
    from random import Random

    from trials.simulation.clock import Clock

THROTTLED = {
    "ecs": "ThrottlingException",
    "ecr": "ThrottlingException",
    "ec2": "RequestLimitExceeded",
    "route53": "Throttling",
    "logs": "ThrottlingException",
    "sns": "Throttled",
}
DENIED = {"ec2": "UnauthorizedOperation", "route53": "AccessDenied"}
KINDS = ("throttled", "denied", "slow")


@dataclass(frozen=True)
class Window:
    """For a while a service, or one of its operations, answers badly."""

    kind: str
    service: str
    until: float


@dataclass
class Faults:
    """What is wrong now."""

    clock: Clock
    random: Random
    fault_rates: FaultRates = CALM
    windows: list[Window] = field(default_factory=list)
    last_at: float = 0
    """When something was wrong the last time."""
    grave_at: float = 0
    """The same, without what only delays a call or repeats an event: not even a record is late by that."""

    def open(self, kind: str, service: str, seconds: float) -> None:
        """From now on, for a while."""
        self.windows.append(Window(kind, service, self.clock.now + seconds))
        self.clock.tell("for %s s calls of %s are %s", seconds, service, kind)

    def calm(self) -> None:
        """From now on nothing goes wrong."""
        self.windows, self.fault_rates = [], CALM
        self.last_at = self.clock.now

    def _is(self, kind: str, service: str) -> bool:
        if not self.windows:
            return False
        now = self.clock.now
        return any(
            each.kind == kind and each.service == service and each.until > now for each in self.windows
        )

    def note(self) -> None:
        """Something grave goes wrong now."""
        self.last_at = self.grave_at = self.clock.now

    def happens(self, probability: float, *, grave: bool = True) -> bool:
        """Whether this time it goes wrong."""
        if probability and self.random.random() < probability:
            self.last_at = self.clock.now
            if grave:
                self.grave_at = self.clock.now
            return True
        return False

    def latency(self, service: str) -> float:
        """How long a call takes until it has its effect."""
        if self.happens(self.fault_rates.slow, grave=False) or self._is("slow", service):
            self.clock.fault("slow call")
            return self.random.uniform(1, 8)
        return self.random.uniform(0.005, 0.06)

    def refusal(self, service: str) -> str | None:
        """The error that a call gets now."""
        if self._is("denied", service):
            self.clock.fault("access denied")
            self.note()
            return DENIED.get(service, "AccessDeniedException")
        if self._is("throttled", service) or self.happens(self.fault_rates.throttled):
            self.clock.fault("throttled call")
            self.note()
            return THROTTLED[service]
        return None
