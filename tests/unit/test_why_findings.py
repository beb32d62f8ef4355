"""What `why` says about deployments and records: state in, words and cure out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.why.definition_findings import port_findings, status_findings
from commands.why.deployment_findings import deployment_findings
from commands.why.finding import Finding, Level, short
from commands.why.network_findings import address_findings, record_findings
from commands.why.progress_findings import circuit_breaker_findings, progress_findings
from commands.why.stack_findings import name_findings
from commands.why.state import (
    LoggedDecision,
    NewestPush,
    RunningTask,
    ServiceEvent,
    ServiceState,
    Stack,
    State,
)
from pushlive import record_plan, redeploy_plan
from pushlive.config import Settings
from pushlive.model import ROLLING_BACK, UNDER_WAY, Image, Record, Service, ServiceDeployment, Task
from pushlive.redeploy_plan import DeploymentState

NOW = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, 9, 40, tzinfo=UTC)
REFERENCE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello:latest"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
SETTINGS = Settings.from_env(
    {
        "CLUSTER_ARN": "arn:aws:ecs:eu-west-1:123456789012:cluster/hello",
        "REGISTRY": REGISTRY,
        "LEASES_LOG_GROUP": "redeploy-service",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:hello",
        "HOSTED_ZONE_ID": "Z1",
    }
)
DRY_RUN = SETTINGS._replace(dry_run=True)
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/hello/app"


def deployment(digest: str | None, status: str, at: datetime = EARLIER) -> ServiceDeployment:
    digests = {"app": digest} if digest else {}
    finished = at if status not in UNDER_WAY | ROLLING_BACK else None
    return ServiceDeployment(f"{ARN}/d1", status, at, digests, finished_at=finished)


def task(digest: str = OLD) -> RunningTask:
    task = Task("task", last_status="RUNNING", health_status="HEALTHY", started_at=EARLIER)
    return RunningTask(task, (digest,), "192.0.2.1", answers=True, is_newest=True)


def state(**changes: Any) -> ServiceState:
    """A service that runs what its tag names; keys of what RedeployService reads change that."""
    images = changes.pop("images", (Image(REFERENCE, OLD, EARLIER),))
    of_service = {key: changes.pop(key) for key in list(changes) if key in Service._fields and key != "tags"}
    service = Service("app", ARN, desired_count=1, running_count=1, tags={"pushlive:redeploy": "on-push"})
    live = DeploymentState(
        service._replace(**of_service),
        references={"app": REFERENCE},
        images=dict(zip(("app", "side"), images, strict=False)),
        deployments=(deployment(OLD, "SUCCESSFUL"),),
    )
    of_live = {key: changes.pop(key) for key in list(changes) if key in live._fields}
    found = ServiceState(
        settings=SETTINGS,
        now=NOW,
        live=live._replace(**of_live),
        tags={"pushlive:redeploy": "on-push"},
        tasks=(task(),),
        port=8080,
        described=described(),
        definition=definition(),
    )
    return replace(found, **changes)


def described(**changes: Any) -> dict[str, Any]:
    breaker = {"enable": True, "rollback": True}
    return {
        "launchType": "FARGATE",
        "deploymentConfiguration": {"deploymentCircuitBreaker": breaker, **changes},
    }


def on_instances(**changes: Any) -> dict[str, Any]:
    return {**described(), "launchType": "EC2", **changes}


def definition(port: int = 8080, protocol: str = "tcp", **changes: Any) -> dict[str, Any]:
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/hello/tasks"}}
    mapping = {"containerPort": port, "protocol": protocol}
    app = {"name": "app", "image": REFERENCE, "portMappings": [mapping], "logConfiguration": log}
    arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/hello:3"
    return {"taskDefinitionArn": arn, "containerDefinitions": [app], "networkMode": "awsvpc", **changes}


def says(*messages: str, minutes_ago: int = 5) -> tuple[ServiceEvent, ...]:
    """What ECS wrote, newest first."""
    return tuple(ServiceEvent(NOW - timedelta(minutes=minutes_ago), f"(service app) {m}") for m in messages)


def told(found: ServiceState) -> list[Finding]:
    """All that is found in a state alone."""
    return [
        *deployment_findings(found),
        *progress_findings(found),
        *record_findings(found),
        *address_findings(found),
        *status_findings(found),
        *port_findings(found),
        *circuit_breaker_findings(found),
    ]


def pushed(minutes_ago: int) -> Image:
    return Image(REFERENCE, NEW, NOW - timedelta(minutes=minutes_ago))


NO_CAPACITY = "was unable to place a task. Reason: Capacity is unavailable at this time."
NO_ROOM = "was unable to place a task because no container instance met all of its requirements."
CONFIGURATION = (
    "was unable to stop or start tasks during a deployment because of the service deployment configuration."
)
SPOT = {"capacityProvider": "FARGATE_SPOT", "weight": 1}
DEPLOY = redeploy_plan.Decision(redeploy_plan.Action.DEPLOY, "now names")
LEAVE = redeploy_plan.Decision(redeploy_plan.Action.LEAVE, "already live")
PAUSED = {"pushlive:redeploy": "paused"}


def said(action: str, reason: str) -> tuple[LoggedDecision, ...]:
    return (LoggedDecision(NOW, "RedeployService", "app", action, reason),)


@pytest.mark.parametrize(
    ("found", "level", "kind", "what", "cure"),
    [
        pytest.param(
            state(
                images=(pushed(8),),
                deployments=(
                    deployment(NEW, "ROLLBACK_SUCCESSFUL", NOW - timedelta(minutes=8))._replace(
                        status_reason="The circuit breaker tripped."
                    ),
                ),
            ),
            "problem",
            "image-failed",
            "the tag hello:latest names sha256:bbbbbbbbbbbb, which failed at 10:02:00 UTC "
            "(The circuit breaker tripped); sha256:aaaaaaaaaaaa runs since 09:40:00 UTC",
            "push an image that works",
            id="image-failed",
        ),
        pytest.param(
            state(
                tags=PAUSED,
                images=(pushed(8),),
                if_not_paused=DEPLOY,
                deployment_decision=LEAVE,
            ),
            "problem",
            "paused",
            "paused by its tag pushlive:redeploy, while sha256:bbbbbbbbbbbb, pushed at 10:02:00 UTC, waits",
            f"aws ecs tag-resource --resource-arn {ARN} --tags key=pushlive:redeploy,value=on-push",
            id="paused-and-a-push-waits",
        ),
        pytest.param(
            state(tags=PAUSED, if_not_paused=LEAVE),
            "note",
            "paused",
            "paused by its tag pushlive:redeploy; no push waits",
            "value=on-push",
            id="paused",
        ),
        pytest.param(
            state(tags={"pushlive:redeploy": "On-Push"}),
            "problem",
            "tag-value",
            "its tag pushlive:redeploy is 'On-Push', which means nothing",
            "value=on-push",
            id="tag-means-nothing",
        ),
        pytest.param(
            state(tags={"pushlive:hostname": "app.example.com"}),
            "note",
            "not-opted-in",
            "no tag pushlive:redeploy",
            "value=on-push",
            id="no-tag",
        ),
        pytest.param(
            state(wrong_settings=("The tag X is 'many': give a number",)),
            "problem",
            "tag-value",
            "The tag X is 'many'",
            "give a number",
            id="tag-refused-by-a-function",
        ),
        pytest.param(
            state(decisions=said("failed", "AccessDenied: no")),
            "problem",
            "function-failed",
            "RedeployService failed on it at its last run: AccessDenied: no",
            "log",
            id="function-failed",
        ),
        pytest.param(
            state(
                images=(Image(REFERENCE, None),),
                deployments=(deployment(None, "SUCCESSFUL"),),
                running_count=0,
                desired_count=0,
                tasks=(),
            ),
            "note",
            "no-image-yet",
            "waits for the first push",
            f"docker push {REFERENCE}",
            id="no-image-yet",
        ),
        pytest.param(
            state(images=(Image(REFERENCE, None),)),
            "problem",
            "image-gone",
            "names no image any more; sha256:aaaaaaaaaaaa runs since",
            f"docker push {REFERENCE}",
            id="image-gone",
        ),
        pytest.param(
            state(images=(pushed(3),), deployment_decision=DEPLOY),
            "note",
            "push-due",
            "sha256:bbbbbbbbbbbb, pushed at 10:07:00 UTC, waits to be deployed; sha256:aaaaaaaaaaaa runs "
            "since 09:40:00 UTC: RedeployService does it at its next run",
            "",
            id="push-just-came",
        ),
        pytest.param(
            state(images=(pushed(7),), deployment_decision=DEPLOY),
            "problem",
            "push-due",
            "and no run of RedeployService has done it",
            "are its rules enabled",
            id="push-forgotten",
        ),
        pytest.param(
            state(desired_count=0, running_count=0, tasks=(), deployment_decision=LEAVE),
            "note",
            "scaled-to-0",
            "its desired count is 0",
            "--cluster hello --service app --desired-count 1",
            id="scaled-to-0",
        ),
        pytest.param(
            state(deployments=(deployment(NEW, "ROLLBACK_IN_PROGRESS", NOW - timedelta(minutes=8)),)),
            "note",
            "rolling-back",
            "a rollback is in progress in deployment d1 of 10:02:00 UTC",
            "",
            id="rolling-back",
        ),
        pytest.param(
            state(deployments=(deployment(NEW, "IN_PROGRESS", NOW - timedelta(minutes=8)),)),
            "note",
            "under-way",
            "a deployment is under way since 10:02:00 UTC: d1",
            "",
            id="under-way",
        ),
        pytest.param(
            state(
                deployments=(deployment(NEW, "IN_PROGRESS"),),
                failed_tasks=3,
                stopped_reason="CannotPullContainerError: … dial tcp: i/o timeout",
            ),
            "problem",
            "tasks-fail",
            "3 tasks of the deployment of 09:40:00 UTC failed",
            "i/o timeout; the subnet has no way to the registry",
            id="tasks-fail",
        ),
        pytest.param(
            state(
                deployments=(deployment(NEW, "IN_PROGRESS"),),
                failed_tasks=1,
                stopped_reason="Task failed container health checks",
            ),
            "problem",
            "tasks-fail",
            "1 tasks of the deployment",
            "health checks; does the container listen on its port at 0.0.0.0 (at 127.0.0.1 only, nobody",
            id="health-checks-fail",
        ),
        pytest.param(
            state(
                deployments=(deployment(NEW, "IN_PROGRESS"),),
                failed_tasks=1,
                stopped_reason="the app listens on 127.0.0.1 only: listen on 0.0.0.0",
            ),
            "problem",
            "tasks-fail",
            "1 tasks of the deployment",
            "its last task stopped: the app listens on 127.0.0.1 only: listen on 0.0.0.0",
            id="listens-on-loopback-only",
        ),
        pytest.param(
            state(running_count=0, tasks=(), events=says("has started 1 tasks: (task 0123).")),
            "problem",
            "tasks-missing",
            "0 of 1 tasks run",
            "ECS says: (service app) has started 1 tasks",
            id="tasks-missing",
        ),
        pytest.param(
            state(images=(pushed(3),), deployment_decision=DEPLOY, settings=DRY_RUN),
            "problem",
            "dry-run",
            "the functions change nothing",
            "sam deploy with DryRun=false",
            id="a-push-that-a-dry-run-leaves",
        ),
        # another tag was pushed
        pytest.param(
            state(
                images=(Image(REFERENCE, None),),
                deployments=(),
                running_count=0,
                pushes={REFERENCE: NewestPush(("v1",), NOW - timedelta(minutes=3))},
            ),
            "problem",
            "other-tag",
            "the newest push to hello is v1 (10:07:00 UTC), but the service runs the tag latest, which names "
            "no image",
            "push it as latest; or deploy the stack with ImageTag=v1\n"
            f"docker tag {REGISTRY}/hello:v1 {REFERENCE} && docker push {REFERENCE}",
            id="another-tag-pushed-and-the-service-s-own-names-nothing",
        ),
        pytest.param(
            state(pushes={REFERENCE: NewestPush(("v1", "v1.0"), NOW - timedelta(minutes=3))}),
            "note",
            "other-tag",
            "the newest push to hello is v1, v1.0 (10:07:00 UTC), but the service runs the tag latest, "
            "pushed before",
            "ImageTag=v1",
            id="another-tag-pushed-later",
        ),
        # what ECS says in words
        pytest.param(
            state(deployments=(deployment(NEW, "IN_PROGRESS"),), events=says(NO_CAPACITY)),
            "problem",
            "blocked",
            f"the deployment of 09:40:00 UTC does not go on; ECS says: (service app) {NO_CAPACITY}",
            "wait, or give the service subnets in more availability zones",
            id="no-room-for-a-new-task",
        ),
        pytest.param(
            state(
                deployments=(deployment(NEW, "IN_PROGRESS"),), events=says("has started 1 tasks.", NO_ROOM)
            ),
            "problem",
            "blocked",
            f"ECS says: (service app) {NO_ROOM}",
            "add container instances",
            id="no-room-for-the-second-of-two-tasks",
        ),
        pytest.param(
            state(running_count=1, desired_count=2, events=says(NO_CAPACITY)),
            "problem",
            "blocked",
            "1 of 2 tasks run; ECS says: ",
            "wait",
            id="no-room-to-scale-out",
        ),
        pytest.param(
            state(running_count=0, tasks=(), events=says("was unable to do something new.")),
            "problem",
            "blocked",
            "0 of 1 tasks run; ECS says: (service app) was unable to do something new.",
            "the ECS guide explains it",
            id="blocked-in-words-that-are-not-known-here",
        ),
        pytest.param(
            state(deployments=(deployment(NEW, "IN_PROGRESS"),), events=says(CONFIGURATION)),
            "problem",
            "deadlock",
            f"the deployment of 09:40:00 UTC does not go on; ECS says: (service app) {CONFIGURATION}",
            "maximumPercent=200,minimumHealthyPercent=100,",
            id="deadlock-that-ECS-tells",
        ),
        pytest.param(
            state(
                deployments=(deployment(NEW, "IN_PROGRESS", NOW - timedelta(minutes=15)),),
                events=says("has started 1 tasks: (task 0123)."),
            ),
            "problem",
            "overdue",
            "deployment d1 is IN_PROGRESS since 09:55:00 UTC, longer than the 15 minutes of OverdueMinutes; "
            "ECS's newest event, of 10:05:00 UTC: (service app) has started 1 tasks: (task 0123).",
            "push an image that works",
            id="under-way-for-too-long",
        ),
        pytest.param(
            state(
                deployments=(
                    deployment(NEW, "IN_PROGRESS", NOW - timedelta(minutes=15)),
                    deployment(OLD, "SUCCESSFUL"),
                )
            ),
            "problem",
            "overdue",
            "longer than",
            f"go back to what ran before:\naws ecs stop-service-deployment --service-deployment-arn {ARN}/d1 "
            "--stop-type ROLLBACK",
            id="under-way-for-too-long-with-a-way-back",
        ),
        pytest.param(
            state(deployments=(deployment(NEW, "ROLLBACK_IN_PROGRESS", NOW - timedelta(minutes=15)),)),
            "problem",
            "overdue",
            "deployment d1 is ROLLBACK_IN_PROGRESS since 09:55:00 UTC",
            "push an image that works",
            id="rolling-back-for-too-long",
        ),
        pytest.param(
            state(definition=definition(status="INACTIVE")),
            "problem",
            "definition-inactive",
            "its task definition hello:3 is INACTIVE: ECS refuses to deploy it",
            "register it once more (sam deploy, Terraform, aws ecs register-task-definition), and then:\n"
            "aws ecs update-service --cluster hello --service app --task-definition hello",
            id="inactive-task-definition",
        ),
        # what pushlive does not deploy
        pytest.param(
            state(deployment_controller="EXTERNAL", definition={}),
            "problem",
            "not-deployable",
            "its deployments belong to the controller EXTERNAL",
            "take the tag pushlive:redeploy off",
            id="external-controller-without-a-task-definition",
        ),
        pytest.param(
            state(strategy="BLUE_GREEN"),
            "problem",
            "not-deployable",
            "BLUE_GREEN",
            "the strategy ROLLING",
            id="another-strategy",
        ),
        # where tasks have no public address
        pytest.param(
            state(described=on_instances(), definition=definition(networkMode="bridge"), host_name="app.a.b"),
            "problem",
            "no-address",
            "run on instances, with the network mode bridge: they have no public address of their own for "
            "the record app.a.b",
            "run it on Fargate, with awsvpc and assignPublicIp; or take the tag pushlive:hostname off",
            id="record-for-a-service-on-instances-bridge",
        ),
        pytest.param(
            state(described=on_instances(), host_name="app.a.b"),
            "problem",
            "no-address",
            "with the network mode awsvpc",
            "run it on Fargate",
            id="record-for-a-service-on-instances-awsvpc",
        ),
        pytest.param(
            state(definition=definition(port=53, protocol="udp"), port=None),
            "note",
            "udp-only",
            "its ports are UDP (53), which cannot be asked: a task that is RUNNING is published",
            "",
            id="only-udp",
        ),
    ],
)
def test_it_is_told(found: ServiceState, level: str, kind: str, what: str, cure: str) -> None:
    [one] = [each for each in told(found) if each.kind == kind]
    does = f"{one.cure}\n{one.command}"
    assert (one.level.value, what in one.what, cure in does) == (level, True, True), one
    assert "\n" not in one.what + one.cure + one.command, "each is one line"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(state(deployment_decision=LEAVE, settings=DRY_RUN), id="nothing"),
        pytest.param(
            state(pushes={REFERENCE: NewestPush(("v1", "latest"), NOW)}), id="another-tag-of-the-same-image"
        ),
        pytest.param(
            state(pushes={REFERENCE: NewestPush(("v1",), EARLIER - timedelta(minutes=1))}),
            id="another-tag-pushed-before",
        ),
        pytest.param(state(events=says(NO_CAPACITY)), id="no-room-told-but-all-tasks-run"),
        pytest.param(
            state(described=on_instances(), definition=definition(networkMode="bridge")),
            id="a-service-on-instances-without-a-record",
        ),
        pytest.param(
            state(
                described={**described(), "launchType": "", "capacityProviderStrategy": [SPOT]},
                host_name="app.a.b",
            ),
            id="capacity-providers-of-Fargate",
        ),
    ],
)
def test_nothing_is_told(found: ServiceState) -> None:
    assert told(found) == []


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        pytest.param(says("has reached a steady state.", NO_CAPACITY), "under-way", id="steady-since"),
        pytest.param(says(NO_CAPACITY, minutes_ago=60), "under-way", id="of-an-earlier-deployment"),
        pytest.param(
            says("is unable to consistently start tasks successfully."), "under-way", id="tasks-fail"
        ),
        pytest.param(says(NO_CAPACITY), "blocked", id="of-this-deployment"),
    ],
)
def test_what_ecs_said_counts_until_it_has_gone_on(events: tuple[ServiceEvent, ...], kind: str) -> None:
    [one] = told(
        state(deployments=(deployment(NEW, "IN_PROGRESS", NOW - timedelta(minutes=8)),), events=events)
    )
    assert one.kind == kind


@pytest.mark.parametrize(
    ("desired", "least", "most", "deadlocked"),
    [
        pytest.param(1, 100, 100, True, id="one-task-100-to-100"),
        pytest.param(1, 50, 100, True, id="the-least-is-rounded-up"),
        pytest.param(1, 100, 150, True, id="the-most-is-rounded-down"),
        pytest.param(3, 75, 125, True, id="three-tasks-75-to-125"),
        pytest.param(2, 75, 100, True, id="two-tasks-75-to-100"),
        pytest.param(4, 75, 100, False, id="one-of-four-may-be-stopped-first"),
        pytest.param(1, 0, 100, False, id="the-only-one-may-be-stopped-first"),
        pytest.param(1, 100, 200, False, id="defaults"),
        pytest.param(0, 100, 100, False, id="none-is-wanted"),
    ],
)
def test_percentages_that_let_no_task_be_replaced(
    desired: int, least: int, most: int, *, deadlocked: bool
) -> None:
    settings = described(minimumHealthyPercent=least, maximumPercent=most)
    found = state(desired_count=desired, running_count=desired, described=settings)
    locked = [each for each in told(found) if each.kind == "deadlock"]
    assert len(locked) == deadlocked
    for each in locked:
        assert f"of {desired} wanted tasks no fewer than {desired} and no more than {desired}" in each.what
        assert each.command == (
            "aws ecs update-service --cluster hello --service app --deployment-configuration "
            "'maximumPercent=200,minimumHealthyPercent=100,deploymentCircuitBreaker={enable=true,rollback=true}'"
        )


def test_one_command_cures_percentages_and_circuit_breaker() -> None:
    settings = {"maximumPercent": 100, "deploymentCircuitBreaker": {}}
    found = told(state(described={**described(), "deploymentConfiguration": settings}))
    assert [each.kind for each in found] == ["deadlock", "no-circuit-breaker"]
    assert len({each.command for each in found}) == 1


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        pytest.param({"running_count": 0}, ["deadlock", "tasks-missing"], id="no-task-runs"),
        pytest.param(
            {"deployments": (deployment(NEW, "IN_PROGRESS"),), "failed_tasks": 1},
            ["deadlock", "tasks-fail"],
            id="tasks-fail",
        ),
        pytest.param({"deployments": (deployment(NEW, "IN_PROGRESS"),)}, ["deadlock"], id="overdue-for-it"),
    ],
)
def test_what_is_told_beside_a_deadlock(changes: dict[str, Any], kinds: list[str]) -> None:
    found = told(state(described=described(maximumPercent=100), **changes))
    assert [each.kind for each in found] == kinds


def test_a_daemon_has_no_count() -> None:
    daemon = on_instances()
    daemon["deploymentConfiguration"] = described(maximumPercent=100)["deploymentConfiguration"]
    assert told(state(described=daemon, is_daemon=True)) == []
    assert told(state(described=daemon, is_daemon=True, desired_count=0, running_count=0, tasks=())) == []


def test_a_program_that_ends_is_told_with_the_command_for_its_log() -> None:
    ended = state(
        deployments=(deployment(NEW, "IN_PROGRESS"),),
        failed_tasks=1,
        stopped_reason="Essential container in task exited (app: exit code 1)",
    )
    [one] = told(ended)
    assert one.cure.endswith("(app: exit code 1); read its log:")
    assert one.command == "sam logs --cw-log-group /hello/tasks --start-time '1 hour ago'"


def record(action: record_plan.Action, reason: str, *addresses: str, **changes: Any) -> ServiceState:
    """A service with a record of 192.0.2.1, which answers."""
    found = {
        "host_name": "app.example.com",
        "record": Record(frozenset({"192.0.2.1"}), 10, exists=True, owner=record_plan.owner_text(ARN)),
        "answering": frozenset({"192.0.2.1"}),
        "record_decision": record_plan.Decision(action, reason, frozenset(addresses)),
    }
    return state(**found | changes)


KEEP, WRITE, DELETE, REFUSE = (
    record_plan.Action.KEEP,
    record_plan.Action.WRITE,
    record_plan.Action.DELETE,
    record_plan.Action.REFUSE,
)
FOREIGN = "app.example.com is an alias, which is not ours: choose another name or remove it"


@pytest.mark.parametrize(
    ("found", "level", "kind", "what", "cure"),
    [
        pytest.param(
            record(REFUSE, FOREIGN),
            "problem",
            "record-refused",
            "app.example.com is an alias, which is not ours",
            "choose another name or remove it",
            id="not-ours",
        ),
        pytest.param(
            record(REFUSE, "app.example.com belongs to another owner, as …"),
            "problem",
            "record-refused",
            "belongs to another owner",
            "choose another name, or remove that record",
            id="another-owner",
        ),
        pytest.param(
            record(WRITE, "all answer", "192.0.2.2"),
            "problem",
            "record-due",
            "the record holds 192.0.2.1; it should hold 192.0.2.2: all answer",
            "rules",
            id="out-of-date",
        ),
        pytest.param(
            record(WRITE, "all answer", "192.0.2.2", deployments=(deployment(NEW, "IN_PROGRESS"),)),
            "note",
            "record-due",
            "while a deployment is under way",
            "",
            id="out-of-date-while-deploying",
        ),
        pytest.param(
            record(DELETE, "desired count is 0"),
            "note",
            "record-due",
            "is deleted at the next run",
            "",
            id="to-delete",
        ),
        pytest.param(
            record(KEEP, "no task answers", record=Record(), answering=frozenset()),
            "problem",
            "no-answer",
            "there is no record app.example.com, because no task answers on port 8080",
            "at 127.0.0.1 only, nobody reaches it), and does the security group admit UpdateRecord?",
            id="no-answer",
        ),
        pytest.param(
            record(KEEP, "already right", answering=frozenset()),
            "problem",
            "unresponsive-address",
            "192.0.2.1 of the record app.example.com does not answer from here on port 8080",
            "at 127.0.0.1 only, nobody reaches it), and does the security group admit you?",
            id="unresponsive",
        ),
    ],
)
def test_record_is_told(found: ServiceState, level: str, kind: str, what: str, cure: str) -> None:
    [one] = record_findings(found)
    assert (one.level.value, one.kind, what in one.what, cure in one.cure) == (level, kind, True, True), one


def test_a_record_that_is_right_has_nothing_to_tell() -> None:
    assert told(record(KEEP, "already right", settings=DRY_RUN)) == []


def test_a_record_that_a_dry_run_leaves_is_a_problem() -> None:
    [one] = record_findings(record(WRITE, "all answer", "192.0.2.2", settings=DRY_RUN))
    assert (one.kind, one.level, one.cure) == ("dry-run", Level.PROBLEM, "sam deploy with DryRun=false")


def test_a_host_name_needs_a_zone() -> None:
    [one] = told(state(host_name="app.example.com", settings=SETTINGS._replace(hosted_zone_id="")))
    assert (one.kind, one.cure) == ("no-zone", "sam deploy with HostedZoneId and HostName")


def test_a_name_that_two_services_ask_for_is_told_once() -> None:
    named = [state(host_name="app.example.com", service_name=name) for name in ("a", "b")]
    others = (state(), state(), state(host_name="c.example.com"))
    [one] = name_findings(State(Stack("hello", ""), "eu-west-1", NOW, services=(*named, *others)))
    assert one.what.startswith("a, b ask for the same name app.example.com")


def test_a_digest_is_as_short_as_dockers() -> None:
    assert (short(OLD), short(None)) == ("sha256:aaaaaaaaaaaa", "no image")


@pytest.mark.parametrize(
    ("tasks", "port"),
    [
        pytest.param((task(),), None, id="a-task-answers"),
        pytest.param((task()._replace(answers=False),), 8080, id="no-task-answers"),
        pytest.param((task()._replace(is_newest=False),), 8080, id="an-old-task-alone-answers"),
        pytest.param((task()._replace(answers=False), task()), None, id="one-of-two-answers"),
        pytest.param((), 8080, id="no-task"),
    ],
)
def test_the_port_counts_as_wrong_until_a_new_task_answers_there(
    tasks: tuple[RunningTask, ...], port: int | None
) -> None:
    assert state(tasks=tasks).unanswered_port == port
