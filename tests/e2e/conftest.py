"""What `make e2e` runs on: Docker, the base images, the AWS CLI, a lab whose tasks are containers."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest

from lab.containers.base_images import base_images
from lab.containers.docker_cli import DockerError
from lab.containers.docker_engine import docker_engine, install
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import DeployedStack, quiet
from lab.waiting import until
from tests.support import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.containers.docker_cli import Docker

SPEED = 20

say = logging.getLogger("e2e").info


class Typed(DeployedStack):
    """The deployed stack, and a person at a terminal who types what it prints."""

    docker: Docker

    def types(self, line: str) -> str:
        """What the command line prints; a failure fails the test with its words."""
        return terminal.types(line, {**self.docker.environment, **sam.environment(self.lab)})

    @property
    def uri(self) -> str:
        """The image that the stack tells to push."""
        return self.outputs["Step3Push"].split()[-1]

    def build(self, version: str) -> None:
        self.types(self.outputs["Step2Build"].replace("-t ", f"--build-arg VERSION={version} -t "))

    def deploys(self, version: str) -> None:
        """Build and push hello_app, and wait until it is live and the old task gone."""
        self.build(version)
        self.types(self.outputs["Step3Push"])
        self.is_live(version)

    def is_live(self, version: str) -> None:
        until(lambda: self.says(version), f"the page of version {version}")
        until(lambda: self.is_steady(1), f"the end of the deployment of version {version}")

    def stopped(self) -> list[dict[str, object]]:
        """The application's containers of the tasks that ended, the newest last."""
        cluster = self.outputs["ClusterName"]
        arns = self.ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
        if not arns:
            return []
        tasks = self.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
        ended = [task for task in tasks if task["lastStatus"] == "STOPPED"]
        return [
            {"stoppedReason": task["stoppedReason"], **container}
            for task in sorted(ended, key=lambda task: task["stoppedAt"])
            for container in task["containers"]
            if container["name"] == "app"
        ]

    def log_lines(self) -> list[str]:
        """What the containers wrote through awslogs, without requests: an answer holds 10,000 lines."""
        logs = self.lab.client("logs")
        groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
        [group] = [name for name in groups if name.endswith("TaskLogs")]
        found = logs.filter_log_events(logGroupName=group, filterPattern="-GET")["events"]
        return [event["message"] for event in found]

    def run_schedule(self, function: str) -> str:
        """The reason that the function gives when its schedule triggers it."""
        [rule] = [name for name in self.lab.delivery.schedules() if function in name]
        event_id = self.lab.delivery.run_schedule(rule)
        lines = until(
            lambda: [line for line in self.log_of(function) if line.get("event_id") == event_id],
            f"the decision of {function}",
        )
        return str(lines[-1]["reason"])


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """An engine with the base images, and a configuration folder of its own: logins are forgotten."""
    try:
        with docker_engine(say) as engine, base_images(engine, sam.ROOT / ".lab", say):
            install(["skopeo"], say)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("DOCKER_CONFIG", str(tmp_path_factory.mktemp("docker")))
                yield engine
    except DockerError as error:
        pytest.exit(f"make e2e: {error}", returncode=1)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    say("sam build ...")
    folder = tmp_path_factory.mktemp("sam") / "build"
    sam.build(folder, quiet)
    return folder


@pytest.fixture(scope="session")
def lab(docker: Docker) -> Iterator[Lab]:
    before = images(docker)
    with Lab(speed=SPEED, docker=docker) as running:
        yield running
    for image in images(docker) - before:
        docker.run("image", "rm", "--force", image)


def images(docker: Docker) -> set[str]:
    named = docker.run("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    return {image for image in named if "<none>" not in image}


@pytest.fixture(scope="session")
def stack(lab: Lab, built: Path, docker: Docker) -> Typed:
    assert shutil.which("aws", path=str(sam.ROOT / ".venv-aws" / "bin")), "make .venv-aws/installed"
    say("sam deploy ...")
    deployed = Typed(lab, built)
    deployed.docker = docker
    deployed.deploy(DrainSeconds="4")
    return deployed


@pytest.fixture(scope="session")
def live(stack: Typed) -> Typed:
    """After the first three lines that the stack prints: login, build, push."""
    stack.types(stack.outputs["Step1Login"])
    stack.types(stack.outputs["Step2Build"])
    stack.types(stack.outputs["Step3Push"])
    stack.is_live("dev")
    return stack
