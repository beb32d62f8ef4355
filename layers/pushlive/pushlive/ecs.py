"""Amazon ECS: services and their tasks."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pushlive.answers import IncompleteAnswerError, needed
from pushlive.image_reference import without_digest
from pushlive.model import (
    HOST_NAME_TAG,
    READINESS_SIDECAR,
    Service,
    Task,
    TaskDefinition,
)
from pushlive.stopped_tasks import StoppedContainer, StoppedTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_ecs import ECSClient


def service_names(client: ECSClient, cluster_arn: str) -> list[str]:
    """Return the names of all services in the cluster that are not yet deleted."""
    pages = client.get_paginator("list_services").paginate(
        cluster=cluster_arn, PaginationConfig={"PageSize": 100}
    )
    return [arn.rpartition("/")[2] for page in pages for arn in page.get("serviceArns", [])]


def services(client: ECSClient, cluster_arn: str, names: Sequence[str]) -> list[Service]:
    """Return those of the named services that exist, deleted ones for as long as ECS remembers them."""
    found = []
    for ten in chunks(names, 10):  # DescribeServices takes 10 names (API reference)
        answer = client.describe_services(cluster=cluster_arn, services=ten, include=["TAGS"])
        found += [_service(service, cluster_arn) for service in answer.get("services", [])]
    return found


def service_arn(cluster_arn: str, service_name: str) -> str:
    """Return the ARN of a service of the cluster, also of one that is gone."""
    return f"{cluster_arn.replace(':cluster/', ':service/')}/{service_name}"


def _service(service: Mapping[str, Any], cluster_arn: str) -> Service:
    shown = service.get("deployments", [])
    primary: Mapping[str, Any] = next((d for d in shown if d.get("status") == "PRIMARY"), {})
    states = [d.get("rolloutState") for d in shown]
    name = service.get("serviceName") or service.get("serviceArn", "").rpartition("/")[2]
    return Service(
        service_name=name,
        service_arn=service.get("serviceArn") or service_arn(cluster_arn, name),
        status=service.get("status", ""),
        desired_count=service.get("desiredCount", 0),
        tags={tag["key"]: tag.get("value", "") for tag in service.get("tags", []) if "key" in tag},
        # Absent means ECS (API reference, DeploymentController).
        deployment_controller=service.get("deploymentController", {}).get("type", "ECS"),
        task_definition_arn=service.get("taskDefinition", ""),
        newest_deployment_id=primary.get("id", ""),
        running_count=service.get("runningCount", 0),
        completed_at=shown[0].get("updatedAt") if states == ["COMPLETED"] else None,
        created_at=service.get("createdAt"),
        deployed_at=primary.get("createdAt"),
        # Absent means ROLLING (API reference, DeploymentConfiguration, strategy).
        strategy=service.get("deploymentConfiguration", {}).get("strategy", "ROLLING"),
        is_daemon=service.get("schedulingStrategy") == "DAEMON",
        lacks=next((key for key in ("status", "desiredCount") if key not in service), ""),
    )


# A revision never changes, so a warm function asks for each one once.
@lru_cache(maxsize=4096)
def task_definition(client: ECSClient, arn: str) -> TaskDefinition:
    """Return the task definition of exactly this revision.

    Raises:
        IncompleteAnswerError: ECS does not tell which revision, or not what is in it.
    """
    if not arn:
        raise IncompleteAnswerError("ECS names no task definition of it: nothing is decided without one")
    operation = "DescribeTaskDefinition"
    answer = needed(client.describe_task_definition(taskDefinition=arn), "taskDefinition", operation)
    containers = [each for each in needed(answer, "containerDefinitions", operation) if "name" in each]
    # Absent means TCP (API reference, PortMapping, protocol). A range of ports names none that must answer.
    ports = [
        (mapping["containerPort"], container["name"])
        for container in containers
        for mapping in container.get("portMappings", [])
        if mapping.get("protocol", "tcp") == "tcp" and "containerPort" in mapping
    ]
    checked = [c["name"] for c in containers if "healthCheck" in c and c.get("essential", True)]
    return TaskDefinition(
        images={c["name"]: c["image"] for c in containers if "image" in c},
        port=ports[0][0] if ports else None,
        # Only essential containers' checks count for the task (API reference, HealthCheck).
        has_health_check=bool(checked),
        port_has_health_check=bool(ports) and ports[0][1] in checked,
        log_group=next(filter(None, (_log_group(container) for container in containers)), None),
        unresolved=frozenset(c["name"] for c in containers if c.get("versionConsistency") == "disabled"),
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


def unfinished_tasks(client: ECSClient, cluster_arn: str) -> list[Task]:
    """Return all tasks of the cluster that are not STOPPED; none of a cluster that is gone."""
    try:
        # In this order: what begins to stop between the two is in both.
        found = [
            *_described_tasks(client, cluster_arn, None, "RUNNING"),
            *_described_tasks(client, cluster_arn, None, "STOPPED"),
        ]
    except client.exceptions.ClusterNotFoundException:
        return []
    return [task for task in map(_task, found) if task.last_status != "STOPPED"]


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
    arns = [arn for page in pages for arn in page.get("taskArns", [])]
    for hundred in chunks(arns, 100):  # DescribeTasks takes 100 (API reference)
        yield from client.describe_tasks(cluster=cluster_arn, tasks=hundred).get("tasks", [])


def _task(task: Mapping[str, Any]) -> Task:
    # The attachment's *type* is spelled "eni" in events and "ElasticNetworkInterface" here; the
    # name of the detail is the same in both.
    eni_ids = [
        detail.get("value")
        for attachment in task.get("attachments", [])
        for detail in attachment.get("details", [])
        if detail.get("name") == "networkInterfaceId"
    ]
    containers = [each for each in task.get("containers", []) if "name" in each]
    return Task(
        task_arn=task.get("taskArn", ""),
        deployment_id=task.get("startedBy", ""),
        last_status=task.get("lastStatus", ""),
        desired_status=task.get("desiredStatus", ""),
        health_status=task.get("healthStatus", "UNKNOWN"),
        readiness=next(
            (c.get("healthStatus", "UNKNOWN") for c in containers if c["name"] == READINESS_SIDECAR), ""
        ),
        eni_id=eni_ids[0] if eni_ids else None,
        started_at=task.get("startedAt"),
        digests={c["name"]: c["imageDigest"] for c in containers if c.get("imageDigest")},
        task_definition_arn=task.get("taskDefinitionArn", ""),
        group=task.get("group", ""),
        images={c["name"]: without_digest(c["image"]) for c in containers if c.get("image")},
    )


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


def running_digests(found: Iterable[Task], deployment_id: str) -> tuple[Mapping[str, str], ...]:
    """Return, for each running task of that deployment, container name to digest."""
    return tuple(
        task.digests
        for task in found
        if task.deployment_id == deployment_id and task.last_status == "RUNNING"
    )


def chunks(values: Sequence[str], size: int) -> Iterator[list[str]]:
    """Yield the values in lists of `size`, the last one shorter."""
    for start in range(0, len(values), size):
        yield list(values[start : start + size])
