"""Reads a service with the functions' own code: what is there, what they said, and what they would do now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from commands.why.account import NOT_FOUND, Boundary
from commands.why.setup import NO_REPOSITORY, with_setup
from commands.why.state import LoggedDecision, NewestPush, RunningTask, ServiceEvent, ServiceState
from pushlive import ec2, ecs, probe, redeploy_plan, route53
from pushlive.config import ConfigError
from pushlive.image_reference import is_in, tagged
from pushlive.model import DESIRED_COUNT_TAG, REDEPLOY_TAG
from pushlive.record_plan import plan_record
from pushlive.record_state import LiveTasks, host_name_tag
from pushlive.redeploy_plan import DeploymentState, plan_deployment
from pushlive.redeploy_state import LiveServices
from pushlive.stopped_tasks import why_stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from commands.why.account import Account
    from pushlive.config import Settings
    from pushlive.model import Service, Task

TAG_PREFIX = "pushlive:"
LOOK_BACK = timedelta(hours=24)
# CloudWatch Logs guide, "Using filter patterns to match terms in JSON log events".
PATTERN = '{ $.ecs_service = "*" }'


def tagged_services(account: Account, settings: Settings) -> list[Service]:
    """Return the cluster's services that carry a tag of pushlive."""
    live = LiveServices(settings, account.client("ecs"), account.client("ecr"))
    return [found for found in live.all() if any(tag.startswith(TAG_PREFIX) for tag in found.tags)]


def read_service(
    account: Account, settings: Settings, found: Service, said: Iterable[LoggedDecision], now: datetime
) -> ServiceState:
    """Return what is there of a service; what cannot be read is told by `unseen`."""
    state = ServiceState(
        settings=settings,
        now=now,
        live=DeploymentState(_not_paused(found)),
        tags={tag: value for tag, value in found.tags.items() if tag.startswith(TAG_PREFIX)},
        host_name=host_name_tag(found),
        decisions=newest_first(each for each in said if each.service_name == found.service_name),
    )
    steps = {
        "the service": _with_description,
        "its task definition": _with_definition,
        "its deployments": _with_deployments,
        "its stopped tasks": _with_stopped_reason,
        "its tasks": _with_tasks,
        "its record": _with_record,
        "the newest pushes": _with_pushes,
    }
    boundary = Boundary()
    for what, step in steps.items():
        with boundary.around(what):
            state = step(account, found, state)
    state = with_setup(account, boundary, state)
    return replace(state, unseen=boundary.unseen)


def _with_description(account: Account, found: Service, state: ServiceState) -> ServiceState:
    # With its tags, as UpdateRecord asks: so it is one question.
    asked = {"cluster": state.settings.cluster_arn, "services": [found.service_name], "include": ["TAGS"]}
    answer = account.ask("ecs", "describe_services", **asked)
    described = (answer.get("services") or [{}])[0]
    primary = [each for each in described.get("deployments", []) if each.get("status") == "PRIMARY"]
    failed_tasks = primary[0].get("failedTasks", 0) if primary else 0
    told = [each for each in described.get("events", []) if "message" in each]
    events = tuple(ServiceEvent(each.get("createdAt", state.now), each["message"]) for each in told)
    return replace(state, described=described, failed_tasks=failed_tasks, events=events)


def _with_definition(account: Account, found: Service, state: ServiceState) -> ServiceState:
    if not found.task_definition_arn:
        return state  # under an external controller it has none (API reference, Service, taskDefinition)
    answer = account.ask("ecs", "describe_task_definition", taskDefinition=found.task_definition_arn)
    port = ecs.task_definition(account.client("ecs"), found.task_definition_arn).port
    return replace(state, definition=answer.get("taskDefinition", {}), port=port)


def _with_deployments(account: Account, found: Service, state: ServiceState) -> ServiceState:
    if redeploy_plan.opt_out(state.service):
        return state
    live, wrong_settings = _live(account, state.settings, state.service)
    as_tagged = live._replace(service=live.service._replace(tags=found.tags))
    # A moment later a push that has just come has no event under way any more.
    later, overdue_seconds = state.now + redeploy_plan.EVENT_UNDER_WAY, state.settings.overdue_seconds
    would = None if wrong_settings else plan_deployment(as_tagged, None, state.now, overdue_seconds)
    return replace(
        state,
        live=live,
        deployment_decision=would,
        if_not_paused=plan_deployment(live, None, later, overdue_seconds),
        wrong_settings=wrong_settings,
    )


def _not_paused(service: Service) -> Service:
    return service._replace(tags={**service.tags, REDEPLOY_TAG: redeploy_plan.ON_PUSH})


def _live(account: Account, settings: Settings, service: Service) -> tuple[DeploymentState, tuple[str, ...]]:
    """Return what is there of the service, and what is wrong with its tags."""
    live = LiveServices(settings, account.client("ecs"), account.client("ecr"))
    wrong: tuple[str, ...] = ()
    try:
        outline = live.outline(service)
    except ConfigError as error:
        wrong = (str(error),)
        tags = {tag: value for tag, value in service.tags.items() if tag != DESIRED_COUNT_TAG}
        outline = live.outline(service._replace(tags=tags))
    whole = live.whole(outline)
    return whole._replace(service=whole.service._replace(tags=outline.service.tags)), wrong


