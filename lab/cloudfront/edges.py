"""The edges of CloudFront: two servers on addresses of their own, with a certificate for each name.

Two, because each edge of AWS knows names, connections and answers of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any

import trustme
from hypercorn.asyncio import serve

from lab.cloudfront.distribution import ZONE, Distribution, distribution
from lab.cloudfront.edge import Edge
from lab.cloudfront.origin import Origins
from lab.ec2.addresses import Addresses
from lab.serving import QuietConfig, listening

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_cloudfront import CloudFrontClient

    from lab.user.resolver import Resolver

NETWORK = IPv4Network("127.32.0.0/11")
COUNT = 2
LOOK_SECONDS = 0.5  # so long an edge goes by the distributions that it saw
END_SECONDS = 10
PORTS = ((443, 80), (8443, 8081), (0, 0))


class Edges:
    """The edges, from `start` to `end`."""

    def __init__(
        self,
        client: CloudFrontClient,
        resolver: Callable[[], Resolver],
        folder: Path,
    ) -> None:
        self._client = client
        self._resolver = resolver
        self._seen: tuple[float, dict[str, Distribution]] = (0, {})
        self._authority = trustme.CA()
        self._certificates: dict[str, ssl.SSLContext] = {}
        self._end = asyncio.Event()
        self._servers: list[asyncio.Task[None]] = []
        self._origins: list[Origins] = []
        self.authority = folder / "authority.pem"
        """Who trusts this certificate trusts the edges."""
        self.addresses: tuple[str, ...] = ()
        self.https_port = self.http_port = 0

    async def start(self) -> None:
        """Serve; ready when it returns."""
        self._loop = asyncio.get_running_loop()
        self._authority.cert_pem.write_to_path(str(self.authority))
        network = Addresses(NETWORK)
        self.addresses = tuple(network.allocate() for _ in range(COUNT))
        listeners = _listeners(self.addresses)
        self.https_port, self.http_port = (each.getsockname()[1] for each in listeners[0])
        for https, http in listeners:
            origins = Origins(self._resolver)
            self._origins.append(origins)
            edge: Any = Edge(self._distribution_of, origins, self.https_port)
            server = serve(edge, _Config(https, http, self._context("")), shutdown_trigger=self._end.wait)
            self._servers.append(asyncio.ensure_future(server))

    def idle_connections(self) -> int:
        """Return how many connections to origins may be used again."""
        return sum(each.kept() for each in self._origins)

    def begin_anew(self) -> None:
        """Let the edges lose the names and connections that they know, as new ones do. It blocks."""
        for each in self._origins:
            asyncio.run_coroutine_threadsafe(each.begin_anew(), self._loop).result(END_SECONDS)

    async def end(self) -> None:
        """Serve no longer."""
        self._end.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await asyncio.gather(*self._servers, return_exceptions=True)
        for each in self._origins:
            await each.close()

    def names(self) -> dict[str, Distribution]:
        """Return the names that the edges answer, of the distributions that are enabled. It blocks."""
        at, found = self._seen
        if time.monotonic() - at > LOOK_SECONDS:
            pages = self._client.get_paginator("list_distributions").paginate()
            summaries = [each for page in pages for each in page["DistributionList"].get("Items", [])]
            every = [distribution(each) for each in summaries if each["Enabled"]]
            found = {name: each for each in every for name in (each.domain_name, *each.aliases)}
            self._seen = time.monotonic(), found
        return found

    async def _distribution_of(self, name: str) -> Distribution | None:
        return (await asyncio.to_thread(self.names)).get(name)

    def _context(self, name: str) -> ssl.SSLContext:
        """Return what a visitor of the name is shown: a certificate of it, or one of the edges' own names."""
        if name not in self._certificates:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["h2", "http/1.1"])
            self._authority.issue_cert(name or f"*.{ZONE}").configure_cert(context)
            if not name:
                context.sni_callback = self._choose
            self._certificates[name] = context
        return self._certificates[name]

    def _choose(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        # Without the name of a distribution: the certificate of CloudFront's own names.
        if name and not name.endswith(f".{ZONE}") and name in self.names():
            connection.context = self._context(name)


class _Config(QuietConfig):
    """hypercorn's, with certificates that are chosen by name."""

    def __init__(self, https: socket.socket, http: socket.socket, context: ssl.SSLContext) -> None:
        super().__init__([https])
        self._context = context
        self.insecure_bind = [f"fd://{http.detach()}"]

    @property
    def ssl_enabled(self) -> bool:
        """Serve TLS."""
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        """Return the edges' own."""
        return self._context


def _listeners(addresses: tuple[str, ...]) -> list[tuple[socket.socket, socket.socket]]:
    """Return for each address a socket for https and one for http: 443 and 80, or what can be had."""
    for https_port, http_port in PORTS:
        opened: list[socket.socket] = []
        try:
            for address in addresses:
                for port in (https_port, http_port):
                    wanted = port or (opened[len(opened) % 2].getsockname()[1] if len(opened) > 1 else 0)
                    opened.append(listening(address, wanted))
        except OSError:
            for each in opened:
                each.close()
        else:
            return list(zip(opened[::2], opened[1::2], strict=True))
    raise OSError("no ports can be had for the edges of CloudFront")
