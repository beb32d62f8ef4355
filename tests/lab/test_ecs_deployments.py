"""Rolling deployments: digests, order of starts and stops, superseding, completion."""

import pytest

from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, IMAGE, NETWORK, REPOSITORY, START, Scenario

SIDE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/side:1"


def running(behaviours: dict[str, Behaviour] | None = None, desired: int = 1, **request: object) -> Scenario:
    """A service whose first deployment, of sha256:1, is over."""
    lab = Scenario(behaviours)
    lab.push("sha256:1")
    lab.create(desired, **request)
    lab.wait_until_over()
    lab.wait(60)
    return lab


def test_a_first_deployment_is_pending_then_in_progress_then_completed() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.create(desired=1)
    assert [each["status"] for each in lab.service_deployments()] == ["PENDING"]
    assert lab.primary()["rolloutState"] == "IN_PROGRESS"
    lab.wait(30)
    assert [each["status"] for each in lab.service_deployments()] == ["IN_PROGRESS"]
    assert lab.service()["runningCount"] == 1
    lab.wait(60)
    assert [each["status"] for each in lab.service_deployments()] == ["SUCCESSFUL"]
    assert lab.primary()["rolloutState"] == "COMPLETED"
    assert lab.event_names() == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
        "SERVICE_STEADY_STATE",
    ]


def test_a_first_deployment_with_desired_count_0_completes_at_once_and_has_no_digest() -> None:
    lab = Scenario()
    lab.create(desired=0)
    deployment = lab.wait_until_over()
    assert (deployment["status"], lab.now - START) == ("SUCCESSFUL", 1)
    assert lab.digests(deployment["targetServiceRevision"]["arn"]) == {"app": None}


def test_the_first_task_of_a_deployment_resolves_the_tag_and_the_later_ones_use_its_digest() -> None:
    lab = running()
    lab.push("sha256:2")
    lab.update(desiredCount=3)
    lab.wait(120)
    assert lab.running_digests() == ["sha256:1"] * 3
    revision = lab.service_deployments()[0]["targetServiceRevision"]["arn"]
    assert lab.digests(revision) == {"app": "sha256:1"}


def test_a_crashed_task_is_replaced_by_the_same_deployment_with_its_digest() -> None:
    lab = running()
    lab.push("sha256:2")
    before = lab.tasks()[0]
    lab.runtime.crash(before["taskArn"], "app", lab.now)
    lab.wait(120)
    assert lab.running_digests() == ["sha256:1"]
    assert lab.tasks()[0]["startedBy"] == before["startedBy"] == lab.primary()["id"]


def test_a_forced_deployment_resolves_the_tag_anew() -> None:
    lab = running()
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait_until_over()
    assert lab.running_digests() == ["sha256:2"]


def test_each_container_has_its_own_digest() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.push("sha256:side", SIDE)
    lab.register({"name": "app", "image": IMAGE}, {"name": "side", "image": SIDE})
    lab.create(desired=1)
    revision = lab.wait_until_over()["targetServiceRevision"]["arn"]
    assert lab.digests(revision) == {"app": "sha256:1", "side": "sha256:side"}


def test_without_version_consistency_every_task_resolves_the_tag_for_itself() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.register({"name": "app", "image": IMAGE, "versionConsistency": "disabled"})
    lab.create(desired=1)
    revision = lab.wait_until_over()["targetServiceRevision"]["arn"]
    lab.push("sha256:2")
    lab.update(desiredCount=2)
    lab.wait(120)
    assert sorted(lab.running_digests()) == ["sha256:1", "sha256:2"]
    assert lab.digests(revision) == {"app": None}


@pytest.mark.parametrize(("consistency", "runs"), [("enabled", False), ("disabled", True)])
def test_a_restart_needs_the_old_digest_of_those_containers_only_that_are_pinned(
    consistency: str, *, runs: bool
) -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.push("sha256:side", SIDE)
    side = {"name": "side", "image": SIDE, "versionConsistency": consistency}
    lab.register({"name": "app", "image": IMAGE}, side)
    lab.create(desired=1)
    lab.wait_until_over()
    lab.push("sha256:2")
    lab.push("sha256:newer", SIDE)
    lab.world.delete(SIDE.rpartition(":")[0], "sha256:side")
    lab.runtime.crash(lab.tasks()[0]["taskArn"], "app", lab.now)
    lab.wait(600)
    assert lab.running_digests() == (["sha256:1"] if runs else [])


