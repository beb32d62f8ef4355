"""The lab's name server, asked over the wire, and the resolver that remembers its answers."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from dnslib import (  # type: ignore[import-untyped]
    EDNS0,
    OPCODE,
    QTYPE,
    RCODE,
    RR,
    A,
    DNSHeader,
    DNSQuestion,
    DNSRecord,
)

from lab.route53.name_server import DnsServer, Records, RecordSet, respond
from lab.user.resolver import ResolutionError, Resolver

SOA = RecordSet(("ns-1.awsdns.example. hostmaster.example.com. 1 7200 900 1209600 86400",), 900)
RECORDS: Records = {
    ("example.com", "SOA"): SOA,
    ("example.com", "NS"): RecordSet(("ns-1.awsdns.example.", "ns-2.awsdns.example."), 172800),
    ("app.example.com", "A"): RecordSet(("127.64.0.1", "127.64.0.2", "127.64.0.3"), 10),
    ("_pushlive.app.example.com", "TXT"): RecordSet(('"service=web" "two \\"words\\""',), 300),
    ("deep.down.example.com", "A"): RecordSet(("127.64.0.9",), 60),
    ("big.example.com", "A"): RecordSet(tuple(f"127.64.1.{n}" for n in range(40)), 10),
    ("huge.example.com", "A"): RecordSet(tuple(f"127.64.2.{n}" for n in range(200)), 10),
    ("sub.example.com", "SOA"): RecordSet((SOA.values[0].replace("86400", "60"),), 900),
    ("sub.example.com", "A"): RecordSet(("127.64.0.7",), 10),
}


@contextmanager
def serving(records: Callable[[], Records]) -> Iterator[tuple[str, int]]:
    """A server in a thread of its own, so that clients here may block."""
    ready = threading.Event()
    running: list[tuple[tuple[str, int], asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with DnsServer(records) as server:
            stop = asyncio.Event()
            running.append((server.address, asyncio.get_running_loop(), stop))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(20), "the server did not start"
    address, loop, stop = running[0]
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        assert not thread.is_alive(), "the server did not end"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with serving(lambda: RECORDS) as address:
        yield address


def ask(server: tuple[str, int], name: str, record_type: str, *, tcp: bool = False) -> DNSRecord:
    query = DNSRecord.question(name, record_type)
    return DNSRecord.parse(query.send(*server, tcp=tcp, timeout=20))


def values(reply: DNSRecord) -> list[str]:
    return [str(record.rdata) for record in reply.rr]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(
    ("name", "record_type", "expected", "ttl_seconds"),
    [
        ("app.example.com", "A", {"127.64.0.1", "127.64.0.2", "127.64.0.3"}, 10),
        ("APP.Example.com", "A", {"127.64.0.1", "127.64.0.2", "127.64.0.3"}, 10),
        ("_pushlive.app.example.com", "TXT", {'"service=web","two "words""'}, 300),
        ("example.com", "NS", {"ns-1.awsdns.example.", "ns-2.awsdns.example."}, 172800),
        ("example.com", "SOA", {SOA.values[0]}, 900),
        ("sub.example.com", "A", {"127.64.0.7"}, 10),
    ],
    ids=["A-all-values", "any-case", "TXT", "NS", "SOA", "apex-of-another-zone"],
)
def test_answer(
    server: tuple[str, int], name: str, record_type: str, expected: set[str], ttl_seconds: int, *, tcp: bool
) -> None:
    reply = ask(server, name, record_type, tcp=tcp)
    assert (reply.header.rcode, reply.header.aa, reply.header.ra) == (RCODE.NOERROR, 1, 0)
    assert {value.replace("(", "").replace(")", "") for value in values(reply)} == expected
    assert {(str(record.rname), record.ttl) for record in reply.rr} == {(f"{name}.", ttl_seconds)}


def test_values_come_in_every_order(server: tuple[str, int]) -> None:
    seen: set[tuple[str, ...]] = set()
    for _ in range(500):  # 6 orders: not to see one of them has the odds 1 in 10**39
        seen.add(tuple(values(ask(server, "app.example.com", "A"))))
        if len(seen) == 6:
            return
    pytest.fail(f"seen: {seen}")


@pytest.mark.parametrize(
    ("name", "record_type", "rcode", "negative_ttl_seconds"),
    [
        ("nobody.example.com", "A", "NXDOMAIN", 900),
        ("app.example.com", "AAAA", "NOERROR", 900),
        ("app.example.com", "HTTPS", "NOERROR", 900),
        ("_pushlive.app.example.com", "A", "NOERROR", 900),
        ("down.example.com", "A", "NOERROR", 900),
        ("nobody.sub.example.com", "A", "NXDOMAIN", 60),
        ("app.example.org", "A", "REFUSED", None),
        ("notexample.com", "A", "REFUSED", None),
    ],
    ids=[
        "missing-name",
        "missing-type",
        "type-of-today",
        "name-of-a-TXT-only",
        "name-between-names",
        "nearest-zone-decides",
        "another-domain",
        "same-ending-but-no-subdomain",
    ],
)
def test_no_answer(
    server: tuple[str, int], name: str, record_type: str, rcode: str, negative_ttl_seconds: int | None
) -> None:
    reply = ask(server, name, record_type)
    assert RCODE[reply.header.rcode] == rcode
    assert reply.rr == []
    assert [(QTYPE[r.rtype], r.ttl) for r in reply.auth] == (
        [("SOA", negative_ttl_seconds)] if negative_ttl_seconds else []
    )


@pytest.mark.parametrize(
    ("name", "edns_bytes", "truncated"),
    [
        ("app.example.com", None, False),
        ("big.example.com", None, True),
        ("big.example.com", 4096, False),
        ("big.example.com", 600, True),
        ("huge.example.com", 65535, True),
    ],
    ids=["fits", "over-512", "client-takes-more", "client-takes-too-little", "more-than-we-ever-send"],
)
def test_long_answer_over_udp_is_cut_and_whole_over_tcp(
    server: tuple[str, int], name: str, edns_bytes: int | None, *, truncated: bool
) -> None:
    query = DNSRecord.question(name, "A")
    if edns_bytes:
        query.add_ar(EDNS0(udp_len=edns_bytes))
    content = query.send(*server, timeout=20)
    reply = DNSRecord.parse(content)
    assert (bool(reply.header.tc), not reply.rr) == (truncated, truncated)
    assert len(content) <= 1232
    assert [QTYPE[extra.rtype] for extra in reply.ar] == (["OPT"] if edns_bytes else [])
    assert len(ask(server, name, "A", tcp=True).rr) == len(RECORDS[name, "A"].values)


def test_tcp_connection_takes_one_query_after_the_other(server: tuple[str, int]) -> None:
    with socket.create_connection(server, timeout=20) as connection, connection.makefile("rb") as answers:
        for name in ("app.example.com", "nobody.example.com", "deep.down.example.com"):
            content = DNSRecord.question(name, "A").pack()
            connection.sendall(struct.pack("!H", len(content)) + content)
            (length,) = struct.unpack("!H", answers.read(2))
            assert str(DNSRecord.parse(answers.read(length)).q.qname) == f"{name}."


def test_server_closes_though_a_connection_is_open() -> None:
    with socket.socket() as connection:
        connection.settimeout(20)
        with serving(lambda: RECORDS) as address:
            connection.connect(address)
            connection.sendall(b"\x00")
            ask(address, "app.example.com", "A")
        with suppress(ConnectionResetError):  # the byte may still be unread
            assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("query", "rcode"),
    [
        (b"", None),
        (b"\x12\x34", None),
        (DNSRecord.question("app.example.com").reply().pack(), None),
        (DNSRecord(DNSHeader(id=1)).pack(), None),
        (DNSRecord.question("app.example.com").pack()[:-3], RCODE.FORMERR),
        (DNSRecord(DNSHeader(opcode=OPCODE.UPDATE), q=DNSQuestion("app.example.com")).pack(), RCODE.NOTIMP),
        (DNSRecord(q=DNSQuestion("app.example.com", QTYPE.A, 3)).pack(), RCODE.REFUSED),
    ],
    ids=["empty", "no-header", "an-answer", "no-question", "cut-short", "update", "class-chaos"],
)
def test_what_is_no_question_of_ours(query: bytes, rcode: int | None) -> None:
    answer = respond(query, lambda: RECORDS, udp=True)
    assert (answer and DNSRecord.parse(answer).header.rcode) == rcode


def test_records_are_read_afresh_and_may_fail_for_a_moment(caplog: pytest.LogCaptureFixture) -> None:
    current: dict[tuple[str, str], RecordSet] = dict(RECORDS)
    with serving(lambda: current) as address:
        current["app.example.com", "A"] = RecordSet(("127.64.0.77",), 10)
        assert values(ask(address, "app.example.com", "A")) == ["127.64.0.77"]
        current["app.example.com", "A"] = RecordSet(("no address",), 10)
        assert ask(address, "app.example.com", "A").header.rcode == RCODE.SERVFAIL
        assert "no answer to" in caplog.text
        del current["app.example.com", "A"]
        # Its ownership TXT is below it, so that the name still exists.
        assert ask(address, "app.example.com", "A").header.rcode == RCODE.NOERROR


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_resolver_keeps_an_answer_for_its_ttl() -> None:
    current: dict[tuple[str, str], RecordSet] = dict(RECORDS)
    clock = Clock()
    with serving(lambda: current) as address:
        resolver = Resolver(address, clock)
        assert sorted(resolver.resolve("app.example.com")) == ["127.64.0.1", "127.64.0.2", "127.64.0.3"]
        current["app.example.com", "A"] = RecordSet(("127.64.0.4",), 10)
        clock.now += 9.9
        assert len(resolver.resolve("APP.example.com.")) == 3
        clock.now += 0.1
        assert resolver.resolve("app.example.com") == ["127.64.0.4"]


def test_some_resolvers_hold_an_answer_beyond_its_ttl() -> None:
    current: dict[tuple[str, str], RecordSet] = dict(RECORDS)
    clock = Clock()
    with serving(lambda: current) as address:
        resolver = Resolver(address, clock, hold_seconds=5)
        assert resolver.remembered("deep.down.example.com") is None
        assert resolver.resolve("deep.down.example.com") == ["127.64.0.9"]
        current["deep.down.example.com", "A"] = RecordSet(("127.64.0.4",), 10)
        clock.now += 64.9
        assert resolver.remembered("Deep.Down.example.com.") == ["127.64.0.9"]
        assert resolver.resolve("deep.down.example.com") == ["127.64.0.9"]
        clock.now += 0.1
        assert resolver.remembered("deep.down.example.com") is None
        assert resolver.resolve("deep.down.example.com") == ["127.64.0.4"]


def test_resolver_remembers_a_missing_name_as_long_as_the_soa_says() -> None:
    current: dict[tuple[str, str], RecordSet] = dict(RECORDS)
    clock = Clock()
    with serving(lambda: current) as address:
        resolver = Resolver(address, clock)
        assert resolver.resolve("new.example.com") == []
        current["new.example.com", "A"] = RecordSet(("127.64.0.5",), 10)
        clock.now += 899
        assert resolver.resolve("new.example.com") == []
        clock.now += 1
        assert resolver.resolve("new.example.com") == ["127.64.0.5"]


def test_resolver_does_not_remember_a_ttl_of_0() -> None:
    current: dict[tuple[str, str], RecordSet] = {("example.com", "SOA"): SOA}
    with serving(lambda: current) as address:
        resolver = Resolver(address, Clock())
        for number in range(3):
            current["app.example.com", "A"] = RecordSet((f"127.64.0.{number}",), 0)
            assert resolver.resolve("app.example.com") == [f"127.64.0.{number}"]


def test_resolver_fetches_a_cut_answer_over_tcp(server: tuple[str, int]) -> None:
    assert len(Resolver(server).resolve("huge.example.com")) == 200


def test_resolver_fails_where_the_server_refuses_and_where_there_is_none(server: tuple[str, int]) -> None:
    with pytest.raises(ResolutionError, match="REFUSED"):
        Resolver(server).resolve("app.example.org")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        address = closed.getsockname()
    with pytest.raises(ResolutionError, match="no answer"):
        Resolver(address).resolve("app.example.com")


def test_resolver_passes_over_answers_to_other_questions() -> None:
    def lie_then_answer(connection: socket.socket) -> None:
        query, client = connection.recvfrom(512)
        request = DNSRecord.parse(query)
        for change in ("id", "name", "none"):
            reply = request.reply()
            reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A("127.66.6.6"), ttl=60))
            if change == "id":
                reply.header.id ^= 1
            elif change == "name":
                reply.questions = [DNSQuestion("other.example.com")]
            else:
                reply.rr = [RR(request.q.qname, QTYPE.A, rdata=A("127.64.0.1"), ttl=60)]
            connection.sendto(b"nonsense", client)
            connection.sendto(reply.pack(), client)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.bind(("127.0.0.1", 0))
        connection.settimeout(20)
        liar = threading.Thread(target=lie_then_answer, args=(connection,))
        liar.start()
        assert Resolver(connection.getsockname()).resolve("app.example.com") == ["127.64.0.1"]
        liar.join(20)