def _with_stopped_reason(account: Account, found: Service, state: ServiceState) -> ServiceState:
    stopped = ecs.stopped_tasks(account.client("ecs"), state.settings.cluster_arn, found.service_name)
    return replace(state, stopped_reason=why_stopped(stopped))


def _with_tasks(account: Account, found: Service, state: ServiceState) -> ServiceState:
    client, settings = account.client("ecs"), state.settings
    tasks = ecs.tasks(client, settings.cluster_arn, found.service_name)
    public_ips = ec2.public_ips(account.client("ec2"), [task.eni_id for task in tasks if task.eni_id])
    asked = [public_ips[each.eni_id] for each in tasks if not each.readiness and each.eni_id in public_ips]
    answering = probe.answering(asked, state.port) if state.port else frozenset()

    def running(task: Task) -> RunningTask:
        images = ecs.task_definition(client, task.task_definition_arn).images
        public_ip = public_ips.get(task.eni_id or "")
        ours = [name for name in task.digests if is_in(images.get(name, ""), settings.registry)]
        return RunningTask(
            task=task,
            digests=tuple(task.digests[name] for name in ours),
            public_ip=public_ip,
            answers=task.readiness == "HEALTHY" if task.readiness else public_ip in answering,
            is_newest=task.deployment_id == found.newest_deployment_id,
        )

    return replace(state, tasks=tuple(map(running, tasks)))


def _with_record(account: Account, found: Service, state: ServiceState) -> ServiceState:
    settings = state.settings
    if not state.host_name or not settings.hosted_zone_id:
        return state
    client, zone_id = account.client("route53"), settings.hosted_zone_id
    try:
        zone = route53.zone_name(client, zone_id)
        name = route53.host_name(state.host_name, zone)
        record = route53.read_record(client, zone_id, name, zone)
    except route53.UnreadableZoneError:
        return state  # the check of the zone tells it
    except ConfigError as error:
        return replace(state, host_name="", wrong_settings=(*state.wrong_settings, str(error)))
    live = LiveTasks(settings, account.client("ecs"), account.client("ec2"))
    return replace(
        state,
        host_name=name,
        record=record,
        answering=record.addresses & _answering(state, record.addresses),
        record_decision=plan_record(live.state(found.service_name, name), record, settings.ttl_seconds),
    )


def _answering(state: ServiceState, addresses: frozenset[str]) -> frozenset[str]:
    answering = frozenset(each.public_ip for each in state.tasks if each.public_ip and each.answers)
    if state.has_readiness or not state.port:
        return answering  # the port need not be open to this machine
    return answering | probe.answering(addresses - {each.public_ip for each in state.tasks}, state.port)


def _with_pushes(account: Account, _: Service, state: ServiceState) -> ServiceState:
    """Return the state with the newest image of each repository that it uses, by whatever tag."""
    pushes = {}
    for image in state.images:
        named = tagged(image.reference, state.settings.registry)
        if named and (newest := _newest_push(account, named[0])):
            pushes[image.reference] = newest
    return replace(state, pushes=pushes)


def _newest_push(account: Account, repository: str) -> NewestPush | None:
    """That there is no such repository is told by the check of the repositories."""
    asked = {"repositoryName": repository, "filter": {"tagStatus": "TAGGED"}}
    found = [
        NewestPush(tuple(each["imageTags"]), each["imagePushedAt"])
        for each in account.items("ecr", "describe_images", "imageDetails", NO_REPOSITORY, **asked)
        if each.get("imageTags") and "imagePushedAt" in each
    ]
    return max(found, key=lambda push: push.pushed_at, default=None)


def read_decisions(account: Account, log_groups: Mapping[str, str], now: datetime) -> list[LoggedDecision]:
    """Return what the functions said of any service in the last day, oldest first."""
    asked = {"filterPattern": PATTERN, "startTime": int((now - LOOK_BACK).timestamp() * 1000)}
    found = [
        parse(function, each.get("timestamp", 0), each.get("message", ""))
        for function, group in log_groups.items()
        for each in account.items(
            "logs", "filter_log_events", "events", NOT_FOUND, logGroupName=group, **asked
        )
    ]
    return sorted(filter(None, found), key=lambda decision: decision.at)


def parse(function: str, timestamp: int, line: str) -> LoggedDecision | None:
    """Return the decision in a line, of `timestamp` milliseconds since 1970; None if it holds none."""
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict) or "ecs_service" not in said:
        return None
    reason = said.get("reason") or str(said.get("exception", "")).strip().rpartition("\n")[2]
    at = datetime.fromtimestamp(timestamp / 1000, UTC)
    return LoggedDecision(at, function, str(said["ecs_service"]), str(said.get("message", "")), str(reason))


def newest_first(decisions: Iterable[LoggedDecision]) -> tuple[LoggedDecision, ...]:
    """Return them newest first; what a function said several times in a row is one."""
    told = []
    by_function = sorted(decisions, key=lambda each: (each.function, each.at))
    for _, same in groupby(by_function, key=lambda each: (each.function, each.action, each.reason)):
        said = list(same)
        told.append(said[-1]._replace(times=len(said)))
    return tuple(sorted(told, key=lambda each: each.at, reverse=True))
