"""Which push deploys which service. Pure: the first table of docs/design.md.

live state                                                        decision
----------------------------------------------------------------  ---------------------------------
not ACTIVE, not tagged on-push, paused, another controller or
  strategy                                                        leave
no container of its task definition names the pushed image        leave: uses another image
the tag names no image and the service never ran (not a DAEMON)   hold: desired count 0 until a push
the tag names no image                                            leave
this run has just held it, and now there is an image              start it, with its tag's count
these digests already failed here                                 leave: push a new one
a rollback that may end well is in progress, and not overdue      leave: look again when it is over
the newest deployment was created after the push, or resolved it  leave: already carries it
it was created in the second of the push, and resolved nothing    leave: its first task will resolve it
the newest deployment's running tasks all run it                  leave: already live
pushed seconds ago, and something else woke us                    leave: its own event is on its way
never ran, desired count 0                                        start it, with its tag's count
desired count 0                                                   leave: scaled to 0
otherwise                                                         deploy
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ON_PUSH = "on-push"
PAUSED = "paused"
ROLLING = "ROLLING"

# The states of ListServiceDeployments (API reference, ServiceDeployment, status).
ROLLING_BACK = frozenset({"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
ROLLED_BACK = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"})
UNDER_WAY = frozenset({"PENDING", "IN_PROGRESS"})

ONE_SECOND = timedelta(seconds=1)

# A run that something else woke at the same moment as a push would deploy it too, and neither run sees
# the other's deployment yet. So a push belongs to its own event for as long as that normally takes.
EVENT_UNDER_WAY = timedelta(seconds=5)


class Action(Enum):
    """What to do with a service."""

    LEAVE = "leave"
    HOLD = "hold"
    START = "start"
    DEPLOY = "deploy"


class Decision(NamedTuple):
    """What to do, and why, in words for the person who asks "why did it (not) deploy?"."""

    action: Action
    reason: str
    desired_count: int | None = None


class Image(NamedTuple):
    """What an image reference of a task definition, `REGISTRY/REPOSITORY:TAG`, names in ECR now."""

    reference: str
    digest: str | None
    """None: the repository has no image of that tag."""
    pushed_at: datetime | None = None
    members: frozenset[str] = frozenset()
    """The child manifests of an index: ECS may report the digest of either."""
    artifact: str = ""
    """The media type of what the tag names instead of an image, such as a Helm chart."""

    @property
    def absence(self) -> str:
        """Return, in words, that there is no image."""
        what = f"a {self.artifact}, which is no container image" if self.artifact else "no image"
        return f"{self.reference} names {what}"

    def is_run_as(self, digest: str | None) -> bool:
        """Return whether ECS, running this image, may report `digest`."""
        return digest is not None and (digest == self.digest or digest in self.members)


class ServiceDeployment(NamedTuple):
    """One deployment of a service, with what it resolved."""

    deployment_arn: str
    status: str
    created_at: datetime
    digests: dict[str, str]
    """Image reference to the digest that the deployment's service revision recorded; may lack some."""
    finished_at: datetime | None = None
    circuit_breaker_triggered: bool = False
    resolved: bool = False
    """It resolved the image of some container, also of one that has another name by now."""
    status_reason: str = ""
    """What ECS says of it."""
    rolled_back_to: Mapping[str, str] = MappingProxyType({})
    """Image reference to the digest that runs again after it failed; may lack some."""
    untold: bool = False
    """ECS never tells which digests it ran, or whether it ran any (`versionConsistency: disabled`)."""
    bake_seconds: float = 0
    """For so long ECS keeps it under way after its tasks have replaced all others."""
    has_way_back: bool = True
    """Its rollback goes to a revision that runs something else, or has not begun."""
    rolling_back_since: datetime | None = None
    """When its rollback began; before that, when ECS last changed it."""

    @property
    def failed(self) -> bool:
        """Return whether ECS gave this deployment up."""
        return self.status in ROLLED_BACK or self.circuit_breaker_triggered

    @property
    def name(self) -> str:
        """Return the last part of the ARN, enough for a person to find it."""
        return self.deployment_arn.rsplit("/", 1)[-1]


