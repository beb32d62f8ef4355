"""A web server as people write it first: nothing in it knows of deployments."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    """Says its version."""

    def do_GET(self) -> None:
        """The page, whatever the path."""
        content = f"version {os.environ['VERSION']}, at your service\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the log shows what the programs themselves say."""


def serve(host: str = "") -> None:
    """Serve for ever, everywhere or at one address."""
    ThreadingHTTPServer((host, 8080), Page).serve_forever()
