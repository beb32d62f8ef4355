"""Open-loop clients, in a process of their own: `python -m trials.load.clients`.

Its standard input holds one line of JSON, the `Load`; when that input ends, so do the clients. Each answer is
a line of JSON on its standard output: the service's host name, the fields of a `Request`, whether it was sent
a second time, and how many seconds after it was due it was begun: that delay is this machine's doing.

Open loop: a request is sent when it is due, also where earlier ones are still waiting, and its latency counts
from then; so a slow server cannot slow down those who measure it. A request fails after its time-out, which
includes resolving and connecting.

No request is sent again, with one exception, which real clients make too (RFC 9110, 9.2.2): a kept-alive
connection that had served an answer before, and ended without any byte of an answer to this one. The server
may have closed it, idle, while the request was on its way. Then a GET is sent once more on a new
connection, within the same time-out, and counted among those that were repeated, whatever becomes of it.

A client that keeps connections alive uses them as long as the server allows it, wherever its name points to
by then: it resolves the name only for a new connection, as browsers and connection pools do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict, astuple, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lab.user.resolver import ResolutionError, Resolver
from trials.load.http_client import Connection, CutOffError, NoAddressError, failure, version_of
from trials.picture.recording import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

FLUSH_SECONDS = 0.2
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class ClientSettings:
    """How one client asks."""

    name: str
    host_name: str
    port: int
    requests_per_second: float
    first_after_seconds: float
    """So that the clients do not all ask at the same moment."""
    keeps_alive: bool
    holds_seconds: float
    """How long it keeps an address beyond its TTL."""
    authority: str = ""
    """A file of trusted certificates; with one it asks by HTTPS."""
    posts: bool = False
    """It sends POST, and never a second time."""


@dataclass(frozen=True)
class Load:
    """All clients of a run, the name server that they ask, and their patience."""

    name_server: tuple[str, int]
    timeout_seconds: float
    clients: tuple[ClientSettings, ...]

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Load:
        """Return what `to_json` wrote."""
        given = json.loads(text)
        host, port = given["name_server"]
        clients = tuple(ClientSettings(**each) for each in given["clients"])
        return cls((host, port), given["timeout_seconds"], clients)


def due_times(first: float, requests_per_second: float) -> Iterator[float]:
    """Return when each request is due; the n-th does not depend on how the others fared."""
    number = 0
    while True:
        yield first + number / requests_per_second
        number += 1


class Note(Protocol):
    """Takes what became of a request."""

    def __call__(
        self, host_name: str, request: Request, /, *, repeated: bool, overdue_seconds: float
    ) -> None:
        """Take it."""


class Client:
    """One client with its resolver and, if it keeps them, its connections."""

    def __init__(self, settings: ClientSettings, load: Load, note: Note) -> None:
        self._settings = settings
        self._timeout_seconds = load.timeout_seconds
        self._note = note
        self._resolver = Resolver(load.name_server, hold_seconds=settings.holds_seconds)
        self._resolving = asyncio.Lock()
        self._idle: list[Connection] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, end: asyncio.Event) -> None:
        """Send requests when they are due, until `end`; then wait for those under way."""
        first = time.time() + self._settings.first_after_seconds
        for due in due_times(first, self._settings.requests_per_second):
            try:
                async with asyncio.timeout(max(0.0, due - time.time())):
                    await end.wait()
                break
            except TimeoutError:
                request = asyncio.create_task(self.request(due))
                self._under_way.add(request)
                request.add_done_callback(self._under_way.discard)
        await asyncio.gather(*self._under_way)
        self.close()

    def close(self) -> None:
        """Close the connections that are kept."""
        for connection in self._idle:
            connection.close()

    async def request(self, due: float) -> None:
        """Send one request, and note what became of it."""
        attempt = Attempt(overdue_seconds=max(0.0, time.time() - due))
        try:
            async with asyncio.timeout(max(0.0, due + self._timeout_seconds - time.time())):
                attempt.version = version_of(await self._body(attempt))
        except Exception as error:  # noqa: BLE001 - `failure` raises what is no failure of a request
            attempt.failure = failure(error)
        made = Request(
            at=due,
            latency_seconds=time.time() - due,
            client=self._settings.name,
            address=attempt.address,
            version=attempt.version,
            failure=attempt.failure,
        )
        self._note(
            self._settings.host_name, made, repeated=attempt.repeated, overdue_seconds=attempt.overdue_seconds
        )

    async def _body(self, attempt: Attempt) -> bytes:
        connection = self._kept() or await self._new(attempt)
        attempt.address = connection.address
        try:
            return await self._get(connection)
        except (CutOffError, ConnectionResetError, BrokenPipeError):
            if not connection.used or connection.heard or self._settings.posts:
                raise
            attempt.repeated = True
        connection = await self._new(attempt)
        return await self._get(connection)

    async def _get(self, connection: Connection) -> bytes:
        keep = False
        try:
            body = await connection.ask(
                self._settings.host_name, keep=self._settings.keeps_alive, post=self._settings.posts
            )
            keep = self._settings.keeps_alive and connection.reusable()
        finally:
            if keep:
                self._idle.append(connection)
            else:
                connection.close()
        return body

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable():
                return connection
            connection.close()
        return None

    async def _new(self, attempt: Attempt) -> Connection:
        addresses = await self._resolve()
        if not addresses:
            attempt.address = ""
            raise NoAddressError(self._settings.host_name)
        # The first of several, as most clients do; the name server shuffles them.
        attempt.address = addresses[0]
        settings = self._settings
        return await Connection.open(addresses[0], settings.port, settings.host_name, settings.authority)

    async def _resolve(self) -> list[str]:
        name = self._settings.host_name
        found = self._resolver.remembered(name)
        if found is None:
            async with self._resolving:  # the resolver blocks, and is nobody's but this client's
                try:
                    found = await asyncio.to_thread(self._resolver.resolve, name)
                except ResolutionError as error:
                    raise NoAddressError(str(error)) from error
        return found


@dataclass
class Attempt:
    """What is known of a request so far."""

    address: str = ""
    version: str = ""
    failure: str = ""
    repeated: bool = False
    overdue_seconds: float = 0


async def run(load: Load, note: Note, end: asyncio.Event) -> None:
    """Let all clients ask until `end`, from when all their names have addresses."""
    for name in sorted({settings.host_name for settings in load.clients}):
        while not end.is_set() and not await _addresses(load.name_server, name):
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await end.wait()
    async with asyncio.TaskGroup() as group:
        for settings in load.clients:
            group.create_task(Client(settings, load, note).run(end))


async def _addresses(name_server: tuple[str, int], name: str) -> list[str]:
    """What a resolver that remembers nothing says: a client's own would remember that the name is missing."""
    try:
        return await asyncio.to_thread(Resolver(name_server).resolve, name)
    except ResolutionError:
        return []


async def main() -> None:
    """What standard input says, to standard output."""
    load = Load.from_json(sys.stdin.readline())
    end = asyncio.Event()

    def note(host_name: str, request: Request, /, *, repeated: bool, overdue_seconds: float) -> None:
        fields: list[Any] = [host_name, *astuple(request), repeated, overdue_seconds]
        sys.stdout.write(json.dumps(fields) + "\n")

    async def flush() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            sys.stdout.flush()

    async def until_input_ends() -> None:
        await asyncio.to_thread(sys.stdin.read)
        end.set()

    others = [asyncio.create_task(flush()), asyncio.create_task(until_input_ends())]
    await run(load, note, end)
    for other in others:
        other.cancel()
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
