"""The shortest story: leave out what a failing scenario does not need, and play it again each time.

hypothesis would do it too, but one choice at a time: a script is data, so whole steps can go.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from trials.simulation.places import FaultRates, Setup
from trials.simulation.scenario import Script, Step, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 6


def shortest(script: Script, check: str) -> Script:
    """Return a script that breaks the same check with as little as possible."""
    for _ in range(ROUNDS):
        before = script
        for smaller in _smaller(script):
            candidate = smaller(script)
            if candidate != script and _breaks(candidate, check):
                script = candidate
        if script == before:
            break
    return script


def _breaks(script: Script, check: str) -> bool:
    return any(failure.check == check for failure in play(script).failures)


def _smaller(script: Script) -> Iterator[Callable[[Script], Script]]:
    yield lambda each: replace(each, fault_rates=FaultRates())
    yield lambda each: replace(each, seed=0)
    yield lambda each: replace(each, setup=Setup())
    for name in sorted(script.setup.services):
        yield partial(_without_service, name)
    for field, value in vars(Setup()).items():
        if field != "services":
            yield partial(_with_setup, {field: value})
    for field in vars(FaultRates()):
        yield partial(_with_fault_rates, {field: 0})
    for step in reversed(script.steps):
        yield partial(_without_step, step)
    for step in script.steps:
        for wait in (0, 1, 60):
            yield partial(_waiting, step, wait)


def _without_service(name: str, script: Script) -> Script:
    return replace(script, setup=replace(script.setup, services=script.setup.services - {name}))


def _with_setup(change: dict[str, Any], script: Script) -> Script:
    return replace(script, setup=replace(script.setup, **change))


def _with_fault_rates(change: dict[str, Any], script: Script) -> Script:
    return replace(script, fault_rates=replace(script.fault_rates, **change))


def _without_step(step: Step, script: Script) -> Script:
    return replace(script, steps=tuple(one for one in script.steps if one is not step))


def _waiting(step: Step, wait: float, script: Script) -> Script:
    steps = tuple(replace(one, wait=wait) if one is step else one for one in script.steps)
    return replace(script, steps=steps)
