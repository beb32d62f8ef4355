"""The figures for people: ratios first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from trials.bench.pushes import COLD, WARM

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]

TIME_GOALS = {"plain": 0.50}
MEMORY_GOALS = {"plain": 0.75}
LAYER_GOAL = 0.20


def drawn(found: Json) -> Iterator[Table]:
    """Yield a table for each part that was measured."""
    if part := found.get("cold_start"):
        yield from _cold_starts(part)
    if part := found.get("packages"):
        yield _packages(part)
    if part := found.get("pushes"):
        yield _pushes(part)
    if part := found.get("growth"):
        yield _growth(part)


def _table(title: str, words: str, *numbers: str) -> Table:
    """Return a table that fits 80 columns, with the words of a row whole."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    table.add_column(words, min_width=15)
    for number in numbers:
        table.add_column(number, justify="right")
    return table


def _cold_starts(part: Json) -> Iterator[Table]:
    for function, its in part["functions"].items():
        table = _table(
            f"Cold start of {function} as a multiple of another, medians of {part['rounds']}",
            *("beside", "time", "goal", "memory", "goal", "ours, ms", "its, ms", "ours, MiB", "its, MiB"),
        )
        times, memory = its["milliseconds"], its["peak_mib"]
        for other, ratio in its["time_ratio_to"].items():
            table.add_row(
                *(other, f"[bold]{ratio:.2f}[/]", str(TIME_GOALS.get(other, ""))),
                *(f"[bold]{its['memory_ratio_to'][other]:.2f}[/]", str(MEMORY_GOALS.get(other, ""))),
                *(f"{times['pushlive']:.0f}", f"{times[other]:.0f}"),
                *(f"{memory['pushlive']:.0f}", f"{memory[other]:.0f}"),
            )
        yield table


def _packages(part: Json) -> Table:
    title = f"Packages: the layer is {part['layer_ratio_to_plain']:.2f} of plain libraries, goal {LAYER_GOAL}"
    table = _table(title, "", "zipped, MB", "unpacked, MB")
    for name, size in part["zipped_mb"].items():
        table.add_row(name, f"{size:.2f}", f"{part['unpacked_mb'][name]:.2f}")
    return table


def _pushes(part: Json) -> Table:
    title = f"From a push to its deployment in the lab, medians of {part['rounds']}"
    table = _table(title, "way", "warm, of it", "cold, of it", "ms", "processes", "AWS calls")
    for way, milliseconds in part["milliseconds"].items():
        ratios = [part["time_ratio"].get(f"{ours} to {way}") for ours in (WARM, COLD)]
        table.add_row(
            way,
            *(f"[bold]{ratio:.2f}[/]" if ratio else "" for ratio in ratios),
            str(milliseconds),
            str(part["processes_started"].get(way, "")),
            str(part["aws_calls"].get(way, "")),
        )
    return table


def _growth(part: Json) -> Table:
    seconds = part["timeout_seconds"] / 4
    table = _table(
        f"Calls of one event as a cluster grows ({part['call_seconds']} s a call; goal {seconds:.0f} s)",
        *("event", "services", "concerned", "reading calls", "others", "throttled", "seconds"),
    )
    for cluster in part["clusters"]:
        for event, its in cluster["events"].items():
            table.add_row(
                *(event, str(cluster["services"]), str(cluster["concerned"])),
                *(f"[bold]{its['reading_calls']}[/]", str(its["changing_calls"])),
                *(str(its["throttled"]), str(its["seconds"])),
            )
    return table
