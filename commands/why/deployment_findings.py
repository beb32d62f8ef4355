"""What is wrong, or worth knowing, about what a service was told to deploy, in words. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, note, problem, short
from commands.why.progress_findings import why_tasks_stop
from pushlive.image_reference import tagged
from pushlive.model import DESIRED_COUNT_TAG, REDEPLOY_TAG
from pushlive.redeploy_plan import ON_PUSH, PAUSED, Action, failure_of_these_images, opt_out
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import NewestPush, ServiceState
    from pushlive.model import Image, ServiceDeployment

# The schedule's five minutes, and one for a run. A push that waits for longer waits for nothing.
REPAIRED_WITHIN = timedelta(minutes=6)
DUE = (Action.DEPLOY, Action.START)


def deployment_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps a push from being deployed, what matters most first."""
    yield from _of_settings(state)
    yield from _of_tag(state)
    yield from _of_images(state)
    if state.tags.get(REDEPLOY_TAG) == ON_PUSH:
        yield from _of_decision(state)


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
            cure = "its log has the whole line; when that is cured, the dead letters can be sent again"
            yield problem("function-failed", what, cure)


def _of_tag(state: ServiceState) -> Iterator[Finding]:
    redeploy, tag = state.tags.get(REDEPLOY_TAG), f"key={REDEPLOY_TAG},value={ON_PUSH}"
    tag_it = aws("ecs tag-resource", resource_arn=state.service.service_arn, tags=tag)
    waits = state.if_not_paused is not None and state.if_not_paused.action in DUE
    if redeploy in (ON_PUSH, PAUSED) and (why := opt_out(state.service)):
        cure = "let ECS control it, with the strategy ROLLING; or take the tag pushlive:redeploy off"
        yield problem("not-deployable", why, cure)
    elif redeploy == PAUSED and waits:
        what = f"paused by its tag pushlive:redeploy, while {_waiting(state)}"
        yield problem("paused", what, "resume it:", tag_it)
    elif redeploy == PAUSED:
        yield note("paused", "paused by its tag pushlive:redeploy; no push waits", "resume it:", tag_it)
    elif redeploy is None:
        what = "it has no tag pushlive:redeploy: pushes do not deploy it"
        yield note("not-opted-in", what, "let them:", tag_it)
    elif redeploy != ON_PUSH:
        what = f"its tag pushlive:redeploy is {redeploy!r:.80}, which means nothing: pushes do not deploy it"
        yield problem("tag-value", what, "give it a value that means something:", tag_it)


def _waiting(state: ServiceState) -> str:
    """What was pushed and is not deployed."""
    pushed = [image for image in state.images if image.digest]
    newest = max(pushed, key=lambda image: image.pushed_at or state.now, default=None)
    if newest is None:
        return "a push waits"
    at = f", pushed at {moment(newest.pushed_at, state.now)}" if newest.pushed_at else ""
    return f"{short(newest.digest)}{at}, waits"


def _runs(state: ServiceState) -> str:
    """What runs, and since when."""
    running = [
        (each.task.started_at, each.digests)
        for each in state.tasks
        if each.task.last_status == "RUNNING" and each.task.started_at
    ]
    if not running:
        return "nothing runs"
    since, digests = min(running, key=lambda each: each[0])
    return f"{', '.join(map(short, digests)) or 'another image'} runs since {moment(since, state.now)}"


def _of_images(state: ServiceState) -> Iterator[Finding]:
    for image in state.images:
        push = f"docker push {image.reference}"
        if other := _other_push(state, image):
            yield _other_tag(state, image, other)
        elif image.digest is None and image.artifact:
            yield problem("no-image", f"{image.absence}; {_runs(state)}", "push an image:", push)
        elif image.digest is None and state.live.never_ran:
            yield note("no-image-yet", f"{image.absence}: it waits for the first push", "push one:", push)
        elif image.digest is None:
            what = f"{image.reference} names no image any more; {_runs(state)}"
            yield problem("image-gone", what, "push one again:", push)
    if failed := failure_of_these_images(state.live):
        yield _failed(state, failed)


def _other_push(state: ServiceState, image: Image) -> NewestPush | None:
    """Return the newest push to the image's repository if it came later, and by other tags only."""
    newest, named = state.pushes.get(image.reference), tagged(image.reference, state.settings.registry)
    if newest is None or named is None or named[1] in newest.tags:
        return None
    return newest if image.pushed_at is None or image.pushed_at < newest.pushed_at else None


def _other_tag(state: ServiceState, image: Image, other: NewestPush) -> Finding:
    repository, tag = tagged(image.reference, state.settings.registry) or ("", "")
    source = f"{image.reference.partition('/')[0]}/{repository}:{other.tags[0]}"
    named = f"{tag}, which names no image" if image.digest is None else f"{tag}, pushed before"
    level = problem if image.digest is None else note
    return level(
        "other-tag",
        f"the newest push to {repository} is {', '.join(other.tags)} ({moment(other.pushed_at, state.now)}), "
        f"but the service runs the tag {named}",
        f"push it as {tag}; or deploy the stack with ImageTag={other.tags[0]}",
        f"docker tag {source} {image.reference} && docker push {image.reference}",
    )


def _of_decision(state: ServiceState) -> Iterator[Finding]:
    decision, has_images = state.deployment_decision, all(image.digest for image in state.images)
    if decision and decision.action in DUE:
        yield _due(state)
    elif state.service.desired_count == 0 and not state.service.is_daemon and has_images:
        start = state.update_service(desired_count=state.tags.get(DESIRED_COUNT_TAG, "1"))
        yield note("scaled-to-0", "its desired count is 0, so nothing runs", "start it:", start)


def _failed(state: ServiceState, failed: ServiceDeployment) -> Finding:
    names = [f"{each.reference.rpartition('/')[2]} names {short(each.digest)}" for each in state.images]
    why = f" ({failed.status_reason.rstrip('.')})" if failed.status_reason else ""
    at = moment(failed.finished_at or failed.created_at, state.now)
    what = f"the tag {' and '.join(names)}, which failed at {at}{why}; {_runs(state)}"
    told, command = why_tasks_stop(state)
    cure = "; ".join(filter(None, ["push an image that works", told]))
    return problem("image-failed", what, cure, command)


def _due(state: ServiceState) -> Finding:
    what = f"{_waiting(state)} to be deployed; {_runs(state)}"
    pushed = [image.pushed_at for image in state.images if image.pushed_at]
    if state.settings.dry_run:
        told = f"{what}; the functions change nothing (DRY_RUN)"
        return problem("dry-run", told, "sam deploy with DryRun=false")
    if pushed and state.now - max(pushed) < REPAIRED_WITHIN:
        return note("push-due", f"{what}: RedeployService does it at its next run, within five minutes")
    cure = "are its rules enabled, is there a dead letter, what does its log say?"
    return problem("push-due", f"{what}, and no run of RedeployService has done it", cure)
