"""The operations on service deployments and service revisions. Pure.

API reference: ListServiceDeployments, DescribeServiceDeployments, DescribeServiceRevisions,
StopServiceDeployment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api import describe
from lab.ecs.api.requests import EcsError, at_most, cluster_of, invalid, missing, page, service_of
from lab.ecs.model import deployments

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Json


def listed(engine: Engine, request: Json) -> Json:
    """Newest first, by status and creation time."""
    service = service_of(cluster_of(engine, request), request["service"])
    statuses = request.get("status")
    period = request.get("createdAt", {})
    found = [
        each
        for each in reversed(service.service_deployments)
        if (not statuses or each.status in statuses)
        and period.get("after", each.created_at) <= each.created_at <= period.get("before", each.created_at)
    ]
    rows, token = page(found, request, default=20)
    return {"serviceDeployments": [describe.service_deployment_brief(each) for each in rows], **token}


def described(engine: Engine, request: Json) -> Json:
    """The service deployments, at most twenty."""
    arns = request["serviceDeploymentArns"]
    at_most(arns, 20, "serviceDeploymentArns")
    found = [engine.service_deployments[arn] for arn in arns if arn in engine.service_deployments]
    failures = [missing(arn) for arn in arns if arn not in engine.service_deployments]
    return {"serviceDeployments": [describe.service_deployment(each) for each in found], "failures": failures}


def described_revisions(engine: Engine, request: Json) -> Json:
    """The service revisions, at most twenty."""
    arns = request["serviceRevisionArns"]
    at_most(arns, 20, "serviceRevisionArns")
    found = [engine.service_revisions[arn] for arn in arns if arn in engine.service_revisions]
    failures = [missing(arn) for arn in arns if arn not in engine.service_revisions]
    return {"serviceRevisions": [describe.service_revision(each) for each in found], "failures": failures}


def stop(engine: Engine, request: Json) -> Json:
    """StopServiceDeployment, ROLLBACK: like the circuit breaker, whatever its configuration."""
    found = engine.service_deployments.get(request["serviceDeploymentArn"])
    if found is None:
        raise EcsError("ServiceDeploymentNotFoundException", "Service deployment not found.")
    if found.status not in deployments.UNFINISHED:
        raise EcsError("ConflictException", "The service deployment has already finished.")
    if request.get("stopType", "ROLLBACK") != "ROLLBACK":
        invalid("Only the stop type ROLLBACK is supported.")
    if found.rollback is None:
        deployments.roll_back_by_request(engine, found)
    return {"serviceDeploymentArn": found.arn}
