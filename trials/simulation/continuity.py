"""Whether a visitor can meet an address that does not answer, with AWS's own figures at their worst.

A change of a record is seen by the last name server after 60 s (developer guide, "How Route 53 routes
changes"), by the first at once; a resolver keeps an answer for the TTL, and some for longer. So at any time
a visitor may have any address that the record held within the sum of these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trials.simulation.places import HOST_NAMES, FaultRates
from trials.simulation.scenario import playing
from trials.simulation.zone import SPREAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trials.simulation.cloud import Cloud
    from trials.simulation.places import Setup
    from trials.simulation.scenario import Step

OVERDUE_SECONDS = 5
"""For so long after its TTL some resolvers still give an answer."""
KEY = (HOST_NAMES["app"], "A")
AFTERWARDS_SECONDS = 900


def failing_seconds(setup: Setup, steps: Sequence[Step], seed: int = 0) -> int:
    """The seconds in which some visitor may have met an address of `app` that did not answer."""
    with playing(setup, FaultRates(), seed) as scenario:
        cloud = scenario.cloud
        begun, failing = cloud.clock.now, 0

        def look() -> None:
            nonlocal failing
            failing += bool(_given(cloud, begun) - _serving(cloud))
            cloud.clock.after(1, look)

        look()
        for step in steps:
            scenario.step(step)
        cloud.run(AFTERWARDS_SECONDS)
        assert not scenario.failures, scenario.failures
        return failing


def _given(cloud: Cloud, begun: float) -> frozenset[str]:
    """All addresses that a visitor may have now."""
    now = cloud.clock.now
    since = max(begun, now - SPREAD_SECONDS - cloud.settings.ttl_seconds - OVERDUE_SECONDS)
    held = cloud.zone.held.get(KEY, [])
    ends = [at for at, _ in held[1:]] + [now] if held else []
    return frozenset().union(*(values for (_, values), end in zip(held, ends, strict=True) if end >= since))


def _serving(cloud: Cloud) -> set[str | None]:
    tasks = cloud.model.engine.tasks.values()
    return {task.interface.public_ip for task in tasks if cloud.serves(task)}
