"""Amazon ECS: services, their deployments, their tasks."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pushlive.redeploy_plan import ServiceDeployment
from pushlive.stopped_tasks import StoppedContainer, StoppedTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_ecs import ECSClient

REDEPLOY_TAG = "pushlive:redeploy"
HOST_NAME_TAG = "pushlive:hostname"
DESIRED_COUNT_TAG = "pushlive:desired-count"

DEPLOYMENTS_READ = 20  # DescribeServiceDeployments and DescribeServiceRevisions take as many (API reference)


class TaskDefinition(NamedTuple):
    """What a task definition says about images, the port and readiness."""

    images: Mapping[str, str]
    """Container name to image, as written."""
    port: int | None
    """The first container port that is mapped."""
    has_health_check: bool
    """An essential container has one, so ECS tells whether the task is HEALTHY."""
    port_has_health_check: bool
    """The container with the port has one: it knows better than its port when it is ready."""
    log_group: str | None
    """Where its first container with the driver awslogs writes."""


class Task(NamedTuple):
    """A task as DescribeTasks gives it."""

    task_arn: str
    deployment_id: str
    last_status: str
    desired_status: str
    health_status: str
    eni_id: str | None
    started_at: datetime | None
    """When it became RUNNING."""
    digests: Mapping[str, str]
    """Container name to image digest."""
    task_definition_arn: str
    group: str = ""
    """`service:NAME` for a task of a service."""
    images: Mapping[str, str] = MappingProxyType({})
    """Container name to image, as the task definition has it; also of containers that AWS adds."""


class Service(NamedTuple):
    """A service as DescribeServices gives it."""

    service_name: str
    service_arn: str
    status: str
    desired_count: int
    tags: Mapping[str, str]
    deployment_controller: str
    task_definition_arn: str
    newest_deployment_id: str
    running_count: int
    completed_at: datetime | None
    """When its deployment was completed; None while one is under way or was not completed."""


def service_names(client: ECSClient, cluster_arn: str) -> list[str]:
    """Return the names of all services in the cluster that are not yet deleted."""
    pages = client.get_paginator("list_services").paginate(
        cluster=cluster_arn, PaginationConfig={"PageSize": 100}
    )
    return [arn.rpartition("/")[2] for page in pages for arn in page["serviceArns"]]


def services(client: ECSClient, cluster_arn: str, names: Sequence[str]) -> list[Service]:
    """Return those of the named services that exist, deleted ones for as long as ECS remembers them."""
    found = []
    for ten in _chunks(names, 10):  # DescribeServices takes 10 names (API reference)
        answer = client.describe_services(cluster=cluster_arn, services=ten, include=["TAGS"])
        found += [_service(service) for service in answer["services"]]
    return found


def _service(service: Mapping[str, Any]) -> Service:
    shown = service.get("deployments", [])
    primary = [d["id"] for d in shown if d["status"] == "PRIMARY"]
    states = [d.get("rolloutState") for d in shown]
    return Service(
        service_name=service["serviceName"],
        service_arn=service["serviceArn"],
        status=service["status"],
        desired_count=service["desiredCount"],
        tags={tag["key"]: tag.get("value", "") for tag in service.get("tags", [])},
        # Absent means ECS (API reference, DeploymentController).
        deployment_controller=service.get("deploymentController", {}).get("type", "ECS"),
        task_definition_arn=service.get("taskDefinition", ""),
        newest_deployment_id=primary[0] if primary else "",
        running_count=service.get("runningCount", 0),
        completed_at=shown[0]["updatedAt"] if states == ["COMPLETED"] else None,
    )


# A revision never changes, so a warm function asks for each one once.
@lru_cache(maxsize=4096)
def task_definition(client: ECSClient, arn: str) -> TaskDefinition:
    """Return the task definition of exactly this revision."""
    containers = client.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
    ports = [
        (mapping["containerPort"], container)
        for container in containers
        for mapping in container.get("portMappings", [])
    ]
    checked = [c["name"] for c in containers if "healthCheck" in c and c.get("essential", True)]
    return TaskDefinition(
        images={container["name"]: container["image"] for container in containers},
        port=ports[0][0] if ports else None,
        # Only essential containers' checks count for the task (API reference, HealthCheck).
        has_health_check=bool(checked),
        port_has_health_check=bool(ports) and ports[0][1]["name"] in checked,
        log_group=next(filter(None, (_log_group(container) for container in containers)), None),
    )


def _log_group(container: Mapping[str, Any]) -> str | None:
    configured = container.get("logConfiguration", {})
    return (
        configured.get("options", {}).get("awslogs-group")
        if configured.get("logDriver") == "awslogs"
        else None
    )


def tasks(client: ECSClient, cluster_arn: str, service_name: str) -> list[Task]:
    """Return the service's tasks that are meant to run."""
    return [_task(task) for task in _described_tasks(client, cluster_arn, service_name, "RUNNING")]


def tasks_of_services(client: ECSClient, cluster_arn: str) -> dict[str, list[Task]]:
    """Return the tasks of the whole cluster that are meant to run, by their services' names."""
    found = defaultdict(list)
    for described in _described_tasks(client, cluster_arn, None, "RUNNING"):
        task = _task(described)
        kind, _, name = task.group.partition(":")
        if kind == "service":
            found[name].append(task)
    return dict(found)


def _described_tasks(
    client: ECSClient,
    cluster_arn: str,
    service_name: str | None,
    desired_status: Literal["RUNNING", "STOPPED"],
) -> Iterator[Mapping[str, Any]]:
    of_service: dict[str, Any] = {"serviceName": service_name} if service_name else {}
    pages = client.get_paginator("list_tasks").paginate(
        cluster=cluster_arn, desiredStatus=desired_status, **of_service
    )
    arns = [arn for page in pages for arn in page["taskArns"]]
    for hundred in _chunks(arns, 100):  # DescribeTasks takes 100 (API reference)
        yield from client.describe_tasks(cluster=cluster_arn, tasks=hundred)["tasks"]


