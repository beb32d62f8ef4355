"""What RedeployService reads before it plans: services, the images that they name, deployments, tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pushlive import ecr, ecs, service_deployments
from pushlive.config import ConfigError
from pushlive.image_reference import tagged
from pushlive.model import DESIRED_COUNT_TAG
from pushlive.redeploy_plan import DeploymentState, opt_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient

    from pushlive.config import Settings
    from pushlive.model import Image, Service, ServiceDeployment

START_COUNT = re.compile(
    "0*[1-9][0-9]{0,3}"
)  # a service has 5000 tasks at most (ECS guide, "Service quotas")
# ECS lists a service's deployments for 90 days (ECS guide, "View service history using Amazon ECS service
# deployments").
HISTORY = timedelta(days=89)


@dataclass
class LiveServices:
    """The live state of the cluster's services. Each image is read once, until `images` is cleared."""

    settings: Settings
    ecs_client: ECSClient
    ecr_client: ECRClient
    images: dict[str, Image] = field(default_factory=dict)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def all(self) -> list[Service]:
        """Return every service of the cluster."""
        cluster = self.settings.cluster_arn
        return ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster))

    def named(self, service_name: str) -> Service | None:
        """Return the service as it is now; None if there is no such service."""
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name])
        return found[0] if found else None

    def outline(self, service: Service) -> DeploymentState:
        """Return what is known of a service without reading its images and deployments.

        Raises:
            ConfigError: its tag `pushlive:desired-count` is no number of tasks.
            IncompleteAnswerError: ECS has not told what decisions need.
        """
        service.check()
        if opt_out(service):
            return DeploymentState(service)
        definition = ecs.task_definition(self.ecs_client, service.task_definition_arn)
        count = None if service.is_daemon else start_count(service)
        return DeploymentState(service, count, definition.images)

    def whole(self, outline: DeploymentState) -> DeploymentState:
        """Return the service with all that its plan may ask for.

        Deployments are read after the images: who has deployed what a tag names now is seen.
        """
        service = outline.service
        named = {name: self.image(reference) for name, reference in outline.references.items()}
        deployments = self.deployments(service)
        tasks = ecs.tasks(self.ecs_client, self.settings.cluster_arn, service.service_name)
        running = ecs.running_digests(tasks, service.newest_deployment_id)
        if service.desired_count == 0:
            # Read after the deployments: a start since then is seen here, or leases as we would.
            newest, service = service.newest_deployment_id, self.named(service.service_name) or service
            if service.desired_count > 0 or service.newest_deployment_id != newest:
                # By a run or a person, perhaps after the deployments were read.
                deployments = self.deployments(service)
        return outline._replace(
            service=service,
            images={name: image for name, image in named.items() if image},
            deployments=deployments,
            running_digests=running,
            is_history_whole=self._is_whole(deployments, service),
        )

    def _is_whole(self, deployments: tuple[ServiceDeployment, ...], service: Service) -> bool:
        """Return whether these are all deployments that the service ever had."""
        is_young = service.created_at is not None and self.clock() < service.created_at + HISTORY
        return is_young and len(deployments) < service_deployments.DEPLOYMENTS_READ

    def deployments(self, service: Service) -> tuple[ServiceDeployment, ...]:
        """Return the service's newest deployments, newest first."""
        settings = self.settings
        return service_deployments.deployments(
            self.ecs_client, settings.cluster_arn, service.service_name, settings.registry
        )

    def image(self, reference: str) -> Image | None:
        """Return what a reference names now; None for an image that is not ours to deploy."""
        name = tagged(reference, self.settings.registry)
        if name is None or not self.settings.admits_repository(name[0]):
            return None
        if reference not in self.images:
            self.images[reference] = ecr.image(self.ecr_client, reference, *name)
        return self.images[reference]


def start_count(service: Service) -> int:
    """Return with how many tasks a service that has never run is started.

    Raises:
        ConfigError: its tag `pushlive:desired-count` is no number of tasks.
    """
    text = service.tags.get(DESIRED_COUNT_TAG, "1")
    if not START_COUNT.fullmatch(text):
        raise ConfigError(
            f"The tag {DESIRED_COUNT_TAG} of service {service.service_name} is {text!r:.80}: "
            "give a whole number of tasks, from 1 to 9999"
        )
    return int(text)