def test_an_image_named_by_digest_is_run_and_not_recorded_as_resolved() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.push("sha256:2")
    lab.register({"name": "app", "image": f"{REPOSITORY}@sha256:1"})
    lab.create(desired=1)
    revision = lab.wait_until_over()["targetServiceRevision"]["arn"]
    assert lab.running_digests() == ["sha256:1"]
    assert lab.digests(revision) == {"app": None}


def test_an_image_without_a_tag_is_its_latest() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.register({"name": "app", "image": REPOSITORY})
    lab.create(desired=1)
    lab.wait_until_over()
    assert lab.running_digests() == ["sha256:1"]


def test_the_old_task_is_stopped_40_seconds_after_the_new_one_is_running() -> None:
    lab = running()
    old = lab.tasks()[0]["taskArn"]
    lab.redeploy()
    lab.wait_until(lambda: any(task["taskArn"] == old for task in lab.tasks("STOPPED")))
    new = lab.tasks()[0]
    assert lab.now - new["startedAt"] == 41  # the scheduler looks a second later
    assert lab.tasks("STOPPED")[0]["stopCode"] == "ServiceSchedulerInitiated"


def test_with_a_health_check_the_old_task_is_stopped_when_the_new_one_is_healthy() -> None:
    lab = Scenario({"sha256:2": Behaviour(healthy_after_seconds=100)})
    lab.push("sha256:1")
    check = {"command": ["CMD", "true"], "interval": 10, "retries": 10}
    lab.register({"name": "app", "image": IMAGE, "healthCheck": check})
    lab.create(desired=1)
    lab.wait_until_over()
    old = lab.tasks()[0]["taskArn"]
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait_until(lambda: any(task["taskArn"] == old for task in lab.tasks("STOPPED")))
    assert 100 < lab.now - lab.tasks()[0]["startedAt"] < 113


def test_a_deployment_completes_only_when_the_old_containers_have_ended() -> None:
    lab = Scenario({"sha256:1": Behaviour(on_sigterm_seconds=None)})
    lab.push("sha256:1")
    lab.register({"name": "app", "image": IMAGE, "stopTimeout": 120})
    lab.create(desired=1)
    lab.wait_until_over()
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait_until(lambda: bool(lab.tasks("STOPPED")))
    stopped = lab.now
    lab.wait_until_over()
    assert lab.now - stopped == 121
    assert [each["status"] for each in lab.service()["deployments"]] == ["PRIMARY", "ACTIVE"]
    lab.wait(20)
    assert [each["status"] for each in lab.service()["deployments"]] == ["PRIMARY"]


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "least", "most"),
    [
        pytest.param(1, 100, 200, 1, 2, id="default-one-task"),
        pytest.param(4, 100, 200, 4, 8, id="default-four-tasks"),
        pytest.param(4, 50, 100, 2, 4, id="half-stopped-before-new-ones-start"),
        pytest.param(3, 50, 100, 2, 3, id="minimum-is-rounded-up"),
        pytest.param(3, 100, 150, 3, 4, id="maximum-is-rounded-down"),
        pytest.param(1, 0, 100, 0, 1, id="one-at-a-time-with-an-interruption"),
    ],
)
def test_a_deployment_keeps_to_minimum_and_maximum(
    desired: int, minimum: int, maximum: int, least: int, most: int
) -> None:
    configuration = {"minimumHealthyPercent": minimum, "maximumPercent": maximum}
    lab = running(desired=desired, deploymentConfiguration=configuration)
    lab.push("sha256:2")
    lab.redeploy()
    seen: list[int] = []
    in_service: list[int] = []

    def over() -> bool:
        seen.append(len(lab.tasks()))
        ready_at = lab.now - 40
        in_service.append(sum("startedAt" in task and task["startedAt"] <= ready_at for task in lab.tasks()))
        return bool(lab.service_deployments()[0]["status"] == "SUCCESSFUL")

    lab.wait_until(over)
    assert (min(in_service), max(seen)) == (least, most)
    assert lab.running_digests() == ["sha256:2"] * desired


