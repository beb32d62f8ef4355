"""Reads all that `why` tells of: a stack, its functions with what triggers them, and their services."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.why.account import NOT_FOUND, Boundary, CannotLookError
from commands.why.https import read_https
from commands.why.service import read_decisions, read_service, tagged_services
from commands.why.setup import has_log_group
from commands.why.state import Stack, State
from commands.why.zone import read_zone
from pushlive.config import ConfigError, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.why.account import Account
    from commands.why.state import Https, ServiceState
    from pushlive.model import Service

NESTED = "AWS::CloudFormation::Stack"
FUNCTIONS = ("RedeployService", "UpdateRecord")
BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "DELETE_IN_PROGRESS")
"""What a stack's own events say first of an operation."""


def read(account: Account, name: str, dns_server: str) -> State:
    """Return what is there of the stack `name` and of its services; what cannot be read is told by `unseen`.

    Raises:
        CannotLookError: there is no such stack of pushlive, or its cluster is gone.
    """
    account.answers.clear()
    boundary, stack = Boundary(), read_stack(account, name)
    if "ROLLBACK" in stack.status or stack.status.endswith("_FAILED"):
        why = boundary.read("why it failed", first_failure, account, name)
        stack = replace(stack, first_failure=why or "")
    state = State(stack, account.region, datetime.now(UTC))
    try:
        settings, logs = read_functions(account, stack)
    except CannotLookError:
        if stack.is_whole or stack.physical_id("RedeployService"):
            raise
        return replace(state, unseen=boundary.unseen)
    found = _services(account, settings, name)
    said = boundary.read("the functions' logs", read_decisions, account, logs, state.at) or []
    services = [read_service(account, settings, each, said, state.at) for each in found]
    zone = read_zone(account, boundary, settings.hosted_zone_id, dns_server)
    https = read_https(account, boundary, services, zone)
    return replace(
        state,
        settings=settings,
        services=tuple(_with_distributions(each, https) for each in services),
        function_logs=logs,
        rules=boundary.each("the rules", _rules, account, stack),
        dead_letters=boundary.read("the dead letters", _dead_letters, account, stack) or 0,
        log_groups=boundary.each("the functions' log groups", _log_groups, account, logs),
        zone=zone,
        https=https,
        unseen=boundary.unseen,
    )


def _with_distributions(service: ServiceState, https: Https) -> ServiceState:
    if https.distributions is None:
        return service
    name = service.host_name
    found = [each for each in https.distributions if name in each.origins or name in each.aliases]
    return replace(service, distributions=tuple(found))


def read_stack(account: Account, name: str) -> Stack:
    """Return the stack `name`.

    Raises:
        CannotLookError: there is no such stack.
    """
    # CloudFormation calls a stack that is not there a validation error (API reference, DescribeStacks).
    answer = account.ask("cloudformation", "describe_stacks", "ValidationError", StackName=name)
    if answer is None:
        raise CannotLookError(
            f"There is no stack {name!r} in region {account.region}: name another (`make why STACK=NAME`), "
            "another region (AWS_REGION), or deploy it (`sam deploy`)"
        )
    found = (answer.get("Stacks") or [{}])[0]
    outputs = [each for each in found.get("Outputs", []) if "OutputKey" in each]
    resources = _resources(account, name)
    for kind, nested in list(resources.values()):
        if kind == NESTED and nested:
            resources |= _resources(account, nested)
    return Stack(
        name=name,
        status=found.get("StackStatus", ""),
        outputs={each["OutputKey"]: each.get("OutputValue", "") for each in outputs},
        resources=resources,
    )


def _resources(account: Account, stack: str) -> dict[str, tuple[str, str]]:
    key = "StackResourceSummaries"
    return {
        each["LogicalResourceId"]: (each.get("ResourceType", ""), each.get("PhysicalResourceId", ""))
        for each in account.items("cloudformation", "list_stack_resources", key, StackName=stack)
        if "LogicalResourceId" in each and each.get("ResourceStatus") != "DELETE_COMPLETE"
    }


def first_failure(account: Account, stack: str) -> str:
    """Return the resource that failed first in the stack's newest operation, and why; empty if none tells.

    Events come newest first (API reference, DescribeStackEvents). Of a nested stack they say only that it
    failed: its own say which resource did.
    """
    first, failed_stack = "", ""
    for event in account.items("cloudformation", "describe_stack_events", "StackEvents", StackName=stack):
        status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
        if event.get("PhysicalResourceId") == event.get("StackId"):
            if status in BEGINS:
                break
        elif status.endswith("_FAILED") and reason and "cancelled" not in reason:
            is_nested = event.get("ResourceType") == NESTED
            failed_stack = event.get("PhysicalResourceId", "") if is_nested else ""
            first = f"{event.get('LogicalResourceId', 'a resource')}: {' '.join(reason.split())}"
    return (first_failure(account, failed_stack) if failed_stack else "") or first


def read_functions(account: Account, stack: Stack) -> tuple[Settings, dict[str, str]]:
    """Return the settings that the functions of the stack have now, and the log group of each.

    Raises:
        CannotLookError: it has none, one is gone, or its settings are wrong.
    """
    env: dict[str, str] = {}
    log_groups = {}
    told = f"stack {stack.name!r} ({stack.status})"
    for function in FUNCTIONS:
        if not (name := stack.physical_id(function)):
            continue
        found = account.ask("lambda", "get_function_configuration", NOT_FOUND, FunctionName=name)
        if found is None:
            raise CannotLookError(
                f"The function {function} of {told} is gone: deploy it again (`sam deploy`)"
            )
        dry_run = env.get("DRY_RUN") == "true"
        env |= found.get("Environment", {}).get("Variables", {})
        if dry_run:  # one of them is enough to wait in vain
            env["DRY_RUN"] = "true"
        # Without a log group of its own a function has this one (Lambda guide, "Configuring log groups").
        log_groups[function] = found.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    if "RedeployService" not in log_groups:
        raise CannotLookError(
            f"The {told} has no function RedeployService, so it is none of pushlive: "
            "name another (`make why STACK=NAME`)"
        )
    try:
        return Settings.from_env(env), log_groups
    except ConfigError as error:
        raise CannotLookError(
            f"A function of stack {stack.name!r} has a wrong setting, deploy it again: {error}"
        ) from error


def _services(account: Account, settings: Settings, stack: str) -> list[Service]:
    try:
        return tagged_services(account, settings)
    except account.client("ecs").exceptions.ClusterNotFoundException as error:
        raise CannotLookError(
            f"The cluster {settings.cluster_arn} of stack {stack!r} is gone: deploy it again (`sam deploy`)"
        ) from error


def _rules(account: Account, stack: Stack) -> Iterator[tuple[str, str | None]]:
    for rule in stack.of_type("AWS::Events::Rule"):
        name = rule.rpartition("|")[2]  # of another bus than the default one the id is BUS|NAME
        found = account.ask("events", "describe_rule", NOT_FOUND, Name=name)
        yield rule, None if found is None else found.get("State", "")


def _log_groups(account: Account, logs: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    for group in logs.values():
        yield group, has_log_group(account, group)


def _dead_letters(account: Account, stack: Stack) -> int:
    if not (queue_url := stack.physical_id("DeadLetters")):
        return 0
    counted = "ApproximateNumberOfMessages"
    found = account.ask("sqs", "get_queue_attributes", QueueUrl=queue_url, AttributeNames=[counted])
    return int(found.get("Attributes", {}).get(counted, 0))
