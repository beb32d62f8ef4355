"""`python -m trials.bench` measures all parts, prints tables, and writes trials/bench/benchmarks.json."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lab.lab import Lab
from lab.lambda_runtime.emulator import Runtime
from lab.user import sam
from trials.bench.a_push import runs_of_a_push
from trials.bench.cold_start import cold_starts, plain_package
from trials.bench.growth import SIZES, growth
from trials.bench.packages import packages
from trials.bench.pushes import pushes
from trials.bench.table import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, Any]

FIGURES = Path(__file__).with_name("benchmarks.json")
PARTS = ("cold_start", "packages", "pushes", "growth")
SPEED = 100


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m trials.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="of what is measured in time (default: 15)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    console = Console()
    with console.status("building ...") as status, tempfile.TemporaryDirectory() as name:
        found = measured(arguments.parts or PARTS, Path(name), arguments.rounds, status.update)
    written: Json = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(written | found, indent=1) + "\n", encoding="utf-8")
    for table in drawn(found):
        console.print(table)
    console.print(f"Figures: {FIGURES.relative_to(Path.cwd())}")
    return 0


def measured(
    parts: list[str] | tuple[str, ...], folder: Path, rounds: int, say: Callable[[str], None]
) -> Json:
    """Return the figures of these parts; `folder` is empty."""
    runtime = Runtime.found(sam.executable())
    found: Json = {"machine": machine(runtime)}
    build = folder / "build"
    if set(parts) != {"growth"}:
        sam.build(build, lambda _: None)
    if "cold_start" in parts:
        (folder / "cold").mkdir()
        found["cold_start"] = cold_starts(runtime, build, folder / "cold", rounds, say)
    if "packages" in parts:
        plain = plain_package(folder / "plain", runtime.python, compiled=False)
        found["packages"] = packages(build, plain, folder)
    if "pushes" in parts:
        with Lab(speed=SPEED) as lab:
            found["pushes"] = pushes(lab, build, rounds, say)
    if "growth" in parts:
        found["growth"] = growth(SIZES, say)
        found["a_push"] = runs_of_a_push()
    return found


def machine(runtime: Runtime) -> Json:
    """Return what the figures depend on."""
    version = subprocess.run([runtime.python, "-V"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python_of_the_functions": version.split()[-1],
    }


if __name__ == "__main__":
    sys.exit(main())
