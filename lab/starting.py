"""What each command that starts a lab does first: signals, the log file, containers or processes."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lab.containers.base_images import PYTHON_IMAGE, fetch
from lab.containers.docker_cli import DockerError
from lab.containers.docker_engine import running_engine
from lab.ecr.public_images import SIDECAR_IMAGE
from lab.serving import PortError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from lab.containers.docker_cli import Docker

FOLDER = Path(".lab")
LOG = FOLDER / "lab.log"
SPEED = 20  # samconfig.toml's [lab.deploy.parameters] go with it


def arguments_of(parser: argparse.ArgumentParser, port: int, speed: float) -> None:
    """Add what every lab can be told."""
    parser.add_argument(
        "--speed", type=float, default=speed, help="how many times as fast as AWS (default: %(default)g)"
    )
    parser.add_argument(
        "--port",
        type=int,
        default=port,
        help="port of the AWS endpoint; 0: a free one (default: %(default)d)",
    )
    parser.add_argument(
        "--tasks",
        choices=["containers", "processes"],
        help="what tasks are (default: containers, where a Docker Engine has Python's image)",
    )


def run(name: str, use: Callable[[Console], None], *, stopped: int) -> int | str:
    """Use a lab until it ends, or is stopped; return the exit code, or what is wrong.

    `stopped` is the exit code after Ctrl-C.
    """
    console = Console()
    for number in (signal.SIGTERM, signal.SIGHUP):  # of `kill`, and of a terminal that is closed
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    keep_complaints(LOG)
    try:
        use(console)
    except (DockerError, PortError) as error:
        return f"{name}: {error}"
    except KeyboardInterrupt:
        console.print("stopped; everything that was started has ended")
        return stopped
    return 0


def keep_complaints(log: Path) -> None:
    """Write what MiniStack and its like complain of into a file: what concerns a person, an answer says."""
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)  # another run may still write into it
    logging.basicConfig(
        filename=log, filemode="w", level=logging.ERROR, format="%(asctime)s %(name)s %(message)s"
    )


def docker_engine(wanted: str | None, console: Console) -> Docker | None:
    """The Docker Engine to use, or None for processes.

    Raises:
        DockerError: containers are wanted, and cannot be had.
    """
    if wanted == "processes":
        return None
    try:
        docker = running_engine()
        for image in (PYTHON_IMAGE, SIDECAR_IMAGE):
            fetch(docker, image, console.print)
    except DockerError as error:
        if wanted:
            raise
        console.print(f"Tasks will be plain processes: {error}", soft_wrap=True)
        return None
    return docker
