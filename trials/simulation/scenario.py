"""A scenario: a beginning, steps, then ten quiet minutes. Data, so that it can be told and repeated."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pushlive import ecs, route53
from trials.simulation import quiet, surroundings
from trials.simulation.cloud import Cloud
from trials.simulation.operators import SERVICES, Operators
from trials.simulation.places import CLUSTER, HOST_NAMES, OTHER_CLUSTER, REGISTRY, FaultRates, Setup
from trials.simulation.zone import RecordSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.simulation.checks import Failure

FIRST_SECONDS = 100
MUTED_SECONDS = 30
"""Services that run already before pushlive hears of them: that saves a third of the time."""
STRANGERS = 30
"""Other people's network interfaces in the account, and as many of their records in the zone."""
OTHERS = {
    ("www.example.com", "A"): RecordSet(frozenset({"203.0.113.1"})),
    ("example.com", "MX"): RecordSet(frozenset({"10 mail.example.com"})),
    ("app.example.com", "TXT"): RecordSet(frozenset({'"v=spf1 -all"'})),
    ("app2.example.com", "A"): RecordSet(frozenset({"203.0.113.2"})),
    ("_pushlive.app2.example.com", "TXT"): RecordSet(
        frozenset({'"pushlive service=arn:aws:ecs:x:service/y/z"'})
    ),
    ("blog.example.com", "A"): RecordSet(frozenset({"203.0.113.3"})),
    **{(f"x{number}.example.com", "A"): RecordSet(frozenset({"203.0.113.4"})) for number in range(STRANGERS)},
}
"""The zone's records that are not ours."""


@dataclass(frozen=True)
class Step:
    """A method of Hands, its arguments, and how long to wait after it."""

    name: str
    arguments: tuple[Any, ...] = ()
    wait: float = 0


@dataclass(frozen=True)
class Script:
    """A whole scenario."""

    setup: Setup = field(default_factory=Setup)
    fault_rates: FaultRates = field(default_factory=FaultRates)
    seed: int = 0
    steps: tuple[Step, ...] = ()


class Scenario:
    """A scenario that goes on."""

    def __init__(self, setup: Setup, fault_rates: FaultRates, seed: int) -> None:
        self.cloud = cloud = Cloud(setup, seed)
        self.operators = Operators(cloud)
        self.was_quiet = False
        surroundings.listen(cloud)
        ecs.task_definition.cache_clear()
        route53.zone_name.cache_clear()
        for cluster in (CLUSTER, OTHER_CLUSTER):
            cloud.ecs("CreateCluster", {"clusterName": cluster})
        cloud.zone.records = dict(OTHERS)
        for _ in range(STRANGERS):
            cloud.registry.allocate_interface(["subnet-z"], [], public=True)
        cloud.bus.muted = not setup.empty
        targets = {image for name in ("app", *setup.services) for image in SERVICES[name][1]}
        for target in sorted(targets):
            if not setup.empty:
                self.operators.push(target, setup.image)
        for name in (*sorted(setup.services, reverse=True), "app"):
            self.operators.create_service(name)
        cloud.bus.start_schedules()
        cloud.checks.tick()
        cloud.run(MUTED_SECONDS)
        cloud.bus.muted = False
        cloud.run(FIRST_SECONDS - MUTED_SECONDS)
        self.operators.fault_rates(fault_rates)

    def step(self, step: Step) -> None:
        """Take a step, and let time pass."""
        if not self.failures:
            getattr(self.operators, step.name)(*step.arguments)
            self.cloud.run(step.wait)

    def finish(self) -> None:
        """Ten quiet minutes, and what must hold then."""
        self.was_quiet = quiet.become_quiet(self.cloud)
        quiet.check_waiting(self.cloud)
        if self.was_quiet and not self.failures:
            quiet.check(self.cloud)

    @property
    def failures(self) -> list[Failure]:
        """The checks that do not hold."""
        return self.cloud.checks.failures


@contextmanager
def playing(setup: Setup, fault_rates: FaultRates, seed: int) -> Iterator[Scenario]:
    """A scenario; afterwards the next one may begin."""
    try:
        yield Scenario(setup, fault_rates, seed)
    finally:
        surroundings.listen(None)


def play(script: Script) -> Scenario:
    """Play a whole script."""
    with playing(script.setup, script.fault_rates, script.seed) as scenario:
        for step in script.steps:
            scenario.step(step)
        scenario.finish()
        return scenario


__all__ = ["HOST_NAMES", "REGISTRY", "Scenario", "Script", "Step", "play", "playing"]
