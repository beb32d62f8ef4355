"""A stack that the real SAM CLI deployed to the lab, and what its users do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.ecr.oci import hello_app_image
from lab.ecr.registry import push_image
from lab.user import sam
from lab.user.browse import page
from lab.user.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.lab import Lab

HOST_NAME = "app.example.com"


def quiet(_line: str) -> None:
    """Sam's output is shown when it fails."""


class DeployedStack:
    """The stack, the zone that its name lies in, and what people ask of both."""

    def __init__(self, lab: Lab, build_folder: Path) -> None:
        self.lab = lab
        self.build_folder = build_folder
        zone = lab.client("route53").create_hosted_zone(Name="example.com", CallerReference="test")
        self.zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
        self.ecs = lab.client("ecs")
        self.port = lab.free_port(8080)
        self.parameters = {
            "HostedZoneId": self.zone_id,
            "HostName": HOST_NAME,
            "ContainerPort": str(self.port),
            "DrainSeconds": "1",
            "MinReadySeconds": "1",
            "TtlSeconds": "1",
        }
        self.outputs: dict[str, str] = {}

    def deploy(
        self, template: Path | None = None, progress: Callable[[str], None] = quiet, **parameters: str
    ) -> None:
        """Create or update the stack; parameters that were given before stay."""
        self.parameters |= parameters
        self.outputs = sam.deploy(self.lab, self.build_folder, self.parameters, progress, template=template)

    @property
    def repository(self) -> tuple[str, str]:
        """Registry host and repository name, as the output for `docker push` says."""
        registry, _, rest = self.outputs["Step3Push"].split()[-1].partition("/")
        return registry, rest.partition(":")[0]

    def push(self, version: str, tag: str | None = "latest") -> str:
        """Push hello_app in this version; return the digest."""
        return push_image(*self.repository, tag, hello_app_image(version))

    def service(self) -> Any:
        """The service as DescribeServices tells it."""
        cluster, name = self.outputs["ClusterName"], self.outputs["ServiceName"]
        return self.ecs.describe_services(cluster=cluster, services=[name])["services"][0]

    def deployments(self) -> list[Any]:
        """Its service deployments, newest first."""
        cluster, name = self.outputs["ClusterName"], self.outputs["ServiceName"]
        return list(self.ecs.list_service_deployments(cluster=cluster, service=name)["serviceDeployments"])

    def is_steady(self, tasks: int) -> bool:
        """Whether no deployment is under way, and so many tasks run as are wanted: `tasks`."""
        service = self.service()
        states = [deployment["rolloutState"] for deployment in service["deployments"]]
        return states == ["COMPLETED"] and service["runningCount"] == service["desiredCount"] == tasks

    def runs_image(self, digest: str) -> bool:
        """Whether all tasks that are to run are of this image."""
        cluster = self.outputs["ClusterName"]
        arns = self.ecs.list_tasks(cluster=cluster)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        return bool(tasks) and all(task["containers"][0].get("imageDigest") == digest for task in tasks)

    def page(self, host_name: str = HOST_NAME) -> str:
        """What a visitor reads."""
        return page(Resolver(self.lab.dns), host_name, self.port)

    def says(self, version: str, host_name: str = HOST_NAME) -> bool:
        """Whether a visitor reads this version."""
        return f"version {version}," in self.page(host_name)

    def record_names(self) -> set[tuple[str, str]]:
        """Name and type of each record set that is not the zone's own."""
        found = self.lab.client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        return {(r["Name"].rstrip("."), r["Type"]) for r in found["ResourceRecordSets"]} - {
            ("example.com", "NS"),
            ("example.com", "SOA"),
        }

    def log_of(self, function: str) -> list[dict[str, Any]]:
        """The function's own log lines."""
        logs = self.lab.client("logs")
        groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
        return [
            json.loads(event["message"])
            for group in groups
            if group.endswith(f"{function}Logs")
            for event in logs.filter_log_events(logGroupName=group)["events"]
            if event["message"].startswith('{"level"')
        ]
