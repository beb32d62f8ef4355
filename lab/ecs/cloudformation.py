"""How CloudFormation makes what MiniStack cannot: ECS, through our API, waiting as it does; saved queries.

Source: CloudFormation template reference, AWS::ECS::Cluster, ClusterCapacityProviderAssociations,
TaskDefinition, Service, AWS::Logs::QueryDefinition.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.model import ListShape, MapShape, StructureShape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from botocore.model import Shape

    from lab.ecs.model.world import Interface

    Call = Callable[[str, dict[str, Any]], dict[str, Any]]
    Properties = dict[str, Any]
    Made = tuple[str, dict[str, str]]  # what Ref gives, what GetAtt gives

POLL_SECONDS = 0.2


class EcsResources:
    """The create, update and delete of each type; `seconds_to_stable` is CloudFormation's patience."""

    def __init__(self, call: Call, seconds_to_stable: float) -> None:
        self._call = call
        self._seconds_to_stable = seconds_to_stable
        self._service_model = botocore.session.Session().get_service_model("ecs")

    def handlers(self) -> dict[str, dict[str, Callable[..., Any]]]:
        """Return what `ministack.provision` takes."""
        return {
            "AWS::ECS::Cluster": {
                "create": self.create_cluster,
                "update": lambda physical_id, _old, _new, _stack: (
                    physical_id,
                    self._cluster_attributes(physical_id),
                ),
                "delete": self.delete_cluster,
            },
            "AWS::ECS::ClusterCapacityProviderAssociations": {
                "create": lambda _id, properties, _stack: self.put_capacity_providers(properties),
                "update": lambda _id, _old, new, _stack: self.put_capacity_providers(new),
                "delete": self.remove_capacity_providers,
            },
            "AWS::ECS::TaskDefinition": {
                "create": self.register_task_definition,
                # Another revision is another resource; CloudFormation deletes the old one afterwards.
                "update": lambda _id, _old, new, stack: self.register_task_definition(
                    "TaskDefinition", new, stack
                ),
                "delete": lambda physical_id, _properties: self._call(
                    "DeregisterTaskDefinition", {"taskDefinition": physical_id}
                ),
            },
            "AWS::ECS::Service": {
                "create": self.create_service,
                "update": self.update_service,
                "delete": self.delete_service,
            },
        }

    def create_cluster(self, logical_id: str, properties: Properties, stack_name: str) -> Made:
        """Create a cluster; Ref is its name."""
        request = {"clusterName": _name(stack_name, logical_id), **self._request("CreateCluster", properties)}
        self._call("CreateCluster", request)
        return request["clusterName"], self._cluster_attributes(request["clusterName"])

    def delete_cluster(self, physical_id: str, _properties: Properties) -> None:
        """Delete a cluster: once. That CloudFormation tries again while tasks stop is not documented."""
        self._call("DeleteCluster", {"cluster": physical_id})

    def put_capacity_providers(self, properties: Properties) -> Made:
        """Associate capacity providers with a cluster; Ref is the cluster's name."""
        request = self._request("PutClusterCapacityProviders", properties)
        self._call("PutClusterCapacityProviders", request)
        return request["cluster"], {}

    def remove_capacity_providers(self, physical_id: str, _properties: Properties) -> None:
        """Leave the cluster without any: once, as above."""
        none = {"cluster": physical_id, "capacityProviders": [], "defaultCapacityProviderStrategy": []}
        self._call("PutClusterCapacityProviders", none)

    def _cluster_attributes(self, name: str) -> dict[str, str]:
        return {"Arn": self._call("DescribeClusters", {"clusters": [name]})["clusters"][0]["clusterArn"]}

    def register_task_definition(self, logical_id: str, properties: Properties, stack_name: str) -> Made:
        """Register a revision; Ref is its ARN."""
        request = {
            "family": f"{stack_name}-{logical_id}",
            **self._request("RegisterTaskDefinition", properties),
        }
        arn = self._call("RegisterTaskDefinition", request)["taskDefinition"]["taskDefinitionArn"]
        return arn, {"TaskDefinitionArn": arn}

    def create_service(self, logical_id: str, properties: Properties, stack_name: str) -> Made:
        """Create a service, of one task where DesiredCount is left out, and wait for it; Ref is its ARN."""
        request = {
            "serviceName": _name(stack_name, logical_id),
            "desiredCount": 1,
            **self._request("CreateService", properties),
        }
        service = self._call("CreateService", request)["service"]
        self._wait_until_stable(service["clusterArn"], service["serviceName"])
        return service["serviceArn"], {"ServiceArn": service["serviceArn"], "Name": service["serviceName"]}

    def update_service(self, physical_id: str, old: Properties, new: Properties, _stack_name: str) -> Made:
        """Apply all that the template says, a DesiredCount too where it gives one (coverage roadmap 187).

        Another strategy is a new deployment (AWS::ECS::Service, "Recommended Actions").
        """
        cluster, name = physical_id.split("/")[-2:]
        request = self._request(
            "UpdateService", {k: v for k, v in new.items() if k not in ("Tags", "ServiceName")}
        )
        if old.get("CapacityProviderStrategy") != new.get("CapacityProviderStrategy"):
            request["forceNewDeployment"] = True
        self._call("UpdateService", {**request, "cluster": cluster, "service": name})
        old_tags, new_tags = (_own_tags(properties) for properties in (old, new))
        if gone := sorted(old_tags.keys() - new_tags.keys()):
            self._call("UntagResource", {"resourceArn": physical_id, "tagKeys": gone})
        if new_tags:
            tags = [{"key": key, "value": value} for key, value in new_tags.items()]
            self._call("TagResource", {"resourceArn": physical_id, "tags": tags})
        self._wait_until_stable(cluster, name)
        return physical_id, {"ServiceArn": physical_id, "Name": name}

    def delete_service(self, physical_id: str, _properties: Properties) -> None:
        """Delete a service and wait until its tasks are gone."""
        cluster, name = physical_id.split("/")[-2:]
        self._call("DeleteService", {"cluster": cluster, "service": name, "force": True})
        self._wait_for(cluster, name, lambda service: service["status"] == "INACTIVE")

    def _wait_until_stable(self, cluster: str, name: str) -> None:
        def stable(service: dict[str, Any]) -> bool:
            states = [deployment["rolloutState"] for deployment in service["deployments"]]
            if "FAILED" in states:
                raise RuntimeError(
                    "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
                )
            return states == ["COMPLETED"] and service["runningCount"] == service["desiredCount"]

        self._wait_for(cluster, name, stable)

    def _wait_for(self, cluster: str, name: str, reached: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + self._seconds_to_stable
        while True:
            [service] = self._call("DescribeServices", {"cluster": cluster, "services": [name]})["services"]
            if reached(service):
                return
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"Resource of type AWS::ECS::Service did not stabilize: {service['events'][:3]}"
                )
            time.sleep(POLL_SECONDS)

    def _request(self, operation: str, properties: Properties) -> dict[str, Any]:
        """Return CloudFormation's properties as a request of the API: camelCase, numbers as numbers."""
        shape = self._service_model.operation_model(operation).input_shape
        request = _converted(properties, shape)
        assert isinstance(request, dict)  # noqa: S101 - an input is a structure
        return request


