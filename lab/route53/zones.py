"""The lab's hosted zones, and what its name server answers: Route 53's record sets, read at each query."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lab.route53.name_server import RecordSet

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client


def create_zone(client: Route53Client, name: str) -> str:
    """Create a hosted zone; return its id."""
    made = client.create_hosted_zone(Name=name, CallerReference=str(time.time()))
    return made["HostedZone"]["Id"].rpartition("/")[2]


class RecordSets:
    """All record sets of all hosted zones, when it is called."""

    def __init__(self, client: Route53Client) -> None:
        self._client = client

    def __call__(self) -> dict[tuple[str, str], RecordSet]:
        """Return the record sets by name, lower case without the dot at its end, and type."""
        found: dict[tuple[str, str], RecordSet] = {}
        for zone in self._client.list_hosted_zones()["HostedZones"]:
            pages = self._client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
            for page in pages:
                for record_set in page["ResourceRecordSets"]:
                    values = tuple(record["Value"] for record in record_set.get("ResourceRecords", []))
                    key = (record_set["Name"].rstrip(".").lower(), record_set["Type"])
                    found[key] = RecordSet(values, record_set.get("TTL", 60))
        return found