class Service(NamedTuple):
    """The live state of a service, as far as deploying it needs."""

    service_name: str
    status: str
    redeploy: str | None
    """The value of its tag `pushlive:redeploy`."""
    desired_count: int
    start_count: int | None
    """The value of its tag `pushlive:desired-count`; 1 without. None for a DAEMON, which takes no count."""
    deployment_controller: str
    image_references: tuple[str, ...]
    """The images of its task definition, as written there."""
    images: tuple[Image, ...] = ()
    """Those of them that are a tag in this account's registry, in a repository that is ours to deploy."""
    deployments: tuple[ServiceDeployment, ...] = ()
    """Newest first."""
    running_digests: tuple[dict[str, str], ...] = ()
    """For each running task of the newest deployment: image reference to digest."""
    running_count: int = 0
    """The running tasks of all deployments."""
    held: bool = False
    """We have just set its desired count to 0, because there was no image."""
    strategy: str = ROLLING
    deployed_at: datetime | None = None
    """When its newest deployment was created, also one that ECS lists no more."""
    is_history_whole: bool = True
    """`deployments` are all that it ever had: ECS forgets them after 90 days, and the newest 20 are read."""

    @property
    def never_ran(self) -> bool:
        """Return whether it is certain that no deployment ever ran an image.

        A deployment at desired count 0 starts no task, so it resolves and records no digest. Where
        deployments are missing, or never tell their digests, nothing is certain.
        """
        if self.running_count or self.running_digests or not self.is_history_whole:
            return False
        return not any(d.resolved or d.digests or d.untold for d in self.deployments)


def opt_out(service: Service) -> str | None:
    """Return why `service` is none of our business, or None if it asks to be deployed."""
    if service.status != "ACTIVE":
        return f"the service is {service.status}"
    if service.redeploy == PAUSED:
        return "paused by its tag pushlive:redeploy"
    if service.redeploy != ON_PUSH:
        return "not opted in: it has no tag pushlive:redeploy = on-push"
    if service.deployment_controller != "ECS":
        return f"its deployments belong to the controller {service.deployment_controller}, not to ECS"
    if service.strategy != ROLLING:
        return f"its deployment strategy is {service.strategy}: pushlive deploys ROLLING services only"
    return None


def plan_deployment(service: Service, pushed: Image | None, now: datetime, late_seconds: int) -> Decision:
    """Return what to do with `service`.

    `pushed` is the image that woke us, with the time of the push; None on the schedule and after
    a deployment, when each image of the service is judged by the time its digest came to ECR.
    A push waits for a rollback for `late_seconds` at most.
    """
    if why := opt_out(service):
        return _leave(why)
    if pushed is not None and pushed.reference not in service.image_references:
        return _leave("uses another image")
    if not service.images:
        return _leave(
            "no image of its task definition is a tag in this registry, in a repository that the stack "
            f"deploys: {service.image_references}"
        )
    missing = [image for image in service.images if image.digest is None]
    if missing:
        if service.never_ran and service.desired_count > 0 and service.start_count is not None:
            named = f", which names a {missing[0].artifact} now" if missing[0].artifact else ""
            why = f"waits for the first push of {missing[0].reference}{named}"
            return Decision(Action.HOLD, why, desired_count=0)
        return _leave(missing[0].absence)
    if service.held and service.desired_count == 0:
        return Decision(
            Action.START, "pushed while the service was held at 0", desired_count=service.start_count
        )
    newest = service.deployments[0] if service.deployments else None
    if failure := failure_of_these_images(service):
        return _leave(
            f"this image failed at {moment(failure.finished_at or failure.created_at)} "
            f"in deployment {failure.name}; push a new one"
        )
    if newest and _rolls_back(newest, now, late_seconds):
        return _leave(
            f"a rollback is in progress in deployment {newest.name}; looked at again when it is over"
        )
    awaited = [image for image in _with_push_time(service, pushed) if not _is_deployed(image, service)]
    if not awaited:
        return _leave(f"already live, or carried by deployment {newest.name}" if newest else "already live")
    if pushed is None and any(
        image.pushed_at and now < image.pushed_at + EVENT_UNDER_WAY for image in awaited
    ):
        return _leave(f"{awaited[0].reference} was pushed a moment ago: its own event is on its way")
    if service.desired_count == 0 and service.never_ran:
        return Decision(Action.START, "first push", desired_count=service.start_count)
    if service.desired_count == 0:
        return _leave("scaled to 0")
    return Decision(Action.DEPLOY, f"{awaited[0].reference} now names {awaited[0].digest}")


