"""Fixtures of the built functions' tests: what runs them, and the place that they find."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from lab.lab import Lab
from lab.lambda_runtime.emulator import BuiltFunction, Emulator, Runtime, running
from tests.lambda_runtime.expectations import FUNCTIONS
from tests.lambda_runtime.origins import Interpreter
from trials.bench.live_state import LiveState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Json = dict[str, Any]

SPEED = 100.0


@pytest.fixture(scope="session")
def runtime(sam_executable: str) -> Runtime:
    try:
        return Runtime.found(sam_executable)
    except FileNotFoundError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="session")
def interpreter(runtime: Runtime) -> Interpreter:
    return Interpreter.of(runtime.python)


@pytest.fixture(scope="session")
def functions(built: Path) -> dict[str, BuiltFunction]:
    return {name: BuiltFunction.of(built, name) for name in FUNCTIONS}


@pytest.fixture(scope="module")
def live() -> Iterator[LiveState]:
    with Lab(speed=SPEED) as lab:
        yield LiveState(lab)


@pytest.fixture(scope="module")
def emulators(
    runtime: Runtime,
    functions: dict[str, BuiltFunction],
    live: LiveState,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Emulator]]:
    """Each function in a process that handles all events."""
    logs = tmp_path_factory.mktemp("logs")
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(running(runtime, function, live.environment, logs / name))
            for name, function in functions.items()
        }


class CloudFormation:
    """What waits for a custom resource's answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[Json] = []


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    """A server on loopback that takes answers."""

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            taken.answers.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        taken = CloudFormation(f"http://127.0.0.1:{server.server_port}/answer?signature=1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield taken
        server.shutdown()
        thread.join()
