"""What `why` says about deployments and records: state in, words and cure out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.why.decisions import LoggedDecision
from commands.why.deployment_findings import deployment_findings
from commands.why.finding import Level, moment, short
from commands.why.record_findings import record_findings, shared_name
from commands.why.state import RunningTask, ServiceState
from pushlive import record_plan, redeploy_plan
from pushlive.record_plan import Record
from pushlive.redeploy_plan import Image, Service, ServiceDeployment

NOW = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
EARLIER = datetime(2026, 11, 20, 9, 40, tzinfo=UTC)
REFERENCE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello:latest"
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/hello/app"


def deployment(digest: str | None, status: str, at: datetime = EARLIER) -> ServiceDeployment:
    digests = {REFERENCE: digest} if digest else {}
    finished = at if status not in redeploy_plan.UNDER_WAY | redeploy_plan.ROLLING_BACK else None
    return ServiceDeployment(f"{ARN}/d1", status, at, digests, finished_at=finished, resolved=bool(digest))


def task(digest: str = OLD) -> RunningTask:
    return RunningTask(
        "task", "RUNNING", "HEALTHY", EARLIER, (digest,), "192.0.2.1", answers=True, is_newest=True
    )


def state(**changes: Any) -> ServiceState:
    """A service that runs what its tag names; keys of `Service` change that."""
    live = Service(
        service_name="app",
        status="ACTIVE",
        redeploy="on-push",
        desired_count=1,
        start_count=1,
        deployment_controller="ECS",
        image_references=(REFERENCE,),
        images=(Image(REFERENCE, OLD, EARLIER),),
        deployments=(deployment(OLD, "SUCCESSFUL"),),
        running_count=1,
    )
    of_live = {key: changes.pop(key) for key in list(changes) if key in live._fields and key != "tags"}
    found = ServiceState(
        live=live._replace(**of_live),
        service_arn=ARN,
        cluster="hello",
        tags={"pushlive:redeploy": "on-push"},
        tasks=(task(),),
        port=8080,
    )
    return replace(found, **changes)


def pushed(minutes_ago: int) -> Image:
    return Image(REFERENCE, NEW, NOW - timedelta(minutes=minutes_ago))


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
                deployments=(deployment(NEW, "ROLLBACK_SUCCESSFUL", NOW - timedelta(minutes=8)),),
                newest_reason="The circuit breaker tripped.",
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
            state(deployments=(deployment(NEW, "ROLLBACK_IN_PROGRESS"),)),
            "note",
            "rolling-back",
            "a rollback is in progress in deployment d1 of 09:40:00 UTC",
            "",
            id="rolling-back",
        ),
        pytest.param(
            state(deployments=(deployment(NEW, "IN_PROGRESS"),)),
            "note",
            "under-way",
            "a deployment is under way since 09:40:00 UTC: d1",
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
            state(running_count=0, tasks=(), last_event="unable to place a task"),
            "problem",
            "tasks-missing",
            "0 of 1 tasks run",
            "ECS says: unable to place a task",
            id="tasks-missing",
        ),
    ],
)
def test_deployment_is_told(found: ServiceState, level: str, kind: str, what: str, cure: str) -> None:
    told = deployment_findings(found, dry_run=False, now=NOW)
    [one] = [each for each in told if each.kind == kind]
    assert (one.level.value, what in one.what, cure in one.cure) == (level, True, True), one


def test_a_service_that_is_well_has_nothing_to_tell() -> None:
    assert deployment_findings(state(deployment_decision=LEAVE), dry_run=True, now=NOW) == []


def test_a_push_that_a_dry_run_leaves_is_a_problem() -> None:
    waits = state(images=(pushed(3),), deployment_decision=DEPLOY)
    [one] = deployment_findings(waits, dry_run=True, now=NOW)
    assert (one.kind, one.level, one.cure) == ("dry-run", Level.PROBLEM, "sam deploy with DryRun=false")


def test_a_program_that_ends_is_told_with_the_command_for_its_log() -> None:
    options = {"awslogs-group": "/hello/tasks"}
    containers = [{"name": "sidecar"}, {"name": "app", "logConfiguration": {"options": options}}]
    ended = state(
        deployments=(deployment(NEW, "IN_PROGRESS"),),
        failed_tasks=1,
        stopped_reason="Essential container in task exited (app: exit code 1)",
        definition={"containerDefinitions": containers},
    )
    [one] = deployment_findings(ended, dry_run=False, now=NOW)
    assert one.cure.endswith("(app: exit code 1); what it said: aws logs tail /hello/tasks --since 1h")


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
            "silent-address",
            "192.0.2.1 of the record app.example.com does not answer from here on port 8080",
            "at 127.0.0.1 only, nobody reaches it), and does the security group admit you?",
            id="silent",
        ),
    ],
)
def test_record_is_told(found: ServiceState, level: str, kind: str, what: str, cure: str) -> None:
    [one] = record_findings(found, has_zone=True, dry_run=False)
    assert (one.level.value, one.kind, what in one.what, cure in one.cure) == (level, kind, True, True), one


def test_a_record_that_is_right_has_nothing_to_tell() -> None:
    assert record_findings(record(KEEP, "already right"), has_zone=True, dry_run=True) == []
    assert record_findings(state(), has_zone=True, dry_run=False) == []


def test_a_record_that_a_dry_run_leaves_is_a_problem() -> None:
    [one] = record_findings(record(WRITE, "all answer", "192.0.2.2"), has_zone=True, dry_run=True)
    assert (one.kind, one.level, one.cure) == ("dry-run", Level.PROBLEM, "sam deploy with DryRun=false")


def test_a_host_name_needs_a_zone() -> None:
    [one] = record_findings(state(host_name="app.example.com"), has_zone=False, dry_run=False)
    assert (one.kind, one.cure) == ("no-zone", "sam deploy with HostedZoneId and HostName")


def test_a_name_that_two_services_ask_for_is_told_once() -> None:
    named = [state(host_name="app.example.com", service_name=name) for name in ("a", "b")]
    [one] = shared_name([*named, state(), state(), state(host_name="c.example.com")])
    assert one.what.startswith("a, b ask for the same name app.example.com")


def test_times_of_today_are_without_date_and_all_in_utc() -> None:
    east = datetime.fromisoformat("2026-11-20T11:02:03+01:00")
    assert moment(east, NOW) == "10:02:03 UTC"
    assert moment(east - timedelta(days=1), NOW) == "2026-11-19 10:02:03 UTC"


def test_a_digest_is_as_short_as_dockers() -> None:
    assert (short(OLD), short(None)) == ("sha256:aaaaaaaaaaaa", "no image")
