"""At most one deployment per push, whatever runs at the same time, fails or is ended half-way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from pushlive import leases
from pushlive.leases import RUN_SECONDS, SLACK_SECONDS
from trials.in_memory.region import LOG_GROUP
from trials.in_memory.wire import LOST, Fault

if TYPE_CHECKING:
    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

OVER_SECONDS = RUN_SECONDS + SLACK_SECONDS


class EndedByLambdaError(BaseException):
    """The run is over at this line: no `except` of the function's sees it."""


def digest(push: Json) -> str:
    return str(push["detail"]["image-digest"])


def running(region: Region, name: str = "app", **settings: Any) -> Region:
    """The service runs its image's first push."""
    region.push("1")
    region.run_service(name, **settings)
    return region


def end_the_run(region: Region, event: Json, before: str = "UpdateService") -> None:
    """A run that Lambda ends just before its call of an operation."""

    def end() -> None:
        raise EndedByLambdaError

    region.before(before, end)
    with pytest.raises(EndedByLambdaError):
        region.redeploy(event)


def fail(region: Region, code: str, *, operation: str = "UpdateService", carried_out: bool = False) -> None:
    region.wire.faults.append(Fault(operation, code, 1, "", carried_out))


def redeploy_in_vain(region: Region, event: Json) -> Exception:
    """A run that fails for one service; its error."""
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy(event)
    [error] = raised.value.exceptions
    return error


# Two runs at the same time

EVERY_CALL = [
    "ListServices", "DescribeServices", "DescribeTaskDefinition", "DescribeImages", "ListServiceDeployments",
    "DescribeServiceDeployments", "DescribeServiceRevisions", "ListTasks", "DescribeTasks", "CreateLogStream",
    "UpdateService",
]  # fmt: skip


@pytest.mark.parametrize("operation", EVERY_CALL)
def test_a_second_copy_at_any_moment_of_the_first_is_no_second_deployment(
    region: Region, log: Log, operation: str
) -> None:
    running(region)
    push = region.push("2")
    region.before(operation, lambda: region.redeploy(push))
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert sorted(log.messages(ecs_service="app")) == ["deploy", "leave"]
    region.wait(300)
    assert region.running_digests() == {digest(push)}


@pytest.mark.parametrize("operation", EVERY_CALL)
def test_the_schedule_at_any_moment_of_a_late_event_is_no_second_deployment(
    region: Region, operation: str
) -> None:
    """The event comes after more than the five seconds that the push is its own."""
    running(region)
    push = region.push("2")
    region.wait(6)
    region.before(operation, region.redeploy)
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]


@pytest.mark.parametrize("seconds", [1, 2])
def test_a_schedule_that_knows_the_push_by_an_earlier_second_is_no_second_deployment(
    region: Region, seconds: int
) -> None:
    """ECR's imagePushedAt and the event's time may differ: the lease has neither."""
    running(region)
    push = region.push("2")
    region.wait(seconds)
    push["time"] = region.schedule()["time"]
    region.wait(6)
    region.before("CreateLogStream", region.redeploy)
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]


@pytest.mark.parametrize(
    "operation",
    [*EVERY_CALL[:6], "ListTasks", "CreateLogStream", "UpdateService"],  # no digests yet, and no tasks
)
def test_a_second_copy_of_the_first_push_does_not_start_the_service_twice(
    region: Region, operation: str
) -> None:
    region.create_service(count="2")
    region.redeploy()
    region.wire.calls.clear()
    push = region.push("1")
    region.before(operation, lambda: region.redeploy(push))
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    region.wait(300)
    assert len(region.tasks()) == 2


def test_a_push_that_started_the_service_right_after_its_hold_is_not_started_again(
    region: Region, log: Log
) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)

    def push_between_look_and_hold() -> None:
        push = region.push("1")
        region.before("ListServiceDeployments", lambda: region.redeploy(push))  # of the look after the hold

    region.before("UpdateService", push_between_look_and_hold)
    region.redeploy(region.deployment_event())
    assert log.messages(ecs_service="app") == ["scale to zero", "leave", "start"], "by the run that holds it"
    assert len(region.calls("UpdateService")) == 2
    region.wait(300)
    assert len(region.tasks()) == 2


@pytest.mark.parametrize("operation", ["ListServiceDeployments", "ListTasks", "CreateLogStream"])
def test_a_slow_hold_does_not_stop_what_the_first_push_has_started(
    region: Region, log: Log, operation: str
) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)

    def push_and_start() -> None:
        region.redeploy()  # another run holds it
        region.redeploy(region.push("1"))  # and its first push starts it

    region.before(operation, push_and_start)
    region.redeploy(region.deployment_event())
    assert log.messages(ecs_service="app") == ["scale to zero", "leave", "start", "leave"]
    region.wait(300)
    assert len(region.tasks()) == 2


