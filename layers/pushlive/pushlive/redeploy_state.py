"""What RedeployService reads before it plans: services, the images that they name, deployments, tasks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pushlive import ecr, ecs
from pushlive.config import ConfigError
from pushlive.image_reference import tagged
from pushlive.redeploy_plan import Image, Service, ServiceDeployment, opt_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecs import ECSClient

    from pushlive.config import Settings

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

    def all(self) -> list[ecs.Service]:
        """Return every service of the cluster."""
        cluster = self.settings.cluster_arn
        return ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster))

    def named(self, service_name: str) -> ecs.Service | None:
        """Return the service as it is now; None if there is no such service."""
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name])
        return found[0] if found else None

    def outline(self, found: ecs.Service) -> Service:
        """Return what is known of a service without reading its images and deployments.

        Raises:
            ConfigError: its tag `pushlive:desired-count` is no number of tasks.
            IncompleteAnswerError: ECS has not told what decisions need.
        """
        found.check()
        service = Service(
            service_name=found.service_name,
            status=found.status,
            redeploy=found.tags.get(ecs.REDEPLOY_TAG),
            desired_count=found.desired_count,
            start_count=1,
            deployment_controller=found.deployment_controller,
            image_references=(),
            running_count=found.running_count,
            strategy=found.strategy,
            deployed_at=found.deployed_at,
        )
        if opt_out(service):
            return service
        definition = ecs.task_definition(self.ecs_client, found.task_definition_arn)
        references = tuple(definition.images.values())
        count = None if found.is_daemon else start_count(found)
        return service._replace(start_count=count, image_references=references)

    def whole(self, found: ecs.Service, outline: Service) -> Service:
        """Return the service with all that its plan may ask for.

        Deployments are read after the images: who has deployed what a tag names now is seen.
        """
        cluster = self.settings.cluster_arn
        definition = ecs.task_definition(self.ecs_client, found.task_definition_arn)
        images = tuple(image for reference in outline.image_references if (image := self.image(reference)))
        deployments = self.deployments(found)
        running = ecs.running_digests(
            ecs.tasks(self.ecs_client, cluster, found.service_name), definition, found.newest_deployment_id
        )
        if found.desired_count == 0:
            # Read after the deployments: whoever has started it since is seen here, or claims as we would.
            newest, found = found.newest_deployment_id, self.named(found.service_name) or found
            if found.desired_count > 0 or found.newest_deployment_id != newest:
                # By a run or a person, perhaps after the deployments were read.
                deployments = self.deployments(found)
        return outline._replace(
            desired_count=found.desired_count,
            images=images,
            deployments=deployments,
            running_digests=running,
            running_count=found.running_count,
            deployed_at=found.deployed_at,
            is_history_whole=self._is_whole(deployments, found),
        )

    def _is_whole(self, deployments: tuple[ServiceDeployment, ...], found: ecs.Service) -> bool:
        """Return whether these are all deployments that the service ever had."""
        is_young = found.created_at is not None and self.clock() < found.created_at + HISTORY
        return is_young and len(deployments) < ecs.DEPLOYMENTS_READ

    def deployments(self, found: ecs.Service) -> tuple[ServiceDeployment, ...]:
        """Return the service's newest deployments, newest first."""
        settings = self.settings
        definition = ecs.task_definition(self.ecs_client, found.task_definition_arn)
        return ecs.deployments(
            self.ecs_client, settings.cluster_arn, found.service_name, definition, settings.registry
        )

    def image(self, reference: str) -> Image | None:
        """Return what a reference names now; None for an image that is not ours to deploy."""
        name = tagged(reference, self.settings.registry)
        if name is None or not self.settings.admits_repository(name[0]):
            return None
        if reference not in self.images:
            self.images[reference] = ecr.image(self.ecr_client, reference, *name)
        return self.images[reference]


def start_count(found: ecs.Service) -> int:
    """Return with how many tasks a service that has never run is started.

    Raises:
        ConfigError: its tag `pushlive:desired-count` is no number of tasks.
    """
    text = found.tags.get(ecs.DESIRED_COUNT_TAG, "1")
    if not START_COUNT.fullmatch(text):
        raise ConfigError(
            f"The tag {ecs.DESIRED_COUNT_TAG} of service {found.service_name} is {text!r:.80}: "
            "give a whole number of tasks, from 1 to 9999"
        )
    return int(text)
