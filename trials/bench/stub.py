"""`python -m trials.bench.stub FOLDER` answers recorded calls over TLS, and prints its port.

FOLDER holds answers.json. The stub writes cacert.pem there, botocore's own bundle with one authority more, so
that its clients read as much as for AWS. The n-th request of an operation gets the n-th answer that it
had. GET /again begins anew and returns what was asked since the last time, as a JSON list.
"""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
import urllib.request
from collections import Counter, defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme
from botocore.httpsession import DEFAULT_CA_BUNDLE

from trials.bench.exchanges import HOST, key_of, service_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.bench.exchanges import Recording

ROOT = Path(__file__).parents[2]
AGAIN = "/again"
ANSWERS, CERTIFICATES = "answers.json", "cacert.pem"


class Stub:
    """The running stub, seen from outside."""

    def __init__(self, port: int, folder: Path) -> None:
        self.url = f"https://{HOST}:{port}"
        self.certificates = folder / CERTIFICATES
        self._context = ssl.create_default_context(cafile=self.certificates)

    def again(self) -> list[str]:
        """Begin anew; return which operations were asked for, in order."""
        with urllib.request.urlopen(self.url + AGAIN, timeout=10, context=self._context) as answer:  # noqa: S310
            found: list[str] = json.load(answer)
        return found


@contextmanager
def stub(recording: Recording, folder: Path) -> Iterator[Stub]:
    """Answer what was recorded until the block ends."""
    (folder / ANSWERS).write_text(json.dumps(recording.answers()), encoding="utf-8")
    command = [sys.executable, "-m", "trials.bench.stub", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            yield Stub(int(process.stdout.readline()), folder)
        finally:
            process.terminate()


def serve(folder: Path) -> None:
    """Answer for ever."""
    answers: list[dict[str, Any]] = json.loads((folder / ANSWERS).read_text(encoding="utf-8"))
    by_key: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers:
        by_key[answer["key"]].append(answer)
    asked: list[str] = []
    counts: Counter[str] = Counter()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: the second would wait for the client's acknowledgement
        disable_nagle_algorithm = True  # nor does it wait behind a TLS session ticket

        def _answer(self) -> None:
            if self.path == AGAIN:
                content = json.dumps(asked).encode()
                asked.clear()
                counts.clear()
                self._send(200, "application/json", content)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            key = key_of(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            known = by_key.get(key)
            service = service_of(self.headers["Authorization"])
            asked.append(f"{service} {key}")
            if not known:
                self._send(500, "text/plain", f"never recorded: {key}".encode())
                return
            answer = known[min(counts[key], len(known) - 1)]
            counts[key] += 1
            self._send(answer["status"], answer["content_type"], answer["answer"].encode())

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

        def _send(self, status: int, content_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Answers) as server:
        server.daemon_threads = True
        # Whoever connects and is slow to begin keeps nobody else waiting.
        server.socket = _context(folder).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        print(server.server_port, flush=True)
        server.serve_forever()


def _context(folder: Path) -> ssl.SSLContext:
    authority = trustme.CA()
    shutil.copy(DEFAULT_CA_BUNDLE, folder / CERTIFICATES)
    authority.cert_pem.write_to_path(folder / CERTIFICATES, append=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    return context


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
