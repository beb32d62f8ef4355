"""The hosted zone, and which name servers the public DNS asks for its names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from dnslib import QTYPE, RCODE, DNSError, DNSRecord  # type: ignore[import-untyped]

from commands.why.account import code_of
from commands.why.state import Zone
from pushlive.route53 import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commands.why.account import Account, Boundary

RESOLV_CONF = Path("/etc/resolv.conf")
DNS_SECONDS = 5.0


def read_zone(account: Account, boundary: Boundary, zone_id: str, dns_server: str) -> Zone | None:
    """Return the zone, asking `dns_server` about it; None without one, or if it cannot be looked at."""
    if not zone_id:
        return None
    what = "who is asked for the zone's names"
    zone = boundary.read(what, _hosted_zone, account, zone_id)
    if zone is None or zone.unreadable or zone.is_private:
        return zone
    return zone._replace(asked=boundary.read(what, name_servers, zone.name, dns_server))


def _hosted_zone(account: Account, zone_id: str) -> Zone:
    try:
        found = account.ask("route53", "get_hosted_zone", Id=zone_id)
    except ClientError as error:
        if code_of(error) not in UNREADABLE:
            raise
        return Zone(zone_id, unreadable=code_of(error))
    return Zone(
        zone_id,
        name=_spelled(found["HostedZone"]["Name"]),
        own=_names(found.get("DelegationSet", {}).get("NameServers", [])),
        is_private=found["HostedZone"].get("Config", {}).get("PrivateZone", False),
    )


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
    return _names(str(each.rdata) for each in reply.rr if each.rtype == QTYPE.NS)


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


def _names(names: Iterable[str]) -> frozenset[str]:
    return frozenset(map(_spelled, names))


def _spelled(name: str) -> str:
    return name.rstrip(".").lower()
