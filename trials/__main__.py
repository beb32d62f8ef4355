"""`python -m trials demo` tells the whole story, `load` measures who notices a deployment."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from lab.lab import Lab
from lab.starting import FOLDER, SPEED, arguments_of, docker_engine, run
from trials.demo.demo import Demo
from trials.load.run import PROPAGATION_SECONDS, LoadRun

if TYPE_CHECKING:
    from rich.console import Console

LOAD_SPEED = 6  # a second that a function takes is as many seconds of AWS: not more, or it decides who fails


def main() -> int | str:
    """Return the exit code, or what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m trials", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    arguments_of(commands.add_parser("demo", help="the whole story, in two minutes"), 0, SPEED)
    load = commands.add_parser("load", help="200 requests a second, three ways of deploying, ten minutes")
    arguments_of(load, 0, LOAD_SPEED)
    load.add_argument("--rate", type=float, default=200, help="requests a second (default: 200)")
    load.add_argument("--pushes", type=int, default=10, help="how many pushes in a row (default: 10)")
    arguments = parser.parse_args()
    if arguments.command == "load" and arguments.tasks == "containers":
        parser.error("the load's tasks are processes, so that it is the same on every machine")

    def use(console: Console) -> None:
        port, speed = arguments.port, arguments.speed
        if arguments.command == "load":
            with Lab(port=port, speed=speed, propagation_seconds=PROPAGATION_SECONDS / speed) as lab:
                rate, pushes = arguments.rate, arguments.pushes
                LoadRun(lab, FOLDER, console, requests_per_second=rate, pushes=pushes).run()
            return
        lab = Lab(port=port, speed=speed)
        lab.docker = docker_engine(arguments.tasks, console)
        with lab:
            Demo(lab, FOLDER, console).run()

    return run(parser.prog, use, stopped=130)


if __name__ == "__main__":
    sys.exit(main())
