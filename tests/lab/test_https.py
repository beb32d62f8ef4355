"""HTTPS in front of a service that was set up for it: both stacks, deployed by the real SAM CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.lab import Lab
from lab.user import sam
from lab.user.browse import page
from lab.user.deployed_stack import DeployedStack, quiet
from lab.user.resolver import Resolver
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME, ORIGIN = "app.example.com", "origin-app.example.com"


@pytest.fixture(scope="module")
def stack() -> Iterator[DeployedStack]:
    with Lab(speed=60) as lab:
        sam.build(lab.folder / "build", quiet)
        deployed = DeployedStack(lab, lab.folder / "build")
        deployed.deploy(HostName=ORIGIN, Https="true")
        yield deployed


def reads(stack: DeployedStack, name: str) -> str:
    """What a visitor of https://NAME reads."""
    edges = stack.lab.edges
    return page(Resolver(stack.lab.dns), name, edges.https_port, str(edges.authority))


def test_the_next_command_of_the_service_sets_up_https_and_its_output_is_the_page(
    stack: DeployedStack,
) -> None:
    stack.push("1")
    assert "Step4Url" not in stack.outputs
    arguments = stack.outputs["Step4Https"].replace("--config-env https", "--config-env https-lab").split()
    assert arguments[:2] == ["sam", "deploy"]
    typed = [each.replace("HostName=NAME", f"HostName={NAME}") for each in arguments[1:]]
    sam.run(typed, sam.environment(stack.lab), quiet)
    outputs = sam.outputs(stack.lab, sam.HTTPS_STACK_NAME)
    assert outputs["Step1Url"] == f"https://{NAME}/"
    until(lambda: "version 1," in reads(stack, NAME), "the page by https")
    assert "version 1," in reads(stack, outputs["DistributionName"])


def test_the_container_port_is_open_to_cloudfront_alone(stack: DeployedStack) -> None:
    ec2 = stack.lab.client("ec2")
    [group] = [
        each
        for each in ec2.describe_security_groups()["SecurityGroups"]
        if each["Description"].startswith("The container port")
    ]
    [lists] = [
        each["PrefixListId"]
        for each in ec2.describe_managed_prefix_lists()["PrefixLists"]
        if each["PrefixListName"] == "com.amazonaws.global.cloudfront.origin-facing"
    ]
    [port] = group["IpPermissions"]
    assert ([each["PrefixListId"] for each in port["PrefixListIds"]], port["IpRanges"]) == ([lists], [])


def test_a_push_reaches_the_visitors_of_https(stack: DeployedStack) -> None:
    stack.push("2")
    until(lambda: "version 2," in reads(stack, NAME), "the second version by https")
    until(lambda: stack.is_steady(1), "the deployment's end")


def test_without_https_the_container_port_is_open_again(stack: DeployedStack) -> None:
    sam.delete_https(stack.lab, quiet)
    assert Resolver(stack.lab.dns).resolve(NAME) == []
    stack.deploy(HostName=NAME, Https="false")
    until(lambda: stack.says("2"), "the page by http")
