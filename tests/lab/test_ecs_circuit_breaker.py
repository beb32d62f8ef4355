"""The deployment circuit breaker, rollback, and the throttle of failing starts."""

from typing import Any

import pytest

from lab.ecs.model.engine import Options
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, IMAGE, REPOSITORY, START, Scenario

CRASHES = Behaviour(exits_after_seconds=2, exit_code=1)
CANNOT_START = Behaviour(start_seconds=None)
NOT_THERE = Behaviour(pull_seconds=None)
NEVER_HEALTHY = Behaviour(healthy_after_seconds=None)
NO_ROLLBACK = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
CHECK = {"command": ["CMD", "true"], "interval": 5, "retries": 2}


def running(
    bad: Behaviour,
    *,
    desired: int = 1,
    configuration: dict[str, Any] | None = None,
    options: Options | None = None,
) -> Scenario:
    """A service that runs sha256:good, with sha256:bad pushed but not deployed."""
    lab = Scenario({"sha256:bad": bad}, options=options)
    lab.push("sha256:good")
    lab.register({"name": "app", "image": IMAGE, **({"healthCheck": CHECK} if bad is NEVER_HEALTHY else {})})
    lab.create(desired, deploymentConfiguration=BREAKER if configuration is None else configuration)
    lab.wait_until_over()
    lab.push("sha256:bad")
    return lab


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(NOT_THERE, id="image-cannot-be-pulled"),
        pytest.param(CANNOT_START, id="container-cannot-start"),
        pytest.param(CRASHES, id="container-exits-soon-after-start"),
        pytest.param(NEVER_HEALTHY, id="health-check-never-passes"),
    ],
)
def test_three_failed_tasks_roll_one_task_back_to_the_recorded_digest(bad: Behaviour) -> None:
    lab = running(bad)
    lab.redeploy()
    deployment = lab.wait_until_over()
    assert deployment["status"] == "ROLLBACK_SUCCESSFUL"
    assert deployment["deploymentCircuitBreaker"] == {
        "status": "TRIGGERED",
        "failureCount": 3,
        "threshold": 3,
    }
    assert lab.running_digests() == ["sha256:good"]
    assert lab.world.resolve_image(IMAGE) == "sha256:bad"


def test_the_old_task_runs_until_the_rollback_has_its_own() -> None:
    lab = running(CRASHES)
    lab.redeploy()
    lab.wait_until(
        lambda: not lab.running_digests() or lab.service_deployments()[0]["status"] == "ROLLBACK_SUCCESSFUL"
    )
    assert lab.running_digests() == ["sha256:good"]


def test_the_events_of_a_rollback() -> None:
    lab = running(CRASHES)
    good = lab.primary()["id"]
    before = len(lab.events("ECS Deployment State Change"))
    lab.redeploy()
    lab.wait_until_over()
    found = [event["detail"] for event in lab.events("ECS Deployment State Change")[before:]]
    bad, rollback = found[0]["deploymentId"], found[2]["deploymentId"]
    assert [(each["eventName"], each["deploymentId"], each["reason"]) for each in found] == [
        ("SERVICE_DEPLOYMENT_IN_PROGRESS", bad, f"ECS deployment {bad} in progress."),
        ("SERVICE_DEPLOYMENT_FAILED", bad, "ECS deployment circuit breaker: task failed to start."),
        (
            "SERVICE_DEPLOYMENT_IN_PROGRESS",
            rollback,
            f"ECS deployment circuit breaker: rolling back to deploymentId {good}.",
        ),
        ("SERVICE_DEPLOYMENT_COMPLETED", rollback, f"ECS deployment {rollback} completed."),
    ]
    assert len({good, bad, rollback}) == 3


