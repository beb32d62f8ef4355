"""Amazon EC2: public addresses of network interfaces, which ECS does not tell; the list of CloudFront's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushlive.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_ec2 import EC2Client

CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing"


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


def cloudfront_prefix_list(client: EC2Client) -> str:
    """Return the id of the prefix list of CloudFront's edges (IPv4), which differs by region.

    Source: CloudFront guide, "Locations and IP address ranges of CloudFront edge servers".

    Raises:
        ConfigError: the region has no such list.
    """
    found = client.describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [CLOUDFRONT_PREFIX_LIST]}]
    )
    ids = [each["PrefixListId"] for each in found.get("PrefixLists", []) if each.get("PrefixListId")]
    if not ids:
        raise ConfigError(
            f"This region has no prefix list {CLOUDFRONT_PREFIX_LIST}: give the parameter Https false"
        )
    return ids[0]
