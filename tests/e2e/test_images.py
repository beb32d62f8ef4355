"""Images that misbehave: what the service, the record and the log show, and what a visitor sees."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from lab.user.deployed_stack import HOST_NAME
from lab.waiting import until
from pushlive.stopped_tasks import LOOPBACK_REASON
from trials.load import mix
from trials.load.answers import Answers
from trials.load.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import Typed
    from trials.picture.recording import Request

PORT = 8080
IMAGES = "tests/e2e/images"
REQUESTS_PER_SECOND = 20


@pytest.fixture
def good(live: Typed, request: pytest.FixtureRequest) -> Typed:
    """hello_app runs when the test begins, whatever the test before has left."""
    if not says_hello(live):
        live.deploys(f"before-{request.node.name.removeprefix('test_')}")
    until(lambda: live.is_steady(1), "the end of the last deployment")
    return live


@pytest.fixture
def watch(good: Typed) -> Iterator[Timeline]:
    """Somebody with a stopwatch, from the good image on."""
    with Timeline(good.lab, good.outputs["ClusterName"], PORT) as watching:
        until(lambda: watching.records(HOST_NAME), "the record")
        yield watching


@pytest.fixture
def visits(good: Typed) -> Iterator[list[Request]]:
    """What visitors meet, from the good image on."""
    door = mix.Door(HOST_NAME, PORT)
    load = mix.load(good.lab.dns, [door], requests_per_second=REQUESTS_PER_SECOND, speed=good.lab.speed)
    with Answers(load) as answers:
        found = answers.requests[HOST_NAME]
        until(lambda: found, "the visitors' first page")
        yield found


def push(live: Typed, program: str, version: str = "") -> None:
    arguments = f"--build-arg PROGRAM={program} --build-arg VERSION={version or program}"
    live.types(f"docker build {arguments} -t {live.uri} {IMAGES} && {live.outputs['Step3Push']}")


def failed(visits: list[Request]) -> list[Request]:
    return [each for each in visits if each.failure]


def answering_since(live: Typed, watch: Timeline) -> dict[str, float]:
    tasks = watch.tasks(live.outputs["ServiceName"])
    return {task.address: task.answering_at for task in tasks if task.answering_at}


def newest_record(watch: Timeline) -> frozenset[str]:
    return frozenset(watch.records(HOST_NAME)[-1].addresses)


def test_an_image_that_exits_at_once_is_rolled_back_and_never_tried_again(
    good: Typed, watch: Timeline, visits: list[Request]
) -> None:
    good_digest = running_digest(good)
    push(good, "exits_at_once")
    until(lambda: rolled_back(good), "the rollback")
    until(lambda: good.is_steady(1), "the end of the rollback")
    # the service
    assert running_digest(good) == good_digest
    ended = [c for c in good.stopped() if c.get("exitCode") == 1]
    assert len(ended) >= 3, "the circuit breaker's threshold"
    # Here the app's container holds the task's network, and its drain sidecar may come too late to join it.
    whys = ("Essential container in task exited", "CannotStartContainerError")
    assert all(str(c["stoppedReason"]).startswith(whys) for c in ended), ended
    # the log
    assert "DATABASE_URL is not set" in good.log_lines()
    count = len(good.deployments())
    assert "this image failed" in good.run_schedule("RedeployService")
    assert len(good.deployments()) == count
    # the record, the visitor
    until(lambda: newest_record(watch) <= live_addresses(good), "the record to hold live tasks only")
    assert failed(visits) == []


def test_an_image_that_listens_late_is_published_when_it_listens(
    good: Typed, watch: Timeline, visits: list[Request]
) -> None:
    before = newest_record(watch)
    push(good, "listens_late")
    until(lambda: visits[-1].version == "listens_late", "the new page")
    until(lambda: good.is_steady(1), "the deployment's end")
    [new] = newest_record(watch) - before
    held_at, answered_at = watch.record_held(HOST_NAME, new), answering_since(good, watch)[new]
    assert held_at is not None
    assert held_at >= answered_at, "the record held an address that did not answer yet"
    assert "warming up" in good.log_lines()
    assert failed(visits) == []


def test_an_image_that_never_listens_is_rolled_back_and_no_visitor_notices(
    good: Typed, visits: list[Request]
) -> None:
    good_digest = running_digest(good)
    push(good, "never_listens")
    until(lambda: rolled_back(good), "the rollback", seconds=180)  # three times 330 s of AWS's
    until(lambda: good.is_steady(1), "the end of the rollback")
    assert running_digest(good) == good_digest
    reasons = {str(container["stoppedReason"]) for container in good.stopped()}
    assert any("failed container health checks" in reason for reason in reasons), reasons
    assert "running, but not listening" in good.log_lines()
    assert "this image failed" in good.run_schedule("RedeployService")
    assert failed(visits) == []


def test_an_image_that_listens_on_loopback_only_is_rolled_back_with_that_reason_and_no_visitor_notices(
    good: Typed, watch: Timeline, visits: list[Request]
) -> None:
    good_digest, began = running_digest(good), time.time()
    push(good, "listens_on_loopback")
    until(lambda: rolled_back(good), "the rollback")
    until(lambda: good.is_steady(1), "the end of the rollback")
    assert running_digest(good) == good_digest
    until(
        lambda: any(line.get("stopped_reason") == LOOPBACK_REASON for line in good.log_of("RedeployService")),
        "the message",
    )
    assert "this image failed" in good.run_schedule("RedeployService")
    answered = set(answering_since(good, watch))
    since = [each for each in watch.records(HOST_NAME) if each.at >= began]
    assert all(set(each.addresses) <= answered for each in since)
    assert failed(visits) == []


def test_an_image_that_ignores_sigterm_is_killed_after_the_stop_timeout(
    good: Typed, visits: list[Request]
) -> None:
    push(good, "ignores_sigterm")
    good.is_live("ignores_sigterm")
    good.deploys("after-ignores-sigterm")
    until(lambda: good.stopped()[-1].get("exitCode") == 137, "the exit code of SIGKILL")
    assert failed(visits) == [], "it served until its end, and the record had long moved on"


def test_an_image_that_dies_on_sigterm_at_once_is_replaced_and_no_visitor_notices(
    good: Typed, watch: Timeline, visits: list[Request]
) -> None:
    push(good, "dies_on_sigterm")
    good.is_live("dies_on_sigterm")
    [old] = newest_record(watch)
    good.deploys("after-dies-on-sigterm")
    until(lambda: good.stopped()[-1].get("exitCode") == 143, "the exit code of its own end")
    assert old not in newest_record(watch)
    until(lambda: visits[-1].version == "after-dies-on-sigterm", "the visitor to follow")
    assert failed(visits) == []


def test_an_image_whose_tag_is_deleted_after_the_push_goes_on_running(
    good: Typed, visits: list[Request]
) -> None:
    count, (_, repository) = len(good.deployments()), good.repository
    ecr = good.lab.client("ecr")
    ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "latest"}])
    assert "names no image" in good.run_schedule("RedeployService")
    assert "already right" in good.run_schedule("UpdateRecord")
    assert len(good.deployments()) == count
    assert good.service()["desiredCount"] == good.service()["runningCount"] == 1
    assert failed(visits) == []
    good.deploys("after-the-deletion")
    until(lambda: visits[-1].version == "after-the-deletion", "the visitor to follow")


def says_hello(live: Typed) -> bool:
    try:
        return live.page().startswith("Hello, World!")
    except OSError:
        return False


def live_addresses(live: Typed) -> set[str]:
    return {i.public_ip for i in live.lab.ecs.interfaces().values() if i.public_ip}


def rolled_back(live: Typed) -> bool:
    newest = max(live.deployments(), key=lambda deployment: deployment["createdAt"])
    return bool(newest["status"] == "ROLLBACK_SUCCESSFUL")


def running_digest(live: Typed) -> str:
    cluster, service = live.outputs["ClusterName"], live.outputs["ServiceName"]
    [arn] = live.ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    [task] = live.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    return str(task["containers"][0]["imageDigest"])
