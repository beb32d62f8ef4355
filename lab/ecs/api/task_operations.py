"""The operations on tasks. Pure. API reference: RunTask, StopTask, ListTasks, DescribeTasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.api import definitions
from lab.ecs.api.describe_tasks import describe_task
from lab.ecs.api.requests import at_most, cluster_of, invalid, missing, page, service_of, tags_in
from lab.ecs.model.shutdown import stop
from lab.ecs.model.tasks import launch

if TYPE_CHECKING:
    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Cluster, Json, Task

_SETTINGS = ("launchType", "capacityProviderStrategy", "platformVersion", "overrides")


def run(engine: Engine, request: Json) -> Json:
    """Standalone tasks, of the group `family:NAME` unless another is given."""
    cluster = cluster_of(engine, request)
    definition = definitions.active(engine, request["taskDefinition"])
    count = request.get("count") or 1
    if not 1 <= count <= 10:  # noqa: PLR2004 - API reference, RunTask, count
        invalid("count must be between 1 and 10.")
    network = request.get("networkConfiguration", {})
    subnets = network.get("awsvpcConfiguration", {}).get("subnets")
    if definition.described.get("networkMode") == "awsvpc" and not subnets:
        invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    settings = {
        "networkConfiguration": network,
        **{key: request[key] for key in _SETTINGS if key in request},
    }
    started = [
        launch(
            engine,
            cluster,
            definition,
            settings,
            group=request.get("group") or f"family:{definition.family}",
            started_by=request.get("startedBy"),
            tags=tags_in(request.get("tags", [])),
        )
        for _ in range(count)
    ]
    return {"tasks": [describe_task(task, ["TAGS"]) for task in started], "failures": []}


def _find(cluster: Cluster, name_or_arn: str) -> Task | None:
    task = cluster.tasks.get(name_or_arn.rpartition("/")[2])
    if task is None or (name_or_arn.startswith("arn:") and task.arn != name_or_arn):
        return None
    return task


def stop_one(engine: Engine, request: Json) -> Json:
    """The task, on its way down."""
    task = _find(cluster_of(engine, request), request["task"])
    if task is None:
        invalid("The referenced task was not found.")
    stop(engine, task, "UserInitiated", request.get("reason") or "Task stopped by user")
    return {"task": describe_task(task, ["TAGS"])}


def listed(engine: Engine, request: Json) -> Json:
    """By service, family, startedBy and desired status (RUNNING unless another is asked for)."""
    cluster = cluster_of(engine, request)
    if request.get("startedBy") and (request.get("family") or request.get("serviceName")):
        invalid("startedBy must be the only filter.")
    wanted = request.get("desiredStatus", "RUNNING")
    tasks = [task for task in cluster.tasks.values() if task.desired_status == wanted]
    if request.get("serviceName"):
        service = service_of(cluster, request["serviceName"])
        tasks = [task for task in tasks if task.service is service]
    if request.get("family"):
        tasks = [task for task in tasks if task.definition.family == request["family"]]
    if request.get("startedBy"):
        tasks = [task for task in tasks if task.started_by == request["startedBy"]]
    if request.get("launchType"):
        tasks = [task for task in tasks if task.launch_type == request["launchType"]]
    found, token = page([task.arn for task in tasks], request, default=100)
    return {"taskArns": found, **token}


def described(engine: Engine, request: Json) -> Json:
    """The tasks, at most a hundred; STOPPED ones for an hour."""
    cluster = cluster_of(engine, request)
    at_most(request["tasks"], 100, "tasks")
    found, failures = [], []
    for name in request["tasks"]:
        task = _find(cluster, name)
        if task is None:
            arn = name if name.startswith("arn:") else engine.arn("task", f"{cluster.name}/{name}")
            failures.append(missing(arn))
        else:
            found.append(describe_task(task, request.get("include", [])))
    return {"tasks": found, "failures": failures}
