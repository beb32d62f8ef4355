"""A cluster with services that somebody made without pushlive, and a stack of only the functions for them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from lab.ecr.oci import hello_app_image
from lab.ecr.registry import push_image
from lab.identity import ACCOUNT, REGION
from lab.user import sam
from lab.user.deployed_stack import DeployedStack
from lab.waiting import until
from tests.support import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lab.lab import Lab

CLUSTER = "shop"


class ExistingCluster(DeployedStack):
    """Whatever made the cluster, the stack only follows it."""

    def __init__(self, lab: Lab, build_folder: Path) -> None:
        super().__init__(lab, build_folder)
        ec2 = lab.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        self._subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")["Subnet"]["SubnetId"]
        self.ecs.create_cluster(clusterName=CLUSTER)

    # What somebody makes

    def create_repository(self, name: str) -> None:
        self.lab.client("ecr").create_repository(repositoryName=name)
        self.push_to(name, "1")

    def create_service(
        self, name: str, repositories: Sequence[str], tags: Mapping[str, str], *, desired: int = 1
    ) -> None:
        """A service of a container for each repository, the first at the port of its pages."""
        self.ecs.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": repository,
                    "image": f"{self._registry}/{repository}:latest",
                    "portMappings": [{"containerPort": self.port + number}],
                    "environment": [
                        {"name": "PORT", "value": str(self.port + number)},
                        {"name": "DRAIN_SECONDS", "value": "0"},
                    ],
                }
                for number, repository in enumerate(repositories)
            ],
        )
        self.ecs.create_service(
            cluster=CLUSTER,
            serviceName=name,
            taskDefinition=name,
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": [self._subnet], "assignPublicIp": "ENABLED"}
            },
            tags=[{"key": key, "value": value} for key, value in tags.items()],
        )

    @property
    def _registry(self) -> str:
        return self.lab.endpoint.partition("://")[2]

    def push_to(self, repository: str, version: str) -> str:
        return push_image(self._registry, repository, "latest", hello_app_image(version))

    # What is there

    def described(self, name: str) -> Any:
        found = self.ecs.describe_services(cluster=CLUSTER, services=[name], include=["TAGS"])
        return found["services"][0]

    def tags(self, name: str) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self.described(name)["tags"]}

    def deployment_count(self, name: str) -> int:
        return len(self.ecs.list_service_deployments(cluster=CLUSTER, service=name)["serviceDeployments"])

    def runs(self, name: str) -> set[str]:
        """The digests of the service's containers, once its newest deployment is over; before, nothing."""
        service = self.described(name)
        if [each["rolloutState"] for each in service["deployments"]] != ["COMPLETED"]:
            return set()
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=name)["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        if len(tasks) != service["desiredCount"]:
            return set()
        return {container["imageDigest"] for task in tasks for container in task["containers"]}

    def wait_until_it_runs(self, name: str, *digests: str) -> None:
        until(lambda: self.runs(name) == set(digests), f"all of {name} to run {digests}, it alone")

    # What a person does

    @property
    def with_its_configuration(self) -> str:
        """The options that make a line for AWS one for the lab."""
        return shlex.join(sam.CONFIG)

    @property
    def in_the_lab(self) -> str:
        """The same for `sam deploy`, of what was built for the tests."""
        return shlex.join(
            [*sam.CONFIG, "--template-file", str(self.build_folder / "Pushlive" / "template.yaml")]
        )

    def deploy_by(self, line: str) -> None:
        """Deploy the functions by a line that ends with parameters; the lab is too fast for two more."""
        self.types(line, rest=f"TtlSeconds=1 MinReadySeconds=1 {self.in_the_lab}", ZONE=self.zone_id)
        [stack] = self.lab.client("cloudformation").describe_stacks(StackName=sam.STACK_NAME)["Stacks"]
        self.outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def types(self, line: str, *, rest: str = "", **words: str) -> str:
        """What a line prints, with a word for each in capitals, and `rest` after it."""
        words = {"REGION": REGION, "ACCOUNT": ACCOUNT, "CLUSTER": CLUSTER, "TAG": "latest", **words}
        words["SERVICE_ARN"] = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{words.get('SERVICE', '')}"
        return terminal.types(f"{terminal.filled_in(line, words)} {rest}", sam.environment(self.lab))

    def run_schedule(self, function: str) -> str:
        """Trigger the function by its schedule, now; the event's id."""
        [rule] = [name for name in self.lab.delivery.schedules() if function in name]
        return self.lab.delivery.run_schedule(rule)

    def reason_of_schedule(self, service: str) -> str:
        """What RedeployService says of a service when its schedule triggers it now."""
        event_id = self.run_schedule("RedeployService")

        def reasons() -> list[str]:
            lines = self.log_of("RedeployService")
            wanted = {"event_id": event_id, "ecs_service": service}
            return [line["reason"] for line in lines if wanted.items() <= line.items()]

        return until(reasons, f"the decision of the schedule about {service}")[-1]
