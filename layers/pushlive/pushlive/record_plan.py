"""Which addresses a service's record holds. Pure: the second table of docs/design.md.

A candidate is a task that desires to run, is RUNNING, HEALTHY where the container with the port has a
health check, has a public address, and answers on its port. While others have run for longer, a task that
has only just begun to run is none: it may be about to end.

live state                                                        record
----------------------------------------------------------------  ---------------------------------
it is not ours: no ownership TXT of this service, or an alias     refuse
desired count 0, or the service or its tag is gone                delete it and its TXT
NS records hand the name to other name servers than the zone's    refuse
the newest deployment has as many candidates as desired           exactly those
it has fewer, or only older deployments have some                 those and the older ones'
no candidate, tasks are RUNNING, its addresses are no live task's the RUNNING tasks'
no candidate, some addresses are live tasks' and some are not     those that are
no candidate otherwise, so also where there is no record yet      keep
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

OWNER_PREFIX = "pushlive service="


class Action(Enum):
    """What to do with a record."""

    KEEP = "keep"
    WRITE = "write"
    DELETE = "delete"
    REFUSE = "refuse"


class Decision(NamedTuple):
    """What to do, and why, in words."""

    action: Action
    reason: str
    addresses: frozenset[str] = frozenset()


class Task(NamedTuple):
    """A task of the service, with what decides whether clients may be sent to it."""

    task_arn: str
    deployment_id: str
    last_status: str
    desired_status: str
    public_ip: str | None
    healthy: bool = True
    """HEALTHY, or nothing speaks against it."""
    answers: bool = True
    """It accepts a TCP connection on its port, or the probe is switched off."""
    settled: bool = True
    """It has run for a while, so it is not one that ends as soon as it has started."""
    unasked: str = ""
    """Why it was not asked on a port, so that RUNNING counts; empty: it was asked."""

    @property
    def runs(self) -> bool:
        """Return whether the task has an address and is meant to go on running."""
        return (
            self.last_status == "RUNNING" and self.desired_status == "RUNNING" and self.public_ip is not None
        )

    @property
    def is_candidate(self) -> bool:
        """Return whether clients may be sent to it."""
        return self.runs and self.healthy and self.answers


class Record(NamedTuple):
    """What the zone holds under the host name."""

    addresses: frozenset[str] = frozenset()
    ttl_seconds: int | None = None
    exists: bool = False
    foreign_kind: str | None = None
    """What is there that can't be ours: `an alias`, `a CNAME` …"""
    delegated_at: str | None = None
    """The name, this one or one above it, whose NS records in the zone hand it to other name servers."""
    owner: str | None = None
    """What the ownership TXT says, whole."""
    owner_ttl_seconds: int | None = None


class Service(NamedTuple):
    """The live state of a service, as far as its record needs."""

    service_arn: str
    host_name: str
    wanted: bool
    """The service is ACTIVE and still says, with its tag, that it wants this name."""
    desired_count: int
    newest_deployment_id: str
    tasks: tuple[Task, ...] = ()

    @property
    def not_ready(self) -> int:
        """Return how many tasks run, and are none yet that clients should move to."""
        return sum(task.runs and not (task.is_candidate and task.settled) for task in self.tasks)

    @property
    def is_silent(self) -> bool:
        """Return whether tasks are wanted, and none answers."""
        return self.wanted and self.desired_count > 0 and not any(task.is_candidate for task in self.tasks)


def owner_text(service_arn: str) -> str:
    """Return what the ownership TXT of a service's record says."""
    return f"{OWNER_PREFIX}{service_arn}"


def delegated(name: str, at: str) -> str:
    """Return why a record in this zone would never be found, and what to do."""
    return (
        f"{name} is not answered by this hosted zone: its NS records of {at} name other servers. "
        "Give the parameter HostedZoneId of their zone, or remove these NS records"
    )


def plan_record(service: Service, record: Record, ttl_seconds: int) -> Decision:
    """Return what to do with the record of `service`."""
    if refusal := _refusal(service, record):
        return Decision(Action.REFUSE, refusal)
    if not service.wanted or service.desired_count == 0:
        why = "desired count is 0" if service.wanted else "the service no longer wants this name"
        if record.exists or record.owner:
            return Decision(Action.DELETE, f"{why}: a released address may become a stranger's")
        return Decision(Action.KEEP, f"{why}, and there is no record")
    if record.delegated_at:
        return Decision(Action.REFUSE, delegated(service.host_name, record.delegated_at))
    addresses, reason = _addresses(service, record)
    if not addresses:
        return Decision(Action.KEEP, reason, record.addresses)
    if addresses == record.addresses and record.ttl_seconds == ttl_seconds:
        return Decision(Action.KEEP, f"already right: {reason}", addresses)
    return Decision(Action.WRITE, reason, addresses)


def _refusal(service: Service, record: Record) -> str | None:
    name = service.host_name
    if record.foreign_kind:
        return f"{name} is {record.foreign_kind}, which is not ours: choose another name or remove it"
    if record.owner and record.owner != owner_text(service.service_arn):
        return f"{name} belongs to another owner, as the TXT record _pushlive.{name} says: {record.owner}"
    if record.exists and not record.owner:
        return (
            f"{name} has an A record, but no TXT record _pushlive.{name} that names this service: "
            "choose another name or remove the record"
        )
    return None


def _addresses(service: Service, record: Record) -> tuple[frozenset[str], str]:
    """Return the right addresses, empty to keep what is there, and why."""
    answering = [task for task in service.tasks if task.is_candidate]
    candidates = [task for task in answering if task.settled] or answering
    do = "answer" if len(candidates) == len(answering) else "have run for long enough"
    if unasked := {task.unasked for task in candidates} - {""}:
        do = f"{'run' if do == 'answer' else do} (not asked: {', '.join(sorted(unasked))})"
    newest = [task for task in candidates if task.deployment_id == service.newest_deployment_id]
    if len(newest) >= service.desired_count:
        return _public_ips(newest), f"all {len(newest)} tasks of the newest deployment {do}"
    if candidates:
        older = len(candidates) - len(newest)
        return _public_ips(
            candidates
        ), f"{len(newest)} tasks of the newest deployment {do} and {older} older ones"
    running = _public_ips([task for task in service.tasks if task.runs])
    if running and record.addresses and not running & record.addresses:
        return (
            running,
            "no task answers, but the record's addresses are no live task's and may be a stranger's",
        )
    if running and record.addresses - running:
        return running & record.addresses, "no task answers; addresses of tasks that are gone are removed"
    return frozenset(), "no task answers: a missing name would be remembered by resolvers"


def _public_ips(tasks: list[Task]) -> frozenset[str]:
    return frozenset(task.public_ip for task in tasks if task.public_ip)
