"""Which addresses a service's record holds. Pure: the second table of docs/design.md.

A candidate is a task that desires to run, is RUNNING, HEALTHY where the container with the port has a
health check, has a public address, and answers on its port: its readiness sidecar says so or, where it has
none, the function asks. While others have run for longer, a task that has only just begun to run is none: it
may be about to end.

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
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pushlive.model import Record, Task

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


class Target(NamedTuple):
    """A task of the service, with what decides whether clients may be sent to it."""

    task: Task
    public_ip: str | None
    port: int | None = None
    """Where it was asked; None: it was not, so RUNNING counts."""
    healthy: bool = True
    """HEALTHY, or nothing speaks against it."""
    answers: bool = True
    """It accepts a TCP connection on its port, or was not asked."""
    ready: bool = True
    """It has run for a while, so it is not one that ends as soon as it has started."""
    unasked: str = ""
    """Why it was not asked."""

    @property
    def runs(self) -> bool:
        """Return whether the task has an address and is meant to go on running."""
        states = (self.task.last_status, self.task.desired_status)
        return states == ("RUNNING", "RUNNING") and self.public_ip is not None

    @property
    def is_candidate(self) -> bool:
        """Return whether clients may be sent to it."""
        return self.runs and self.healthy and self.answers


class RecordState(NamedTuple):
    """The live state that a record is decided from."""

    service_arn: str
    host_name: str
    wanted: bool
    """The service is ACTIVE and still says, with its tag, that it wants this name."""
    desired_count: int = 0
    newest_deployment_id: str = ""
    targets: tuple[Target, ...] = ()

    @property
    def not_ready(self) -> int:
        """Return how many tasks run, and are none yet that clients should move to."""
        return sum(each.runs and not (each.is_candidate and each.ready) for each in self.targets)

    @property
    def is_unresponsive(self) -> bool:
        """Return whether tasks are wanted, and none answers."""
        return self.wanted and self.desired_count > 0 and not any(each.is_candidate for each in self.targets)

    @property
    def unresponsive_ports(self) -> dict[str, int]:
        """Return address to port of the running tasks that did not answer there."""
        return {
            each.public_ip: each.port
            for each in self.targets
            if each.public_ip and each.port and each.runs and not each.answers
        }


def owner_text(service_arn: str) -> str:
    """Return what the ownership TXT of a service's record says."""
    return f"{OWNER_PREFIX}{service_arn}"


def delegated(name: str, at: str) -> str:
    """Return why a record in this zone would never be found, and what to do."""
    return (
        f"{name} is not answered by this hosted zone: its NS records of {at} name other servers. "
        "Give the parameter HostedZoneId of their zone, or remove these NS records"
    )


def plan_record(state: RecordState, record: Record, ttl_seconds: int) -> Decision:
    """Return what to do with the record of a state."""
    if refusal := _refusal(state, record):
        return Decision(Action.REFUSE, refusal)
    if not state.wanted or state.desired_count == 0:
        why = "desired count is 0" if state.wanted else "the service no longer wants this name"
        if record.exists or record.owner:
            return Decision(Action.DELETE, f"{why}: a released address may become a stranger's")
        return Decision(Action.KEEP, f"{why}, and there is no record")
    if record.delegated_at:
        return Decision(Action.REFUSE, delegated(state.host_name, record.delegated_at))
    addresses, reason = _addresses(state, record)
    if not addresses:
        return Decision(Action.KEEP, reason, record.addresses)
    if addresses == record.addresses and record.ttl_seconds == ttl_seconds:
        return Decision(Action.KEEP, f"already right: {reason}", addresses)
    return Decision(Action.WRITE, reason, addresses)


def _refusal(state: RecordState, record: Record) -> str | None:
    name = state.host_name
    if record.foreign_kind:
        return f"{name} is {record.foreign_kind}, which is not ours: choose another name or remove it"
    if record.owner and record.owner != owner_text(state.service_arn):
        return f"{name} belongs to another owner, as the TXT record _pushlive.{name} says: {record.owner}"
    if record.exists and not record.owner:
        return (
            f"{name} has an A record, but no TXT record _pushlive.{name} that names this service: "
            "choose another name or remove the record"
        )
    return None


def _addresses(state: RecordState, record: Record) -> tuple[frozenset[str], str]:
    """Return the right addresses, empty to keep what is there, and why."""
    answering = [each for each in state.targets if each.is_candidate]
    candidates = [each for each in answering if each.ready] or answering
    do = "answer" if len(candidates) == len(answering) else "have run for long enough"
    if unasked := {each.unasked for each in candidates} - {""}:
        do = f"{'run' if do == 'answer' else do} (not asked: {', '.join(sorted(unasked))})"
    newest = [each for each in candidates if each.task.deployment_id == state.newest_deployment_id]
    if len(newest) >= state.desired_count:
        return _public_ips(newest), f"all {len(newest)} tasks of the newest deployment {do}"
    if candidates:
        older = len(candidates) - len(newest)
        return _public_ips(
            candidates
        ), f"{len(newest)} tasks of the newest deployment {do} and {older} older ones"
    running = _public_ips([each for each in state.targets if each.runs])
    if running and record.addresses and not running & record.addresses:
        return (
            running,
            "no task answers, but the record's addresses are no live task's and may be a stranger's",
        )
    if running and record.addresses - running:
        return running & record.addresses, "no task answers; addresses of tasks that are gone are removed"
    return frozenset(), "no task answers: a missing name would be remembered by resolvers"


def _public_ips(targets: list[Target]) -> frozenset[str]:
    return frozenset(each.public_ip for each in targets if each.public_ip)
