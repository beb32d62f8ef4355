"""How a service deployment starts, completes, fails and rolls back. Pure.

ECS guide: "deployment-circuit-breaker", "service-deployment", "deployment-type-ecs", "service-throttle-logic".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lab.ecs.engine import wake
from lab.ecs.events import deployment_changed, say, service_action
from lab.ecs.requests import EcsError
from lab.ecs.state import Deployment, ServiceDeployment, ServiceRevision

if TYPE_CHECKING:
    from lab.ecs.engine import Engine
    from lab.ecs.state import Json, Service, Task, TaskDefinition

UNFINISHED = {"PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOP_REQUESTED"}
_IMPAIRED_AFTER_FAILURES = 3  # assumed


def new_revision(
    engine: Engine, service: Service, definition: TaskDefinition, settings: Json
) -> ServiceRevision:
    arn = engine.arn("service-revision", f"{service.cluster.name}/{service.name}/{engine.digits()}")
    revision = ServiceRevision(arn, service, definition, settings, engine.now)
    engine.service_revisions[arn] = revision
    return revision


def start(engine: Engine, service: Service, revision: ServiceRevision) -> Deployment:
    """A new deployment, PRIMARY and PENDING; the one in progress, a rollback included, is superseded."""
    sources = [deployment.revision for deployment in service.deployments if deployment.tasks]
    if service.service_deployments and service.service_deployments[-1].status in UNFINISHED:
        finish(
            engine, service.service_deployments[-1], "STOPPED", "Superseded by a newer service deployment."
        )
    service_deployment = ServiceDeployment(
        arn=engine.arn("service-deployment", f"{service.cluster.name}/{service.name}/{engine.letters()}"),
        service=service,
        target=revision,
        sources=sources,
        configuration=service.settings["deploymentConfiguration"],
        created_at=engine.now,
        updated_at=engine.now,
    )
    if breaker(service)["enable"]:
        service_deployment.breaker_status = "MONITORING"
    engine.service_deployments[service_deployment.arn] = service_deployment
    service.service_deployments.append(service_deployment)
    return _make_primary(engine, service, revision, service_deployment, None)


def _make_primary(
    engine: Engine,
    service: Service,
    revision: ServiceRevision,
    service_deployment: ServiceDeployment,
    reason: str | None,
) -> Deployment:
    deployment_id = f"ecs-svc/{engine.digits()}"
    reason = reason or f"ECS deployment {deployment_id} in progress."
    deployment = Deployment(deployment_id, revision, service_deployment, engine.now, engine.now, reason)
    service.deployments.insert(0, deployment)
    service.steady_since = None
    wake(engine, service)
    return deployment


def begin(engine: Engine, service: Service, deployment: Deployment) -> None:
    """The scheduler takes the service deployment up: PENDING → IN_PROGRESS."""
    service_deployment = deployment.service_deployment
    service_deployment.status = "IN_PROGRESS"
    service_deployment.started_at = service_deployment.updated_at = engine.now
    deployment_changed(engine, service, deployment, deployment.rollout_reason)


def complete(engine: Engine, service: Service, deployment: Deployment) -> None:
    deployment.rollout_state = "COMPLETED"
    deployment.rollout_reason = f"ECS deployment {deployment.id} completed."
    deployment.updated_at = engine.now
    service.completed = deployment
    rolled_back = deployment.service_deployment.rollback is not None
    if deployment.service_deployment.breaker_status == "MONITORING":
        deployment.service_deployment.breaker_status = "MONITORING_COMPLETE"
    finish(
        engine, deployment.service_deployment, "ROLLBACK_SUCCESSFUL" if rolled_back else "SUCCESSFUL", None
    )
    say(engine, service, f"(deployment {deployment.id}) deployment completed.")
    deployment_changed(engine, service, deployment, deployment.rollout_reason)


def finish(engine: Engine, service_deployment: ServiceDeployment, status: str, reason: str | None) -> None:
    service_deployment.final_counts = counts(service_deployment)
    service_deployment.status = status
    service_deployment.updated_at = service_deployment.finished_at = engine.now
    if status == "STOPPED":
        service_deployment.stopped_at = engine.now
    if reason is not None:
        service_deployment.status_reason = reason


def counts(service_deployment: ServiceDeployment) -> dict[str, Json]:
    """Requested, running and pending tasks of each revision that takes part, by its ARN."""
    if service_deployment.final_counts is not None:
        return service_deployment.final_counts
    service = service_deployment.service
    primary = service.deployments[0]
    found: dict[str, Json] = {
        revision.arn: {"requestedTaskCount": 0, "runningTaskCount": 0, "pendingTaskCount": 0}
        for revision in (*service_deployment.sources, service_deployment.target, primary.revision)
    }
    found[primary.revision.arn]["requestedTaskCount"] = service.desired_count
    for deployment in service.deployments:
        row = found.get(deployment.revision.arn)
        if row is None:
            continue
        if deployment is not primary:
            row["requestedTaskCount"] += len(deployment.tasks)
        for task in (*deployment.tasks, *deployment.stopping):
            if task.last_status == "RUNNING":
                row["runningTaskCount"] += 1
            elif task.last_status in {"PROVISIONING", "PENDING", "ACTIVATING"}:
                row["pendingTaskCount"] += 1
    return found


def breaker(service: Service) -> Json:
    configured: Json = service.settings["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
    return {"enable": False, "rollback": False, "resetOnHealthyTask": True, **configured}


def threshold(service: Service) -> int:
    """How many failed tasks the circuit breaker takes: half the desired count, at least 3, at most 200.

    ECS guide "deployment-circuit-breaker"; other rules since July 2026: API reference, ThresholdConfiguration.
    """
    rule = breaker(service).get("thresholdConfiguration") or {"type": "BOUNDED_PERCENT", "value": 50}
    if rule["type"] == "COUNT":
        return int(rule["value"])
    share = math.ceil(service.desired_count * rule["value"] / 100)
    return min(max(share, 3), 200) if rule["type"] == "BOUNDED_PERCENT" else max(share, 1)


def task_ready(service: Service, deployment: Deployment) -> None:
    """A task counts as healthy: the failures before it are forgotten (API reference, resetOnHealthyTask)."""
    if deployment.rollout_state == "IN_PROGRESS" and breaker(service)["resetOnHealthyTask"]:
        deployment.failed_tasks = 0
        _show_failures(deployment)


def task_failed(engine: Engine, deployment: Deployment, task: Task, *, unhealthy: bool = False) -> None:
    """Count a failed task: for the throttle if it never ran, for the circuit breaker while in progress."""
    service = deployment.revision.service
    if task.running_at is None:
        _throttle(engine, service, deployment)
    if deployment is not service.deployments[0] or deployment.rollout_state != "IN_PROGRESS":
        return
    if task.running_at is not None and not unhealthy:
        # re:Post "ecs-deployment-roll-back-failure": a task that was healthy and then stops does not count.
        if task.was_ready or not engine.options.breaker_counts_early_exits:
            return
    deployment.failed_tasks += 1
    deployment.updated_at = engine.now
    _show_failures(deployment)
    if breaker(service)["enable"] and deployment.failed_tasks >= threshold(service):
        fail(engine, service, deployment)


def _show_failures(deployment: Deployment) -> None:
    """The service deployment shows what its target failed; a rollback's own failures leave that alone."""
    if deployment.service_deployment.rollback is None:
        deployment.service_deployment.failure_count = deployment.failed_tasks


