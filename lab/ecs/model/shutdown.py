"""How a task ends: … → DEACTIVATING → STOPPING → DEPROVISIONING → STOPPED. Pure.

SIGTERM, then SIGKILL after stopTimeout: API reference, StopTask, and ContainerDefinition, stopTimeout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model.engine import wake
from lab.ecs.model.events import task_changed
from lab.ecs.model.world import KillContainer, StopContainer

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Container, Task

CANNOT_PULL = "CannotPullContainerError"
# Stops that say something about the image or the task definition, not about the scheduler or a person.
_FAILURES = {"TaskFailedToStart", "EssentialContainerExited"}


def stop(engine: Engine, task: Task, code: str, reason: str, *, notice_seconds: float | None = None) -> None:
    """The task is to stop: `desiredStatus` becomes STOPPED. A second stop changes nothing.

    `notice_seconds` caps every stopTimeout.
    """
    if task.desired_status == "STOPPED":
        return
    before = task.last_status
    task.desired_status = "STOPPED"
    task.ready = False
    task.stop_code = code
    task.stopped_reason = reason
    task.stopping_at = engine.now
    if notice_seconds is not None:
        task.kill_at = engine.now + notice_seconds
    task_changed(engine, task)
    if task.deployment is not None:
        task.deployment.tasks.remove(task)
        task.deployment.stopping.append(task)
        if code in _FAILURES:
            engine.rules.task_failed(engine, task.deployment, task)
    if task.service is not None:
        wake(engine, task.service)
    if before == "RUNNING":
        task.last_status = "DEACTIVATING"
        task_changed(engine, task)
        if engine.timings.deactivating_seconds > 0:
            engine.after(engine.timings.deactivating_seconds, _stop_containers, task)
        else:
            _stop_containers(engine, task)
    elif before == "ACTIVATING":
        _stop_containers(engine, task)
    else:
        for container in task.containers.values():
            container.last_status = "STOPPED"
        _deprovision(engine, task)


def _stop_containers(engine: Engine, task: Task) -> None:
    task.last_status = "STOPPING"
    for container in task.containers.values():
        if not container.start_requested:
            container.last_status = "STOPPED"
    task_changed(engine, task)
    container_gone(engine, task)


def container_gone(engine: Engine, task: Task) -> None:
    """Stop the next containers in order, or finish when the last one has exited."""
    if task.last_status != "STOPPING":
        return
    left = [container for container in task.containers.values() if container.last_status != "STOPPED"]
    if not left:
        _deprovision(engine, task)
        return
    for container in left:
        if not container.stop_requested and not _has_dependants(engine, container, left):
            container.stop_requested = True
            engine.outbox.append(StopContainer(task, container.definition.name, engine.now))
            due = engine.now + container.definition.stop_timeout_seconds
            if task.kill_at is not None:
                due = min(due, task.kill_at)
            engine.at(due, _kill, (task, container))


def _has_dependants(engine: Engine, container: Container, left: list[Container]) -> bool:
    """API reference, dependsOn: "for container shutdown it is reversed"."""
    if not engine.options.reverse_shutdown:
        return False
    name = container.definition.name
    return any(name == other for dependant in left for other, _ in dependant.definition.depends_on)


def _kill(engine: Engine, subject: tuple[Task, Container]) -> None:
    task, container = subject
    if container.last_status != "STOPPED":
        engine.outbox.append(KillContainer(task, container.definition.name, engine.now))


def _deprovision(engine: Engine, task: Task) -> None:
    task.execution_stopped_at = engine.now
    task.last_status = "DEPROVISIONING"
    task_changed(engine, task)
    if task.service is not None:
        wake(engine, task.service)
    engine.after(engine.timings.deprovisioning_seconds, _stopped, task)


def _stopped(engine: Engine, task: Task) -> None:
    engine.world.release_interface(task.interface.eni_id)
    task.attachment_status = "DELETED"
    task.last_status = "STOPPED"
    task.stopped_at = engine.now
    task_changed(engine, task)
    if task.deployment is not None:
        task.deployment.stopping.remove(task)
    if task.service is not None:
        wake(engine, task.service)
    engine.after(engine.timings.stopped_task_kept_seconds, _forget, task)


def _forget(engine: Engine, task: Task) -> None:
    del engine.tasks[task.arn]
    del task.cluster.tasks[task.id]
