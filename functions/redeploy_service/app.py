"""RedeployService: a push to the image repository starts a new deployment of the service.

One run, woken by a push, by the end of a deployment, or every five minutes:

1. read the services of the cluster, the images that they name, their deployments and tasks;
2. plan, for each service (`redeploy_plan`, pure);
3. apply: UpdateService, where the plan says so.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from botocore.exceptions import BotoCoreError, ClientError

from pushlive import aws, ecr, ecs, events
from pushlive.config import ConfigError, Settings
from pushlive.redeploy_plan import Action, Decision, Image, Service, deployable_from, opt_out, plan_deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient

logger = Logger(service="RedeployService")

# A second look follows a hold, because a push may have come between the look and the hold.
LOOKS = 2
# ecs:UpdateService on a service that was deleted since it was read (API reference, UpdateService, errors).
GONE = ("ServiceNotFoundException", "ServiceNotActiveException")

METRICS = {Action.HOLD: "ServicesHeld", Action.START: "ServicesStarted", Action.DEPLOY: "DeploymentsStarted"}


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - Lambda passes it
    """Deploy what the event, or the schedule, finds to be due."""
    settings = Settings.from_env(os.environ)
    Redeployment(settings, aws.client("ecs"), aws.client("ecr")).run(event)


@dataclass
class Redeployment:
    """One run of the function."""

    settings: Settings
    ecs_client: ECSClient
    ecr_client: ECRClient
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    images: dict[str, Image] = field(default_factory=dict)

    def run(self, event: Any) -> None:  # noqa: ANN401 - whatever somebody sends
        """Decide for each service that the event may concern, and do it.

        Raises:
            EventError: the event is damaged.
            ExceptionGroup: some services could not be looked at or deployed; the others were.
                Lambda then runs the event again.
        """
        wake = events.parse(event, cluster_arn=self.settings.cluster_arn)
        logger.structure_logs(append=True, event_id=wake.event_id)
        if isinstance(wake, events.Ignored | events.StackRequest):
            logger.info(
                "ignored", reason=wake.reason if isinstance(wake, events.Ignored) else "not for this function"
            )
            return
        if isinstance(wake, events.Push):
            self._wait_out_the_second_of(Image("", wake.digest, wake.pushed_at))
        failures = []
        for service in self._services(wake):
            try:
                self._look_at(service, wake)
            except (ClientError, BotoCoreError, ConfigError) as error:
                logger.exception("failed", ecs_service=service.service_name)
                failures.append(error)
        if failures:
            raise ExceptionGroup(f"{len(failures)} services could not be served; see the log", failures)

    # read

    def _services(self, wake: events.Wake) -> list[ecs.Service]:
        cluster = self.settings.cluster_arn
        if isinstance(wake, events.ServiceChanged):
            found = ecs.services(self.ecs_client, cluster, [wake.service_name])
            if not found:
                logger.info("ignored", reason="the service is gone", ecs_service=wake.service_name)
            return found
        return ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster))

    def _state(self, found: ecs.Service) -> Service:
        """Return what is known of a service without reading its images and deployments."""
        service = Service(
            service_name=found.service_name,
            status=found.status,
            redeploy=found.tags.get(ecs.REDEPLOY_TAG),
            desired_count=found.desired_count,
            start_count=1,
            deployment_controller=found.deployment_controller,
            image_references=(),
        )
        if opt_out(service):
            return service
        definition = ecs.task_definition(self.ecs_client, found.task_definition_arn)
        references = tuple(definition.images.values())
        return replace(service, start_count=_start_count(found), image_references=references)

    def _whole_state(self, found: ecs.Service, service: Service) -> Service:
        """Return `service` with all that its plan may ask for."""
        cluster = self.settings.cluster_arn
        definition = ecs.task_definition(self.ecs_client, found.task_definition_arn)
        images = tuple(image for reference in service.image_references if (image := self._image(reference)))
        deployments = ecs.deployments(self.ecs_client, cluster, found.service_name, definition)
        running = ecs.running_digests(
            ecs.tasks(self.ecs_client, cluster, found.service_name), definition, found.newest_deployment_id
        )
        return replace(
            service,
            images=images,
            deployments=deployments,
            running_digests=running,
            running_count=found.running_count,
        )

    def _image(self, reference: str) -> Image | None:
        """Return what a reference names now; None for an image that is not a tag of this registry."""
        tagged = ecr.tagged(reference, self.settings.registry)
        if tagged is None:
            return None
        if reference not in self.images:
            image = ecr.image(self.ecr_client, reference, *tagged)
            self._wait_out_the_second_of(image)
            self.images[reference] = image
        return self.images[reference]

    # plan

    def _look_at(self, found: ecs.Service, wake: events.Wake) -> None:
        held = False
        for _ in range(LOOKS):
            service = replace(self._state(found), held=held)
            pushed = self._pushed(wake, service)
            if not opt_out(service) and (pushed is None or pushed.reference in service.image_references):
                service = self._whole_state(found, service)
            decision = plan_deployment(service, pushed, self.now())
            self._say(decision, service, pushed)
            self._apply(decision, service)
            held = decision.action is Action.HOLD
            if not held or self.settings.dry_run:
                return
            self.images.clear()
            [found] = ecs.services(self.ecs_client, self.settings.cluster_arn, [found.service_name]) or [
                found
            ]

    def _pushed(self, wake: events.Wake, service: Service) -> Image | None:
        if not isinstance(wake, events.Push):
            return None
        reference = ecr.reference_of(
            wake.repository, wake.tag, self.settings.registry, service.image_references
        )
        return Image(reference, wake.digest, wake.pushed_at)

    def _say(self, decision: Decision, service: Service, pushed: Image | None) -> None:
        """Write the decision's line; services that never asked for anything are silent."""
        say = logger.debug if service.redeploy is None else logger.info
        say(
            decision.action.value,
            reason=decision.reason,
            ecs_service=service.service_name,
            image=pushed.reference if pushed else ", ".join(image.reference for image in service.images),
            digest=pushed.digest if pushed else ", ".join(str(image.digest) for image in service.images),
            dry_run=self.settings.dry_run,
        )

    # apply

    def _apply(self, decision: Decision, service: Service) -> None:
        if decision.action is Action.LEAVE or self.settings.dry_run:
            return
        change: dict[str, Any] = {"forceNewDeployment": decision.action is not Action.HOLD}
        if decision.desired_count is not None:
            change["desiredCount"] = decision.desired_count
        try:
            self.ecs_client.update_service(
                cluster=self.settings.cluster_arn, service=service.service_name, **change
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            logger.info(
                "ignored", reason="the service was deleted meanwhile", ecs_service=service.service_name
            )
            return
        with single_metric(METRICS[decision.action], MetricUnit.Count, 1, namespace="pushlive"):
            pass

    def _wait_out_the_second_of(self, image: Image) -> None:
        """Sleep until a deployment can be told from one of before the push: a second at most.

        Deployments are read after this, so whoever deploys this push is seen by all who look later.
        """
        if image.pushed_at:
            self.sleep(min(1.0, max(0.0, (deployable_from(image) - self.now()).total_seconds())))


def _start_count(found: ecs.Service) -> int:
    text = found.tags.get(ecs.DESIRED_COUNT_TAG, "1")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigError(
            f"The tag {ecs.DESIRED_COUNT_TAG} of service {found.service_name} is {text!r:.80}: "
            "give a whole number of tasks, 1 or more"
        )
    return int(text)
