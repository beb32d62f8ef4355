"""The service scheduler: which tasks to start and to stop. Pure.

ECS guide "deployment-type-ecs" and "ecs_services"; API reference, DeploymentConfiguration.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lab.ecs.model import deployments
from lab.ecs.model.circuit_breaker import task_failed, task_ready
from lab.ecs.model.engine import wake
from lab.ecs.model.events import say
from lab.ecs.model.shutdown import stop
from lab.ecs.model.steady_state import judge
from lab.ecs.model.tasks import launch

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Deployment, Service, Task

_BEFORE_RUNNING = {"PROVISIONING", "PENDING", "ACTIVATING"}


def limits(service: Service) -> tuple[int, int]:
    """Healthy tasks at least (rounded up), running and pending tasks at most (rounded down)."""
    configuration = service.settings["deploymentConfiguration"]
    least = math.ceil(service.desired_count * configuration["minimumHealthyPercent"] / 100)
    return least, math.floor(service.desired_count * configuration["maximumPercent"] / 100)


def reconcile(engine: Engine, service: Service) -> None:
    """One look of the scheduler at a service: start what is missing, stop what is too much, then judge."""
    service.woken = False
    if service.status == "DRAINING":
        _drain(engine, service)
        return
    if service.status != "ACTIVE" or not service.deployments:
        return
    primary = service.deployments[0]
    if primary.service_deployment.status == "PENDING":
        deployments.begin(engine, service, primary)
    for deployment in service.deployments:
        for task in deployment.tasks:
            _count_ready(engine, service, deployment, task)
    new = primary.tasks
    old = [task for deployment in service.deployments[1:] for task in deployment.tasks]
    if primary.rollout_state == "FAILED":
        # "Does not launch new tasks and the deployment is stalled": only a lower desired count still acts.
        _scale_in(engine, service, new)
        _scale_in(engine, service, old)
    else:
        _replace_unhealthy(engine, service, new, len(old))
        if primary is not service.deployments[0] or primary.rollout_state == "FAILED":
            wake(engine, service)  # the circuit breaker tripped just now
            return
        _start_missing(engine, service, primary, len(old))
        _retire(engine, service, new, old)
        _scale_in(engine, service, [task for task in new if not _unhealthy(engine, service, task)])
    judge(engine, service, primary)


def _count_ready(engine: Engine, service: Service, deployment: Deployment, task: Task) -> None:
    """HEALTHY, or without a health check 40 seconds RUNNING (API reference, minimumHealthyPercent)."""
    if task.definition.checked:
        ready = task.last_status == "RUNNING" and task.health == "HEALTHY"
    else:
        waited = engine.timings.ready_after_running_seconds
        ready = task.running_at is not None and engine.now >= task.running_at + waited
    if ready and not task.was_ready:
        task.was_ready = True
        task_ready(service, deployment)
    task.ready = ready


def _unhealthy(engine: Engine, service: Service, task: Task) -> bool:
    """UNHEALTHY, and past healthCheckGracePeriodSeconds ("after a task has first started")."""
    if task.health != "UNHEALTHY":
        return False
    grace_seconds = service.settings.get("healthCheckGracePeriodSeconds", 0) * engine.timings.declared_second
    started = task.running_at if task.running_at is not None else task.created_at
    if engine.now >= started + grace_seconds:
        return True
    engine.at(started + grace_seconds, wake, service)
    return False


def _replace_unhealthy(engine: Engine, service: Service, new: list[Task], old_count: int) -> None:
    """Stop an unhealthy task once its replacement is healthy, or at once if there is no room to start one.

    ECS guide "ecs_services": the replacement is started first where maximumPercent allows; of an unhealthy
    task and an unhealthy replacement one is stopped.
    """
    unhealthy = [task for task in new if _unhealthy(engine, service, task)]
    if not unhealthy:
        return
    desired = service.desired_count
    room = limits(service)[1] - len(new) - old_count
    replaced = sum(task.ready for task in new) >= desired
    missing = len(new) - len(unhealthy) < desired
    if not replaced and not (missing and room <= 0) and not (len(unhealthy) > 1 and len(new) > desired):
        return
    for task in unhealthy if replaced else unhealthy[:1]:
        say(engine, service, f"(task {task.id}) failed container health checks.")
        deployment = task.deployment
        stop(engine, task, "ServiceSchedulerInitiated", "Task failed container health checks")
        if deployment is not None:
            task_failed(engine, deployment, task, unhealthy=True)


def _start_missing(engine: Engine, service: Service, primary: Deployment, old_count: int) -> None:
    good = sum(not _unhealthy(engine, service, task) for task in primary.tasks)
    room = limits(service)[1] - len(primary.tasks) - old_count
    missing = min(service.desired_count - good, room)
    if missing <= 0:
        return
    if engine.now < primary.next_start_at:
        engine.at(primary.next_start_at, wake, service)
        return
    revision = primary.revision
    started = [
        launch(
            engine,
            service.cluster,
            revision.task_definition,
            revision.settings,
            group=f"service:{service.name}",
            started_by=primary.id,
            deployment=primary,
            tags=_propagated_tags(service, primary),
        )
        for _ in range(missing)
    ]
    names = " ".join(f"(task {task.id})" for task in started)
    say(engine, service, f"has started {len(started)} tasks: {names}.")


def _propagated_tags(service: Service, deployment: Deployment) -> dict[str, str]:
    source = service.settings.get("propagateTags")
    if source == "SERVICE":
        return dict(service.tags)
    return dict(deployment.revision.task_definition.tags) if source == "TASK_DEFINITION" else {}


def _retire(engine: Engine, service: Service, new: list[Task], old: list[Task]) -> None:
    """Stop tasks of older deployments while enough healthy ones remain.

    Assumed: one that is not yet RUNNING, so never counted, goes at once.
    """
    healthy = sum(task.ready for task in new) + sum(task.ready for task in old)
    least = limits(service)[0]
    stopped = []
    for task in sorted(old, key=lambda each: (each.ready, each.created_at)):
        remaining = healthy - task.ready
        if task.last_status in _BEFORE_RUNNING or remaining >= least:
            healthy = remaining
            stopped.append(task)
    _stop_all(engine, service, stopped)


def _scale_in(engine: Engine, service: Service, tasks: list[Task]) -> None:
    """Stop what exceeds the desired count.

    Documented is only that Availability Zones stay balanced (API reference, UpdateService). Assumed: tasks
    that do not count yet go first, then the newest.
    """
    surplus = len(tasks) - service.desired_count
    if surplus > 0:
        order = sorted(tasks, key=lambda task: (task.ready, -task.created_at))
        _stop_all(engine, service, order[:surplus])


def _stop_all(engine: Engine, service: Service, tasks: list[Task]) -> None:
    if not tasks:
        return
    names = " ".join(f"(task {task.id})" for task in tasks)
    say(engine, service, f"has stopped {len(tasks)} running tasks: {names}.")
    for task in tasks:
        reason = f"Scaling activity initiated by (deployment {service.deployments[0].id})"
        stop(engine, task, "ServiceSchedulerInitiated", reason)


def _drain(engine: Engine, service: Service) -> None:
    """DRAINING → INACTIVE once every task is STOPPING or STOPPED (API reference, DeleteService)."""
    for deployment in service.deployments:
        for task in list(deployment.tasks):
            stop(engine, task, "ServiceSchedulerInitiated", f"Service {service.name} was deleted")
    waiting = _BEFORE_RUNNING | {"RUNNING", "DEACTIVATING"}
    if any(task.last_status in waiting for each in service.deployments for task in each.stopping):
        return
    service.status = "INACTIVE"
    service.deployments = []
    engine.after(engine.timings.inactive_service_kept_seconds, _forget, service)


def _forget(_: Engine, service: Service) -> None:
    if service.cluster.services.get(service.name) is service:
        del service.cluster.services[service.name]
