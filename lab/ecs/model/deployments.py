"""How a service deployment starts, completes, ends and rolls back. Pure.

ECS guide: "service-deployment", "deployment-circuit-breaker".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api.requests import EcsError
from lab.ecs.model.engine import wake
from lab.ecs.model.events import deployment_changed, say
from lab.ecs.model.state import Deployment, ServiceDeployment, ServiceRevision

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Json, Service, TaskDefinition

UNFINISHED = {"PENDING", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS", "STOP_REQUESTED"}


def new_revision(
    engine: Engine, service: Service, definition: TaskDefinition, settings: Json
) -> ServiceRevision:
    """A service revision of the task definition and the settings given."""
    arn = engine.arn("service-revision", f"{service.cluster.name}/{service.name}/{engine.digits()}")
    revision = ServiceRevision(arn, service, definition, settings, engine.now)
    engine.service_revisions[arn] = revision
    return revision


def start(engine: Engine, service: Service, revision: ServiceRevision) -> Deployment:
    """A new deployment, PRIMARY and PENDING; the one in progress, a rollback included, is superseded."""
    running = [each for each in service.deployments if each.tasks or each is service.completed]
    if service.service_deployments and service.service_deployments[-1].status in UNFINISHED:
        finish(
            engine, service.service_deployments[-1], "STOPPED", "Superseded by a newer service deployment."
        )
    service_deployment = ServiceDeployment(
        arn=engine.arn("service-deployment", f"{service.cluster.name}/{service.name}/{engine.letters()}"),
        service=service,
        target=revision,
        sources=[each.revision for each in running],
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
    """The service reached its steady state: COMPLETED, SUCCESSFUL, and something to roll back to."""
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
    """The service deployment is over; what its revisions ran stays as it is now."""
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
    """The circuit breaker's configuration, with defaults."""
    configured = service.settings["deploymentConfiguration"].get("deploymentCircuitBreaker") or {}
    return {"enable": False, "rollback": False, "resetOnHealthyTask": True, **configured}


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
    """StopServiceDeployment: ROLLBACK_REQUESTED, and a moment later the rollback.

    ECS guide "stop-service-deployment".

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
