"""Capacity providers: Fargate's own and its spare capacity, chosen by a service's strategy."""

from __future__ import annotations

import pytest

from lab.ecs.api.ecs_api import EcsError
from lab.ecs.virtual.scenario import Scenario

SPOT = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]


def running() -> Scenario:
    """A service of one task by launch type, whose first deployment is over."""
    lab = Scenario()
    lab.push("sha256:1")
    lab.create()
    lab.wait_until_over()
    return lab


def test_a_capacity_provider_strategy_takes_the_place_of_the_launch_type() -> None:
    lab = running()
    service = lab.update(capacityProviderStrategy=SPOT, forceNewDeployment=True)
    assert service["capacityProviderStrategy"] == SPOT
    assert "launchType" not in service


def test_another_capacity_provider_strategy_forces_a_deployment_and_the_same_one_deploys_nothing() -> None:
    lab = running()
    with pytest.raises(EcsError, match="you must force a new deployment"):
        lab.update(capacityProviderStrategy=SPOT)
    lab.update(capacityProviderStrategy=SPOT, forceNewDeployment=True)
    before = len(lab.service_deployments())
    lab.update(capacityProviderStrategy=SPOT)
    assert len(lab.service_deployments()) == before


def test_a_forced_deployment_keeps_the_strategy_and_moves_its_tasks_to_it() -> None:
    lab = running()
    assert [task.get("capacityProviderName") for task in lab.tasks()] == [None]
    lab.update(capacityProviderStrategy=SPOT, forceNewDeployment=True)
    lab.wait(300)
    lab.redeploy()
    lab.wait(300)
    assert lab.service()["capacityProviderStrategy"] == SPOT
    assert [(task["launchType"], task["capacityProviderName"]) for task in lab.tasks()] == [
        ("FARGATE", "FARGATE_SPOT")
    ]


def test_a_strategy_is_of_the_clusters_capacity_providers_and_not_beside_a_launch_type() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    with pytest.raises(EcsError, match="both a launch type and capacity provider strategy"):
        lab.create(capacityProviderStrategy=SPOT)
    other = [{"capacityProvider": "ours", "weight": 1}]
    with pytest.raises(EcsError, match="not associated with the cluster"):
        lab.create(launchType=None, capacityProviderStrategy=other)
    lab.create()
    with pytest.raises(EcsError, match="not associated with the cluster"):
        lab.update(capacityProviderStrategy=other, forceNewDeployment=True)


def test_a_capacity_provider_stays_with_the_cluster_while_a_task_uses_it() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.create(launchType=None, capacityProviderStrategy=SPOT)
    lab.wait(60)
    none: dict[str, object] = {
        "cluster": "lab",
        "capacityProviders": ["FARGATE"],
        "defaultCapacityProviderStrategy": [],
    }
    with pytest.raises(EcsError, match="in use and cannot be removed"):
        lab.call("PutClusterCapacityProviders", **none)
    lab.on_service("DeleteService", force=True)
    lab.wait(600)
    cluster = lab.call("PutClusterCapacityProviders", **none)["cluster"]
    assert cluster["capacityProviders"] == ["FARGATE"]
