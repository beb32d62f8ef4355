"""Task definitions: register, describe, deregister, list. Pure.

API reference: RegisterTaskDefinition, DescribeTaskDefinition, DeregisterTaskDefinition, ListTaskDefinitions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api.requests import EcsError, invalid, page, tags_in, tags_out
from lab.ecs.model.state import ContainerDefinition, HealthCheck, Json, TaskDefinition

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.timings import Timings

_COPIED = (
    "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory", "pidMode", "ipcMode",
    "proxyConfiguration", "ephemeralStorage", "runtimePlatform", "requiresCompatibilities",
    "enableFaultInjection",
)  # fmt: skip
_LISTS = ("environment", "mountPoints", "volumesFrom", "portMappings", "systemControls")


def register(engine: Engine, request: Json) -> Json:
    """A new revision of the family, ACTIVE."""
    containers = [_described_container(container) for container in request["containerDefinitions"]]
    parsed = {container["name"]: _parse(container, engine.timings) for container in containers}
    _check(request, parsed)
    family = request["family"]
    revisions = engine.task_definitions.setdefault(family, [])
    number = len(revisions) + 1
    arn = engine.arn("task-definition", f"{family}:{number}")
    compatible = request.get("requiresCompatibilities") or []
    described: Json = {
        "taskDefinitionArn": arn,
        "containerDefinitions": containers,
        "family": family,
        "revision": number,
        "volumes": request.get("volumes", []),
        "status": "ACTIVE",
        "placementConstraints": request.get("placementConstraints", []),
        "compatibilities": list(dict.fromkeys(["EC2", *compatible])),
        "registeredAt": engine.now,
        "registeredBy": f"arn:aws:iam::{engine.account}:root",
        **{key: request[key] for key in _COPIED if key in request},
    }
    tags = tags_in(request.get("tags", []))
    checked = tuple(name for name, each in parsed.items() if each.essential and each.health_check is not None)
    arm = request.get("runtimePlatform", {}).get("cpuArchitecture") == "ARM64"
    architecture = "arm64" if arm else "x86_64"
    revisions.append(
        TaskDefinition(arn, family, number, described, parsed, tags, architecture, checked=checked)
    )
    return {"taskDefinition": described, **({"tags": tags_out(tags)} if tags else {})}


def _described_container(given: Json) -> Json:
    """The definition as DescribeTaskDefinition gives it back: with ECS's defaults."""
    described: Json = {"cpu": 0, "essential": True, **{key: [] for key in _LISTS}, **given}
    if "healthCheck" in given:
        described["healthCheck"] = {"interval": 30, "timeout": 5, "retries": 3, **given["healthCheck"]}
    return described


def _parse(container: Json, timings: Timings) -> ContainerDefinition:
    second = timings.declared_second
    check = None
    if "healthCheck" in container and container["healthCheck"].get("command") != ["NONE"]:
        given = container["healthCheck"]
        check = HealthCheck(
            max(given["interval"] * second, timings.least_probe_interval_seconds),
            max(given["timeout"] * second, timings.least_probe_timeout_seconds),
            given["retries"],
            given.get("startPeriod", 0) * second,
        )
    stop_timeout_seconds = timings.default_stop_timeout_seconds
    if container.get("stopTimeout") is not None:
        stop_timeout_seconds = min(container["stopTimeout"] * second, timings.max_stop_timeout_seconds)
    start_timeout = container.get("startTimeout")
    return ContainerDefinition(
        name=container["name"],
        image=container["image"],
        essential=container["essential"],
        depends_on=tuple(
            (each["containerName"], each["condition"]) for each in container.get("dependsOn", [])
        ),
        start_timeout_seconds=None if start_timeout is None else start_timeout * second,
        stop_timeout_seconds=stop_timeout_seconds,
        health_check=check,
        consistent=container.get("versionConsistency") != "disabled" and "@" not in container["image"],
    )


