"""Amazon Route 53: a service's A record and the TXT record that says whose it is.

A change replaces exactly the record that was read: the batch deletes the old values and creates the
new ones, is atomic, and fails if the record is another by now (API reference,
ChangeResourceRecordSets: a DELETE must match every value). So of two runs at the same time the
one that looked earlier cannot undo what the later one wrote.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from pushlive.config import ConfigError
from pushlive.model import Record
from pushlive.record_plan import OWNER_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_route53.type_defs import ChangeTypeDef

OWNER_TTL_SECONDS = 300
OWNER_LABEL = "_pushlive."
LONGEST_STRING = 255
STRING = re.compile(r'"([^"]*)"')
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# A name has 253 characters at most, and `_pushlive.` goes before it.
HOST_NAME = re.compile(rf"(?=.{{1,243}}$)({LABEL}\.)+{LABEL}")


# Of another account's zone Route 53 says that it may not be read, not that there is none.
UNREADABLE = ("AccessDenied", "NoSuchHostedZone")


class UnreadableZoneError(ConfigError):
    """There is no such hosted zone, or it is not ours."""


class RecordChangedMeanwhileError(Exception):
    """The record is no longer the one that was read: read again."""


# A zone keeps its name, so a warm function asks once.
@lru_cache(maxsize=8)
def zone_name(client: Route53Client, zone_id: str) -> str:
    """Return the zone's name, lower case, without the dot at its end.

    Raises:
        UnreadableZoneError: there is none that we may read.
    """
    try:
        return client.get_hosted_zone(Id=zone_id)["HostedZone"]["Name"].rstrip(".").lower()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code not in UNREADABLE:
            raise
        raise UnreadableZoneError(
            f"The hosted zone {zone_id} cannot be read ({code}): give the parameter HostedZoneId of a zone "
            "that exists in this account"
        ) from error


def host_name(text: str, zone: str) -> str:
    """Return `text` as Route 53 spells it: lower case, without a dot at its end.

    Raises:
        ConfigError: it is not a host name, or not one in `zone`. The zone's own name is none either: a tag on
            a service shall not be able to take the domain itself.
    """
    name = spelled(text)
    if not HOST_NAME.fullmatch(name):
        raise ConfigError(
            f"The tag pushlive:hostname is {text!r:.80}, not a host name: give one such as app.{zone}"
        )
    if name == zone:
        raise ConfigError(
            f"The tag pushlive:hostname is {text!r}, the hosted zone itself: "
            f"give a name in it, such as app.{zone}"
        )
    if not name.endswith(f".{zone}"):
        raise ConfigError(
            f"The tag pushlive:hostname is {text!r}, but the hosted zone is {zone}: "
            f"give a name such as app.{zone}, or the parameter HostedZoneId of its own zone"
        )
    return name


def spelled(text: str) -> str:
    """Return a name in lower case, without a dot at its end; one that is not ASCII as it is.

    Some letters of other scripts become ASCII in lower case, such as the Kelvin sign.
    """
    # One dot only: done twice, this must not make a name of what is none.
    return re.sub(r"(?<=[^.])\.\Z", "", text).lower() if text.isascii() else text


def owner_name(name: str) -> str:
    """Return where the ownership TXT of a host name lies."""
    return f"{OWNER_LABEL}{name}"


def owned(client: Route53Client, zone_id: str, services_arn: str) -> Iterator[tuple[str, str]]:
    """Yield the host names whose records belong to services below `services_arn`, each with that service.

    By the ownership TXT records, so also those of services that are gone. It reads the whole zone.
    """
    for page in client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id):
        for found in page["ResourceRecordSets"]:
            name = found["Name"].rstrip(".").lower()
            if found["Type"] != "TXT" or not name.startswith(OWNER_LABEL):
                continue
            for value in found.get("ResourceRecords", []):
                prefix, _, service_arn = _text(value["Value"]).partition(OWNER_PREFIX)
                if not prefix and service_arn.startswith(services_arn):
                    yield name.removeprefix(OWNER_LABEL), service_arn


def read_record(client: Route53Client, zone_id: str, name: str, zone: str = "") -> Record:
    """Return what the zone holds under `name`, pending changes included.

    With the `zone`'s name also whether NS records above `name` hand it to other name servers.
    """
    record = Record(delegated_at=_delegation_above(client, zone_id, name, zone) if zone else None)
    for found in _record_sets(client, zone_id, name):
        values = frozenset(value["Value"] for value in found.get("ResourceRecords", []))
        if "AliasTarget" in found:
            record = record._replace(exists=True, foreign_kind="an alias")
        elif found["Type"] == "CNAME" or "SetIdentifier" in found:
            kind = "a CNAME" if found["Type"] == "CNAME" else "a record with a routing policy"
            record = record._replace(exists=True, foreign_kind=kind)
        elif found["Type"] == "NS":
            record = record._replace(delegated_at=name)
        elif found["Type"] == "A":
            record = record._replace(exists=True, addresses=values, ttl_seconds=found.get("TTL"))
        if record.foreign_kind:
            return record
    for found in _record_sets(client, zone_id, owner_name(name)):
        if found["Type"] == "TXT":
            texts = sorted(_text(value["Value"]) for value in found.get("ResourceRecords", []))
            return record._replace(owner=" ".join(texts), owner_ttl_seconds=found.get("TTL"))
    return record


def _delegation_above(client: Route53Client, zone_id: str, name: str, zone: str) -> str | None:
    """Return the nearest name between `name` and `zone` that has NS records; a call for each level."""
    above = name.partition(".")[2]
    while above.endswith(f".{zone}"):
        if any(found["Type"] == "NS" for found in _record_sets(client, zone_id, above)):
            return above
        above = above.partition(".")[2]
    return None


def _record_sets(client: Route53Client, zone_id: str, name: str) -> Iterable[Mapping[str, Any]]:
    """Return the record sets of exactly this name, of any type.

    Route 53 lists a zone in the order of names, then of types (API reference,
    ListResourceRecordSets), so those of one name lie together: no scan of the zone.
    """
    listed = client.list_resource_record_sets(HostedZoneId=zone_id, StartRecordName=name, MaxItems="20")
    return [found for found in listed["ResourceRecordSets"] if found["Name"].rstrip(".").lower() == name]


def write(
    client: Route53Client,
    zone_id: str,
    name: str,
    current: Record,
    addresses: frozenset[str],
    ttl_seconds: int,
    owner: str,
) -> None:
    """Make the record hold `addresses`, and say whose it is.

    Raises:
        RecordChangedMeanwhileError: it is no longer `current`.
    """
    changes = [_change("DELETE", name, "A", current.addresses, current.ttl_seconds)] if current.exists else []
    changes.append(_change("CREATE", name, "A", addresses, ttl_seconds))
    owner_ttl_seconds: int | None = OWNER_TTL_SECONDS
    if current.owner:
        # Deleted and created as it is: somebody who took the name since it was read fails the batch.
        owner_ttl_seconds = current.owner_ttl_seconds
        changes.append(
            _change("DELETE", owner_name(name), "TXT", [_quoted(current.owner)], owner_ttl_seconds)
        )
    changes.append(_change("CREATE", owner_name(name), "TXT", [_quoted(owner)], owner_ttl_seconds))
    _apply(client, zone_id, name, current, changes)


def delete(client: Route53Client, zone_id: str, name: str, current: Record) -> None:
    """Remove the record and its ownership.

    Raises:
        RecordChangedMeanwhileError: it is no longer `current`.
    """
    changes = [_change("DELETE", name, "A", current.addresses, current.ttl_seconds)] if current.exists else []
    if current.owner:
        changes.append(
            _change("DELETE", owner_name(name), "TXT", [_quoted(current.owner)], current.owner_ttl_seconds)
        )
    _apply(client, zone_id, name, current, changes)


def _quoted(text: str) -> str:
    """Return the value of a TXT record: strings of 255 characters at most (guide, "TXT record type")."""
    parts = [text[start : start + LONGEST_STRING] for start in range(0, len(text), LONGEST_STRING)]
    return " ".join(f'"{part}"' for part in parts)


def _text(value: str) -> str:
    """Return what the strings of a TXT record's value say together."""
    return "".join(STRING.findall(value)) or value


