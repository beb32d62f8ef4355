"""Which push deploys which service. Pure: the first table of docs/design.md.

live state                                                        decision
----------------------------------------------------------------  ---------------------------------
not ACTIVE, not tagged on-push, paused, another controller or
  strategy                                                        leave
no container of its task definition names the pushed image        leave: uses another image
the tag names no image and the service never ran (not a DAEMON)   scale to zero until the first push
the tag names no image                                            leave
this run has just scaled it to zero, and now there is an image    start it, with its tag's count
these digests already failed here                                 leave: push a new one
a rollback that may end well is in progress, and not overdue      leave: look again when it is over
the newest deployment was created after the push, or resolved it  leave: already carries it
it was created in the second of the push, and resolved nothing    leave: its first task will resolve it
the newest deployment's running tasks all run it                  leave: already live
pushed seconds ago, and something else triggered us                    leave: its own event is on its way
never ran, desired count 0                                        start it, with its tag's count
desired count 0                                                   leave: scaled to 0
otherwise                                                         deploy
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pushlive.model import REDEPLOY_TAG, ROLLING_BACK, UNDER_WAY
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pushlive.model import Image, Service, ServiceDeployment

ON_PUSH = "on-push"
PAUSED = "paused"
ROLLING = "ROLLING"

ONE_SECOND = timedelta(seconds=1)

# A run that something else triggered at the same moment as a push would deploy it too, and neither run sees
# the other's deployment yet. So a push belongs to its own event for as long as that normally takes.
EVENT_UNDER_WAY = timedelta(seconds=5)


class Action(Enum):
    """What to do with a service."""

    LEAVE = "leave"
    SCALE_TO_ZERO = "scale to zero"
    START = "start"
    DEPLOY = "deploy"


class Decision(NamedTuple):
    """What to do, and why, in words for the person who asks "why did it (not) deploy?"."""

    action: Action
    reason: str
    desired_count: int | None = None


class DeploymentState(NamedTuple):
    """The live state that a deployment is decided from. Images and digests are by container name."""

    service: Service
    start_count: int | None = 1
    """The value of its tag `pushlive:desired-count`; 1 without. None for a DAEMON, which takes no count."""
    references: Mapping[str, str] = MappingProxyType({})
    """The images of its task definition, as written there."""
    images: Mapping[str, Image] = MappingProxyType({})
    """Those of them that are a tag in this account's registry, in a repository that is ours to deploy."""
    deployments: tuple[ServiceDeployment, ...] = ()
    """Newest first."""
    running_digests: tuple[Mapping[str, str], ...] = ()
    """Of each running task of the newest deployment."""
    is_history_whole: bool = True
    """`deployments` are all that it ever had: ECS forgets them after 90 days, and the newest 20 are read."""

    @property
    def never_ran(self) -> bool:
        """Return whether it is certain that no deployment ever ran an image.

        A deployment at desired count 0 starts no task, so it resolves and records no digest. Where
        deployments are missing, or never tell their digests, nothing is certain.
        """
        if self.service.running_count or self.running_digests or not self.is_history_whole:
            return False
        return not any(each.digests or each.untold for each in self.deployments)


def opt_out(service: Service) -> str | None:
    """Return why `service` is none of our business, or None if it asks to be deployed."""
    if service.status != "ACTIVE":
        return f"the service is {service.status}"
    redeploy = service.tags.get(REDEPLOY_TAG)
    if redeploy == PAUSED:
        return "paused by its tag pushlive:redeploy"
    if redeploy != ON_PUSH:
        return "not opted in: it has no tag pushlive:redeploy = on-push"
    if service.deployment_controller != "ECS":
        return f"its deployments belong to the controller {service.deployment_controller}, not to ECS"
    if service.strategy != ROLLING:
        return f"its deployment strategy is {service.strategy}: pushlive deploys ROLLING services only"
    return None


