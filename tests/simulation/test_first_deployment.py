"""The hold of a new service without an image, by what ECS's events alone bring: no schedule runs here."""

from __future__ import annotations

import pytest

from lab.ecs.model.timings import Timings
from trials.simulation import surroundings
from trials.simulation.cloud import Cloud
from trials.simulation.operators import Operators
from trials.simulation.places import CLUSTER, Setup

TIMINGS = Timings()
FIRST_STOP_SECONDS = (
    TIMINGS.scheduler_seconds
    + TIMINGS.provisioning_seconds
    + TIMINGS.pending_seconds
    + TIMINGS.pull_failure_seconds
    + TIMINGS.deprovisioning_seconds
)


@pytest.mark.parametrize(
    "deaf_seconds",
    [
        pytest.param(0, id="every-event-comes"),
        pytest.param(10, id="the-deployment's-event-is-lost"),
        pytest.param(60, id="the-rule-matches-a-minute-late"),
        pytest.param(FIRST_STOP_SECONDS + 1, id="the-first-failed-start-is-not-heard-either"),
    ],
)
@pytest.mark.parametrize("sidecars", [False, True])
def test_a_new_service_is_held_before_ecs_gives_it_up_and_its_first_push_starts_it(
    deaf_seconds: float, *, sidecars: bool
) -> None:
    cloud = Cloud(Setup(empty=True, sidecars=sidecars))
    surroundings.listen(cloud)
    cloud.ecs("CreateCluster", {"clusterName": CLUSTER})
    operators = Operators(cloud)
    cloud.bus.muted = True
    operators.create_service("app")
    cloud.run(deaf_seconds)
    cloud.bus.muted = False
    cloud.run(3600)
    [service] = cloud.services()
    [first] = service.service_deployments
    assert (first.status, service.desired_count) == ("SUCCESSFUL", 0)
    operators.push("app:latest", "good")
    cloud.run(300)
    [task] = cloud.tasks(service)
    assert cloud.answers(task)
    assert cloud.checks.failures == []