def _task(task: Mapping[str, Any]) -> Task:
    # The attachment's *type* is spelled "eni" in events and "ElasticNetworkInterface" here; the
    # name of the detail is the same in both.
    eni_ids = [
        detail["value"]
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail.get("name") == "networkInterfaceId"
    ]
    return Task(
        task_arn=task["taskArn"],
        deployment_id=task.get("startedBy", ""),
        last_status=task.get("lastStatus", ""),
        desired_status=task.get("desiredStatus", ""),
        health_status=task.get("healthStatus", "UNKNOWN"),
        eni_id=eni_ids[0] if eni_ids else None,
        started_at=task.get("startedAt"),
        digests={c["name"]: c["imageDigest"] for c in task.get("containers", []) if c.get("imageDigest")},
        task_definition_arn=task["taskDefinitionArn"],
        group=task.get("group", ""),
        images={c["name"]: c["image"] for c in task.get("containers", []) if c.get("image")},
    )


def deployments(
    client: ECSClient, cluster_arn: str, service_name: str, definition: TaskDefinition, registry: str
) -> tuple[ServiceDeployment, ...]:
    """Return the service's newest deployments, newest first, with the digests that each resolved.

    Only of images in `registry`: what others publish, such as the companion's image, is there before the
    first push, and says nothing about whether the service ever ran.
    """
    listed = client.list_service_deployments(
        cluster=cluster_arn, service=service_name, maxResults=DEPLOYMENTS_READ
    )["serviceDeployments"]
    arns = [deployment["serviceDeploymentArn"] for deployment in listed]
    if not arns:
        return ()
    described = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    targets = sorted({d["targetServiceRevision"]["arn"] for d in described if "targetServiceRevision" in d})
    digests: dict[str, dict[str, str]] = {}
    if targets:
        for revision in client.describe_service_revisions(serviceRevisionArns=targets)["serviceRevisions"]:
            digests[revision["serviceRevisionArn"]] = {
                image["containerName"]: image["imageDigest"]
                for image in revision.get("containerImages", [])
                if image.get("imageDigest") and image.get("image", "").startswith(f"{registry}/")
            }
    found = [_deployment(deployment, digests, definition) for deployment in described]
    return tuple(sorted(found, key=lambda deployment: deployment.created_at, reverse=True))


def stopped_tasks(
    client: ECSClient, cluster_arn: str, service_name: str, since: datetime | None = None
) -> list[StoppedTask]:
    """Return the service's tasks that have stopped or are stopping; with `since` only those created since.

    ECS remembers a stopped task for an hour at least (API reference, ListTasks, desiredStatus).
    """
    found = _described_tasks(client, cluster_arn, service_name, "STOPPED")
    return [
        _stopped_task(task)
        for task in found
        if "createdAt" in task and (since is None or task["createdAt"] >= since)
    ]


def _stopped_task(task: Mapping[str, Any]) -> StoppedTask:
    return StoppedTask(
        created_at=task["createdAt"],
        stop_code=task.get("stopCode", ""),
        reason=task.get("stoppedReason", ""),
        containers=tuple(
            StoppedContainer(container["name"], container.get("exitCode"), container.get("reason", ""))
            for container in task.get("containers", [])
        ),
    )


def update(
    client: ECSClient, cluster_arn: str, service_name: str, *, deploy: bool, desired_count: int | None
) -> None:
    """Start a new deployment of the service, or set its desired count, or both."""
    change: dict[str, Any] = {} if desired_count is None else {"desiredCount": desired_count}
    client.update_service(cluster=cluster_arn, service=service_name, forceNewDeployment=deploy, **change)


def forget_host_name(client: ECSClient, service_arn: str) -> None:
    """Take the tag `pushlive:hostname` off a service."""
    client.untag_resource(resourceArn=service_arn, tagKeys=[HOST_NAME_TAG])


def running_digests(
    found: Iterable[Task], definition: TaskDefinition, deployment_id: str
) -> tuple[dict[str, str], ...]:
    """Return, for each running task of that deployment, image reference to digest."""
    return tuple(
        _by_reference(task.digests, definition)
        for task in found
        if task.deployment_id == deployment_id and task.last_status == "RUNNING"
    )


def _deployment(
    deployment: Mapping[str, Any], digests: Mapping[str, Mapping[str, str]], definition: TaskDefinition
) -> ServiceDeployment:
    resolved = digests.get(deployment.get("targetServiceRevision", {}).get("arn", ""), {})
    # It goes back to the revision of an earlier deployment (API reference, Rollback).
    rolled_back_to = digests.get(deployment.get("rollback", {}).get("serviceRevisionArn", ""), {})
    return ServiceDeployment(
        deployment_arn=deployment["serviceDeploymentArn"],
        status=deployment["status"],
        created_at=deployment["createdAt"],
        digests=_by_reference(resolved, definition),
        finished_at=deployment.get("finishedAt") or deployment.get("stoppedAt"),
        circuit_breaker_triggered=deployment.get("deploymentCircuitBreaker", {}).get("status") == "TRIGGERED",
        resolved=bool(resolved),
        status_reason=deployment.get("statusReason", ""),
        rolled_back_to=_by_reference(rolled_back_to, definition),
    )


def _by_reference(digests: Mapping[str, str], definition: TaskDefinition) -> dict[str, str]:
    """Return digests by container as digests by the image reference that the definition gives it."""
    return {definition.images[name]: digest for name, digest in digests.items() if name in definition.images}


def _chunks(values: Sequence[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
