"""The real SAM CLI against the lab, as a user types it."""

from __future__ import annotations

import fcntl
import math
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.identity import CREDENTIALS
from lab.proxies import loopback_directly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lab.lab import Lab

ROOT = Path(__file__).parents[2]
STACK_NAME = "pushlive-lab"
AWS_SECONDS = {"DrainSeconds": 95, "MinReadySeconds": 15, "TtlSeconds": 10}
"""Parameters that are times, as the template has them."""
HTTPS_STACK_NAME = "pushlive-lab-https"
CONFIG = ("--config-file", str(ROOT / "samconfig.toml"), "--config-env", "lab")
HTTPS_CONFIG = (*CONFIG[:-1], "https-lab")
KEPT = ROOT / ".lab" / "sam"
# What sam writes of itself goes into its application folder, by default ~/.aws-sam
# (samcli/cli/global_config.py). It asks for a stack's state each half second, by default each 5 s
# (samcli/commands/deploy/command.py).
OWN = {"__SAM_CLI_APP_DIR": str(KEPT / "application"), "SAM_CLI_TELEMETRY": "0", "SAM_CLI_POLL_DELAY": "0.5"}


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
    """Build the functions and the layer into the new `folder`.

    What sam has built is kept. The next build takes from there what has not changed, and needs no network.
    """
    with _alone(KEPT, progress):
        run(
            ["build", "--template", str(ROOT / "template.yaml"), "--build-dir", "build", "--cached"],
            {},
            progress,
            cwd=KEPT,
        )
        shutil.copytree(KEPT / "build", folder)


@contextmanager
def _alone(folder: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """`folder` is used by one run at a time: sam knows no other that builds there too."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another run's sam build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
    return outputs(lab, STACK_NAME)


def deploy_https(
    lab: Lab, parameters: Mapping[str, str], progress: Callable[[str], None] = print
) -> dict[str, str]:
    """Deploy https.yaml to the lab and return its outputs."""
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    run(["deploy", *HTTPS_CONFIG, "--parameter-overrides", *overrides], environment(lab), progress)
    return outputs(lab, HTTPS_STACK_NAME)


def outputs(lab: Lab, stack_name: str) -> dict[str, str]:
    """Return a stack's outputs."""
    [stack] = lab.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def delete(lab: Lab, progress: Callable[[str], None] = print) -> None:
    """Delete the stack."""
    run(["delete", *CONFIG, "--stack-name", STACK_NAME, "--no-prompts"], environment(lab), progress)


def delete_https(lab: Lab, progress: Callable[[str], None] = print) -> None:
    """Delete the stack of https.yaml."""
    run(["delete", *HTTPS_CONFIG, "--no-prompts"], environment(lab), progress)


def environment(lab: Lab) -> dict[str, str]:
    """Return the variables with which an AWS tool talks to the lab, and to it directly."""
    return {**CREDENTIALS, "AWS_ENDPOINT_URL": lab.endpoint, **OWN, **loopback_directly(os.environ)}


def run(
    arguments: list[str], more: Mapping[str, str], progress: Callable[[str], None], *, cwd: Path = ROOT
) -> None:
    """Run sam, each line of its output to `progress`.

    Raises:
        SamError: it failed.
    """
    # The layer's build calls python3: this one has pip for certain.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    env = {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **OWN, **more}
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - no shell
        [executable(), *arguments],
        cwd=cwd,
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
