"""Containers for virtual time: each image has a behaviour, and nothing is started. Pure and deterministic."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.ecs.model.world import (
    EventMessage,
    KillContainer,
    ProbeHealth,
    PullImage,
    StartContainer,
    StopContainer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.ecs.model.ecs_model import EcsModel
    from lab.ecs.model.state import Task
    from lab.ecs.model.world import Command


DRAIN_SIDECAR_LOOK_SECONDS = 1  # template.yaml: how often it asks whether the app has ended


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What an image does when it runs. None means never."""

    pull_seconds: float | None = 5  # None: the pull fails
    start_seconds: float | None = 1  # None: the container cannot be started
    listens_after_seconds: float | None = 0
    exits_after_seconds: float | None = None
    exit_code: int = 0
    on_sigterm_seconds: float | None = 1  # None: ignores SIGTERM
    serves_after_sigterm: bool = True
    healthy_after_seconds: float | None = 0  # what its health check answers; None: fails always
    unhealthy_after_seconds: float | None = None
    probe_seconds: float | None = 0.1  # None: the health check hangs
    watches: str | None = None  # a sidecar: healthy when this container of its task has listened for
    ready_after_seconds: float = 0  # so long; it ends when that one has ended, after SIGTERM as soon as
    # it no longer listens


@dataclass(slots=True)
class _Running:
    behaviour: Behaviour
    started_at: float
    signalled_at: float | None = None
    over: bool = False


