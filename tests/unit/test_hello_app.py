"""The sample container's program, run as a process and asked over the wire."""

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab.oci import hello_app_image

APP = Path(__file__).parents[2] / "hello_app"
DEADLINE_SECONDS = 20


class Running:
    """A process of the app and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.opened: list[http.client.HTTPConnection] = []
        self.until(lambda: bool(self.events("serving")))
        self.port = int(self.events("serving")[0]["port"])

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{self.process.poll()=}\n{self.log.read_text()}"
            time.sleep(0.01)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [
            json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line[-1] == "\n"
        ]
        return [line for line in lines if line["event"] == name]

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        self.opened.append(connection)
        return connection

    def raw(self, *pieces: bytes) -> bytes:
        """All that comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS) as connection:
            for piece in pieces:
                connection.sendall(piece)
            return rest_of(connection)

    def terminate(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def refuses(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS).close()
        except ConnectionError:
            return True
        return False

    def ended(self) -> int:
        return self.process.wait(timeout=DEADLINE_SECONDS)


def rest_of(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


@contextmanager
def running(folder: Path, program: Path = APP / "app.py", **environment: str) -> Iterator[Running]:
    log = folder / "log"
    settings = {"PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": "0", "VERSION": "7"} | environment
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the app of this repository
            [sys.executable, str(program)], env=settings, stdout=output, stderr=output
        )
    run = None
    try:
        run = Running(process, log)
        yield run
    finally:
        for connection in run.opened if run else []:
            connection.close()
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("app")) as run:
        yield run


def get(connection: http.client.HTTPConnection, path: str = "/") -> tuple[int, str, str | None]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode(), response.getheader("Connection")


def test_says_hello_with_its_version_and_its_host(app: Running) -> None:
    expected = f"Hello, World! version 7, task {socket.gethostname()}\n"
    assert get(app.connect()) == (200, expected, "keep-alive")


def test_browser_gets_a_page(app: Running) -> None:
    connection = app.connect()
    connection.request("GET", "/?x=1", headers={"Accept": "text/html,*/*;q=0.8"})
    response = connection.getresponse()
    assert response.getheader("Content-Type") == "text/html; charset=utf-8"
    assert b"<h1>Hello, World!</h1><p>version <b>7</b>" in response.read()


def test_page_escapes_what_it_shows(tmp_path: Path) -> None:
    with running(tmp_path, VERSION="<script>") as run:
        assert b"<b>&lt;script&gt;</b>" in run.raw(b"GET / HTTP/1.0\r\nAccept: text/html\r\n\r\n")


HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
        (b"GET / HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz/ HTTP/1.0\r\n\r\n", 404),
        (b"GET /app.py HTTP/1.0\r\n\r\n", 404),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /..\\..\\etc\\passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET //etc/passwd HTTP/1.0\r\n\r\n", 404),
        (b"GET /./ HTTP/1.0\r\n\r\n", 404),
        (b"GET /\x00 HTTP/1.0\r\n\r\n", 404),
        (b"GET /healthz\xff HTTP/1.0\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\nhi", 413),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nContent-Length : 2\r\n\r\nhi", 400),
        (b"GET / HTTP/1.1\r\nX: y\r\n Content-Length: 2\r\n\r\nhi", 400),
        (b"GET / HTTP/1.1\r\nX: y\nContent-Length: 2\r\n\r\nhi", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", 405),
        (b"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000, 405),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 431),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01 nonsense \xff\r\n\r\n", 400),
    ],
    ids=[
        "health",
        "http-1.0-closes",
        "not-health",
        "no-files",
        "no-files-above",
        "no-files-above-in-disguise",
        "no-files-above-with-backslashes",
        "no-files-with-two-slashes",
        "no-folder-is-listed",
        "nul-in-the-path",
        "path-that-is-no-utf-8",
        "two-lengths",
        "two-encodings",
        "space-before-the-colon",
        "header-that-goes-on-in-the-next-line",
        "line-end-of-one-character",
        "header-without-a-colon",
        "nul-in-a-header",
        "post",
        "options",
        "body",
        "chunked-body",
        "large-body",
        "long-path",
        "long-header",
        "many-headers",
        "http-2",
        "proxy-request",
        "nonsense",
    ],
)
def test_one_request_and_the_connection_closes(app: Running, request_head: bytes, status: int) -> None:
    answer = app.raw(request_head)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert (b"\r\nAllow: GET, HEAD\r\n" in answer) == (status == 405)


