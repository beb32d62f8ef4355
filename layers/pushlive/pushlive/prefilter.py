"""Which services of a large cluster are to be reconciled.

That costs some calls a service: for a thousand services of a cold function more calls than ECS answers before
the time-out (ECS API reference, "Request throttling": 20 a second of ListTasks and DescribeTasks). What their
tasks run is read at two calls for a hundred tasks, and what the tags name at one for a hundred tags. That is
enough to know of most services that `plan_deployment` would leave them. The others are reconciled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pushlive import ecr, ecs
from pushlive.image_reference import is_in, tagged
from pushlive.model import REDEPLOY_TAG
from pushlive.outcome_plan import TOLD_WITHIN
from pushlive.redeploy_plan import ON_PUSH, is_live

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pushlive.events import Push
    from pushlive.model import Image, Service, Task
    from pushlive.redeploy_state import LiveServices

SMALL = 3
"""So many services are reconciled without a prefilter, which costs as much as it saves there."""


class Prefilter(NamedTuple):
    """The tasks of a cluster, by their services' names."""

    tasks: Mapping[str, Sequence[Task]]
    registry: str

    def references(self, service: Service) -> dict[str, str]:
        """Return container name to image, of those of its task definition that are tags of the registry.

        Empty where no task of this revision tells them. ECS may add containers of its own to a task, and
        where it put the digest that it resolved in a tag's place, the task does not tell the tag.
        """
        for task in self.tasks.get(service.service_name, ()):
            if task.task_definition_arn == service.task_definition_arn:
                ours = {name: image for name, image in task.images.items() if is_in(image, self.registry)}
                return ours if all(tagged(image, self.registry) for image in ours.values()) else {}
        return {}

    def may_use(self, service: Service, repository: str, tag: str) -> bool:
        """Return whether the service's task definition names this tag, or may name it."""
        references = self.references(service).values()
        return not references or any(
            tagged(reference, self.registry) == (repository, tag) for reference in references
        )

    def is_unaffected(self, service: Service, images: Mapping[str, Image], now: datetime) -> bool:
        """Return whether there is surely nothing to deploy, and nothing to tell, of a service.

        `images` has what the tags name now, by reference.
        """
        references = self.references(service)
        if service.completed_at is None or now < service.completed_at + TOLD_WITHIN:
            return False
        if not service.desired_count or not images.keys() >= set(references.values()):
            return False
        running = ecs.running_digests(self.tasks.get(service.service_name, ()), service.newest_deployment_id)
        return is_live({name: images[reference] for name, reference in references.items()}, running)


def to_reconcile(
    live: LiveServices, services: Sequence[Service], push: Push | None, now: datetime
) -> list[Service]:
    """Return the services without those of which a prefilter knows that they are to be left."""
    asking = [service for service in services if service.tags.get(REDEPLOY_TAG) == ON_PUSH]
    if len(asking) <= SMALL:
        return list(services)
    registry = live.settings.registry
    prefilter = Prefilter(ecs.tasks_of_services(live.ecs_client, live.settings.cluster_arn), registry)
    if push:
        left = [each for each in asking if not prefilter.may_use(each, push.repository, push.tag)]
    else:
        named = {reference for each in asking for reference in prefilter.references(each).values()}
        images = ecr.images(live.ecr_client, named, registry)
        left = [each for each in asking if prefilter.is_unaffected(each, images, now)]
    names = {each.service_name for each in left}
    return [each for each in services if each.service_name not in names]
