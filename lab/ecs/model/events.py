"""The events that ECS sends to EventBridge, and the messages of a service. Pure.

ECS guide: "ecs_task_events", "ecs_service_deployment_events", "ecs_service_events".
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from lab.ecs.model.world import EventMessage

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Container, Deployment, Json, Service, Task

_EVENT_TYPES = {
    "SERVICE_DEPLOYMENT_FAILED": "ERROR",
    "SERVICE_TASK_START_IMPAIRED": "WARN",
}


@lru_cache(maxsize=1024)
def _iso(at: float, timespec: str = "milliseconds") -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def _send(engine: Engine, detail_type: str, resource: str, detail: Json) -> None:
    # The envelope's time has whole seconds.
    event = {
        "version": "0",
        "id": engine.uuid(),
        "detail-type": detail_type,
        "source": "aws.ecs",
        "account": engine.account,
        "time": _iso(engine.now, "seconds"),
        "region": engine.region,
        "resources": [resource],
        "detail": detail,
    }
    engine.outbox.append(EventMessage(event, engine.now))


def task_changed(engine: Engine, task: Task) -> None:
    """ECS Task State Change: `lastStatus` or `desiredStatus` changed.

    A change of health alone sends nothing (containers-roadmap 1019).
    """
    task.version += 1
    task.updated_at = engine.now
    interface = task.interface
    detail: Json = {
        "attachments": [
            {
                "id": interface.attachment_id,
                "type": "eni",  # DescribeTasks spells it ElasticNetworkInterface
                "status": task.attachment_status,
                "details": [
                    {"name": "subnetId", "value": interface.subnet_id},
                    {"name": "networkInterfaceId", "value": interface.eni_id},
                    {"name": "macAddress", "value": interface.mac},
                    {"name": "privateIPv4Address", "value": interface.private_ip},
                ],
            }
        ],
        "attributes": [{"name": "ecs.cpu-architecture", "value": task.definition.architecture}],
        "availabilityZone": interface.availability_zone,
        "clusterArn": task.cluster.arn,
        "containers": [_container(task, container) for container in task.containers.values()],
        "cpu": task.definition.described.get("cpu", "256"),
        "createdAt": _iso(task.created_at),
        "desiredStatus": task.desired_status,
        "enableExecuteCommand": False,
        "ephemeralStorage": {"sizeInGiB": 20},
        "group": task.group,
        "launchType": task.launch_type,
        "lastStatus": task.last_status,
        "memory": task.definition.described.get("memory", "512"),
        "overrides": {"containerOverrides": [{"name": name} for name in task.containers]},
        "platformVersion": task.platform_version,
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition.arn,
        "updatedAt": _iso(engine.now),
        "version": task.version,
    }
    moments = {
        "connectivityAt": task.connected_at,
        "pullStartedAt": task.pull_started_at,
        "pullStoppedAt": task.pull_stopped_at,
        "startedAt": task.running_at,
        "stoppingAt": task.stopping_at,
        "executionStoppedAt": task.execution_stopped_at,
        "stoppedAt": task.stopped_at,
    }
    detail.update({key: _iso(at) for key, at in moments.items() if at is not None})
    if task.connected_at is not None:
        detail["connectivity"] = "CONNECTED"
    words = {
        "capacityProviderName": task.capacity_provider,
        "startedBy": task.started_by,
        "stopCode": task.stop_code,
        "stoppedReason": task.stopped_reason,
    }
    detail.update({key: word for key, word in words.items() if word is not None})
    _send(engine, "ECS Task State Change", task.arn, detail)


def _container(task: Task, container: Container) -> Json:
    described: Json = {
        "containerArn": container.arn,
        "lastStatus": container.last_status,
        "name": container.definition.name,
        "image": container.definition.image,
        "taskArn": task.arn,
        "networkInterfaces": [
            {
                "attachmentId": task.interface.attachment_id,
                "privateIpv4Address": task.interface.private_ip,
            }
        ],
        "cpu": "0",
    }
    words = {
        "imageDigest": container.digest,
        "runtimeId": container.runtime_id,
        "exitCode": container.exit_code,
        "reason": container.reason,
    }
    described.update({key: word for key, word in words.items() if word is not None})
    return described


def deployment_changed(engine: Engine, service: Service, deployment: Deployment, reason: str) -> None:
    """ECS Deployment State Change: IN_PROGRESS (a rollback too, only `reason` tells), COMPLETED or FAILED."""
    name = f"SERVICE_DEPLOYMENT_{deployment.rollout_state}"
    detail = {
        "eventType": _EVENT_TYPES.get(name, "INFO"),
        "eventName": name,
        "deploymentId": deployment.id,
        "updatedAt": _iso(engine.now),
        "reason": reason,
    }
    _send(engine, "ECS Deployment State Change", service.arn, detail)


def service_action(engine: Engine, service: Service, name: str) -> None:
    """ECS Service Action, such as SERVICE_STEADY_STATE or SERVICE_TASK_START_IMPAIRED."""
    detail = {
        "eventType": _EVENT_TYPES.get(name, "INFO"),
        "eventName": name,
        "clusterArn": service.cluster.arn,
        "createdAt": _iso(engine.now),
    }
    _send(engine, "ECS Service Action", service.arn, detail)


def say(engine: Engine, service: Service, text: str) -> None:
    """A line in the service's events, as DescribeServices shows them (newest first, at most 100)."""
    message = {"id": engine.uuid(), "createdAt": engine.now, "message": f"(service {service.name}) {text}"}
    service.events.appendleft(message)
