"""A task's port where another program has it: avoided, or named at once."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from lab.containers.docker_cli import Docker
from lab.ec2.addresses import NETWORK, free_port, require_port
from lab.ecr.oci import hello_app_image
from lab.ecr.registry import push_image
from lab.lab import Lab
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

TASK = str(NETWORK[9])
EVERYWHERE = "is in use: another program listens on all addresses of this machine, as `docker run -p` does"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a program has on all addresses, as `docker run -p` publishes one."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_on_all_addresses_is_avoided(taken: int) -> None:
    assert free_port(taken) > taken


def test_tasks_that_are_processes_avoid_it_and_the_lab_says_so(taken: int) -> None:
    said: list[str] = []
    assert Lab().free_port(taken, said.append) > taken
    [line] = said
    assert line.startswith(f"Port {taken} is in use on all addresses of this machine: tasks listen on ")


def test_tasks_that_are_containers_have_each_port_of_their_own(taken: int) -> None:
    assert Lab(docker=Docker()).free_port(taken) == taken


def test_a_port_that_is_taken_on_another_address_will_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert free_port(port) == port
        require_port(TASK, port)


def test_a_port_that_is_taken_on_all_addresses_is_named(taken: int) -> None:
    with pytest.raises(OSError, match=f"^port {taken} {EVERYWHERE}. End it, or deploy with another Contain"):
        require_port(TASK, taken)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_a_port_that_is_taken_on_the_task_s_address_is_named(kind: socket.SocketKind) -> None:
    with socket.socket(type=kind) as listener:
        listener.bind((TASK, 0))
        if kind is socket.SOCK_STREAM:
            listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=f"^port {port} is in use: another program listens on {TASK}. End"):
            require_port(TASK, port, "tcp" if kind is socket.SOCK_STREAM else "udp")


def test_a_port_that_may_not_be_used_is_named() -> None:
    with pytest.raises(OSError, match=r"^port 80 cannot be used here \(.+\): deploy with another Contain"):
        require_port("192.0.2.1", 80)  # no address of this machine; a port of root's is told in the same way


def test_a_task_says_at_once_that_its_port_is_taken(taken: int) -> None:
    with Lab(speed=60) as lab:
        lab.client("ecr").create_repository(repositoryName="hello")
        push_image(f"127.0.0.1:{lab.port}", "hello", "latest", hello_app_image("1"))
        ecs = lab.client("ecs")
        ecs.create_cluster(clusterName="cluster")
        ecs.register_task_definition(
            family="hello",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": f"127.0.0.1:{lab.port}/hello:latest",
                    "portMappings": [{"containerPort": taken}],
                }
            ],
        )
        ecs.create_service(
            cluster="cluster",
            serviceName="hello",
            taskDefinition="hello",
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}
            },
        )

        def reason() -> Any:
            arns = ecs.list_tasks(cluster="cluster", desiredStatus="STOPPED")["taskArns"]
            tasks = ecs.describe_tasks(cluster="cluster", tasks=arns)["tasks"] if arns else []
            return next((task["containers"][0].get("reason") for task in tasks), None)

        said = until(reason, "the reason of a task that stopped")
    assert said.startswith(f"CannotStartContainerError: port {taken} {EVERYWHERE}")
