"""RedeployService as a whole: each test is a promise to the people who push."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redeploy_service.app
from botocore.exceptions import ClientError

from lab.ecs.virtual.fake_runtime import Behaviour
from pushlive import aws
from pushlive.cloudformation import NotYetError
from pushlive.config import ConfigError
from pushlive.events import EventError
from trials.in_memory.region import CLUSTER_ARN, LOG_GROUP, REGISTRY, TOPIC_ARN
from trials.in_memory.wire import Fault

if TYPE_CHECKING:
    from tests.functions.conftest import CloudFormation, Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

ATTEMPTS = aws.CONFIG.retries["max_attempts"] + 1  # type: ignore[attr-defined]
CRASHES = Behaviour(exits_after_seconds=1, exit_code=1)


def digest(push: Json) -> str:
    return str(push["detail"]["image-digest"])


def fail(region: Region, operation: str, code: str, *, times: int = 100, containing: str = "") -> None:
    region.wire.faults.append(Fault(operation, code, times, containing))


def running(region: Region, name: str = "app", **settings: Any) -> Region:
    """The service runs its image's first push."""
    region.push("1")
    region.run_service(name, **settings)
    return region


# One push, one deployment


def test_a_push_is_deployed(region: Region, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    running(region)
    push = region.push("2")
    region.redeploy(push)
    [call] = region.calls("UpdateService")
    assert call == {"cluster": CLUSTER_ARN, "service": "app", "forceNewDeployment": True}
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    [line] = log.lines(event_id=push["id"])
    assert (line["message"], line["ecs_service"], line["digest"]) == ("deploy", "app", digest(push))
    assert line["reason"] == f"{REGISTRY}/app:latest now names {digest(push)}"
    [metric] = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert metric["DeploymentsStarted"] == [1.0]
    assert metric["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "pushlive"


def test_the_same_event_twice_is_one_deployment(region: Region, log: Log) -> None:
    running(region)
    push = region.push("2")
    region.redeploy(push)
    region.redeploy(push)
    region.wait(300)
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert log.messages(ecs_service="app") == ["deploy", "leave", "leave"]


def test_a_deployment_that_is_left_prints_no_metric(
    region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region)
    region.redeploy()  # tells that the first deployment is live
    capsys.readouterr()
    region.redeploy()
    assert capsys.readouterr().out == ""


def test_the_schedule_right_after_the_event_does_not_deploy_again(region: Region) -> None:
    running(region)
    region.redeploy(region.push("2"))
    region.redeploy()
    assert region.changes() == ["UpdateService"]


def test_three_tags_of_one_image_are_one_deployment(region: Region, log: Log) -> None:
    running(region)
    for tag in ("v2", "stable", "latest"):
        region.redeploy(region.push("2", tag=tag))
    region.wait(300)
    region.redeploy()
    assert region.changes() == ["UpdateService"]
    assert log.reasons(ecs_service="app").splitlines()[:2] == ["uses another image"] * 2


def test_the_children_of_an_index_deploy_nothing_and_its_tag_deploys_once(region: Region, log: Log) -> None:
    running(region)
    child = region.ecr_event(repository="app", tag="", digest="sha256:" + "c" * 64)
    without_key = region.ecr_event(repository="app", tag="", digest="sha256:" + "d" * 64)
    del without_key["detail"]["image-tag"]
    index = region.push("2", children=[digest(child), digest(without_key)])
    for event in (child, without_key, index):
        region.redeploy(event)
    assert region.changes() == ["UpdateService"]
    assert log.messages() == ["ignored", "ignored", "deploy"]
    assert "untagged manifest" in log.reasons(message="ignored")


def test_two_pushes_in_one_second_end_with_the_second_one(region: Region) -> None:
    running(region)
    first = region.push("2")
    region.wait(0.4)
    second = region.push("3")
    region.redeploy(first)
    region.redeploy(second)
    region.redeploy()
    region.wait(300)
    assert region.running_digests() == {digest(second)}
    assert region.changes() == ["UpdateService"]


def test_a_push_in_the_second_of_another_deployment_is_carried_by_it(region: Region) -> None:
    running(region)
    region.wait(0.2)
    region.update_service(forceNewDeployment=True)
    region.wait(0.2)
    push = region.push("2")
    region.redeploy(push)
    region.wait(300)
    region.redeploy()
    assert region.changes() == []
    assert region.running_digests() == {digest(push)}


def test_a_push_is_deployed_at_once(region: Region) -> None:
    running(region)
    push = region.push("2")
    pushed_at = region.datetime()
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert region.datetime() == pushed_at


def test_two_runs_at_the_same_time_end_in_the_same_state(region: Region) -> None:
    running(region)
    push = region.push("2")
    region.before("CreateLogStream", lambda: region.redeploy(push))
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    region.redeploy(push)
    region.redeploy()
    assert region.changes() == ["UpdateService"]


def test_events_in_the_wrong_order_end_with_the_newest_image(region: Region) -> None:
    running(region)
    first = region.push("2")
    region.wait(3)
    second = region.push("3")
    region.redeploy(second)
    region.redeploy(first)
    region.wait(300)
    assert region.running_digests() == {digest(second)}
    assert region.changes() == ["UpdateService"]


def test_a_run_that_something_else_woke_at_the_same_moment_leaves_the_push_to_its_event(
    region: Region, log: Log
) -> None:
    running(region)
    push = region.push("2")
    region.redeploy(region.deployment_event())
    region.redeploy()
    assert region.changes() == []
    assert "its own event is on its way" in log.reasons(ecs_service="app")
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]


# A lost event


def test_a_lost_push_is_deployed_by_the_schedule_once(region: Region) -> None:
    running(region)
    push = region.push("2")
    region.wait(200)
    for _ in range(20):
        region.redeploy()
        region.wait(300)
    assert region.changes() == ["UpdateService"]
    assert region.running_digests() == {digest(push)}


@pytest.mark.parametrize(
    ("seconds", "times"),
    [
        pytest.param(1, 1, id="deployed-after-its-second-once"),
        pytest.param(0.1, 2, id="deployed-within-its-second-once-more"),
    ],
)
def test_an_image_whose_digest_ecs_reports_otherwise_is_not_redeployed_for_ever(
    region: Region, seconds: float, times: int
) -> None:
    running(region)
    push = region.push("2", children=["sha256:" + "c" * 64])
    region.reported[digest(push)] = "sha256:" + "e" * 64
    region.wait(seconds)
    region.redeploy(push)
    for _ in range(20):
        region.wait(300)
        region.redeploy()
    assert region.changes() == ["UpdateService"] * times
    assert region.running_digests() == {"sha256:" + "e" * 64}


def test_an_index_that_ecs_reports_as_its_child_is_already_live(region: Region, log: Log) -> None:
    child = "sha256:" + "c" * 64
    region.reported[digest(region.push("1", children=[child]))] = child
    region.run_service()
    region.redeploy(region.push("1", children=[child]))
    assert region.changes() == []
    assert "already live" in log.reasons(ecs_service="app")


def test_the_same_image_pushed_again_is_already_live(region: Region, log: Log) -> None:
    running(region)
    region.redeploy(region.push("1"))
    assert region.changes() == []
    assert "already live" in log.reasons(ecs_service="app")


def test_tasks_that_the_newest_deployment_replaces_do_not_make_it_deployed_again(region: Region) -> None:
    """Here ECS records no digest for the deployment: only its own tasks tell what it runs."""
    running(region, versionConsistency="disabled")
    region.redeploy(region.push("2"))
    region.wait_until(lambda: len(region.tasks()) == 2)
    region.redeploy(region.push("2"))
    assert len(region.running_digests()) == 2
    assert region.changes() == ["UpdateService"]


def test_an_older_image_tagged_again_is_deployed_once(region: Region) -> None:
    running(region)
    region.redeploy(region.push("2"))
    region.wait(300)
    back = region.push("1")
    region.redeploy(back)
    region.redeploy(back)
    region.wait(300)
    region.redeploy()
    assert region.running_digests() == {digest(back)}
    assert region.changes() == ["UpdateService", "UpdateService"]


# Exactly the services that run the image


def test_a_push_deploys_neither_longer_nor_shorter_names_nor_other_tags(region: Region) -> None:
    for repository in ("app", "app-worker", "team/app"):
        region.push("1", repository)
    region.push("1", "app", "v2")
    for name, image in {
        "app": "app:latest",
        "app-untagged": "app",
        "app-worker": "app-worker:latest",
        "team-app": "team/app:latest",
        "app-v2": "app:v2",
        "app-by-digest": f"app@{digest(region.push('1'))}",
        "app-elsewhere": "999999999999.dkr.ecr.eu-west-1.amazonaws.com/app:latest",
    }.items():
        region.create_service(name, [image])
    region.wait(300)
    region.redeploy(region.push("2"))
    assert [call["service"] for call in region.calls("UpdateService")] == ["app", "app-untagged"]
    region.wire.calls.clear()
    region.redeploy(region.push("2", "app-worker"))
    assert [call["service"] for call in region.calls("UpdateService")] == ["app-worker"]


def test_an_image_named_by_digest_is_neither_deployed_nor_waited_for(region: Region, log: Log) -> None:
    region.create_service("app", [f"app@{digest(region.push('1'))}"])
    region.redeploy()
    assert region.changes() == []
    assert "no image of its task definition is a tag in this registry" in log.reasons(ecs_service="app")


def test_a_push_to_a_repository_that_nobody_runs_is_no_error(region: Region, log: Log) -> None:
    running(region)
    region.redeploy(region.push("1", "other"))
    assert region.changes() == []
    assert log.reasons(ecs_service="app") == "uses another image"


def test_a_deleted_image_deploys_nothing(region: Region, log: Log) -> None:
    running(region)
    event = region.ecr_event(repository="app", tag="latest", digest="sha256:" + "a" * 64, action="DELETE")
    region.redeploy(event)
    assert region.wire.calls == []
    assert "DELETE SUCCESS deploys nothing" in log.reasons(message="ignored")


def test_a_failed_push_deploys_nothing(region: Region, log: Log) -> None:
    running(region)
    push = region.push("2")
    push["detail"]["result"] = "FAILURE"
    region.redeploy(push)
    assert region.changes() == []
    assert log.messages() == ["ignored"]


def test_a_push_of_a_sidecar_deploys_its_service(region: Region) -> None:
    region.push("1", "side", "3")
    running(region, images=["app:latest", "side:3", "nginx.example/nginx:1"])
    region.redeploy(region.push("2", "side", "3"))
    assert region.changes() == ["UpdateService"]


def test_the_task_definition_in_use_decides_not_the_highest_or_last_by_name(region: Region) -> None:
    """meroku sorts ARNs as strings and so picks :9 over :12."""
    region.push("1")
    region.push("1", "old")
    for _ in range(9):
        region.register("app", ["old:latest"])
    region.run_service()  # revision 10
    region.redeploy(region.push("2", "old"))
    assert region.changes() == []
    region.redeploy(region.push("2"))
    assert region.changes() == ["UpdateService"]
    assert "taskDefinition" not in region.calls("UpdateService")[0]
    assert region.service()["taskDefinition"].endswith(":10")


def test_more_services_than_one_call_describes_are_all_deployed(region: Region) -> None:
    region.push("1")
    names = [f"app-{number:03}" for number in range(23)]
    for name in names:
        region.create_service(name)
    region.wait(300)
    region.redeploy(region.push("2"))
    assert [call["service"] for call in region.calls("UpdateService")] == names
    assert [len(call["services"]) for call in region.calls("DescribeServices")] == [10, 10, 3]


def test_more_services_than_one_page_lists_are_all_looked_at(region: Region) -> None:
    region.push("1")
    for number in range(104):
        region.create_service(f"other-{number:03}", desired=0, redeploy=None)
    region.run_service("app")
    region.redeploy(region.push("2"))
    assert [call["service"] for call in region.calls("UpdateService")] == ["app"]
    assert len(region.calls("ListServices")) == 2
    assert sum(len(call["services"]) for call in region.calls("DescribeServices")) == 105


def test_one_failing_service_does_not_stop_the_rest_and_lambda_runs_the_event_again(
    region: Region, log: Log
) -> None:
    region.push("1")
    for name in ("a", "b", "c"):
        region.create_service(name)
    region.wait(300)
    push = region.push("2")
    fail(region, "UpdateService", "ServerException", times=1, containing="'service': 'b'")
    with pytest.raises(ExceptionGroup, match="1 services could not be served") as raised:
        region.redeploy(push)
    assert isinstance(raised.value.exceptions[0], ClientError)
    assert [line["ecs_service"] for line in log.lines(message="failed")] == ["b"]
    assert "ServerException" in log.lines(message="failed")[0]["exception"]
    region.wire.calls.clear()
    region.wait(120)
    region.redeploy(push)
    assert [call["service"] for call in region.calls("UpdateService")] == ["b"]


def test_a_wrong_tag_of_one_service_is_named_and_the_rest_is_deployed(region: Region, log: Log) -> None:
    region.push("1")
    region.create_service("a", count="many")
    region.create_service("b")
    region.wait(300)
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy(region.push("2"))
    [error] = raised.value.exceptions
    assert isinstance(error, ConfigError)
    assert str(error).startswith("The tag pushlive:desired-count of service a is 'many'")
    assert [call["service"] for call in region.calls("UpdateService")] == ["b"]
    assert log.messages(ecs_service="a") == ["failed"]


# Left alone


def test_a_service_that_is_not_tagged_is_not_even_asked_about(region: Region, log: Log) -> None:
    running(region, redeploy=None)
    region.redeploy(region.push("2"))
    assert {call.operation for call in region.wire.calls} == {"ListServices", "DescribeServices"}
    assert log.lines() == []


def test_a_paused_service_is_left_and_deployed_when_it_goes_on(region: Region, log: Log) -> None:
    running(region, redeploy="paused")
    push = region.push("2")
    region.redeploy(push)
    assert region.changes() == []
    assert "paused" in log.reasons(ecs_service="app")
    region.tag(redeploy="on-push")
    region.wait(5)
    region.redeploy()
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_a_service_scaled_to_0_is_left_and_deployed_after_it_is_scaled_up(region: Region, log: Log) -> None:
    running(region)
    region.scale(0)
    region.wait(100)
    push = region.push("2")
    region.redeploy(push)
    region.wait(5)
    region.redeploy()
    assert region.changes() == []
    assert log.reasons(message="leave").splitlines() == ["scaled to 0"] * 2
    region.scale(2)
    region.wait(100)
    region.redeploy()
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert region.service()["desiredCount"] == 2


def test_a_service_of_another_deployment_controller_is_left(region: Region, log: Log) -> None:
    region.push("1")
    region.ecs.create_service(
        cluster="lab",
        serviceName="app",
        desiredCount=1,
        deploymentController={"type": "EXTERNAL"},
        tags=[{"key": "pushlive:redeploy", "value": "on-push"}],
    )
    region.redeploy(region.push("2"))
    region.redeploy()
    assert region.changes() == []
    assert "controller EXTERNAL" in log.reasons(ecs_service="app")


def test_a_service_that_is_being_deleted_is_left(region: Region, log: Log) -> None:
    running(region)
    event = region.deployment_event()
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    region.push("2")
    region.redeploy(event)
    assert region.changes() == []
    assert "the service is DRAINING" in log.reasons(ecs_service="app")


def test_a_service_that_never_was_is_no_error(region: Region, log: Log) -> None:
    running(region)
    event = region.deployment_event()
    event["resources"] = [event["resources"][0] + "-2"]
    region.redeploy(event)
    assert log.reasons(ecs_service="app-2") == "the service is gone"


@pytest.mark.parametrize("code", ["ServiceNotActiveException", "ServiceNotFoundException"])
def test_a_service_deleted_between_the_look_and_the_deployment_is_no_error(
    region: Region, log: Log, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region)

    def delete() -> None:
        region.ecs.delete_service(cluster="lab", service="app", force=True)
        region.wait(200 if code == "ServiceNotActiveException" else 5000)

    region.before("UpdateService", delete)
    region.redeploy(region.push("2"))
    assert log.reasons(message="ignored", ecs_service="app") == "the service was deleted meanwhile"
    assert capsys.readouterr().out == ""


def test_an_event_of_another_cluster_is_ignored(region: Region, log: Log) -> None:
    running(region)
    event = region.deployment_event()
    event["resources"] = [event["resources"][0].replace("/lab/", "/other/")]
    region.redeploy(event)
    assert region.wire.calls == []
    assert "another cluster, other" in log.reasons(message="ignored")


def test_a_request_about_records_is_not_for_this_function(
    region: Region, log: Log, cloudformation: CloudFormation
) -> None:
    region.redeploy(cloudformation.request("Create", "app.example.com"))
    assert log.reasons(message="ignored") == "not for this function"
    assert cloudformation.answers == []


def test_a_damaged_event_is_an_error_that_names_the_key(region: Region) -> None:
    push = region.push("2")
    del push["detail"]["image-digest"]
    with pytest.raises(EventError, match="image-digest"):
        region.redeploy(push)


# The first push


def test_a_new_service_waits_at_0_and_the_first_push_starts_it_with_its_tags_count(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)
    region.redeploy(region.deployment_event())
    assert region.calls("UpdateService") == [
        {"cluster": CLUSTER_ARN, "service": "app", "forceNewDeployment": False, "desiredCount": 0}
    ]
    region.wait(1000)
    region.redeploy()
    assert region.service()["desiredCount"] == 0
    push = region.push("1")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert len(region.tasks()) == 2
    assert region.changes() == ["UpdateService", "UpdateService"]
    assert [line["message"] for line in log.lines() if line["message"] != "leave"] == [
        "scale to zero",
        "start",
    ]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [key for metric in metrics for key in metric if key.startswith("Deployments")] == [
        "DeploymentsStarted"
    ]


def test_what_others_publish_does_not_mean_that_a_service_ran(region: Region, log: Log) -> None:
    """ECS resolves the drain sidecar's image also while the app has none."""
    drain_sidecar = "public.ecr.aws/docker/library/busybox:1.37"
    region.create_service(images=["app:latest", drain_sidecar], count="2")
    region.wait(5)
    region.redeploy()
    assert log.messages(ecs_service="app") == ["scale to zero", "leave"]
    push = region.push("1")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert len(region.tasks()) == 2
    region.redeploy()
    assert "already live" in log.reasons(ecs_service="app")


def test_a_drain_sidecar_that_comes_later_does_not_make_a_service_new(region: Region, log: Log) -> None:
    running(region)
    region.scale(0)
    region.wait(300)
    region.update_service(taskDefinition=region.register("app", ["app:latest", "public.ecr.aws/x/busybox:1"]))
    region.wait(300)
    region.redeploy(region.push("2"))
    assert region.service()["desiredCount"] == 0
    assert "scaled to 0" in log.reasons(ecs_service="app")


def test_a_new_service_whose_repository_is_not_there_yet_waits_too(region: Region, log: Log) -> None:
    region.create_service()
    region.redeploy()
    assert region.service()["desiredCount"] == 0
    assert log.messages(ecs_service="app") == ["scale to zero", "leave"]


def test_a_lost_first_push_is_started_by_the_schedule(region: Region, log: Log) -> None:
    region.create_service(count="2")
    region.redeploy()
    region.wait(600)
    assert region.service()["desiredCount"] == 0, "else ECS finds the push by itself"
    push = region.push("1")
    region.wait(600)
    assert region.tasks() == []
    region.redeploy()
    assert [each for each in log.messages(ecs_service="app") if each != "leave"] == ["scale to zero", "start"]
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert len(region.tasks()) == 2


def test_a_new_service_is_held_when_its_first_start_has_failed(region: Region, log: Log) -> None:
    """Its deployment's own event was lost; after the third failed start ECS gives it up."""
    region.create_service()
    region.wait_until(lambda: bool(region.ecs.list_tasks(cluster="lab", desiredStatus="STOPPED")["taskArns"]))
    region.wait(60)
    region.redeploy(region.task_event("STOPPED"))
    assert log.messages(ecs_service="app")[0] == "scale to zero"
    region.wait(3600)
    assert [each["status"] for each in region.deployments()] == ["SUCCESSFUL"]


def test_a_push_between_the_look_and_the_hold_starts_the_service_once(region: Region, log: Log) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)
    pushes: list[Json] = []
    region.before("UpdateService", lambda: pushes.append(region.push("1")))
    region.redeploy(region.deployment_event())
    region.redeploy(pushes[0])
    region.redeploy(pushes[0])
    assert [each for each in log.messages(ecs_service="app") if each != "leave"] == ["scale to zero", "start"]
    region.wait(300)
    assert len(region.tasks()) == 2


