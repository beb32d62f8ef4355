"""`make mutants`: small changes of the layer's and the functions' code, and whether a test notices each.

python -m trials.mutation [module …]

Of each module a fixed sample is tried, by the tests that are named for it below: the lowest ones that should
notice. A change that makes no difference is listed in equivalent.txt, with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trials.mutation.changes import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT = Path(__file__).parents[2]
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
SAMPLE = 10
"""So many changes of each module."""
LEAST_RATE = 0.97
LONGER, LEAST_LIMIT_SECONDS = 5.0, 60.0
"""A change with which the tests run for so many times as long as without one, and a minute, is noticed."""

LAYER, FUNCTIONS = "layers/pushlive/pushlive", "functions"
UNIT, WHOLE, HOSTILE = "tests/unit/test_", "tests/functions/test_", "tests/hostile/test_"
TESTS: dict[str, tuple[str, ...]] = {
    "answers": (f"{UNIT}ecs_parsers.py",),
    "aws": (f"{WHOLE}aws.py", f"{WHOLE}leases.py"),
    "boundary": (f"{WHOLE}other_services.py",),
    "leases": (f"{UNIT}adapters.py", f"{WHOLE}leases.py"),
    "cloudformation": (f"{WHOLE}cloudformation.py",),
    "config": (f"{UNIT}config.py",),
    "ec2": (f"{UNIT}adapters.py", f"{WHOLE}update_record.py"),
    "ecr": (f"{UNIT}adapters.py", f"{UNIT}ecr_names.py"),
    "ecs": (f"{UNIT}ecs_parsers.py", f"{WHOLE}notifications.py", f"{WHOLE}update_record.py"),
    "events": (f"{UNIT}events.py", f"{HOSTILE}events.py"),
    "image_reference": (f"{UNIT}ecr_names.py", f"{UNIT}ecs_parsers.py"),
    "metrics": (f"{UNIT}metrics.py",),
    "model": (f"{UNIT}model.py", f"{UNIT}redeploy_plan.py", f"{UNIT}ecs_parsers.py"),
    "outcome_plan": (f"{UNIT}outcome_plan.py",),
    "probe": (f"{UNIT}probe.py",),
    "record_plan": (f"{UNIT}record_plan.py",),
    "record_state": (f"{WHOLE}update_record.py", f"{WHOLE}other_services.py"),
    "redeploy_plan": (f"{UNIT}redeploy_plan.py",),
    "redeploy_state": (
        f"{WHOLE}other_services.py",
        f"{WHOLE}redeploy_service.py",
        f"{WHOLE}leases.py",
        f"{HOSTILE}tags.py",
    ),
    "route53": (f"{UNIT}adapters.py", f"{UNIT}route53_names.py", f"{WHOLE}update_record.py"),
    "service_deployments": (f"{UNIT}ecs_parsers.py", f"{WHOLE}other_services.py"),
    "stack_records": (f"{WHOLE}existing_services.py", f"{WHOLE}update_record.py"),
    "stack_tasks": (f"{WHOLE}cloudformation.py", f"{WHOLE}redeploy_service.py"),
    "stopped_tasks": (f"{UNIT}stopped_tasks.py",),
    "prefilter": (f"{WHOLE}large_cluster.py",),
    "notifications": (f"{WHOLE}notifications.py",),
    "times": (f"{UNIT}times.py",),
    "redeploy_service.app": (
        f"{WHOLE}redeploy_service.py",
        f"{WHOLE}leases.py",
        f"{WHOLE}other_services.py",
        f"{WHOLE}notifications.py",
        f"{WHOLE}large_cluster.py",
    ),
    "update_record.app": (
        f"{WHOLE}update_record.py",
        f"{WHOLE}notifications.py",
        f"{WHOLE}other_services.py",
    ),
}
say = Console(highlight=False, markup=False, soft_wrap=True).print
LEFT_OUT = {"__init__"}
"""It holds no code."""


def source(module: str) -> Path:
    """Return a module's file, from the root."""
    if module.endswith(".app"):
        return Path(FUNCTIONS, *module.split(".")).with_suffix(".py")
    return Path(LAYER, f"{module}.py")


def notices(mutant: Mutant | None, module: str, limit_seconds: float | None = None) -> bool:
    """Return whether the module's tests fail with the change; None changes nothing."""
    with tempfile.TemporaryDirectory(prefix="pushlive-mutant-") as folder:
        copy = Path(folder)
        for each in ("layers/pushlive", FUNCTIONS):
            shutil.copytree(ROOT / each, copy / each, ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            (copy / source(module)).write_text(mutant.code, encoding="utf-8")
        pythonpath = f"{copy}/layers/pushlive {copy}/{FUNCTIONS} ."
        quiet = ["-x", "-q", "--no-header", "--show-capture=no", "--tb=no", "-p", "no:cacheprovider"]
        command = [sys.executable, "-m", "pytest", *quiet, "-o", f"pythonpath={pythonpath}", *TESTS[module]]
        environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(copy / "hypothesis")}
        environment.pop("PYTHONPATH", None)  # the copy only
        try:
            done = subprocess.run(  # noqa: S603 - our own tests
                command, cwd=ROOT, env=environment, capture_output=True, timeout=limit_seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def equivalent() -> dict[str, str]:
    """Return each change that makes no difference, with the reason."""
    lines = EQUIVALENT.read_text("utf-8").splitlines() if EQUIVALENT.exists() else []
    pairs = [line.rpartition("  # ") for line in lines if line and not line.startswith("#")]
    return {name: reason for name, _, reason in pairs}


def survivors(
    module: str, known: Iterable[str], pool: ThreadPoolExecutor, limit_seconds: float
) -> tuple[int, list[Mutant]]:
    """Return how many changes of a module were tried, and those that no test noticed."""
    code = (ROOT / source(module)).read_text("utf-8")
    tried = [each for each in mutants(module, code, SAMPLE) if each.name not in known]
    noticed = list(pool.map(lambda each: notices(each, module, limit_seconds), tried))
    return len(tried), [each for each, is_noticed in zip(tried, noticed, strict=True) if not is_noticed]


def main(modules: Sequence[str]) -> int:
    """Try the modules; 1 if too many changes are not noticed."""
    found = {path.stem for path in (ROOT / LAYER).glob("*.py")}
    found |= {f"{path.parent.name}.app" for path in (ROOT / FUNCTIONS).glob("*/app.py")}
    if missing := found - LEFT_OUT - TESTS.keys():
        say(f"no tests are named for {', '.join(sorted(missing))}: add them to TESTS")
        return 1
    known = equivalent()
    all_tried = all_survived = 0
    with ThreadPoolExecutor(2) as pool:
        for module in modules or sorted(found - LEFT_OUT):
            began = time.monotonic()
            if notices(None, module):
                say(f"{module}: its tests fail without any change: {' '.join(TESTS[module])}")
                return 1
            limit = max(LONGER * (time.monotonic() - began), LEAST_LIMIT_SECONDS)
            tried, survived = survivors(module, known, pool, limit)
            all_tried, all_survived = all_tried + tried, all_survived + len(survived)
            say(f"{module:22} {tried - len(survived):3} of {tried:3} noticed")
            for each in survived:
                say(f"    {source(module)}:{each.line}: {each.name}")
    rate = 1 - all_survived / max(all_tried, 1)
    say(f"{rate:.1%} of {all_tried} changes noticed; {LEAST_RATE:.0%} are wanted")
    return 0 if rate >= LEAST_RATE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
