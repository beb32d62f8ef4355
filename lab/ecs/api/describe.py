"""Clusters and services as the ECS API describes them. Pure.

API reference: the data types Cluster, Service, Deployment, ServiceDeployment, ServiceRevision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api.requests import tags_out
from lab.ecs.model.circuit_breaker import threshold
from lab.ecs.model.deployments import breaker, counts

if TYPE_CHECKING:
    from lab.ecs.model.state import (
        Cluster,
        Deployment,
        Json,
        Service,
        ServiceDeployment,
        ServiceRevision,
        Task,
    )

_PENDING = {"PROVISIONING", "PENDING", "ACTIVATING"}
_REVISION_KEYS = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "networkConfiguration",
)
_SERVICE_KEYS = (
    "deploymentConfiguration", "loadBalancers", "serviceRegistries", "placementConstraints",
    "placementStrategy", "healthCheckGracePeriodSeconds", "schedulingStrategy", "enableECSManagedTags",
    "propagateTags", "enableExecuteCommand", "availabilityZoneRebalancing",
)  # fmt: skip


def given(**values: object) -> Json:
    """What is not None."""
    return {key: value for key, value in values.items() if value is not None}


def _tally(tasks: list[Task]) -> tuple[int, int]:
    """Running and pending tasks: by lastStatus."""
    running = sum(task.last_status == "RUNNING" for task in tasks)
    return running, sum(task.last_status in _PENDING for task in tasks)


def cluster(found: Cluster, include: list[str]) -> Json:
    """Cluster."""
    running, pending = _tally(list(found.tasks.values()))
    described: Json = {
        "clusterArn": found.arn,
        "clusterName": found.name,
        "status": found.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "activeServicesCount": sum(each.status == "ACTIVE" for each in found.services.values()),
        "statistics": [],
        "tags": tags_out(found.tags) if "TAGS" in include else [],
        "settings": found.settings.get("settings", []) if "SETTINGS" in include else [],
        "capacityProviders": found.settings.get("capacityProviders", []),
        "defaultCapacityProviderStrategy": found.settings.get("defaultCapacityProviderStrategy", []),
    }
    if "CONFIGURATIONS" in include and "configuration" in found.settings:
        described["configuration"] = found.settings["configuration"]
    return described


def service(found: Service, include: list[str]) -> Json:
    """Service; `deployments` shows a rollback as one more deployment."""
    primary = found.deployments[0] if found.deployments else None
    running, pending = _tally([task for each in found.deployments for task in (*each.tasks, *each.stopping)])
    described: Json = {
        "serviceArn": found.arn,
        "serviceName": found.name,
        "clusterArn": found.cluster.arn,
        "status": found.status,
        "desiredCount": found.desired_count,
        "runningCount": running,
        "pendingCount": pending,
        "deployments": [deployment(each, found) for each in found.deployments],
        "events": list(found.events),
        "createdAt": found.created_at,
        "createdBy": found.settings["createdBy"],
        "deploymentController": {"type": found.controller},
        **{key: found.settings[key] for key in (*_SERVICE_KEYS, *_REVISION_KEYS) if key in found.settings},
    }
    if "taskDefinition" in found.settings:
        described["taskDefinition"] = found.settings["taskDefinition"]
    if primary is not None:  # after a rollback these are the older revision's
        described["taskDefinition"] = primary.revision.task_definition.arn
        described.update(_configured(primary.revision))
    if found.service_deployments:
        current = found.service_deployments[-1]
        described["currentServiceDeployment"] = current.arn
        shown = {each.revision.arn for each in found.deployments}
        described["currentServiceRevisions"] = [
            {"arn": arn, **row} for arn, row in counts(current).items() if arn in shown
        ]
    if "TAGS" in include:
        described["tags"] = tags_out(found.tags)
    return described


def _configured(revision: ServiceRevision) -> Json:
    return {key: revision.settings[key] for key in _REVISION_KEYS if key in revision.settings}


def deployment(found: Deployment, owner: Service) -> Json:
    """Deployment."""
    running, pending = _tally([*found.tasks, *found.stopping])
    primary = found is owner.deployments[0]
    return {
        "id": found.id,
        "status": "PRIMARY" if primary else "ACTIVE",
        "taskDefinition": found.revision.task_definition.arn,
        "desiredCount": owner.desired_count if primary else len(found.tasks),
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": found.failed_tasks,
        "createdAt": found.created_at,
        "updatedAt": found.updated_at,
        "rolloutState": found.rollout_state,
        "rolloutStateReason": found.rollout_reason,
        **_configured(found.revision),
    }


def service_deployment(found: ServiceDeployment) -> Json:
    """ServiceDeployment; a rollback is a state of it."""
    rows = counts(found)
    sources = dict.fromkeys(revision.arn for revision in found.sources)
    return {
        "serviceDeploymentArn": found.arn,
        "serviceArn": found.service.arn,
        "clusterArn": found.service.cluster.arn,
        "createdAt": found.created_at,
        "updatedAt": found.updated_at,
        "sourceServiceRevisions": [{"arn": arn, **rows[arn]} for arn in sources],
        "targetServiceRevision": {"arn": found.target.arn, **rows[found.target.arn]},
        "status": found.status,
        "deploymentConfiguration": found.configuration,
        "deploymentCircuitBreaker": {
            "status": found.breaker_status,
            "failureCount": found.failure_count,
            "threshold": threshold(found.service) if breaker(found.service)["enable"] else 0,
        },
        **given(
            startedAt=found.started_at,
            finishedAt=found.finished_at,
            stoppedAt=found.stopped_at,
            statusReason=found.status_reason,
            rollback=found.rollback,
        ),
    }


def service_deployment_brief(found: ServiceDeployment) -> Json:
    """ServiceDeploymentBrief."""
    return {
        "serviceDeploymentArn": found.arn,
        "serviceArn": found.service.arn,
        "clusterArn": found.service.cluster.arn,
        "createdAt": found.created_at,
        "targetServiceRevisionArn": found.target.arn,
        "status": found.status,
        **given(startedAt=found.started_at, finishedAt=found.finished_at, statusReason=found.status_reason),
    }


def service_revision(found: ServiceRevision) -> Json:
    """ServiceRevision; a digest is known once a first task has started."""
    images = [
        {"containerName": name, "image": each.image, **given(imageDigest=found.digests.get(name))}
        for name, each in found.task_definition.containers.items()
    ]
    return {
        "serviceRevisionArn": found.arn,
        "serviceArn": found.service.arn,
        "clusterArn": found.service.cluster.arn,
        "taskDefinition": found.task_definition.arn,
        "containerImages": images,
        "guardDutyEnabled": False,
        "createdAt": found.created_at,
        "loadBalancers": [],
        "serviceRegistries": [],
        **_configured(found),
    }
