"""People are told what became of a deployment, by Amazon SNS: once, by whichever run is first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from pushlive import ecs, leases, outcome_plan
from pushlive.metrics import Metric, emit
from pushlive.outcome_plan import Outcome
from pushlive.stopped_tasks import why_stopped
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient

    from pushlive.config import Settings
    from pushlive.model import Service, ServiceDeployment
    from pushlive.outcome_plan import Message
    from pushlive.redeploy_plan import DeploymentState

METRICS = {Outcome.LIVE: Metric.DEPLOYMENTS_LIVE, Outcome.FAILED: Metric.DEPLOYMENTS_FAILED}


def send_once(
    sns_client: SNSClient,
    logs_client: CloudWatchLogsClient,
    settings: Settings,
    subject: str,
    message: Message,
    now: datetime,
) -> bool:
    """Send `message` unless the one of this `subject` was sent; return whether it was sent now.

    `subject` is a part of a log stream's name, such as `app/DEPLOYMENT/live`. A lease keeps two runs from
    sending it at the same time, and a mark beside it stays when it was sent. A run that is ended between
    the two leaves the lease; when that run is certainly over, another one sends: rather twice than never.
    """
    lease = leases.take(logs_client, settings.leases_log_group, f"notifications/{subject}", now)
    if lease is None:
        return False
    try:
        sns_client.publish(TopicArn=settings.topic_arn, Subject=message.subject, Message=message.text)
    except ClientError:
        leases.release(logs_client, settings.leases_log_group, lease)
        raise
    leases.finish(logs_client, settings.leases_log_group, lease)
    return True


@dataclass
class Notifications:
    """What a run tells of the deployments that it has read."""

    settings: Settings
    ecs_client: ECSClient
    logs_client: Callable[[], CloudWatchLogsClient]
    sns_client: Callable[[], SNSClient]
    logger: Logger

    def tell(self, state: DeploymentState, now: datetime) -> None:
        """Say what became of the service's deployments, each once, and whether the newest is late."""
        service = state.service
        if overdue := outcome_plan.overdue(state, now, self.settings.overdue_seconds):
            self.logger.warning(
                "overdue",
                reason=f"{overdue.name} is {overdue.status} since {moment(overdue.created_at)}",
                ecs_service=service.service_name,
                ecs_says=overdue.status_reason,
                stopped_reason=self._why_stopped(overdue, service),
            )
            emit(Metric.DEPLOYMENTS_OVERDUE, self.settings.cluster_arn)
        for deployment, outcome in outcome_plan.ended(state, now):
            why = self._why_stopped(deployment, service) if outcome is Outcome.FAILED else ""
            definition = ecs.task_definition(self.ecs_client, service.task_definition_arn)
            message = outcome_plan.message(state, deployment, definition, why)
            subject = f"{service.service_name}/{deployment.name}/{outcome.value}"
            if send_once(self.sns_client(), self.logs_client(), self.settings, subject, message, now):
                reason = message.text.partition("\n")[0]
                self._note(state, deployment, outcome, reason, why)

    def _note(
        self,
        state: DeploymentState,
        deployment: ServiceDeployment,
        outcome: Outcome,
        reason: str,
        stopped_reason: str,
    ) -> None:
        """Write the outcome's line, and measure it."""
        seconds = outcome_plan.seconds_to_live(state, deployment) if outcome is Outcome.LIVE else None
        self.logger.info(
            outcome.value,
            reason=reason,
            ecs_service=state.service.service_name,
            deployment=deployment.name,
            seconds_to_live=seconds,
            stopped_reason=stopped_reason,
        )
        emit(METRICS[outcome], self.settings.cluster_arn)
        if seconds is not None:
            emit(Metric.SECONDS_TO_LIVE, self.settings.cluster_arn, seconds)

    def _why_stopped(self, deployment: ServiceDeployment, service: Service) -> str:
        """Return why tasks that were created since the deployment's creation stopped, if they failed."""
        return why_stopped(
            ecs.stopped_tasks(
                self.ecs_client, self.settings.cluster_arn, service.service_name, deployment.created_at
            )
        )
