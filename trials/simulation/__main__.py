"""`make simulate` and `make mutants`: scenarios until time is over, and the deliberate defects.

python -m trials.simulation simulate [seconds] [first seed]
python -m trials.simulation mutants
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from trials.simulation import surroundings
from trials.simulation.explore import Explored, explore, explore_for
from trials.simulation.mutants import MUTANTS
from trials.simulation.scenario import Script, play
from trials.simulation.shrink import shortest

if TYPE_CHECKING:
    from trials.simulation.checks import Failure
    from trials.simulation.mutants import Mutant

FIGURES = Path(".lab/simulation.json")
PROGRESS_SECONDS = 10
MUTANT_SCENARIOS = 600
STORIES = 10
"""So often a defect's own story is told, with other chances each time."""


def simulate(seconds: float, first_seed: int) -> int:
    """Play for so long; 1 if a check failed."""
    console = Console()
    began, said = time.monotonic(), 0.0
    total = Explored()
    for part in explore_for(seconds, first_seed):
        total.add(part)
        passed = time.monotonic() - began
        if passed - said >= PROGRESS_SECONDS:
            said = passed
            scenarios = total.figures["scenarios"]
            faults = sum(count for kind, count in total.figures.items() if kind.startswith("fault: "))
            console.print(
                f"{passed:4.0f} s: {scenarios} scenarios, {scenarios / passed * 60:.0f} a minute, "
                f"{total.figures['steps']} steps, {faults} faults"
            )
    passed = time.monotonic() - began
    _write(total, passed, first_seed)
    console.print(_table(total, passed))
    if not total.found:
        console.print(f"no check failed; the figures are in {FIGURES}")
        return 0
    script, failure = min(total.found, key=lambda each: len(each[0].steps))
    _tell(console, script, failure)
    return 1


def _write(total: Explored, passed: float, first_seed: int) -> None:
    FIGURES.parent.mkdir(exist_ok=True)
    figures = {"seconds": round(passed), "first seed": first_seed, **dict(sorted(total.figures.items()))}
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _table(total: Explored, passed: float) -> Table:
    figures = total.figures
    scenarios = figures["scenarios"] or 1
    table = Table("what", "how much", title="Simulation")
    table.add_row("scenarios", f"{figures['scenarios']} ({figures['scenarios'] / passed * 60:.0f} a minute)")
    table.add_row("of these with ten quiet minutes at the end", str(figures["quiet"]))
    table.add_row("steps a scenario", f"{figures['steps'] / scenarios:.1f}")
    table.add_row("virtual minutes a scenario", f"{figures['virtual_seconds'] / scenarios / 60:.0f}")
    for name in sorted(figures):
        kind, colon, what = name.partition(": ")
        if colon:
            table.add_row(f"{kind}: {what}", str(figures[name]))
    return table


def _tell(console: Console, script: Script, failure: Failure) -> None:
    console.print(f"[bold]{failure.check}[/bold]: looking for the shortest story ...")
    script = shortest(script, failure.check)
    scenario = play(script)
    for line in scenario.cloud.clock.story():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    console.print(f"\nto repeat it: play({script})", markup=False, highlight=False, soft_wrap=True)


def mutants() -> int:
    """Show which check catches each deliberate defect; 1 if one survives."""

    console = Console()
    table = Table("defect", "seen in", "caught by", "scenarios", title="Deliberate defects")
    survivors = 0
    for mutant in MUTANTS:
        caught, scenarios = catch(mutant)
        survivors += caught is None
        table.add_row(
            mutant.name, mutant.seen_in, caught.check if caught else "[bold]nothing[/bold]", str(scenarios)
        )
        console.print(f"{mutant.name}: {caught.check if caught else 'SURVIVES'} ({scenarios})", markup=False)
    console.print(table)
    return 1 if survivors else 0


def catch(mutant: Mutant, scenarios: int = MUTANT_SCENARIOS) -> tuple[Failure | None, int]:
    """Play its story, then scenarios, with a defect at work; return what failed first, and after how many."""
    played: Counter[str] = Counter()
    with mutant.at_work():
        for number in range(STORIES if mutant.story else 0):
            played["scenarios"] += 1
            if failures := play(Script(setup=mutant.setup, seed=number, steps=mutant.story)).failures:
                return failures[0], played["scenarios"]
        for number in range(scenarios // 100):
            explored = explore(number)
            played.update(explored.figures)
            if explored.found:
                return explored.found[0][1], played["scenarios"]
    return None, played["scenarios"]


def main(arguments: list[str]) -> int | str | None:
    """Do what the arguments say; the exit code, or how to use it."""
    with surroundings.installed():
        match arguments:
            case ["simulate", *numbers]:
                seconds, first_seed = (*map(int, numbers), *(60, 1)[len(numbers) :])
                return simulate(seconds, first_seed)
            case ["mutants"]:
                return mutants()
    return __doc__


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
