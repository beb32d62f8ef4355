"""The life of a task until it runs. Pure.

PROVISIONING → PENDING → ACTIVATING → RUNNING; what follows is in shutdown.py. ECS guide
"task-lifecycle-explanation": images are pulled and containers created while ACTIVATING.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model import health
from lab.ecs.model.engine import wake
from lab.ecs.model.events import task_changed
from lab.ecs.model.pulls import pull_images
from lab.ecs.model.shutdown import container_gone, stop
from lab.ecs.model.state import Container, Task
from lab.ecs.model.world import StartContainer, StopContainer

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Cluster, Deployment, Json, TaskDefinition


_CURRENT_PLATFORM = "1.4.0"  # what LATEST means (ECS guide "platform-fargate")


def launch(
    engine: Engine,
    cluster: Cluster,
    definition: TaskDefinition,
    settings: Json,
    *,
    group: str,
    started_by: str | None = None,
    deployment: Deployment | None = None,
    tags: dict[str, str] | None = None,
) -> Task:
    """A new task, PROVISIONING; its interface exists from now until the end of DEPROVISIONING."""
    task_id = engine.hex_id()
    network = settings.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
    public = network.get("assignPublicIp", "DISABLED") == "ENABLED"
    providers = settings.get("capacityProviderStrategy")
    platform = settings.get("platformVersion", "LATEST")
    containers = {
        name: Container(
            container,
            engine.arn("container", f"{cluster.name}/{task_id}/{name}-{engine.rng.getrandbits(32):08x}"),
        )
        for name, container in definition.containers.items()
    }
    task = Task(
        arn=engine.arn("task", f"{cluster.name}/{task_id}"),
        id=task_id,
        cluster=cluster,
        definition=definition,
        interface=engine.world.allocate_interface(
            tuple(network.get("subnets", ())), tuple(network.get("securityGroups", ())), public
        ),
        containers=containers,
        group=group,
        created_at=engine.now,
        launch_type=settings.get("launchType", "FARGATE"),
        capacity_provider=providers[0]["capacityProvider"] if providers else None,
        platform_version=_CURRENT_PLATFORM if platform == "LATEST" else platform,
        overrides=settings.get("overrides"),
        tags=tags or {},
        started_by=started_by,
        deployment=deployment,
        service=deployment.revision.service if deployment else None,
    )
    engine.tasks[task.arn] = cluster.tasks[task_id] = task
    if deployment is not None:
        deployment.tasks.append(task)
    task_changed(engine, task)
    engine.after(engine.timings.provisioning_seconds, _provisioned, task)
    return task


def _provisioned(engine: Engine, task: Task) -> None:
    if task.desired_status == "STOPPED":
        return
    task.attachment_status = "ATTACHED"
    task.connected_at = engine.now
    task.last_status = "PENDING"
    task_changed(engine, task)
    engine.after(engine.timings.pending_seconds, _activate, task)


def _activate(engine: Engine, task: Task) -> None:
    if task.desired_status == "STOPPED":
        return
    task.last_status = "ACTIVATING"
    task.pull_started_at = engine.now
    task_changed(engine, task)
    pull_images(engine, task)


def image_pulled(engine: Engine, task: Task, name: str) -> None:
    """The image is there: the container may start."""
    container = task.containers[name]
    if task.desired_status == "STOPPED" or container.digest is None or container.pulled:
        return
    container.pulled = True
    if all(other.pulled for other in task.containers.values()):
        task.pull_stopped_at = engine.now
    start_containers(engine, task)


def start_containers(engine: Engine, task: Task) -> None:
    """Start what is pulled and whose dependencies hold (API reference, ContainerDependency, condition)."""
    for name, container in task.containers.items():
        if container.start_requested or not container.pulled:
            continue
        conditions = [_holds(task.containers[other], what) for other, what in container.definition.depends_on]
        if False in conditions:
            stop(engine, task, "TaskFailedToStart", f"Container {name} gave up: a dependency did not succeed")
            return
        if None not in conditions:
            container.start_requested = True
            engine.outbox.append(StartContainer(task, name, engine.now))
            if container.definition.start_timeout_seconds is not None:
                engine.after(container.definition.start_timeout_seconds, _start_timed_out, (task, container))


def _holds(dependency: Container, condition: str) -> bool | None:
    """Whether the dependency's condition holds; None while it may still come to hold."""
    if condition == "START":
        return True if dependency.started_at is not None else None
    if condition == "HEALTHY":
        return True if dependency.health == "HEALTHY" else None
    if dependency.last_status != "STOPPED":
        return None
    return condition == "COMPLETE" or dependency.exit_code == 0


def _start_timed_out(engine: Engine, subject: tuple[Task, Container]) -> None:
    """Who waits for this container gives up after its startTimeout, and the task stops."""
    task, dependency = subject
    if task.desired_status == "STOPPED":
        return
    name = dependency.definition.name
    for waiting in task.containers.values():
        for other, what in waiting.definition.depends_on:
            if other == name and not waiting.start_requested and not _holds(dependency, what):
                reason = f"Container {waiting.definition.name} gave up waiting for {name} to be {what}"
                stop(engine, task, "TaskFailedToStart", reason)
                return


def container_started(engine: Engine, task: Task, name: str, runtime_id: str) -> None:
    """The container runs, and with the last one the task."""
    container = task.containers[name]
    if not container.start_requested or container.last_status != "PENDING":
        return
    container.last_status = "RUNNING"
    container.runtime_id = runtime_id
    container.started_at = engine.now
    if task.desired_status == "STOPPED":
        if container.stop_requested:  # the signal came before there was anything to receive it
            engine.outbox.append(StopContainer(task, name, engine.now))
        return
    health.begin(engine, task, container)
    start_containers(engine, task)
    _run_when_all_started(engine, task)


def _run_when_all_started(engine: Engine, task: Task) -> None:
    started = all(container.last_status != "PENDING" for container in task.containers.values())
    if task.last_status != "ACTIVATING" or task.desired_status == "STOPPED" or not started:
        return
    task.last_status = "RUNNING"
    task.running_at = engine.now
    task_changed(engine, task)
    if task.deployment is not None:
        task.deployment.start_failures = 0
    engine.after(engine.timings.ready_after_running_seconds, _waited, task)
    if task.service is not None:
        wake(engine, task.service)


def _waited(engine: Engine, task: Task) -> None:
    """Without a health check a task counts 40 seconds after RUNNING (see scheduler.py)."""
    if task.service is not None and task.desired_status == "RUNNING":
        wake(engine, task.service)


def container_exited(engine: Engine, task: Task, name: str, exit_code: int, reason: str) -> None:
    """The container ended: the task stops if it is essential, or goes on stopping."""
    container = task.containers[name]
    if container.last_status == "STOPPED":
        return
    never_started = container.last_status == "PENDING"
    container.last_status = "STOPPED"
    container.probe = 0
    container.exit_code = exit_code
    container.reason = reason or container.reason
    if task.desired_status == "STOPPED":
        container_gone(engine, task)
    elif never_started:
        container.reason = reason or "CannotStartContainerError"
        stop(engine, task, "TaskFailedToStart", container.reason)
    elif container.definition.essential:
        stop(engine, task, "EssentialContainerExited", "Essential container in task exited")
    else:
        start_containers(engine, task)
        _run_when_all_started(engine, task)


def health_probed(engine: Engine, task: Task, name: str, *, ok: bool) -> None:
    """The answer to a health check: a container that waits for HEALTHY may start."""
    changed = health.probed(engine, task, task.containers[name], ok=ok)
    if changed and task.desired_status == "RUNNING":
        start_containers(engine, task)
