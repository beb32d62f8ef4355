"""How often the functions run for one push, and for how long: in the simulation's virtual time.

One service with the companion, a good image, AWS's own waiting times; nothing fails. Without the schedule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.simulation import surroundings
from tests.simulation.places import Setup, Weather
from tests.simulation.runs import Functions
from tests.simulation.scenario import Script, Step, play

if TYPE_CHECKING:
    from tests.simulation.runs import Run

    Json = dict[str, Any]

SECONDS = 600
FINE = Weather(push_lost=0, late=0, twice=0, slow=0, throttled=0, answer_lost=0, killed=0)
STORY = Script(
    setup=Setup(empty=False, companion=True, health_check=False),
    weather=FINE,
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
