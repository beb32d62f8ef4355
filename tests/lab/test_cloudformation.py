"""What a task's network interface keeps from being deleted."""

from __future__ import annotations

import pytest

from lab.ecs.cloudformation import kept_by_tasks
from lab.ecs.model.world import Interface

PUBLIC = Interface("eni-1", "10.0.0.4", "127.0.0.4", "subnet-1", "", "")
PRIVATE = Interface("eni-2", "10.0.0.5", None, "subnet-1", "", "")
NETWORKS = {"subnet-1": "vpc-1", "subnet-2": "vpc-2"}


@pytest.mark.parametrize(
    ("kind", "physical_id", "interface", "stays"),
    [
        pytest.param("VPCGatewayAttachment", "IGW|vpc-1", PUBLIC, True, id="the-gateway-of-its-network"),
        pytest.param("VPCGatewayAttachment", "IGW|vpc-2", PUBLIC, False, id="not-another-network-s-gateway"),
        pytest.param("VPCGatewayAttachment", "IGW|vpc-1", PRIVATE, False, id="nor-without-public-address"),
        pytest.param("Subnet", "subnet-1", PRIVATE, True, id="its-subnet"),
        pytest.param("Subnet", "subnet-2", PUBLIC, False, id="not-another-subnet"),
    ],
)
def test_what_a_task_keeps(kind: str, physical_id: str, interface: Interface, stays: bool) -> None:  # noqa: FBT001
    checks = kept_by_tasks(lambda: {interface.eni_id: interface}, lambda subnet_id: NETWORKS[subnet_id])
    refused = False
    try:
        checks[f"AWS::EC2::{kind}"](physical_id)
    except RuntimeError as error:
        refused = "DependencyViolation" in str(error)
    assert refused is stays
