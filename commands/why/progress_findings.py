"""What becomes of a service's newest deployment: what ECS says in words comes before its counts. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from commands.why.finding import LISTENS, Finding, aws, note, problem
from pushlive.model import ROLLING_BACK, UNDER_WAY
from pushlive.outcome_plan import overdue
from pushlive.redeploy_plan import opt_out
from pushlive.times import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import ServiceState
    from pushlive.model import ServiceDeployment

NO_WAY = "the subnet has no way to the registry: a route to an internet gateway, and assignPublicIp"
PLATFORM = "build the image for the task definition's processor (`docker build --platform`)"
QUOTA = "run fewer or smaller tasks, or ask for a higher quota (Service Quotas, AWS Fargate)"
ROOM = "add container instances with room for one task more, or use fewer or smaller tasks"
# Part of what ECS says to what helps. Of tasks: ECS guide, "Amazon ECS stopped tasks error messages"; of the
# service: ECS guide, "Amazon ECS service event messages". The first that is found counts.
CURES = {
    "i/o timeout": NO_WAY,
    "context deadline exceeded": NO_WAY,
    "exec format error": PLATFORM,
    "does not contain descriptor": PLATFORM,
    "CannotPullContainerError": "is the image there, and may the execution role pull it?",
    "invalid ssm parameters": "put the parameters that it names into Parameter Store: docs/settings.md",
    "failed to download env files": "is the object that EnvironmentFile names there? docs/settings.md",
    "ResourceInitializationError": "what the execution role or the network must give at the start is missing",
    "OutOfMemoryError": "give the task more memory (parameter Memory)",
    "health check": f"{LISTENS}?",
    "Capacity is unavailable": "wait, or give the service subnets in more availability zones",
    "reached the limit on the number of": QUOTA,
    "is above your limit": QUOTA,
    "capacity limit was exceeded": QUOTA,
    "no container instance met": ROOM,
    "No Container Instances were found": ROOM,
    "insufficient": ROOM,
    "Internal error": "is one of its subnets in an availability zone without Fargate?",
    "being throttled": "wait: ECS goes on by itself",
    "protected tasks": "end the tasks' protection (UpdateTaskProtection), or wait until it expires",
    "misconfigured or changed": "give the roles of the service and its tasks back what they had",
}
EVENTS_GUIDE = 'the ECS guide explains it in "Amazon ECS service event messages"'
# What ECS writes when it cannot go on, but for tasks that fail: their own reason says more.
BLOCKED = re.compile(
    r"unable to (?!consistently)|could not launch|being throttled|Timed out waiting|can no longer maintain"
)
STEADY = "has reached a steady state"
DEADLOCK = "because of the service deployment configuration"


def progress_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps the newest deployment from its end, or that it is under way."""
    newest, said, (why, command) = state.newest, _blocked(state), why_tasks_stop(state)
    lacks = f"{state.service.running_count} of {state.service.desired_count} tasks run"
    if deadlocked := _is_deadlocked(state) or DEADLOCK in said:
        yield _deadlock(state, said)
    if said and not deadlocked:
        what = f"the deployment of {_since(state)} does not go on" if state.is_changing else lacks
        yield problem("blocked", f"{what}; ECS says: {said}", cure_of(said) or EVENTS_GUIDE)
    elif newest and newest.status in UNDER_WAY and state.failed_tasks:
        failed = f"{state.failed_tasks} tasks of the deployment of {_since(state)} failed"
        cure = why or "push an image that works"
        yield problem("tasks-fail", f"{failed}, and it goes on trying", cure, command)
    elif deadlocked and state.is_changing:
        return  # that it is under way, and for how long, says no more
    elif newest and overdue(state.live, state.now, state.settings.overdue_seconds):
        yield _overdue(state, newest)
    elif newest and newest.status in ROLLING_BACK:
        what = f"a rollback is in progress in deployment {newest.name} of {_since(state)}"
        when = "when it is over" if newest.has_way_back else "at once, for it has nothing else to go back to"
        yield note("rolling-back", f"{what}: a push is deployed {when}")
    elif newest and newest.status in UNDER_WAY and state.service.desired_count:
        yield note("under-way", f"a deployment is under way since {_since(state)}: {newest.name}")
    elif state.lacks_tasks:
        yield problem("tasks-missing", lacks, why or "look at its tasks, or push again", command)


