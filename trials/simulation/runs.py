"""Lambda: asynchronous invocations of the two functions, each run of which can be held at any AWS call.

A run is a greenlet: it gives control back when it calls AWS, sleeps or probes, and goes on when that is due.
Sources: Lambda guide, "Asynchronous invocation" (two more tries, after one and two minutes; at least once),
"Timeout"; boto3 guide, "Retries" (standard mode).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

if TYPE_CHECKING:
    from collections.abc import Callable

    from trials.simulation.cloud import Cloud
    from trials.simulation.places import Json

TIMEOUT_SECONDS = 60.0
RETRY_SECONDS = (60.0, 120.0)
COLD_START_SECONDS = 1.0
WARM = 0.8
"""How often a new run finds a warm environment, if one is free."""


class KilledError(BaseException):
    """The environment of this run is gone: nothing in the function may catch it."""


@dataclass(eq=False)
class Environment:
    """An execution environment: its clients, and what the function caches by them, outlive a run."""

    function: str
    clients: dict[str, Any] = field(default_factory=dict)
    run: Run | None = None


@dataclass
class Functions:
    """The functions, their environments and runs."""

    cloud: Cloud
    bodies: dict[str, Callable[[Environment, Json], None]]
    under_way: list[Run] = field(default_factory=list)
    waiting: int = 0
    """Invocations that wait for their first or next try."""
    dead_letters: list[Json] = field(default_factory=list)
    count: int = 0
    killed_at: float = -inf
    """When a run was killed or timed out the last time."""
    finished: Callable[[Run], None] = lambda _: None
    _idle: dict[str, list[Environment]] = field(default_factory=dict)

    def invoke(self, function: str, event: Json, why: str, attempt: int = 0, delay: float = 0.05) -> None:
        """Run the function soon."""
        self.waiting += 1

        def begin() -> None:
            self.waiting -= 1
            self.count += 1
            idle = self._idle.setdefault(function, [])
            warm = bool(idle) and self.cloud.random.random() < WARM
            environment = idle.pop() if warm else Environment(function)
            run = Run(self, environment, event, why, attempt, self.count)
            environment.run = run
            self.under_way.append(run)
            self.cloud.clock.after(0.01 if warm else COLD_START_SECONDS, run.proceed)
            self.cloud.clock.after(TIMEOUT_SECONDS, run.time_out)

        self.cloud.clock.after(delay, begin)

    def over(self, run: Run, error: BaseException | None) -> None:
        """A run has ended: well, or it is tried again, or its event is kept as a dead letter."""
        self.under_way.remove(run)
        run.error = error
        if run.is_killed:
            self.killed_at = self.cloud.clock.now
        self.finished(run)
        if not run.is_killed:
            run.environment.run = None
            self._idle[run.function].append(run.environment)
        if error is None:
            return
        if run.attempt < len(RETRY_SECONDS):
            self.invoke(run.function, run.event, run.why, run.attempt + 1, RETRY_SECONDS[run.attempt])
        else:
            self.cloud.clock.tell("%s gave up the event for good", run)
            self.dead_letters.append(run.event)


class Run:
    """One invocation."""

    def __init__(
        self, functions: Functions, environment: Environment, event: Json, why: str, attempt: int, number: int
    ) -> None:
        self.function = environment.function
        self.environment = environment
        self.event = event
        self.why = why
        self.attempt = attempt
        self.number = number
        self.started_at = functions.cloud.clock.now
        self.is_killed = False
        self.error: BaseException | None = None
        self.met_faults = False
        self.seen: dict[Any, Any] = {}
        """What it has read, for the checks: they judge a run by what it could know."""
        self.calls = 0
        self.items = 0
        self.looks = 0
        self._functions = functions
        self._cloud = functions.cloud
        self._greenlet = greenlet(self._main, getcurrent())

    def __str__(self) -> str:
        again = f", try {self.attempt + 1}" if self.attempt else ""
        return f"{self.function} #{self.number} ({self.why}{again})"

    def _main(self) -> None:
        error: BaseException | None = None
        try:
            self._functions.bodies[self.function](self.environment, self.event)
        except KilledError as killed:
            error = killed
        except Exception as failed:  # noqa: BLE001 - Lambda, too, takes whatever a function raises
            error = failed
        self._functions.over(self, error)

    def proceed(self) -> None:
        """Go on, unless it is over."""
        if not self._greenlet.dead and not self.is_killed:
            self._greenlet.switch()

    def pause(self, seconds: float) -> None:
        """Let others go on for so long; called by the function's clients, from within the run."""
        if self.is_killed:
            raise KilledError
        if self._cloud.faults.happens(self._cloud.faults.fault_rates.killed):
            self._cloud.clock.fault("run killed", "%s is killed in the middle", self)
            self.is_killed = self.met_faults = True
            raise KilledError
        self._cloud.clock.after(seconds, self.proceed)
        self._greenlet.parent.switch()  # type: ignore[union-attr]  # a run is never the main greenlet

    def time_out(self) -> None:
        """Lambda ends it after its time-out."""
        if not self._greenlet.dead and not self.is_killed:
            self._cloud.clock.fault("run timed out", "%s is ended by its time-out", self)
            self._cloud.faults.note()
            self.end()

    def end(self) -> None:
        """End it where it stands, from outside."""
        self.is_killed = True
        if self._greenlet:
            self._greenlet.throw(KilledError)
        else:  # it has not begun
            self._functions.over(self, KilledError())
