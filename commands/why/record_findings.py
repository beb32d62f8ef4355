"""What is wrong, or worth knowing, about a service's record. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.finding import LISTENS, Finding, note, problem
from pushlive.record_plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import ServiceState
    from pushlive.model import Record
    from pushlive.record_plan import Decision


def record_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what to say about a service's record."""
    if not state.host_name:
        return
    if not state.settings.hosted_zone_id:
        what = f"its tag pushlive:hostname asks for {state.host_name}, but the stack has no hosted zone"
        yield problem("no-zone", what, "sam deploy with HostedZoneId and HostName")
    elif state.record is not None and state.record_decision is not None:
        yield from _of_decision(state, state.record, state.record_decision)
        yield from _of_answers(state, state.record)


def _of_decision(state: ServiceState, record: Record, decision: Decision) -> Iterator[Finding]:
    holds = ", ".join(sorted(record.addresses)) or "nothing"
    if decision.action is Action.REFUSE:
        what, _, cure = decision.reason.partition(": choose")
        yield problem("record-refused", what, f"choose{cure or ' another name, or remove that record'}")
    elif decision.action is Action.WRITE:
        right = ", ".join(sorted(decision.addresses))
        what = f"the record holds {holds}; it should hold {right}: {decision.reason}"
        if state.settings.dry_run:
            what = f"{what}; the functions change nothing (DRY_RUN)"
            yield problem("dry-run", what, "sam deploy with DryRun=false")
        elif state.is_changing:
            yield note("record-due", f"{what}; UpdateRecord is at work on it while a deployment is under way")
        else:
            yield problem("record-due", what, "are UpdateRecord's rules enabled, and what does its log say?")
    elif decision.action is Action.DELETE:
        what = f"the record holds {holds}, and is deleted at the next run: {decision.reason}"
        yield note("record-due", what)
    elif not record.exists and state.service.running_count and not state.is_changing:
        yield problem(
            "no-answer",
            f"there is no record {state.host_name}, because no task answers on port {state.port}",
            f"{LISTENS}, and does the security group admit UpdateRecord?",
        )


def _of_answers(state: ServiceState, record: Record) -> Iterator[Finding]:
    unresponsive = sorted(record.addresses - state.answering)
    if unresponsive and state.port is not None and state.service.desired_count:
        yield problem(
            "unresponsive-address",
            f"{', '.join(unresponsive)} of the record {state.host_name} "
            f"{'do' if len(unresponsive) > 1 else 'does'} not answer from here on port {state.port}",
            f"{LISTENS}, and does the security group admit you?",
        )
