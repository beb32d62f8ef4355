"""What is there of a service, read with the functions' own code, and what the functions would do now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from commands.why.state import RunningTask, ServiceState
from pushlive import ec2, ecs, probe, redeploy_plan, route53
from pushlive.config import ConfigError
from pushlive.record_plan import plan_record
from pushlive.record_state import LiveTasks, host_name_tag
from pushlive.redeploy_state import LiveServices
from pushlive.stopped_tasks import why_stopped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from commands.why.decisions import LoggedDecision
    from commands.why.stack import Account
    from pushlive.config import Settings
    from pushlive.redeploy_plan import ServiceDeployment

TAG_PREFIX = "pushlive:"


def tagged_services(account: Account, settings: Settings) -> list[ecs.Service]:
    """Return the cluster's services that carry a tag of pushlive."""
    live = LiveServices(settings, account.client("ecs"), account.client("ecr"))
    return [found for found in live.all() if any(tag.startswith(TAG_PREFIX) for tag in found.tags)]


def read_service(
    account: Account,
    settings: Settings,
    found: ecs.Service,
    decisions: tuple[LoggedDecision, ...],
    now: datetime,
) -> ServiceState:
    """Return all that the page tells about a service."""
    client, cluster = account.client("ecs"), settings.cluster_arn
    [described] = client.describe_services(cluster=cluster, services=[found.service_name])["services"]
    primary = [each for each in described.get("deployments", []) if each["status"] == "PRIMARY"]
    definition = client.describe_task_definition(taskDefinition=found.task_definition_arn)["taskDefinition"]
    live, wrong_settings = _live(account, settings, found)
    as_tagged = live._replace(redeploy=found.tags.get(ecs.REDEPLOY_TAG))
    state = ServiceState(
        live=live,
        service_arn=found.service_arn,
        cluster=cluster.rpartition("/")[2],
        tags={tag: value for tag, value in found.tags.items() if tag.startswith(TAG_PREFIX)},
        newest_reason=_newest_reason(client, live.deployments),
        failed_tasks=primary[0].get("failedTasks", 0) if primary else 0,
        last_event=described["events"][0]["message"] if described.get("events") else "",
        stopped_reason=why_stopped(ecs.stopped_tasks(client, cluster, found.service_name)),
        port=ecs.task_definition(client, found.task_definition_arn).port,
        deployment_decision=None if wrong_settings else redeploy_plan.plan_deployment(as_tagged, None, now),
        # A moment later: a push that has just come has no event under way any more.
        if_not_paused=redeploy_plan.plan_deployment(live, None, now + redeploy_plan.EVENT_UNDER_WAY),
        wrong_settings=wrong_settings,
        decisions=decisions,
        described=described,
        definition=definition,
    )
    return _with_record(account, settings, found, _with_tasks(account, settings, found, state))


def _live(
    account: Account, settings: Settings, found: ecs.Service
) -> tuple[redeploy_plan.Service, tuple[str, ...]]:
    """Return the service as if it were not paused, and what is wrong with its tags."""
    live = LiveServices(settings, account.client("ecs"), account.client("ecr"))
    tags = {**found.tags, ecs.REDEPLOY_TAG: redeploy_plan.ON_PUSH}
    try:
        return live.whole(found, live.outline(found._replace(tags=tags))), ()
    except ConfigError as error:
        tags.pop(ecs.DESIRED_COUNT_TAG, None)
        return live.whole(found, live.outline(found._replace(tags=tags))), (str(error),)


def _newest_reason(client: Any, deployments: Sequence[ServiceDeployment]) -> str:  # noqa: ANN401 - of ECS
    """Return what ECS says about the newest deployment."""
    if not deployments:
        return ""
    arns = [deployments[0].deployment_arn]
    [newest] = client.describe_service_deployments(serviceDeploymentArns=arns)["serviceDeployments"]
    return str(newest.get("statusReason", ""))


def _with_tasks(
    account: Account, settings: Settings, found: ecs.Service, state: ServiceState
) -> ServiceState:
    client = account.client("ecs")
    tasks = ecs.tasks(client, settings.cluster_arn, found.service_name)
    public_ips = ec2.public_ips(account.client("ec2"), [task.eni_id for task in tasks if task.eni_id])
    answering = probe.answering(public_ips.values(), state.port) if state.port else frozenset()
    running = []
    for task in tasks:
        images = ecs.task_definition(client, task.task_definition_arn).images
        ours = [
            digest
            for name, digest in task.digests.items()
            if images.get(name, "").startswith(f"{settings.registry}/")
        ]
        public_ip = public_ips.get(task.eni_id or "")
        running.append(
            RunningTask(
                task_arn=task.task_arn,
                last_status=task.last_status,
                health_status=task.health_status,
                since=task.started_at,
                digests=tuple(ours),
                public_ip=public_ip,
                answers=public_ip in answering,
                is_newest=task.deployment_id == found.newest_deployment_id,
            )
        )
    return replace(state, tasks=tuple(running))


def _with_record(
    account: Account, settings: Settings, found: ecs.Service, state: ServiceState
) -> ServiceState:
    if not host_name_tag(found) or not settings.hosted_zone_id:
        return replace(state, host_name=host_name_tag(found))
    client, zone_id = account.client("route53"), settings.hosted_zone_id
    try:
        name = route53.host_name(host_name_tag(found), route53.zone_name(client, zone_id))
        record = route53.read_record(client, zone_id, name)
    except ConfigError as error:
        return replace(state, wrong_settings=(*state.wrong_settings, str(error)))
    except client.exceptions.NoSuchHostedZone:
        return replace(state, host_name=host_name_tag(found))  # the check of the zone tells it
    live = LiveTasks(settings, account.client("ecs"), account.client("ec2"))
    service = live.service(found.service_name, name)
    answering = probe.answering(record.addresses, state.port) if state.port else frozenset()
    return replace(
        state,
        host_name=name,
        record=record,
        answering=answering,
        record_decision=plan_record(service, record, settings.ttl_seconds),
    )