class FakeRuntime:
    """Runs the model's commands; `commands` collects them, and `events` what would go to EventBridge."""

    def __init__(self, model: EcsModel, behaviours: dict[str, Behaviour] | None = None) -> None:
        self.model = model
        self.behaviours = behaviours if behaviours is not None else {}  # by container name, or by digest
        self.events: list[EventMessage] = []
        self.commands: list[Command] = []
        self._running: dict[str, dict[str, _Running]] = {}  # by task and container
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = 0

    def next_due(self) -> float | None:
        """When something happens next, here or in the model."""
        model_due = self.model.next_due()
        if not self._due:
            return model_due
        due = self._due[0][0]
        return due if model_due is None else min(due, model_due)

    def run_until(self, until: float) -> None:
        """Let time pass: model and containers in step."""
        self.take()
        while (due := self.next_due()) is not None and due <= until:
            self.model.advance(due)
            self.take()
            while self._due and self._due[0][0] <= due:
                heapq.heappop(self._due)[2](due)
                self.take()
        self.model.advance(until)
        self.take()

    def take(self) -> list[EventMessage]:
        """Take over what the model said since the last call; the new events among it."""
        new = []
        for message in self.model.drain():
            if isinstance(message, EventMessage):
                new.append(message)
            else:
                self.commands.append(message)
                self._obey(message)
        self.events.extend(new)
        return new

    def listens(self, task_arn: str, container: str, now: float) -> bool:
        """Whether a TCP connection to the container would be answered."""
        running = self._find(task_arn, container)
        if running is None or running.over or running.behaviour.listens_after_seconds is None:
            return False
        if running.signalled_at is not None and not running.behaviour.serves_after_sigterm:
            return False
        return now >= running.started_at + running.behaviour.listens_after_seconds

    def keeps_connections(self, task_arn: str, container: str) -> bool:
        """Whether an answer leaves the connection open: hello_app closes it after SIGTERM."""
        running = self._find(task_arn, container)
        return running is not None and (
            running.signalled_at is None or running.behaviour.on_sigterm_seconds is None
        )

    def crash(self, task_arn: str, container: str, now: float, exit_code: int = 1) -> None:
        """The container ends by itself."""
        self._exit(task_arn, container, exit_code, now)
        self.take()

    def _find(self, task_arn: str, container: str) -> _Running | None:
        return self._running.get(task_arn, {}).get(container)

    def _later(self, at: float, action: Callable[[float], None]) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (at, self._sequence, action))

    def _obey(self, command: Command) -> None:
        arn, name = command.task.arn, command.container
        match command:
            case PullImage():
                self._pull(arn, name, command)
            case StartContainer():
                self._start(arn, name, self._behaviour(command.task, name), command.at)
            case ProbeHealth():
                self._probe(arn, name, command.at)
            case StopContainer():
                self._signal(arn, name, command.at)
            case KillContainer():
                self._later(command.at, lambda now: self._exit(arn, name, 137, now))

    def _behaviour(self, task: Task, name: str) -> Behaviour:
        return self.behaviours.get(name) or self.behaviours.get(
            task.containers[name].digest or "", Behaviour()
        )

    def _pull(self, arn: str, name: str, command: PullImage) -> None:
        seconds = self.behaviours.get(command.digest, Behaviour()).pull_seconds
        if seconds is None:
            self._later(command.at, lambda now: self.model.pull_failed(arn, name, "i/o timeout", now))
        else:
            self._later(command.at + seconds, lambda now: self.model.image_pulled(arn, name, now))

    def _start(self, arn: str, name: str, behaviour: Behaviour, at: float) -> None:
        if behaviour.start_seconds is None:
            self._later(
                at, lambda now: self.model.container_exited(arn, name, 127, now, "CannotStartContainerError")
            )
            return

        def started(now: float) -> None:
            if self._find(arn, name) is not None:  # was stopped while it started
                return
            self._running.setdefault(arn, {})[name] = _Running(behaviour, now)
            self.model.container_started(arn, name, f"{arn.rpartition('/')[2]}-{name}", now)
            if behaviour.exits_after_seconds is not None:
                self._later(
                    now + behaviour.exits_after_seconds,
                    lambda end: self._exit(arn, name, behaviour.exit_code, end),
                )

        self._later(at + behaviour.start_seconds, started)

    def _probe(self, arn: str, name: str, at: float) -> None:
        running = self._find(arn, name)
        if running is None or running.behaviour.probe_seconds is None:
            return
        behaviour = running.behaviour

        def answer(now: float) -> None:
            if behaviour.watches is not None:
                ok = self.listens(arn, behaviour.watches, now) and self.listens(
                    arn, behaviour.watches, now - behaviour.ready_after_seconds
                )
            else:
                age = now - running.started_at
                ok = behaviour.healthy_after_seconds is not None and age >= behaviour.healthy_after_seconds
                ok = ok and (
                    behaviour.unhealthy_after_seconds is None or age < behaviour.unhealthy_after_seconds
                )
            self.model.health_probed(arn, name, ok, now)

        self._later(at + (behaviour.probe_seconds or 0), answer)

    def _signal(self, arn: str, name: str, at: float) -> None:
        running = self._find(arn, name)
        if running is None:  # not started yet
            self._running.setdefault(arn, {})[name] = _Running(Behaviour(), at, over=True)
            self._later(at, lambda now: self.model.container_exited(arn, name, 137, now))
            return
        running.signalled_at = at
        seconds = running.behaviour.on_sigterm_seconds
        watched = running.behaviour.watches
        if watched is not None and not self.listens(arn, watched, at):
            seconds = 0
        if seconds is not None:
            self._later(at + seconds, lambda now: self._exit(arn, name, running.behaviour.exit_code, now))

    def _exit(self, arn: str, name: str, exit_code: int, now: float) -> None:
        running = self._find(arn, name)
        if running is None or running.over:
            return
        running.over = True
        self.model.container_exited(arn, name, exit_code, now)
        for other_name, other in self._running[arn].items():
            if other.behaviour.watches == name:
                self._let_drain_sidecar_end(arn, other_name, other, now)

    def _let_drain_sidecar_end(self, arn: str, name: str, drain_sidecar: _Running, now: float) -> None:
        """Its watched container has ended: after SIGTERM that is what it waited for, else it is a failure."""
        if drain_sidecar.signalled_at is not None:
            self._exit(arn, name, 0, now)
        else:
            self._later(now + DRAIN_SIDECAR_LOOK_SECONDS, lambda at: self._exit(arn, name, 1, at))