def kept_by_tasks(
    interfaces: Callable[[], Mapping[str, Interface]], network_of: Callable[[str], str]
) -> dict[str, Callable[[str], None]]:
    """Return, by type, what refuses to delete a resource while a task's network interface needs it.

    `network_of` tells the VPC of a subnet.

    EC2 API reference, DetachInternetGateway ("must not contain any running instances with … public IPv4
    addresses"), DeleteSubnet; of a task Fargate's interface counts.
    """

    def gateway(physical_id: str) -> None:
        network = physical_id.partition("|")[2]  # an attachment is called `IGW|vpc-…`
        if any(each.public_ip and network_of(each.subnet_id) == network for each in interfaces().values()):
            raise RuntimeError("DependencyViolation: the network has some mapped public address(es)")

    def subnet(physical_id: str) -> None:
        if any(each.subnet_id == physical_id for each in interfaces().values()):
            raise RuntimeError(f"DependencyViolation: the subnet '{physical_id}' has dependencies")

    return {"AWS::EC2::VPCGatewayAttachment": gateway, "AWS::EC2::Subnet": subnet}


def saved_queries(queries: list[Properties]) -> dict[str, Callable[..., Any]]:
    """Return how AWS::Logs::QueryDefinition is made: it is put into `queries`. MiniStack saves none."""

    def create(logical_id: str, properties: Properties, _stack_name: str) -> Made:
        queries.append(properties)
        return logical_id, {}

    def update(physical_id: str, old: Properties, new: Properties, _stack_name: str) -> Made:
        queries[queries.index(old)] = new
        return physical_id, {}

    return {"create": create, "update": update, "delete": lambda _id, properties: queries.remove(properties)}


def _own_tags(properties: Properties) -> dict[str, str]:
    """Return the template's tags, without CloudFormation's own, which nobody else may set."""
    tags = {tag["Key"]: str(tag["Value"]) for tag in properties.get("Tags", [])}
    return {key: value for key, value in tags.items() if not key.startswith("aws:")}


def _converted(value: Any, shape: Shape | None) -> Any:  # noqa: ANN401 - JSON of any kind
    if isinstance(shape, StructureShape):
        members = {name.lower(): name for name in shape.members}
        return {
            members[key.lower()]: _converted(child, shape.members[members[key.lower()]])
            for key, child in value.items()
            if key.lower() in members
        }
    if isinstance(shape, ListShape):
        return [_converted(child, shape.member) for child in value]
    if isinstance(shape, MapShape):
        return {key: str(child) for key, child in value.items()}
    if shape is not None and shape.type_name in ("integer", "long"):
        return int(value)
    if shape is not None and shape.type_name == "boolean":
        return str(value).lower() == "true"
    return str(value)


def _name(stack_name: str, logical_id: str) -> str:
    return f"{stack_name}-{logical_id}-{secrets.token_urlsafe(9).replace('_', 'a').replace('-', 'b')}"
