"""The answer: what is there, and what was found. Each check has a boundary, so none hides another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from commands.why import (
    definition_findings,
    https_findings,
    network_findings,
    progress_findings,
    stack_findings,
)
from commands.why.account import Boundary
from commands.why.deployment_findings import deployment_findings
from commands.why.finding import Finding, Level
from commands.why.stack import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from commands.why.account import Account
    from commands.why.state import ServiceState, State

    S = TypeVar("S", State, ServiceState)
    Checks = Mapping[str, Callable[[S], Iterable[Finding]]]

OF_STACK: Checks[State] = {
    "the stack": stack_findings.status_findings,
    "the functions": stack_findings.dry_run_findings,
    "the rules": stack_findings.rule_findings,
    "the dead letters": stack_findings.dead_letter_findings,
    "the functions' log groups": stack_findings.function_log_findings,
    "who is asked for the zone's names": stack_findings.zone_findings,
    "the host names": stack_findings.name_findings,
    "the certificates": https_findings.certificate_findings,
    "the names that CloudFront asks": https_findings.origin_findings,
    "the services": stack_findings.service_findings,
}
OF_SERVICE: Checks[ServiceState] = {
    "its deployments": deployment_findings,
    "its newest deployment": progress_findings.progress_findings,
    "its record": network_findings.record_findings,
    "its addresses": network_findings.address_findings,
    "its subnets": network_findings.subnet_findings,
    "its public addresses": network_findings.public_ip_findings,
    "its security groups": network_findings.security_group_findings,
    "its distributions": https_findings.distribution_findings,
    "who is let in": https_findings.admission_findings,
    "its task definition's status": definition_findings.status_findings,
    "its ports": definition_findings.port_findings,
    "its log groups": definition_findings.log_findings,
    "its execution role": definition_findings.role_findings,
    "its circuit breaker": progress_findings.circuit_breaker_findings,
    "its repositories": definition_findings.tag_findings,
    "what its images were built for": definition_findings.built_findings,
}


@dataclass(frozen=True)
class ServiceReport:
    """What is there of a service, and what was found."""

    state: ServiceState
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Report:
    """The answer about a stack at a moment."""

    state: State
    findings: tuple[Finding, ...]
    """About the stack as a whole."""
    services: tuple[ServiceReport, ...] = ()

    @property
    def all_findings(self) -> tuple[Finding, ...]:
        """Return everything that was found, what matters most first."""
        found = [*self.findings, *(each for service in self.services for each in service.findings)]
        return ordered(found)

    def count(self, level: Level) -> int:
        """Return how many findings are of this level."""
        return sum(finding.level is level for finding in self.all_findings)


def look(account: Account, stack_name: str, dns_server: str) -> Report:
    """Read everything once, change nothing, and return what is there and what is wrong.

    Raises:
        CannotLookError: there is no such stack of pushlive, or its cluster is gone.
    """
    return report(read(account, stack_name, dns_server))


def report(state: State) -> Report:
    """Return what is to say about a state. Pure."""
    services = tuple(ServiceReport(each, checked(OF_SERVICE, each)) for each in state.services)
    return Report(state, checked(OF_STACK, state), services)


def checked(checks: Checks[S], state: S) -> tuple[Finding, ...]:
    """Return what the checks find; that one of them does not understand the state is a finding too."""
    boundary: Boundary = Boundary()
    found: list[Finding] = [*state.unseen]
    for what, check in checks.items():
        with boundary.around(what):
            for finding in check(state):
                found.append(finding)  # noqa: PERF402 - what was found before an error stays
    return ordered([*found, *boundary.unseen])


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, problems before notes."""
    order = list(Level)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level)))