def _change(
    action: Literal["CREATE", "DELETE"],
    name: str,
    record_type: Literal["A", "TXT"],
    values: Iterable[str],
    ttl_seconds: int | None,
) -> ChangeTypeDef:
    return {
        "Action": action,
        "ResourceRecordSet": {
            "Name": name,
            "Type": record_type,
            "TTL": ttl_seconds or 0,
            "ResourceRecords": [{"Value": value} for value in sorted(values)],
        },
    }


def _apply(
    client: Route53Client, zone_id: str, name: str, current: Record, changes: list[ChangeTypeDef]
) -> None:
    """Change the record that was read as `current`.

    Route 53 has one error for a race that was lost and for a batch that it will never take, with a text for
    people. The record tells them apart: where it is as it was read, nobody was faster. Or it is
    so again, after two changes by others: then a second try succeeds.
    """
    for is_last in (False, True):
        try:
            client.change_resource_record_sets(
                HostedZoneId=zone_id, ChangeBatch={"Comment": "pushlive", "Changes": changes}
            )
        except client.exceptions.InvalidChangeBatch as error:
            now = read_record(client, zone_id, name)
            if now._replace(delegated_at=None) != current._replace(delegated_at=None):
                raise RecordChangedMeanwhileError(str(error)) from error
            if is_last:
                raise
        else:
            return
