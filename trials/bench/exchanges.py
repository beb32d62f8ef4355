"""The calls of one run of a function and their answers, noted between it and the lab."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOST = "127.0.0.1"
SECONDS = 30
# What a service reads of a request; the rest is of the client that made it.
READ = ("content-type", "x-amz-target")


@dataclass(frozen=True)
class Exchange:
    """A request and its answer."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    content_type: str
    answer: str

    @property
    def key(self) -> str:
        """What is asked, by whatever client."""
        return key_of(self.method, self.path, self.headers, self.body)


def service_of(authorization: str) -> str:
    """Return the service that a request is signed for, which AWS's signature names."""
    return authorization.partition("Credential=")[2].partition(",")[0].split("/")[3]


def key_of(method: str, path: str, headers: Mapping[str, str], body: str) -> str:
    """Return what names the operation: a header, a field of the form, or the method and path."""
    if target := headers.get("x-amz-target"):
        return target
    if "form" in headers.get("content-type", ""):
        return parse_qs(body)["Action"][0]
    return f"{method} {path}"


@dataclass
class Recording:
    """What went to and fro."""

    url: str
    exchanges: list[Exchange] = field(default_factory=list)

    def answers(self) -> list[dict[str, Any]]:
        """Return it as the stub reads it."""
        return [{"key": each.key, **asdict(each)} for each in self.exchanges]


@contextmanager
def recorded(endpoint: str) -> Iterator[Recording]:
    """Stand between a function and `endpoint` while the block runs."""

    class Between(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=SECONDS)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            recording.exchanges.append(
                Exchange(
                    service=service_of(self.headers["Authorization"]),
                    method=self.command,
                    path=self.path,
                    headers={name: self.headers[name] for name in READ if name in self.headers},
                    body=body.decode(),
                    status=answer.status,
                    content_type=answer.headers.get("Content-Type", ""),
                    answer=content.decode(),
                )
            )
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Between) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign] # who asked was ended meanwhile
        recording = Recording(f"http://{HOST}:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield recording
        finally:
            server.shutdown()
            thread.join()