def _check(request: Json, containers: dict[str, ContainerDefinition]) -> None:
    """The rules of the API reference that a wrong template would run into."""
    if not any(container.essential for container in containers.values()):
        _refuse("Invalid 'containers' setting: at least one container must be essential.")
    for given in request["containerDefinitions"]:
        _check_secrets(given)
    for container in containers.values():
        for name, condition in container.depends_on:
            _check_dependency(container.name, name, containers.get(name), condition)
    if "FARGATE" in request.get("requiresCompatibilities", []):
        _check_fargate(request)


def _check_secrets(given: Json) -> None:
    secrets = [secret["name"] for secret in given.get("secrets", [])]
    taken = secrets + [pair["name"] for pair in given.get("environment", [])]
    for name in secrets:
        if taken.count(name) > 1:
            _refuse(
                "The secret name must be unique and not shared with any new or existing environment "
                f"variables set on the container, such as '{name}'."
            )


def _check_dependency(
    container: str, name: str, dependency: ContainerDefinition | None, condition: str
) -> None:
    if dependency is None:
        _refuse(f"container '{container}' depends on '{name}', which is not defined.")
    elif condition == "HEALTHY" and dependency.health_check is None:
        _refuse(f"container '{name}' needs a health check to be depended on with HEALTHY.")
    elif condition in {"COMPLETE", "SUCCESS"} and dependency.essential:
        _refuse(f"container '{name}' is essential and cannot be depended on with {condition}.")


def _check_fargate(request: Json) -> None:
    if request.get("networkMode") != "awsvpc":
        _refuse("Fargate only supports network mode 'awsvpc'.")
    for given in request["containerDefinitions"]:
        for key in ("stopTimeout", "startTimeout"):
            if not 2 <= given.get(key, 2) <= 120:  # noqa: PLR2004 - API reference, ContainerDefinition
                _refuse(f"{key} must be between 2 and 120 seconds on Fargate.")


def _refuse(message: str) -> None:
    raise EcsError("ClientException", message)


def find(engine: Engine, name: str) -> TaskDefinition | None:
    """`family` (its latest ACTIVE revision), `family:revision` or an ARN."""
    family, _, number = name.rpartition("task-definition/")[2].partition(":")
    revisions = engine.task_definitions.get(family, [])
    if number:
        wanted = int(number) if number.isdecimal() else 0
        return revisions[wanted - 1] if 1 <= wanted <= len(revisions) else None
    return next((each for each in reversed(revisions) if each.status == "ACTIVE"), None)


def active(engine: Engine, name: str) -> TaskDefinition:
    """The task definition to run; an INACTIVE one cannot be used for a new task or service."""
    found = find(engine, name)
    if found is None:
        raise EcsError("ClientException", "TaskDefinition not found.")
    if found.status != "ACTIVE":
        raise EcsError("ClientException", "TaskDefinition is inactive")
    return found


def describe(engine: Engine, request: Json) -> Json:
    """The task definition as it was registered, with defaults."""
    found = find(engine, request["taskDefinition"])
    if found is None:
        raise EcsError("ClientException", "Unable to describe task definition.")
    tags = {"tags": tags_out(found.tags)} if "TAGS" in request.get("include", []) else {}
    return {"taskDefinition": found.described, **tags}


def deregister(engine: Engine, request: Json) -> Json:
    """The revision, INACTIVE: still described, and run by services that use it."""
    found = find(engine, request["taskDefinition"]) if ":" in request["taskDefinition"] else None
    if found is None:
        raise EcsError("ClientException", "The specified task definition does not exist.")
    found.status = found.described["status"] = "INACTIVE"
    found.described["deregisteredAt"] = engine.now
    return {"taskDefinition": found.described}


def listed(engine: Engine, request: Json) -> Json:
    """ARNs by family and revision; ACTIVE ones unless another status is asked for."""
    status = request.get("status", "ACTIVE")
    family = request.get("familyPrefix")
    if request.get("sort", "ASC") not in {"ASC", "DESC"}:
        invalid("sort must be ASC or DESC.")
    names = [family] if family else sorted(engine.task_definitions)
    arns = [
        each.arn for name in names for each in engine.task_definitions.get(name, []) if each.status == status
    ]
    if request.get("sort") == "DESC":
        arns.reverse()
    found, token = page(arns, request, default=100)
    return {"taskDefinitionArns": found, **token}
