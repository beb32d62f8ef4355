"""The ECS API over the model: one call, one operation of the API reference. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api import clusters, definitions, service_deployments, services, task_operations
from lab.ecs.api.requests import EcsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.ecs.model.ecs_model import EcsModel
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Json

__all__ = ["OPERATIONS", "EcsApi", "EcsError"]

OPERATIONS: dict[str, Callable[[Engine, Json], Json]] = {
    "CreateCluster": clusters.create,
    "DescribeClusters": clusters.described,
    "DeleteCluster": clusters.delete,
    "ListClusters": clusters.listed,
    "PutClusterCapacityProviders": clusters.put_capacity_providers,
    "RegisterTaskDefinition": definitions.register,
    "DescribeTaskDefinition": definitions.describe,
    "DeregisterTaskDefinition": definitions.deregister,
    "ListTaskDefinitions": definitions.listed,
    "CreateService": services.create,
    "UpdateService": services.update,
    "DeleteService": services.delete,
    "DescribeServices": services.described,
    "ListServices": services.listed,
    "ListServiceDeployments": service_deployments.listed,
    "DescribeServiceDeployments": service_deployments.described,
    "DescribeServiceRevisions": service_deployments.described_revisions,
    "StopServiceDeployment": service_deployments.stop,
    "RunTask": task_operations.run,
    "StopTask": task_operations.stop_one,
    "ListTasks": task_operations.listed,
    "DescribeTasks": task_operations.described,
    "TagResource": clusters.tag,
    "UntagResource": clusters.untag,
    "ListTagsForResource": clusters.tags_of,
}


class EcsApi:
    """Requests and responses as botocore's model of ECS has them; timestamps are epoch seconds."""

    def __init__(self, model: EcsModel) -> None:
        self._model = model

    def call(self, operation: str, request: Json, now: float) -> Json:
        """The answer to `operation` at `now`.

        Raises:
            EcsError: what AWS would answer; `code` is the exception's name.
        """
        rule = OPERATIONS.get(operation)
        if rule is None:
            raise EcsError("UnsupportedFeatureException", f"{operation} is not modelled.")
        self._model.advance(now)
        return rule(self._model.engine, request)
