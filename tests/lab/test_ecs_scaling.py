"""Desired count, deletion, the steady state and the service's messages."""

import pytest

from lab.ecs.api.requests import EcsError
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import START, Scenario


def running(desired: int = 1, behaviour: Behaviour | None = None) -> Scenario:
    lab = Scenario({"sha256:1": behaviour or Behaviour()})
    lab.push("sha256:1")
    lab.create(desired)
    lab.wait_until_over()
    return lab


def test_scaling_out_uses_the_newest_deployments_digest_and_starts_no_deployment() -> None:
    lab = running()
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait_until_over()
    lab.push("sha256:3")
    lab.update(desiredCount=3)
    lab.wait(120)
    assert lab.running_digests() == ["sha256:2"] * 3
    assert len(lab.service_deployments()) == 2


def test_to_zero_and_back_runs_the_same_digest() -> None:
    lab = running()
    lab.update(desiredCount=0)
    lab.wait(120)
    assert lab.tasks() == []
    assert lab.primary()["rolloutState"] == "COMPLETED"
    lab.push("sha256:2")
    lab.update(desiredCount=1)
    lab.wait(120)
    assert lab.running_digests() == ["sha256:1"]


def test_the_first_task_of_a_service_created_at_0_resolves_the_tag_when_it_is_scaled_up() -> None:
    lab = Scenario()
    lab.create(desired=0)
    lab.wait(60)
    lab.push("sha256:1")
    lab.update(desiredCount=1)
    lab.wait(120)
    revision = lab.service_deployments()[0]["targetServiceRevision"]["arn"]
    assert lab.digests(revision) == {"app": "sha256:1"}


def test_scaling_in_stops_tasks_that_do_not_count_yet_then_the_newest() -> None:
    lab = running(2)
    lab.update(desiredCount=3)
    lab.wait(120)
    lab.update(desiredCount=4)
    lab.wait(10)
    first, second, third, starting = [task["taskArn"] for task in lab.tasks()]
    lab.update(desiredCount=2)
    lab.wait(60)
    assert {task["taskArn"] for task in lab.tasks()} == {first, second}
    assert {task["taskArn"] for task in lab.tasks("STOPPED")} == {third, starting}


def test_scaling_in_during_a_deployment_stops_old_tasks_first() -> None:
    lab = running(3)
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(90)
    lab.update(desiredCount=2)
    lab.wait(120)
    assert lab.running_digests() == ["sha256:2"] * 2


def test_scaling_to_zero_during_a_deployment_completes_it() -> None:
    lab = running()
    lab.redeploy()
    lab.wait(10)
    lab.update(desiredCount=0)
    lab.wait(120)
    assert lab.tasks() == []
    assert lab.service_deployments()[0]["status"] == "SUCCESSFUL"


def test_the_steady_state_is_reported_when_reached_and_every_six_hours() -> None:
    lab = running()
    lab.wait(13 * 3600)
    events = [
        message for message in lab.runtime.events if message.event["detail-type"] == "ECS Service Action"
    ]
    first = events[0].at
    assert [(each.event["detail"]["eventName"], each.at - first) for each in events] == [
        ("SERVICE_STEADY_STATE", 0),
        ("SERVICE_STEADY_STATE", 6 * 3600),
        ("SERVICE_STEADY_STATE", 12 * 3600),
    ]


def test_the_steady_state_is_reported_again_after_a_change() -> None:
    lab = running()
    lab.update(desiredCount=2)
    lab.wait(120)
    assert lab.event_names().count("SERVICE_STEADY_STATE") == 2
    lab.wait(6 * 3600)
    assert lab.event_names().count("SERVICE_STEADY_STATE") == 3


def test_the_messages_of_a_service_read_as_in_the_console() -> None:
    lab = running()
    primary = lab.primary()["id"]
    assert lab.messages() == [
        "(service web) has started 1 tasks:",
        f"(service web) (deployment {primary}) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_a_service_keeps_its_newest_hundred_messages_newest_first() -> None:
    lab = Scenario({"sha256:1": Behaviour(exits_after_seconds=1)})
    lab.push("sha256:1")
    lab.create(desired=1)
    lab.wait(3 * 3600)
    created = [each["createdAt"] for each in lab.service()["events"]]
    assert len(created) == 100
    assert created == sorted(created, reverse=True)
    assert created[0] > START + 2 * 3600


def test_deletion_drains_then_leaves_an_inactive_service_that_is_described_for_a_while() -> None:
    lab = running(behaviour=Behaviour(on_sigterm_seconds=20))
    with pytest.raises(EcsError, match="scaled above 0"):
        lab.on_service("DeleteService")
    assert lab.on_service("DeleteService", force=True)["service"]["status"] == "DRAINING"
    assert lab.call("ListServices", cluster="lab")["serviceArns"] == []
    lab.wait(2)
    assert lab.service()["status"] == "INACTIVE"  # its tasks are STOPPING, see DeleteService
    assert [task["lastStatus"] for task in lab.tasks("STOPPED")] == ["STOPPING"]
    lab.wait(60)
    assert lab.world.interfaces == {}
    lab.wait(3600)
    failures = lab.call("DescribeServices", cluster="lab", services=["web"])["failures"]
    assert [failure["reason"] for failure in failures] == ["MISSING"]


def test_deletion_stops_a_deployment_in_progress() -> None:
    lab = running()
    lab.redeploy()
    lab.wait(10)
    lab.on_service("DeleteService", force=True)
    lab.wait(300)
    assert lab.service_deployments()[0]["status"] == "STOPPED"
    assert lab.tasks() == []


def test_a_service_at_0_is_deleted_without_force_and_its_name_is_free_again() -> None:
    lab = running()
    lab.update(desiredCount=0)
    lab.wait(60)
    lab.on_service("DeleteService")
    lab.wait(10)
    lab.create(desired=1)
    lab.wait_until_over()
    assert lab.service()["status"] == "ACTIVE"
    lab.wait(7200)
    assert lab.service()["status"] == "ACTIVE"