def circuit_breaker_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that an image which does not run would be tried for ever."""
    breaker = state.described.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    rolls_back = breaker.get("enable") and breaker.get("rollback")
    if state.described and not opt_out(state.service) and not rolls_back:
        happens = "stays as it is" if breaker.get("enable") else "is tried for ever"
        what = f"its deployment circuit breaker does not roll back: an image that does not run {happens}"
        yield problem("no-circuit-breaker", what, "let it roll back:", _deployable(state))


def _since(state: ServiceState) -> str:
    return moment(state.newest.created_at, state.now) if state.newest else "an unknown time"


def _blocked(state: ServiceState) -> str:
    """Return ECS's newest words about what keeps it from going on, if it has not gone on since.

    ECS does not repeat them for six hours (ECS guide, "Amazon ECS service event messages").
    """
    if not state.service.desired_count or not (state.is_changing or state.lacks_tasks):
        return ""
    for event in state.events:
        if STEADY in event.message or (state.newest and event.at < state.newest.created_at):
            return ""
        if BLOCKED.search(event.message):
            return event.message
    return ""


def _percentages(state: ServiceState) -> tuple[int, int]:
    """Return minimumHealthyPercent and maximumPercent, ECS's defaults where they are not told."""
    found = state.described.get("deploymentConfiguration", {})
    return found.get("minimumHealthyPercent", 100), found.get("maximumPercent", 200)


def _bounds(state: ServiceState) -> tuple[int, int]:
    """Return how many tasks must, and how many may run during a deployment.

    The least number of tasks is rounded up, the most rounded down (API reference, DeploymentConfiguration).
    """
    (least, most), desired = _percentages(state), state.service.desired_count
    return -(-desired * least // 100), desired * most // 100


def _is_deadlocked(state: ServiceState) -> bool:
    """Return whether no deployment can start a task, nor stop one."""
    service, (least, most) = state.service, _bounds(state)
    if service.is_daemon or opt_out(service) or not state.described:
        return False
    return 0 < service.desired_count <= least and most <= service.desired_count


def _deployable(state: ServiceState) -> str:
    """Return the command that makes deployments start and stop tasks, and roll back one that fails.

    It repeats what is right: whether ECS keeps settings that UpdateService is not given is not documented.
    """
    stuck = _is_deadlocked(state) or DEADLOCK in _blocked(state)
    least, most = (100, 200) if stuck else _percentages(state)
    breaker = "deploymentCircuitBreaker={enable=true,rollback=true}"
    settings = f"'maximumPercent={most},minimumHealthyPercent={least},{breaker}'"
    return state.update_service(deployment_configuration=settings)


def _deadlock(state: ServiceState, said: str) -> Finding:
    what = f"the deployment of {_since(state)} does not go on; ECS says: {said}"
    if _is_deadlocked(state):
        wanted, (least, most) = state.service.desired_count, _bounds(state)
        what = (
            f"no deployment can end: of {wanted} wanted tasks no fewer than {least} and no more than {most} "
            "may run meanwhile, so ECS can neither stop nor start one"
        )
    cure = "let ECS start a new task before it stops an old one:"
    return problem("deadlock", what, cure, _deployable(state))


def _overdue(state: ServiceState, newest: ServiceDeployment) -> Finding:
    limit = f"{state.settings.overdue_seconds // 60} minutes of OverdueMinutes"
    what = f"deployment {newest.name} is {newest.status} since {_since(state)}, longer than the {limit}"
    if state.events:
        at, message = state.events[0]
        what = f"{what}; ECS's newest event, of {moment(at, state.now)}: {message}"
    succeeded = [each for each in state.live.deployments if each.status == "SUCCESSFUL"]
    if newest.status in ROLLING_BACK or not succeeded:
        return problem("overdue", what, "push an image that works")
    stop = {"service_deployment_arn": newest.deployment_arn, "stop_type": "ROLLBACK"}
    cure = "push an image that works, or go back to what ran before:"
    return problem("overdue", what, cure, aws("ecs stop-service-deployment", **stop))


def why_tasks_stop(state: ServiceState) -> tuple[str, str]:
    """Return what ECS says and what helps against it, and the command that shows what the program said."""
    told = ""
    if state.stopped_reason:
        told = f"its last task stopped: {state.stopped_reason}"
    elif state.lacks_tasks and state.events:
        told = f"ECS says: {state.events[0].message}"
    if cure := cure_of(told):
        return f"{told}; {cure}", ""
    options = [each.get("logConfiguration", {}).get("options", {}) for each in state.containers]
    groups = [each["awslogs-group"] for each in options if each.get("awslogs-group")]
    if not groups:
        return told, ""
    # Not aws logs tail: only version 2 of the AWS CLI has it.
    command = f"sam logs --cw-log-group {groups[0]} --start-time '1 hour ago'"
    return "; ".join(filter(None, [told, "read its log:"])), command


def cure_of(said: str) -> str:
    """Return what helps against what ECS says; empty if that is not known."""
    return next((cure for words, cure in CURES.items() if words in said), "")