def plan_deployment(
    state: DeploymentState,
    pushed: Image | None,
    now: datetime,
    overdue_seconds: int,
    *,
    scaled_to_zero: bool = False,
) -> Decision:
    """Return what to do with the service.

    `pushed` is the image that triggered us, with the time of the push; None on the schedule and after
    a deployment, when each image of the service is judged by the time its digest came to ECR.
    A push waits for a rollback for `overdue_seconds` at most. `scaled_to_zero`: this run has just set the
    desired count to 0, because there was no image.
    """
    service = state.service
    if why := opt_out(service):
        return _leave(why)
    if pushed is not None and pushed.reference not in state.references.values():
        return _leave("uses another image")
    if not state.images:
        return _leave(
            "no image of its task definition is a tag in this registry, in a repository that the stack "
            f"deploys: {', '.join(state.references.values())}"
        )
    missing = [image for image in state.images.values() if image.digest is None]
    if missing:
        if state.never_ran and service.desired_count > 0 and state.start_count is not None:
            named = f", which names a {missing[0].artifact} now" if missing[0].artifact else ""
            why = f"waits for the first push of {missing[0].reference}{named}"
            return Decision(Action.SCALE_TO_ZERO, why, desired_count=0)
        return _leave(missing[0].absence)
    if scaled_to_zero and service.desired_count == 0:
        return Decision(Action.START, "pushed while the service was at 0", desired_count=state.start_count)
    newest = state.deployments[0] if state.deployments else None
    if failure := failure_of_these_images(state):
        return _leave(
            f"this image failed at {moment(failure.finished_at or failure.created_at)} "
            f"in deployment {failure.name}; push a new one"
        )
    if newest and _rolls_back(newest, now, overdue_seconds):
        return _leave(
            f"a rollback is in progress in deployment {newest.name}; looked at again when it is over"
        )
    awaited = [
        image
        for container, image in _with_push_time(state, pushed).items()
        if not _is_deployed(container, image, state)
    ]
    if not awaited:
        return _leave(f"already live, or carried by deployment {newest.name}" if newest else "already live")
    if pushed is None and any(
        image.pushed_at and now < image.pushed_at + EVENT_UNDER_WAY for image in awaited
    ):
        return _leave(f"{awaited[0].reference} was pushed a moment ago: its own event is on its way")
    if service.desired_count == 0 and state.never_ran:
        return Decision(Action.START, "first push", desired_count=state.start_count)
    if service.desired_count == 0:
        return _leave("scaled to 0")
    return Decision(Action.DEPLOY, f"{awaited[0].reference} now names {awaited[0].digest}")


def is_live(images: Mapping[str, Image], running_digests: Sequence[Mapping[str, str]]) -> bool:
    """Return whether all running tasks of a service's newest deployment run what its images' tags name now.

    Both are by container name. Then `plan_deployment` leaves the service, whatever its deployments say.
    """
    return bool(images) and bool(running_digests) and all(_run(images, each) for each in running_digests)


def _run(images: Mapping[str, Image], digests: Mapping[str, str]) -> bool:
    """Return whether these digests are what the images' tags name."""
    return all(image.is_run_as(digests.get(container)) for container, image in images.items())


def _leave(reason: str) -> Decision:
    return Decision(Action.LEAVE, reason)


def _rolls_back(deployment: ServiceDeployment, now: datetime, overdue_seconds: int) -> bool:
    """Return whether `deployment` is being rolled back, and that may still end well.

    A rollback to what failed, or to a revision that never resolved its tag, starts the broken image again and
    again, with pauses of up to 27 minutes (ECS guide, "Amazon ECS service throttle logic").
    """
    if deployment.status not in ROLLING_BACK or not deployment.has_way_back:
        return False
    since = deployment.rolling_back_since or deployment.created_at
    return now < since + timedelta(seconds=overdue_seconds)


def _with_push_time(state: DeploymentState, pushed: Image | None) -> dict[str, Image]:
    """Return the service's images, the pushed one with the time of the event.

    An old digest that gets the tag back keeps the time of its first push in ECR; only the event
    knows when the tag moved.
    """
    return {
        container: image._replace(
            pushed_at=max(filter(None, (image.pushed_at, pushed.pushed_at)), default=None)
        )
        if pushed and pushed.reference == image.reference and pushed.digest == image.digest
        else image
        for container, image in state.images.items()
    }


def failure_of_these_images(state: DeploymentState) -> ServiceDeployment | None:
    """Return the deployment of what the tags name now, if that failed the last time it was tried."""
    for deployment in state.deployments:
        if deployment.digests and _run(state.images, deployment.digests):
            return deployment if deployment.failed else None
    return None


def _is_deployed(container: str, image: Image, state: DeploymentState) -> bool:
    """Return whether the newest deployment carries `image`: two rules, each enough to stop a repetition.

    Which digest ECS reports for an index is not documented. If it were one that we do not know,
    the rule by time still deploys each push once only, or twice if ECS took the first within its second.
    """
    service, deployable_from = state.service, _deployable_from(image)
    if is_live({container: image}, state.running_digests):
        return True  # whatever else is known, or no longer
    if not state.deployments:
        return service.deployed_at is not None and service.deployed_at >= deployable_from
    newest = state.deployments[0]
    if newest.created_at >= deployable_from:
        # One made while the desired count went to 0 has resolved nothing and so carries nothing.
        # A service's first deployment counts all the same: somebody made the service at 0 on purpose.
        return bool(newest.digests) or service.desired_count > 0 or len(state.deployments) == 1
    resolved = newest.digests.get(container)
    if newest.created_at >= deployable_from - ONE_SECOND:
        # Before or after the push? A tag is resolved when the first task starts (ECS guide, "Container image
        # resolution"), which is later: until then it carries the push in any case, and then its digest tells.
        return image.is_run_as(resolved) if resolved else service.desired_count > 0
    return newest.status in UNDER_WAY and image.is_run_as(resolved)


def _deployable_from(image: Image) -> datetime:
    """Return the time from which a new deployment surely came after this push.

    ECR and EventBridge give the time of a push in whole seconds, ECS that of a deployment in milliseconds.
    """
    return (image.pushed_at or datetime.max.replace(tzinfo=UTC) - ONE_SECOND) + ONE_SECOND
