"""The load's clients against a toy server on loopback: what they meet is what they note."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import h11
import pytest

from lab.route53.name_server import DnsServer, Records, RecordSet
from lab.waiting import until
from trials.load.answers import Answers
from trials.load.clients import Client, ClientSettings, Load, Note, due_times, run
from trials.load.http_client import (
    CutOffError,
    NoAddressError,
    StatusError,
    failure,
    version_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trials.picture.recording import Request

    Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

ANSWER = "Hello, World! version 7, task abc\n"
PATIENCE_SECONDS = 20.0
NO_PATIENCE_SECONDS = 0.2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(), "refused"),
        (ConnectionResetError(), "reset"),
        (BrokenPipeError(), "reset"),
        (CutOffError(), "closed without a whole answer"),
        (TimeoutError(), "timed out"),
        (NoAddressError("app.example.com"), "no address"),
        (OSError(113, "No route to host"), "unreachable"),
        (StatusError("503"), "HTTP 503"),
        (h11.RemoteProtocolError("not HTTP"), "no HTTP"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_kind_of_a_failure(error: Exception, expected: str) -> None:
    assert failure(error) == expected


def test_an_error_of_our_own_is_no_failure_of_the_service() -> None:
    with pytest.raises(KeyError):
        failure(KeyError("a bug"))


@pytest.mark.parametrize(
    ("body", "expected"),
    [(ANSWER, "7"), ("version 1.2-rc, task x", "1.2-rc"), ("no such word", "")],
    ids=["hello_app", "with-dots", "none"],
)
def test_the_version_of_a_page(body: str, expected: str) -> None:
    assert version_of(body.encode()) == expected


def test_requests_are_due_at_a_fixed_rate_from_the_first_on() -> None:
    assert list(itertools.islice(due_times(100.0, 4), 4)) == [100.0, 100.25, 100.5, 100.75]


def answer(status: str = "200 OK", *, connection: str = "keep-alive", length: int = len(ANSWER)) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n"
    return (head + ANSWER).encode()


async def answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        closes = b"connection: close" in head.lower()
        writer.write(answer(connection="close" if closes else "keep-alive"))
        if closes:
            return


async def says_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(connection="close"))
    await reader.read()


async def is_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer("503 Service Unavailable"))


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def stops_half_way(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer(length=len(ANSWER) + 1))


async def is_silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()
    await reader.read()


async def speaks_otherwise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example.com ready\r\n\r\n")


async def answers_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keeps the connection open, and hangs up when the next request comes on it."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(answer())
    await reader.readuntil(b"\r\n\r\n")


class Toy:
    """A host name for each way to behave, each at an address of its own, all on one port."""

    def __init__(self, ways: dict[str, Serve]) -> None:
        self.ways = ways
        self.port = 0
        self.connections: list[str] = []
        self.looked_up = 0
        self._servers: dict[str, asyncio.Server] = {}
        self._served: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.records: dict[tuple[str, str], RecordSet] = {
            ("example.com", "SOA"): RecordSet(("ns. host. 1 7200 900 1209600 60",), 900),
            ("refuses.example.com", "A"): RecordSet(("127.77.9.9",), 60),
        }

    def known(self) -> Records:
        self.looked_up += 1
        return self.records

    async def open(self, stack: AsyncExitStack) -> None:
        stack.push_async_callback(self._end)
        for number, (name, serve) in enumerate(self.ways.items(), 1):
            address = f"127.77.0.{number}"
            server = await asyncio.start_server(self._noting(name, serve), address, self.port)
            self.port = server.sockets[0].getsockname()[1]
            self._servers[name] = server
            self.records[f"{name}.example.com", "A"] = RecordSet((address,), 60)

    def close(self, name: str) -> None:
        self._servers[name].close()

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        for writer in self._served.values():
            writer.close()
        await asyncio.gather(*self._served)

    def _noting(
        self, name: str, serve: Serve
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        async def noting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections.append(name)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._served[asyncio.create_task(noting(reader, writer))] = writer

        return accept


WAYS: dict[str, Serve] = {
    "answers": answers,
    "says-close": says_close,
    "is-down": is_down,
    "resets": resets,
    "hangs-up": hangs_up,
    "stops-half-way": stops_half_way,
    "is-silent": is_silent,
    "speaks-otherwise": speaks_otherwise,
    "answers-once": answers_once,
}


@asynccontextmanager
async def toy() -> AsyncIterator[tuple[Toy, Load]]:
    async with AsyncExitStack() as stack:
        made = Toy(WAYS)
        await made.open(stack)
        name_server = await stack.enter_async_context(DnsServer(made.known))
        yield made, Load(name_server.address, PATIENCE_SECONDS, ())


def settings(name: str, port: int, *, keeps_alive: bool = False) -> ClientSettings:
    return ClientSettings(
        name="1",
        host_name=f"{name}.example.com",
        port=port,
        requests_per_second=50,
        first_after_seconds=0,
        keeps_alive=keeps_alive,
        holds_seconds=0,
    )


Noted = list[tuple["Request", bool]]


def noting(noted: Noted) -> Note:
    def note(_: str, request: Request, /, *, repeated: bool, overdue_seconds: float) -> None:
        assert overdue_seconds >= 0
        noted.append((request, repeated))

    return note


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("answers", ("127.77.0.1", "7", "")),
        ("is-down", ("127.77.0.3", "", "HTTP 503")),
        ("resets", ("127.77.0.4", "", "reset")),
        ("hangs-up", ("127.77.0.5", "", "closed without a whole answer")),
        ("stops-half-way", ("127.77.0.6", "", "closed without a whole answer")),
        ("speaks-otherwise", ("127.77.0.8", "", "no HTTP")),
        ("refuses", ("127.77.9.9", "", "refused")),
        ("has-no-address", ("", "", "no address")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("keeps_alive", [False, True], ids=["new-connection", "kept-alive"])
def test_what_a_request_meets_is_what_is_noted(
    name: str, expected: tuple[str, str, str], *, keeps_alive: bool
) -> None:
    noted: Noted = []

    async def one() -> list[str]:
        async with toy() as (made, load):
            with closing(
                Client(settings(name, made.port, keeps_alive=keeps_alive), load, noting(noted))
            ) as client:
                await client.request(time.time())
            return made.connections

    connections = asyncio.run(one())
    [(request, repeated)] = noted
    assert (request.address, request.version, request.failure) == expected
    assert not repeated
    assert len(connections) <= 1, "it was sent again"


def test_a_request_that_nobody_answers_times_out() -> None:
    noted: Noted = []

    async def one() -> None:
        async with toy() as (made, load):
            impatient = replace(load, timeout_seconds=NO_PATIENCE_SECONDS)
            await Client(settings("is-silent", made.port), impatient, noting(noted)).request(time.time())

    asyncio.run(one())
    [(request, _)] = noted
    assert request.failure == "timed out"
    assert request.address == "127.77.0.7"


def test_latency_counts_from_when_the_request_was_due() -> None:
    noted: Noted = []

    async def late() -> None:
        async with toy() as (made, load):
            for overdue_seconds in (5, PATIENCE_SECONDS + 5):
                client = Client(settings("answers", made.port), load, noting(noted))
                await client.request(time.time() - overdue_seconds)

    asyncio.run(late())
    assert [request.failure for request, _ in noted] == ["", "timed out"]
    assert noted[0][0].latency_seconds >= 5


@pytest.mark.parametrize(
    ("name", "keeps_alive", "connections"),
    [("answers", True, 1), ("answers", False, 3), ("says-close", True, 3)],
    ids=["kept-alive", "new-for-each-request", "the-server-says-close"],
)
def test_how_many_connections_three_requests_take(name: str, connections: int, *, keeps_alive: bool) -> None:
    noted: Noted = []

    async def three() -> list[str]:
        async with toy() as (made, load):
            with closing(
                Client(settings(name, made.port, keeps_alive=keeps_alive), load, noting(noted))
            ) as client:
                for _ in range(3):
                    await client.request(time.time())
            return made.connections

    assert len(asyncio.run(three())) == connections
    assert [(request.failure, repeated) for request, repeated in noted] == [("", False)] * 3


def test_a_kept_connection_that_the_server_closed_while_idle_is_repeated_once_and_counted() -> None:
    noted: Noted = []

    async def twice() -> list[str]:
        async with toy() as (made, load):
            with closing(
                Client(settings("answers-once", made.port, keeps_alive=True), load, noting(noted))
            ) as client:
                for _ in range(2):
                    await client.request(time.time())
            return made.connections

    assert len(asyncio.run(twice())) == 2
    assert [(request.failure, repeated) for request, repeated in noted] == [("", False), ("", True)]


def test_a_repeated_request_may_fail_too() -> None:
    noted: Noted = []

    async def twice() -> None:
        async with toy() as (made, load):
            with closing(
                Client(settings("answers-once", made.port, keeps_alive=True), load, noting(noted))
            ) as client:
                await client.request(time.time())
                made.close("answers-once")  # accepts nobody any more
                await client.request(time.time())

    asyncio.run(twice())
    assert [(request.failure, repeated) for request, repeated in noted] == [("", False), ("refused", True)]


def test_a_kept_connection_goes_on_where_the_name_no_longer_points() -> None:
    noted: Noted = []

    async def moved() -> None:
        async with toy() as (made, load):
            made.records["answers.example.com", "A"] = RecordSet(("127.77.0.1",), 0)
            keeps, asks = (
                Client(settings("answers", made.port, keeps_alive=keeps), load, noting(noted))
                for keeps in (True, False)
            )
            with closing(keeps):
                for client in (keeps, asks):
                    await client.request(time.time())
                made.records["answers.example.com", "A"] = RecordSet(("127.77.9.9",), 0)
                for client in (keeps, asks):
                    await client.request(time.time())

    asyncio.run(moved())
    assert [request.failure for request, _ in noted] == ["", "", "", "refused"]


def test_nobody_asks_before_the_name_is_there() -> None:
    noted: Noted = []

    async def asked() -> None:
        async with toy() as (made, load):
            there = made.records.pop(("answers.example.com", "A"))
            end = asyncio.Event()
            clients = (settings("answers", made.port),)
            asking = asyncio.create_task(run(replace(load, clients=clients), noting(noted), end))
            await asyncio.to_thread(until, lambda: made.looked_up >= 3, "three looks")
            made.records["answers.example.com", "A"] = there
            await asyncio.to_thread(until, lambda: len(noted) >= 3, "three answers")
            end.set()
            await asking

    asyncio.run(asked())
    assert {request.failure for request, _ in noted} == {""}


def test_the_clients_process_brings_every_answer() -> None:
    async def served() -> Answers:
        async with toy() as (made, load):
            names = ("answers", "refuses", "answers-once")
            clients = tuple(settings(name, made.port, keeps_alive=True) for name in names)
            return await asyncio.to_thread(asked, replace(load, clients=clients))

    def asked(load: Load) -> Answers:
        with Answers(load) as answers:
            until(lambda: answers.total >= 30 and answers.repeated, "thirty answers")
        return answers

    found = asyncio.run(served())
    assert found.total == sum(len(requests) for requests in found.requests.values())
    assert {request.failure for request in found.requests["answers.example.com"]} == {""}
    assert {request.version for request in found.requests["answers.example.com"]} == {"7"}
    assert {request.failure for request in found.requests["refuses.example.com"]} == {"refused"}
    assert found.failed == len(found.requests["refuses.example.com"])
    assert set(found.repeated) == {"answers-once.example.com"}
