"""When a deployment is complete and a service steady. Pure.

API reference, Deployment, rolloutState; ECS guide "ecs_service_events", SERVICE_STEADY_STATE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model import deployments
from lab.ecs.model.events import say, service_action

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Deployment, Service

_CONTAINERS_LEFT = {"RUNNING", "DEACTIVATING", "STOPPING"}


def judge(engine: Engine, service: Service, primary: Deployment) -> None:
    """Complete the deployment and report the steady state when both are reached."""
    older = service.deployments[1:]
    desired = service.desired_count
    settled = (
        len(primary.tasks) == desired
        and all(task.ready for task in primary.tasks)
        # Assumed: complete only when the containers of older deployments have ended.
        and not any(
            deployment.tasks or any(task.last_status in _CONTAINERS_LEFT for task in deployment.stopping)
            for deployment in older
        )
    )
    if settled and primary.rollout_state == "IN_PROGRESS":
        deployments.complete(engine, service, primary)
    if not settled or primary.rollout_state != "COMPLETED":
        service.steady_since = None
    elif service.steady_since is None:
        _report_steady_state(engine, service)
    if older:
        service.deployments = [primary, *filter(lambda each: _still_shown(primary, each), older)]


def _still_shown(primary: Deployment, deployment: Deployment) -> bool:
    """A failed deployment stays ACTIVE during the rollback; any other goes with its last task."""
    if deployment.tasks or deployment.stopping:
        return True
    return deployment.rollout_state == "FAILED" and primary.rollout_state == "IN_PROGRESS"


def _report_steady_state(engine: Engine, service: Service) -> None:
    service.steady_since = engine.now
    say(engine, service, "has reached a steady state.")
    service_action(engine, service, "SERVICE_STEADY_STATE")
    engine.after(engine.timings.steady_state_repeat_seconds, _repeat_steady_state, (service, engine.now))


def _repeat_steady_state(engine: Engine, subject: tuple[Service, float]) -> None:
    """Once more: the scheduler "reports the status periodically" (ECS guide "ecs_service_events")."""
    service, since = subject
    if service.status == "ACTIVE" and service.steady_since == since:
        _report_steady_state(engine, service)
