"""Whether the public DNS asks the hosted zone's own name servers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from dnslib import QTYPE, RCODE, DNSError, DNSRecord  # type: ignore[import-untyped]

from commands.why.finding import Finding, note, problem
from pushlive.route53 import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.stack import Account

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_SECONDS = 5.0


def zone_findings(account: Account, zone_id: str, dns_server: str) -> Iterator[Finding]:
    """Yield what keeps the names of the zone from being found.

    Raises:
        OSError: the name server does not answer.
    """
    if not zone_id:
        return
    try:
        found = account.client("route53").get_hosted_zone(Id=zone_id)
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNREADABLE:
            raise
        denied = "" if error.response["Error"]["Code"] == "NoSuchHostedZone" else ", or you may not read it"
        what = f"the hosted zone {zone_id} does not exist in this account{denied}"
        yield problem("no-zone", what, "sam deploy with the HostedZoneId of a zone that exists")
        return
    zone = found["HostedZone"]["Name"].rstrip(".").lower()
    if found["HostedZone"].get("Config", {}).get("PrivateZone"):
        what = f"the hosted zone {zone} ({zone_id}) is private: nobody outside its VPCs can resolve its names"
        yield problem("private-zone", what, "sam deploy with the HostedZoneId of a public zone")
        return
    own = frozenset(
        each.rstrip(".").lower() for each in found.get("DelegationSet", {}).get("NameServers", [])
    )
    yield from delegation_findings(zone, own, name_servers(zone, dns_server))


def delegation_findings(zone: str, own: frozenset[str], asked: frozenset[str]) -> Iterator[Finding]:
    """Yield that the name servers that the DNS names for the zone, `asked`, are not its `own`. Pure."""
    cure = f"where {zone} is registered, or in its parent zone, set its NS to {', '.join(sorted(own))}"
    if not asked:
        yield problem("not-delegated", f"{zone} is delegated to nobody: its names do not resolve", cure)
    elif not asked & own:
        yield problem(
            "not-delegated",
            f"{zone} is delegated to {', '.join(sorted(asked))}, not to the hosted zone: "
            "what pushlive writes there, nobody reads",
            cure,
        )
    elif asked != own:
        yield note("partly-delegated", f"{zone} is delegated to {', '.join(sorted(asked))}", cure)


def name_servers(zone: str, dns_server: str) -> frozenset[str]:
    """Return the zone's name servers, as `dns_server` knows them (HOST or HOST:PORT; empty: this machine's).

    Raises:
        OSError: it does not answer, or refuses.
    """
    host, _, port = (dns_server or this_machines()).partition(":")
    question = DNSRecord.question(zone, "NS")
    try:
        reply = DNSRecord.parse(question.send(host, int(port or 53), timeout=DNS_SECONDS))
    except (DNSError, ValueError) as error:
        raise OSError(f"the name server {host} sent no answer: {error}") from error
    if reply.header.rcode not in (RCODE.NOERROR, RCODE.NXDOMAIN, RCODE.SERVFAIL):
        raise OSError(f"the name server {host} refuses to answer for {zone}: {RCODE[reply.header.rcode]}")
    # SERVFAIL is what a resolver says when it is sent to name servers that do not know the zone.
    return frozenset(str(each.rdata).rstrip(".").lower() for each in reply.rr if each.rtype == QTYPE.NS)


def this_machines() -> str:
    """Return the name server that this machine asks.

    Raises:
        OSError: it does not say which.
    """
    for line in RESOLV_CONF.read_text().splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver" and ":" not in words[1]:
            return words[1]
    raise OSError(f"{RESOLV_CONF} names no name server: give one with --dns-server")
