"""The figures of the pages are those of a file that a command wrote, or of what a command prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pushlive.metrics import Metric
from trials.bench import benchmark_table, costs_at_scale
from trials.bench.costs import CLOUDFRONT_GB, CLOUDFRONT_REQUEST, cloudfront, costs, table
from trials.simulation.mutants import MUTANTS

ROOT = Path(__file__).parent.parent.parent


def test_each_command_is_run_by_ci_or_says_what_it_needs() -> None:
    ci = (ROOT / ".ci" / "run").read_text().splitlines()
    untried = [
        command
        for section in re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
        for block in re.findall(r"```console\n(.*?)```", section, flags=re.DOTALL)
        for command in re.findall(r"^\$ ([^#\n]*)", block, flags=re.MULTILINE)
        if command.strip() not in ci and not re.search(r"needs? AWS", section)
    ]
    assert untried == []


def test_the_load_s_table_is_that_of_its_file() -> None:
    lines = (ROOT / "docs" / "reliability.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| failed/all requests |"))
    services = [cell.strip().replace("<br>", ", ") for cell in lines[start].split("|")[2:-1]]
    shown = set()
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        phase, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        shown |= {(phase, service, cell) for service, cell in zip(services, cells, strict=True)}
    counts = json.loads((ROOT / "trials" / "load" / "load.json").read_text())["counts"]
    assert shown == {
        (each["phase"], each["service"], f"{each['failed']}/{each['requests']}") for each in counts
    }


def test_the_load_s_sentences_are_sums_of_its_table() -> None:
    counts = json.loads((ROOT / "trials" / "load" / "load.json").read_text())["counts"]

    def failed_of(service: str, phase: str = "") -> str:
        """Failed and all requests to the service; without a phase, in those in which no task is killed."""
        found = [
            each
            for each in counts
            if each["service"].startswith(service)
            and each["phase"] != "all"
            and (each["phase"] == phase if phase else "killed" not in each["phase"])
        ]
        return f"{sum(each['failed'] for each in found):,} of {sum(each['requests'] for each in found):,}"

    shown = re.findall(r"[\d,]+ of [\d,]+\b", (ROOT / "README.md").read_text().partition("`make load`")[2])
    assert shown == [
        failed_of("pushlive"),
        failed_of("naive recorder"),
        failed_of("pushlive", "a task killed"),
        failed_of("pushlive", "one of two tasks killed"),
    ]


def test_the_deliberate_defects_are_those_that_are_planted() -> None:
    shown = (ROOT / "docs" / "reliability.md").read_text().partition("| defect | seen in |")[2]
    rows = re.findall(r"^\| (.+?) \| (.+?) \| .+? \|$", shown, flags=re.MULTILINE)
    assert rows == [(each.name, each.seen_in) for each in MUTANTS]


def test_the_costs_are_those_that_the_command_prints() -> None:
    assert f"\n{table()}\n" in (ROOT / "README.md").read_text()


def test_the_costs_are_the_sums_of_list_prices() -> None:
    shown = {what: round(usd, 2) for what, usd in costs().items()}
    assert shown == {
        "pushlive, one task": 13.16,  # 9.01 for the task, 3.65 for its address, 0.50 for the zone
        "pushlive, one task, with HTTPS": 13.16,  # 100 GB and a million requests are free
        "pushlive, one task, `Architecture=ARM64`": 11.36,  # 7.21 for the task
        "pushlive, one task, `Spot=true`, at best": 6.85,  # 2.70 for the task
        "pushlive before the first push, or scaled to 0": 0.50,
        "the same task behind a load balancer": 36.89,  # 16.43 for it, 7.30 for its two addresses
        "the same task in Express Mode, one of 25 behind its load balancer": 14.11,  # 0.95 for its share
        "App Runner, always busy": 15.73,  # 2.56 for memory, 11.68 for the processor, 1.00 for deployments
        "App Runner, never asked": 4.05,  # 2.555 for memory
    }


@pytest.mark.parametrize(
    ("gigabytes", "requests", "usd"), [(1000, 10_000_000, 0), (2000, 10_000_000, 85), (1000, 30_000_000, 20)]
)
def test_cloudfront_costs_what_is_beyond_its_free_tier(gigabytes: int, requests: int, usd: float) -> None:
    assert cloudfront(gigabytes, requests) == pytest.approx(usd)
    shown = (ROOT / "docs" / "https.md").read_text().partition("## Price")[2].replace("\n", " ")
    assert f"{CLOUDFRONT_GB} USD a GB and {CLOUDFRONT_REQUEST * 10_000:.2f} USD per 10,000 requests" in shown


def test_the_benchmarks_are_those_of_their_file() -> None:
    assert f"\n{benchmark_table.table()}\n" in (ROOT / "docs" / "performance.md").read_text()


def test_the_costs_at_scale_are_those_that_the_command_prints() -> None:
    assert f"\n{costs_at_scale.table()}\n" in (ROOT / "docs" / "performance.md").read_text()


def test_each_name_of_a_metric_is_paid_for() -> None:
    assert len(Metric) == costs_at_scale.METRICS


def test_a_month_is_the_sum_of_its_runs() -> None:
    figures = json.loads((ROOT / "trials" / "bench" / "benchmarks.json").read_text())
    one = costs_at_scale.monthly(1, 1)
    more = costs_at_scale.monthly(2, 1)
    seconds = sum(each["seconds"] for each in figures["a_push"].values())
    runs = sum(each["runs"] for each in figures["a_push"].values())
    # 30 pushes more: seconds of a quarter of a gigabyte, and requests
    paid = 30 * (seconds * 0.25 * 0.0000166667 + runs * 0.0000002)
    assert more["Lambda"] - one["Lambda"] == pytest.approx(paid)
    assert more["metrics"] == one["metrics"]
