"""`python -m lab demo` tells the story; `python -m lab up` keeps the lab running for your own commands."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lab.base_images import PYTHON_IMAGE, fetch
from lab.docker_cli import DockerError
from lab.docker_engine import running_engine
from lab.lab import Lab
from lab.ministack import CREDENTIALS

if TYPE_CHECKING:
    from lab.docker_cli import Docker

FOLDER = Path(".lab")


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=["demo", "up"])
    parser.add_argument("--speed", type=float, default=20, help="how many times as fast as AWS (default: 20)")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the AWS endpoint (default: a free one; up: 4566)"
    )
    parser.add_argument(
        "--tasks",
        choices=["containers", "processes"],
        help="what tasks are (default: containers, where a Docker Engine has Python's image)",
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        docker = _docker(arguments.tasks, console)
    except DockerError as error:
        parser.error(str(error))
    try:
        if arguments.command == "demo":
            with Lab(FOLDER, port=arguments.port, speed=arguments.speed, docker=docker) as lab:
                from lab.demo import Demo  # noqa: PLC0415 - `up` needs no story

                Demo(lab, FOLDER, console).run()
        else:
            with Lab(FOLDER, port=arguments.port or 4566, speed=arguments.speed, docker=docker) as lab:
                for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": lab.endpoint}.items():
                    console.print(f"export {name}={value}", highlight=False)
                host, port = lab.dns
                console.print(f"# names: dig -p {port} @{host} NAME · Ctrl-C ends it", highlight=False)
                threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped; everything that was started has ended")
        return 0 if arguments.command == "up" else 130
    return 0


def _docker(wanted: str | None, console: Console) -> Docker | None:
    """The Docker Engine to use, or None for processes.

    Raises:
        DockerError: containers are wanted, and cannot be had.
    """
    if wanted == "processes":
        return None
    try:
        docker = running_engine()
        fetch(docker, PYTHON_IMAGE, console.print)
    except DockerError as error:
        if wanted:
            raise
        console.print(f"Tasks will be plain processes: {error}", soft_wrap=True)
        return None
    return docker


if __name__ == "__main__":
    sys.exit(main())