def test_head_has_the_same_headers_and_no_body(app: Running) -> None:
    answers = [
        app.raw(b"%s / HTTP/1.0\r\n\r\n" % method).partition(b"\r\n\r\n") for method in (b"GET", b"HEAD")
    ]
    assert answers[0][0] == answers[1][0]
    assert answers[0][2].startswith(b"Hello")
    assert answers[1][2] == b""


def test_connection_serves_request_after_request_and_in_pieces(app: Running) -> None:
    last = HELLO.replace(b"Host: x", b"Connection: close")
    answers = app.raw(HELLO + HELLO, *(HELLO[i : i + 1] for i in range(len(HELLO))), last)
    assert answers.count(b"HTTP/1.1 200 OK") == 4
    assert answers.count(b"Connection: keep-alive") == 3


def test_each_request_is_one_line_of_log(app: Running) -> None:
    get(app.connect(), "/nowhere?a=%22%0Ab")

    def logged() -> list[dict[str, Any]]:
        return [e for e in app.events("request") if "nowhere" in e["request"]]

    app.until(lambda: bool(logged()))
    (event,) = logged()
    assert (event["request"], event["status"]) == ("GET /nowhere?a=%22%0Ab HTTP/1.1", 404)
    assert set(event) == {"time", "event", "client", "request", "status", "milliseconds"}


def test_sigterm_drains_then_ends_with_0(tmp_path: Path) -> None:
    with running(tmp_path, DRAIN_SECONDS="1.5") as run:
        kept, idle = run.connect(), run.connect()
        assert get(kept)[2] == get(idle)[2] == "keep-alive"
        run.terminate()
        run.until(lambda: bool(run.events("draining")))
        # Who kept a connection is asked to come by another; who comes anew is still served.
        assert get(kept)[0::2] == (200, "close")
        assert get(run.connect(), "/healthz") == (200, "ok\n", "close")
        assert run.ended() == 0
        assert run.refuses()
        assert run.events("ended")


def test_second_sigterm_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path, DRAIN_SECONDS="600") as run:
        run.terminate()
        run.until(lambda: bool(run.events("draining")))
        run.terminate()
        assert run.ended() == 0


def test_sigint_ends_at_once(tmp_path: Path) -> None:
    with running(tmp_path, DRAIN_SECONDS="600") as run:
        run.terminate(signal.SIGINT)
        assert run.ended() == 0


def test_request_under_way_is_answered_though_serving_ended(tmp_path: Path) -> None:
    with (
        running(tmp_path, DRAIN_SECONDS="600") as run,
        socket.create_connection(("127.0.0.1", run.port), timeout=DEADLINE_SECONDS) as connection,
    ):
        get(run.connect())  # the app is surely past accepting the connection before
        connection.sendall(HELLO[:10])
        run.terminate(signal.SIGINT)
        run.until(run.refuses)
        connection.sendall(HELLO[10:])
        answer = rest_of(connection)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in answer
        assert run.ended() == 0


@pytest.mark.parametrize(
    ("limit", "sent", "answer"),
    [("IDLE_SECONDS = 30", b"", b""), ("REQUEST_SECONDS = 10", HELLO[:10], b"HTTP/1.1 408 Request Timeout")],
    ids=["idle", "half-a-request"],
)
def test_slow_connection_is_closed(tmp_path: Path, limit: str, sent: bytes, answer: bytes) -> None:
    program = (APP / "app.py").read_text()
    assert f"\n{limit} " in program
    quick = tmp_path / "app.py"
    quick.write_text(program.replace(f"\n{limit} ", f"\n{limit.split(maxsplit=1)[0]} = 0.2 "))
    with running(tmp_path, quick) as run:
        assert run.raw(sent).partition(b"\r\n")[0] == answer


def with_most_connections(folder: Path, most: int) -> Path:
    program = (APP / "app.py").read_text()
    assert "\nMOST_CONNECTIONS = 500 " in program
    small = folder / "app.py"
    small.write_text(program.replace("\nMOST_CONNECTIONS = 500 ", f"\nMOST_CONNECTIONS = {most} "))
    return small


