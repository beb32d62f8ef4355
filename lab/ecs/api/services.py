"""The operations on services. Pure.

API reference: CreateService, UpdateService, DeleteService, DescribeServices, ListServices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api import definitions, describe
from lab.ecs.api.requests import (
    active_service_of,
    at_most,
    cluster_of,
    find_service,
    invalid,
    missing,
    page,
    tags_in,
)
from lab.ecs.model import deployments
from lab.ecs.model.engine import wake
from lab.ecs.model.state import Service

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Cluster, Json, ServiceRevision, TaskDefinition

# What belongs to a service revision. UpdateService with one of these, or forceNewDeployment, deploys; with a
# desired count or a deployment configuration alone it does not (API reference, UpdateService).
_REVISED = (
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "platformFamily",
    "networkConfiguration",
)
_PLAIN = (
    "placementConstraints", "placementStrategy", "healthCheckGracePeriodSeconds", "loadBalancers",
    "serviceRegistries", "propagateTags", "enableECSManagedTags", "enableExecuteCommand",
    "availabilityZoneRebalancing",
)  # fmt: skip


def create(engine: Engine, request: Json) -> Json:
    """An ACTIVE service, and its first service deployment unless its controller is another."""
    cluster = cluster_of(engine, request)
    name = request["serviceName"]
    existing = cluster.services.get(name)
    if existing is not None and existing.status == "ACTIVE":
        invalid("Creation of service was not idempotent.")
    if existing is not None and existing.status == "DRAINING":
        invalid("Unable to Start a service that is still Draining.")
    controller = request.get("deploymentController", {}).get("type", "ECS")
    strategy = request.get("schedulingStrategy", "REPLICA")
    if strategy != "REPLICA":
        invalid(f"The scheduling strategy {strategy} is not modelled.")
    if request.get("desiredCount") is None and controller != "EXTERNAL":
        invalid("desiredCount is required for the REPLICA scheduling strategy.")
    definition = (
        definitions.active(engine, request["taskDefinition"]) if "taskDefinition" in request else None
    )
    if definition is None and controller != "EXTERNAL":
        invalid("TaskDefinition can not be blank.")
    if definition is not None and definition.described.get("networkMode") == "awsvpc":
        _require_network(request)
    _check_capacity(cluster, request)
    service = Service(
        name=name,
        arn=engine.arn("service", f"{cluster.name}/{name}"),
        cluster=cluster,
        desired_count=request.get("desiredCount") or 0,
        created_at=engine.now,
        settings=_settings(engine, request, definition),
        tags=tags_in(request.get("tags", [])),
        controller=controller,
    )
    cluster.services[name] = service
    if definition is not None and controller == "ECS":
        deployments.start(engine, service, _revision(engine, service, definition))
    return {"service": describe.service(service, ["TAGS"])}


def _require_network(request: Json) -> None:
    if not request.get("networkConfiguration", {}).get("awsvpcConfiguration", {}).get("subnets"):
        invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")


def _check_capacity(cluster: Cluster, request: Json) -> None:
    """A strategy or a launch type; only of providers that the cluster has (API reference, CreateService)."""
    strategy = request.get("capacityProviderStrategy") or []
    if strategy and request.get("launchType"):
        invalid("Specifying both a launch type and capacity provider strategy is not supported.")
    associated = cluster.settings.get("capacityProviders", [])
    if any(item["capacityProvider"] not in associated for item in strategy):
        invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not "
            "associated with the cluster."
        )


def _settings(engine: Engine, request: Json, definition: TaskDefinition | None) -> Json:
    configuration = {"maximumPercent": 200, "minimumHealthyPercent": 100, "strategy": "ROLLING"}
    settings: Json = {
        "createdBy": f"arn:aws:iam::{engine.account}:root",
        "deploymentConfiguration": {**configuration, **request.get("deploymentConfiguration", {})},
        "schedulingStrategy": "REPLICA",
        "platformVersion": "LATEST",
        "platformFamily": "Linux",
        "propagateTags": "NONE",
        "enableECSManagedTags": False,
        "enableExecuteCommand": False,
        "loadBalancers": [],
        "serviceRegistries": [],
        "placementConstraints": [],
        "placementStrategy": [],
        **{key: request[key] for key in (*_REVISED, *_PLAIN) if request.get(key) is not None},
    }
    if "capacityProviderStrategy" not in settings:
        settings.setdefault("launchType", "FARGATE")
    if definition is not None:
        settings["taskDefinition"] = definition.arn
    return settings


def _revision(engine: Engine, service: Service, definition: TaskDefinition) -> ServiceRevision:
    settings = {key: service.settings[key] for key in _REVISED if key in service.settings}
    return deployments.new_revision(engine, service, definition, settings)


def update(engine: Engine, request: Json) -> Json:
    """The service as changed; a new service deployment if its revision changed or one is forced."""
    service = active_service_of(cluster_of(engine, request), request["service"])
    _check_capacity(service.cluster, request)
    if service.controller != "ECS" and (request.get("taskDefinition") or request.get("forceNewDeployment")):
        invalid(
            f"Unable to update task definition on services with a {service.controller} deployment controller."
        )
    current = definitions.find(engine, service.settings.get("taskDefinition", ""))
    if service.deployments:
        current = service.deployments[0].revision.task_definition  # after a rollback: the older one
    definition = (
        definitions.active(engine, request["taskDefinition"]) if request.get("taskDefinition") else current
    )
    # A rollback also took the older network configuration and the like back.
    in_force = service.deployments[0].revision.settings if service.deployments else {}
    settings = {**service.settings, **in_force}
    changes = {key: request[key] for key in _REVISED if request.get(key) is not None}
    strategy = changes.get("capacityProviderStrategy")
    if strategy is not None and strategy != settings.get("capacityProviderStrategy"):
        if not request.get("forceNewDeployment"):
            # Told by the template reference, AWS::ECS::Service, "Recommended Actions".
            invalid(
                "When switching from launch type to capacity provider strategy on an existing service, or "
                "making a change to a capacity provider strategy on a service that is already using one, "
                "you must force a new deployment."
            )
        settings.pop("launchType", None)
    deploys = (
        bool(request.get("forceNewDeployment"))
        or definition is not current
        or any(settings.get(key) != value for key, value in changes.items())
    )
    settings.update(changes)
    settings.update({key: request[key] for key in _PLAIN if request.get(key) is not None})
    given = request.get("deploymentConfiguration", {})
    settings["deploymentConfiguration"] = {**settings["deploymentConfiguration"], **given}
    if definition is not None:
        settings["taskDefinition"] = definition.arn
    service.settings = settings
    if request.get("desiredCount") is not None:
        service.desired_count = request["desiredCount"]
    if service.controller == "ECS":
        if deploys and definition is not None:
            deployments.start(engine, service, _revision(engine, service, definition))
        wake(engine, service)
    return {"service": describe.service(service, ["TAGS"])}


def delete(engine: Engine, request: Json) -> Json:
    """DRAINING until no task is RUNNING, then INACTIVE, and described for a while."""
    service = active_service_of(cluster_of(engine, request), request["service"])
    if service.desired_count > 0 and not request.get("force"):
        invalid("The service cannot be stopped while it is scaled above 0.")
    if service.service_deployments and service.service_deployments[-1].status in deployments.UNFINISHED:
        deployments.finish(engine, service.service_deployments[-1], "STOPPED", "The service was deleted.")
    service.status = "DRAINING"
    service.desired_count = 0
    service.steady_since = None
    wake(engine, service)
    return {"service": describe.service(service, ["TAGS"])}


def described(engine: Engine, request: Json) -> Json:
    """The services, at most ten; `failures` lists those that never were."""
    cluster = cluster_of(engine, request)
    at_most(request["services"], 10, "services")
    found, failures = [], []
    for name in request["services"]:
        service = find_service(cluster, name)
        if service is None:
            failures.append(missing(name if name.startswith("arn:") else _service_arn(engine, cluster, name)))
        else:
            found.append(describe.service(service, request.get("include", [])))
    return {"services": found, "failures": failures}


def _service_arn(engine: Engine, cluster: Cluster, name: str) -> str:
    return engine.arn("service", f"{cluster.name}/{name}")


def listed(engine: Engine, request: Json) -> Json:
    """The ACTIVE services' ARNs.

    A DRAINING one is "no longer visible" here (API reference, DeleteService).
    """
    cluster = cluster_of(engine, request)
    wanted = request.get("launchType")
    arns = [
        service.arn
        for service in cluster.services.values()
        if service.status == "ACTIVE" and wanted in {None, service.settings.get("launchType")}
    ]
    found, token = page(arns, request, default=10)
    return {"serviceArns": found, **token}