def test_a_first_push_that_ecs_resolves_between_the_look_and_the_hold_is_started(region: Region) -> None:
    """The task that resolves it is stopped by the hold: the service must not stay at 0 for ever."""
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)
    pushes: list[Json] = []

    def push_and_pull() -> None:
        pushes.append(region.push("1"))
        region.wait_until(lambda: bool(region.tasks()))

    region.before("UpdateService", push_and_pull)
    region.redeploy(region.deployment_event())
    region.redeploy(pushes[0])
    region.wait(300)
    region.redeploy()
    region.wait(300)
    assert region.running_digests() == {digest(pushes[0])}


def test_a_service_made_with_count_0_is_started_by_its_first_push(region: Region) -> None:
    region.create_service(desired=0)
    region.wait(60)
    region.redeploy(region.push("1"))
    assert region.service()["desiredCount"] == 1


def test_a_running_service_whose_tag_is_deleted_goes_on_running(region: Region, log: Log) -> None:
    running(region)
    region.hands["ecr"].batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "latest"}])
    region.redeploy()
    assert region.changes() == []
    assert "names no image" in log.reasons(ecs_service="app")


def test_a_running_service_whose_container_gets_another_name_and_image_is_never_held_at_0(
    region: Region,
) -> None:
    """The new image is not pushed yet: the old tasks must go on serving until it is."""
    running(region, first="web")
    region.update_service(taskDefinition=region.register("app", ["app:v2"], first="app"))
    region.wait(5)
    region.redeploy(region.deployment_event())
    region.redeploy()
    region.wait(60)
    assert region.service()["desiredCount"] == 1
    assert len(region.tasks()) == 1


