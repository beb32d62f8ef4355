"""A caching resolver, as the clients of a service use it: an answer is kept for its TTL."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dnslib import QTYPE, RCODE, DNSError, DNSHeader, DNSQuestion, DNSRecord  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable

ATTEMPTS = 3
ATTEMPT_SECONDS = 2.0
LARGEST_DATAGRAM_BYTES = 65535


class ResolutionError(OSError):
    """The name server does not answer, or answers with an error."""


class Resolver:
    """Addresses of names, from a name server or from the cache. It blocks: use it in a thread.

    A missing name is remembered too, for as long as its zone's SOA says (RFC 2308). `hold_seconds` is for
    resolvers that keep an answer beyond its TTL, as some do.
    """

    def __init__(
        self,
        server: tuple[str, int],
        clock: Callable[[], float] = time.monotonic,
        *,
        hold_seconds: float = 0,
    ) -> None:
        self._server = server
        self._clock = clock
        self._hold_seconds = hold_seconds
        self._cache: dict[str, tuple[float, list[str]]] = {}

    def resolve(self, name: str) -> list[str]:
        """The IPv4 addresses of `name`, the server's order; empty if it has none.

        Raises:
            ResolutionError: nobody answers, or with an error. Nothing is remembered of that.
        """
        addresses = self.remembered(name)
        if addresses is None:
            asked_at = self._clock()
            addresses, ttl_seconds = self._ask(_key(name))
            self._cache[_key(name)] = (asked_at + ttl_seconds + self._hold_seconds, addresses)
        return list(addresses)

    def remembered(self, name: str) -> list[str] | None:
        """The answer that is still good, without asking anybody; None if there is none."""
        until, addresses = self._cache.get(_key(name), (0.0, []))
        return list(addresses) if self._clock() < until else None

    def _ask(self, name: str) -> tuple[list[str], int]:
        query = DNSRecord(DNSHeader(id=secrets.randbelow(2**16), rd=1), q=DNSQuestion(name, QTYPE.A))
        reply = self._ask_udp(query)
        if reply.header.tc:
            reply = self._ask_tcp(query)
        if reply.header.rcode not in {RCODE.NOERROR, RCODE.NXDOMAIN}:
            raise ResolutionError(f"{name}: {RCODE[reply.header.rcode]}")
        found = [record for record in reply.rr if record.rtype == QTYPE.A]
        if found:
            return [str(record.rdata) for record in found], min(record.ttl for record in found)
        soas = [record for record in reply.auth if record.rtype == QTYPE.SOA]
        # Without an SOA a negative answer is not to be cached (RFC 2308, 5).
        return [], min((min(soa.ttl, soa.rdata.times[4]) for soa in soas), default=0)

    def _ask_udp(self, query: DNSRecord) -> DNSRecord:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
            connection.connect(self._server)
            for _ in range(ATTEMPTS):
                deadline = time.monotonic() + ATTEMPT_SECONDS
                with suppress(TimeoutError, ConnectionRefusedError):
                    connection.settimeout(ATTEMPT_SECONDS)
                    connection.send(query.pack())
                    while True:
                        connection.settimeout(max(deadline - time.monotonic(), 0.001))
                        reply = _parse(connection.recv(LARGEST_DATAGRAM_BYTES), query)
                        if reply is not None:
                            return reply
        raise ResolutionError(f"{query.q.qname}: no answer from {self._server[0]}:{self._server[1]}")

    def _ask_tcp(self, query: DNSRecord) -> DNSRecord:
        content = query.pack()
        try:
            with (
                socket.create_connection(self._server, ATTEMPT_SECONDS) as connection,
                connection.makefile("rb") as answers,
            ):
                connection.sendall(struct.pack("!H", len(content)) + content)
                (length,) = struct.unpack("!H", answers.read(2))
                reply = _parse(answers.read(length), query)
        except (OSError, struct.error) as error:
            raise ResolutionError(f"{query.q.qname}: {error}") from error
        if reply is None:
            raise ResolutionError(f"{query.q.qname}: an answer to something else")
        return reply


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _parse(content: bytes, query: DNSRecord) -> DNSRecord | None:
    try:
        reply = DNSRecord.parse(content)
    except (DNSError, ValueError):
        return None
    asked = (query.header.id, str(query.q.qname), query.q.qtype)
    answered = (reply.header.id, str(reply.q.qname), reply.q.qtype)
    return reply if reply.header.qr and answered == asked else None
