"""`python -m lab` keeps AWS running on this machine, until Ctrl-C, for your own commands."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from lab.lab import Lab
from lab.route53.zones import create_zone
from lab.starting import LOG, SPEED, arguments_of, docker_engine, run
from lab.user import sam, walk

if TYPE_CHECKING:
    from rich.console import Console

PORT = 4566


def main() -> int | str:
    """Return the exit code, or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    arguments_of(parser, PORT, SPEED)
    arguments = parser.parse_args()

    def use(console: Console) -> None:
        foreign = {name for name in os.environ if name.startswith("AWS_")}
        lab = Lab(port=arguments.port, speed=arguments.speed)
        lab.docker = docker_engine(arguments.tasks, console)
        with lab:
            _say_what_to_type(lab, foreign, console)
            threading.Event().wait()

    return run(parser.prog, use, stopped=0)


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
            "PUSHLIVE_AUTHORITY": str(lab.edges.authority),
            "PUSHLIVE_HTTPS_PORT": str(lab.edges.https_port),
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


if __name__ == "__main__":
    sys.exit(main())
