"""An edge: answers visitors over HTTPS, from what it keeps or from the origin.

Not here: compression, HTTP/3, IPv6, ranges, and an `Expires` without Cache-Control.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

from lab.cloudfront.origin import OriginError, Request
from lab.cloudfront.web_socket import pass_web_socket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from lab.cloudfront.distribution import Distribution
    from lab.cloudfront.origin import Headers, Origins

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

# Of one connection alone (RFC 9110, 7.6.1), and what HTTP/1.1's framing says anew.
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
LARGEST_KEPT = 10_000_000  # bytes
SECURITY_HEADERS = (  # CloudFront guide, "Use managed response headers policies", SecurityHeadersPolicy
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-xss-protection", b"1; mode=block"),
)


class Kept(NamedTuple):
    """An answer that an edge keeps."""

    until: float
    status: int
    headers: Headers
    body: bytes


class Edge:
    """An ASGI application: one edge, with names, connections and answers of its own."""

    def __init__(
        self,
        distributions: Callable[[str], Awaitable[Distribution | None]],
        origins: Origins,
        https_port: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._distribution_of = distributions
        self._origins = origins
        self._https_port = https_port
        self._clock = clock
        self._kept: dict[tuple[Any, ...], Kept] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a visitor."""
        if scope["type"] == "lifespan":
            return
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        found = await self._distribution_of(host.partition(":")[0].lower())
        if scope["type"] == "websocket":
            await pass_web_socket(self._origins, found, scope, receive, send)
        elif found is None:
            await _say(send, 403, "no distribution has this name")
        elif scope["scheme"] == "http" and found.redirects:
            await self._redirect(host, scope, send)
        elif scope["method"] not in found.methods:
            await _say(send, 403, f"the distribution does not allow {scope['method']}")
        else:
            await self._answer(found, scope, receive, send)

    async def _redirect(self, host: str, scope: Message, send: Send) -> None:
        """Send a visitor to https (CloudFront guide, "Require HTTPS for communication between viewers …")."""
        port = "" if self._https_port == 443 else f":{self._https_port}"  # noqa: PLR2004 - that of https
        location = f"https://{host.partition(':')[0]}{port}".encode() + _target(scope)
        status = 301 if scope["method"] in ("GET", "HEAD") else 307
        await _say(send, status, "see there", [(b"location", location)])

    async def _answer(self, found: Distribution, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        # What tells answers apart with UseOriginCacheControlHeaders (guide, "Use managed cache policies").
        told_apart = tuple(headers.get(each) for each in (b"host", b"origin", b"cookie"))
        key = (found.domain_name, _target(scope), told_apart)
        kept = self._kept.get(key)
        reads = scope["method"] in ("GET", "HEAD")
        if reads and kept and self._clock() < kept.until:
            await _start(send, kept.status, [*kept.headers, (b"x-cache", b"Hit from cloudfront")])
            await _body(send, b"" if scope["method"] == "HEAD" else kept.body)
            return
        request = Request(
            scope["method"], _target(scope), _to_origin(found, scope), None if reads else _stream(receive)
        )
        try:
            answer = await self._origins.ask(found, request)
        except OriginError as error:
            body = f"{error.status}: the origin gave no answer. {error}\n".encode()
            self._keep(key, found, Kept(0, error.status, _plain(body), body), scope)
            await _start(send, error.status, [*_plain(body), (b"x-cache", b"Error from cloudfront")])
            await _body(send, body)
            return
        try:
            back = _to_visitor(found, answer.headers)
            await _start(send, answer.status, [*back, (b"x-cache", b"Miss from cloudfront")])
            body = b""
            async for part in answer.aiter_stream():
                body += part if len(body) <= LARGEST_KEPT else b""
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await _body(send, b"")
        finally:
            await answer.aclose()
        if len(body) <= LARGEST_KEPT:
            self._keep(key, found, Kept(0, answer.status, back, body), scope)

    def _keep(self, key: tuple[Any, ...], found: Distribution, kept: Kept, scope: Message) -> None:
        """Keep an answer to GET for as long as the origin and the distribution say."""
        cache_control = b",".join(value for name, value in kept.headers if name == b"cache-control")
        seconds = found.keep_seconds(kept.status, cache_control.decode("latin-1"))
        if scope["method"] == "GET" and seconds > 0:
            self._kept[key] = kept._replace(until=self._clock() + seconds)


def _target(scope: Message) -> bytes:
    path: bytes = scope["raw_path"]
    return path + b"?" + scope["query_string"] if scope["query_string"] else path


def _to_origin(found: Distribution, scope: Message) -> Headers:
    """Return a visitor's headers as the origin gets them (the same page, HTTP request headers)."""
    own = {name.lower().encode() for name, _ in found.origin_headers} | {b"x-forwarded-for", b"host"}
    passed = [(name, value) for name, value in scope["headers"] if name not in HOP_BY_HOP | own]
    given = dict(scope["headers"])
    host = given.get(b"host", b"") if found.sends_host else found.origin_name.encode()
    client = scope["client"][0].encode() if scope.get("client") else b""
    seen = b", ".join(each for each in (given.get(b"x-forwarded-for"), client) if each)
    added = [(name.encode(), value.encode()) for name, value in found.origin_headers]
    return [(b"host", host), *passed, (b"x-forwarded-for", seen), (b"via", b"2.0 cloudfront"), *added]


def _to_visitor(found: Distribution, headers: Headers) -> Headers:
    passed = [(name.lower(), value) for name, value in headers if name.lower() not in HOP_BY_HOP]
    if found.adds_security_headers:
        there = {name for name, _ in passed}
        passed += [(name, value) for name, value in SECURITY_HEADERS if name not in there]
    return [*passed, (b"via", b"1.1 cloudfront")]


async def _stream(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _plain(body: bytes) -> Headers:
    return [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]


async def _say(send: Send, status: int, words: str, more: Headers | None = None) -> None:
    body = f"{words}\n".encode()
    await _start(send, status, [*_plain(body), *(more or [])])
    await _body(send, body)


async def _start(send: Send, status: int, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _body(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body})
