"""The lab's hosted zones, and what its name server answers: Route 53's record sets, read at each query."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lab.cloudfront.distribution import ZONE
from lab.route53.name_server import RecordSet

if TYPE_CHECKING:
    from mypy_boto3_route53 import Route53Client

    from lab.cloudfront.edges import Edges


def create_zone(client: Route53Client, name: str) -> str:
    """Create a hosted zone; return its id."""
    made = client.create_hosted_zone(Name=name, CallerReference=str(time.time()))
    return made["HostedZone"]["Id"].rpartition("/")[2]


CLOUDFRONT_TTL_SECONDS = 60  # what the names of distributions have, and so their aliases


class RecordSets:
    """All record sets of all hosted zones, and of CloudFront's own, when it is called."""

    def __init__(self, client: Route53Client, edges: Edges | None = None) -> None:
        self._client = client
        self._edges = edges

    def __call__(self) -> dict[tuple[str, str], RecordSet]:
        """Return the record sets by name, lower case without the dot at its end, and type."""
        found = self._of_cloudfront()
        for zone in self._client.list_hosted_zones()["HostedZones"]:
            pages = self._client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone["Id"])
            for page in pages:
                for record_set in page["ResourceRecordSets"]:
                    key = (record_set["Name"].rstrip(".").lower(), record_set["Type"])
                    if alias := record_set.get("AliasTarget"):
                        target = found.get((alias["DNSName"].rstrip(".").lower(), record_set["Type"]))
                        found |= {key: target} if target else {}
                        continue
                    values = tuple(record["Value"] for record in record_set.get("ResourceRecords", []))
                    found[key] = RecordSet(values, record_set.get("TTL", 60))
        return found

    def _of_cloudfront(self) -> dict[tuple[str, str], RecordSet]:
        if self._edges is None:
            return {}
        soa = f"ns.{ZONE}. hostmaster.{ZONE}. 1 7200 900 1209600 60"
        edges = RecordSet(self._edges.addresses, CLOUDFRONT_TTL_SECONDS)
        names = [name for name in self._edges.names() if name.endswith(f".{ZONE}")]
        return {(ZONE, "SOA"): RecordSet((soa,), 900), **{(name, "A"): edges for name in names}}