def test_100_and_100_percent_never_replaces_anything() -> None:
    lab = running(deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 100})
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(3600)
    assert lab.running_digests() == ["sha256:1"]
    assert lab.primary()["rolloutState"] == "IN_PROGRESS"


def test_a_new_deployment_supersedes_the_one_in_progress() -> None:
    lab = running()
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(30)
    lab.push("sha256:3")
    lab.redeploy()
    assert [each["status"] for each in lab.service_deployments()] == ["PENDING", "STOPPED", "SUCCESSFUL"]
    lab.wait_until_over()
    assert lab.running_digests() == ["sha256:3"]
    assert [each["status"] for each in lab.service_deployments()] == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]
    assert "stoppedAt" in lab.service_deployments()[1]


def test_tasks_of_a_superseded_deployment_that_do_not_run_yet_are_stopped_at_once() -> None:
    lab = running()
    lab.redeploy()
    lab.wait(10)
    lab.redeploy()
    lab.wait(1)
    assert [task["lastStatus"] for task in lab.tasks()] == ["RUNNING"]
    lab.wait(1)
    assert [task["lastStatus"] for task in lab.tasks()] == ["RUNNING", "PROVISIONING"]


def test_a_first_deployment_that_is_superseded_stops_what_it_has_not_started() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.create(desired=1)
    lab.wait(10)
    lab.redeploy()
    lab.wait(1)
    assert [task["startedBy"] == lab.primary()["id"] for task in lab.tasks()] == [True]


def test_failures_of_a_superseded_deployment_do_not_count() -> None:
    lab = Scenario({"sha256:bad": Behaviour(exits_after_seconds=30, exit_code=1)})
    lab.push("sha256:bad")
    lab.create(desired=3, deploymentConfiguration=BREAKER)
    lab.wait_until(lambda: bool(lab.service()["runningCount"] == 3))
    lab.push("sha256:1")
    lab.redeploy()
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"
    assert "SERVICE_DEPLOYMENT_FAILED" not in lab.event_names()


def test_a_deployment_shows_what_it_has_to_run() -> None:
    lab = running(desired=2)
    lab.redeploy()
    lab.wait(30)
    rows = [
        (each["status"], each["desiredCount"], each["runningCount"]) for each in lab.service()["deployments"]
    ]
    assert rows == [("PRIMARY", 2, 2), ("ACTIVE", 2, 2)]
    lab.wait(37)
    rows = [
        (each["status"], each["desiredCount"], each["runningCount"]) for each in lab.service()["deployments"]
    ]
    assert rows == [("PRIMARY", 2, 2), ("ACTIVE", 0, 0)]


@pytest.mark.parametrize(
    ("request_", "deploys"),
    [
        pytest.param({"desiredCount": 2}, False, id="desired-count-alone-does-not"),
        pytest.param(
            {"deploymentConfiguration": {"maximumPercent": 150}},
            False,
            id="deployment-configuration-alone-does-not",
        ),
        pytest.param({"healthCheckGracePeriodSeconds": 5}, False, id="grace-period-alone-does-not"),
        pytest.param({"networkConfiguration": NETWORK}, False, id="the-same-network-does-not"),
        pytest.param({"taskDefinition": "web:1"}, False, id="the-same-task-definition-does-not"),
        pytest.param({"forceNewDeployment": True}, True, id="force-does"),
        pytest.param({"taskDefinition": "web:2"}, True, id="another-task-definition-does"),
        pytest.param({"taskDefinition": "web"}, True, id="a-family-means-its-latest-revision"),
        pytest.param({"platformVersion": "1.4.0"}, True, id="another-platform-version-does"),
        pytest.param(
            {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-c"]}}},
            True,
            id="another-network-does",
        ),
        pytest.param(
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}], "forceNewDeployment": True},
            True,
            id="another-capacity-provider-does",
        ),
    ],
)
def test_what_starts_a_deployment(request_: dict[str, object], *, deploys: bool) -> None:
    lab = running()
    lab.register()
    lab.update(**request_)
    assert len(lab.service_deployments()) == (2 if deploys else 1)