def test_a_start_that_follows_a_change_by_hand_is_seen_by_a_slow_run(region: Region) -> None:
    """Between its looks at the deployments and at the desired count somebody changes and a run starts it."""
    region.create_service(count="2")
    region.redeploy()
    region.wire.calls.clear()
    push = region.push("1")

    def change_and_start() -> None:
        region.update_service(forceNewDeployment=True)
        region.wait(2)
        region.redeploy(push)

    region.before("ListTasks", change_and_start)
    region.redeploy(push)
    assert len(region.calls("UpdateService")) == 1


def test_a_hold_gives_its_lease_back(region: Region, log: Log) -> None:
    region.create_service(count="2")
    region.redeploy()
    assert region.leases() == []
    region.redeploy(region.push("1"))
    assert log.messages(ecs_service="app") == ["scale to zero", "leave", "start"]


def test_many_copies_at_once_are_one_deployment(region: Region) -> None:
    running(region)
    push = region.push("2")

    def another(left: int) -> None:
        if left:
            region.before("CreateLogStream", lambda: another(left - 1))
        region.redeploy(push)

    another(8)
    assert len(region.calls("CreateLogStream")) == 9
    assert region.changes() == ["UpdateService"]


def test_the_run_that_leaves_names_the_lease(region: Region, log: Log) -> None:
    running(region)
    push = region.push("2")
    follows = region.deployments()[0]["serviceDeploymentArn"].rpartition("/")[2]
    region.before("UpdateService", lambda: region.redeploy(push))
    region.redeploy(push)
    lease = f"leases/app/{follows}/{digest(push).removeprefix('sha256:')[:12]}"
    assert f"another run is at work on it: {lease}" in log.reasons(message="leave")
    assert region.leases() == [f"{lease}/1"]


def test_a_push_of_another_image_at_the_same_time_is_deployed_too(region: Region) -> None:
    running(region)
    first = region.push("2")
    region.wait(2)
    pushes = [first]

    def push_again() -> None:
        pushes.append(region.push("3"))
        region.wait(2)
        region.redeploy(pushes[1])

    region.before("UpdateService", push_again)
    region.redeploy(first)
    assert region.changes() == ["UpdateService", "UpdateService"]
    region.wait(300)
    assert region.running_digests() == {digest(pushes[1])}


# One lease per deployment


def test_two_services_of_one_image_have_a_lease_each(region: Region) -> None:
    region.push("1")
    for name in ("a", "b"):
        region.create_service(name)
    region.wait(300)
    region.redeploy(region.push("2"))
    assert [lease.split("/")[1] for lease in region.leases()] == ["a", "b"]
    assert [call["service"] for call in region.calls("UpdateService")] == ["a", "b"]


def test_a_service_of_two_images_leases_both(region: Region) -> None:
    side = region.push("1", "side", "3")
    running(region, images=["app:latest", "side:3"])
    push = region.push("2")
    region.redeploy(push)
    [lease] = region.leases()
    digests = sorted(digest(each).removeprefix("sha256:")[:12] for each in (push, side))
    assert lease.split("/")[3] == "-".join(digests)


def test_the_longest_names_make_a_lease_that_cloudwatch_takes(region: Region) -> None:
    """255 characters of a service's name, and ten containers."""
    images = [f"app:{number}" for number in range(10)]
    for number in range(10):
        region.push(str(number), tag=str(number))
    region.run_service("a" * 255, images=images)
    region.redeploy(region.push("new", tag="0"))
    assert region.changes() == ["UpdateService"]
    assert len(region.leases()[0]) <= 512


def test_old_images_that_get_their_tag_back_again_and_again_are_deployed_each_time(region: Region) -> None:
    running(region)
    for content in ("2", "1", "2", "1"):
        push = region.push(content)
        region.redeploy(push)
        region.redeploy(push)
        region.wait(300)
        assert region.running_digests() == {digest(push)}
    assert len(region.changes()) == len(region.leases()) == 4


def test_a_service_made_anew_under_the_same_name_starts_with_no_lease(region: Region) -> None:
    running(region)
    push = region.push("2")
    region.redeploy(push)
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    region.wait(5000)
    region.create_service(desired=0)
    region.wait(60)
    region.redeploy(region.push("2"))
    assert region.service()["desiredCount"] == 1
    assert len({lease.split("/")[2] for lease in region.leases()}) == 2, "of two services' first deployments"


