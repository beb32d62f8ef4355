"""Fixtures of the built functions' tests: what runs them, and the place that they find."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.lab import Lab
from tests.lambda_runtime.emulator import BuiltFunction, Emulator, Runtime, running
from tests.lambda_runtime.expectations import FUNCTIONS
from tests.lambda_runtime.live_state import LiveState
from tests.lambda_runtime.origins import Interpreter
from tests.template.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

SPEED = 100.0
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


@pytest.fixture(scope="session")
def runtime(sam_executable: str) -> Runtime:
    return Runtime(emulator=_emulator_of(Path(shutil.which(sam_executable) or "")), python=_python())


def _emulator_of(sam: Path) -> Path:
    """The emulator that lies beside SAM CLI's modules, which its own Python knows."""
    python = sam.resolve().with_name("python")
    if not python.exists():
        pytest.fail(
            f"{sam} has no Python beside it: install requirements/sam.txt into an environment of its own"
        )
    done = subprocess.run(  # noqa: S603 - no shell
        [python, "-I", "-c", "import samcli; print(samcli.__path__[0])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{python} does not know SAM CLI: {done.stderr}"
    name = f"aws-lambda-rie-{MACHINES[platform.machine()]}"
    return Path(done.stdout.strip()) / "local" / "rapid" / name


def _python() -> Path:
    found = Path(os.environ.get("RUNTIME_PYTHON") or ROOT / ".venv-runtime" / "bin" / "python")
    if not found.exists():
        pytest.fail(
            f"No Python for the built functions at {found}: `make .venv-runtime/installed` makes it. Or name "
            "one that holds requirements/runtime.txt, and nothing else, in the environment variable "
            "RUNTIME_PYTHON"
        )
    return found.absolute()


@pytest.fixture(scope="session")
def interpreter(runtime: Runtime) -> Interpreter:
    return Interpreter.of(runtime.python)


@pytest.fixture(scope="session")
def functions(built: Path) -> dict[str, BuiltFunction]:
    return {name: BuiltFunction.of(built, name) for name in FUNCTIONS}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveState]:
    with Lab(tmp_path_factory.mktemp("lab"), speed=SPEED) as lab:
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