def test_a_service_scaled_to_0_whose_container_gets_another_name_is_not_started(region: Region) -> None:
    running(region, first="web")
    region.scale(0)
    region.wait(100)
    region.update_service(taskDefinition=region.register("app", ["app:latest"], first="app"))
    region.wait(100)
    region.redeploy(region.push("2"))
    assert region.service()["desiredCount"] == 0


# Failed images and rollbacks


def test_a_failed_image_is_not_deployed_again_by_the_schedule(region: Region, log: Log) -> None:
    running(region)
    good = region.running_digests()
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    for _ in range(5):
        region.redeploy()
        region.redeploy(region.deployment_event())
        region.wait(300)
    assert region.changes() == ["UpdateService"]
    assert region.running_digests() == good
    assert "push a new one" in log.reasons(ecs_service="app").splitlines()[-1]


def test_a_failed_image_pushed_again_is_left_and_the_next_one_is_deployed(region: Region) -> None:
    running(region)
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    region.redeploy(region.push("2"))
    assert region.changes() == ["UpdateService"]
    push = region.push("3")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_an_image_that_failed_without_a_rollback_is_not_deployed_again(region: Region) -> None:
    running(region, rollback=False)
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "STOPPED")
    for _ in range(5):
        region.redeploy()
        region.wait(300)
    assert region.changes() == ["UpdateService"]
    region.redeploy(region.push("3"))
    assert region.changes() == ["UpdateService", "UpdateService"]


