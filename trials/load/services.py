"""The services under load: the stack's own, and its like for the other image and other ways of deploying."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.user import sam
from lab.waiting import until
from trials.load.images import DIES, HELLO, TAGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_ecs import ECSClient

    from lab.lab import Lab

OURS = "pushlive"
BY_HAND = "by hand"
NAIVE = "naive recorder"
ZONE = "example.com"
# What RegisterTaskDefinition takes of what DescribeTaskDefinition gives.
REGISTERED = (
    "taskRoleArn", "executionRoleArn", "networkMode", "containerDefinitions", "volumes",
    "requiresCompatibilities", "cpu", "memory", "runtimePlatform",
)  # fmt: skip


@dataclass(frozen=True)
class LoadService:
    """A service under load."""

    way: str
    image: str
    name: str
    """In ECS; of the stack's own, what the stack called it."""
    host_name: str

    @property
    def title(self) -> str:
        """Way and image, for people."""
        return f"{self.way}, {self.image}"

    @property
    def tag(self) -> str:
        """The image tag that it runs."""
        return TAGS[self.image]


def all_services(stack_service: str) -> list[LoadService]:
    """Return the six; the stack's own is the first."""
    found = []
    for way in (OURS, BY_HAND, NAIVE):
        for image in (HELLO, DIES):
            label = f"{way}-{TAGS[image]}".replace(" ", "-").replace("latest", "hello")
            name = stack_service if (way, image) == (OURS, HELLO) else label
            found.append(LoadService(way, image, name, f"{label}.{ZONE}"))
    return found


STACK_HOST_NAME = all_services("")[0].host_name


def definition_like(stacks: Mapping[str, Any], service: LoadService) -> dict[str, Any]:
    """Return the task definition to register for a service: the stack's, with the service's image.

    Ours has all its containers, as the stack's has; the others have the application alone.
    """
    given = {key: stacks[key] for key in REGISTERED if key in stacks}
    containers = [dict(each) for each in given["containerDefinitions"]]
    [app] = [each for each in containers if each["name"] == "app"]
    app["image"] = f"{app['image'].rpartition(':')[0]}:{service.tag}"
    return {
        **given,
        "family": service.name,
        "containerDefinitions": containers if service.way == OURS else [app | {"essential": True}],
    }


def distribution_of(lab: Lab, origin_name: str, port: int) -> str:
    """Set https.yaml up in front of a service; return the distribution's own name."""
    given = {"OriginName": origin_name, "OriginPort": str(port)}
    stacks, name = lab.client("cloudformation"), origin_name.partition(".")[0]
    stacks.create_stack(
        StackName=f"https-{name}",
        TemplateBody=(sam.ROOT / "https.yaml").read_text(),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )

    def made() -> str | None:
        outputs = stacks.describe_stacks(StackName=f"https-{name}")["Stacks"][0].get("Outputs", [])
        found = {each["OutputKey"]: each["OutputValue"] for each in outputs}
        return found.get("DistributionName")

    return until(made, f"the distribution of {origin_name}")


class Services:
    """What is done to them over the ECS API."""

    def __init__(self, lab: Lab, cluster: str, services: Sequence[LoadService]) -> None:
        self.cluster = cluster
        self.services = services
        self._lab = lab
        self._ecs: ECSClient = lab.client("ecs")

    def admit_all_names(self) -> None:
        """Let UpdateRecord keep the second service's record, too: the stack admits its own name alone."""
        functions = self._lab.client("lambda")
        listed = functions.list_functions()["Functions"]
        [name] = [each["FunctionName"] for each in listed if "UpdateRecord" in each["FunctionName"]]
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables | {"HOST_NAMES": f"*.{ZONE}"}}
        )

    def create_like_the_stack_s(self) -> None:
        """Create all but the first, which is the stack's."""
        stacks = self._stack_s_service()
        for service in self.services[1:]:
            tags = {"pushlive:redeploy": "on-push", "pushlive:hostname": service.host_name}
            self._ecs.create_service(
                cluster=self.cluster,
                serviceName=service.name,
                taskDefinition=self._register(service),
                desiredCount=1,
                launchType="FARGATE",
                deploymentConfiguration=stacks["deploymentConfiguration"],
                networkConfiguration=stacks["networkConfiguration"],
                tags=[
                    {"key": key, "value": value}
                    for key, value in (tags if service.way == OURS else {}).items()
                ],
            )

    def deploy_sizes(self, cpu: str, memory: str) -> None:
        """Deploy a new task definition to all but the first, as an update of the stack does to that one."""
        for service in self.services[1:]:
            arn = self._register(service, cpu=cpu, memory=memory)
            self._ecs.update_service(cluster=self.cluster, service=service.name, taskDefinition=arn)

    def scale(self, desired_count: int) -> None:
        """Change how many tasks each service shall have."""
        for service in self.services:
            self._ecs.update_service(cluster=self.cluster, service=service.name, desiredCount=desired_count)

    def kill_a_task_of_each(self) -> None:
        """Kill the application of one task of each service, as a crash does."""
        for service in self.services:
            tasks = self._ecs.list_tasks(cluster=self.cluster, serviceName=service.name)["taskArns"]
            self._lab.ecs.kill_container(tasks[0], "app")

    def are_steady(self, since: datetime | None = None) -> bool:
        """Whether each runs what it shall, and nothing else of it is left.

        With `since` also whether each has a deployment (perhaps a rollback) that began later.
        """
        desired = 0
        for service in self._described():
            desired += service["desiredCount"]
            deployments = service["deployments"]
            if [each["rolloutState"] for each in deployments] != ["COMPLETED"]:
                return False
            if service["runningCount"] != service["desiredCount"] or service["pendingCount"]:
                return False
            if since and deployments[0]["createdAt"] <= since:
                return False
        return desired > 0 and len(self._lab.ecs.interfaces()) == desired

    def _described(self) -> list[Any]:
        names = [service.name for service in self.services]
        return list(self._ecs.describe_services(cluster=self.cluster, services=names)["services"])

    def _stack_s_service(self) -> Any:  # noqa: ANN401 - as boto3 gives it
        name = self.services[0].name
        return self._ecs.describe_services(cluster=self.cluster, services=[name])["services"][0]

    def _register(self, service: LoadService, **changes: str) -> str:
        arn = self._stack_s_service()["taskDefinition"]
        stacks = self._ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        made = self._ecs.register_task_definition(**definition_like(stacks, service) | changes)
        return made["taskDefinition"]["taskDefinitionArn"]