def test_more_connections_than_it_can_hold_are_turned_away_until_one_ends(tmp_path: Path) -> None:
    with running(tmp_path, with_most_connections(tmp_path, 3)) as run:
        held = [run.connect() for _ in range(3)]
        assert [get(each)[0] for each in held] == [200] * 3
        assert run.raw().startswith(b"HTTP/1.1 503 ")
        assert get(held[1])[0] == 200
        held[0].close()

        def is_served() -> bool:
            try:
                return run.raw(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            except ConnectionError:  # turned away before it was read
                return False

        run.until(is_served)


def test_clients_that_send_nothing_or_half_a_request_do_not_keep_others_waiting(app: Running) -> None:
    slow = [socket.create_connection(("127.0.0.1", app.port), timeout=DEADLINE_SECONDS) for _ in range(200)]
    try:
        for connection in slow[::2]:
            connection.sendall(HELLO[:-2])
        assert get(app.connect())[0] == 200
        slow[0].sendall(HELLO[-2:])
        assert slow[0].recv(100).startswith(b"HTTP/1.1 200 ")
    finally:
        for connection in slow:
            connection.close()


def test_client_that_leaves_in_the_middle_stops_nothing(app: Running) -> None:
    for sent in (b"", HELLO[:5], HELLO, HELLO * 50):
        with socket.create_connection(("127.0.0.1", app.port), timeout=DEADLINE_SECONDS) as connection:
            linger = struct.pack("ii", 1, 0)  # on, no seconds: the connection is reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            connection.sendall(sent)
    assert get(app.connect())[0] == 200
    assert "Traceback" not in app.log.read_text()


@contextmanager
def metadata_endpoint(status: int, content: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/v4/abc-1/task" else 404)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v4/abc-1"
        finally:
            server.shutdown()
            thread.join()


TASK = json.dumps({"TaskARN": "arn:aws:ecs:us-east-1:000000000000:task/web/0123abcd"}).encode()


@pytest.mark.parametrize(
    ("status", "content", "task"),
    [
        (200, TASK, "0123abcd"),
        (500, b"oops", None),
        (200, b"{}", None),
        (200, b"[]", None),
        (200, b"\xff", None),
    ],
    ids=["ecs", "error", "no-arn", "no-object", "no-json"],
)
def test_task_comes_from_the_metadata_endpoint_and_never_stops_the_app(
    tmp_path: Path, status: int, content: bytes, task: str | None
) -> None:
    with (
        metadata_endpoint(status, content) as endpoint,
        running(tmp_path, ECS_CONTAINER_METADATA_URI_V4=endpoint) as run,
    ):
        assert get(run.connect())[1].split()[-1] == (task or socket.gethostname())
        assert bool(run.events("no task metadata")) == (task is None)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1/v4/x", "http://[", "no url", "http://127.0.0.1:port/"], ids=str
)
def test_unreachable_metadata_endpoint(tmp_path: Path, endpoint: str) -> None:
    with running(tmp_path, ECS_CONTAINER_METADATA_URI_V4=endpoint) as run:
        assert get(run.connect())[0] == 200


def test_version_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_bytes((APP / "app.py").read_bytes())
    (tmp_path / "VERSION").write_text("2026-11-30\n")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import app; print(app.version())"
    shown = subprocess.run(  # noqa: S603 - the app of this repository
        [sys.executable, "-c", program], env={}, capture_output=True, text=True, check=True
    )
    assert shown.stdout == "2026-11-30\n"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("PORT", "http", "PORT must be a number"), ("DRAIN_SECONDS", "1m", "DRAIN_SECONDS must be a number")],
    ids=["port", "drain"],
)
def test_wrong_setting_is_named(name: str, value: str, message: str) -> None:
    ended = subprocess.run(  # noqa: S603 - the app of this repository
        [sys.executable, str(APP / "app.py")],
        env={name: value},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert message in ended.stderr


def test_port_in_use_is_said_and_ends_with_1(app: Running) -> None:
    ended = subprocess.run(  # noqa: S603 - the app of this repository
        [sys.executable, str(APP / "app.py")],
        env={"HOST": "127.0.0.1", "PORT": str(app.port)},
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 1
    assert "cannot serve" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_labs_image_is_what_the_dockerfile_says() -> None:
    dockerfile = (APP / "Dockerfile").read_text()

    def line(instruction: str) -> str:
        (found,) = re.findall(rf"^{instruction} (.*)$", dockerfile, re.MULTILINE)
        return str(found)

    image = hello_app_image("3")
    config = json.loads(image.config.content)["config"]
    assert config["Cmd"] == json.loads(line("CMD"))
    assert config["Env"] == line("ENV").replace("$VERSION", "3").split()
    assert config["User"] == line("USER")
    assert list(config["ExposedPorts"]) == [f"{line('EXPOSE')}/tcp"]
    assert line("COPY") == "app.py /app/app.py"
    assert "ENTRYPOINT" not in dockerfile
    assert config["User"].isdigit()
    assert config["User"] != "0"


def test_image_holds_the_app_alone() -> None:
    assert (APP / ".dockerignore").read_text().split() == ["*", "!app.py"]
