"""The life of a task: states, events, containers, dependencies, shutdown."""

from typing import Any

import pytest

from lab.ecs.model.engine import Options
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, IMAGE, START, Scenario

SIDE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/side:1"
APP = {"name": "app", "image": IMAGE}


def side(condition: str | None = None, **more: object) -> dict[str, Any]:
    depends = {"dependsOn": [{"containerName": "app", "condition": condition}]} if condition else {}
    return {"name": "side", "image": SIDE, **depends, **more}


def scenario(
    *containers: dict[str, Any], options: Options | None = None, **behaviours: Behaviour
) -> Scenario:
    lab = Scenario({f"sha256:{name}": each for name, each in behaviours.items()}, options=options)
    lab.push("sha256:app")
    lab.push("sha256:side", SIDE)
    lab.register(*containers)
    return lab


def path(lab: Scenario) -> list[tuple[str, str]]:
    details = [event["detail"] for event in lab.events("ECS Task State Change")]
    return [(detail["lastStatus"], detail["desiredStatus"]) for detail in details]


def asked(lab: Scenario, *kinds: str) -> list[tuple[str, str]]:
    return [(kind, container) for kind, container, _ in lab.commands() if kind in kinds]


def test_a_task_passes_through_every_documented_state() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(120)
    lab.update(desiredCount=0)
    lab.wait(120)
    assert path(lab) == [
        ("PROVISIONING", "RUNNING"),
        ("PENDING", "RUNNING"),
        ("ACTIVATING", "RUNNING"),
        ("RUNNING", "RUNNING"),
        ("RUNNING", "STOPPED"),
        ("DEACTIVATING", "STOPPED"),
        ("STOPPING", "STOPPED"),
        ("DEPROVISIONING", "STOPPED"),
        ("STOPPED", "STOPPED"),
    ]


def test_the_version_of_a_tasks_events_counts_up_by_one() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(120)
    lab.update(desiredCount=0)
    lab.wait(120)
    versions = [event["detail"]["version"] for event in lab.events("ECS Task State Change")]
    assert versions == list(range(1, 10))


def test_the_public_address_exists_from_provisioning_to_the_end_of_deprovisioning() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(2)
    assert [each.public_ip is not None for each in lab.world.interfaces.values()] == [True]
    lab.wait(120)
    lab.update(desiredCount=0)
    lab.wait_until(lambda: path(lab)[-1][0] == "DEPROVISIONING")
    assert len(lab.world.interfaces) == 1
    lab.wait_until(lambda: path(lab)[-1][0] == "STOPPED")
    assert lab.world.interfaces == {}


