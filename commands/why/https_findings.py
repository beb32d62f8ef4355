"""What keeps visitors of https:// from a service: certificate, distribution, names, security group. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, note, problem
from commands.why.state import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import Distribution, ServiceState, State


def certificate_findings(state: State) -> Iterator[Finding]:
    """Yield the certificates that wait for the proof of whose the name is."""
    zone = state.zone
    for each in state.https.certificates:
        record = f"{each.record_name} CNAME {each.record_value}"
        what = f"the certificate of {each.domain_name} is not issued: it waits for the record {record}"
        if zone is None or each.has_record:
            cure = "ACM finds it within half an hour, if the domain is delegated to this zone"
            yield note("certificate-pending", f"{what}, which is there", cure)
            continue
        values = [{"Value": each.record_value}]
        record_set = {"Name": each.record_name, "Type": "CNAME", "TTL": 300, "ResourceRecords": values}
        batch = json.dumps({"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record_set}]})
        change = {"hosted_zone_id": zone.zone_id, "change_batch": f"'{batch}'"}
        yield problem(
            "certificate-pending",
            f"{what}, which the hosted zone {zone.name} lacks",
            f"{zone.name} must be delegated to this zone; add the record:",
            aws("route53 change-resource-record-sets", **change),
        )


def origin_findings(state: State) -> Iterator[Finding]:
    """Yield the distributions that ask a name of the zone which nobody has."""
    services = {each.host_name: each for each in state.services if each.host_name}
    for each in state.https.distributions or ():
        if each.aliases & services.keys():
            continue  # its names are swapped: that is told
        for name in sorted(name for name in each.origins if each.records.get(name) == frozenset()):
            what = f"{_named(each)} asks {name}, which has no record"
            if name in services:
                service = services[name].service.service_name
                yield note("origin-unknown", f"{what} until a task of {service} can be reached")
                continue
            known = next(iter(services)) if len(services) == 1 else "NAME"
            cure = "deploy the service with it as HostName, or let CloudFront ask the service's own name:"
            told = f"{what}, and no service has it as pushlive:hostname"
            yield problem("origin-unknown", told, cure, _https(OriginName=known))


def distribution_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what is wrong with the distributions before a service."""
    for each in state.distributions or ():
        if state.host_name in each.aliases:
            yield _swapped(state, each)
    for each in state.asking:
        if not each.is_enabled:
            what, cure = f"{_named(each)} is disabled: it answers nobody", "enable it, or delete its stack"
            yield problem("distribution-disabled", what, cure)
        elif not each.is_deployed:
            what = f"{_named(each)} is being deployed to CloudFront's edges"
            yield note("distribution-deploying", f"{what}, which takes minutes")
        port = each.origins[state.host_name]
        if None not in (port, state.port) and port != state.port:
            what = f"{_named(each)} asks port {port}, and the container has {state.port}"
            cure, command = "let it ask the container's port:", _https(OriginPort=state.port)
            yield problem("origin-port", what, cure, command)
        for alias in sorted(each.aliases & each.records.keys() - {state.host_name}):
            if each.domain_name not in each.records[alias]:
                other = ", ".join(sorted(each.records[alias]))
                leads = f"leads to {other}, not" if other else "has no record that leads"
                what = f"{alias} {leads} to {_named(each)}"
                cure = f"make it an alias record, A and AAAA, of {each.domain_name}: deploy https.yaml again"
                yield problem("alias-missing", what, cure)


def admission_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that who is let in is not who comes."""
    if not state.host_name or state.ingress is None or state.distributions is None:
        return
    if state.ingress.is_cloudfront_alone and not state.distributions:
        zone_id, port = state.settings.hosted_zone_id, state.port
        yield problem(
            "https-without-distribution",
            f"the security group admits CloudFront alone to port {port}, and no distribution asks "
            f"{state.host_name}: it reaches no visitor",
            "set up HTTPS, with the name that visitors type for NAME:",
            _https(OriginName=state.host_name, OriginPort=port, HostedZoneId=zone_id, HostName="NAME"),
        )
    for each in state.asking[:1]:
        if EVERYBODY in state.ingress.cidrs:
            what = f"{_named(each)} asks it, and its port {state.port} is open to everybody by http, too"
            cure = "admit CloudFront alone:"
            yield note("https-still-http", what, cure, "sam deploy --parameter-overrides Https=true")


def _swapped(state: ServiceState, each: Distribution) -> Finding:
    """Pushlive keeps an A record of tasks where the record that leads to CloudFront belongs."""
    name, asked = state.host_name, sorted(each.records.keys() & each.origins.keys() - {state.host_name})
    other = asked[0] if asked else f"origin-{name}"
    what = (
        f"visitors type {name}, the alias of {_named(each)}, and the service has the same name as its "
        "pushlive:hostname: its record cannot lead to CloudFront and to the tasks"
    )
    cure = "give the service the name that CloudFront asks:"
    if not asked:
        cure = f"give the service a name of its own, and https.yaml the same as OriginName ({other}):"
    return problem("names-swapped", what, cure, f"sam deploy --parameter-overrides HostName={other}")


def _named(each: Distribution) -> str:
    return f"the distribution {each.distribution_id} ({each.url})"


def _https(**parameters: object) -> str:
    given = " ".join(f"{name}={value}" for name, value in parameters.items())
    return f"sam deploy --config-env https --parameter-overrides {given}"
