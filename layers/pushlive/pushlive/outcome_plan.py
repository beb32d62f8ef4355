"""What is told of a service's deployments once they have ended. Pure.

service deployment                                    told
----------------------------------------------------  ---------------------------------------
SUCCESSFUL, and it ran an image of the registry       live
ROLLBACK_SUCCESSFUL                                   failed, and what runs again
ROLLBACK_FAILED, or STOPPED by the circuit breaker    failed, and nothing to go back to
STOPPED by a newer deployment or by a person          nothing
a newer one failed, and may have gone back to it      nothing: that is told
ended more than 15 minutes ago                        nothing: it was told then
under way                                             nothing yet

A rollback is a state of the deployment that failed (API reference, ServiceDeployment, status), so what
DescribeServices shows as one more completed deployment is never told as a success.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from pushlive.model import HOST_NAME_TAG, ROLLED_BACK, ROLLING_BACK, UNDER_WAY
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pushlive.model import ServiceDeployment, TaskDefinition
    from pushlive.redeploy_plan import DeploymentState

# Two schedules lie within it, so an event that got lost costs no message.
TOLD_WITHIN = timedelta(minutes=15)
# A push that is older than this is not what a deployment was started for: a tag that was moved back, say.
LONGEST_WAIT = timedelta(minutes=10)
# A push is deployed within seconds; one that was not has waited for the schedule, or for the end of a pause.
AT_ONCE = timedelta(minutes=1)
MARGIN = len("Deployment: ")
# Characters: less than 100, ASCII, no line break (SNS API reference, Publish, Subject). A service's name has
# up to 255, so what happened stands before it.
LONGEST_SUBJECT = 99


class Outcome(Enum):
    """What became of a deployment."""

    LIVE = "live"
    FAILED = "failed"


class Message(NamedTuple):
    """What people are told: the subject of a mail, and its text."""

    subject: str
    text: str


def outcome(deployment: ServiceDeployment) -> Outcome | None:
    """Return what became of `deployment`; None while it is under way, and where nobody needs to be told."""
    if deployment.status in ROLLED_BACK or (
        deployment.status == "STOPPED" and deployment.circuit_breaker_triggered
    ):
        return Outcome.FAILED
    if deployment.status == "SUCCESSFUL" and (deployment.digests or deployment.untold):
        return Outcome.LIVE
    return None


def ended(state: DeploymentState, now: datetime) -> list[tuple[ServiceDeployment, Outcome]]:
    """Return the deployments whose outcome is to be told, oldest first.

    None is live that a newer one has failed after: what a deployment at desired count 0 resolved may come
    from a rollback to it.
    """
    found, newer_failed = [], False
    for deployment in state.deployments:
        what = outcome(deployment)
        recent = deployment.finished_at and now < deployment.finished_at + TOLD_WITHIN
        if what and recent and not (what is Outcome.LIVE and newer_failed):
            found.append((deployment, what))
        newer_failed = newer_failed or deployment.failed or deployment.status in ROLLING_BACK
    return found[::-1]


def overdue(state: DeploymentState, now: datetime, limit_seconds: int) -> ServiceDeployment | None:
    """Return the newest deployment if it is still under way after so long.

    ECS gives none up by itself while the circuit breaker does not fire, for example where an image cannot be
    pulled (ECS guide, "How the Amazon ECS deployment circuit breaker detects failures").
    """
    newest = state.deployments[0] if state.deployments else None
    if newest and newest.status in UNDER_WAY | ROLLING_BACK:
        limit = timedelta(seconds=limit_seconds + newest.bake_seconds)
        return newest if now >= newest.created_at + limit else None
    return None


def seconds_to_live(state: DeploymentState, deployment: ServiceDeployment) -> float | None:
    """Return the seconds from the push to the end of its deployment; None if no push started it."""
    pushed_at = _pushed_at(state, deployment)
    if pushed_at is None or deployment.finished_at is None:
        return None
    return (deployment.finished_at - pushed_at).total_seconds()


def _pushed_at(state: DeploymentState, deployment: ServiceDeployment) -> datetime | None:
    """Return when the push was that `deployment` is the first to carry; None for what ran before.

    A tag that is moved back keeps the time of the image's first push (docs/decisions.md), so only an older
    deployment of the same digest tells that from a push.
    """
    older = [each for each in state.deployments if each.created_at < deployment.created_at]
    pushes = [
        image.pushed_at
        for container, image in state.images.items()
        if image.pushed_at
        and image.is_run_as(deployment.digests.get(container))
        and image.pushed_at <= deployment.created_at < image.pushed_at + LONGEST_WAIT
        and not any(image.is_run_as(each.digests.get(container)) for each in older)
    ]
    return max(pushes, default=None)


def message(
    state: DeploymentState,
    deployment: ServiceDeployment,
    definition: TaskDefinition,
    stopped_reason: str = "",
) -> Message:
    """Return what is told of a deployment that has ended.

    `definition` is the service's; `stopped_reason` is why the newest task of the deployment that failed did
    so (`stopped_tasks`).
    """
    if outcome(deployment) is Outcome.LIVE:
        return _live(state, deployment, definition)
    return _failed(state, deployment, definition, stopped_reason)


def _live(state: DeploymentState, deployment: ServiceDeployment, definition: TaskDefinition) -> Message:
    service = state.service
    lines = [
        f"{service.service_name} is live, {_since(state, deployment)}: no old task runs any more.",
        "",
        *_images("Image", deployment.digests, definition),
    ]
    if host_name := service.tags.get(HOST_NAME_TAG):
        port = f":{definition.port}" if definition.port not in (None, 80) else ""
        lines.append(_line("Address", f"http://{host_name}{port}/"))
    return Message(_subject("live", service.service_name), _text(lines, deployment))


def _since(state: DeploymentState, deployment: ServiceDeployment) -> str:
    """Return how long it took: since the push if that was deployed at once, otherwise its own time first."""
    finished_at, pushed_at = deployment.finished_at or deployment.created_at, _pushed_at(state, deployment)
    own = f"{(finished_at - deployment.created_at).total_seconds():.0f} seconds after its deployment began"
    if pushed_at is None:
        return own
    seconds = f"{(finished_at - pushed_at).total_seconds():.0f}"
    if deployment.created_at < pushed_at + AT_ONCE:
        return f"{seconds} seconds after the push"
    return f"{own} and {seconds} after the push"


def _failed(
    state: DeploymentState, deployment: ServiceDeployment, definition: TaskDefinition, stopped_reason: str
) -> Message:
    name, region = state.service.service_name, state.service.service_arn.split(":")[3]
    if deployment.status == "ROLLBACK_SUCCESSFUL":
        now = "what ran before runs again"
    else:
        now = "there was nothing to go back to"
    lines = [
        f"{name}: the new image failed, and {now}.",
        "",
        *_images("Failed", deployment.digests, definition),
    ]
    lines.append(_line("ECS says", deployment.status_reason or "nothing"))
    if stopped_reason:
        lines.append(_line("Its task", stopped_reason))
    lines += _images("Runs now", deployment.rolled_back_to, definition)
    lines.append(
        _line("To do", "push an image that works; pushlive does not deploy this one again by itself")
    )
    if definition.log_group:
        command = f"aws logs tail {definition.log_group} --region {region} --since 1h"
        lines.append(_line("Its log", command))
    return Message(_subject(f"FAILED, {now}", name), _text(lines, deployment))


def refused(service_name: str, host_name: str, reason: str) -> Message:
    """Return what is told of a record that is not ours."""
    lines = [f"The record {host_name} of {service_name} was not written.", "", _line("Why", reason)]
    lines.append(_line("Meanwhile", "the name stays what it is, whatever the service's tasks do"))
    return Message(_subject("no record", service_name), "\n".join(lines) + "\n")


def _images(title: str, digests: Mapping[str, str], definition: TaskDefinition) -> list[str]:
    named = {definition.images.get(name, name): digest for name, digest in digests.items()}
    return [_line(title, f"{image}\n{'':{MARGIN}}{digest}") for image, digest in sorted(named.items())]


def _line(title: str, text: str) -> str:
    return f"{title + ':':{MARGIN}}{text}"


def _text(lines: list[str], deployment: ServiceDeployment) -> str:
    finished = deployment.finished_at or deployment.created_at
    when = f"{moment(deployment.created_at)} to {moment(finished, deployment.created_at)}"
    return "\n".join([*lines, _line("Deployment", f"{deployment.name}, {when}")]) + "\n"


def _subject(what: str, service_name: str) -> str:
    text = f"pushlive: {what}: {service_name}".encode("ascii", "replace").decode()
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 3]}..."
