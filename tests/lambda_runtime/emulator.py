"""A built function in the emulator of Lambda that SAM CLI ships, started as Lambda starts it, without Docker.

What Lambda has at /var/task and /opt/python lies where `sam build` put it; everything else that the function
finds is given here: nothing comes from the environment of the tests.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samtranslator.yaml_helper import yaml_parse

from lab.watch import accepts, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Json = dict[str, Any]

HOST = "127.0.0.1"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
START_SECONDS = 30
END_SECONDS = 10
# With PYTHONVERBOSE Python says from which file it takes the code of each module, compiled or not.
LOADED = re.compile(r"^# (?:code object|extension module '[^']+' loaded) from '?(/[^'\n]+)'?$", re.MULTILINE)


@dataclass(frozen=True)
class BuiltFunction:
    """What the template that `sam build` wrote says about a function."""

    name: str
    folder: Path
    """/var/task in Lambda."""
    layer: Path
    """/opt in Lambda."""
    handler: str
    timeout_seconds: int
    memory_mib: int

    @classmethod
    def of(cls, build: Path, name: str) -> BuiltFunction:
        template = yaml_parse((build / "template.yaml").read_text(encoding="utf-8"))
        resources = template["Resources"]
        properties = template["Globals"]["Function"] | resources[name]["Properties"]
        [layer] = properties["Layers"]
        return cls(
            name=name,
            folder=build / properties["CodeUri"],
            layer=build / resources[layer["Ref"]]["Properties"]["ContentUri"],
            handler=properties["Handler"],
            timeout_seconds=properties["Timeout"],
            memory_mib=properties["MemorySize"],
        )


@dataclass(frozen=True)
class Runtime:
    """What runs functions: SAM CLI's emulator, and a Python that holds `awslambdaric`."""

    emulator: Path
    python: Path


@dataclass(frozen=True)
class Answer:
    """What came of one event."""

    text: str
    lines: list[Json]
    """The function's log, its metrics included."""
    output: str
    """All that was written meanwhile, for a test that fails."""


class Emulator:
    """A running function."""

    def __init__(self, function: BuiltFunction, port: int, log: Path) -> None:
        self.function = function
        self._port = port
        self._log = log

    def invoke(self, event: Json) -> Answer:
        """Let the function handle an event; its process is started for the first one."""
        written = len(self._log.read_bytes())
        connection = http.client.HTTPConnection(HOST, self._port, timeout=self.function.timeout_seconds + 10)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event))
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        # The function's own standard output is this file, so its lines are there before its answer is.
        output = self._log.read_bytes()[written:].decode()
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return Answer(text, lines, output)

    def loaded(self) -> list[Path]:
        """The files that its Python took code from since it was started: `.py`, `.pyc` and `.so`."""
        return [Path(path) for path in LOADED.findall(self._log.read_text(encoding="utf-8"))]


@contextmanager
def running(
    runtime: Runtime,
    function: BuiltFunction,
    environment: Mapping[str, str],
    log: Path,
    *,
    before_the_layer: Sequence[Path] = (),
) -> Iterator[Emulator]:
    """The function, ready for events until the block ends."""
    port, api_port = _free_ports()
    command = [
        *(str(runtime.emulator), "--log-level", "error"),
        *("--runtime-interface-emulator-address", f"{HOST}:{port}"),
        *("--runtime-api-address", f"{HOST}:{api_port}"),
        *(str(runtime.python), "-m", "awslambdaric", function.handler),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - no shell
            command,
            cwd=function.folder,
            env={**environment, **_lambdas(function, before_the_layer)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: accepts(HOST, port) or process.poll() is not None, "the emulator", START_SECONDS)
        assert process.poll() is None, f"the emulator ended: {log.read_text(encoding='utf-8')}"
        yield Emulator(function, port, log)
    finally:
        process.terminate()  # it ends the function's process as well
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _lambdas(function: BuiltFunction, before_the_layer: Sequence[Path]) -> dict[str, str]:
    """The environment that Lambda gives (Lambda guide, "Defined runtime environment variables")."""
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout_seconds),  # the emulator's own
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mib),
        "LAMBDA_TASK_ROOT": str(function.folder),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        "PYTHONPATH": ":".join(map(str, [*before_the_layer, function.layer / "python"])),
        "PYTHONDONTWRITEBYTECODE": "1",  # in Lambda the artefacts cannot be written to
        "PYTHONVERBOSE": "1",
    }


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
