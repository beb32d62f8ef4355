"""DescribeNetworkInterfaces of the lab, read by botocore's own parser."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser

from lab.ec2.network_interfaces import described
from lab.ecs.model.world import Interface

OPERATION = botocore.session.Session().get_service_model("ec2").operation_model("DescribeNetworkInterfaces")
INTERFACES = {
    eni_id: Interface(
        eni_id, "10.0.0.4", public_ip, "subnet-1", "0a:00:00:00:00:01", "attachment", group_ids=groups
    )
    for eni_id, public_ip, groups in (("eni-1", "127.64.0.1", ("sg-1", "sg-2")), ("eni-2", None, ("sg-2",)))
}


def answer(form: dict[str, str]) -> tuple[int, Any]:
    status, text = described(INTERFACES, form)
    response = {"status_code": status, "headers": {}, "body": text.encode()}
    assert OPERATION.output_shape
    return status, create_parser("ec2").parse(response, OPERATION.output_shape)


@pytest.mark.parametrize(
    ("form", "found"),
    [
        pytest.param({}, ["eni-1", "eni-2"], id="no-id-means-all"),
        pytest.param({"NetworkInterfaceId.1": "eni-2"}, ["eni-2"], id="one-id"),
        pytest.param(
            {
                "Filter.1.Name": "network-interface-id",
                "Filter.1.Value.1": "eni-1",
                "Filter.1.Value.2": "eni-gone",
            },
            ["eni-1"],
            id="a-filter-does-not-find-what-is-gone",
        ),
        pytest.param({"Filter.1.Name": "group-id", "Filter.1.Value.1": "sg-1"}, ["eni-1"], id="a-group-s"),
        pytest.param(
            {"Filter.1.Name": "group-id", "Filter.1.Value.1": "sg-1", "Filter.1.Value.2": "sg-2"},
            ["eni-1", "eni-2"],
            id="either-group-s",
        ),
        pytest.param(
            {
                "Filter.1.Name": "group-id",
                "Filter.1.Value.1": "sg-2",
                "Filter.2.Name": "network-interface-id",
                "Filter.2.Value.1": "eni-2",
            },
            ["eni-2"],
            id="all-filters-must-match",
        ),
    ],
)
def test_what_is_found(form: dict[str, str], found: list[str]) -> None:
    status, parsed = answer(form)
    assert status == 200
    assert [interface["NetworkInterfaceId"] for interface in parsed["NetworkInterfaces"]] == found


def test_one_id_that_is_gone_fails_the_whole_call() -> None:
    status, parsed = answer({"NetworkInterfaceId.1": "eni-1", "NetworkInterfaceId.2": "eni-gone"})
    assert (status, parsed["Error"]["Code"]) == (400, "InvalidNetworkInterfaceID.NotFound")


def test_an_unknown_filter_is_refused_and_not_overlooked() -> None:
    status, parsed = answer({"Filter.1.Name": "subnet-id", "Filter.1.Value.1": "subnet-1"})
    assert (status, parsed["Error"]["Code"]) == (400, "InvalidParameterValue")


def test_an_interface_tells_its_groups() -> None:
    _, parsed = answer({"NetworkInterfaceId.1": "eni-1"})
    [interface] = parsed["NetworkInterfaces"]
    assert [group["GroupId"] for group in interface["Groups"]] == ["sg-1", "sg-2"]


def test_only_a_public_interface_has_an_association() -> None:
    _, parsed = answer({})
    public, private = parsed["NetworkInterfaces"]
    assert public["Association"]["PublicIp"] == "127.64.0.1"
    assert "Association" not in private
