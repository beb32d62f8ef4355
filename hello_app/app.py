"""Hello, World! over HTTP, written to lose no request when ECS replaces its task. Standard library only.

ECS stops an old task without waiting for DNS: for a while clients still come to its address. So after
SIGTERM this keeps serving, and asks kept-alive clients to close, for DRAIN_SECONDS: 20 until the record is
changed, 60 for Route 53 to spread it, 10 of TTL, the rest for resolvers that are late. ECS must be told
to wait as long (`stopTimeout`, 120 s at most on Fargate).
"""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import os
import re
import signal
import socket
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

LARGEST_HEAD_BYTES = 8192  # request line and headers together
MOST_CONNECTIONS = 500  # at once: some 20 MB of what is read ahead, and half of the usual limit of open files
HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*")  # RFC 9110, 5.1 and 5.5
IDLE_SECONDS = 30  # a connection on which no request begins
REQUEST_SECONDS = 10  # from a request's first byte to its last, and for an answer to be taken
LAST_CALL_SECONDS = 1  # for requests on their way when serving ends, and for a client to hang up
LARGEST_METADATA_BYTES = 1024 * 1024

TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hello, World!</title>
<body style="font: 1.2em/1.6 system-ui; margin: 20vh auto; width: fit-content">
<h1>Hello, World!</h1><p>version <b>{version}</b><br>task <code>{task}</code></p></body></html>
"""


@dataclass(frozen=True)
class Response:
    """What a request gets; `keep` says whether its connection may stay open."""

    status: HTTPStatus
    body: str
    content_type: str = "text/plain"
    keep: bool = False
    with_body: bool = True


class App:
    """The web server and what it says."""

    def __init__(self, version: str, task: str) -> None:
        self.version = version
        self.task = task
        self.draining = False
        self.connections: set[asyncio.Task[None]] = set()
        self.busy: set[asyncio.Task[None]] = set()  # those with a request under way

    def respond(self, head: bytes) -> Response:
        """The answer to a request without a body."""
        request_line, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines):
            # Of two lengths neither counts: where a request ends must not be a matter of opinion.
            headers[name.lower()] = ", ".join(filter(None, (headers.get(name.lower()), value.strip())))
        match request_line.split(" "):
            case [method, target, ("HTTP/1.0" | "HTTP/1.1") as http_version] if target.startswith(
                "/"
            ) and all(map(HEADER.fullmatch, lines)):
                path = target.partition("?")[0]
            case _:
                return Response(HTTPStatus.BAD_REQUEST, "bad request\n")
        if method not in {"GET", "HEAD"}:
            return Response(HTTPStatus.METHOD_NOT_ALLOWED, "GET and HEAD only\n")
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            return Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no body, please\n")
        keep = http_version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        if path == "/healthz":
            response = Response(HTTPStatus.OK, "ok\n")
        elif path != "/":
            response = Response(HTTPStatus.NOT_FOUND, "not found\n")
        elif "text/html" in headers.get("accept", ""):
            page = PAGE.format(version=html.escape(self.version), task=html.escape(self.task))
            response = Response(HTTPStatus.OK, page, "text/html")
        else:
            response = Response(HTTPStatus.OK, f"Hello, World! version {self.version}, task {self.task}\n")
        return replace(response, keep=keep and not self.draining, with_body=method == "GET")

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side has enough of it."""
        connection = cast("asyncio.Task[None]", asyncio.current_task())
        if len(self.connections) >= MOST_CONNECTIONS:
            writer.write(TOO_MANY)
            writer.close()
            return
        self.connections.add(connection)
        # EOFError: the client left. OSError: also a TimeoutError. CancelledError: from `finish`.
        with suppress(EOFError, OSError, asyncio.CancelledError):
            keep = True
            while keep:
                async with asyncio.timeout(IDLE_SECONDS):
                    first = await reader.readexactly(1)
                self.busy.add(connection)
                keep = await self.serve_request(first, reader, writer)
                self.busy.discard(connection)
            # A socket closed with something unread would take back our answer: the client closes first.
            writer.write_eof()
            async with asyncio.timeout(LAST_CALL_SECONDS):
                while await reader.read(LARGEST_HEAD_BYTES):
                    pass
        self.connections.discard(connection)
        self.busy.discard(connection)
        writer.close()

    async def serve_request(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Whether the connection may be used again, after one request."""
        began = time.monotonic()
        head = first
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head += await reader.readuntil(b"\r\n\r\n")
            response = self.respond(head)
        except asyncio.LimitOverrunError:
            response = Response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request too large\n")
        except TimeoutError:
            response = Response(HTTPStatus.REQUEST_TIMEOUT, "too slow\n")
        status, content = response.status, response.body.encode()
        lines = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {response.content_type}; charset=utf-8",
            f"Content-Length: {len(content)}",
            "Cache-Control: no-store",
            f"Connection: {'keep-alive' if response.keep else 'close'}",
            *(["Allow: GET, HEAD"] if status == HTTPStatus.METHOD_NOT_ALLOWED else []),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + (content if response.with_body else b""))
        async with asyncio.timeout(REQUEST_SECONDS):
            await writer.drain()
        log(
            "request",
            client=writer.get_extra_info("peername")[0],
            request=head.partition(b"\r\n")[0].decode("latin-1"),
            status=status.value,
            milliseconds=round((time.monotonic() - began) * 1000, 1),
        )
        return response.keep

    async def finish(self, server: asyncio.Server) -> None:
        """Accept nothing more, answer what is under way, and close every connection."""
        self.draining = True
        server.close()
        if self.connections:
            await asyncio.wait(self.connections, timeout=LAST_CALL_SECONDS)
        for connection in self.connections - self.busy:
            connection.cancel()
        if self.connections:
            await asyncio.wait(self.connections)  # each request has its own time limit


def log(event: str, **fields: object) -> None:
    """One line of JSON on standard output."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    sys.stdout.write(json.dumps({"time": now, "event": event, **fields}) + "\n")
    sys.stdout.flush()


def task_id() -> str:
    """The ECS task this runs in, as its metadata endpoint says; the host's name elsewhere."""
    endpoint = os.environ.get("ECS_CONTAINER_METADATA_URI_V4")
    if endpoint:
        try:
            address = urlsplit(endpoint)
            with closing(http.client.HTTPConnection(address.netloc, timeout=2)) as connection:
                connection.request("GET", f"{address.path}/task")
                task = json.loads(connection.getresponse().read(LARGEST_METADATA_BYTES))
            return str(task["TaskARN"]).rpartition("/")[2]
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            log("no task metadata", error=repr(error))
    return socket.gethostname()


def version() -> str:
    """VERSION, or what a file VERSION beside this one says."""
    beside = Path(__file__).with_name("VERSION")
    return os.environ.get("VERSION") or (beside.read_text().strip() if beside.exists() else "dev")


def number(name: str, default: float) -> float:
    """What the environment says `name` is."""
    value = os.environ.get(name) or default
    try:
        return float(value)
    except ValueError:
        sys.exit(f"{name} must be a number, not {value!r}")


async def main() -> None:
    """Serve until SIGTERM and DRAIN_SECONDS more, or until SIGINT or a second SIGTERM."""
    drain_seconds = number("DRAIN_SECONDS", 95)
    host, port = os.environ.get("HOST") or "0.0.0.0", int(number("PORT", 8080))
    app = App(version(), task_id())
    ended = asyncio.Event()

    def terminate() -> None:
        if app.draining:
            ended.set()
        else:
            app.draining = True
            log("draining", seconds=drain_seconds)
            loop.call_later(drain_seconds, ended.set)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, terminate)
    loop.add_signal_handler(signal.SIGINT, ended.set)
    server = await asyncio.start_server(app.connected, host, port, limit=LARGEST_HEAD_BYTES, backlog=512)
    listening = server.sockets[0].getsockname()[1]
    log("serving", host=host, port=listening, version=app.version, task=app.task)
    await ended.wait()
    await app.finish(server)
    log("ended")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except OSError as problem:
        sys.exit(f"cannot serve: {problem}")
