"""Container health checks: probes, start period, what UNHEALTHY does."""

from typing import Any

import pytest

from lab.ecs.model.engine import Options
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import IMAGE, START, Scenario

SIDE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/side:1"
STARTED = 25.0  # seconds after CreateService at which the first task's containers run


def scenario(
    check: dict[str, Any], behaviour: Behaviour, *more: dict[str, Any], options: Options | None = None
) -> Scenario:
    lab = Scenario({"sha256:app": behaviour}, options=options)
    lab.push("sha256:app")
    lab.push("sha256:side", SIDE)
    health_check = {"command": ["CMD-SHELL", "exit 0"], **check}
    lab.register({"name": "app", "image": IMAGE, "healthCheck": health_check}, *more)
    lab.create(desired=1)
    return lab


DRAIN_SIDECAR = {
    "name": "side",
    "image": SIDE,
    "dependsOn": [{"containerName": "app", "condition": "START"}],
    "healthCheck": {"command": ["CMD", "nc"], "interval": 5, "retries": 6, "startPeriod": 300},
}


@pytest.mark.parametrize("strict", [False, True], ids=["as-observed", "as-the-api-reference-says"])
def test_a_task_whose_only_essential_container_is_a_drain_sidecar_is_as_healthy_as_its_port(
    *, strict: bool
) -> None:
    behaviours = {"sha256:app": Behaviour(listens_after_seconds=20), "sha256:side": Behaviour(watches="app")}
    lab = Scenario(behaviours, options=Options(unchecked_container_is_unknown=strict))
    lab.push("sha256:app")
    lab.push("sha256:side", SIDE)
    lab.register({"name": "app", "image": IMAGE, "essential": False}, DRAIN_SIDECAR)
    lab.create(desired=1)
    assert health_changed_at(lab, "HEALTHY") >= 20


def test_a_drain_sidecar_ends_the_task_when_the_app_has_ended() -> None:
    lab = Scenario({"sha256:side": Behaviour(watches="app")})
    lab.push("sha256:app")
    lab.push("sha256:side", SIDE)
    lab.register({"name": "app", "image": IMAGE, "essential": False}, DRAIN_SIDECAR)
    lab.create(desired=1)
    lab.wait(120)
    [task] = lab.tasks()
    lab.runtime.crash(task["taskArn"], "app", lab.now)
    lab.wait(120)
    [stopped] = [each for each in lab.tasks("STOPPED") if each["taskArn"] == task["taskArn"]]
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert [each["lastStatus"] for each in lab.tasks()] == ["RUNNING"]


def health_changed_at(lab: Scenario, health: str) -> float:
    lab.wait_until(lambda: any(task["healthStatus"] == health for task in lab.tasks()))
    return round(lab.now - START - STARTED, 3)


@pytest.mark.parametrize(
    ("check", "behaviour", "health", "after_seconds"),
    [
        pytest.param({}, Behaviour(), "HEALTHY", 30.1, id="first-probe-after-the-default-interval-of-30"),
        pytest.param({"interval": 5}, Behaviour(), "HEALTHY", 5.1, id="first-probe-after-one-interval"),
        pytest.param(
            {"interval": 10},
            Behaviour(healthy_after_seconds=None),
            "UNHEALTHY",
            30.3,
            id="unhealthy-after-three-failures-by-default",
        ),
        pytest.param(
            {"interval": 10, "retries": 1},
            Behaviour(healthy_after_seconds=None),
            "UNHEALTHY",
            10.1,
            id="unhealthy-after-as-many-failures-as-retries",
        ),
        pytest.param(
            {"interval": 10, "retries": 1, "startPeriod": 60},
            Behaviour(healthy_after_seconds=None),
            "UNHEALTHY",
            60.6,
            id="failures-in-the-start-period-do-not-count",
        ),
        pytest.param(
            {"interval": 10, "retries": 1, "startPeriod": 60},
            Behaviour(healthy_after_seconds=15),
            "HEALTHY",
            20.2,
            id="a-success-in-the-start-period-counts",
        ),
        pytest.param(
            {"interval": 10, "retries": 1, "startPeriod": 100},
            Behaviour(unhealthy_after_seconds=15),
            "UNHEALTHY",
            20.2,
            id="after-a-success-failures-count-within-the-start-period",
        ),
        pytest.param(
            {"interval": 10, "retries": 2, "timeout": 3},
            Behaviour(probe_seconds=None),
            "UNHEALTHY",
            26,
            id="a-probe-that-hangs-fails-after-its-timeout",
        ),
    ],
)
def test_health(check: dict[str, Any], behaviour: Behaviour, health: str, after_seconds: float) -> None:
    assert health_changed_at(scenario(check, behaviour), health) == after_seconds


def test_a_success_in_between_starts_the_count_of_failures_anew() -> None:
    lab = scenario({"interval": 10, "retries": 3}, Behaviour(probe_seconds=None))
    lab.wait(STARTED + 10)
    for ok in (True, False, False, True, False, False):
        assert lab.commands()[-1] == ("ProbeHealth", "app", lab.now - START)
        lab.model.health_probed(lab.tasks()[0]["taskArn"], "app", ok=ok, now=lab.now)
        lab.wait(10)
    assert [task["healthStatus"] for task in lab.tasks()] == ["HEALTHY"]


def test_the_timeout_of_a_probe_that_was_answered_does_not_hit_the_next_one() -> None:
    lab = scenario({"interval": 5, "timeout": 10, "retries": 1}, Behaviour(probe_seconds=4))
    health_changed_at(lab, "HEALTHY")
    lab.wait(300)
    assert [task["healthStatus"] for task in lab.tasks()] == ["HEALTHY"]
    assert len(lab.tasks("STOPPED")) == 0


