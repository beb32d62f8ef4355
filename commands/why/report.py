"""The answer: all that was read, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from commands.why.decisions import newest_first, read_decisions
from commands.why.definition_findings import definition_findings
from commands.why.deployment_findings import deployment_findings
from commands.why.finding import Finding, Level
from commands.why.function_findings import function_findings
from commands.why.image_findings import image_findings
from commands.why.network_findings import network_findings
from commands.why.record_findings import record_findings, shared_name
from commands.why.service import read_service, tagged_services
from commands.why.stack import Account, CannotLookError, Stack, read_stack
from commands.why.zone_findings import zone_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
    settings = stack.settings
    said = read_decisions(account, stack.log_groups, now)
    try:
        found = tagged_services(account, settings)
    except account.client("ecs").exceptions.ClusterNotFoundException as error:
        raise CannotLookError(
            f"The cluster {settings.cluster_arn} of stack {stack_name!r} is gone: "
            "deploy it again (`sam deploy`)"
        ) from error
    states = [
        read_service(
            account,
            settings,
            each,
            newest_first(decision for decision in said if decision.service_name == each.service_name),
            now,
        )
        for each in found
    ]
    zone_id = settings.hosted_zone_id
    findings = [
        *_checked("the functions", lambda: function_findings(account, stack)),
        *_checked("who is asked for the zone's names", lambda: zone_findings(account, zone_id, dns_server)),
        *shared_name(states),
    ]
    return Report(
        stack=stack,
        region=account.region,
        at=now,
        services=tuple(
            ServiceReport(state, ordered(_service_findings(account, stack, state, now))) for state in states
        ),
        findings=ordered(findings),
    )


def _service_findings(account: Account, stack: Stack, state: ServiceState, now: datetime) -> list[Finding]:
    settings = stack.settings
    dry_run, has_zone = settings.dry_run, bool(settings.hosted_zone_id)
    return [
        *deployment_findings(state, dry_run=dry_run, now=now),
        *record_findings(state, has_zone=has_zone, dry_run=dry_run),
        *_checked("its network", lambda: network_findings(account, state, probe=settings.probe)),
        *_checked("its task definition", lambda: definition_findings(account, state)),
        *_checked("its images", lambda: image_findings(account, settings, state)),
    ]


def _checked(what: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check found; that it could not look is a finding too."""
    found = []
    try:
        for finding in check():
            found.append(finding)  # noqa: PERF402 - what was found before an error stays
    except (ClientError, BotoCoreError, HTTPError, OSError, ValueError, LookupError) as error:
        cure = "who asks needs the right to read it"
        found.append(Finding(Level.UNSEEN, "unseen", f"could not look at {what}: {error}", cure))
    return found


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, problems before notes."""
    order = [Level.PROBLEM, Level.UNSEEN, Level.NOTE]
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level)))