def test_a_service_deployment_names_what_ran_before_and_what_shall_run() -> None:
    lab = running(desired=2)
    lab.redeploy()
    lab.wait(30)
    newest, first = lab.service_deployments()
    assert [each["arn"] for each in newest["sourceServiceRevisions"]] == [
        first["targetServiceRevision"]["arn"]
    ]
    counts = ("requestedTaskCount", "runningTaskCount", "pendingTaskCount")
    assert [newest["sourceServiceRevisions"][0][key] for key in counts] == [2, 2, 0]
    assert [newest["targetServiceRevision"][key] for key in counts] == [2, 2, 0]
    lab.wait_until_over()
    lab.update(desiredCount=0)
    lab.wait(60)
    assert [lab.service_deployments()[0]["targetServiceRevision"][key] for key in counts] == [2, 2, 0]


def test_the_source_of_a_service_deployment_is_the_completed_one_even_at_0_tasks() -> None:
    lab = Scenario()
    lab.create(desired=0)
    first = lab.wait_until_over()["targetServiceRevision"]["arn"]
    lab.redeploy()
    sources = lab.service_deployments()[0]["sourceServiceRevisions"]
    assert [(each["arn"], each["requestedTaskCount"]) for each in sources] == [(first, 0)]


def test_an_update_of_desired_count_and_force_together_deploys_once() -> None:
    lab = Scenario()
    lab.create(desired=0)
    lab.wait_until_over()
    lab.push("sha256:1")
    lab.update(desiredCount=1, forceNewDeployment=True)
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"
    assert len(lab.service_deployments()) == 2
    assert lab.running_digests() == ["sha256:1"]


def test_old_tasks_that_end_during_a_deployment_are_not_replaced() -> None:
    lab = running(desired=2)
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(10)
    lab.runtime.crash(lab.tasks()[0]["taskArn"], "app", lab.now)
    lab.wait(30)
    assert sorted(lab.running_digests()) == ["sha256:1", "sha256:2", "sha256:2"]


@pytest.mark.parametrize("controller", ["EXTERNAL", "CODE_DEPLOY"])
def test_a_service_of_another_deployment_controller_is_described_and_not_run(controller: str) -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.create(desired=1, deploymentController={"type": controller})
    lab.wait(300)
    service = lab.service()
    assert service["deploymentController"] == {"type": controller}
    assert (service["deployments"], service["runningCount"], service["desiredCount"]) == ([], 0, 1)
    assert lab.on_service("ListServiceDeployments")["serviceDeployments"] == []


def test_a_rollback_that_a_person_asked_for_can_fail() -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    lab = running(deploymentConfiguration=breaker)
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(30)
    lab.world.delete(REPOSITORY, "sha256:1")
    arn = lab.service_deployments()[0]["serviceDeploymentArn"]
    lab.call("StopServiceDeployment", serviceDeploymentArn=arn)
    assert lab.wait_until_over()["status"] == "ROLLBACK_FAILED"


def test_a_person_can_roll_a_deployment_back() -> None:
    lab = running(deploymentConfiguration=BREAKER)
    lab.push("sha256:2")
    lab.redeploy()
    lab.wait(30)
    arn = lab.service_deployments()[0]["serviceDeploymentArn"]
    lab.call("StopServiceDeployment", serviceDeploymentArn=arn, stopType="ROLLBACK")
    assert lab.service_deployments()[0]["status"] == "ROLLBACK_REQUESTED"
    assert lab.wait_until_over()["status"] == "ROLLBACK_SUCCESSFUL"
    assert lab.running_digests() == ["sha256:1"]
