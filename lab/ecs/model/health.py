"""Container health checks: when to probe, and what the answers mean. Pure.

API reference, HealthCheck; the timing of probes is Docker's (HEALTHCHECK: first after one interval, then one
interval after the previous probe ended). A HEALTHCHECK in the Dockerfile is ignored (API reference, Task,
healthStatus).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model.engine import wake
from lab.ecs.model.world import ProbeHealth

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Container, HealthCheck, Task


def begin(engine: Engine, task: Task, container: Container) -> None:
    """The container has started: the first probe comes after one interval."""
    check = container.definition.health_check
    if check is not None:
        engine.after(check.interval_seconds, _probe, (task, container, check))


def _probe(engine: Engine, subject: tuple[Task, Container, HealthCheck]) -> None:
    task, container, check = subject
    if task.desired_status == "STOPPED" or container.last_status != "RUNNING":
        return
    container.probes += 1
    container.probe = container.probes
    engine.outbox.append(ProbeHealth(task, container.definition.name, engine.now))
    engine.after(check.timeout_seconds, _timed_out, (task, container, container.probe))


def _timed_out(engine: Engine, subject: tuple[Task, Container, int]) -> None:
    task, container, number = subject
    if container.probe == number:
        probed(engine, task, container, ok=False)


def probed(engine: Engine, task: Task, container: Container, *, ok: bool) -> bool:
    """Note the answer to the probe under way; True if the container's health changed by it."""
    check = container.definition.health_check
    if check is None or container.probe == 0 or container.last_status != "RUNNING":
        return False
    container.probe = 0
    engine.after(check.interval_seconds, _probe, (task, container, check))
    before = container.health
    if ok:
        container.failed_probes = 0
        container.health = "HEALTHY"
    elif not _in_start_period(engine, container, check):
        container.failed_probes += 1
        if container.failed_probes >= check.retries:
            container.health = "UNHEALTHY"
    if container.health == before:
        return False
    _judge(engine, task)
    return True


def _in_start_period(engine: Engine, container: Container, check: HealthCheck) -> bool:
    """Failures do not count yet. A success ends the period: "any subsequent failures count"."""
    started = container.started_at if container.started_at is not None else engine.now
    return container.health == "UNKNOWN" and engine.now < started + check.start_period_seconds


def _judge(engine: Engine, task: Task) -> None:
    """The task is as healthy as its essential containers are (API reference, Task, healthStatus)."""
    strict = engine.options.unchecked_container_is_unknown
    essential = [c for c in task.containers.values() if c.definition.essential]
    states = {c.health for c in essential if strict or c.definition.health_check is not None}
    if "UNHEALTHY" in states:
        task.health = "UNHEALTHY"
    else:
        task.health = "HEALTHY" if states == {"HEALTHY"} else "UNKNOWN"
    if task.service is not None:
        wake(engine, task.service)
