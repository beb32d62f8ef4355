"""What the functions cost as pushes and services become many: `python3 trials/bench/costs_at_scale.py`.

On paper: list prices in USD of us-east-1, from AWS's pricing pages of Lambda and CloudWatch, before any free
tier, times the runs and seconds in trials/bench/benchmarks.json. Events of AWS services and schedules
are free. A push concerns one service.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_name("benchmarks.json")
DAYS = 30
PUSHES_A_DAY = (1, 100, 10_000)
SERVICES = (1, 100, 1000)
SCHEDULES = DAYS * 24 * 12
"""A month's runs of each function by its five-minute schedule."""

GIGABYTES = 256 / 1024
REQUEST, GIGABYTE_SECOND = 0.20 / 1_000_000, 0.0000166667
LOG_GIGABYTE = 0.50
"""Taken in; keeping it for two weeks adds a fiftieth."""
LINE_BYTES = 500
LINES_A_RUN = 6
"""The decision's and the metric's line, and START, END, REPORT and INIT_START of Lambda's own."""
METRIC = 0.30
"""A month of one metric, however many values: each name for each cluster is one."""
METRICS = 9
"""The names in layers/pushlive/pushlive/metrics.py; one for each service would be as many times more."""


def monthly(pushes_a_day: int, services: int) -> dict[str, float]:
    """Return the USD a month of the functions, their logs and their metrics."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    [cluster] = [each for each in figures["growth"]["clusters"] if each["services"] == services]
    runs, seconds = _of_pushes(figures, cluster, pushes_a_day * DAYS)
    for function in ("RedeployService", "UpdateRecord"):
        runs += SCHEDULES
        seconds += SCHEDULES * cluster["events"][f"schedule, {function}"]["seconds"]
    log_gigabytes = runs * LINES_A_RUN * LINE_BYTES / 1e9
    return {
        "Lambda": runs * REQUEST + seconds * GIGABYTES * GIGABYTE_SECOND,
        "logs": log_gigabytes * LOG_GIGABYTE,
        "metrics": METRICS * METRIC,
    }


def _of_pushes(figures: dict[str, Any], cluster: dict[str, Any], pushes: int) -> tuple[float, float]:
    """Return the runs and seconds that so many pushes cause; finding the service takes longer among many."""
    runs = sum(each["runs"] for each in figures["a_push"].values())
    seconds = sum(each["seconds"] for each in figures["a_push"].values())
    [smallest] = [each for each in figures["growth"]["clusters"] if each["services"] == 1]
    more = cluster["events"]["push"]["seconds"] - smallest["events"]["push"]["seconds"]
    return pushes * runs, pushes * (seconds + more)


def table() -> str:
    """Return the costs as a table in Markdown."""
    lines = [
        "| pushes a day | services | Lambda | logs | metrics | USD a month |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for pushes in PUSHES_A_DAY:
        for services in SERVICES:
            costs = monthly(pushes, services)
            cells = [f"{pushes:,}", f"{services:,}", *(f"{usd:.2f}" for usd in costs.values())]
            lines.append(f"| {' | '.join(cells)} | {sum(costs.values()):.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
