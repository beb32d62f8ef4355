"""Plays scenarios that hypothesis makes up, on one core or on all, until something fails or time is over."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from trials.simulation import surroundings
from trials.simulation.machine import CloudMachine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

    from trials.simulation.checks import Failure
    from trials.simulation.scenario import Script

STEPS = 9
AT_ONCE = 100
"""Scenarios of one seed: hypothesis begins each time with simple ones."""


@dataclass
class Explored:
    """What was played, and what failed."""

    figures: Counter[str] = field(default_factory=Counter)
    found: list[tuple[Script, Failure]] = field(default_factory=list)

    def add(self, other: Explored) -> None:
        """Take over what another core played."""
        self.figures.update(other.figures)
        self.found.extend(other.found)


def explore(number: int, scenarios: int = AT_ONCE) -> Explored:
    """Play so many scenarios of a seed, or up to the first that fails."""

    class Machine(CloudMachine):
        figures: ClassVar[Counter[str]] = Counter()
        found: ClassVar[list[tuple[Script, Failure]]] = []  # of this exploration only

    rules = settings(
        max_examples=scenarios,
        stateful_step_count=STEPS,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(Machine), settings=rules)
    except AssertionError:
        if not Machine.found:
            raise
    return Explored(Machine.figures, Machine.found[:1])


def explore_for(seconds: float, first_seed: int, cores: int | None = None) -> Iterator[Explored]:
    """Explore on all cores; yield what each part found, until time is over or something failed."""
    cores = cores or os.cpu_count() or 1
    until = time.monotonic() + seconds
    results: Queue[Explored | BaseException | None] = multiprocessing.Queue()
    stop = multiprocessing.Event()
    workers = [
        multiprocessing.Process(
            target=_work, args=(core, cores, first_seed, until, results, stop), daemon=True
        )
        for core in range(cores)
    ]
    for worker in workers:
        worker.start()
    left = cores
    while left:
        result = results.get()
        if result is None:
            left -= 1
        elif isinstance(result, BaseException):
            raise result
        else:
            yield result
            if result.found:
                stop.set()
    for worker in workers:
        worker.join()


def _work(core: int, cores: int, first_seed: int, until: float, results: Queue[Any], stop: Event) -> None:
    gc.freeze()  # what was imported need not be looked through again and again
    number = first_seed + core
    try:
        with surroundings.installed():
            while time.monotonic() < until and not stop.is_set():
                results.put(explore(number))
                number += cores
    except Exception as error:  # noqa: BLE001 - the parent raises it
        results.put(error)
    finally:
        results.put(None)
