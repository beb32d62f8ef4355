"""Hello, World! over HTTP, written to lose no request when ECS replaces its task. Standard library only.

After SIGTERM clients still come for a while: this serves them for DRAIN_SECONDS more (`stopTimeout`: longer).
"""

import json
import os
import signal
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer  # HTTPServer would ask DNS for its own name first
from urllib.request import urlopen


def task_id() -> str:
    """Return the id of the ECS task, from its metadata endpoint; elsewhere the host's name."""
    url = os.environ.get("ECS_CONTAINER_METADATA_URI_V4", "") + "/task"
    with suppress(KeyError, OSError, ValueError), urlopen(url, timeout=2) as answer:  # noqa: S310 - ECS's own
        return str(json.load(answer)["TaskARN"]).rpartition("/")[2]
    return os.uname().nodename


HELLO = f"Hello, World! version {os.environ.get('VERSION', 'dev')}, task {task_id()}\n"
SECRET = os.environ.get("ORIGIN_SECRET", "")  # what CloudFront sends, where only it may ask (docs/https.md)
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "95"))  # 60 of them for Route 53 to spread a change
TIMEOUT_SECONDS = 5  # for a client to send its next bytes or take ours, and for the last answers
MOST_CONNECTIONS = 500  # each has a thread; one more is closed at once


class Server(ThreadingTCPServer):
    """Serves each connection in a thread of its own."""

    allow_reuse_address = daemon_threads = True
    request_queue_size, ends_at = 128, float("inf")
    timeout = 0.5  # so often the loop below looks whether to end

    def verify_request(self, *_: object) -> bool:
        """Return whether there is room for another connection."""
        return threading.active_count() <= MOST_CONNECTIONS

    def drain(self, *_: object) -> None:
        """Handle SIGTERM."""
        self.ends_at = min(self.ends_at, time.monotonic() + DRAIN_SECONDS)
        print(f"draining for {DRAIN_SECONDS:g} seconds")


class Page(BaseHTTPRequestHandler):
    """Serves one connection, request after request: HTTP/1.1 keeps it open."""

    server: Server
    protocol_version, timeout, disable_nagle_algorithm = "HTTP/1.1", TIMEOUT_SECONDS, True

    def do_GET(self) -> None:
        """Answer one request. A body that is not read to its end must not become the next request."""
        length = "" if "Transfer-Encoding" in self.headers else self.headers.get("Content-Length", "0")
        is_whole = length.isdecimal() and len(length) < 7  # noqa: PLR2004 - under a megabyte
        self.rfile.read(int(length) if is_whole else 0)
        path = self.path.partition("?")[0] if SECRET in ("", self.headers.get("X-Origin-Secret")) else ""
        body = {"/": HELLO, "/healthz": "ok\n"}.get(path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if not is_whole or self.server.ends_at < float("inf"):
            self.send_header("Connection", "close")  # this side closes it, too
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_HEAD = do_POST = do_GET  # noqa: N815 - as http.server names them


if __name__ == "__main__":
    with Server((os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))), Page) as server:
        signal.signal(signal.SIGTERM, server.drain)
        print(f"serving on port {server.server_address[1]}: {HELLO}", end="")
        while time.monotonic() < server.ends_at:
            server.handle_request()
    while threading.active_count() > 1 and time.monotonic() < server.ends_at + TIMEOUT_SECONDS:
        time.sleep(0.1)  # for the last answers