def test_a_first_push_that_fails_waits_for_the_next_one(region: Region) -> None:
    region.create_service()
    region.redeploy()
    region.redeploy(region.push("1", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_FAILED")
    region.redeploy()
    assert len(region.changes()) == 2
    push = region.push("2")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_a_push_during_a_rollback_loses_nothing_and_is_deployed_after_it(region: Region, log: Log) -> None:
    running(region)
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    push = region.push("3")
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert "a rollback is in progress" in log.reasons(event_id=push["id"])
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_SUCCESSFUL")
    region.redeploy(region.deployment_event())
    assert region.changes() == ["UpdateService", "UpdateService"]
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_a_push_does_not_wait_for_a_rollback_to_the_same_broken_tag(region: Region, log: Log) -> None:
    """A service that was held has nothing else to go back to."""
    region.create_service()
    region.redeploy()
    region.wait(60)
    region.redeploy(region.push("1", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    region.redeploy()
    assert "this image failed" in log.reasons(ecs_service="app").splitlines()[-1]
    push = region.push("2")
    region.redeploy(push)
    assert log.messages(event_id=push["id"]) == ["deploy"]
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert region.deployments()[0]["status"] == "SUCCESSFUL"


def test_a_push_waits_for_a_rollback_only_until_it_is_overdue(region: Region, log: Log) -> None:
    """What ran before cannot be started any more: its image is gone."""
    running(region)
    [good] = region.running_digests()
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.behaviours[good] = CRASHES
    for task in region.tasks():
        region.ecs.stop_task(cluster="lab", task=task["taskArn"])
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    push = region.push("3")
    region.redeploy(push, OVERDUE_MINUTES="1")
    assert "a rollback is in progress" in log.reasons(event_id=push["id"])
    region.wait(61)
    region.redeploy(OVERDUE_MINUTES="1")
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_a_rollback_to_a_deployment_of_long_ago_is_waited_for(region: Region, log: Log) -> None:
    """The revision that it goes to is not among those of the twenty deployments that are read."""
    running(region)
    for number in range(25):
        region.push(f"bad {number}", behaviour=CRASHES)
        region.update_service(forceNewDeployment=True)
        region.wait(2)
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    push = region.push("good")
    region.redeploy(push)
    assert "a rollback is in progress" in log.reasons(event_id=push["id"])


@pytest.mark.parametrize("tag", ["latest", "v2"])
def test_without_digests_another_tag_is_a_way_back_and_the_same_is_none(
    region: Region, log: Log, tag: str
) -> None:
    """`versionConsistency: disabled`: a revision runs what its tag names whenever a task starts."""
    unresolved: Json = {"versionConsistency": "disabled"}
    running(region, **unresolved)
    region.push("2", tag=tag, behaviour=CRASHES)
    region.update_service(taskDefinition=region.register("app", [f"app:{tag}"], **unresolved))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    push = region.push("3")
    region.redeploy(push)
    waits = "a rollback is in progress" in log.reasons(event_id=push["id"])
    assert waits == (tag == "v2")


# The end of the stack

STOPS_SLOWLY = Behaviour(on_sigterm_seconds=100)


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_stack_that_is_made_or_updated_waits_for_nothing(
    region: Region, cloudformation: CloudFormation, request_type: str
) -> None:
    running(region)
    region.redeploy(cloudformation.request_about_tasks(request_type))
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert cloudformation.answer["PhysicalResourceId"] == "TasksGone"


def test_a_stack_that_goes_waits_until_the_last_task_has_ended(
    region: Region, cloudformation: CloudFormation
) -> None:
    """Lambda runs the request three times; of a service that is INACTIVE the tasks may be stopping still."""
    region.push("1", behaviour=STOPS_SLOWLY)
    region.run_service(stopTimeout=120)
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    region.wait_until(lambda: region.service()["status"] == "INACTIVE")
    request = cloudformation.request_about_tasks("Delete")
    with pytest.raises(NotYetError, match="1 tasks are still stopping"):
        region.redeploy(request)
    assert cloudformation.answers == []
    region.wait(60)
    region.redeploy(request)
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert region.ecs.delete_cluster(cluster="lab")["cluster"]["status"] == "INACTIVE"


def test_a_task_that_the_stack_did_not_start_is_named(region: Region, cloudformation: CloudFormation) -> None:
    region.push("1")
    network = {"awsvpcConfiguration": {"subnets": [region.subnet_id], "assignPublicIp": "ENABLED"}}
    definition = region.register("migrate", ["app:latest"])
    started = region.ecs.run_task(cluster="lab", taskDefinition=definition, networkConfiguration=network)
    region.redeploy(cloudformation.request_about_tasks("Delete"))
    assert cloudformation.answer["Status"] == "FAILED"
    assert f"stop {started['tasks'][0]['taskArn']} (aws ecs stop-task)" in cloudformation.answer["Reason"]


def test_a_cluster_that_is_gone_has_no_task(region: Region, cloudformation: CloudFormation) -> None:
    fail(region, "ListTasks", "ClusterNotFoundException")
    region.redeploy(cloudformation.request_about_tasks("Delete"))
    assert cloudformation.answer["Status"] == "SUCCESS"


def test_a_wait_that_fails_is_answered_with_its_reason(
    region: Region, cloudformation: CloudFormation
) -> None:
    fail(region, "ListTasks", "AccessDeniedException")
    region.redeploy(cloudformation.request_about_tasks("Delete"))
    assert cloudformation.answer["Status"] == "FAILED"
    assert "AccessDeniedException" in cloudformation.answer["Reason"]


# Errors of AWS


def test_a_throttled_call_is_tried_again(region: Region) -> None:
    running(region)
    fail(region, "UpdateService", "ThrottlingException", times=2)
    fail(region, "DescribeImages", "ThrottlingException", times=1)
    region.redeploy(region.push("2"))
    assert region.changes() == ["UpdateService"]
    assert (region.wire.attempts["UpdateService"], region.wire.attempts["DescribeImages"]) == (3, 2)


def test_a_call_throttled_again_and_again_is_raised(region: Region) -> None:
    running(region)
    fail(region, "UpdateService", "ThrottlingException")
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy(region.push("2"))
    [error] = raised.value.exceptions
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "ThrottlingException"
    assert region.wire.attempts["UpdateService"] == ATTEMPTS


@pytest.mark.parametrize(
    "operation", ["DescribeTaskDefinition", "DescribeImages", "ListServiceDeployments", "UpdateService"]
)
def test_a_permission_that_is_missing_is_raised(region: Region, operation: str) -> None:
    running(region)
    fail(region, operation, "AccessDeniedException")
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy(region.push("2"))
    [error] = raised.value.exceptions
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == "AccessDeniedException"


@pytest.mark.parametrize("operation", ["ListServices", "DescribeServices"])
def test_services_that_cannot_be_listed_are_raised(region: Region, operation: str) -> None:
    running(region)
    fail(region, operation, "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        region.redeploy(region.push("2"))


# Settings


def test_a_dry_run_decides_and_changes_nothing(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region)
    region.create_service("new", ["new:latest"])
    region.redeploy(region.push("2"), DRY_RUN="true")
    region.wait(5)
    region.redeploy(DRY_RUN="true")
    assert region.changes() == []
    assert log.messages(ecs_service="app") == ["deploy", "deploy"]
    assert log.messages(ecs_service="new") == ["leave", "scale to zero"]
    assert {line["dry_run"] for line in log.lines()} == {True}
    assert capsys.readouterr().out == ""


SETTINGS = {
    "CLUSTER_ARN": CLUSTER_ARN,
    "REGISTRY": REGISTRY,
    "LEASES_LOG_GROUP": LOG_GROUP,
    "TOPIC_ARN": TOPIC_ARN,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, region: Region, name: str) -> None:
    for key, value in SETTINGS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match=name):
        redeploy_service.app.handler(region.schedule(), None)  # type: ignore[arg-type]


def test_the_handler_serves_an_event_with_lambdas_settings(
    monkeypatch: pytest.MonkeyPatch, region: Region
) -> None:
    running(region)
    for key, value in SETTINGS.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("pushlive.aws.client", region.wire.client)
    region.push("2")
    with region.wire.recorded("RedeployService"):
        redeploy_service.app.handler(region.schedule(), None)  # type: ignore[arg-type]
    assert region.changes() == ["UpdateService"]
