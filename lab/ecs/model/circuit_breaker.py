"""What a failed task means: for the throttle of starts, and for the deployment circuit breaker. Pure.

ECS guide: "deployment-circuit-breaker", "service-throttle-logic".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lab.ecs.model.deployments import breaker, finish, roll_back
from lab.ecs.model.events import deployment_changed, say, service_action
from lab.ecs.model.shutdown import CANNOT_PULL

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Deployment, Service, Task

RESOLUTIONS = 3
_IMPAIRED_AFTER_FAILURES = 3  # assumed


def threshold(service: Service) -> int:
    """How many failed tasks the circuit breaker takes: half the desired count, at least 3, at most 200.

    ECS guide "deployment-circuit-breaker"; other rules (since July 2026): API reference,
    ThresholdConfiguration.
    """
    rule = breaker(service).get("thresholdConfiguration") or {"type": "BOUNDED_PERCENT", "value": 50}
    if rule["type"] == "COUNT":
        return int(rule["value"])
    share: int = math.ceil(service.desired_count * rule["value"] / 100)
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
    # re:Post "ecs-deployment-roll-back-failure": a task that was healthy and then stops does not count.
    exempt = task.was_ready or not engine.options.breaker_counts_early_exits
    if task.running_at is not None and not unhealthy and exempt:
        return
    if not engine.options.breaker_counts_failed_pulls and (task.stopped_reason or "").startswith(CANNOT_PULL):
        return
    deployment.failed_tasks += 1
    deployment.updated_at = engine.now
    _show_failures(deployment)
    if breaker(service)["enable"] and deployment.failed_tasks >= threshold(service):
        fail(engine, service, deployment)


def digest_not_found(engine: Engine, deployment: Deployment) -> None:
    """Count an attempt at establishing the images' digests that failed; the third fails the deployment.

    "If three or more attempts at establishing the container image digests fail, the deployment continues
    without image digest resolution. If the deployment circuit breaker is enabled, the deployment is
    additionally failed and rolled back." (ECS guide "deployment-type-ecs", Container image resolution)
    """
    service = deployment.revision.service
    deployment.failed_resolutions += 1
    under_way = deployment is service.deployments[0] and deployment.rollout_state == "IN_PROGRESS"
    if under_way and breaker(service)["enable"] and deployment.failed_resolutions >= RESOLUTIONS:
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
    if deployment.service_deployment.rollback is not None and not engine.options.breaker_ends_rollbacks:
        return
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