def test_of_an_unhealthy_task_and_its_unhealthy_replacement_one_is_stopped() -> None:
    lab = Scenario({"sha256:app": Behaviour(healthy_after_seconds=None)})
    lab.push("sha256:app")
    check = {"command": ["CMD", "false"], "interval": 5, "retries": 1}
    lab.register({"name": "app", "image": IMAGE, "healthCheck": check})
    lab.create(desired=1, deploymentConfiguration={"maximumPercent": 500})
    for _ in range(600):
        lab.wait(1)
        assert len(lab.tasks()) <= 2
    assert len(lab.tasks("STOPPED")) > 5


def test_health_is_unknown_until_the_first_answer() -> None:
    lab = scenario({}, Behaviour())
    lab.wait(40)
    assert [task["healthStatus"] for task in lab.tasks()] == ["UNKNOWN"]


def test_a_task_without_a_health_check_stays_unknown() -> None:
    lab = Scenario()
    lab.push("sha256:app")
    lab.create(desired=1)
    lab.wait(200)
    assert [task["healthStatus"] for task in lab.tasks()] == ["UNKNOWN"]


def test_the_health_of_a_container_that_is_not_essential_does_not_matter() -> None:
    lab = Scenario()
    lab.push("sha256:app")
    lab.push("sha256:side", SIDE)
    check = {"command": ["CMD", "true"], "interval": 5}
    side = {"name": "side", "image": SIDE, "essential": False, "healthCheck": check}
    lab.register({"name": "app", "image": IMAGE}, side)
    lab.create(desired=1)
    lab.wait(60)
    assert [task["healthStatus"] for task in lab.tasks()] == ["UNKNOWN"]


def test_an_essential_container_without_a_check_does_not_hold_the_tasks_health_back_as_observed() -> None:
    lab = scenario({"interval": 5}, Behaviour(), {"name": "side", "image": SIDE})
    lab.wait(60)
    assert [task["healthStatus"] for task in lab.tasks()] == ["HEALTHY"]


def test_an_essential_container_without_a_check_makes_the_task_unknown_by_the_letter_of_the_reference() -> (
    None
):
    options = Options(unchecked_container_is_unknown=True)
    lab = scenario({"interval": 5}, Behaviour(), {"name": "side", "image": SIDE}, options=options)
    lab.wait(600)
    assert [task["healthStatus"] for task in lab.tasks()] == ["UNKNOWN"]
    assert lab.primary()["rolloutState"] == "IN_PROGRESS"


def test_a_change_of_health_sends_no_event() -> None:
    lab = scenario({"interval": 5}, Behaviour())
    lab.wait(29)
    before = len(lab.runtime.events)
    health_changed_at(lab, "HEALTHY")
    assert len(lab.runtime.events) == before


def test_an_unhealthy_task_is_stopped_once_its_replacement_is_healthy() -> None:
    lab = scenario({"interval": 5}, Behaviour(unhealthy_after_seconds=100))
    health_changed_at(lab, "UNHEALTHY")
    sick = lab.tasks()[0]["taskArn"]
    lab.wait(2)
    assert [task["taskArn"] == sick for task in lab.tasks()] == [True, False]
    lab.wait_until(lambda: bool(lab.tasks("STOPPED")))
    stopped = lab.tasks("STOPPED")[0]
    assert stopped["taskArn"] == sick
    assert stopped["stoppedReason"] == "Task failed container health checks"
    assert [task["healthStatus"] for task in lab.tasks()] == ["HEALTHY"]


def test_an_unhealthy_task_is_stopped_first_where_maximum_percent_leaves_no_room() -> None:
    lab = Scenario({"sha256:app": Behaviour(unhealthy_after_seconds=100)})
    lab.push("sha256:app")
    check = {"command": ["CMD", "true"], "interval": 5}
    lab.register({"name": "app", "image": IMAGE, "healthCheck": check})
    lab.create(desired=1, deploymentConfiguration={"maximumPercent": 100, "minimumHealthyPercent": 0})
    health_changed_at(lab, "UNHEALTHY")
    lab.wait(1)
    assert [task["lastStatus"] for task in lab.tasks()] == ["PROVISIONING"]
    assert len(lab.tasks("STOPPED")) == 1


def test_an_unhealthy_task_is_left_alone_in_the_grace_period() -> None:
    lab = Scenario({"sha256:app": Behaviour(healthy_after_seconds=None)})
    lab.push("sha256:app")
    check = {"command": ["CMD", "false"], "interval": 5, "retries": 1}
    lab.register({"name": "app", "image": IMAGE, "healthCheck": check})
    lab.create(desired=1, healthCheckGracePeriodSeconds=300)
    lab.wait(STARTED + 299)
    assert len(lab.tasks()) == 1
    lab.wait(3)
    assert len(lab.tasks()) == 2


def test_a_standalone_task_is_not_stopped_for_its_health() -> None:
    lab = Scenario({"sha256:app": Behaviour(healthy_after_seconds=None)})
    lab.push("sha256:app")
    lab.register({"name": "app", "image": IMAGE, "healthCheck": {"command": ["CMD", "false"], "interval": 5}})
    network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
    lab.call("RunTask", cluster="lab", taskDefinition="web", networkConfiguration=network)
    lab.wait(300)
    assert [(task["lastStatus"], task["healthStatus"]) for task in lab.tasks()] == [("RUNNING", "UNHEALTHY")]
