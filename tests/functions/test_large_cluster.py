"""RedeployService in a cluster that is prefiltered: what is left out, what is not, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lab.ecs.virtual.fake_runtime import Behaviour
from pushlive import ecs, prefilter
from trials.in_memory.wire import Fault

if TYPE_CHECKING:
    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

OTHERS = prefilter.SMALL
LATER_SECONDS = 1000
"""After so long nothing is to be told any more."""


@pytest.fixture
def large(region: Region) -> Region:
    """`app` runs its own image, and the others one that nobody pushes."""
    region.push("1")
    region.push("other", repository="other")
    region.create_service("app")
    for number in range(OTHERS):
        region.create_service(f"other-{number}", ["other:latest"])
    region.wait(LATER_SECONDS)
    return region


def updated(region: Region) -> list[str]:
    return [call["service"] for call in region.calls("UpdateService")]


def test_a_push_asks_for_the_definition_of_the_service_that_it_concerns_only(large: Region, log: Log) -> None:
    large.redeploy(large.push("2"))
    assert updated(large) == ["app"]
    assert len(large.calls("DescribeTaskDefinition")) == 1
    assert log.reasons(message="leave") == f"{OTHERS} services use another image"
    assert log.messages(ecs_service="app") == ["deploy"]


def test_the_schedule_reads_no_deployments_where_all_is_live(large: Region, log: Log) -> None:
    large.redeploy()
    assert large.calls("ListServiceDeployments") == []
    assert len(large.calls("DescribeImages")) == 2  # one a repository
    told = log.lines(message="leave", reason="already live: all its tasks run what its tags name")
    assert len(told) == OTHERS + 1
    assert {(line["running_count"], line["desired_count"]) for line in told} == {(1, 1)}


def test_the_schedule_deploys_a_push_whose_event_was_lost(large: Region) -> None:
    large.push("2")
    large.wait(10)
    large.redeploy()
    assert updated(large) == ["app"]


def test_an_index_whose_child_runs_is_live(region: Region) -> None:
    child = "sha256:" + 64 * "c"
    push = region.push("index", children=[child])
    region.reported[push["detail"]["image-digest"]] = child
    for number in range(OTHERS + 1):
        region.create_service(f"app-{number}")
    region.wait(LATER_SECONDS)
    region.redeploy()
    assert region.calls("ListServiceDeployments") == []


def test_what_has_just_ended_is_told(region: Region, log: Log) -> None:
    region.push("1")
    for number in range(OTHERS + 1):
        region.create_service(f"app-{number}")
    region.wait(300)
    region.redeploy()
    assert len(log.messages(message="live")) == OTHERS + 1


def test_a_service_without_tasks_is_looked_at(large: Region, log: Log) -> None:
    large.scale(0)
    large.wait(LATER_SECONDS)
    large.redeploy(large.push("2"))
    assert log.reasons(ecs_service="app") == "scaled to 0"


def test_a_service_whose_tasks_are_of_an_older_revision_is_looked_at(large: Region) -> None:
    large.push("1", tag="v2", behaviour=Behaviour(start_seconds=None))
    large.update_service(taskDefinition=large.register("app", ["app:v2"]))
    large.wait(10)
    large.redeploy(large.push("2", tag="v2"))
    assert updated(large) == ["app"]


@pytest.mark.parametrize("code", ["ImageNotFoundException", "AccessDeniedException"])
def test_where_ecr_tells_nothing_of_a_repository_its_services_are_looked_at(
    large: Region, code: str, log: Log
) -> None:
    large.wire.faults.append(Fault("DescribeImages", code, 1, "other"))
    large.redeploy()
    assert len(log.messages(message="leave")) == OTHERS + 1
    assert log.reasons(message="leave").count("carried by deployment") == OTHERS
    assert large.changes() == []


def test_a_broken_image_is_left_as_in_a_small_cluster(large: Region, log: Log) -> None:
    large.push("2", behaviour=Behaviour(exits_after_seconds=1, exit_code=1))
    large.wait(10)
    large.redeploy()
    large.wait(LATER_SECONDS)
    large.redeploy()
    assert updated(large) == ["app"]
    assert "this image failed" in log.reasons(ecs_service="app", message="leave")


def test_services_that_ask_for_nothing_make_no_cluster_large(region: Region) -> None:
    region.push("1")
    region.create_service("app")
    for number in range(OTHERS):
        region.create_service(f"unresponsive-{number}", redeploy=None)
    region.wait(LATER_SECONDS)
    region.redeploy()
    assert {call.get("serviceName") for call in region.calls("ListTasks")} == {"app"}


def test_a_push_of_a_tag_that_aws_shows_as_a_digest_is_not_missed(
    large: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether DescribeTasks shows the tag of a definition, or what it resolved, is not documented."""
    shown = ecs._task

    def by_digest(task: dict[str, object]) -> object:
        containers = [
            {**each, "image": f"{each['image'].rpartition(':')[0]}@{each['imageDigest']}"}
            for each in task["containers"]  # type: ignore[attr-defined]
        ]
        return shown({**task, "containers": containers})

    monkeypatch.setattr(ecs, "_task", by_digest)
    large.redeploy(large.push("2"))
    assert updated(large) == ["app"]
    large.wait(LATER_SECONDS)
    large.push("3")
    large.wait(10)
    large.redeploy()
    assert updated(large) == ["app", "app"]


