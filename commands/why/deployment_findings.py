"""What is wrong, or worth knowing, about a service's deployments, in words. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from commands.why.finding import LISTENS, Finding, moment, note, problem, short
from pushlive.redeploy_plan import (
    ON_PUSH,
    PAUSED,
    ROLLING_BACK,
    UNDER_WAY,
    Action,
    failure_of_these_images,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from commands.why.state import ServiceState
    from pushlive.redeploy_plan import Image, ServiceDeployment

# The schedule's five minutes, and one for a run. A push that waits for longer waits for nothing.
REPAIRED_WITHIN = timedelta(minutes=6)
DUE = (Action.DEPLOY, Action.START)

LOG_CURE = "its log has the whole line; when that is cured, the dead letters can be sent again"
NO_WAY = "the subnet has no way to the registry: a route to an internet gateway, and assignPublicIp"
PLATFORM = "build the image for the task definition's processor (`docker build --platform`)"
# Part of what ECS says (ECS guide, "Amazon ECS stopped tasks error messages") to what helps.
CURES = {
    "i/o timeout": NO_WAY,
    "context deadline exceeded": NO_WAY,
    "exec format error": PLATFORM,
    "does not contain descriptor": PLATFORM,
    "CannotPullContainerError": "is the image there, and may the execution role pull it?",
    "ResourceInitializationError": "what the execution role or the network must give at the start is missing",
    "OutOfMemoryError": "give the task more memory (parameter Memory)",
    "health check": f"{LISTENS}?",
}


def deployment_findings(state: ServiceState, *, dry_run: bool, now: datetime) -> list[Finding]:
    """Return what to say about a service's deployments, what matters most first."""
    redeploy = state.tags.get("pushlive:redeploy")
    return [
        *_of_settings(state),
        *_of_tag(state, redeploy, now),
        *_of_images(state, now),
        *(_of_decision(state, dry_run=dry_run, now=now) if redeploy == ON_PUSH else ()),
        *_of_newest_deployment(state, now),
    ]


def _of_settings(state: ServiceState) -> Iterator[Finding]:
    for text in state.wrong_settings:
        what, _, cure = text.partition(": give ")
        yield problem("tag-value", what, f"give {cure}" if cure else "change the tag")
    if state.wrong_settings:
        return
    last = {each.function: each for each in reversed(state.decisions)}
    for function, decision in last.items():
        if decision.action == "failed":
            what = f"{function} failed on it at its last run: {decision.reason}"
            yield problem("function-failed", what, LOG_CURE)


def _of_tag(state: ServiceState, redeploy: str | None, now: datetime) -> Iterator[Finding]:
    tag = "key=pushlive:redeploy,value=on-push"
    tag_it = f"aws ecs tag-resource --resource-arn {state.service_arn} --tags {tag}"
    waits = state.if_not_paused is not None and state.if_not_paused.action in DUE
    if redeploy == PAUSED and waits:
        yield problem("paused", f"paused by its tag pushlive:redeploy, while {_waiting(state, now)}", tag_it)
    elif redeploy == PAUSED:
        yield note("paused", "paused by its tag pushlive:redeploy; no push waits", tag_it)
    elif redeploy is None:
        yield note("not-opted-in", "it has no tag pushlive:redeploy: pushes do not deploy it", tag_it)
    elif redeploy != ON_PUSH:
        what = f"its tag pushlive:redeploy is {redeploy!r:.80}, which means nothing: pushes do not deploy it"
        yield problem("tag-value", what, tag_it)


def _waiting(state: ServiceState, now: datetime) -> str:
    """What was pushed and is not deployed."""
    pushed = [image for image in state.images if image.digest]
    newest = max(pushed, key=lambda image: image.pushed_at or now, default=None)
    return f"{_named(newest, now)} waits" if newest else "a push waits"


def _named(image: Image, now: datetime) -> str:
    pushed = f", pushed at {moment(image.pushed_at, now)}" if image.pushed_at else ""
    return f"{short(image.digest)}{pushed},"


def _runs(state: ServiceState, now: datetime) -> str:
    """What runs, and since when."""
    running = [task for task in state.tasks if task.last_status == "RUNNING" and task.since]
    if not running:
        return "nothing runs"
    oldest = min(running, key=lambda task: task.since or now)
    digests = ", ".join(short(digest) for digest in oldest.digests) or "another image"
    return f"{digests} runs since {moment(oldest.since or now, now)}"


