"""Whether the stack and its functions can do their work: status, rules, dead letters, log groups, dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from commands.why.definition_findings import has_log_group, no_log_group
from commands.why.finding import Finding, note, problem, unseen
from commands.why.stack import NESTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.why.stack import Account, Functions, Stack

NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
BEGINS = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "IMPORT_IN_PROGRESS", "DELETE_IN_PROGRESS")
"""What a stack's own events say first of an operation."""


def stack_findings(account: Account, stack: Stack) -> Iterator[Finding]:
    """Yield that the stack is not whole, and why."""
    why = ""
    if "ROLLBACK" in stack.status or stack.status.endswith("_FAILED"):
        try:
            why = _first_failure(account, stack.name)
        except ClientError as error:
            yield unseen("why it failed", error)
    yield from status_findings(stack.name, stack.status, why)


def status_findings(stack: str, status: str, why: str = "") -> Iterator[Finding]:
    """Yield that the stack is not whole, `why` if that is known. Pure."""
    because = f"; its first failure: {why}" if why else ""
    failed = f"the stack {stack} is {status}{because}"
    delete = f"sam delete --stack-name {stack}"
    if status == "REVIEW_IN_PROGRESS":
        what = f"the stack {stack} is {status}: it has only a change set, which nobody has executed"
        yield problem("stack-status", what, "deploy it (`sam deploy`), or delete it:", delete)
    elif status in NEVER_MADE:
        what = f"the creation of the stack {stack} failed ({status}){because}"
        yield problem(
            "stack-status", what, "cure what failed, delete the stack, then deploy it again:", delete
        )
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        what = f"the last update of the stack {stack} failed, and was rolled back: it is as before{because}"
        yield note("stack-status", what, "cure what failed, and deploy it again")
    elif status == "UPDATE_ROLLBACK_FAILED":
        command = f"aws cloudformation continue-update-rollback --stack-name {stack}"
        yield problem("stack-status", failed, "cure what failed, then let the rollback go on:", command)
    elif status == "DELETE_FAILED":
        yield problem("stack-status", failed, "cure what failed, then delete it again:", delete)
    elif status.endswith("_IN_PROGRESS"):
        yield note("stack-status", f"the stack {stack} is {status}: CloudFormation is at work on it")
    elif status.endswith("_FAILED"):
        yield problem("stack-status", failed, "cure what failed, and deploy it again")


def _first_failure(account: Account, stack: str) -> str:
    """Return the resource that failed first in the stack's newest operation, and why; empty if none tells.

    Events come newest first (API reference, DescribeStackEvents). Of a nested stack they say only that it
    failed: its own say which resource did.
    """
    first, failed_stack = "", ""
    for page in (
        account.client("cloudformation").get_paginator("describe_stack_events").paginate(StackName=stack)
    ):
        for event in page.get("StackEvents", []):
            status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
            if event.get("PhysicalResourceId") == event.get("StackId"):
                if status in BEGINS:
                    break
            elif status.endswith("_FAILED") and reason and "cancelled" not in reason:
                is_nested = event.get("ResourceType") == NESTED
                failed_stack = event.get("PhysicalResourceId", "") if is_nested else ""
                first = f"{event.get('LogicalResourceId', 'a resource')}: {' '.join(reason.split())}"
    return (_first_failure(account, failed_stack) if failed_stack else "") or first


def dry_run_findings(functions: Functions) -> Iterator[Finding]:
    """Yield that the functions change nothing. Pure."""
    if functions.settings.dry_run:
        what = "the functions decide and log, and change nothing (DRY_RUN)"
        yield note("dry-run", what, "sam deploy with DryRun=false")


def stack_rule_findings(account: Account, stack: Stack) -> Iterator[Finding]:
    """Yield the stack's rules that no longer trigger a function."""
    rules = stack.of_type("AWS::Events::Rule")
    yield from rule_findings({name: _rule_state(account, name) for name in rules})


def queue_findings(account: Account, stack: Stack) -> Iterator[Finding]:
    """Yield that events wait in the stack's dead-letter queue."""
    if queue_url := stack.physical_id("DeadLetters"):
        yield from dead_letter_findings(_waiting(account, queue_url), stack.outputs.get("Step6Replay", ""))


def function_log_findings(account: Account, functions: Functions) -> Iterator[Finding]:
    """Yield the functions whose decisions are lost."""
    for function, group in functions.log_groups.items():
        if not has_log_group(account, group):
            what = f"the log group {group} of {function} does not exist: its decisions are lost"
            yield no_log_group(what, group)


def rule_findings(states: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield the rules that no longer trigger a function. Pure."""
    for name, state in states.items():
        if state is None:
            what = f"the rule {name} is gone: a function of the stack is not triggered any more"
            yield problem("rule-missing", what, "delete the stack and deploy it again, or put the rule back")
        elif state == "DISABLED":
            what = f"the rule {name} is disabled: it triggers no function"
            yield problem("rule-disabled", what, "enable it:", f"aws events enable-rule --name {name}")


def dead_letter_findings(waiting: int, replay: str) -> Iterator[Finding]:
    """Yield that events could not be handled. Pure."""
    if waiting:
        what = f"{waiting} event{'s' if waiting > 1 else ''} could not be handled after three tries"
        yield problem("dead-letters", what, "see why; with --replay at its end it sends them again:", replay)


def _rule_state(account: Account, rule: str) -> str | None:
    name = rule.rpartition("|")[2]  # of another bus than the default one the id is BUS|NAME
    try:
        return str(account.client("events").describe_rule(Name=name).get("State", ""))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None


def _waiting(account: Account, queue_url: str) -> int:
    counted = "ApproximateNumberOfMessages"
    found = account.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[counted])
    return int(found.get("Attributes", {}).get(counted, 0))
