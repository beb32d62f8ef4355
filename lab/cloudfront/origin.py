"""An edge's way to an origin: names as DNS told them, connections that are kept, tries again.

Documented (CloudFront guide, "Request and response behavior for custom origins", origin connection timeout
and attempts, origin response timeout): GET and HEAD are tried again, as often as ConnectionAttempts says;
other methods are not. Assumed (docs/decisions.md): an edge honors the record's TTL, a try goes to any of the
addresses, and a kept connection stays with its address, whatever the name says by then.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from lab.cloudfront.distribution import Distribution
    from lab.user.resolver import Resolver

    Headers = list[tuple[bytes, bytes]]

TRIED_AGAIN = frozenset({"GET", "HEAD"})


class OriginError(Exception):
    """The origin gave no answer; an edge answers with `status` instead."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Request:
    """What is asked of an origin."""

    method: str
    target: bytes
    headers: Headers
    body: AsyncIterator[bytes] | None = None


class Origins:
    """An edge's connections to origins."""

    def __init__(self, resolver: Callable[[], Resolver]) -> None:
        self._names = _Names(resolver)
        self._pools: dict[Distribution, httpcore.AsyncConnectionPool] = {}

    async def ask(self, distribution: Distribution, request: Request) -> httpcore.Response:
        """Return the origin's answer, whose body is still to be read, and to be closed.

        Raises:
            OriginError: there is none, after all tries.
        """
        tries = distribution.connection_attempts if request.method in TRIED_AGAIN else 1
        while True:
            tries -= 1
            try:
                return await self._pool(distribution).handle_async_request(_wired(distribution, request))
            except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
                if tries == 0:
                    raise OriginError(
                        504 if isinstance(error, httpcore.TimeoutException) else 502,
                        f"{distribution.origin_name}:{distribution.origin_port}: {error!r}",
                    ) from error

    async def connect(self, distribution: Distribution) -> httpcore.AsyncNetworkStream:
        """Return a connection of a visitor's own, for a WebSocket.

        Raises:
            OriginError: nobody accepts it.
        """
        try:
            return await self._names.connect_tcp(
                distribution.origin_name, distribution.origin_port, distribution.connection_seconds
            )
        except (httpcore.NetworkError, httpcore.TimeoutException) as error:
            raise OriginError(502, f"{distribution.origin_name}: {error!r}") from error

    def kept(self) -> int:
        """Return how many connections may be used again."""
        return sum(not each.has_expired() for pool in self._pools.values() for each in pool.connections)

    async def begin_anew(self) -> None:
        """Know no name and no connection any more."""
        await self.close()
        self._pools.clear()
        self._names.forget()

    async def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    def _pool(self, distribution: Distribution) -> httpcore.AsyncConnectionPool:
        if distribution not in self._pools:
            self._pools[distribution] = httpcore.AsyncConnectionPool(
                max_connections=None,
                max_keepalive_connections=None,
                keepalive_expiry=distribution.keepalive_seconds,
                network_backend=self._names,
            )
        return self._pools[distribution]


def _wired(distribution: Distribution, request: Request) -> httpcore.Request:
    return httpcore.Request(
        request.method,
        httpcore.URL(
            scheme=b"http",
            host=distribution.origin_name.encode(),
            port=distribution.origin_port,
            target=request.target,
        ),
        headers=request.headers,
        content=request.body,
        extensions={
            "timeout": {
                "connect": distribution.connection_seconds,
                "read": distribution.read_seconds,
                "write": distribution.read_seconds,
            }
        },
    )


class _Names(httpcore.AnyIOBackend):
    """Connects to an address of the name; the resolver remembers them for the record's TTL."""

    def __init__(self, resolver: Callable[[], Resolver]) -> None:
        self._make = resolver
        self._resolver: Resolver | None = None

    def forget(self) -> None:
        """Remember no addresses."""
        self._resolver = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection.

        Raises:
            httpcore.NetworkError: the name has no address, or nobody accepts.
        """
        self._resolver = self._resolver or self._make()
        try:
            addresses = await asyncio.to_thread(self._resolver.resolve, host)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        if not addresses:
            raise httpcore.ConnectError(f"{host} has no address")
        address = random.choice(addresses)  # noqa: S311 - no secret
        return await super().connect_tcp(address, port, timeout, local_address, socket_options)
