"""MiniStack, AWS's APIs in this process: how it is set up, and every private name of it that we use.

Its wire formats are AWS's and stay; its internals change between releases, so the version is pinned,
the names stand here only, and tests/lab/test_ministack.py holds each assumption.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
import tempfile
import threading
import zipfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lab.identity import CREDENTIALS
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

silent = logging.getLogger("silent")
silent.setLevel(logging.CRITICAL + 1)

REGISTRY_ON_AWS = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}"  # as templates write it

RESET_PATH = "/_ministack/reset"


def configure(port: int, retry_seconds: float, folder: Path) -> None:
    """Set what MiniStack reads from the environment, before it is imported; it writes below `folder`.

    `retry_seconds` stands for the minute after which Lambda runs a failed event again.
    """
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]  # a real account's, which the functions would inherit
    os.environ |= {
        **CREDENTIALS,
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": str(retry_seconds),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
    }
    # Read at import, and kept there with all its state: a new lab begins with a new one.
    for name in [name for name in sys.modules if name.partition(".")[0] == "ministack"]:
        del sys.modules[name]
    os.environ.pop("LOG_LEVEL", None)  # MiniStack's, but Powertools in the functions reads it too


def application() -> Any:  # noqa: ANN401 - an ASGI application
    """Return MiniStack's ASGI application."""
    from ministack.app import app  # noqa: PLC0415 - reads the environment when it is imported

    logging.getLogger().setLevel(logging.ERROR)  # its import made this INFO
    return app


def name_registry(host: str) -> None:
    """Call the registry by this host, in repositories' URIs and in templates: docker push finds it there."""
    from ministack.services import ecr  # noqa: PLC0415
    from ministack.services.cloudformation import engine  # noqa: PLC0415

    ecr._repo_uri = lambda name: f"{host}/{name}"  # noqa: SLF001
    parse = engine._parse_template  # noqa: SLF001
    _replace_in_cloudformation("_parse_template", lambda body: parse(body.replace(REGISTRY_ON_AWS, host)))


def leave_schedules_to_us() -> None:
    """Keep MiniStack from running the scheduled rules: the lab does, in its own, faster time."""
    from ministack.services import eventbridge  # noqa: PLC0415

    eventbridge.start_scheduler = lambda: None


def run_functions_by_their_runtime() -> None:
    """Run a function by the Python that its runtime names, such as python3.13, where that is installed."""
    from ministack.core import lambda_runtime  # noqa: PLC0415

    before = lambda_runtime._detect_runtime_binary  # noqa: SLF001

    def detect(runtime: str) -> tuple[str, str]:
        binary, worker = before(runtime)
        return installed(runtime) or binary, worker

    lambda_runtime._detect_runtime_binary = detect  # noqa: SLF001


