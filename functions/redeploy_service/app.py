"""RedeployService: a push to the image repository starts a new deployment of the service.

A run is triggered by a push, a deployment that changes, a task that fails to start, or every five minutes:

1. read the services of the cluster, the images that they name, their deployments and tasks;
2. plan, for each service (`redeploy_plan`, pure);
3. apply: UpdateService, where the plan says so, under a lease that only one run can hold (`leases`);
4. tell what became of deployments that have ended (`outcome_plan`, pure), each once.

CloudFormation calls it too, when the stack is deleted: to wait until the last task has ended.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from pushlive import aws, cloudformation, ecs, events, image_reference, leases
from pushlive.boundary import serve_each
from pushlive.config import ConfigError, Settings
from pushlive.metrics import Metric, emit
from pushlive.model import REDEPLOY_TAG, Image
from pushlive.notifications import Notifications
from pushlive.prefilter import to_reconcile
from pushlive.redeploy_plan import (
    ON_PUSH,
    PAUSED,
    ROLLING,
    Action,
    Decision,
    DeploymentState,
    opt_out,
    plan_deployment,
)
from pushlive.redeploy_state import LiveServices
from pushlive.stack_tasks import StackTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient

    from pushlive.leases import Lease
    from pushlive.model import Service

logger = Logger(service="RedeployService")

# All is read again after a service was scaled to zero, because a push may have come since; after the lease
# for that, because another run may have started the service; and after an expired lease, because the run that
# had it may have deployed.
RECONCILIATIONS = 4
# Of a service that was deleted since it was read (API reference, UpdateService, ListServiceDeployments).
GONE = ("ServiceNotFoundException", "ServiceNotActiveException")
# What ECS says, as a ClientException (Cloud-CV/EvalAI issue 5167).
INACTIVE = "TaskDefinition is inactive"

SERVER_ERROR = 500

# What only one run may do at a time: a slow one would scale to zero what another has just started.
LEASED = (Action.SCALE_TO_ZERO, Action.START, Action.DEPLOY)


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Deploy what the event, or the schedule, finds to be due."""
    settings = Settings.from_env(os.environ)
    Redeployment(
        settings,
        aws.client("ecs"),
        aws.client("ecr"),
        lambda: aws.client("logs"),
        lambda: aws.client("sns"),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    ).run(event)