def _of_images(state: ServiceState, now: datetime) -> Iterator[Finding]:
    for image in state.images:
        if image.digest is not None:
            continue
        push = f"docker push {image.reference}"
        if state.live.never_ran:
            yield note("no-image-yet", f"{image.reference} names no image: it waits for the first push", push)
        else:
            what = f"{image.reference} names no image any more; {_runs(state, now)}"
            yield problem("image-gone", what, push)
    if failed := failure_of_these_images(state.live):
        yield _failed(state, failed, now)


def _of_decision(state: ServiceState, *, dry_run: bool, now: datetime) -> Iterator[Finding]:
    decision = state.deployment_decision
    if decision and decision.action in DUE:
        yield _due(state, dry_run=dry_run, now=now)
    elif state.desired_count == 0 and all(image.digest for image in state.images):
        count = state.tags.get("pushlive:desired-count", "1")
        yield note(
            "scaled-to-0",
            "its desired count is 0, so nothing runs",
            f"aws ecs update-service --cluster {state.cluster} --service {state.service_name} "
            f"--desired-count {count}",
        )


def _failed(state: ServiceState, failed: ServiceDeployment, now: datetime) -> Finding:
    names = " and ".join(
        f"{image.reference.rpartition('/')[2]} names {short(image.digest)}" for image in state.images
    )
    said = state.newest_reason if failed == state.deployments[0] else ""
    why = f" ({said.rstrip('.')})" if said else ""
    return problem(
        "image-failed",
        f"the tag {names}, which failed at {moment(failed.finished_at or failed.created_at, now)}{why}; "
        f"{_runs(state, now)}",
        "; ".join(filter(None, ["push an image that works", _why_tasks_stop(state)])),
    )


def _why_tasks_stop(state: ServiceState) -> str:
    """What ECS and the program itself say, and what helps against it."""
    told = []
    if state.stopped_reason:
        told.append(f"its last task stopped: {state.stopped_reason}")
    elif state.running_count < state.desired_count and state.last_event:
        told.append(f"ECS says: {state.last_event}")
    groups = [
        container["logConfiguration"].get("options", {}).get("awslogs-group")
        for container in state.definition.get("containerDefinitions", [])
        if "logConfiguration" in container
    ]
    if cure := next((cure for words, cure in CURES.items() if words in state.stopped_reason), ""):
        told.append(cure)
    elif groups and groups[0]:
        told.append(f"what it said: aws logs tail {groups[0]} --since 1h")
    return "; ".join(told)


def _due(state: ServiceState, *, dry_run: bool, now: datetime) -> Finding:
    what = f"{_waiting(state, now)} to be deployed; {_runs(state, now)}"
    if dry_run:
        return problem(
            "dry-run", f"{what}; the functions change nothing (DRY_RUN)", "sam deploy with DryRun=false"
        )
    pushed = [image.pushed_at for image in state.images if image.pushed_at]
    if pushed and now - max(pushed) < REPAIRED_WITHIN:
        return note("push-due", f"{what}: RedeployService does it at its next run, within five minutes")
    return problem(
        "push-due", f"{what}, and no run of RedeployService has done it",
        "are its rules enabled, is there a dead letter, what does its log say?",
    )  # fmt: skip


def _of_newest_deployment(state: ServiceState, now: datetime) -> Iterator[Finding]:
    newest = state.deployments[0] if state.deployments else None
    since = moment(newest.created_at, now) if newest else ""
    why = _why_tasks_stop(state)
    if newest and newest.status in ROLLING_BACK:
        what = f"a rollback is in progress in deployment {newest.name} of {since}"
        yield note("rolling-back", f"{what}: a push is deployed when it is over")
    elif newest and newest.status in UNDER_WAY and state.failed_tasks:
        what = f"{state.failed_tasks} tasks of the deployment of {since} failed, and it goes on trying"
        yield problem("tasks-fail", what, why)
    elif newest and newest.status in UNDER_WAY and state.desired_count:
        yield note("under-way", f"a deployment is under way since {since}: {newest.name}")
    elif state.running_count < state.desired_count:
        yield problem("tasks-missing", f"{state.running_count} of {state.desired_count} tasks run", why)
