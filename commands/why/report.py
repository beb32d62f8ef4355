"""The answer: all that was read, and what was found. Each check has a boundary, so none hides another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from commands.why import definition_findings, function_findings, image_findings, network_findings
from commands.why.decisions import newest_first, read_decisions
from commands.why.deployment_findings import deployment_findings
from commands.why.finding import Finding, Level, note, unseen
from commands.why.progress_findings import progress_findings
from commands.why.record_findings import record_findings, shared_name
from commands.why.service import read_service, tagged_services
from commands.why.stack import Account, CannotLookError, Functions, Stack, read_functions, read_stack
from commands.why.zone_findings import zone_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from commands.why.decisions import LoggedDecision
    from commands.why.state import ServiceState


@dataclass(frozen=True)
class ServiceReport:
    """What is there of a service, and what was found."""

    state: ServiceState
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """The answer about a stack at a moment."""

    stack: Stack
    region: str
    at: datetime
    services: tuple[ServiceReport, ...]
    findings: tuple[Finding, ...]
    """About the stack as a whole."""

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Return everything that was found, what matters most first."""
        found = [*self.findings, *(each for service in self.services for each in service.findings)]
        return ordered(found)

    def count(self, level: Level) -> int:
        """Return how many findings are of this level."""
        return sum(finding.level is level for finding in self.all_findings)


def look(account: Account, stack_name: str, dns_server: str) -> Report:
    """Read everything, change nothing, and return what is there and what is wrong.

    Raises:
        CannotLookError: there is no such stack of pushlive, or its cluster is gone.
    """
    now = datetime.now(UTC)
    stack = read_stack(account, stack_name)
    of_stack = _checked({"the stack": function_findings.stack_findings(account, stack)})
    try:
        functions = read_functions(account, stack)
    except CannotLookError:
        if stack.is_whole or stack.physical_id("RedeployService"):
            raise
        return Report(stack, account.region, now, (), ordered(of_stack))
    try:
        said = read_decisions(account, functions.log_groups, now)
    except Exception as error:  # noqa: BLE001 - without their words the rest is shown
        said = []
        of_stack.append(unseen("the functions' logs", error))
    states = _states(account, functions, said, now, stack_name)
    zone_id = functions.settings.hosted_zone_id
    of_stack += _checked(
        {
            "the functions": function_findings.dry_run_findings(functions),
            "the rules": function_findings.stack_rule_findings(account, stack),
            "the dead letters": function_findings.queue_findings(account, stack),
            "the functions' log groups": function_findings.function_log_findings(account, functions),
            "who is asked for the zone's names": zone_findings(account, zone_id, dns_server),
            "the host names": shared_name(states),
        }
    )
    if not states:
        of_stack.append(
            note(
                "no-service",
                "no service of the cluster carries a tag of pushlive",
                "tag it pushlive:redeploy=on-push",
            )
        )
    return Report(
        stack=stack,
        region=account.region,
        at=now,
        services=tuple(ServiceReport(state, ordered(_of_service(account, state))) for state in states),
        findings=ordered(of_stack),
    )


def _states(
    account: Account, functions: Functions, said: list[LoggedDecision], now: datetime, stack_name: str
) -> list[ServiceState]:
    settings = functions.settings
    try:
        found = tagged_services(account, settings)
    except account.client("ecs").exceptions.ClusterNotFoundException as error:
        raise CannotLookError(
            f"The cluster {settings.cluster_arn} of stack {stack_name!r} is gone: "
            "deploy it again (`sam deploy`)"
        ) from error
    return [
        read_service(
            account,
            settings,
            each,
            newest_first(decision for decision in said if decision.service_name == each.service_name),
            now,
        )
        for each in found
    ]


def _of_service(account: Account, state: ServiceState) -> list[Finding]:
    return [
        *state.unseen,
        *_checked(
            {
                "its deployments": deployment_findings(state),
                "its newest deployment": progress_findings(state),
                "its record": record_findings(state),
                "its addresses": network_findings.address_findings(state),
                "its subnets": network_findings.subnet_findings(account, state),
                "its security groups": network_findings.security_group_findings(account, state),
                "its task definition's status": definition_findings.status_findings(state),
                "its ports": definition_findings.port_findings(state),
                "its log groups": definition_findings.log_group_findings(account, state),
                "its execution role": definition_findings.execution_role_findings(account, state),
                "its circuit breaker": definition_findings.circuit_breaker_findings(state),
                "its repositories": image_findings.tag_findings(account, state),
                "what its images were built for": image_findings.platform_findings(account, state),
            }
        ),
    ]


def _checked(checks: Mapping[str, Iterable[Finding]]) -> list[Finding]:
    """Return what the checks find; that one of them cannot look is a finding too."""
    found = []
    for what, findings in checks.items():
        try:
            for finding in findings:
                found.append(finding)  # noqa: PERF402 - what was found before an error stays
        except Exception as error:  # noqa: BLE001 - whatever is odd about one, the others are shown
            found.append(unseen(what, error))
    return found


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, problems before notes."""
    order = [Level.PROBLEM, Level.UNSEEN, Level.NOTE]
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level)))