@dataclass
class Redeployment:
    """One run of the function."""

    settings: Settings
    ecs_client: ECSClient
    ecr_client: ECRClient
    logs_client: Callable[[], CloudWatchLogsClient]
    """Makes the client, which most runs do not need."""
    sns_client: Callable[[], SNSClient]
    seconds_left: Callable[[], float]
    """Until the function's time-out."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    live: LiveServices = field(init=False)
    """The live state, as it is read."""

    def __post_init__(self) -> None:
        self.live = LiveServices(self.settings, self.ecs_client, self.ecr_client, clock=self.now)

    def run(self, event: Any) -> None:  # noqa: ANN401 - whatever somebody sends
        """Decide for each service that the event may concern, and do it.

        Raises:
            EventError: the event is damaged.
            ExceptionGroup: some services could not be looked at or deployed; the others were.
                Lambda then runs the event again.
            NotYetError: the stack waits for tasks that are stopping, and so does Lambda's next run.
        """
        trigger = events.parse(event, cluster_arn=self.settings.cluster_arn)
        logger.structure_logs(append=True, event_id=trigger.event_id)
        if isinstance(trigger, events.Ignored):
            logger.info("ignored", reason=trigger.reason)
            return
        if isinstance(trigger, events.StackRequest):
            self._answer(trigger)
            return
        if isinstance(trigger, events.Push):
            # A push lies in the past, whatever its event says.
            trigger = trigger._replace(pushed_at=min(trigger.pushed_at, self.now()))
        serve_each(logger, self._services(trigger), lambda service: self._serve(service, trigger))

    def _serve(self, service: Service, trigger: events.Trigger) -> None:
        try:
            state = self._reconcile(service, trigger)
            if not isinstance(trigger, events.Push):  # which ends no deployment
                self._tell(state)
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            reason = "the service was deleted meanwhile"
            logger.info("ignored", reason=reason, ecs_service=service.service_name)

    # read

    def _read(self, service: Service, trigger: events.Trigger) -> tuple[DeploymentState, Image | None]:
        """Return the service, whole if the plan may ask for it, and the image whose push triggered us."""
        state = self.live.outline(service)
        pushed = self._pushed(trigger, state)
        if not opt_out(service) and (pushed is None or pushed.reference in state.references.values()):
            state = self.live.whole(state)
        return state, pushed

    def _services(self, trigger: events.Trigger) -> list[Service]:
        if not isinstance(trigger, events.ServiceChanged):
            every = self.live.all()
            push = trigger if isinstance(trigger, events.Push) else None
            found = to_reconcile(self.live, every, push, self.now())
            kept = {each.service_name for each in found}
            self._say_left([each for each in every if each.service_name not in kept], push)
            return found
        changed = self.live.named(trigger.service_name)
        if changed is None:
            logger.info("ignored", reason="the service is gone", ecs_service=trigger.service_name)
        return [changed] if changed else []

    # plan

    def _reconcile(self, service: Service, trigger: events.Trigger) -> DeploymentState:
        scaled_to_zero = False
        mine: dict[str, Lease] = {}
        for number in range(RECONCILIATIONS):
            if number:
                self.live.images.clear()
                service = self.live.named(service.service_name) or service
            state, pushed = self._read(service, trigger)
            decision = plan_deployment(
                state, pushed, self.now(), self.settings.overdue_seconds, scaled_to_zero=scaled_to_zero
            )
            if decision.action in LEASED and not self.settings.dry_run:
                stops = decision.action is Action.SCALE_TO_ZERO
                new, anothers = self._lease(leases.subjects(state, deploys=not stops), mine)
                if anothers:
                    decision = Decision(Action.LEAVE, f"another run is at work on it: {anothers}")
                elif any(lease.number > 1 for lease in new) or (new and stops):
                    # What was read before the lease may be what another run has just changed.
                    continue
            self._say(decision, state, pushed)
            self._apply(decision, service, mine)
            if decision.action is Action.LEAVE:
                # At zero and nothing to start yet, or another run has deployed it: the next run may lease.
                self._release(mine)
            scaled_to_zero = decision.action is Action.SCALE_TO_ZERO
            if not scaled_to_zero or self.settings.dry_run:
                break
        return state

    def _lease(self, subjects: Iterable[str], mine: dict[str, Lease]) -> tuple[list[Lease], str]:
        """Take the leases that are not `mine` yet; return these, and which of them is another run's."""
        new: list[Lease] = []
        for subject in subjects:
            if subject in mine:
                continue
            lease = leases.take(self.logs_client(), self.settings.leases_log_group, subject, self.now())
            if lease is None:
                return new, subject
            if lease.number > 1:
                logger.info("expired lease", reason="the run that leased it is over", lease=lease.stream)
            mine[subject] = lease
            new.append(lease)
        return new, ""

    def _release(self, mine: dict[str, Lease]) -> None:
        while mine:
            _, lease = mine.popitem()
            leases.release(self.logs_client(), self.settings.leases_log_group, lease)

    def _pushed(self, trigger: events.Trigger, state: DeploymentState) -> Image | None:
        if not isinstance(trigger, events.Push):
            return None
        reference = image_reference.naming(
            trigger.repository, trigger.tag, self.settings.registry, state.references.values()
        )
        return Image(reference, trigger.digest, trigger.pushed_at)

    def _say(self, decision: Decision, state: DeploymentState, pushed: Image | None) -> None:
        """Write the decision's line; services that never asked for anything are silent."""
        service, images = state.service, [pushed] if pushed else list(state.images.values())
        say = logger.info if REDEPLOY_TAG in service.tags else logger.debug
        say(
            decision.action.value,
            reason=decision.reason,
            ecs_service=service.service_name,
            image=", ".join(image.reference for image in images),
            digest=", ".join(str(image.digest) for image in images),
            running_count=service.running_count,
            desired_count=service.desired_count,
            dry_run=self.settings.dry_run,
        )

    def _say_left(self, left: list[Service], push: events.Push | None) -> None:
        """Write what a prefilter left: at a push in one line, on the schedule in one for each."""
        if push and left:
            logger.info("leave", reason=f"{len(left)} services use another image")
            return
        for service in left:
            logger.info(
                "leave",
                reason="already live: all its tasks run what its tags name",
                ecs_service=service.service_name,
                running_count=service.running_count,
                desired_count=service.desired_count,
                dry_run=self.settings.dry_run,
            )

    # apply

    def _apply(self, decision: Decision, service: Service, mine: dict[str, Lease]) -> None:
        if decision.action is Action.LEAVE or self.settings.dry_run:
            return
        try:
            ecs.update(
                self.ecs_client,
                self.settings.cluster_arn,
                service.service_name,
                deploy=decision.action is not Action.SCALE_TO_ZERO,
                desired_count=decision.desired_count,
            )
        except ClientError as error:
            # After an error of the server's, as after no answer, it may have been carried out all the same:
            # then nobody deploys until this run is over, and the deployments tell.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] < SERVER_ERROR:
                self._release(mine)
            if INACTIVE in error.response["Error"]["Message"]:
                raise ConfigError(
                    f"The task definition of service {service.service_name} is INACTIVE, and ECS deploys no "
                    "such one: register it again, and update the service with it"
                ) from error
            raise
        if decision.action is not Action.SCALE_TO_ZERO:
            emit(Metric.DEPLOYMENTS_STARTED, self.settings.cluster_arn)

    # tell

    def _tell(self, state: DeploymentState) -> None:
        service = state.service
        asks = service.tags.get(REDEPLOY_TAG) in (ON_PUSH, PAUSED) and service.deployment_controller == "ECS"
        asks = asks and service.strategy == ROLLING
        if not asks or service.status != "ACTIVE" or self.settings.dry_run:
            return
        if opt_out(service):  # paused: a deployment that somebody started by hand is told all the same
            state = state._replace(deployments=self.live.deployments(service))
        settings, now = self.settings, self.now()
        Notifications(settings, self.ecs_client, self.logs_client, self.sns_client, logger).tell(state, now)

    # CloudFormation

    def _answer(self, request: events.StackRequest) -> None:
        if request.resource_type != events.TASKS_GONE:
            logger.info("ignored", reason="not for this function")
            return
        tasks = StackTasks(self.settings, self.ecs_client, self.seconds_left, self.sleep)
        cloudformation.serve(request, tasks.carry_out, logger)