def test_a_rollback_is_a_newer_deployment_in_describe_services_and_a_state_of_the_service_deployment() -> (
    None
):
    lab = running(CRASHES)
    good = lab.service_deployments()[0]["targetServiceRevision"]["arn"]
    lab.redeploy()
    lab.wait_until(lambda: lab.service_deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    rollback, failed, source = lab.service()["deployments"]
    assert (rollback["status"], rollback["rolloutState"]) == ("PRIMARY", "IN_PROGRESS")
    assert rollback["createdAt"] > failed["createdAt"]
    assert (failed["status"], failed["rolloutState"], failed["failedTasks"]) == ("ACTIVE", "FAILED", 3)
    assert failed["rolloutStateReason"] == "ECS deployment circuit breaker: tasks failed to start."
    assert (source["rolloutState"], source["runningCount"]) == ("COMPLETED", 1)
    assert len(lab.service_deployments()) == 2
    assert lab.service_deployments()[0]["rollback"]["serviceRevisionArn"] == good


@pytest.mark.parametrize(
    ("configuration", "options"),
    [
        pytest.param({"type": "COUNT", "value": 50}, Options(), id="whatever-its-threshold-is"),
        pytest.param(
            {"type": "BOUNDED_PERCENT", "value": 50},
            Options(breaker_counts_failed_pulls=False),
            id="also-where-failed-pulls-do-not-count",
        ),
    ],
)
def test_three_failed_resolutions_of_a_tag_fail_the_deployment(
    configuration: dict[str, Any], options: Options
) -> None:
    breaker = {"enable": True, "rollback": True, "thresholdConfiguration": configuration}
    lab = Scenario(options=options)
    lab.create(1, deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    deployment = lab.wait_until_over()
    assert (deployment["status"], lab.world.allocated) == ("ROLLBACK_FAILED", 3)


def test_without_a_breaker_a_deployment_goes_on_after_three_failed_resolutions_without_a_digest() -> None:
    lab = Scenario()
    lab.create(1, deploymentConfiguration={})
    lab.wait_until(lambda: lab.world.allocated == 4)
    lab.push("sha256:late")
    deployment = lab.wait_until_over()
    assert deployment["status"] == "SUCCESSFUL"
    assert lab.running_digests() == ["sha256:late"]
    assert lab.digests(deployment["targetServiceRevision"]["arn"]) == {"app": None}


def test_a_rollback_whose_tasks_fail_may_go_on_for_ever() -> None:
    lab = Scenario({"sha256:bad": CRASHES}, options=Options(breaker_ends_rollbacks=False))
    lab.create(0, deploymentConfiguration=BREAKER)
    lab.wait_until_over()
    lab.push("sha256:bad")
    lab.update(forceNewDeployment=True, desiredCount=1)
    lab.wait(3600)
    assert lab.service_deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS"
    lab.push("sha256:good")
    lab.redeploy()
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"
    assert lab.running_digests() == ["sha256:good"]


def test_without_rollback_the_deployment_fails_and_starts_no_more_tasks() -> None:
    lab = running(CRASHES, configuration=NO_ROLLBACK)
    lab.redeploy()
    deployment = lab.wait_until_over()
    assert deployment["status"] == "STOPPED"
    assert "circuit breaker" in deployment["statusReason"]
    failed = lab.primary()
    assert (failed["rolloutState"], failed["failedTasks"]) == ("FAILED", 3)
    started = lab.world.allocated
    lab.wait(7200)
    assert lab.world.allocated == started
    assert lab.running_digests() == ["sha256:good"]


def test_with_no_completed_deployment_the_first_one_fails_and_stays_stalled() -> None:
    lab = Scenario()
    lab.create(desired=1, deploymentConfiguration=BREAKER)
    deployment = lab.wait_until_over()
    assert deployment["status"] == "ROLLBACK_FAILED"
    assert "rollback" not in deployment
    assert lab.primary()["rolloutState"] == "FAILED"
    lab.push("sha256:good")
    lab.wait(7200)
    assert lab.tasks() == []
    lab.redeploy()
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"


def test_a_rollback_to_a_revision_that_never_had_a_task_resolves_the_tag_anew() -> None:
    lab = Scenario({"sha256:bad": CRASHES})
    lab.create(desired=0, deploymentConfiguration=BREAKER)
    lab.wait_until_over()
    lab.push("sha256:bad")
    lab.update(desiredCount=1, forceNewDeployment=True)
    assert lab.wait_until_over()["status"] == "ROLLBACK_FAILED"
    lab.push("sha256:good")
    lab.update(forceNewDeployment=True)
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"


def test_a_rollback_fails_if_the_digest_is_gone_from_the_registry() -> None:
    lab = running(CRASHES)
    lab.world.delete(REPOSITORY, "sha256:good")
    lab.redeploy()
    deployment = lab.wait_until_over(7200)
    assert deployment["status"] == "ROLLBACK_FAILED"
    reasons = {task["stoppedReason"].partition(":")[0] for task in lab.tasks("STOPPED")}
    assert "CannotPullContainerError" in reasons
    assert lab.running_digests() == ["sha256:good"]  # the old task still runs


def test_an_update_during_a_rollback_supersedes_it_and_has_nothing_to_fall_back_to() -> None:
    lab = running(CRASHES)
    lab.redeploy()
    lab.wait_until(lambda: lab.service_deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    lab.redeploy()
    assert [each["status"] for each in lab.service_deployments()][1:] == ["STOPPED", "SUCCESSFUL"]
    assert lab.wait_until_over()["status"] == "ROLLBACK_FAILED"
    assert lab.primary()["rolloutState"] == "FAILED"
    assert lab.running_digests() == ["sha256:good"]  # the first deployment's task, which nothing replaced


def test_after_a_completed_rollback_the_next_failure_rolls_back_again() -> None:
    lab = running(CRASHES)
    for _ in range(2):
        lab.redeploy()
        assert lab.wait_until_over()["status"] == "ROLLBACK_SUCCESSFUL"
    assert lab.running_digests() == ["sha256:good"]


def test_a_superseded_deployment_leaves_the_completed_one_to_fall_back_to() -> None:
    lab = running(CRASHES)
    lab.redeploy()
    lab.wait(5)
    lab.redeploy()
    assert lab.wait_until_over()["status"] == "ROLLBACK_SUCCESSFUL"


def test_a_rollback_takes_the_task_definition_and_the_network_back() -> None:
    lab = running(CRASHES)
    lab.register(cpu="512")
    other = {"awsvpcConfiguration": {"subnets": ["subnet-z"]}}
    lab.update(taskDefinition="web:2", networkConfiguration=other)
    assert lab.service()["taskDefinition"].endswith("web:2")
    lab.wait_until_over()
    assert lab.service()["taskDefinition"].endswith("web:1")
    assert "subnet-z" not in lab.service()["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    lab.redeploy()
    assert lab.service()["taskDefinition"].endswith("web:1")
    assert "subnet-z" not in lab.service()["networkConfiguration"]["awsvpcConfiguration"]["subnets"]


@pytest.mark.parametrize(
    ("desired", "rule", "threshold"),
    [
        pytest.param(1, None, 3, id="1-at-least-3"),
        pytest.param(6, None, 3, id="6-half"),
        pytest.param(7, None, 4, id="7-rounded-up"),
        pytest.param(25, None, 13, id="25-as-in-the-guide"),
        pytest.param(400, None, 200, id="400-half"),
        pytest.param(800, None, 200, id="800-at-most-200"),
        pytest.param(10, {"type": "COUNT", "value": 2}, 2, id="a-count"),
        pytest.param(10, {"type": "UNBOUNDED_PERCENT", "value": 10}, 1, id="an-unbounded-percentage"),
        pytest.param(100, {"type": "BOUNDED_PERCENT", "value": 10}, 10, id="a-bounded-percentage"),
    ],
)
def test_the_threshold(desired: int, rule: dict[str, Any] | None, threshold: int) -> None:
    lab = Scenario()
    configured = {"enable": True, "rollback": True, **({"thresholdConfiguration": rule} if rule else {})}
    lab.create(desired, deploymentConfiguration={"deploymentCircuitBreaker": configured})
    assert lab.service_deployments()[0]["deploymentCircuitBreaker"]["threshold"] == threshold


def test_four_failures_for_seven_tasks() -> None:
    lab = running(CANNOT_START, desired=7)
    lab.redeploy()
    deployment = lab.wait_until_over()
    assert deployment["deploymentCircuitBreaker"]["failureCount"] == 4
    assert lab.running_digests() == ["sha256:good"] * 7


def test_a_task_that_becomes_healthy_resets_the_count() -> None:
    lab = running(Behaviour(exits_after_seconds=60, exit_code=1), desired=4)
    lab.redeploy()
    lab.wait(600)
    assert lab.primary()["failedTasks"] == 0
    assert lab.service_deployments()[0]["status"] in {"IN_PROGRESS", "SUCCESSFUL"}


def failed_tasks_after_two_failures_and_a_good_deployment(*, reset: bool) -> int:
    rule = {"enable": True, "rollback": True, "resetOnHealthyTask": reset}
    lab = running(CANNOT_START, desired=2, configuration={"deploymentCircuitBreaker": rule})
    lab.redeploy()
    lab.wait_until(lambda: bool(lab.primary()["failedTasks"] == 2))
    lab.runtime.behaviours["sha256:bad"] = Behaviour()
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"
    return int(lab.primary()["failedTasks"])


def test_the_count_is_not_reset_where_that_is_switched_off() -> None:
    assert failed_tasks_after_two_failures_and_a_good_deployment(reset=True) == 0
    assert failed_tasks_after_two_failures_and_a_good_deployment(reset=False) == 2


def test_tasks_that_were_healthy_and_then_stop_do_not_count() -> None:
    late = Behaviour(exits_after_seconds=60, exit_code=1)
    lab = Scenario({"sha256:good": Behaviour(on_sigterm_seconds=None), "sha256:bad": late})
    lab.push("sha256:good")
    lab.register({"name": "app", "image": IMAGE, "stopTimeout": 120})
    lab.create(desired=3, deploymentConfiguration=BREAKER)
    lab.wait_until_over()
    lab.push("sha256:bad")
    lab.redeploy()
    lab.wait_until(lambda: len(lab.tasks("STOPPED")) == 6)
    assert lab.service_deployments()[0]["status"] == "IN_PROGRESS"  # the old containers have not ended yet
    assert lab.primary()["failedTasks"] == 0


def test_a_failed_deployment_without_tasks_is_listed_until_the_rollback_is_over() -> None:
    lab = running(NOT_THERE)
    lab.redeploy()
    lab.wait_until(lambda: lab.service_deployments()[0]["status"] == "ROLLBACK_IN_PROGRESS")
    lab.wait(30)
    states = [each["rolloutState"] for each in lab.service()["deployments"]]
    assert states == ["IN_PROGRESS", "FAILED", "COMPLETED"]
    lab.wait_until_over()
    lab.wait(30)
    assert [each["rolloutState"] for each in lab.service()["deployments"]] == ["COMPLETED"]


def test_exits_after_running_count_unless_the_option_takes_the_reference_by_the_letter() -> None:
    lab = running(CRASHES, options=Options(breaker_counts_early_exits=False))
    lab.redeploy()
    lab.wait(3600)
    assert lab.primary()["failedTasks"] == 0
    assert lab.service_deployments()[0]["status"] == "IN_PROGRESS"


def test_failed_pulls_count_unless_the_option_says_that_the_deployment_stalls() -> None:
    lab = running(NOT_THERE, options=Options(breaker_counts_failed_pulls=False))
    lab.redeploy()
    lab.wait(3600)
    assert lab.primary()["failedTasks"] == 0
    assert lab.service_deployments()[0]["status"] == "IN_PROGRESS"


def test_a_task_stopped_by_a_person_does_not_count() -> None:
    lab = running(Behaviour(pull_seconds=600))
    lab.redeploy()
    for _ in range(4):
        lab.wait(30)
        starting = next(task for task in lab.tasks() if task["lastStatus"] != "RUNNING")
        lab.call("StopTask", cluster="lab", task=starting["taskArn"])
    assert lab.primary()["failedTasks"] == 0


def test_without_the_breaker_failing_tasks_are_retried_for_ever() -> None:
    lab = running(CANNOT_START, configuration={})
    lab.redeploy()
    lab.wait(5 * 3600)
    assert lab.primary()["rolloutState"] == "IN_PROGRESS"
    assert lab.primary()["failedTasks"] > 10
    assert lab.service_deployments()[0]["deploymentCircuitBreaker"]["status"] == "DISABLED"
    lab.push("sha256:better")
    lab.redeploy()
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"


def pauses(lab: Scenario, count: int) -> list[float]:
    """Seconds between a failed task and the start of the next."""
    events = [event["detail"] for event in lab.events("ECS Task State Change")]
    times = [
        message.at - START
        for message in lab.runtime.events
        if message.event["detail-type"].startswith("ECS Task")
    ]
    rows = list(zip(events, times, strict=True))
    starts = [at for detail, at in rows if detail["lastStatus"] == "PROVISIONING"]
    ends = {detail["taskArn"]: at for detail, at in rows if detail["lastStatus"] == "DEPROVISIONING"}
    failed = [each["taskArn"] for each, _ in rows if each["lastStatus"] == "PROVISIONING"]
    return [later - ends[arn] for arn, later in zip(failed, starts[1:], strict=False)][:count]


def test_starts_that_fail_are_throttled_up_to_27_minutes() -> None:
    lab = Scenario({"sha256:bad": CANNOT_START})
    lab.push("sha256:bad")
    lab.create(desired=1)
    lab.wait(3 * 3600)
    assert pauses(lab, 6) == [1, 241, 481, 961, 1621, 1621]  # the scheduler looks a second later


def test_the_throttle_is_reported() -> None:
    lab = Scenario({"sha256:bad": CANNOT_START})
    lab.push("sha256:bad")
    lab.create(desired=1)
    lab.wait(1800)
    assert "SERVICE_TASK_START_IMPAIRED" in lab.event_names()
    assert "(service web) is unable to consistently start tasks successfully." in lab.messages()


def test_tasks_that_ran_are_replaced_without_throttle() -> None:
    lab = Scenario({"sha256:bad": CRASHES})
    lab.push("sha256:bad")
    lab.create(desired=1)
    lab.wait(600)
    assert pauses(lab, 6) == [1] * 6
    assert "SERVICE_TASK_START_IMPAIRED" not in lab.event_names()


def test_tasks_that_ran_and_end_together_are_replaced_without_throttle() -> None:
    lab = Scenario({"sha256:bad": CRASHES})
    lab.push("sha256:bad")
    lab.create(desired=3)
    lab.wait(600)
    assert lab.world.allocated > 60


def test_a_task_that_reaches_running_ends_the_throttle() -> None:
    lab = Scenario({"sha256:1": CANNOT_START})
    lab.push("sha256:1")
    lab.create(desired=1)
    lab.wait_until(lambda: bool(lab.primary()["failedTasks"] == 2))
    lab.runtime.behaviours["sha256:1"] = Behaviour()
    lab.wait_until_over()
    lab.runtime.behaviours["sha256:1"] = CANNOT_START
    lab.runtime.crash(lab.tasks()[0]["taskArn"], "app", lab.now)
    assert lab.primary()["failedTasks"] == 0
    before = lab.world.allocated
    lab.wait(60)
    assert lab.world.allocated == before + 2


def test_a_long_running_service_replaces_a_lost_task_at_once() -> None:
    lab = running(CRASHES)
    lab.wait(24 * 3600)
    lab.runtime.crash(lab.tasks()[0]["taskArn"], "app", lab.now)
    lab.wait(1)
    assert [task["lastStatus"] for task in lab.tasks()] == ["PROVISIONING"]


def test_a_new_deployment_starts_unthrottled() -> None:
    lab = Scenario({"sha256:bad": CANNOT_START})
    lab.push("sha256:bad")
    lab.create(desired=1)
    lab.wait(3 * 3600)
    lab.push("sha256:good")
    lab.redeploy()
    lab.wait(1)
    assert [task["lastStatus"] for task in lab.tasks()] == ["PROVISIONING"]
