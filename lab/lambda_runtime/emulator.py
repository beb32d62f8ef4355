"""A built function in the emulator of Lambda that SAM CLI ships, started as Lambda starts it, without Docker.

What Lambda has at /var/task and /opt/python lies where `sam build` put it; everything else that the function
finds is given here: nothing comes from the environment of the tests.
"""

from __future__ import annotations

import http.client
import json
import os
import platform
import re
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samtranslator.yaml_helper import yaml_parse

from lab.waiting import accepts, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
HOST = "127.0.0.1"
INVOCATIONS = "/2015-03-31/functions/function/invocations"
START_SECONDS = 30
END_SECONDS = 10
# With PYTHONVERBOSE Python says from which file it takes the code of each module, compiled or not.
# Python shows a path with a quote in it between double ones.
LOADED = re.compile(
    r"""^# (?:code object|extension module '[^']+' loaded) from (['"]?)(/[^\n]+?)\1$""", re.MULTILINE
)


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
        """The function of this name in a folder of `sam build`."""
        build = build / "Pushlive"  # the nested template's own artefacts
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

    @classmethod
    def found(cls, sam_executable: str) -> Runtime:
        """Return what is installed here.

        Raises:
            FileNotFoundError: something is not; the text says what to do.
        """
        python = Path(os.environ.get("RUNTIME_PYTHON") or ROOT / ".venv-runtime" / "bin" / "python")
        if not python.exists():
            raise FileNotFoundError(
                f"No Python for the built functions at {python}: `make .venv-runtime/installed` makes it. Or "
                "name one that holds requirements/runtime.txt, and nothing else, in the environment variable "
                "RUNTIME_PYTHON"
            )
        return cls(_emulator_of(Path(shutil.which(sam_executable) or sam_executable)), python.absolute())


def _emulator_of(sam: Path) -> Path:
    """Return the emulator that lies beside SAM CLI's modules, which its own Python knows."""
    python = sam.resolve().with_name("python")
    if not python.exists():
        raise FileNotFoundError(
            f"{sam} has no Python beside it: install requirements/sam.txt into an environment of its own"
        )
    done = subprocess.run(  # noqa: S603 - no shell
        [python, "-I", "-c", "import samcli; print(samcli.__path__[0])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise FileNotFoundError(f"{python} does not know SAM CLI: {done.stderr}")
    name = f"aws-lambda-rie-{MACHINES[platform.machine()]}"
    return Path(done.stdout.strip()) / "local" / "rapid" / name


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

    def __init__(self, function: BuiltFunction, port: int, log: Path, process_id: int) -> None:
        self.function = function
        self._port = port
        self._log = log
        self._process_id = process_id

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

    def peak_memory_kib(self) -> int:
        """The most memory that the function's own process ever held (Linux's VmHWM)."""
        threads = Path(f"/proc/{self._process_id}/task").glob("*/children")  # any of them may have started it
        [child] = " ".join(path.read_text(encoding="utf-8") for path in threads).split()
        status = Path(f"/proc/{child}/status").read_text(encoding="utf-8")
        [peak] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(peak)

    def loaded(self) -> list[Path]:
        """The files that its Python took code from since it was started: `.py`, `.pyc` and `.so`."""
        return [Path(path) for _, path in LOADED.findall(self._log.read_text(encoding="utf-8"))]


@contextmanager
def running(
    runtime: Runtime,
    function: BuiltFunction,
    environment: Mapping[str, str],
    log: Path,
    *,
    before_the_layer: Sequence[Path] = (),
    traced: bool = True,
) -> Iterator[Emulator]:
    """The function, ready for events until the block ends; traced, it tells where its code came from."""
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
            env={
                **environment,
                **_lambdas(function, before_the_layer),
                **({"PYTHONVERBOSE": "1"} if traced else {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: accepts(HOST, port) or process.poll() is not None, "the emulator", START_SECONDS)
        if process.poll() is not None:
            raise RuntimeError(f"the emulator ended: {log.read_text(encoding='utf-8')}")
        yield Emulator(function, port, log, process.pid)
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
    }


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind((HOST, 0))
        other.bind((HOST, 0))
        return one.getsockname()[1], other.getsockname()[1]
