"""`python -m lab demo` tells the story; `python -m lab up` keeps the lab running for your own commands."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from rich.console import Console

from lab.lab import Lab
from lab.ministack import CREDENTIALS

FOLDER = Path(".lab")


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    parser.add_argument("command", choices=["demo", "up"])
    parser.add_argument("--speed", type=float, default=20, help="how many times as fast as AWS (default: 20)")
    parser.add_argument(
        "--port", type=int, default=0, help="port of the AWS endpoint (default: a free one; up: 4566)"
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        if arguments.command == "demo":
            with Lab(FOLDER, port=arguments.port, speed=arguments.speed) as lab:
                from lab.demo import Demo  # noqa: PLC0415 - `up` needs no story

                Demo(lab, FOLDER, console).run()
        else:
            with Lab(FOLDER, port=arguments.port or 4566, speed=arguments.speed) as lab:
                for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": lab.endpoint}.items():
                    console.print(f"export {name}={value}", highlight=False)
                host, port = lab.dns
                console.print(f"# names: dig -p {port} @{host} NAME · Ctrl-C ends it", highlight=False)
                threading.Event().wait()
    except KeyboardInterrupt:
        console.print("stopped; everything that was started has ended")
        return 0 if arguments.command == "up" else 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