def is_live(images: Sequence[Image], running_digests: Sequence[Mapping[str, str]]) -> bool:
    """Return whether all running tasks of a service's newest deployment run what its images' tags name now.

    Then `plan_deployment` leaves the service, whatever its deployments say.
    """
    return (
        bool(images)
        and bool(running_digests)
        and all(
            image.is_run_as(digests.get(image.reference)) for image in images for digests in running_digests
        )
    )


def _leave(reason: str) -> Decision:
    return Decision(Action.LEAVE, reason)


def _rolls_back(deployment: ServiceDeployment, now: datetime, late_seconds: int) -> bool:
    """Return whether `deployment` is being rolled back, and that may still end well.

    A rollback to what failed, or to a revision that never resolved its tag, starts the broken image again and
    again, with pauses of up to 27 minutes (ECS guide, "Amazon ECS service throttle logic").
    """
    if deployment.status not in ROLLING_BACK or not deployment.has_way_back:
        return False
    since = deployment.rolling_back_since or deployment.created_at
    return now < since + timedelta(seconds=late_seconds)


def _with_push_time(service: Service, pushed: Image | None) -> list[Image]:
    """Return the service's images, the pushed one with the time of the event.

    An old digest that gets the tag back keeps the time of its first push in ECR; only the event
    knows when the tag moved.
    """
    return [
        image._replace(pushed_at=max(filter(None, (image.pushed_at, pushed.pushed_at)), default=None))
        if pushed and pushed.reference == image.reference and pushed.digest == image.digest
        else image
        for image in service.images
    ]


def failure_of_these_images(service: Service) -> ServiceDeployment | None:
    """Return the deployment of what the tags name now, if that failed the last time it was tried."""
    for deployment in service.deployments:
        if deployment.digests and all(
            image.is_run_as(deployment.digests.get(image.reference)) for image in service.images
        ):
            return deployment if deployment.failed else None
    return None


def _is_deployed(image: Image, service: Service) -> bool:
    """Return whether the newest deployment carries `image`: two rules, each enough to stop a repetition.

    Which digest ECS reports for an index is not documented. If it were one that we do not know,
    the rule by time still deploys each push once only, or twice if ECS took the first within its second.
    """
    if is_live([image], service.running_digests):
        return True  # whatever else is known, or no longer
    if not service.deployments:
        return service.deployed_at is not None and service.deployed_at >= _deployable_from(image)
    newest = service.deployments[0]
    if newest.created_at >= _deployable_from(image):
        # One made while the desired count went to 0 has resolved nothing and so carries nothing.
        # A service's first deployment counts all the same: somebody made the service at 0 on purpose.
        return bool(newest.digests) or service.desired_count > 0 or len(service.deployments) == 1
    resolved = newest.digests.get(image.reference)
    if newest.created_at >= _deployable_from(image) - ONE_SECOND:
        # Before or after the push? A tag is resolved when the first task starts (ECS guide, "Container image
        # resolution"), which is later: until then it carries the push in any case, and then its digest tells.
        return image.is_run_as(resolved) if resolved else service.desired_count > 0
    return newest.status in UNDER_WAY and image.is_run_as(resolved)


def _deployable_from(image: Image) -> datetime:
    """Return the time from which a new deployment surely came after this push.

    ECR and EventBridge give the time of a push in whole seconds, ECS that of a deployment in milliseconds.
    """
    return (image.pushed_at or datetime.max.replace(tzinfo=UTC) - ONE_SECOND) + ONE_SECOND
