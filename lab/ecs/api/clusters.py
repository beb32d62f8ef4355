"""The operations on clusters and on tags. Pure.

API reference: CreateCluster, DescribeClusters, DeleteCluster, ListClusters, PutClusterCapacityProviders,
TagResource, UntagResource, ListTagsForResource.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api import definitions, describe
from lab.ecs.api.requests import EcsError, cluster_of, invalid, missing, page, tags_in, tags_out
from lab.ecs.model.state import Cluster

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Json

_MAXIMUM_TAGS = 50


def create(engine: Engine, request: Json) -> Json:
    """The cluster; one that exists is returned as it is."""
    name = request.get("clusterName") or "default"
    cluster = engine.clusters.get(name)
    if cluster is None or cluster.status != "ACTIVE":
        settings = {key: value for key, value in request.items() if key not in {"clusterName", "tags"}}
        cluster = Cluster(name, engine.arn("cluster", name), settings, tags_in(request.get("tags", [])))
        engine.clusters[name] = cluster
    return {"cluster": describe.cluster(cluster, ["TAGS", "SETTINGS", "CONFIGURATIONS"])}


def described(engine: Engine, request: Json) -> Json:
    """The clusters; `failures` lists those that never were."""
    names = request.get("clusters") or ["default"]
    found, failures = [], []
    for name in names:
        cluster = engine.clusters.get(name.rpartition("/")[2])
        if cluster is None:
            failures.append(missing(name if name.startswith("arn:") else engine.arn("cluster", name)))
        else:
            found.append(describe.cluster(cluster, request.get("include", [])))
    return {"clusters": found, "failures": failures}


def delete(engine: Engine, request: Json) -> Json:
    """The cluster, INACTIVE: it must have neither services nor tasks."""
    cluster = cluster_of(engine, request)
    if any(service.status != "INACTIVE" for service in cluster.services.values()):
        message = "The Cluster cannot be deleted while Services are active."
        raise EcsError("ClusterContainsServicesException", message)
    if any(task.last_status != "STOPPED" for task in cluster.tasks.values()):
        message = "The Cluster cannot be deleted while Tasks are active."
        raise EcsError("ClusterContainsTasksException", message)
    cluster.status = "INACTIVE"
    return {"cluster": describe.cluster(cluster, [])}


def put_capacity_providers(engine: Engine, request: Json) -> Json:
    """The cluster, with these capacity providers only; one that tasks still use cannot go."""
    cluster = cluster_of(engine, request)
    used = {task.capacity_provider for task in cluster.tasks.values() if task.last_status != "STOPPED"}
    gone = set(cluster.settings.get("capacityProviders", [])) - set(request["capacityProviders"])
    if gone & used:
        message = "The specified capacity provider is in use and cannot be removed."
        raise EcsError("ResourceInUseException", message)
    for key in ("capacityProviders", "defaultCapacityProviderStrategy"):
        cluster.settings[key] = request[key]
    return {"cluster": describe.cluster(cluster, [])}


def listed(engine: Engine, request: Json) -> Json:
    """The ACTIVE clusters' ARNs."""
    arns = [cluster.arn for cluster in engine.clusters.values() if cluster.status == "ACTIVE"]
    found, token = page(arns, request, default=100)
    return {"clusterArns": found, **token}


def tag(engine: Engine, request: Json) -> Json:
    """Add or replace tags."""
    tags = _tags(engine, request["resourceArn"])
    added = tags_in(request["tags"])
    if any(key.lower().startswith("aws:") for key in added):
        invalid("Tag keys cannot start with aws:.")
    if len(tags | added) > _MAXIMUM_TAGS:
        invalid(f"A resource can have at most {_MAXIMUM_TAGS} tags.")
    tags.update(added)
    return {}


def untag(engine: Engine, request: Json) -> Json:
    """Remove tags."""
    tags = _tags(engine, request["resourceArn"])
    for key in request["tagKeys"]:
        tags.pop(key, None)
    return {}


def tags_of(engine: Engine, request: Json) -> Json:
    """The resource's tags."""
    return {"tags": tags_out(_tags(engine, request["resourceArn"]))}


def _tags(engine: Engine, arn: str) -> dict[str, str]:
    kind, _, name = arn.rpartition(":task-definition/")
    if kind:
        definition = definitions.find(engine, name)
        if definition is not None:
            return definition.tags
        invalid("The specified task definition is inactive or does not exist.")
    parts = arn.partition(":ecs:")[2].split(":", 2)[-1].split("/")
    cluster = engine.clusters.get(parts[1]) if len(parts) > 1 else None
    if cluster is None:
        raise EcsError("ClusterNotFoundException", "Cluster not found.")
    if parts[0] == "cluster":
        return cluster.tags
    if parts[0] == "service":
        service = cluster.services.get(parts[-1])
        if service is None or service.arn != arn or service.status != "ACTIVE":
            invalid("The specified service is inactive. Specify an active service and try again.")
        return service.tags
    task = engine.tasks.get(arn)
    if task is None:
        invalid("Invalid identifier: the resource was not found.")
    return task.tags