@cache
def installed(runtime: str) -> str | None:
    """Return the Python of a runtime; None if it is not installed here."""
    # The shim of a version manager (pyenv) runs a version that is not active only when it is asked for.
    asked_for = {**os.environ, "PYENV_VERSION": runtime.removeprefix("python")}
    command = [runtime, "-c", "import sys; print(sys.executable)"]
    try:
        done = subprocess.run(command, env=asked_for, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def unpack_once(folder: Path) -> None:
    """Unpack a function or a layer once, into the new `folder`, and only link it for each further process.

    MiniStack unpacks both for each process, which takes longer than all that the function then does.
    """
    from ministack.core import lambda_runtime  # noqa: PLC0415

    unpacking = threading.Lock()
    folder.mkdir()

    class UnpackedOnce(zipfile.ZipFile):
        def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:  # noqa: ANN401
            kept = folder / sha256(Path(str(self.filename)).read_bytes()).hexdigest()
            with unpacking:
                if not kept.exists():
                    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
                        super().extractall(Path(unfinished) / "all", members, pwd)
                        (Path(unfinished) / "all").rename(kept)
            for each in kept.iterdir():
                (Path(path) / each.name).symlink_to(each)

    lambda_runtime.zipfile = ModuleType(zipfile.__name__)
    vars(lambda_runtime.zipfile).update(vars(zipfile), ZipFile=UnpackedOnce)


def executions_in_flight() -> int:
    """How many runs of functions have begun and not ended; one that waits to be tried again is none."""
    from ministack.services import lambda_svc  # noqa: PLC0415

    return int(lambda_svc.executions_in_flight()[0])


class FunctionProcesses:
    """All processes of functions, so that they end with the lab.

    MiniStack forgets one that it replaces while it is being started, and runs that failed are tried again.
    """

    def __init__(self) -> None:
        from ministack.core import lambda_runtime  # noqa: PLC0415

        self._started: list[Any] = []
        self._over = False
        spawn = lambda_runtime.Worker._spawn  # noqa: SLF001

        def start(worker: Any) -> None:  # noqa: ANN401
            if self._over:
                raise RuntimeError("the lab ends")
            self._started.append(worker)
            spawn(worker)

        lambda_runtime.Worker._spawn = start  # noqa: SLF001

    def end(self) -> None:
        """End them and the runs under way, and let nobody start another.

        Raises:
            TimeoutError: a run does not end.
        """
        from ministack.core import lambda_runtime  # noqa: PLC0415
        from ministack.services import lambda_svc  # noqa: PLC0415

        def ended() -> bool:
            lambda_runtime.kill_workers(self._started)
            return executions_in_flight() == 0

        self._over = True
        lambda_svc.logger = silent  # their complaints concern nobody any more
        until(ended, "the end of the functions' runs", seconds=30)
        lambda_runtime.kill_workers(self._started)  # also one that was started between the two


def provision(handlers: Mapping[str, Mapping[str, Callable[..., Any]]]) -> None:
    """Let CloudFormation create these types with these functions, each in a thread where it may wait."""
    from ministack.services.cloudformation import provisioners, stacks  # noqa: PLC0415

    for kind, functions in handlers.items():
        provisioners._RESOURCE_HANDLERS[kind] = dict(functions)  # noqa: SLF001
    before = stacks._runs_on_worker_thread  # noqa: SLF001
    stacks._runs_on_worker_thread = lambda kind: kind in handlers or before(kind)  # noqa: SLF001


def refuse_parameters_in_the_words_of_aws() -> None:
    """Say of a parameter that is refused what CloudFormation says, with its ConstraintDescription.

    Source: aws-cli issue 7750.
    """
    from ministack.services.cloudformation import engine  # noqa: PLC0415

    resolve = engine._resolve_parameters  # noqa: SLF001

    def resolve_parameters(template: dict[str, Any], *given: Any, **more: Any) -> Any:  # noqa: ANN401
        try:
            return resolve(template, *given, **more)
        except ValueError as error:
            refused = re.match(r"Parameter '(\w+)' ", str(error))
            description = refused and template["Parameters"][refused[1]].get("ConstraintDescription")
            if not refused or not description:
                raise
            raise ValueError(f"Parameter {refused[1]} failed to satisfy constraint: {description}") from error

    _replace_in_cloudformation("_resolve_parameters", resolve_parameters)


def resolve_the_values_in_conditions() -> None:
    """Let Conditions use functions that they may use on AWS: Fn::Join, Fn::Select and Fn::Split.

    Source: docs/decisions.md, "Secrets by position".
    """
    from ministack.services.cloudformation import engine  # noqa: PLC0415

    evaluate = engine._evaluate_conditions  # noqa: SLF001

    def evaluate_conditions(template: dict[str, Any], parameters: Any) -> Any:  # noqa: ANN401
        mappings = template.get("Mappings", {})

        def resolved(node: Any) -> Any:  # noqa: ANN401
            match node:
                case {"Fn::Equals": pair}:
                    values = engine._resolve_refs(pair, {}, parameters, {}, mappings, "", "")  # noqa: SLF001
                    return {"Fn::Equals": values}
                case dict():
                    return {key: resolved(inner) for key, inner in node.items()}
                case list():
                    return [resolved(inner) for inner in node]
            return node

        return evaluate({**template, "Conditions": resolved(template.get("Conditions", {}))}, parameters)

    _replace_in_cloudformation("_evaluate_conditions", evaluate_conditions)


def update_nested_stacks_as_outer_ones() -> None:
    """Apply a nested template's transforms; keep what GetAtt gives; delete what was replaced."""
    from ministack.services import cloudformation  # noqa: PLC0415
    from ministack.services.cloudformation import engine, provisioners  # noqa: PLC0415

    parse = engine._parse_template  # noqa: SLF001
    # The provisioner of nested stacks looks it up at each call; others have a name of their own for it.
    engine._parse_template = lambda body: engine._apply_transforms(parse(body))  # noqa: SLF001
    update = provisioners._update_resource  # noqa: SLF001

    def update_resource(*given: Any, **more: Any) -> Any:  # noqa: ANN401
        kind, physical_id, old, _, stack, logical_id = given
        kept = cloudformation._stacks[stack]["_resources"][logical_id]["Attributes"]  # noqa: SLF001
        made, attributes = update(*given, **more)
        if made == physical_id:
            return made, {**kept, **attributes}
        if kind.startswith("Custom::"):  # a nested stack forgets the one that was replaced
            provisioners._delete_resource(kind, physical_id, old, stack, logical_id)  # noqa: SLF001
        return made, attributes

    provisioners._update_resource = update_resource  # noqa: SLF001


def _replace_in_cloudformation(name: str, function: Callable[..., Any]) -> None:
    """Replace a function of the engine in each module that has imported it."""
    from ministack.services import cloudformation  # noqa: PLC0415

    for module in vars(cloudformation).values():
        if isinstance(module, ModuleType) and name in vars(module):
            setattr(module, name, function)


def refuse_deletions(checks: Mapping[str, Callable[[str], None]]) -> None:
    """Let CloudFormation delete a resource of these types only where the check of its id raises nothing."""
    from ministack.services.cloudformation import provisioners  # noqa: PLC0415

    def checked(check: Callable[[str], None], delete: Callable[..., None]) -> Callable[..., None]:
        def delete_if_possible(physical_id: str, properties: Any) -> None:  # noqa: ANN401
            check(physical_id)
            delete(physical_id, properties)

        return delete_if_possible

    known = provisioners._RESOURCE_HANDLERS  # noqa: SLF001
    for kind, check in checks.items():
        known[kind] = {**known[kind], "delete": checked(check, known[kind]["delete"])}


def network_of(subnet_id: str) -> str:
    """Return the VPC of a subnet; empty where there is no such subnet."""
    from ministack.services import ec2  # noqa: PLC0415

    subnet: Mapping[str, str] = ec2._subnets.get(subnet_id, {})  # noqa: SLF001
    return subnet.get("VpcId", "")


def manifest_digest(repository: str, reference: str) -> str | None:
    """Return the digest that a tag or digest names in the registry, or None."""
    from ministack.services import ecr  # noqa: PLC0415

    digest: str | None
    digest, content, _ = ecr._resolve_manifest(repository, reference)  # noqa: SLF001
    return digest if content is not None else None
