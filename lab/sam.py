"""The real SAM CLI against the lab, as a user types it."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.ministack import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.lab import Lab

ROOT = Path(__file__).parent.parent
STACK_NAME = "pushlive-lab"
AWS_SECONDS = {"DrainSeconds": 95, "SettleSeconds": 15, "TtlSeconds": 10}
"""Parameters that are times, as the template has them."""
CONFIG = ("--config-file", str(ROOT / "samconfig.toml"), "--config-env", "lab")


class SamError(Exception):
    """A sam command failed; the text holds its last lines."""


def executable() -> str:
    """Return the sam command: the checkout's own, or the one on PATH.

    Raises:
        SamError: there is none.
    """
    own = ROOT / ".venv-sam" / "bin" / "sam"
    if found := os.environ.get("SAM") or (str(own) if own.exists() else shutil.which("sam")):
        return found
    raise SamError("SAM CLI is not installed: `make .venv-sam` installs it into this folder")


def parameters(zone_id: str, host_name: str, speed: float) -> dict[str, str]:
    """Return the stack's parameters under this name, with the template's times in the lab's time."""
    times = {name: str(math.ceil(seconds / speed)) for name, seconds in AWS_SECONDS.items()}
    return {"HostedZoneId": zone_id, "HostName": host_name, **times}


def build(folder: Path, progress: Callable[[str], None] = print) -> None:
    """Build the functions and the layer into `folder`."""
    run(
        ["build", "--build-dir", str(folder), "--cached", "--cache-dir", str(folder.parent / "cache")],
        {},
        progress,
    )


def deploy(
    lab: Lab,
    build_folder: Path,
    parameters: Mapping[str, str],
    progress: Callable[[str], None] = print,
    *,
    template: Path | None = None,
) -> dict[str, str]:
    """Deploy the built stack to the lab and return its outputs."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    run(
        [
            *("deploy", *CONFIG, "--stack-name", STACK_NAME),
            *("--template-file", str(template or build_folder / "template.yaml")),
            *(["--parameter-overrides", *overrides] if overrides else []),
        ],
        environment(lab),
        progress,
    )
    [stack] = lab.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def delete(lab: Lab, progress: Callable[[str], None] = print) -> None:
    """Delete the stack."""
    run(["delete", *CONFIG, "--stack-name", STACK_NAME, "--no-prompts"], environment(lab), progress)


def environment(lab: Lab) -> dict[str, str]:
    """Return what makes an AWS tool talk to the lab."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": lab.endpoint}


def run(arguments: list[str], more: Mapping[str, str], progress: Callable[[str], None]) -> None:
    """Run sam, each line of its output to `progress`.

    Raises:
        SamError: it failed.
    """
    # The layer's build calls python3: this one has pip for certain.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0", "PYTHONUNBUFFERED": "1", **more}
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - no shell
        [executable(), *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        try:
            for line in process.stdout:
                if line.strip():
                    lines.append(line.rstrip())
                    progress(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise SamError(
            f"sam {' '.join(arguments)} ended with {process.returncode}:\n" + "\n".join(lines[-30:])
        )
