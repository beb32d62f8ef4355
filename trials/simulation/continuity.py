"""Whether a visitor can meet an address that does not answer, with AWS's own figures at their worst.

A change of a record is seen by the last name server after 60 s (developer guide, "How Route 53 routes
changes"), by the first at once; a resolver keeps an answer for the TTL, and some for longer. So at any time
a visitor may have any address that the record held within the sum of these.

An edge of CloudFront asks as a resolver does, and keeps connections. Assumed, as in lab/cloudfront/origin.py:
a kept connection stays with its address, whatever the name says by then. Which address a further try takes is
unknown, so all of them may take one that does not answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.template import HTTPS, written_template
from trials.simulation.places import HOST_NAMES, FaultRates
from trials.simulation.scenario import playing
from trials.simulation.zone import SPREAD_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.ecs.model.state import Task
    from trials.simulation.cloud import Cloud
    from trials.simulation.places import Setup
    from trials.simulation.scenario import Step

OVERDUE_SECONDS = 5
"""For so long after its TTL some resolvers still give an answer."""
KEY = (HOST_NAMES["app"], "A")
AFTERWARDS_SECONDS = 900
DISTRIBUTION = written_template(HTTPS)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]
[ORIGIN] = DISTRIBUTION["Origins"]


@dataclass(frozen=True)
class Edge:
    """How requests of one kind come to `app`: by default GET, through https.yaml's distribution."""

    tries: int = ORIGIN["ConnectionAttempts"]
    """1 for POST: CloudFront guide, "Request and response behavior for custom origins"."""
    busy: bool = False
    """A kept connection always has its next request in time, so that only the app ends it."""
    keepalive_seconds: float = ORIGIN["CustomOriginConfig"]["OriginKeepaliveTimeout"]
    """How long a connection is kept for the next request."""


NO_EDGE = Edge(tries=1, keepalive_seconds=0)


def failing_seconds(setup: Setup, steps: Sequence[Step], edge: Edge = NO_EDGE) -> int:
    """The seconds in which some visitor's request may have met an address of `app` that did not answer."""
    with playing(setup, FaultRates(), seed=0) as scenario:
        cloud = scenario.cloud
        begun, failing = cloud.clock.now, 0
        kept: dict[str, float] = {}  # address to until when a connection to it may have its next request

        def look() -> None:
            nonlocal failing
            now, known, serving = cloud.clock.now, _given(cloud, begun), _serving(cloud)
            usable = {address for address, until in kept.items() if until >= now}
            failing += bool(known - serving.keys()) or len(usable - serving.keys()) >= edge.tries
            for address in kept.keys() - (usable & serving.keys()):
                del kept[address]
            for address in known | (kept.keys() if edge.busy else set()):
                if address in serving and cloud.keeps_connections(serving[address]):
                    kept[address] = now + edge.keepalive_seconds
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


def _serving(cloud: Cloud) -> dict[str | None, Task]:
    tasks = cloud.model.engine.tasks.values()
    return {task.interface.public_ip: task for task in tasks if cloud.serves(task)}
