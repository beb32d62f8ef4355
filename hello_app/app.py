"""Hello, World! over HTTP, written to lose no request when ECS replaces its task. Standard library only.

ECS does not wait for DNS: for a while clients still come to an old task. So after SIGTERM this serves for
DRAIN_SECONDS more, and asks them to connect anew. The container's `stopTimeout` must be some seconds longer.
"""

import json
import math
import os
import signal
import socket
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
    return socket.gethostname()


HELLO = f"Hello, World! version {os.environ.get('VERSION', 'dev')}, task {task_id()}\n"
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "95"))  # 60 of them for Route 53 to spread a change
TIMEOUT_SECONDS = 5  # for a client to send its next bytes or take ours, and for the last answers
MOST_CONNECTIONS = 500  # each has a thread; one more is closed at once


class Server(ThreadingTCPServer):
    """Serves each connection in a thread of its own."""

    allow_reuse_address = daemon_threads = True
    request_queue_size = 128
    timeout = 0.5  # so often the loop below looks whether to end
    ends_at = math.inf

    def verify_request(self, *_: object) -> bool:
        """Return whether there is room for another connection."""
        return threading.active_count() <= MOST_CONNECTIONS

    def drain(self, *_: object) -> None:
        """Handle SIGTERM."""
        self.ends_at = min(self.ends_at, time.monotonic() + DRAIN_SECONDS)
        print(f"draining for {DRAIN_SECONDS:g} seconds")


class Page(BaseHTTPRequestHandler):
    """Serves one connection, request after request."""

    server: Server
    protocol_version, timeout = "HTTP/1.1", TIMEOUT_SECONDS  # 1.1 keeps connections alive
    disable_nagle_algorithm = True  # the body does not wait until the head is acknowledged

    def do_GET(self) -> None:
        """Answer one request."""
        body = {"/": HELLO, "/healthz": "ok\n"}.get(self.path.partition("?")[0], "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.server.ends_at < math.inf:
            self.send_header("Connection", "close")  # this side closes it, too
        self.end_headers()
        self.wfile.write(body if self.command == "GET" else b"")

    do_HEAD = do_GET  # noqa: N815 - as http.server names it


if __name__ == "__main__":
    with Server((os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))), Page) as server:
        signal.signal(signal.SIGTERM, server.drain)
        print(f"serving on port {server.server_address[1]}: {HELLO}", end="")
        while time.monotonic() < server.ends_at:
            server.handle_request()
    while threading.active_count() > 1 and time.monotonic() < server.ends_at + TIMEOUT_SECONDS:
        time.sleep(0.1)  # for the last answers
