"""Tasks as the ECS API describes them. Pure. API reference: the data type Task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api.describe import given
from lab.ecs.api.requests import tags_out

if TYPE_CHECKING:
    from lab.ecs.model.state import Container, Json, Task


def describe_task(found: Task, include: list[str]) -> Json:
    """Task."""
    interface = found.interface
    described: Json = {
        "attachments": [
            {
                "id": interface.attachment_id,
                "type": "ElasticNetworkInterface",
                "status": found.attachment_status,
                "details": [
                    {"name": "subnetId", "value": interface.subnet_id},
                    {"name": "networkInterfaceId", "value": interface.eni_id},
                    {"name": "macAddress", "value": interface.mac},
                    {"name": "privateIPv4Address", "value": interface.private_ip},
                ],
            }
        ],
        "attributes": [{"name": "ecs.cpu-architecture", "value": found.definition.architecture}],
        "availabilityZone": interface.availability_zone,
        "clusterArn": found.cluster.arn,
        "containers": [_container(found, each) for each in found.containers.values()],
        "createdAt": found.created_at,
        "desiredStatus": found.desired_status,
        "enableExecuteCommand": False,
        "group": found.group,
        "healthStatus": found.health,
        "lastStatus": found.last_status,
        "launchType": found.launch_type,
        "platformVersion": found.platform_version,
        "platformFamily": "Linux",
        "overrides": found.overrides or {"containerOverrides": [], "inferenceAcceleratorOverrides": []},
        "taskArn": found.arn,
        "taskDefinitionArn": found.definition.arn,
        "version": found.version,
        "tags": tags_out(found.tags) if "TAGS" in include else [],
        **given(
            cpu=found.definition.described.get("cpu"),
            memory=found.definition.described.get("memory"),
            capacityProviderName=found.capacity_provider,
            connectivity="CONNECTED" if found.connected_at is not None else None,
            connectivityAt=found.connected_at,
            pullStartedAt=found.pull_started_at,
            pullStoppedAt=found.pull_stopped_at,
            startedAt=found.running_at,
            startedBy=found.started_by,
            stoppingAt=found.stopping_at,
            executionStoppedAt=found.execution_stopped_at,
            stoppedAt=found.stopped_at,
            stopCode=found.stop_code,
            stoppedReason=found.stopped_reason,
        ),
    }
    return described


def _container(owner: Task, found: Container) -> Json:
    return {
        "containerArn": found.arn,
        "taskArn": owner.arn,
        "name": found.definition.name,
        "image": found.definition.image,
        "lastStatus": found.last_status,
        "networkBindings": [],
        "networkInterfaces": [
            {"attachmentId": owner.interface.attachment_id, "privateIpv4Address": owner.interface.private_ip}
        ],
        "healthStatus": found.health,
        "cpu": "0",
        **given(
            imageDigest=found.digest,
            runtimeId=found.runtime_id,
            exitCode=found.exit_code,
            reason=found.reason,
        ),
    }
