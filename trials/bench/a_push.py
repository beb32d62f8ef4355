"""How often the functions run for one push, and for how long: in the simulation's virtual time.

One service with the drain sidecar, a good image, AWS's own waiting times; nothing fails, no schedule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from trials.simulation import surroundings
from trials.simulation.places import FaultRates, Setup
from trials.simulation.runs import Functions
from trials.simulation.scenario import Script, Step, play

if TYPE_CHECKING:
    from trials.simulation.runs import Run

    Json = dict[str, Any]

SECONDS = 600
FINE = FaultRates(push_lost=0, late=0, twice=0, slow=0, throttled=0, answer_lost=0, killed=0)
STORY = Script(
    setup=Setup(empty=False, sidecars=True, health_check=False),
    fault_rates=FINE,
    steps=(Step("push", ("app:latest", "good"), wait=SECONDS),),
)


def runs_of_a_push() -> Json:
    """Return, for each function, how many runs a push caused, their seconds, and their calls of AWS."""
    found: Json = {}
    over = Functions.over

    def noted(functions: Functions, run: Run, error: BaseException | None) -> None:
        if run.why != "schedule":
            its = found.setdefault(run.function, {"runs": 0, "seconds": 0.0, "aws_calls": 0})
            its["runs"] += 1
            its["seconds"] = round(its["seconds"] + functions.cloud.clock.now - run.started_at, 1)
            its["aws_calls"] += run.calls
        over(functions, run, error)

    with surroundings.installed(), patch.object(Functions, "over", noted):
        scenario = play(STORY)
    if scenario.failures:
        raise RuntimeError(f"a push went wrong in the simulation: {scenario.failures[0]}")
    return found
