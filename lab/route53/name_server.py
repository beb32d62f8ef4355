"""A name server for the hosted zones of the lab, over UDP and TCP. It answers as those of Route 53 do.

Answers come from record sets as they are at that moment. A name server of Route 53 gives all values of a
simple record set, in random order (Developer Guide, "Choosing a routing policy", simple routing). Not here:
wildcards, aliases, CNAME chains, delegation to other zones.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from dnslib import (  # type: ignore[import-untyped]
    CLASS,
    EDNS0,
    OPCODE,
    QTYPE,
    RCODE,
    RR,
    DNSError,
    DNSHeader,
    DNSRecord,
)

if TYPE_CHECKING:
    from types import TracebackType

PLAIN_UDP_BYTES = 512  # RFC 1035, 4.2.1: the largest answer for a client that says nothing about it
EDNS_UDP_BYTES = 1232  # what name servers offer since DNS flag day 2020
IDLE_SECONDS = 10  # a TCP connection without a query

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RecordSet:
    """The values of one name and type, written as in Route 53's API."""

    values: tuple[str, ...]
    ttl_seconds: int


# By name, in lower case without the trailing dot, and type. A hosted zone is where there is an SOA.
Records = Mapping[tuple[str, str], RecordSet]


def respond(query: bytes, records: Callable[[], Records], *, udp: bool) -> bytes | None:
    """The answer's bytes; None if `query` deserves none."""
    try:
        request = DNSRecord.parse(query)
    except (DNSError, ValueError):
        return _malformed(query)
    if request.header.qr or not request.questions:
        return None
    try:
        reply = _reply(request, records())
    except Exception:
        log.exception("no answer to %s", request.questions)
        reply = request.reply(aa=0, ra=0)
        reply.header.rcode = RCODE.SERVFAIL
    edns = next((extra for extra in request.ar if extra.rtype == QTYPE.OPT), None)
    if edns:
        reply.add_ar(EDNS0(udp_len=EDNS_UDP_BYTES))
    content = bytes(reply.pack())
    limit = min(max(edns.edns_len, PLAIN_UDP_BYTES), EDNS_UDP_BYTES) if edns else PLAIN_UDP_BYTES
    if udp and len(content) > limit:
        reply.rr, reply.auth = [], []
        reply.header.tc = 1
        content = bytes(reply.pack())
    return content


def _malformed(query: bytes) -> bytes | None:
    if len(query) < 12 or query[2] & 0x80:  # noqa: PLR2004 - a header has 12 bytes; an answer gets no answer
        return None
    (number,) = struct.unpack("!H", query[:2])
    return bytes(DNSRecord(DNSHeader(id=number, qr=1, rcode=RCODE.FORMERR)).pack())


def _reply(request: DNSRecord, records: Records) -> DNSRecord:
    # The question is repeated as it came, and the answer's names are the question's: some resolvers mix
    # upper and lower case and want to see it again ("0x20").
    reply = request.reply(aa=1, ra=0)
    question = request.q
    name = b".".join(question.qname.label).decode("latin-1").lower()
    zone = _zone(name, records)
    if request.header.opcode != OPCODE.QUERY:
        reply.header.rcode = RCODE.NOTIMP
    elif zone is None or question.qclass != CLASS.IN:
        reply.header.rcode = RCODE.REFUSED
    elif found := records.get((name, QTYPE[question.qtype])):
        for value in random.sample(found.values, len(found.values)):
            reply.add_answer(_record(question.qname, QTYPE[question.qtype], found.ttl_seconds, value))
    else:
        if not any(known == name or known.endswith(f".{name}") for known, _ in records):
            reply.header.rcode = RCODE.NXDOMAIN
        soa = records[zone, "SOA"]
        # RFC 2308, 3: a missing name is remembered for the smaller of the SOA's own TTL and its last field.
        negative_ttl_seconds = min(soa.ttl_seconds, int(soa.values[0].split()[-1]))
        reply.add_auth(_record(zone, "SOA", negative_ttl_seconds, soa.values[0]))
    if reply.header.rcode in {RCODE.NOTIMP, RCODE.REFUSED}:
        reply.header.aa = 0
    return reply


def _zone(name: str, records: Records) -> str | None:
    labels = name.split(".")
    candidates = (".".join(labels[start:]) for start in range(len(labels)))
    return next((zone for zone in candidates if (zone, "SOA") in records), None)


def _record(name: object, record_type: str, ttl_seconds: int, value: str) -> RR:
    (record,) = RR.fromZone(f". {ttl_seconds} IN {record_type} {value}")
    record.rname = name
    return record


class DnsServer:
    """Answers from `records()` while the `async with` block runs; `records` must not block."""

    def __init__(self, records: Callable[[], Records], host: str = "127.0.0.1", port: int = 0) -> None:
        self._records = records
        self._host = host
        self._port = port
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once the block has begun."""
        host, port = self._tcp.sockets[0].getsockname()
        return host, port

    async def __aenter__(self) -> Self:
        while True:
            self._tcp = await asyncio.start_server(self._accept, self._host, self._port)
            try:
                self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: _Datagrams(self._records), local_addr=self.address
                )
            except OSError:
                self._tcp.close()
                if self._port:
                    raise
                # A free port of TCP need not be one of UDP.
            else:
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._udp.close()
        self._tcp.close()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections)
        await self._tcp.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.get_running_loop().create_task(self._converse(reader, writer))
        self._connections[connection] = writer
        connection.add_done_callback(self._connections.pop)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            while True:
                async with asyncio.timeout(IDLE_SECONDS):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    query = await reader.readexactly(length)
                answer = respond(query, self._records, udp=False)
                if answer is None:
                    break
                writer.write(struct.pack("!H", len(answer)) + answer)
                async with asyncio.timeout(IDLE_SECONDS):
                    await writer.drain()
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, records: Callable[[], Records]) -> None:
        self._records = records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = respond(data, self._records, udp=True)
        if answer is not None:
            self._transport.sendto(answer, addr)
