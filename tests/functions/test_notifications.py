"""People are told what became of a push, once and truly; what is measured can be alarmed on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lab.ecs.model.engine import Options
from lab.ecs.virtual.fake_runtime import Behaviour
from tests.functions.test_leases import OVER_SECONDS, end_the_run
from tests.functions.test_redeploy_service import CRASHES, digest, running
from trials.in_memory.region import HOST_NAME, LOG_GROUP, PORT, RECORD_LOG_GROUP, REGION
from trials.in_memory.wire import Fault

if TYPE_CHECKING:
    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

LOGS: dict[str, Any] = {
    "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "hello-TaskLogs"}}
}


def subjects(region: Region) -> list[str]:
    return [subject for subject, _ in region.messages()]


def deployed(region: Region, content: str, behaviour: Behaviour | None = None, seconds: float = 300) -> Json:
    """A push whose deployment is over; nothing was told of it yet."""
    push = region.push(content, behaviour=behaviour)
    region.redeploy(push)
    region.wait(seconds)
    return push


def metrics(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """What was measured, by name; each of the cluster, and of nothing else."""
    found: dict[str, float] = {}
    for text in capsys.readouterr().out.splitlines():
        line = json.loads(text)
        [described] = line["_aws"]["CloudWatchMetrics"]
        assert (described["Namespace"], described["Dimensions"]) == ("pushlive", [["ClusterName"]])
        assert line["ClusterName"] == "lab"
        for metric in described["Metrics"]:
            found[metric["Name"]] = found.get(metric["Name"], 0) + line[metric["Name"]][0]
    return found


# Live


def test_a_push_that_is_live_is_told_with_how_long_it_took_and_where_it_is(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region, host_name=HOST_NAME)
    region.redeploy()
    push = deployed(region, "2")
    capsys.readouterr()
    region.redeploy(region.deployment_event())
    subject, text = region.messages()[-1]
    assert subject == "pushlive: live: app"
    measured = metrics(capsys)
    assert measured["DeploymentsLive"] == 1
    assert f"app is live, {measured['SecondsToLive']:.0f} seconds after the push" in text
    assert digest(push) in text
    assert log.lines(message="live")[-1]["reason"] == text.partition("\n")[0]
    assert f"http://{HOST_NAME}:{PORT}/" in text


def test_each_outcome_is_told_once(region: Region) -> None:
    running(region)
    for _ in range(2):
        region.redeploy(region.deployment_event())
        region.redeploy()
    deployed(region, "2")
    for _ in range(2):
        region.redeploy(region.deployment_event())
        region.redeploy()
    assert subjects(region) == ["pushlive: live: app"] * 2


@pytest.mark.parametrize("operation", ["ListServiceDeployments", "CreateLogStream", "Publish"])
def test_two_runs_at_the_same_time_tell_it_once(region: Region, operation: str) -> None:
    running(region)
    region.before(operation, region.redeploy)
    region.redeploy(region.deployment_event())
    assert subjects(region) == ["pushlive: live: app"]


def test_a_push_tells_nothing_for_it_has_ended_no_deployment(region: Region) -> None:
    running(region)
    region.redeploy(region.push("2"))
    assert subjects(region) == []


def test_an_outcome_whose_event_was_lost_is_told_by_the_schedule_and_not_for_ever(region: Region) -> None:
    running(region)
    region.wait(1000)
    region.redeploy()
    assert subjects(region) == []
    deployed(region, "2")
    region.redeploy()
    assert subjects(region) == ["pushlive: live: app"]


def test_an_old_digest_that_got_its_tag_back_is_told_by_its_deployments_own_duration(region: Region) -> None:
    running(region)
    deployed(region, "2")
    region.wait(1000)
    deployed(region, "1")
    region.redeploy()
    assert "seconds after its deployment began" in region.messages()[-1][1]


def test_a_paused_services_deployment_by_hand_is_told_all_the_same(region: Region) -> None:
    running(region)
    region.redeploy()
    region.tag(redeploy="paused")
    region.update_service(forceNewDeployment=True)
    region.wait(300)
    region.redeploy()
    assert subjects(region) == ["pushlive: live: app"] * 2


def test_a_service_that_never_asked_for_anything_is_not_told_of(region: Region) -> None:
    running(region, redeploy=None)
    region.redeploy()
    assert subjects(region) == []


def test_the_hold_of_a_new_service_is_no_news(region: Region) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service()
    region.wait(5)
    region.redeploy(region.deployment_event())
    region.wait(60)
    region.redeploy()
    assert subjects(region) == []


def test_a_dry_run_tells_nothing(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    running(region)
    region.redeploy(DRY_RUN="true")
    assert (subjects(region), metrics(capsys), region.streams(LOG_GROUP)) == ([], {}, [])


# Failed


def test_an_image_that_fails_is_told_as_failed_with_what_ecs_says_and_what_runs_and_never_as_live(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region, **LOGS)
    region.redeploy()
    [good] = region.running_digests()
    push = deployed(region, "2", CRASHES, seconds=600)
    capsys.readouterr()
    for _ in range(2):
        region.redeploy(region.deployment_event())
        region.redeploy()
    assert len(region.messages()) == 2
    subject, text = region.messages()[-1]
    assert subject == "pushlive: FAILED, what ran before runs again: app"
    failed, _, runs = text.partition("Runs now:")
    assert digest(push) in failed
    assert good in runs
    assert "circuit breaker" in failed
    assert "(app: exit code 1, the program failed)" in failed
    assert log.lines(message="failed")[-1]["stopped_reason"] in failed
    assert f"aws logs tail hello-TaskLogs --region {REGION}" in text
    measured = metrics(capsys)
    assert measured["DeploymentsFailed"] == 1
    assert "DeploymentsLive" not in measured


@pytest.mark.parametrize("desired", [2, 3])
def test_why_a_task_failed_is_not_hidden_by_a_newer_one_that_was_scaled_in(
    region: Region, desired: int
) -> None:
    running(region, desired=desired)
    region.redeploy()
    deployed(region, "2", CRASHES, seconds=700)
    region.scale(desired - 1)
    region.wait(60)
    arns = region.ecs.list_tasks(cluster="lab", serviceName="app", desiredStatus="STOPPED")["taskArns"]
    stopped = region.ecs.describe_tasks(cluster="lab", tasks=arns)["tasks"]
    newest = max(stopped, key=lambda task: task["createdAt"])
    assert newest["stopCode"] == "ServiceSchedulerInitiated"
    region.redeploy()
    assert (
        "Essential container in task exited (app: exit code 1, the program failed)"
        in region.messages()[-1][1]
    )


def test_nothing_is_told_while_a_rollback_is_in_progress(region: Region) -> None:
    running(region)
    region.redeploy()
    region.redeploy(region.push("2", behaviour=CRASHES))
    region.wait_until(lambda: region.deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    region.redeploy()
    assert subjects(region) == ["pushlive: live: app"]


@pytest.mark.parametrize("first", [True, False], ids=["the first push", "no rollback configured"])
def test_a_failure_with_nothing_to_go_back_to_says_so(region: Region, first: bool) -> None:  # noqa: FBT001
    if first:
        region.push("1", behaviour=CRASHES)
        region.create_service()
        region.wait(900)
    else:
        running(region, rollback=False)
        region.redeploy()
        deployed(region, "2", CRASHES, seconds=900)
    region.redeploy()
    subject, text = region.messages()[-1]
    assert subject == "pushlive: FAILED, there was nothing to go back to: app"
    assert "Runs now" not in text


# Late


def test_a_deployment_that_is_under_way_for_too_long_is_measured_at_each_look(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region, rollback=False)
    region.redeploy()
    region.redeploy(region.push("2", behaviour=Behaviour(pull_seconds=100_000)))
    region.wait(899)
    capsys.readouterr()
    region.redeploy()
    assert "DeploymentsOverdue" not in metrics(capsys)
    region.wait(2)
    region.redeploy()
    region.redeploy()
    assert metrics(capsys)["DeploymentsOverdue"] == 2
    assert "is IN_PROGRESS since 2026-11-20 10:0" in log.reasons(message="overdue")


def test_an_app_without_the_sidecar_whose_exits_ecs_does_not_count_is_late_with_the_reason(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    """containers-roadmap 1206: exits after RUNNING, without a health check, may never trip the breaker."""
    running(region)
    region.redeploy()
    region.model.engine.options = Options(breaker_counts_early_exits=False)
    deployed(region, "2", CRASHES, seconds=901)
    assert region.deployments()[0]["status"] == "IN_PROGRESS"
    capsys.readouterr()
    region.redeploy()
    assert metrics(capsys)["DeploymentsOverdue"] == 1
    [line] = log.lines(message="overdue")
    assert line["stopped_reason"].startswith("Essential container in task exited (app: exit code 1")


def test_how_late_is_too_late_is_a_setting(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    running(region)
    region.redeploy(region.push("2", behaviour=Behaviour(pull_seconds=100_000)))
    region.wait(61)
    region.redeploy(OVERDUE_MINUTES="1")
    assert metrics(capsys)["DeploymentsOverdue"] == 1


# A run that fails or ends


def test_what_sns_refuses_is_told_by_the_next_run(region: Region) -> None:
    running(region)
    region.wire.faults.append(Fault("Publish", "AuthorizationError", 1, ""))
    with pytest.raises(ExceptionGroup, match=r"app: .*Publish"):
        region.redeploy()
    region.redeploy()
    assert subjects(region) == ["pushlive: live: app"]


def test_what_was_neither_told_nor_deployed_leaves_no_trace(region: Region) -> None:
    running(region)
    region.wire.faults.append(Fault("Publish", "AuthorizationError", 1, ""))
    with pytest.raises(ExceptionGroup):
        region.redeploy()
    push = region.push("2")
    region.before(
        "UpdateService", lambda: region.ecs.delete_service(cluster="lab", service="app", force=True)
    )
    region.redeploy(push)
    assert region.streams(LOG_GROUP) == []


def test_a_service_that_cannot_be_told_of_does_not_stop_the_others(region: Region) -> None:
    running(region)
    region.run_service("other")
    region.wire.faults.append(Fault("Publish", "AuthorizationError", 1, ""))
    with pytest.raises(ExceptionGroup):
        region.redeploy()
    assert subjects(region) == ["pushlive: live: other"]


def test_a_run_that_is_ended_before_it_has_told_is_made_up_for_by_a_later_one(region: Region) -> None:
    running(region)
    end_the_run(region, region.schedule(), before="Publish")
    region.redeploy()
    assert subjects(region) == []
    region.wait(OVER_SECONDS)
    region.redeploy()
    region.redeploy()
    assert subjects(region) == ["pushlive: live: app"]


# The record


def test_a_record_that_is_not_ours_is_told_once_a_day(region: Region) -> None:
    region.upsert(HOST_NAME, "A", ["203.0.113.9"])
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    for _ in range(3):
        region.update_record()
    [(subject, text)] = region.messages()
    assert subject == "pushlive: no record: app"
    assert f"{HOST_NAME} has an A record, but no TXT record _pushlive.{HOST_NAME}" in text
    region.wait(86_400)
    region.update_record()
    assert len(region.messages()) == 2


def test_a_dry_run_tells_of_no_record(region: Region) -> None:
    region.upsert(HOST_NAME, "A", ["203.0.113.9"])
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.update_record(DRY_RUN="true")
    assert (region.messages(), region.streams(RECORD_LOG_GROUP)) == ([], [])


def test_what_cannot_be_told_of_a_record_is_told_by_the_next_run(region: Region) -> None:
    region.upsert(HOST_NAME, "A", ["203.0.113.9"])
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.wire.faults.append(Fault("Publish", "AuthorizationError", 1, ""))
    with pytest.raises(ExceptionGroup):
        region.update_record()
    region.update_record()
    assert len(region.messages()) == 1


@pytest.mark.parametrize("desired", [1, 0])
def test_tasks_that_are_wanted_and_none_that_answers_are_measured_by_the_schedule(
    region: Region, capsys: pytest.CaptureFixture[str], desired: int
) -> None:
    region.push("1", behaviour=Behaviour(listens_after_seconds=None))
    region.run_service(host_name=HOST_NAME, desired=desired)
    region.update_record()
    assert metrics(capsys) == ({"ServicesUnresponsive": 1} if desired else {})


def test_a_task_event_does_not_measure_silence_for_a_new_task_is_unresponsive_for_a_while(
    region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    region.push("1", behaviour=Behaviour(listens_after_seconds=None))
    region.run_service(host_name=HOST_NAME)
    region.update_record(region.task_event("RUNNING"))
    assert metrics(capsys) == {}
