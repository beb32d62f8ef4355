"""Whether the stack and its functions can do their work: status, rules, dead letters, log groups, dry run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from commands.why.finding import Finding, note, problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.why.stack import Account, Stack


def function_findings(account: Account, stack: Stack) -> Iterator[Finding]:
    """Yield what keeps the stack's functions from their work."""
    yield from status_findings(stack.name, stack.status)
    if stack.settings.dry_run:
        yield note(
            "dry-run",
            "the functions decide and log, and change nothing (DRY_RUN)",
            "sam deploy with DryRun=false",
        )
    yield from rule_findings(
        {name: _rule_state(account, name) for name in stack.of_type("AWS::Events::Rule")}
    )
    if queue_url := stack.physical_id("DeadLetters"):
        yield from dead_letter_findings(_waiting(account, queue_url), stack.outputs.get("Step6Replay", ""))
    for function, group in stack.log_groups.items():
        found = account.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        if not any(each["logGroupName"] == group for each in found):
            yield problem(
                "no-log-group",
                f"the log group {group} of {function} does not exist: its decisions are lost",
                f"aws logs create-log-group --log-group-name {group}",
            )


def status_findings(stack: str, status: str) -> Iterator[Finding]:
    """Yield that the stack is not whole. Pure."""
    if status.endswith("_IN_PROGRESS"):
        yield note("stack-status", f"the stack {stack} is {status}: CloudFormation is at work on it")
    elif status.endswith("FAILED") or status == "ROLLBACK_COMPLETE":
        yield problem(
            "stack-status",
            f"the stack {stack} is {status}",
            f"the reason is in its events: aws cloudformation describe-stack-events --stack-name {stack}",
        )


def rule_findings(states: Mapping[str, str | None]) -> Iterator[Finding]:
    """Yield the rules that no longer wake a function. Pure."""
    for name, state in states.items():
        if state is None:
            what = f"the rule {name} is gone: a function of the stack is not woken any more"
            yield problem("rule-missing", what, "delete the stack and deploy it again, or put the rule back")
        elif state == "DISABLED":
            what = f"the rule {name} is disabled: it wakes no function"
            yield problem("rule-disabled", what, f"aws events enable-rule --name {name}")


def dead_letter_findings(waiting: int, replay: str) -> Iterator[Finding]:
    """Yield that events could not be handled. Pure."""
    if waiting:
        what = f"{waiting} event{'s' if waiting > 1 else ''} could not be handled after three tries"
        yield problem("dead-letters", what, f"{replay}   # tells why; with --replay it sends them again")


def _rule_state(account: Account, rule: str) -> str | None:
    name = rule.rpartition("|")[2]  # of another bus than the default one the id is BUS|NAME
    try:
        return str(account.client("events").describe_rule(Name=name)["State"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None


def _waiting(account: Account, queue_url: str) -> int:
    counted = "ApproximateNumberOfMessages"
    found = account.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=[counted])
    return int(found["Attributes"][counted])
