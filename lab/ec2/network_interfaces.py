"""Amazon EC2's DescribeNetworkInterfaces for the tasks' interfaces. Pure.

MiniStack knows neither the filters nor the public address. Source: EC2 API reference.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.ecs.model.world import Interface

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
FILTERS: dict[str, Callable[[Interface], tuple[str, ...]]] = {
    "network-interface-id": lambda interface: (interface.eni_id,),
    "group-id": lambda interface: interface.group_ids,
}


def described(interfaces: Mapping[str, Interface], form: Mapping[str, str]) -> tuple[int, str]:
    """Return status and XML for a request's form fields.

    One unknown id fails the whole call; a filter just does not find it. No id at all means all.
    """
    ids = _numbered(form, "NetworkInterfaceId")
    if unknown := [eni_id for eni_id in ids if eni_id not in interfaces]:
        return 400, _error(
            "InvalidNetworkInterfaceID.NotFound",
            f"The networkInterface ID '{', '.join(unknown)}' does not exist",
        )
    found = [interfaces[eni_id] for eni_id in ids] if ids else list(interfaces.values())
    for number in range(1, 20):
        name = form.get(f"Filter.{number}.Name")
        if name is None:
            break
        if name not in FILTERS:
            return 400, _error("InvalidParameterValue", f"The lab does not know the filter {name}")
        values = set(_numbered(form, f"Filter.{number}.Value"))
        found = [interface for interface in found if values.intersection(FILTERS[name](interface))]
    return 200, (
        f'<DescribeNetworkInterfacesResponse xmlns="{NAMESPACE}"><networkInterfaceSet>'
        f"{''.join(map(_item, found))}</networkInterfaceSet></DescribeNetworkInterfacesResponse>"
    )


def _numbered(form: Mapping[str, str], prefix: str) -> list[str]:
    pattern = re.compile(rf"{re.escape(prefix)}\.\d+")
    return [value for key, value in form.items() if pattern.fullmatch(key)]


def _item(interface: Interface) -> str:
    association = ""
    if interface.public_ip:
        public_ip = f"<publicIp>{interface.public_ip}</publicIp>"
        association = f"<association>{public_ip}<ipOwnerId>amazon</ipOwnerId></association>"
    groups = "".join(f"<item><groupId>{group_id}</groupId></item>" for group_id in interface.group_ids)
    return (
        f"<item><networkInterfaceId>{interface.eni_id}</networkInterfaceId><subnetId>{interface.subnet_id}</subnetId>"
        f"<availabilityZone>{interface.availability_zone}</availabilityZone><status>in-use</status>"
        f"<macAddress>{interface.mac}</macAddress><privateIpAddress>{interface.private_ip}</privateIpAddress>"
        f"<groupSet>{groups}</groupSet>{association}</item>"
    )


def _error(code: str, message: str) -> str:
    error = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    return f"<Response><Errors>{error}</Errors></Response>"
