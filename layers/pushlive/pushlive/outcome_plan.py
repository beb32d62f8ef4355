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

from pushlive.redeploy_plan import ROLLED_BACK, ROLLING_BACK, UNDER_WAY
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pushlive.redeploy_plan import Image, Service, ServiceDeployment

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


class Circumstances(NamedTuple):
    """What a message says beside the deployment itself."""

    region: str
    host_name: str = ""
    """Empty: the service asks for no record."""
    port: int | None = None
    log_group: str | None = None
    """Where the service's containers write."""
    stopped_reason: str = ""
    """Why the deployment's newest task that failed did so (`stopped_tasks`)."""


def outcome(deployment: ServiceDeployment) -> Outcome | None:
    """Return what became of `deployment`; None while it is under way, and where nobody needs to be told."""
    if deployment.status in ROLLED_BACK or (
        deployment.status == "STOPPED" and deployment.circuit_breaker_triggered
    ):
        return Outcome.FAILED
    if deployment.status == "SUCCESSFUL" and (deployment.digests or deployment.untold):
        return Outcome.LIVE
    return None


def ended(service: Service, now: datetime) -> list[tuple[ServiceDeployment, Outcome]]:
    """Return the deployments whose outcome is to be told, oldest first.

    None is live that a newer one has failed after: what a deployment at desired count 0 resolved may come
    from a rollback to it.
    """
    found, newer_failed = [], False
    for deployment in service.deployments:
        what = outcome(deployment)
        recent = deployment.finished_at and now < deployment.finished_at + TOLD_WITHIN
        if what and recent and not (what is Outcome.LIVE and newer_failed):
            found.append((deployment, what))
        newer_failed = newer_failed or deployment.failed or deployment.status in ROLLING_BACK
    return found[::-1]


def late(service: Service, now: datetime, limit_seconds: int) -> ServiceDeployment | None:
    """Return the newest deployment if it is still under way after so long.

    ECS gives none up by itself while the circuit breaker does not fire, for example where an image cannot be
    pulled (ECS guide, "How the Amazon ECS deployment circuit breaker detects failures").
    """
    newest = service.deployments[0] if service.deployments else None
    if newest and newest.status in UNDER_WAY | ROLLING_BACK:
        limit = timedelta(seconds=limit_seconds + newest.bake_seconds)
        return newest if now >= newest.created_at + limit else None
    return None


def seconds_to_live(service: Service, deployment: ServiceDeployment) -> float | None:
    """Return the seconds from the push to the end of its deployment; None if no push started it."""
    pushed_at = _pushed_at(service, deployment)
    if pushed_at is None or deployment.finished_at is None:
        return None
    return (deployment.finished_at - pushed_at).total_seconds()


def _pushed_at(service: Service, deployment: ServiceDeployment) -> datetime | None:
    """Return when the push was that `deployment` is the first to carry; None for what ran before.

    A tag that is moved back keeps the time of the image's first push (docs/decisions.md), so only an older
    deployment of the same digest tells that from a push.
    """
    older = [each for each in service.deployments if each.created_at < deployment.created_at]
    pushes = [
        image.pushed_at
        for image in service.images
        if image.pushed_at
        and _carries(deployment, image)
        and image.pushed_at <= deployment.created_at < image.pushed_at + LONGEST_WAIT
        and not any(_carries(each, image) for each in older)
    ]
    return max(pushes, default=None)


def _carries(deployment: ServiceDeployment, image: Image) -> bool:
    return image.is_run_as(deployment.digests.get(image.reference))


def message(service: Service, deployment: ServiceDeployment, around: Circumstances) -> Message:
    """Return what is told of a deployment that has ended."""
    if outcome(deployment) is Outcome.LIVE:
        return _live(service, deployment, around)
    return _failed(service, deployment, around)


def _live(service: Service, deployment: ServiceDeployment, around: Circumstances) -> Message:
    lines = [
        f"{service.service_name} is live, {_since(service, deployment)}: no old task runs any more.",
        "",
        *_images("Image", deployment.digests),
    ]
    if around.host_name:
        port = f":{around.port}" if around.port not in (None, 80) else ""
        lines.append(_line("Address", f"http://{around.host_name}{port}/"))
    return Message(_subject("live", service.service_name), _text(lines, deployment))


def _since(service: Service, deployment: ServiceDeployment) -> str:
    """Return how long it took: since the push if that was deployed at once, otherwise its own time first."""
    finished_at, pushed_at = deployment.finished_at or deployment.created_at, _pushed_at(service, deployment)
    own = f"{(finished_at - deployment.created_at).total_seconds():.0f} seconds after its deployment began"
    if pushed_at is None:
        return own
    seconds = f"{(finished_at - pushed_at).total_seconds():.0f}"
    if deployment.created_at < pushed_at + AT_ONCE:
        return f"{seconds} seconds after the push"
    return f"{own} and {seconds} after the push"


def _failed(service: Service, deployment: ServiceDeployment, around: Circumstances) -> Message:
    name = service.service_name
    if deployment.status == "ROLLBACK_SUCCESSFUL":
        now = "what ran before runs again"
    else:
        now = "there was nothing to go back to"
    lines = [f"{name}: the new image failed, and {now}.", "", *_images("Failed", deployment.digests)]
    lines.append(_line("ECS says", deployment.status_reason or "nothing"))
    if around.stopped_reason:
        lines.append(_line("Its task", around.stopped_reason))
    lines += _images("Runs now", deployment.rolled_back_to)
    lines.append(
        _line("To do", "push an image that works; pushlive does not deploy this one again by itself")
    )
    if around.log_group:
        command = f"aws logs tail {around.log_group} --region {around.region} --since 1h"
        lines.append(_line("Its log", command))
    return Message(_subject(f"FAILED, {now}", name), _text(lines, deployment))


def refused(service_name: str, host_name: str, reason: str) -> Message:
    """Return what is told of a record that is not ours."""
    lines = [f"The record {host_name} of {service_name} was not written.", "", _line("Why", reason)]
    lines.append(_line("Meanwhile", "the name stays what it is, whatever the service's tasks do"))
    return Message(_subject("no record", service_name), "\n".join(lines) + "\n")


def _images(title: str, digests: Mapping[str, str]) -> list[str]:
    return [
        _line(title, f"{reference}\n{'':{MARGIN}}{digest}") for reference, digest in sorted(digests.items())
    ]


def _line(title: str, text: str) -> str:
    return f"{title + ':':{MARGIN}}{text}"


def _text(lines: list[str], deployment: ServiceDeployment) -> str:
    finished = deployment.finished_at or deployment.created_at
    when = f"{moment(deployment.created_at)} to {moment(finished, deployment.created_at)}"
    return "\n".join([*lines, _line("Deployment", f"{deployment.name}, {when}")]) + "\n"


def _subject(what: str, service_name: str) -> str:
    text = f"pushlive: {what}: {service_name}".encode("ascii", "replace").decode()
    return text if len(text) <= LONGEST_SUBJECT else f"{text[: LONGEST_SUBJECT - 3]}..."
