"""Which image a container runs, and what happens if it cannot be pulled. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model.circuit_breaker import RESOLUTIONS, digest_not_found
from lab.ecs.model.shutdown import CANNOT_PULL, stop
from lab.ecs.model.world import PullImage

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import ContainerDefinition, Task


def pull_images(engine: Engine, task: Task) -> None:
    """Pull what can be resolved; for the rest the registry is asked in vain for a while."""
    for name, container in task.containers.items():
        digest = _resolve(engine, task, container.definition)
        if digest is None:
            engine.after(engine.timings.pull_failure_seconds, _not_found, (task, name))
        else:
            container.digest = digest
            engine.outbox.append(PullImage(task, name, container.definition.image, digest, engine.now))


def _resolve(engine: Engine, task: Task, definition: ContainerDefinition) -> str | None:
    """The digest to run: the deployment's first task resolves the tag, the later ones use its digest.

    ECS guide "deployment-type-ecs", Container image resolution; API reference, ContainerImage.
    """
    image, deployment = definition.image, task.deployment
    digests = deployment.revision.digests if deployment and definition.consistent else None
    if digests is not None and definition.name in digests:
        return engine.world.resolve_image(f"{repository_of(image)}@{digests[definition.name]}")
    digest = engine.world.resolve_image(image)
    if deployment and digests is not None and digest and deployment.failed_resolutions < RESOLUTIONS:
        digests[definition.name] = digest
    return digest


def repository_of(image: str) -> str:
    """`REPO` of `REPO`, `REPO:TAG` or `REPO@DIGEST`; a registry's port is part of REPO."""
    name = image.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return path + slash + last.partition(":")[0]


def _not_found(engine: Engine, subject: tuple[Task, str]) -> None:
    task, name = subject
    if task.desired_status == "STOPPED":
        return
    definition, deployment = task.containers[name].definition, task.deployment
    reason = f"failed to resolve ref {definition.image}: not found"
    pull_failed(engine, task, name, f"pull image manifest has been retried 5 time(s): {reason}")
    if deployment and definition.consistent and name not in deployment.revision.digests:
        digest_not_found(engine, deployment)


def pull_failed(engine: Engine, task: Task, name: str, reason: str) -> None:
    """The task stops: ECS guide "stopped-task-error-codes", CannotPullContainerError."""
    if task.desired_status == "STOPPED" or task.containers[name].pulled:
        return
    text = reason if reason.startswith(CANNOT_PULL) else f"{CANNOT_PULL}: {reason}"
    task.pull_stopped_at = engine.now
    task.containers[name].reason = text
    stop(engine, task, "TaskFailedToStart", text)
