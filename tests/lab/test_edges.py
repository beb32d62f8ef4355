"""The edges of the lab's CloudFront, over sockets, in front of an origin of our own."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request, TextMessage

from lab.cloudfront.distribution import ALL_VIEWER, CACHING_DISABLED, distribution
from lab.cloudfront.edges import Edges
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

Json = dict[str, Any]
NAME = "app.example.com"
DEAD = "127.96.8.9"  # nobody listens there


def summary(port: int = 8080, **changes: Any) -> Json:
    """A distribution as ListDistributions gives it."""
    custom = {
        "HTTPPort": port,
        "OriginReadTimeout": 5,
        "OriginKeepaliveTimeout": changes.pop("keepalive", 4),
    }
    return {
        "DomainName": "d1.cloudfront.net",
        "Enabled": True,
        "Aliases": {"Quantity": 1, "Items": [NAME]},
        "Origins": {
            "Items": [
                {
                    "Id": "service",
                    "DomainName": "origin.example.com",
                    "ConnectionAttempts": changes.pop("attempts", 3),
                    "ConnectionTimeout": 1,
                    "CustomOriginConfig": custom,
                    "CustomHeaders": {"Items": [{"HeaderName": "X-Origin-Secret", "HeaderValue": "ours"}]},
                }
            ]
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": "service",
            "ViewerProtocolPolicy": "redirect-to-https",
            "AllowedMethods": {"Items": ["GET", "HEAD", "POST"]},
            "OriginRequestPolicyId": ALL_VIEWER,
            **changes.pop("behavior", {}),
        },
        **changes,
    }


@dataclass
class Place:
    """The edges, their origin, and who visits them."""

    edges: Edges
    asked: list[Json] = field(default_factory=list)
    """What came to the origin."""
    answer: Json = field(default_factory=dict)
    """The origin's answer: `status`, `headers`."""
    connections: set[int] = field(default_factory=set)
    """Ports that requests came to the origin from."""

    async def get(self, target: str = "/", *, edge: int = 0, **more: Any) -> httpcore.Response:
        return await self.ask("GET", f"https://{NAME}:{self.edges.https_port}{target}", edge=edge, **more)

    async def ask(self, method: str, url: str, *, edge: int = 0, **more: Any) -> httpcore.Response:
        context = ssl.create_default_context(cafile=str(self.edges.authority))
        async with httpcore.AsyncConnectionPool(
            ssl_context=context, network_backend=_To(self.edges.addresses[edge]), http2=False
        ) as pool:
            return await pool.request(method, url, **more)

    async def origin(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if scope["type"] == "websocket":
            await self._echo(headers, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        target = scope["raw_path"].decode() + "?" + scope["query_string"].decode()
        self.asked.append({"method": scope["method"], "target": target, "body": body.decode(), **headers})
        self.connections.add(scope["client"][1])
        given = [(name.encode(), value.encode()) for name, value in self.answer.get("headers", {}).items()]
        status = self.answer.get("status", 200)
        await send({"type": "http.response.start", "status": status, "headers": given})
        await send({"type": "http.response.body", "body": json.dumps(self.asked[-1]).encode()})

    async def _echo(self, headers: Json, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": headers["x-origin-secret"]})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


class _To(httpcore.AnyIOBackend):
    """Every name is this address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def connect_tcp(self, host: str, *arguments: Any, **more: Any) -> httpcore.AsyncNetworkStream:  # noqa: ARG002
        return await super().connect_tcp(self._address, *arguments, **more)


class _Names:
    """A resolver, and the client of CloudFront's API: what the edges know of the world."""

    def __init__(self, addresses: tuple[str, ...], found: Json) -> None:
        self.addresses = list(addresses)
        self.found = found

    def resolve(self, name: str) -> list[str]:
        assert name == "origin.example.com"
        return self.addresses[:1] if len(self.addresses) == 1 else [self.addresses.pop(0)]

    def get_paginator(self, operation: str) -> _Names:
        assert operation == "list_distributions"
        return self

    def paginate(self) -> list[Json]:
        return [{"DistributionList": {"Items": [self.found]}}]


@asynccontextmanager
async def edges(
    folder: Path, addresses: tuple[str, ...] = ("127.0.0.1",), **changes: Any
) -> AsyncIterator[Place]:
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = None
    end = asyncio.Event()
    sockets = config.create_sockets()
    [listener] = sockets.insecure_sockets
    port = listener.getsockname()[1]
    config.bind = [f"fd://{listener.detach()}"]
    names: Any = _Names(addresses, summary(port, **changes))
    place = Place(Edges(names, lambda: names, folder))
    origin: Any = place.origin
    server = asyncio.ensure_future(serve(origin, config, shutdown_trigger=end.wait))
    await place.edges.start()
    try:
        yield place
    finally:
        await place.edges.end()
        end.set()
        await server


def visit(visitor: Callable[[Place], Any], folder: Path, **changes: Any) -> Place:
    """Let a visitor come; return what there was."""

    async def run() -> Place:
        async with edges(folder, **changes) as place:
            await visitor(place)
            return place

    return asyncio.run(run())


def test_what_a_visitor_sends_reaches_the_origin(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        headers = {"Cookie": "a=1", "X-Origin-Secret": "guessed", "X-Mine": "yes"}
        await place.get("/a%20b?x=1&x=2", headers=headers)

    [asked] = visit(visitor, tmp_path).asked
    assert (asked["method"], asked["target"]) == ("GET", "/a%20b?x=1&x=2")
    assert (asked["host"].partition(":")[0], asked["cookie"], asked["x-mine"]) == (NAME, "a=1", "yes")
    assert asked["x-origin-secret"] == "ours", "not the visitor's"
    assert asked["x-forwarded-for"] == "127.0.0.1"


def test_without_the_policy_all_viewer_the_origin_gets_its_own_name(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        await place.get()

    [asked] = visit(visitor, tmp_path, behavior={"OriginRequestPolicyId": "other"}).asked
    assert asked["host"] == "origin.example.com"


def test_a_body_reaches_the_origin(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        url = f"https://{NAME}:{place.edges.https_port}/"
        assert (await place.ask("POST", url, content=b"x" * 100_000)).status == 200

    [asked] = visit(visitor, tmp_path).asked
    assert (asked["method"], asked["body"]) == ("POST", "x" * 100_000)


def test_a_method_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        url = f"https://{NAME}:{place.edges.https_port}/"
        assert (await place.ask("DELETE", url)).status == 403

    assert visit(visitor, tmp_path).asked == []


def test_a_name_of_no_distribution_is_refused(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        url = f"http://other.example.com:{place.edges.http_port}/"
        assert (await place.ask("GET", url)).status == 403

    assert visit(visitor, tmp_path).asked == []


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("HEAD", 301), ("POST", 307)])
def test_http_is_sent_to_https(tmp_path: Path, method: str, status: int) -> None:
    async def visitor(place: Place) -> None:
        answer = await place.ask(method, f"http://{NAME}:{place.edges.http_port}/a?b=1")
        assert answer.status == status
        port = "" if place.edges.https_port == 443 else f":{place.edges.https_port}"
        assert dict(answer.headers)[b"location"] == f"https://{NAME}{port}/a?b=1".encode()

    assert visit(visitor, tmp_path).asked == []


KEPT = {"headers": {"cache-control": "max-age=60"}}


@pytest.mark.parametrize(
    ("answer", "times", "changes"),
    [
        pytest.param({}, 3, {}, id="nothing-by-default"),
        pytest.param(KEPT, 1, {}, id="for-as-long-as-the-origin-says"),
        pytest.param(KEPT, 3, {"behavior": {"CachePolicyId": CACHING_DISABLED}}, id="no-caching-at-all"),
        pytest.param({"status": 404}, 1, {}, id="an-error-for-ten-seconds"),
        pytest.param(
            {"status": 404}, 3,
            {"CustomErrorResponses": {"Items": [{"ErrorCode": 404, "ErrorCachingMinTTL": 0}]}},
            id="an-error-not-at-all",
        ),
    ],
)  # fmt: skip
def test_an_edge_keeps(tmp_path: Path, answer: Json, times: int, changes: Json) -> None:
    async def visitor(place: Place) -> None:
        place.answer = answer
        first, *others = [await place.get() for _ in range(3)]
        assert {each.content for each in others} == {first.content} or times == 3
        told = [dict(each.headers)[b"x-cache"].decode().partition(" ")[0] for each in others]
        assert told == (["Hit"] * 2 if times == 1 else ["Miss"] * 2)

    assert len(visit(visitor, tmp_path, **changes).asked) == times


def test_each_edge_keeps_answers_of_its_own_and_apart_by_host_query_and_cookie(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        place.answer = KEPT
        for edge in (0, 1):
            for target, headers in (("/", {}), ("/?a", {}), ("/", {"Cookie": "b=1"})):
                for _ in range(2):
                    await place.get(target, edge=edge, headers=headers)

    assert len(visit(visitor, tmp_path).asked) == 2 * 3


@pytest.mark.parametrize(
    ("status", "cache_control", "seconds"),
    [
        (200, "", 0),
        (200, "max-age=60", 60),
        (200, "public, Max-Age=60, s-maxage=5", 5),
        (200, "max-age=60, private", 0),
        (200, "no-store", 0),
        (200, "max-age=x", 0),
        (404, "", 10),
        (404, "no-store", 10),
        (404, "max-age=60", 60),
        (502, "", 0),
        (400, "", 0),
    ],
)
def test_an_answer_is_kept_for(status: int, cache_control: str, seconds: float) -> None:
    found = distribution(
        summary(CustomErrorResponses={"Items": [{"ErrorCode": 502, "ErrorCachingMinTTL": 0}]})
    )
    assert found.keep_seconds(status, cache_control) == seconds


@pytest.mark.parametrize(
    ("method", "addresses", "status"),
    [
        pytest.param("GET", (DEAD, DEAD, "127.0.0.1"), 200, id="get-is-tried-three-times"),
        pytest.param("GET", (DEAD, DEAD, DEAD, "127.0.0.1"), 502, id="and-no-more"),
        pytest.param("HEAD", (DEAD, "127.0.0.1"), 200, id="head-too"),
        pytest.param("POST", (DEAD, "127.0.0.1"), 502, id="post-is-tried-once"),
    ],
)
def test_a_dead_address_is_met(tmp_path: Path, method: str, addresses: tuple[str, ...], status: int) -> None:
    async def visitor(place: Place) -> None:
        answer = await place.ask(method, f"https://{NAME}:{place.edges.https_port}/")
        assert answer.status == status

    visit(visitor, tmp_path, addresses=addresses)


def test_connections_to_the_origin_are_kept(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        for _ in range(4):
            await place.get()

    assert len(visit(visitor, tmp_path).connections) == 1


def test_an_idle_connection_is_closed_after_the_keepalive_timeout(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        await place.get()
        await asyncio.to_thread(until, lambda: place.edges.idle_connections() == 0, "the connection's end")
        await place.get()

    assert len(visit(visitor, tmp_path, keepalive=1).connections) == 2


async def talk(place: Place, name: str, *messages: str) -> list[str]:
    """What a WebSocket client hears, which says these."""
    context = ssl.create_default_context(cafile=str(place.edges.authority))
    reader, writer = await asyncio.open_connection(
        place.edges.addresses[0], place.edges.https_port, ssl=context, server_hostname=NAME
    )
    client, heard, parts = WSConnection(ConnectionType.CLIENT), [], []
    writer.write(client.send(Request(host=name, target="/chat")))
    while True:
        data = await reader.read(65536)
        client.receive_data(data or None)
        for event in client.events():
            if isinstance(event, RejectConnection):
                heard.append("rejected")
            if isinstance(event, AcceptConnection):
                for each in messages:
                    writer.write(client.send(TextMessage(each)))
            if isinstance(event, TextMessage):
                parts.append(event.data)
                if event.message_finished:
                    heard.append("".join(parts))
                    parts.clear()
        if not data or len(heard) > len(messages) or "rejected" in heard:
            break
    if "rejected" not in heard:
        writer.write(client.send(CloseConnection(1000)))
    writer.close()
    return heard


def test_a_web_socket_passes_both_ways_with_the_origin_headers(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        assert await talk(place, NAME, "hello", "é" * 100_000) == ["ours", "hello", "é" * 100_000]

    visit(visitor, tmp_path)


def test_a_web_socket_to_an_origin_that_is_not_there_is_rejected(tmp_path: Path) -> None:
    async def visitor(place: Place) -> None:
        assert await talk(place, NAME) == ["rejected"]

    visit(visitor, tmp_path, addresses=(DEAD,))