def _throttle(engine: Engine, service: Service, deployment: Deployment) -> None:
    """Starts that fail again and again get rarer, up to one in 27 minutes; tasks that ran do not count.

    ECS guide "service-throttle-logic". The count belongs to the deployment: an update starts unthrottled.
    """
    deployment.start_failures += 1
    again = deployment.start_failures - 2
    if again < 0:
        return
    pause = min(
        engine.timings.throttle_first_seconds * 2.0 ** min(again, 16), engine.timings.throttle_max_seconds
    )
    deployment.next_start_at = engine.now + pause
    if deployment.start_failures >= _IMPAIRED_AFTER_FAILURES:
        say(engine, service, "is unable to consistently start tasks successfully.")
        service_action(engine, service, "SERVICE_TASK_START_IMPAIRED")


def fail(engine: Engine, service: Service, deployment: Deployment) -> None:
    """The circuit breaker trips: FAILED, and a rollback where there is something to roll back to."""
    deployment.rollout_state = "FAILED"
    deployment.rollout_reason = "ECS deployment circuit breaker: tasks failed to start."
    deployment.updated_at = engine.now
    service_deployment = deployment.service_deployment
    service_deployment.breaker_status = "TRIGGERED"
    say(engine, service, f"(deployment {deployment.id}) deployment failed: tasks failed to start.")
    deployment_changed(engine, service, deployment, "ECS deployment circuit breaker: task failed to start.")
    reason = "Service deployment failed because the circuit breaker threshold was exceeded."
    if service_deployment.rollback is not None:
        finish(engine, service_deployment, "ROLLBACK_FAILED", reason)
    elif not breaker(service)["rollback"]:
        # API reference, ServiceDeployment, stoppedAt: stopped when "the rollback option is not in use".
        finish(engine, service_deployment, "STOPPED", reason)
    elif service.completed is None:
        finish(
            engine, service_deployment, "ROLLBACK_FAILED", f"{reason} There is no deployment to roll back to."
        )
    else:
        roll_back(engine, service, service.completed, service_deployment, reason)