@pytest.mark.parametrize("seconds", [2, 5, 8, 10, 20])
def test_a_person_who_starts_the_service_between_two_runs_looks_makes_no_second_deployment(
    region: Region, seconds: float
) -> None:
    """One run sees a service that never ran, the other one whose first task has resolved its image."""
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service()
    region.wait(5)
    region.redeploy(region.deployment_event())
    region.wait(60)
    push = region.push("1")
    region.scale(3)

    def another_run() -> None:
        region.wait(seconds)
        region.redeploy(push)

    region.before("CreateLogStream", another_run)
    region.redeploy(push)
    forced = [call for call in region.calls("UpdateService") if call["forceNewDeployment"]]
    assert len(forced) == 1
    region.wait(300)
    assert region.running_digests() == {digest(push)}
    assert len(region.tasks()) == 3


@pytest.mark.parametrize("action", ["leave", "dry run"])
def test_what_deploys_nothing_leases_nothing(region: Region, action: str) -> None:
    running(region)
    region.push("1" if action == "leave" else "2")
    region.wait(10)
    region.redeploy(DRY_RUN="true" if action == "dry run" else "false")
    assert region.leases() == []


# A run that is over


def test_the_lease_of_a_run_that_was_ended_is_respected_while_that_run_may_last(
    region: Region, log: Log
) -> None:
    running(region)
    push = region.push("2")
    end_the_run(region, push)
    region.wait(OVER_SECONDS - 1)
    region.redeploy(push)
    assert region.wire.attempts["UpdateService"] == 1  # that of the ended run
    assert "another run is at work on it" in log.reasons(message="leave")


@pytest.mark.parametrize("trigger", ["event", "schedule"])
def test_the_lease_of_a_run_that_is_over_is_taken_over(region: Region, log: Log, trigger: str) -> None:
    running(region)
    push = region.push("2")
    end_the_run(region, push)
    region.wire.calls.clear()
    region.wait(OVER_SECONDS)
    region.redeploy(push if trigger == "event" else None)
    assert region.changes() == ["UpdateService"]
    assert [lease.rpartition("/")[2] for lease in region.leases()] == ["1", "2"]
    assert log.reasons(message="expired lease") == "the run that leased it is over"
    region.wait(300)
    region.redeploy()
    assert region.running_digests() == {digest(push)}
    assert region.changes() == ["UpdateService"]


@pytest.mark.parametrize(
    "operation", ["DescribeLogStreams", "CreateLogStream", "ListServices", "UpdateService"]
)
def test_of_two_runs_one_takes_over(region: Region, operation: str) -> None:
    running(region)
    push = region.push("2")
    end_the_run(region, push)
    region.wire.calls.clear()
    region.wait(OVER_SECONDS)
    region.before(operation, lambda: region.redeploy(push))
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]


def test_runs_that_are_ended_one_after_the_other_do_not_stop_the_last(region: Region) -> None:
    running(region)
    push = region.push("2")
    for _ in range(12):
        end_the_run(region, push)
        region.wait(OVER_SECONDS)
    region.wire.calls.clear()
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert len(region.leases()) == 13


def test_who_takes_over_looks_again_and_sees_that_the_ended_run_had_deployed(
    region: Region, log: Log
) -> None:
    """A slow reader: it saw no deployment, and leases when the run that deployed since is over."""
    running(region)
    push = region.push("2")

    def meanwhile() -> None:
        region.redeploy(push)
        region.wait(OVER_SECONDS)

    region.before("ListTasks", meanwhile)
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
    assert log.messages() == ["deploy", "expired lease", "leave"]


def test_what_was_pushed_before_the_take_over_is_leased_by_itself(region: Region) -> None:
    running(region)
    push = region.push("2")
    end_the_run(region, push)
    region.wire.calls.clear()
    region.wait(OVER_SECONDS)
    pushes: list[Json] = []

    def push_again() -> None:
        pushes.append(region.push("3"))
        region.wait(6)

    region.before("DescribeLogStreams", push_again)
    region.redeploy()
    assert region.changes() == ["UpdateService"]
    assert region.leases()[-1].split("/")[3:] == [digest(pushes[0]).removeprefix("sha256:")[:12], "1"]
    region.redeploy(pushes[0])
    assert region.changes() == ["UpdateService"]


# A deployment that fails


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "InvalidParameterException", "ClusterNotFoundException"]
)
def test_a_refused_deployment_gives_its_lease_back(region: Region, code: str) -> None:
    running(region)
    push = region.push("2")
    fail(region, code)
    assert code in str(redeploy_in_vain(region, push))
    assert region.leases() == []
    region.wire.calls.clear()
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]


