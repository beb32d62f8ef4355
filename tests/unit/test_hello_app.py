"""The sample container's program, run as a process and asked over the wire."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lab.ecr.oci import hello_app_image

APP = Path(__file__).parents[2] / "hello_app"
DEADLINE_SECONDS = 20
HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Running:
    """A process of the app and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log
        self.opened: list[http.client.HTTPConnection] = []
        self.until(lambda: "serving" in self.log.read_text())
        self.port = int(re.findall(r"serving on port (\d+)", self.log.read_text())[0])

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{self.process.poll()=}\n{self.log.read_text()}"
            time.sleep(0.01)

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        self.opened.append(connection)
        return connection

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_SECONDS)

    def drain(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.until(lambda: "draining" in self.log.read_text())

    def refuses(self) -> bool:
        try:
            self.socket().close()
        except ConnectionError:
            return True
        return False

    def ended(self) -> int:
        return self.process.wait(timeout=DEADLINE_SECONDS)


def rest_of(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        return stream.read()


def with_limit(folder: Path, name: str, value: float) -> Path:
    """Return the app with a limit that a test reaches."""
    program, count = re.subn(rf"(?m)^{name} = \d+", f"{name} = {value}", (APP / "app.py").read_text())
    assert count == 1
    changed = folder / "app.py"
    changed.write_text(program)
    return changed


@contextmanager
def running(folder: Path, program: Path = APP / "app.py", **environment: str) -> Iterator[Running]:
    log = folder / "log"
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "HOST": "127.0.0.1",
        "PORT": "0",
        "VERSION": "7",
    } | environment
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
    folder = tmp_path_factory.mktemp("app")
    with running(folder, with_limit(folder, "TIMEOUT_SECONDS", 60)) as run:
        yield run


def get(connection: http.client.HTTPConnection, path: str = "/") -> tuple[int, str, str | None]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode(), response.getheader("Connection")


def test_a_kept_connection_gets_answer_after_answer(app: Running) -> None:
    connection = app.connect()
    hello = f"Hello, World! version 7, task {socket.gethostname()}\n"
    assert get(connection) == (200, hello, None)
    assert get(connection, "/?x=1") == (200, hello, None)
    assert get(connection, "/healthz") == (200, "ok\n", None)
    assert get(connection, "/app.py") == (404, "", None)
    assert connection.sock, "still the same one"


def test_head_has_no_body(app: Running) -> None:
    with app.socket() as connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        head, _, body = rest_of(connection).partition(b"\r\n\r\n")
    assert (b"Content-Length: " in head, body) == (True, b"")


def answer_to(run: Running, request: bytes) -> bytes:
    """All that comes until the app closes the connection."""
    with run.socket() as connection:
        connection.sendall(request)
        return rest_of(connection)


def test_post_is_answered_when_its_body_has_come(app: Running) -> None:
    """What is left unread would be the next request, on a connection that CloudFront's visitors share."""
    connection = app.connect()
    for _ in range(2):
        connection.request("POST", "/", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        response = connection.getresponse()
        assert (response.status, response.read()[:13]) == (200, b"Hello, World!")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"Content-Length: 1000000", id="too-long"),
        pytest.param(b"Content-Length: -1", id="of-no-length"),
        pytest.param(b"Content-Length: 5\r\nTransfer-Encoding: chunked", id="in-chunks"),
    ],
)
def test_a_body_that_is_not_read_is_the_connections_last(app: Running, head: bytes) -> None:
    answer = answer_to(app, b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + HELLO)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({}, 404, id="none"),
        pytest.param({"X-Origin-Secret": "other"}, 404, id="another"),
        pytest.param({"X-Origin-Secret": "a-secret"}, 200, id="the-secret"),
    ],
)
def test_with_an_origin_secret_only_who_sends_it_is_answered(
    tmp_path: Path, sent: dict[str, str], status: int
) -> None:
    with running(tmp_path, ORIGIN_SECRET="a-secret") as run:
        connection = run.connect()
        connection.request("GET", "/", headers=sent)
        assert connection.getresponse().status == status


