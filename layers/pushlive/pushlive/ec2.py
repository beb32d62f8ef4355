"""Amazon EC2: the public address of a network interface. ECS itself does not tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_ec2 import EC2Client


def public_ips(client: EC2Client, eni_ids: Iterable[str]) -> dict[str, str]:
    """Return network interface to public IPv4 address, without those that are gone or have none.

    By a filter: named in `NetworkInterfaceIds`, one interface that is gone fails the whole call
    (`InvalidNetworkInterfaceID.NotFound`), and an empty list there means all of the account's.
    """
    wanted = sorted(set(eni_ids))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), 200):  # a filter takes 200 values (EC2 guide, "Filters")
        pages = client.get_paginator("describe_network_interfaces").paginate(
            Filters=[{"Name": "network-interface-id", "Values": wanted[start : start + 200]}]
        )
        for page in pages:
            for interface in page.get("NetworkInterfaces", []):
                public_ip = interface.get("Association", {}).get("PublicIp")
                if public_ip and "NetworkInterfaceId" in interface:
                    found[interface["NetworkInterfaceId"]] = public_ip
    return found
