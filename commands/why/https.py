"""Reads what stands before the host names: CloudFront's distributions, and certificates not yet issued."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.state import Certificate, Distribution, Https
from pushlive import route53
from pushlive.route53 import spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from commands.why.account import Account, Boundary
    from commands.why.state import Json, ServiceState, Zone

PARTITION = "arn:aws:"
"""The one with CloudFront's distributions and certificates in us-east-1."""
WAITS = "PENDING_VALIDATION"


def read_https(
    account: Account, boundary: Boundary, services: Iterable[ServiceState], zone: Zone | None
) -> Https:
    """Return what stands before the services' host names; nothing is asked where they have none."""
    names = {
        each.host_name
        for each in services
        if each.host_name and each.settings.cluster_arn.startswith(PARTITION)
    }
    if not names:
        return Https()
    what = "CloudFront's distributions"
    distributions = boundary.read(what, lambda: tuple(_distributions(account, names, zone)))
    if distributions is None or zone is None or not zone.name:
        return Https(distributions)
    what = "certificates that are not issued yet"
    return Https(distributions, tuple(boundary.each(what, _certificates, account, zone).values()))


def _distributions(account: Account, names: set[str], zone: Zone | None) -> Iterator[Distribution]:
    """Yield those with an origin that is a name of the zone, or an origin or alias that is one of `names`."""
    for found in account.items("cloudfront", "list_distributions", "DistributionList.Items"):
        origins = dict(_origins(found))
        aliases = frozenset(map(spelled, found.get("Aliases", {}).get("Items", [])))
        if not names & (origins.keys() | aliases) and not any(_is_in(zone, each) for each in origins):
            continue
        records = {each: _leads(account, zone, each) for each in origins.keys() | aliases} if zone else {}
        yield Distribution(
            distribution_id=found.get("Id", ""),
            domain_name=spelled(found.get("DomainName", "")),
            origins=origins,
            aliases=aliases,
            records={each: leads for each, leads in records.items() if leads is not None},
            is_deployed=found.get("Status") != "InProgress",
            is_enabled=found.get("Enabled", True),
        )


def _origins(distribution: Json) -> Iterator[tuple[str, int | None]]:
    for each in distribution.get("Origins", {}).get("Items", []):
        custom = each.get("CustomOriginConfig", {})
        port = "HTTPSPort" if custom.get("OriginProtocolPolicy") == "https-only" else "HTTPPort"
        yield spelled(each.get("DomainName", "")), custom.get(port)


def _certificates(account: Account, zone: Zone) -> Iterator[tuple[str, Certificate]]:
    """Yield, by the record that it waits for, each certificate for a name in the zone."""
    asked = {"CertificateStatuses": [WAITS]}
    for summary in account.items("acm", "list_certificates", "CertificateSummaryList", **asked):
        names = [summary.get("DomainName", ""), *summary.get("SubjectAlternativeNameSummaries", [])]
        if "CertificateArn" not in summary or not any(_is_in(zone, each) for each in names):
            continue
        told = {"CertificateArn": summary["CertificateArn"]}
        found = account.ask("acm", "describe_certificate", "ResourceNotFoundException", **told) or {}
        for option in found.get("Certificate", {}).get("DomainValidationOptions", []):
            record = option.get("ResourceRecord", {})
            name, value = spelled(record.get("Name", "")), spelled(record.get("Value", ""))
            if option.get("ValidationStatus", WAITS) == WAITS and _is_in(zone, name):
                leads = _leads(account, zone, name)
                has_record = leads is None or value in leads
                yield name, Certificate(option.get("DomainName", name), name, value, has_record)


def _is_in(zone: Zone | None, name: str) -> bool:
    return zone is not None and bool(zone.name) and f".{name}".endswith(f".{zone.name}")


def _leads(account: Account, zone: Zone, name: str) -> frozenset[str] | None:
    """Return where the zone's record sets of a name lead; None if others answer for it."""
    if not _is_in(zone, name):
        return None
    own = name.replace("*", "\\052")  # as Route 53 lists it (guide, "DNS domain name format")
    if route53.read_record(account.client("route53"), zone.zone_id, own, zone.name).delegated_at:
        return None
    wildcard = f"\\052.{name.partition('.')[2]}"  # it answers where the name itself has nothing
    sets = _record_sets(account, zone, own) or _record_sets(account, zone, wildcard)
    found = [each for each in sets if each.get("Type") in ("A", "CNAME")]
    values = [value.get("Value", "") for each in found for value in each.get("ResourceRecords", [])]
    aliases = [each["AliasTarget"].get("DNSName", "") for each in found if "AliasTarget" in each]
    return frozenset(map(spelled, [*values, *aliases]))


def _record_sets(account: Account, zone: Zone, name: str) -> list[Json]:
    # As the layer asks for it: so it is one question.
    asked = {"HostedZoneId": zone.zone_id, "StartRecordName": name, "MaxItems": "20"}
    answer = account.ask("route53", "list_resource_record_sets", **asked)
    return [each for each in answer["ResourceRecordSets"] if spelled(each["Name"]) == name]
