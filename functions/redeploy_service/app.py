"""RedeployService: a push to the image repository starts a new deployment of the service.

One run, woken by a push, by a change of a deployment, by a task that failed to start, or every five minutes:

1. read the services of the cluster, the images that they name, their deployments and tasks;
2. plan, for each service (`redeploy_plan`, pure);
3. apply: UpdateService, where the plan says so, under a claim that only one run can hold (`claims`);
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

from pushlive import aws, claims, cloudformation, ecs, events, image_reference
from pushlive.boundary import serve_each
from pushlive.config import ConfigError, Settings
from pushlive.metrics import Metric, emit
from pushlive.model import REDEPLOY_TAG, Image
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
from pushlive.survey import worth_a_look
from pushlive.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient

    from pushlive.claims import Claim
    from pushlive.model import Service

logger = Logger(service="RedeployService")

# Another look follows a hold, because a push may have come between the look and the hold; the claim of a
# hold, because another run may have started the service; and a claim that was taken over, because the run
# that held it may have deployed.
LOOKS = 4
# Of a service that was deleted since it was read (API reference, UpdateService, ListServiceDeployments).
GONE = ("ServiceNotFoundException", "ServiceNotActiveException")
# What ECS says, as a ClientException (Cloud-CV/EvalAI issue 5167).
INACTIVE = "TaskDefinition is inactive"

SERVER_ERROR = 500

# What only one run may do at a time. A slow hold would stop a service that another run has just started.
CLAIMED = (Action.HOLD, Action.START, Action.DEPLOY)


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
        wake = events.parse(event, cluster_arn=self.settings.cluster_arn)
        logger.structure_logs(append=True, event_id=wake.event_id)
        if isinstance(wake, events.Ignored):
            logger.info("ignored", reason=wake.reason)
            return
        if isinstance(wake, events.StackRequest):
            self._answer(wake)
            return
        if isinstance(wake, events.Push):
            # A push lies in the past, whatever its event says.
            wake = wake._replace(pushed_at=min(wake.pushed_at, self.now()))
        serve_each(logger, self._services(wake), lambda service: self._serve(service, wake))

    def _serve(self, service: Service, wake: events.Wake) -> None:
        try:
            state = self._look_at(service, wake)
            if not isinstance(wake, events.Push):  # which ends no deployment
                self._tell(state)
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            reason = "the service was deleted meanwhile"
            logger.info("ignored", reason=reason, ecs_service=service.service_name)

    # read

    def _read(self, service: Service, wake: events.Wake) -> tuple[DeploymentState, Image | None]:
        """Return the service, whole if the plan may ask for it, and the image whose push woke us."""
        state = self.live.outline(service)
        pushed = self._pushed(wake, state)
        if not opt_out(service) and (pushed is None or pushed.reference in state.references.values()):
            state = self.live.whole(state)
        return state, pushed

    def _services(self, wake: events.Wake) -> list[Service]:
        if not isinstance(wake, events.ServiceChanged):
            every = self.live.all()
            push = wake if isinstance(wake, events.Push) else None
            found = worth_a_look(self.live, every, push, self.now())
            kept = {each.service_name for each in found}
            self._say_left([each for each in every if each.service_name not in kept], push)
            return found
        changed = self.live.named(wake.service_name)
        if changed is None:
            logger.info("ignored", reason="the service is gone", ecs_service=wake.service_name)
        return [changed] if changed else []

    # plan

    def _look_at(self, service: Service, wake: events.Wake) -> DeploymentState:
        held = False
        mine: dict[str, Claim] = {}
        for look in range(LOOKS):
            if look:
                self.live.images.clear()
                service = self.live.named(service.service_name) or service
            state, pushed = self._read(service, wake)
            decision = plan_deployment(state, pushed, self.now(), self.settings.late_seconds, held=held)
            if decision.action in CLAIMED and not self.settings.dry_run:
                holds = decision.action is Action.HOLD
                new, anothers = self._claim(claims.subjects(state, deploys=not holds), mine)
                if anothers:
                    decision = Decision(Action.LEAVE, f"another run is at work on it: {anothers}")
                elif any(claim.number > 1 for claim in new) or (new and holds):
                    # What was read before the claim may be what another run has just changed.
                    continue
            self._say(decision, state, pushed)
            self._apply(decision, service, mine)
            if decision.action is Action.LEAVE:
                # Held and nothing to start yet, or another run has deployed it: the next run may claim.
                self._release(mine)
            held = decision.action is Action.HOLD
            if not held or self.settings.dry_run:
                break
        return state

    def _claim(self, subjects: Iterable[str], mine: dict[str, Claim]) -> tuple[list[Claim], str]:
        """Take the claims that are not `mine` yet; return these, and which of them is another run's."""
        new: list[Claim] = []
        for subject in subjects:
            if subject in mine:
                continue
            claim = claims.take(self.logs_client(), self.settings.claims_log_group, subject, self.now())
            if claim is None:
                return new, subject
            if claim.number > 1:
                logger.info("taken over", reason="the run that claimed it is over", claim=claim.stream)
            mine[subject] = claim
            new.append(claim)
        return new, ""

    def _release(self, mine: dict[str, Claim]) -> None:
        while mine:
            _, claim = mine.popitem()
            claims.release(self.logs_client(), self.settings.claims_log_group, claim)

    def _pushed(self, wake: events.Wake, state: DeploymentState) -> Image | None:
        if not isinstance(wake, events.Push):
            return None
        reference = image_reference.naming(
            wake.repository, wake.tag, self.settings.registry, state.references.values()
        )
        return Image(reference, wake.digest, wake.pushed_at)

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
        """Write what a survey left: at a push in one line; on the schedule in one each, with its counts."""
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

    def _apply(self, decision: Decision, service: Service, mine: dict[str, Claim]) -> None:
        if decision.action is Action.LEAVE or self.settings.dry_run:
            return
        try:
            ecs.update(
                self.ecs_client,
                self.settings.cluster_arn,
                service.service_name,
                deploy=decision.action is not Action.HOLD,
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
        if decision.action is not Action.HOLD:
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
        Telling(settings, self.ecs_client, self.logs_client, self.sns_client, logger).tell(state, now)

    # CloudFormation

    def _answer(self, request: events.StackRequest) -> None:
        if request.resource_type != events.TASKS_GONE:
            logger.info("ignored", reason="not for this function")
            return
        tasks = StackTasks(self.settings, self.ecs_client, self.seconds_left, self.sleep)
        cloudformation.serve(request, tasks.carry_out, logger)
