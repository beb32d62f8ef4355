"""Whether the stack and its functions can do their work: status, rules, dead letters, logs, zone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, no_log_group, note, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import State

QUOTA = ("RulesPerSecurityGroupLimitExceeded", "maximum number of rules per security group")
# VPC guide, "Available AWS-managed prefix lists" (weight 55) and "Amazon VPC quotas" (60 rules).
MORE_RULES = (
    "CloudFront's prefix list counts as 55 of the 60 rules that a security group may have: ask Service "
    "Quotas for more (Amazon VPC, inbound rules per security group) or take other rules away"
)
NEVER_MADE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")


def status_findings(state: State) -> Iterator[Finding]:
    """Yield that the stack is not whole, and why if that is known."""
    stack, status, kind = state.stack.name, state.stack.status, "stack-status"
    because = f"; its first failure: {state.stack.first_failure}" if state.stack.first_failure else ""
    failed = f"the stack {stack} is {status}{because}"
    delete = f"sam delete --stack-name {stack}"
    heal = MORE_RULES if any(words in because for words in QUOTA) else "cure what failed"
    if status == "REVIEW_IN_PROGRESS":
        what = f"the stack {stack} is {status}: it has only a change set, which nobody has executed"
        yield problem(kind, what, "deploy it (`sam deploy`), or delete it:", delete)
    elif status in NEVER_MADE:
        what = f"the creation of the stack {stack} failed ({status}){because}"
        yield problem(kind, what, f"{heal}, delete the stack, then deploy it again:", delete)
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        what = f"the last update of the stack {stack} failed, and was rolled back: it is as before{because}"
        yield note(kind, what, f"{heal}, and deploy it again")
    elif status == "UPDATE_ROLLBACK_FAILED":
        go_on = aws("cloudformation continue-update-rollback", stack_name=stack)
        yield problem(kind, failed, f"{heal}, then let the rollback go on:", go_on)
    elif status == "DELETE_FAILED":
        yield problem(kind, failed, f"{heal}, then delete it again:", delete)
    elif status.endswith("_IN_PROGRESS"):
        yield note(kind, f"the stack {stack} is {status}: CloudFormation is at work on it")
    elif status.endswith("_FAILED"):
        yield problem(kind, failed, f"{heal}, and deploy it again")


def dry_run_findings(state: State) -> Iterator[Finding]:
    """Yield that the functions change nothing."""
    if state.settings and state.settings.dry_run:
        what = "the functions decide and log, and change nothing (DRY_RUN)"
        yield note("dry-run", what, "sam deploy with DryRun=false")


def rule_findings(state: State) -> Iterator[Finding]:
    """Yield the rules that no longer trigger a function."""
    for name, is_now in state.rules.items():
        if is_now is None:
            what = f"the rule {name} is gone: a function of the stack is not triggered any more"
            yield problem("rule-missing", what, "delete the stack and deploy it again, or put the rule back")
        elif is_now == "DISABLED":
            what = f"the rule {name} is disabled: it triggers no function"
            yield problem("rule-disabled", what, "enable it:", aws("events enable-rule", name=name))


def dead_letter_findings(state: State) -> Iterator[Finding]:
    """Yield that events could not be handled."""
    if waiting := state.dead_letters:
        what = f"{waiting} event{'s' if waiting > 1 else ''} could not be handled after three tries"
        replay = state.stack.outputs.get("Step6Replay", "")
        yield problem("dead-letters", what, "see why; with --replay at its end it sends them again:", replay)


def function_log_findings(state: State) -> Iterator[Finding]:
    """Yield the functions whose decisions are lost."""
    for function, group in state.function_logs.items():
        if not state.log_groups.get(group, True):
            what = f"the log group {group} of {function} does not exist: its decisions are lost"
            yield no_log_group(what, group)


def zone_findings(state: State) -> Iterator[Finding]:
    """Yield what keeps the names of the zone from being found."""
    zone = state.zone
    if zone is None:
        return
    name, asked, own = zone.name, zone.asked, zone.own
    cure = f"where {name} is registered, or in its parent zone, set its NS to {', '.join(sorted(own))}"
    delegated = f"{name} is delegated to {', '.join(sorted(asked or ())) or 'nobody'}"
    if zone.unreadable:
        denied = "" if zone.unreadable == "NoSuchHostedZone" else ", or you may not read it"
        what = f"the hosted zone {zone.zone_id} does not exist in this account{denied}"
        yield problem("no-zone", what, "sam deploy with the HostedZoneId of a zone that exists")
    elif zone.is_private:
        what = f"the hosted zone {name} ({zone.zone_id}) is private"
        cure = "sam deploy with the HostedZoneId of a public zone"
        yield problem("private-zone", f"{what}: nobody outside its VPCs can resolve its names", cure)
    elif asked is None:
        return
    elif not asked:
        yield problem("not-delegated", f"{delegated}: its names do not resolve", cure)
    elif not asked & own:
        what = f"{delegated}, not to the hosted zone: what pushlive writes there, nobody reads"
        yield problem("not-delegated", what, cure)
    elif asked != own:
        yield note("partly-delegated", delegated, cure)


def name_findings(state: State) -> Iterator[Finding]:
    """Yield each host name that several services ask for: only one can have it."""
    wanting: dict[str, list[str]] = {}
    for each in state.services:
        wanting.setdefault(each.host_name, []).append(each.service.service_name)
    for host_name, names in wanting.items():
        if host_name and len(names) > 1:
            told = f"{', '.join(names)} ask for the same name {host_name}; the first that got it has it"
            yield problem("name-shared", told, "give each service a pushlive:hostname of its own")


def service_findings(state: State) -> Iterator[Finding]:
    """Yield that there is nothing to do for the functions."""
    if state.settings and not state.services:
        what = "no service of the cluster carries a tag of pushlive"
        yield note("no-service", what, "tag it pushlive:redeploy=on-push")