def test_a_task_without_assign_public_ip_has_no_public_address() -> None:
    lab = scenario(APP)
    lab.create(desired=1, networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-a"]}})
    lab.wait(2)
    assert [each.public_ip for each in lab.world.interfaces.values()] == [None]


def test_a_stopped_task_is_described_for_an_hour() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(120)
    arn = lab.tasks()[0]["taskArn"]
    lab.update(desiredCount=0)
    lab.wait(120)
    assert lab.tasks() == []
    assert [task["taskArn"] for task in lab.tasks("STOPPED")] == [arn]
    lab.wait(3600)
    answer = lab.call("DescribeTasks", cluster="lab", tasks=[arn])
    assert answer == {"tasks": [], "failures": [{"arn": arn, "reason": "MISSING"}]}


def test_a_task_stopped_while_provisioning_never_pulls() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(2)
    lab.update(desiredCount=0)
    lab.wait(120)
    assert lab.commands() == []
    assert path(lab)[-2:] == [("DEPROVISIONING", "STOPPED"), ("STOPPED", "STOPPED")]


def test_a_task_stopped_while_pulling_starts_no_container() -> None:
    lab = scenario(APP, app=Behaviour(pull_seconds=60))
    lab.create(desired=1)
    lab.wait(30)
    lab.update(desiredCount=0)
    lab.wait(120)
    assert asked(lab, "StartContainer", "StopContainer") == []
    assert lab.tasks("STOPPED")[0]["lastStatus"] == "STOPPED"


def test_a_task_whose_secret_is_not_there_starts_nothing_and_counts_as_failed() -> None:
    lab = scenario(APP, app=Behaviour(pull_seconds=60))
    lab.create(desired=1, deploymentConfiguration=BREAKER)
    lab.wait_until(lambda: bool(asked(lab, "PullImage")))
    task = lab.tasks()[0]["taskArn"]
    lab.model.settings_missing(task, "no such secret", lab.now)
    lab.wait(30)
    stopped = lab.call("DescribeTasks", cluster="lab", tasks=[task])["tasks"][0]
    assert (stopped["lastStatus"], stopped["stopCode"]) == ("STOPPED", "TaskFailedToStart")
    assert stopped["stoppedReason"] == "ResourceInitializationError: no such secret"
    assert asked(lab, "StartContainer", "StopContainer") == []
    assert lab.primary()["failedTasks"] == 1


def test_a_task_stopped_while_a_container_starts_stops_that_container() -> None:
    lab = scenario(APP, app=Behaviour(start_seconds=60))
    lab.create(desired=1)
    lab.wait(30)
    lab.update(desiredCount=0)
    lab.wait(20)
    assert asked(lab, "StartContainer", "StopContainer") == [
        ("StartContainer", "app"),
        ("StopContainer", "app"),
    ]
    assert lab.tasks("STOPPED")[0]["lastStatus"] == "STOPPED"


def test_the_exit_of_an_essential_container_stops_the_task() -> None:
    lab = scenario(APP, side())
    lab.create(desired=1)
    lab.wait(120)
    task = lab.tasks()[0]
    lab.runtime.crash(task["taskArn"], "side", lab.now, exit_code=3)
    stopped = lab.tasks("STOPPED")[0]
    assert stopped["stopCode"] == "EssentialContainerExited"
    assert stopped["stoppedReason"] == "Essential container in task exited"
    assert {each["name"]: each.get("exitCode") for each in stopped["containers"]} == {"app": None, "side": 3}
    assert asked(lab, "StopContainer") == [("StopContainer", "app")]


def test_the_exit_of_a_container_that_is_not_essential_changes_nothing() -> None:
    lab = scenario(APP, side(essential=False))
    lab.create(desired=1)
    lab.wait(120)
    before = path(lab)
    lab.runtime.crash(lab.tasks()[0]["taskArn"], "side", lab.now)
    lab.wait(60)
    assert path(lab) == before
    assert [task["lastStatus"] for task in lab.tasks()] == ["RUNNING"]
    assert len(lab.tasks("STOPPED")) == 0


def test_a_container_that_cannot_start_is_a_task_that_failed_to_start() -> None:
    lab = scenario(APP, app=Behaviour(start_seconds=None))
    lab.create(desired=1)
    lab.wait(30)
    stopped = lab.tasks("STOPPED")[0]
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith("CannotStartContainerError")
    assert "startedAt" not in stopped


@pytest.mark.parametrize(
    ("app", "side_container", "order"),
    [
        pytest.param(
            APP, side("START"), [("app", 24.0), ("side", 25.0)], id="START-waits-until-the-other-has-started"
        ),
        pytest.param(
            {**APP, "essential": False},
            side("COMPLETE"),
            [("app", 24.0), ("side", 35.0)],
            id="COMPLETE-waits-until-the-other-has-exited",
        ),
        pytest.param(
            {**APP, "essential": False},
            side("SUCCESS"),
            [("app", 24.0), ("side", 35.0)],
            id="SUCCESS-waits-until-the-other-has-exited-with-0",
        ),
        pytest.param(
            {**APP, "healthCheck": {"command": ["CMD", "true"], "interval": 5}},
            side("HEALTHY"),
            [("app", 24.0), ("side", 30.1)],
            id="HEALTHY-waits-until-the-others-health-check-passes",
        ),
    ],
)
def test_depends_on(
    app: dict[str, Any], side_container: dict[str, Any], order: list[tuple[str, float]]
) -> None:
    exits = 10.0 if not app.get("essential", True) else None
    lab = scenario(side_container, app, app=Behaviour(exits_after_seconds=exits))
    lab.create(desired=1)
    lab.wait(40)
    started = [(name, round(at, 3)) for kind, name, at in lab.commands() if kind == "StartContainer"]
    assert started == order
    assert [task["lastStatus"] for task in lab.tasks()] == ["RUNNING"]


def test_the_task_is_not_running_before_the_container_that_waits_has_started() -> None:
    app = {**APP, "healthCheck": {"command": ["CMD", "true"], "interval": 5}}
    lab = scenario(app, side("HEALTHY"))
    lab.create(desired=1)
    lab.wait(28)
    assert [each["lastStatus"] for each in lab.tasks()[0]["containers"]] == ["RUNNING", "PENDING"]
    assert lab.tasks()[0]["lastStatus"] == "ACTIVATING"


def test_a_dependency_that_does_not_succeed_stops_the_task() -> None:
    app = {**APP, "essential": False}
    lab = scenario(app, side("SUCCESS"), app=Behaviour(exits_after_seconds=1, exit_code=1))
    lab.create(desired=1)
    lab.wait(30)
    assert lab.tasks("STOPPED")[0]["stopCode"] == "TaskFailedToStart"
    assert asked(lab, "StartContainer") == [("StartContainer", "app")]


def test_start_timeout_ends_the_wait_for_a_dependency() -> None:
    app = {**APP, "startTimeout": 20, "healthCheck": {"command": ["CMD", "false"], "interval": 5}}
    lab = scenario(app, side("HEALTHY"), app=Behaviour(healthy_after_seconds=None))
    lab.create(desired=1)
    lab.wait_until(lambda: bool(lab.tasks("STOPPED")))
    stopped = lab.tasks("STOPPED")[0]
    assert (stopped["stopCode"], stopped["stoppingAt"] - START) == ("TaskFailedToStart", 44.0)


def stopped_at(lab: Scenario) -> list[tuple[str, str, float]]:
    lab.create(desired=1)
    lab.wait(200)
    lab.update(desiredCount=0)
    lab.wait(300)
    commands = [each for each in lab.commands() if each[0] in {"StopContainer", "KillContainer"}]
    return [(kind, name, at - 201) for kind, name, at in commands]


def test_sigkill_comes_30_seconds_after_sigterm_by_default() -> None:
    lab = scenario(APP, app=Behaviour(on_sigterm_seconds=None))
    assert stopped_at(lab) == [("StopContainer", "app", 0), ("KillContainer", "app", 30)]
    assert lab.tasks("STOPPED")[0]["containers"][0]["exitCode"] == 137


def test_sigkill_comes_after_stop_timeout() -> None:
    lab = scenario({**APP, "stopTimeout": 120}, app=Behaviour(on_sigterm_seconds=None))
    assert stopped_at(lab) == [("StopContainer", "app", 0), ("KillContainer", "app", 120)]


def test_a_container_that_ends_on_sigterm_is_not_killed() -> None:
    assert stopped_at(scenario(APP, app=Behaviour(on_sigterm_seconds=20))) == [("StopContainer", "app", 0)]


def test_shutdown_is_in_reverse_order_of_start() -> None:
    lab = scenario({**APP, "stopTimeout": 60}, side("START"), side=Behaviour(on_sigterm_seconds=20))
    assert stopped_at(lab) == [("StopContainer", "side", 0), ("StopContainer", "app", 20)]


def test_each_container_has_its_own_stop_timeout_in_reverse_order() -> None:
    never = Behaviour(on_sigterm_seconds=None)
    lab = scenario({**APP, "stopTimeout": 60}, side("START", stopTimeout=10), app=never, side=never)
    assert stopped_at(lab) == [
        ("StopContainer", "side", 0),
        ("KillContainer", "side", 10),
        ("StopContainer", "app", 10),
        ("KillContainer", "app", 70),
    ]


def test_without_reverse_shutdown_all_containers_get_sigterm_at_once() -> None:
    options = Options(reverse_shutdown=False)
    lab = scenario(APP, side("START"), options=options, side=Behaviour(on_sigterm_seconds=20))
    assert stopped_at(lab) == [("StopContainer", "app", 0), ("StopContainer", "side", 0)]


def test_a_drain_sidecar_holds_back_the_apps_sigterm_only_while_the_app_answers() -> None:
    drain_sidecar = Behaviour(on_sigterm_seconds=72, watches="app")
    lab = scenario(APP, side("START", stopTimeout=120), side=drain_sidecar)
    assert stopped_at(lab) == [("StopContainer", "side", 0), ("StopContainer", "app", 72)]
    crashed = scenario(APP, side("START", stopTimeout=120), side=drain_sidecar)
    crashed.create(desired=1)
    crashed.wait(200)
    crashed.runtime.crash(crashed.tasks()[0]["taskArn"], "app", crashed.now)
    crashed.wait(5)
    assert crashed.tasks("STOPPED")[0]["lastStatus"] == "DEPROVISIONING"


def test_a_person_can_stop_a_task_and_the_service_replaces_it_with_the_same_digest() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(120)
    lab.push("sha256:newer")
    task = lab.tasks()[0]["taskArn"]
    lab.call("StopTask", cluster="lab", task=task, reason="because")
    stopped = lab.tasks("STOPPED")[0]
    assert (stopped["stopCode"], stopped["stoppedReason"]) == ("UserInitiated", "because")
    lab.wait(120)
    assert lab.running_digests() == ["sha256:app"]
    assert lab.tasks()[0]["startedBy"] == stopped["startedBy"]


def test_a_spot_interruption_gives_sigterm_at_once_and_two_minutes() -> None:
    lab = scenario(APP, app=Behaviour(on_sigterm_seconds=None))
    lab.create(desired=1)
    lab.wait(120)
    task = lab.tasks()[0]["taskArn"]
    lab.model.interrupt(task, lab.now)
    lab.runtime.take()
    assert asked(lab, "StopContainer") == [("StopContainer", "app")]
    assert lab.tasks("STOPPED")[0]["stopCode"] == "SpotInterruption"
    lab.wait(60)
    assert [each["taskArn"] != task for each in lab.tasks()] == [True]
    assert asked(lab, "KillContainer") == [("KillContainer", "app")]


def test_a_spot_notice_caps_the_stop_timeouts_of_containers_one_after_the_other() -> None:
    never = Behaviour(on_sigterm_seconds=None)
    lab = scenario({**APP, "stopTimeout": 100}, side("START", stopTimeout=100), app=never, side=never)
    lab.create(desired=1)
    lab.wait(120)
    lab.model.interrupt(lab.tasks()[0]["taskArn"], lab.now)
    lab.wait(200)
    kills = [(name, at) for kind, name, at in lab.commands() if kind == "KillContainer"]
    assert kills == [("side", 220.0), ("app", 240.0)]


def test_a_standalone_task_belongs_to_its_family_and_to_no_service() -> None:
    lab = scenario(APP)
    network = {"awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "ENABLED"}}
    started = lab.call("RunTask", cluster="lab", taskDefinition="web", networkConfiguration=network)["tasks"][
        0
    ]
    assert started["group"] == "family:web"
    assert "startedBy" not in started
    lab.wait(60)
    assert lab.running_digests() == ["sha256:app"]
    lab.runtime.crash(started["taskArn"], "app", lab.now)
    lab.wait(60)
    assert lab.tasks() == []


def test_observations_of_a_task_that_is_gone_are_ignored() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait(120)
    arn = lab.tasks()[0]["taskArn"]
    lab.update(desiredCount=0)
    lab.wait(60)
    seen = len(lab.runtime.events)
    for task in (arn, "arn:aws:ecs:us-east-1:000000000000:task/lab/unknown"):
        lab.model.image_pulled(task, "app", lab.now)
        lab.model.pull_failed(task, "app", "overdue", lab.now)
        lab.model.settings_missing(task, "overdue", lab.now)
        lab.model.container_started(task, "app", "id", lab.now)
        lab.model.health_probed(task, "app", ok=True, now=lab.now)
        lab.model.container_exited(task, "app", 0, lab.now)
    lab.runtime.take()
    assert len(lab.runtime.events) == seen


def test_a_container_that_starts_after_its_sigterm_gets_it_again() -> None:
    lab = scenario(APP)
    lab.create(desired=1)
    lab.wait_until(lambda: bool(asked(lab, "StartContainer")))
    task = lab.tasks()[0]["taskArn"]
    lab.model.interrupt(task, lab.now)
    lab.model.container_started(task, "app", "overdue", lab.now)
    kinds = [type(each).__name__ for each in lab.model.drain()]
    assert kinds.count("StopContainer") == 2


def test_a_task_of_a_capacity_provider_names_it_and_the_platform_that_latest_means() -> None:
    lab = scenario(APP)
    strategy = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    lab.create(desired=1, launchType=None, capacityProviderStrategy=strategy)
    lab.wait(60)
    task = lab.tasks()[0]
    assert (task["launchType"], task["capacityProviderName"]) == ("FARGATE", "FARGATE_SPOT")
    assert task["platformVersion"] == "1.4.0"
    assert lab.events("ECS Task State Change")[0]["detail"]["capacityProviderName"] == "FARGATE_SPOT"