def roll_back(
    engine: Engine, service: Service, target: Deployment, service_deployment: ServiceDeployment, reason: str
) -> None:
    """Deploy the last completed revision again: in DescribeServices a newer deployment with new tasks.

    "When the rollback starts, the deployment changes from a COMPLETED to IN_PROGRESS. This means that the
    deployment is not eligible for another rollback until it reaches a COMPLETED state."
    """
    service.completed = None
    service_deployment.status = "ROLLBACK_IN_PROGRESS"
    service_deployment.status_reason = reason
    service_deployment.updated_at = engine.now
    service_deployment.rollback = {
        "reason": reason,
        "startedAt": engine.now,
        "serviceRevisionArn": target.revision.arn,
    }
    say(engine, service, f"rolling back to deployment {target.id}.")
    text = f"ECS deployment circuit breaker: rolling back to deploymentId {target.id}."
    rollback = _make_primary(engine, service, target.revision, service_deployment, text)
    deployment_changed(engine, service, rollback, text)


def roll_back_by_request(engine: Engine, service_deployment: ServiceDeployment) -> None:
    """StopServiceDeployment: ROLLBACK_REQUESTED, and a moment later the rollback (guide "stop-service-deployment").

    Raises:
        EcsError: there is no completed deployment to go back to.
    """
    if service_deployment.service.completed is None:
        raise EcsError("ConflictException", "There is no deployment to roll back to.")
    service_deployment.status = "ROLLBACK_REQUESTED"
    service_deployment.updated_at = engine.now
    engine.after(engine.timings.scheduler_seconds, _requested, service_deployment)


def _requested(engine: Engine, service_deployment: ServiceDeployment) -> None:
    service = service_deployment.service
    if service_deployment.status == "ROLLBACK_REQUESTED" and service.completed is not None:
        reason = "Service deployment rolled back because a user requested it."
        service.deployments[0].rollout_state = "FAILED"
        service.deployments[
            0
        ].rollout_reason = f"ECS deployment {service.deployments[0].id} was stopped by a user."
        roll_back(engine, service, service.completed, service_deployment, reason)
