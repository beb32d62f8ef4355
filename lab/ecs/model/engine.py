"""Time, timers, ids and the outbox that all rules share. Pure: the clock is passed in."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from lab.ecs.model.state import (
        Cluster,
        Deployment,
        Service,
        ServiceDeployment,
        ServiceRevision,
        Task,
        TaskDefinition,
    )
    from lab.ecs.model.timings import Timings
    from lab.ecs.model.world import Command, EventMessage, World

_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Options:
    """Where AWS's documents disagree or are silent, and a test may want to see both."""

    # API reference, ContainerDefinition, dependsOn: shutdown is the reverse of start. The EC2 agent's code
    # calls that order best effort.
    reverse_shutdown: bool = True
    # API reference, Deployment, failedTasks: counted are tasks that never reach RUNNING or fail a health
    # check. A published drill (TreyWright360/aws-ecs-bedrock-devsecops, 2026-09-24, `sys.exit(1)` at start)
    # rolled back after the third exit, and re:Post "ecs-troubleshoot-deployment-failures" says "stopped or
    # failed to start".
    breaker_counts_early_exits: bool = True
    # Published drills disagree: a tag that does not exist tripped the breaker after 11:44 minutes in one; in
    # another the deployment stalled (or was not watched for long enough).
    breaker_counts_failed_pulls: bool = True
    # Not documented: whether the breaker also ends a rollback whose tasks fail, or ECS starts them for ever.
    breaker_ends_rollbacks: bool = True
    # API reference, HealthCheck: a container without a health check is UNKNOWN, and so is then its task.
    # Observed on Fargate instead (amazon-ecs-agent issue 4094): only the containers with a check matter.
    unchecked_container_is_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules that others call and that call those others: handed in, so that no module needs itself."""

    reconcile: Callable[[Engine, Service], None]
    task_failed: Callable[[Engine, Deployment, Task], None]


class Engine:
    """The clock, the timers and everything that exists."""

    __slots__ = (
        "_sequence",
        "_timers",
        "account",
        "clusters",
        "now",
        "options",
        "outbox",
        "region",
        "rng",
        "rules",
        "service_deployments",
        "service_revisions",
        "task_definitions",
        "tasks",
        "timings",
        "world",
    )

    def __init__(
        self,
        world: World,
        timings: Timings,
        rng: random.Random,
        region: str,
        account: str,
        options: Options,
        rules: Rules,
    ) -> None:
        self.world = world
        self.timings = timings
        self.rng = rng
        self.region = region
        self.account = account
        self.options = options
        self.rules = rules
        self.now = 0.0
        self.outbox: list[Command | EventMessage] = []
        self.clusters: dict[str, Cluster] = {}
        self.task_definitions: dict[str, list[TaskDefinition]] = {}  # by family; revision n at n - 1
        self.tasks: dict[str, Task] = {}  # by ARN
        self.service_deployments: dict[str, ServiceDeployment] = {}
        self.service_revisions: dict[str, ServiceRevision] = {}
        self._timers: list[tuple[float, int, Callable[[Engine, Any], None], Any]] = []
        self._sequence = 0

    def at(self, due: float, rule: Callable[[Engine, Any], None], subject: object) -> None:
        """Apply `rule` to `subject` at `due`.

        There is no cancelling: a rule looks whether it still applies.
        """
        self._sequence += 1
        heapq.heappush(self._timers, (due, self._sequence, rule, subject))

    def after(self, seconds: float, rule: Callable[[Engine, Any], None], subject: object) -> None:
        """Apply `rule` to `subject` in so many seconds."""
        self.at(self.now + seconds, rule, subject)

    def next_due(self) -> float | None:
        """When the next rule is due."""
        return self._timers[0][0] if self._timers else None

    def run_until(self, now: float) -> None:
        """Apply every rule that is due, in time order. A clock that goes back counts as standing still."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            due, _, rule, subject = heapq.heappop(timers)
            self.now = max(self.now, due)
            rule(self, subject)
        self.now = max(self.now, now)

    def arn(self, kind: str, name: str) -> str:
        """An ARN of this region and account."""
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{name}"

    def hex_id(self) -> str:
        """32 hexadecimal digits, as in the ids of tasks."""
        return f"{self.rng.getrandbits(128):032x}"

    def uuid(self) -> str:
        """An id as events and attachments have it."""
        text = self.hex_id()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def digits(self) -> str:
        """19 digits, as in the ids of deployments and service revisions."""
        return str(self.rng.randrange(10**18, 10**19))

    def letters(self) -> str:
        """20 letters and digits, as in the ids of service deployments."""
        return "".join(self.rng.choices(_ID_LETTERS, k=20))


def wake(engine: Engine, service: Service) -> None:
    """The service scheduler looks at the service shortly."""
    if not service.woken:
        service.woken = True
        engine.after(engine.timings.scheduler_seconds, engine.rules.reconcile, service)