def tags_with_digests(region: Region, *, but_first: bool = False) -> None:
    """DescribeTasks shows REPOSITORY:TAG@DIGEST once a deployment has resolved it (amazon-ecs-agent 4226)."""

    def show(answer: dict[str, Any]) -> None:
        for number, task in enumerate(answer["tasks"]):
            for each in task["containers"]:
                if "imageDigest" in each and not (but_first and number == 0):
                    each["image"] = f"{each['image']}@{each['imageDigest']}"

    region.rewrites["DescribeTasks"] = show


@pytest.mark.parametrize("by_push", [True, False], ids=["push", "schedule"])
@pytest.mark.parametrize("but_first", [True, False], ids=["all-but-the-first-task", "all-tasks"])
def test_a_digest_behind_the_tag_costs_no_call(
    region: Region,
    but_first: bool,  # noqa: FBT001
    by_push: bool,  # noqa: FBT001
) -> None:
    region.push("1")
    region.push("other", repository="other")
    region.create_service("app", desired=3)
    for number in range(60):
        region.create_service(f"other-{number}", ["other:latest"])
    region.wait(LATER_SECONDS)
    push = region.push("2")
    region.wait(10)

    def calls_of_a_run() -> list[str]:
        region.wire.calls.clear()
        region.redeploy(push if by_push else None, DRY_RUN="true")
        return [call.operation for call in region.wire.calls]

    calls_of_a_run()  # what a warm function has read stays
    usual = calls_of_a_run()
    tags_with_digests(region, but_first=but_first)
    assert calls_of_a_run() == usual
    region.redeploy(push if by_push else None)
    assert updated(region) == ["app"]


@pytest.mark.parametrize("reading", ["by-push", "by-schedule"])
def test_a_service_whose_tasks_are_of_other_deployments_is_looked_at(large: Region, reading: str) -> None:
    """The tasks of its newest deployment do not run yet: what runs says nothing of what shall."""
    large.push("1", tag="v2", behaviour=Behaviour(start_seconds=None))
    large.update_service(forceNewDeployment=True)
    large.wait(5)
    push = large.push("2")
    large.wait(10)
    large.redeploy(push if reading == "by-push" else None)
    assert updated(large) == ["app"]


def test_on_the_schedule_a_service_without_a_task_of_its_revision_is_looked_at(large: Region) -> None:
    large.push("1", tag="v2", behaviour=Behaviour(start_seconds=None))
    large.update_service(taskDefinition=large.register("app", ["app:v2"]))
    large.wait(10)
    large.redeploy()
    assert [call["service"] for call in large.calls("ListServiceDeployments")] == ["app"]


def test_on_the_schedule_a_service_without_any_task_is_looked_at(large: Region) -> None:
    large.scale(0)
    large.wait(LATER_SECONDS)
    large.redeploy()
    assert [call["service"] for call in large.calls("ListServiceDeployments")] == ["app"]


def test_a_service_that_was_never_completed_is_looked_at(large: Region, log: Log) -> None:
    """ECS tells no rolloutState of it, or no time: nobody knows whether there is something to tell."""

    def forget(answer: dict[str, Any]) -> None:
        for service in answer["services"]:
            for deployment in service["deployments"]:
                del deployment["updatedAt"]

    large.rewrites["DescribeServices"] = forget
    large.redeploy()
    assert len(large.calls("ListServiceDeployments")) == OTHERS + 1
    assert log.messages(message="leave") == ["leave"] * (OTHERS + 1)


@pytest.mark.parametrize(("seconds", "looks"), [(890, OTHERS + 1), (910, 0)])
def test_a_service_is_looked_at_for_as_long_as_its_outcome_may_be_told(
    region: Region, seconds: float, looks: int
) -> None:
    region.push("1")
    for number in range(OTHERS + 1):
        region.create_service(f"app-{number}")
    region.wait(300)
    completed_at = region.service("app-0")["deployments"][0]["updatedAt"].timestamp()
    region.wait(completed_at + seconds - region.now)
    region.redeploy()
    assert len(region.calls("ListServiceDeployments")) == looks


def test_a_container_that_aws_adds_to_each_task_changes_nothing(
    large: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GuardDuty's agent is in a task and not in its definition (tests/cases)."""
    shown = ecs._task
    agent = {"name": "aws-guardduty-agent", "image": "123.dkr.ecr.eu-west-1.amazonaws.com/agent:v1"}

    def guarded(task: dict[str, object]) -> object:
        return shown({**task, "containers": [*task["containers"], agent]})  # type: ignore[misc]

    monkeypatch.setattr(ecs, "_task", guarded)
    large.redeploy()
    assert large.calls("ListServiceDeployments") == []
    large.redeploy(large.push("2"))
    assert updated(large) == ["app"]
