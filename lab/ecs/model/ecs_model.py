"""The model of the ECS service scheduler: time goes in, commands and events come out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model import pulls, tasks
from lab.ecs.model.circuit_breaker import task_failed
from lab.ecs.model.engine import Engine, Options, Rules
from lab.ecs.model.scheduler import reconcile
from lab.ecs.model.shutdown import stop
from lab.ecs.model.timings import Timings

if TYPE_CHECKING:
    import random

    from lab.ecs.model.state import Task
    from lab.ecs.model.world import Command, EventMessage, World


class EcsModel:
    """One region of one account. Every method takes the time; none looks at a clock.

    `engine` holds the state (clusters, tasks, …) for those who read it.
    """

    def __init__(
        self,
        world: World,
        rng: random.Random,
        *,
        timings: Timings | None = None,
        options: Options | None = None,
        region: str = "us-east-1",
        account: str = "000000000000",
    ) -> None:
        rules = Rules(reconcile, task_failed)
        self.engine = Engine(world, timings or Timings(), rng, region, account, options or Options(), rules)

    def advance(self, now: float) -> None:
        """Process everything due up to `now`, in time order."""
        self.engine.run_until(now)

    def next_due(self) -> float | None:
        """When `advance` has something to look at next."""
        return self.engine.next_due()

    def drain(self) -> list[Command | EventMessage]:
        """The commands and events that arose since the last call, in order."""
        messages = self.engine.outbox
        self.engine.outbox = []
        return messages

    def image_pulled(self, task_arn: str, container_name: str, now: float) -> None:
        """The container's image is there."""
        task = self._task(task_arn, now)
        if task is not None:
            tasks.image_pulled(self.engine, task, container_name)

    def pull_failed(self, task_arn: str, container_name: str, reason: str, now: float) -> None:
        """The container's image cannot be pulled."""
        task = self._task(task_arn, now)
        if task is not None:
            pulls.pull_failed(self.engine, task, container_name, reason)

    def settings_missing(self, task_arn: str, reason: str, now: float) -> None:
        """A setting or a secret of the task cannot be read."""
        task = self._task(task_arn, now)
        if task is not None:
            stop(self.engine, task, "TaskFailedToStart", f"ResourceInitializationError: {reason}")

    def container_started(self, task_arn: str, container_name: str, runtime_id: str, now: float) -> None:
        """The container runs."""
        task = self._task(task_arn, now)
        if task is not None:
            tasks.container_started(self.engine, task, container_name, runtime_id)

    def container_exited(
        self, task_arn: str, container_name: str, exit_code: int, now: float, reason: str = ""
    ) -> None:
        """The container ended, or could not be started at all."""
        task = self._task(task_arn, now)
        if task is not None:
            tasks.container_exited(self.engine, task, container_name, exit_code, reason)

    def health_probed(self, task_arn: str, container_name: str, ok: bool, now: float) -> None:  # noqa: FBT001 - the agreed signature
        """The health check command ended: `ok` if with 0."""
        task = self._task(task_arn, now)
        if task is not None:
            tasks.health_probed(self.engine, task, container_name, ok=ok)

    def interrupt(self, task_arn: str, now: float) -> None:
        """Fargate Spot takes the capacity back: SIGTERM now, SIGKILL after two minutes at most.

        ECS guide "fargate-capacity-providers", Fargate Spot termination notices.
        """
        task = self._task(task_arn, now)
        if task is not None:
            notice_seconds = self.engine.timings.spot_notice_seconds
            reason = "Your Spot Task was interrupted."
            stop(self.engine, task, "SpotInterruption", reason, notice_seconds=notice_seconds)

    def _task(self, task_arn: str, now: float) -> Task | None:
        """The task, once time has come; None if it is gone, whose observations are ignored."""
        self.engine.run_until(now)
        task = self.engine.tasks.get(task_arn)
        return None if task is None or task.last_status == "STOPPED" else task
