"""`python -m lab demo` tells the story, `load` measures it, `up` keeps the lab running for your commands."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lab import sam, walk
from lab.base_images import PYTHON_IMAGE, fetch
from lab.docker_cli import DockerError
from lab.docker_engine import running_engine
from lab.lab import Lab, PortError
from lab.public_images import COMPANION_IMAGE
from lab.zones import create_zone

if TYPE_CHECKING:
    from lab.docker_cli import Docker

FOLDER = Path(".lab")
LOG = FOLDER / "lab.log"
SPEED = 20  # samconfig.toml's [lab.deploy.parameters] go with it
PORTS = {"up": 4566}
LOAD_SPEED = 6  # a second that a function takes is as many seconds of AWS: not more, or it decides who fails


def main() -> int | str:
    """Return the exit code, or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=["demo", "load", "up"])
    parser.add_argument("--speed", type=float, help="how many times as fast as AWS (default: 20; load: 6)")
    parser.add_argument(
        "--port", type=int, help="port of the AWS endpoint; 0 is a free one (default: 0; up: 4566)"
    )
    parser.add_argument(
        "--tasks",
        choices=["containers", "processes"],
        help="what tasks are (default: containers, where a Docker Engine has Python's image)",
    )
    parser.add_argument("--rate", type=float, default=200, help="load: requests a second (default: 200)")
    parser.add_argument("--pushes", type=int, default=10, help="load: how many pushes in a row (default: 10)")
    arguments = parser.parse_args()
    speed = arguments.speed or (LOAD_SPEED if arguments.command == "load" else SPEED)
    if arguments.command == "load" and arguments.tasks == "containers":
        parser.error("the load's tasks are processes, so that it is the same on every machine")
    port = PORTS.get(arguments.command, 0) if arguments.port is None else arguments.port
    console = Console()
    for number in (signal.SIGTERM, signal.SIGHUP):  # of `kill`, and of a terminal that is closed
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, signal.default_int_handler)
    foreign = {name for name in os.environ if name.startswith("AWS_")}
    keep_complaints(LOG)
    try:
        if arguments.command == "load":
            from lab.load.run import PROPAGATION_SECONDS, LoadRun  # noqa: PLC0415 - only here

            with Lab(port=port, speed=speed, propagation_seconds=PROPAGATION_SECONDS / speed) as lab:
                rate, pushes = arguments.rate, arguments.pushes
                LoadRun(lab, FOLDER, console, requests_per_second=rate, pushes=pushes).run()
            return 0
        lab = Lab(port=port, speed=speed)
        lab.docker = _docker(arguments.tasks, console)
        with lab:
            if arguments.command == "demo":
                from lab.demo import Demo  # noqa: PLC0415 - `up` needs no story

                Demo(lab, FOLDER, console).run()
            else:
                _say_what_to_type(lab, foreign, console)
                threading.Event().wait()
    except (DockerError, PortError) as error:
        return f"{parser.prog}: {error}"
    except KeyboardInterrupt:
        console.print("stopped; everything that was started has ended")
        return 0 if arguments.command == "up" else 130
    return 0


def keep_complaints(log: Path) -> None:
    """Write what MiniStack and its like complain of into a file: what concerns a person, an answer says."""
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)  # another run may still write into it
    logging.basicConfig(
        filename=log, filemode="w", level=logging.ERROR, format="%(asctime)s %(name)s %(message)s"
    )


def _say_what_to_type(lab: Lab, foreign: set[str], console: Console) -> None:
    """Make a hosted zone, say what is there, and how to go on."""
    zone_id = create_zone(lab.client("route53"), walk.ZONE)
    host, port = lab.dns
    tasks = "containers of the Docker Engine" if lab.docker else "plain processes"
    console.print(
        f"AWS runs on this machine, {lab.speed:g} times as fast, until Ctrl-C. Tasks will be {tasks}.\n"
        f"There is a hosted zone, {walk.ZONE} ({zone_id}), and nothing else yet.\n"
        f"Names are asked by: dig -p {port} @{host} NAME. The lab's own errors are in {LOG}.",
        highlight=False,
        soft_wrap=True,
    )
    task_port = lab.free_port(walk.PORT, partial(console.print, highlight=False, soft_wrap=True))
    where = {} if task_port == walk.PORT else {"ContainerPort": str(task_port)}
    variables = sam.environment(lab)
    parts = walk.parts(
        sam.ROOT,
        {
            **{name: value for name, value in variables.items() if name.lower() != "no_proxy"},
            "PUSHLIVE_DNS_SERVER": f"{host}:{port}",
            **(lab.docker.environment if lab.docker else {}),
        },
        sam.STACK_NAME,
        sam.parameters(zone_id, walk.HOST_NAME, lab.speed) | where,
        docker=bool(lab.docker),
        foreign=foreign,
    )
    for part in parts:
        console.print(f"\n[bold]{part.says}[/]\n", soft_wrap=True)
        for line in part.lines:
            console.print(line, style="cyan", markup=False, highlight=False, soft_wrap=True)


def _docker(wanted: str | None, console: Console) -> Docker | None:
    """The Docker Engine to use, or None for processes.

    Raises:
        DockerError: containers are wanted, and cannot be had.
    """
    if wanted == "processes":
        return None
    try:
        docker = running_engine()
        for image in (PYTHON_IMAGE, COMPANION_IMAGE):
            fetch(docker, image, console.print)
    except DockerError as error:
        if wanted:
            raise
        console.print(f"Tasks will be plain processes: {error}", soft_wrap=True)
        return None
    return docker


if __name__ == "__main__":
    sys.exit(main())
