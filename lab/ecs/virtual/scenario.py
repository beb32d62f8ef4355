"""A region with one cluster and one service in virtual time: for tests and the simulation. Pure."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from lab.ecs.api.ecs_api import EcsApi
from lab.ecs.model.ecs_model import EcsModel
from lab.ecs.virtual.fake_runtime import FakeRuntime
from lab.ecs.virtual.fake_world import FakeWorld

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.ecs.model.engine import Options
    from lab.ecs.model.state import Json
    from lab.ecs.model.timings import Timings
    from lab.ecs.virtual.fake_runtime import Behaviour

REPOSITORY = "000000000000.dkr.ecr.us-east-1.amazonaws.com/app"
IMAGE = f"{REPOSITORY}:latest"
START = 1_700_000_000.0
NETWORK = {
    "awsvpcConfiguration": {
        "subnets": ["subnet-a", "subnet-b"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "ENABLED",
    }
}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Scenario:
    """Calls the API, lets time pass, and tells what is there. Images: the digest chooses the behaviour."""

    def __init__(
        self,
        behaviours: dict[str, Behaviour] | None = None,
        *,
        timings: Timings | None = None,
        options: Options | None = None,
        seed: int = 0,
    ) -> None:
        self.world = FakeWorld()
        self.model = EcsModel(self.world, random.Random(seed), timings=timings, options=options)  # noqa: S311 - ids only
        self.api = EcsApi(self.model)
        self.runtime = FakeRuntime(self.model, behaviours)
        self.now = START
        self.call("CreateCluster", clusterName="lab", capacityProviders=["FARGATE", "FARGATE_SPOT"])

    def call(self, operation: str, **request: object) -> Json:
        """One API call, now."""
        answer = self.api.call(operation, request, self.now)
        self.runtime.take()
        return answer

    def on_service(self, operation: str, **request: object) -> Json:
        """One API call that names the cluster and the service."""
        return self.call(operation, cluster="lab", service="web", **request)

    def push(self, digest: str, image: str = IMAGE) -> None:
        """The tag names this digest from now on."""
        self.world.push(image, digest)

    def register(self, *containers: Json, **request: object) -> str:
        """A new revision of the family `web`; its ARN."""
        given = containers or ({"name": "app", "image": IMAGE},)
        settings: Json = {"family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512"}
        settings |= {"requiresCompatibilities": ["FARGATE"], "containerDefinitions": list(given), **request}
        return str(self.call("RegisterTaskDefinition", **settings)["taskDefinition"]["taskDefinitionArn"])

    def create(self, desired: int = 1, **request: object) -> Json:
        """The service `web`, of the family `web`, which is registered if need be."""
        if "web" not in self.model.engine.task_definitions:
            self.register()
        settings: Json = {"cluster": "lab", "serviceName": "web", "taskDefinition": "web"}
        settings |= {
            "desiredCount": desired,
            "launchType": "FARGATE",
            "networkConfiguration": NETWORK,
            **request,
        }
        service: Json = self.call("CreateService", **settings)["service"]
        return service

    def update(self, **request: object) -> Json:
        """UpdateService."""
        service: Json = self.on_service("UpdateService", **request)["service"]
        return service

    def redeploy(self) -> Json:
        """UpdateService with forceNewDeployment."""
        return self.update(forceNewDeployment=True)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.runtime.run_until(self.now)

    def wait_until(self, condition: Callable[[], bool], limit_seconds: float = 3600) -> None:
        """Let time pass, change by change, until the condition holds.

        Raises:
            TimeoutError: it did not within the limit.
        """
        deadline = self.now + limit_seconds
        while not condition():
            due = self.runtime.next_due()
            if due is None or due > deadline:
                message = f"still not after {limit_seconds} s: {self.service()['deployments']}"
                raise TimeoutError(message)
            self.now = max(self.now, due)
            self.runtime.run_until(self.now)

    def wait_until_over(self, limit_seconds: float = 3600) -> Json:
        """Let time pass until the newest service deployment is over; it."""
        going = {"PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
        self.wait_until(lambda: self.service_deployments()[0]["status"] not in going, limit_seconds)
        return self.service_deployments()[0]

    def service(self) -> Json:
        """The service as DescribeServices has it."""
        found: Json = self.call("DescribeServices", cluster="lab", services=["web"], include=["TAGS"])[
            "services"
        ][0]
        return found

    def primary(self) -> Json:
        """The PRIMARY deployment."""
        deployment: Json = self.service()["deployments"][0]
        return deployment

    def service_deployments(self) -> list[Json]:
        """DescribeServiceDeployments, newest first."""
        listed = self.on_service("ListServiceDeployments", maxResults=20)["serviceDeployments"]
        arns = [each["serviceDeploymentArn"] for each in listed]
        return list(self.call("DescribeServiceDeployments", serviceDeploymentArns=arns)["serviceDeployments"])

    def digests(self, revision_arn: str) -> dict[str, str | None]:
        """The digest of each container of a service revision, None where there is none."""
        found = self.call("DescribeServiceRevisions", serviceRevisionArns=[revision_arn])["serviceRevisions"][
            0
        ]
        return {each["containerName"]: each.get("imageDigest") for each in found["containerImages"]}

    def tasks(self, desired_status: str = "RUNNING") -> list[Json]:
        """DescribeTasks of all tasks of that desired status, oldest first."""
        arns = self.call("ListTasks", cluster="lab", desiredStatus=desired_status)["taskArns"]
        return list(self.call("DescribeTasks", cluster="lab", tasks=arns)["tasks"]) if arns else []

    def running_digests(self) -> list[str]:
        """The digest of the first container of every RUNNING task that is not to stop."""
        return [
            task["containers"][0]["imageDigest"] for task in self.tasks() if task["lastStatus"] == "RUNNING"
        ]

    def messages(self) -> list[str]:
        """The service's events, oldest first, without ids of tasks."""
        return [each["message"].partition(" (task ")[0] for each in reversed(self.service()["events"])]

    def events(self, detail_type: str) -> list[Json]:
        """The events of one detail-type, oldest first."""
        return [each.event for each in self.runtime.events if each.event["detail-type"] == detail_type]

    def event_names(self) -> list[str]:
        """The eventName of every deployment and service event, oldest first."""
        details = [each.event["detail"] for each in self.runtime.events]
        return [detail["eventName"] for detail in details if "eventName" in detail]

    def commands(self) -> list[tuple[str, str, float]]:
        """What the container runtime was told: command, container, seconds since the start."""
        return [(type(each).__name__, each.container, each.at - START) for each in self.runtime.commands]