def test_after_sigterm_each_client_is_served_and_asked_to_connect_anew(tmp_path: Path) -> None:
    with running(tmp_path, with_limit(tmp_path, "TIMEOUT_SECONDS", 60), DRAIN_SECONDS="600") as run:
        kept = run.connect()
        assert get(kept)[0::2] == (200, None)
        run.drain()
        assert get(kept)[0::2] == (200, "close")
        for _ in range(3):
            assert get(run.connect(), "/healthz") == (200, "ok\n", "close")


def test_it_ends_with_0_when_it_has_drained_though_clients_stay(tmp_path: Path) -> None:
    with running(tmp_path, with_limit(tmp_path, "TIMEOUT_SECONDS", 1), DRAIN_SECONDS="0.5") as run:
        get(run.connect())
        with run.socket() as endless:

            def has_ended() -> bool:
                with suppress(ConnectionError):
                    endless.sendall(b"x")
                return run.process.poll() is not None

            run.drain()
            run.until(has_ended)
        assert run.ended() == 0
        assert run.refuses()


def test_request_under_way_is_answered_though_serving_ended(tmp_path: Path) -> None:
    program = with_limit(tmp_path, "TIMEOUT_SECONDS", 60)
    with running(tmp_path, program, DRAIN_SECONDS="0") as run, run.socket() as connection:
        get(first := run.connect())  # the app has certainly accepted the other connection before
        first.close()
        connection.sendall(HELLO[:10])
        run.drain()
        run.until(run.refuses)
        connection.sendall(HELLO[10:])
        answer = rest_of(connection)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"Connection: close" in answer
        assert run.ended() == 0


@pytest.mark.parametrize("sent", [b"", HELLO[:10]], ids=["idle", "half-a-request"])
def test_slow_connection_is_closed(tmp_path: Path, sent: bytes) -> None:
    with (
        running(tmp_path, with_limit(tmp_path, "TIMEOUT_SECONDS", 0.2)) as run,
        run.socket() as connection,
    ):
        connection.sendall(sent)
        assert rest_of(connection) == b""


def test_more_connections_than_it_can_hold_are_closed_until_one_ends(tmp_path: Path) -> None:
    with running(tmp_path, with_limit(tmp_path, "MOST_CONNECTIONS", 3)) as run:
        held = [run.connect() for _ in range(3)]
        assert [get(each)[0] for each in held] == [200] * 3
        with run.socket() as connection:
            assert rest_of(connection) == b""
        assert get(held[1])[0] == 200
        held[0].close()

        def is_served() -> bool:
            try:
                return get(run.connect())[0] == 200
            except (ConnectionError, http.client.HTTPException):  # closed before it was read
                return False

        run.until(is_served)


def test_clients_that_send_nothing_or_half_a_request_do_not_keep_others_waiting(app: Running) -> None:
    slow = [app.socket() for _ in range(200)]
    try:
        for connection in slow[::2]:
            connection.sendall(HELLO[:-2])
        assert get(app.connect())[0] == 200
    finally:
        for connection in slow:
            connection.close()


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
    [(200, TASK, "0123abcd"), (500, TASK, None), (200, b"{}", None), (200, b"\xff", None)],
    ids=["ecs", "error", "no-arn", "no-json"],
)
def test_task_comes_from_the_metadata_endpoint_and_never_stops_the_app(
    tmp_path: Path, status: int, content: bytes, task: str | None
) -> None:
    with (
        metadata_endpoint(status, content) as endpoint,
        running(tmp_path, ECS_CONTAINER_METADATA_URI_V4=endpoint) as run,
    ):
        assert get(run.connect())[1].split()[-1] == (task or socket.gethostname())


def test_unreachable_metadata_endpoint(tmp_path: Path) -> None:
    with running(tmp_path, ECS_CONTAINER_METADATA_URI_V4="http://127.0.0.1:1/v4/x") as run:
        assert get(run.connect())[0] == 200


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
