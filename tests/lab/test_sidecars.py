"""The sidecars' scripts, as template.yaml has them, with the lab's stand-ins for busybox's programs."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import threading
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.ecr import public_images
from lab.ecr.oci import unpack
from lab.template import REGION, SERVICE, Json, Stack, transformed_template
from lab.waiting import until
from pushlive.stopped_tasks import LOOPBACK_REASON, ON_LOOPBACK_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNNING, STOPPED, NOTHING = "RUNNING", "STOPPED", ""
LONG = 600  # longer than any test
OWN_ADDRESS = "127.96.9.1"  # the task's, beside 127.0.0.1


class App(socketserver.ThreadingTCPServer):
    """A port that listens at one address, and counts who comes."""

    allow_reuse_address = True

    def __init__(self, address: str = OWN_ADDRESS, port: int = 0) -> None:
        super().__init__((address, port), socketserver.BaseRequestHandler)
        self.callers = 0
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def verify_request(self, *_: object) -> bool:
        """Count it."""
        self.callers += 1
        return True

    def end(self) -> None:
        """Listen no longer."""
        self.shutdown()
        self.server_close()


class Metadata(HTTPServer):
    """The task metadata endpoint: what it knows of the app, and how often it was asked.

    ECS guide, "Task metadata endpoint version 4 for tasks on Fargate", example task response.
    """

    def __init__(self) -> None:
        self.known_status = RUNNING
        self.addresses = [OWN_ADDRESS]
        self.indent: int | None = None
        self.asked = 0
        endpoint = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.asked += 1
                network = {"NetworkMode": "awsvpc", "IPv4Addresses": endpoint.addresses, "AttachmentIndex": 0}
                containers = [
                    {"Name": "app", "KnownStatus": endpoint.known_status, "Networks": [network]},
                    {"Name": "drain-sidecar", "KnownStatus": RUNNING, "Networks": [network]},
                ]
                known = {"TaskARN": "arn", "KnownStatus": RUNNING, "Containers": containers}
                self.send_response(200 if self.path == "/v4/1/task" and endpoint.known_status else 500)
                self.end_headers()
                compact = None if endpoint.indent else (",", ":")
                self.wfile.write(json.dumps(known, separators=compact, indent=endpoint.indent).encode())

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        """Answer no longer."""
        self.shutdown()
        self.server_close()


@pytest.fixture(scope="module")
def definitions() -> dict[str, Json]:
    """The containers of template.yaml's task, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        [definition] = Stack(transformed_template(SERVICE), {}).of_type("AWS::ECS::TaskDefinition").values()
    return {each["Name"]: each for each in definition["ContainerDefinitions"]}


@pytest.fixture(scope="module")
def definition(definitions: dict[str, Json]) -> Json:
    return definitions["drain-sidecar"]


@pytest.fixture
def command(definition: Json, tmp_path: Path) -> list[str]:
    """A container has a /tmp of its own."""
    return [each.replace("/tmp/", f"{tmp_path}/") for each in definition["Command"]]  # noqa: S108 - its own


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("busybox")
    unpack(public_images.stand_in(), folder)
    return folder / "bin"


@pytest.fixture
def app() -> Iterator[App]:
    running = App()
    yield running
    running.end()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    running = Metadata()
    yield running
    running.end()


def environment_of(programs: Path, app: App, metadata: Metadata) -> dict[str, str]:
    host, port = metadata.server_address[:2]
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PORT": str(app.server_address[1]),
        "ECS_CONTAINER_METADATA_URI_V4": f"http://{host!s}:{port}/v4/1",
    }


