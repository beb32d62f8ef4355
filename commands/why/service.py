"""Reads a service with the functions' own code, and asks their plans what they would do now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from commands.why.account import Boundary
from commands.why.setup import with_setup
from commands.why.state import NewestPush, RunningTask, ServiceEvent, ServiceState
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
    from datetime import datetime

    from commands.why.account import Account
    from commands.why.state import LoggedDecision
    from pushlive.config import Settings
    from pushlive.model import Service

TAG_PREFIX = "pushlive:"


def tagged_services(account: Account, settings: Settings) -> list[Service]:
    """Return the cluster's services that carry a tag of pushlive."""
    live = LiveServices(settings, account.client("ecs"), account.client("ecr"))
    return [found for found in live.all() if any(tag.startswith(TAG_PREFIX) for tag in found.tags)]


def read_service(
    account: Account,
    settings: Settings,
    found: Service,
    decisions: tuple[LoggedDecision, ...],
    now: datetime,
) -> ServiceState:
    """Return what is there of a service; what cannot be read is told by `unseen`."""
    state = ServiceState(
        settings=settings,
        now=now,
        live=DeploymentState(_not_paused(found)),
        tags={tag: value for tag, value in found.tags.items() if tag.startswith(TAG_PREFIX)},
        host_name=host_name_tag(found),
        decisions=decisions,
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
    client, cluster = account.client("ecs"), state.settings.cluster_arn
    answer = client.describe_services(cluster=cluster, services=[found.service_name])
    described = (answer.get("services") or [{}])[0]
    shown = described.get("deployments", [])
    return replace(
        state,
        described=described,
        failed_tasks=next((d.get("failedTasks", 0) for d in shown if d.get("status") == "PRIMARY"), 0),
        events=tuple(
            ServiceEvent(each.get("createdAt", state.now), each["message"])
            for each in described.get("events", [])
            if "message" in each
        ),
    )


def _with_definition(account: Account, found: Service, state: ServiceState) -> ServiceState:
    if not found.task_definition_arn:
        return state  # under an external controller it has none (API reference, Service, taskDefinition)
    client, arn = account.client("ecs"), found.task_definition_arn
    definition = client.describe_task_definition(taskDefinition=arn).get("taskDefinition", {})
    return replace(state, definition=definition, port=ecs.task_definition(client, arn).port)


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
    answering = probe.answering(public_ips.values(), state.port) if state.port else frozenset()
    running = []
    for task in tasks:
        images = ecs.task_definition(client, task.task_definition_arn).images
        ours = [name for name in task.digests if is_in(images.get(name, ""), settings.registry)]
        public_ip = public_ips.get(task.eni_id or "")
        running.append(
            RunningTask(
                task=task,
                digests=tuple(task.digests[name] for name in ours),
                public_ip=public_ip,
                answers=public_ip in answering,
                is_newest=task.deployment_id == found.newest_deployment_id,
            )
        )
    return replace(state, tasks=tuple(running))


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
        answering=probe.answering(record.addresses, state.port) if state.port else frozenset(),
        record_decision=plan_record(live.state(found.service_name, name), record, settings.ttl_seconds),
    )


def _with_pushes(account: Account, _: Service, state: ServiceState) -> ServiceState:
    """Return the state with the newest image of each repository that it uses, by whatever tag."""
    client, pushes = account.client("ecr"), {}
    for image in state.images:
        named = tagged(image.reference, state.settings.registry)
        if named is None:
            continue
        pages = client.get_paginator("describe_images").paginate(
            repositoryName=named[0], filter={"tagStatus": "TAGGED"}
        )
        try:
            found = [
                NewestPush(tuple(each["imageTags"]), each["imagePushedAt"])
                for page in pages
                for each in page.get("imageDetails", [])
                if each.get("imageTags") and "imagePushedAt" in each
            ]
        except client.exceptions.RepositoryNotFoundException:
            continue  # the check of the repository tells it
        if found:
            pushes[image.reference] = max(found, key=lambda push: push.pushed_at)
    return replace(state, pushes=pushes)