def test_a_service_that_is_gone_leaves_no_lease(region: Region) -> None:
    running(region)
    region.before(
        "UpdateService", lambda: region.ecs.delete_service(cluster="lab", service="app", force=True)
    )
    fail(region, "ServiceNotActiveException")
    region.redeploy(region.push("2"))
    assert region.leases() == []


def test_a_person_who_deploys_a_held_service_between_two_looks_makes_no_second_start(region: Region) -> None:
    """Each run has read another newest deployment, and would lease another start."""
    region.create_service("app")
    region.redeploy()
    region.wait(300)
    push = region.push("1")
    region.before("ListTasks", lambda: region.update_service(forceNewDeployment=True))
    region.before("CreateLogStream", lambda: region.redeploy(push))
    region.redeploy(push)
    assert region.changes() == ["UpdateService"] * 2  # the hold, and one start


def test_a_lease_is_given_back_once_because_it_may_be_another_run_s_by_the_second_time(
    region: Region,
) -> None:
    running(region)
    push = region.push("2")
    fail(region, "InvalidParameterException")
    fail(region, LOST, operation="DeleteLogStream", carried_out=True)
    assert isinstance(redeploy_in_vain(region, push), ReadTimeoutError)
    assert region.wire.attempts["DeleteLogStream"] == 1
    region.redeploy(push)
    assert region.changes() == ["UpdateService"] * 2


def test_what_is_settled_may_be_settled_again(region: Region) -> None:
    logs, told = region.wire.client("logs"), leases.Lease("notifications/app/deployment/live")
    running(region)
    for _ in range(2):
        leases.finish(logs, LOG_GROUP, told)
    assert leases.take(logs, LOG_GROUP, told.subject, region.datetime()) is not None
    assert leases.take(logs, LOG_GROUP, told.subject, region.datetime()) is None


@pytest.mark.parametrize("carried_out", [True, False], ids=["carried-out", "not-carried-out"])
@pytest.mark.parametrize("code", [LOST, "ServerException"])
def test_a_deployment_whose_outcome_is_unknown_is_not_repeated_and_ends_as_one(
    region: Region, code: str, *, carried_out: bool
) -> None:
    running(region)
    push = region.push("2")
    fail(region, code, carried_out=carried_out)
    error = redeploy_in_vain(region, push)
    assert isinstance(error, ReadTimeoutError if code == LOST else ClientError)
    assert region.wire.attempts["UpdateService"] == 1
    region.redeploy(push)
    assert region.wire.attempts["UpdateService"] == 1
    region.wait(300)
    region.redeploy()
    assert region.wire.attempts["UpdateService"] == (1 if carried_out else 2)
    region.wait(300)
    assert region.running_digests() == {digest(push)}


def test_a_deployment_that_was_throttled_is_repeated_under_its_lease(region: Region) -> None:
    running(region)
    region.wire.faults.append(Fault("UpdateService", "ThrottlingException", 3, ""))
    region.redeploy(region.push("2"))
    assert region.wire.attempts["UpdateService"] == 4
    assert len(region.calls("CreateLogStream")) == len(region.deployments()) - 1 == 1


@pytest.mark.parametrize("operation", ["CreateLogStream", "DescribeLogStreams"])
def test_without_the_right_to_lease_nothing_is_deployed(region: Region, operation: str) -> None:
    running(region)
    push = region.push("2")
    if operation == "DescribeLogStreams":
        end_the_run(region, push)
    region.wire.calls.clear()
    fail(region, "AccessDeniedException", operation=operation)
    assert "AccessDeniedException" in str(redeploy_in_vain(region, push))
    assert region.changes() == []


def test_a_lease_whose_own_answer_was_lost_is_taken_over_later(region: Region) -> None:
    """botocore asks again, and the second time the stream is there: the run takes it for another's."""
    running(region)
    push = region.push("2")
    fail(region, LOST, operation="CreateLogStream", carried_out=True)
    region.redeploy(push)
    assert region.changes() == []
    region.wait(OVER_SECONDS)
    region.redeploy()
    assert region.changes() == ["UpdateService"]


def test_a_lease_that_cannot_be_listed_yet_is_respected(region: Region) -> None:
    running(region)
    push = region.push("2")
    end_the_run(region, push)
    region.wire.calls.clear()
    region.wait(OVER_SECONDS)
    delete = region.hands["logs"].delete_log_stream
    [lease] = region.leases()
    region.before("DescribeLogStreams", lambda: delete(logGroupName=LOG_GROUP, logStreamName=lease))
    region.redeploy(push)
    assert region.changes() == []