@contextmanager
def drain_sidecar(
    command: list[str], programs: Path, app: App, metadata: Metadata, drain_seconds: int = LONG
) -> Iterator[subprocess.Popen[str]]:
    """The drain sidecar, from when it has asked for the first time."""
    environment = environment_of(programs, app, metadata) | {"DRAIN_SECONDS": str(drain_seconds)}
    process = subprocess.Popen(  # noqa: S603 - ours
        command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        until(lambda: metadata.asked, "the drain sidecar to ask")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_it_ends_with_an_error_when_the_app_has_ended(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    metadata.known_status = STOPPED
    with drain_sidecar(command, programs, app, metadata) as process:
        assert process.wait(20) == 1
        assert process.stdout
        assert process.stdout.read() == "the app has ended\n"


@pytest.mark.parametrize("known", [RUNNING, NOTHING], ids=["the-app-runs", "nobody-knows"])
def test_it_stays_while(known: str, command: list[str], programs: Path, app: App, metadata: Metadata) -> None:
    metadata.known_status = known
    with drain_sidecar(command, programs, app, metadata) as process:
        until(lambda: metadata.asked > 2, "the drain sidecar to ask again")
        assert process.poll() is None


def test_after_sigterm_it_stays_for_the_drain_time_while_the_port_listens(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    with drain_sidecar(command, programs, app, metadata, drain_seconds=2) as process:
        until(lambda: app.callers, "the drain sidecar's first look")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert app.callers >= 3, "it looks each second"


def test_after_sigterm_it_ends_when_the_port_no_longer_listens(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    with drain_sidecar(command, programs, app, metadata) as process:
        until(lambda: app.callers, "the drain sidecar's first look")
        process.send_signal(signal.SIGTERM)
        before = app.callers
        until(lambda: app.callers > before + 1, "the drain sidecar to look at the port")
        assert process.poll() is None
        app.end()
        assert process.wait(20) == 0


def test_after_sigterm_it_ends_at_once_where_nobody_listens(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    app.end()
    with drain_sidecar(command, programs, app, metadata) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_with_no_drain_time_it_ends_at_once(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    with drain_sidecar(command, programs, app, metadata, drain_seconds=0) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize("indent", [None, 4], ids=["compact-metadata", "metadata-as-the-guide-prints-them"])
def test_it_is_ready_when_the_port_has_listened_for_the_drain_time(
    indent: int | None, command: list[str], programs: Path, app: App, metadata: Metadata, tmp_path: Path
) -> None:
    metadata.indent = indent
    with drain_sidecar(command, programs, app, metadata, drain_seconds=2):
        until((tmp_path / "ready").exists, "the drain sidecar to be ready")
        assert app.callers == 3
        until(
            lambda: (tmp_path / "ready").read_text() == f"{OWN_ADDRESS}\n", "the task's address in the file"
        )


def test_an_app_on_loopback_only_is_never_ready_and_ends_the_drain_sidecar_with_words_and_a_code_of_its_own(
    command: list[str], programs: Path, metadata: Metadata, tmp_path: Path
) -> None:
    app = App("127.0.0.1")
    with drain_sidecar(command, programs, app, metadata, drain_seconds=5) as process:
        assert process.wait(20) == ON_LOOPBACK_ONLY
        assert process.stdout
        assert process.stdout.read() == f"{LOOPBACK_REASON}\n"
        assert app.callers == 3, "a third of the drain time, and two looks"
    app.end()
    assert not (tmp_path / "ready").exists()


def test_an_app_that_is_on_loopback_only_for_a_look_now_and_then_is_let_be(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    """A database may listen so while it sets itself up."""
    port = app.server_address[1]
    with drain_sidecar(command, programs, app, metadata, drain_seconds=3) as process:
        app.end()
        for address in ("127.0.0.1", OWN_ADDRESS) * 3:
            app = App(address, port)
            until(partial(getattr, app, "callers"), f"a look at {address}")
            app.end()
        assert process.poll() is None


def test_it_does_not_judge_while_the_tasks_address_is_unknown(
    command: list[str], programs: Path, metadata: Metadata, tmp_path: Path
) -> None:
    app = App("127.0.0.1")
    metadata.addresses = []
    with drain_sidecar(command, programs, app, metadata, drain_seconds=0) as process:
        until(lambda: metadata.asked > 8, "four looks")
        assert process.poll() is None
    app.end()
    assert not (tmp_path / "ready").exists()


def test_it_keeps_the_tasks_address_while_the_metadata_fail(
    command: list[str], programs: Path, app: App, metadata: Metadata
) -> None:
    with drain_sidecar(command, programs, app, metadata):
        until(lambda: app.callers, "the drain sidecar's first look")
        metadata.known_status = NOTHING
        before = app.callers
        until(lambda: app.callers > before + 2, "more looks", seconds=20)


def test_it_is_not_ready_while_nobody_listens(
    command: list[str], programs: Path, app: App, metadata: Metadata, tmp_path: Path
) -> None:
    app.end()
    with drain_sidecar(command, programs, app, metadata, drain_seconds=0):
        until(lambda: metadata.asked > 2, "the drain sidecar to ask again")
        assert not (tmp_path / "ready").exists()


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("listens", [True, False])
def test_its_health_check_wants_both(
    *, ready: bool, listens: bool, definition: Json, programs: Path, app: App, tmp_path: Path
) -> None:
    kind, check = definition["HealthCheck"]["Command"]
    assert kind == "CMD-SHELL"
    script = check["Fn::Sub"].replace("${ContainerPort}", str(app.server_address[1]))
    if ready:
        (tmp_path / "ready").write_text(f"{OWN_ADDRESS}\n")
    if not listens:
        app.end()
    done = subprocess.run(  # noqa: S603 - ours
        ["/bin/sh", "-c", script.replace("/tmp/", f"{tmp_path}/")],  # noqa: S108 - its own
        env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode == 0) == (ready and listens)


# the readiness sidecar


@pytest.mark.parametrize(
    ("address", "knows", "indent", "healthy"),
    [
        pytest.param(OWN_ADDRESS, [OWN_ADDRESS], None, True, id="the-port-listens"),
        pytest.param(OWN_ADDRESS, [OWN_ADDRESS], 4, True, id="metadata-as-the-guide-prints-them"),
        pytest.param("127.0.0.1", [OWN_ADDRESS], None, False, id="on-loopback-only"),
        pytest.param(None, [OWN_ADDRESS], None, False, id="nobody-listens"),
        pytest.param("127.0.0.1", [], None, False, id="the-task-has-no-address-yet"),
    ],
)
def test_the_readiness_sidecar_is_healthy_while_the_port_listens_at_the_tasks_own_address(
    address: str | None,
    knows: list[str],
    indent: int | None,
    healthy: bool,  # noqa: FBT001 - a column of the table
    definitions: dict[str, Json],
    programs: Path,
    metadata: Metadata,
    tmp_path: Path,
) -> None:
    kind, check = definitions["readiness-sidecar"]["HealthCheck"]["Command"]
    assert kind == "CMD-SHELL"
    metadata.addresses, metadata.indent = knows, indent
    app = App(address or OWN_ADDRESS)
    if address is None:
        app.end()
    done = subprocess.run(  # noqa: S603 - ours
        ["/bin/sh", "-c", check.replace("/tmp/", f"{tmp_path}/")],  # noqa: S108 - its own
        env=environment_of(programs, app, metadata),
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert (done.returncode == 0) is healthy
    if address is not None:
        app.end()


def test_the_readiness_sidecar_does_not_hold_back_the_end_of_its_task(
    definitions: dict[str, Json], programs: Path, app: App, metadata: Metadata
) -> None:
    process = subprocess.Popen(  # noqa: S603 - ours
        definitions["readiness-sidecar"]["Command"],
        env=environment_of(programs, app, metadata),
        start_new_session=True,
    )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(children.read_text, "its sleep, which stands behind the trap")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, "a container's first process ignores a signal that it does not handle"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
