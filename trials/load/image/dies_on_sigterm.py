"""A web server as people write it first: at SIGTERM it is gone at once, with whatever it was doing."""

from __future__ import annotations

import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    """Says its version."""

    protocol_version = "HTTP/1.1"  # connections are kept alive
    wbufsize = 4096  # head and body in one packet

    def do_GET(self) -> None:
        """The page, whatever the path."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        content = f"Hello, World! version {os.environ['VERSION']}, task {os.getpid()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - as http.server names it

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Threads that nobody waits for."""

    daemon_threads = True
    request_queue_size = 512


# Said, because the first process of a container is not ended by a signal that it does not handle.
signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
time.sleep(float(os.environ.get("START_SECONDS", "0")))
Server((os.environ.get("HOST", ""), int(os.environ["PORT"])), Page).serve_forever()
