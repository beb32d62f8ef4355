"""The answer as JSON. Its keys stay; times are ISO 8601 in UTC, and what is not known is null.

stack, region, status, at
wrong           whether anything is
findings        of the stack: kind, level (problem, note, unseen), what, cure, command
services        service_name, tags, desired_count, running_count, url, and
  images        reference, digest, pushed_at
  deployment    the newest: arn, status, reason, created_at, finished_at, digests
  tasks         task_arn, last_status, health_status, since, digests, public_ip, answers
  record        name, exists, addresses, answering, ttl_seconds, owner
  would         what RedeployService and UpdateRecord would do now: action, reason
  decisions     what they did, newest first: at, function, action, reason, times
  findings      of the service, as above
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from commands.why.finding import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from commands.why.report import Report, ServiceReport

Json = dict[str, Any]


def as_json(report: Report) -> Json:
    """Return the report with the keys above."""
    return {
        "stack": report.stack.name,
        "region": report.region,
        "status": report.stack.status,
        "at": _time(report.at),
        "wrong": report.count(Level.PROBLEM) > 0,
        "findings": _findings(report.findings),
        "services": [_service(each) for each in report.services],
    }


def _service(report: ServiceReport) -> Json:
    state = report.state
    newest = state.newest
    return {
        "service_name": state.service_name,
        "tags": dict(state.tags),
        "desired_count": state.desired_count,
        "running_count": state.running_count,
        "images": [
            {"reference": each.reference, "digest": each.digest, "pushed_at": _time(each.pushed_at)}
            for each in state.images
        ],
        "deployment": newest
        and {
            "arn": newest.deployment_arn,
            "status": newest.status,
            "reason": newest.status_reason,
            "created_at": _time(newest.created_at),
            "finished_at": _time(newest.finished_at),
            "digests": newest.digests,
        },
        "tasks": [
            {
                "task_arn": each.task_arn,
                "last_status": each.last_status,
                "health_status": each.health_status,
                "since": _time(each.since),
                "digests": list(each.digests),
                "public_ip": each.public_ip,
                "answers": each.answers if state.port else None,
            }
            for each in state.tasks
        ],
        "url": f"http://{state.host_name}:{state.port}/" if state.host_name and state.port else None,
        "record": state.record
        and {
            "name": state.host_name,
            "exists": state.record.exists,
            "addresses": sorted(state.record.addresses),
            "answering": sorted(state.answering),
            "ttl_seconds": state.record.ttl_seconds,
            "owner": state.record.owner,
        },
        "would": {
            function: decision and {"action": decision.action.value, "reason": decision.reason}
            for function, decision in {
                "RedeployService": state.deployment_decision,
                "UpdateRecord": state.record_decision,
            }.items()
        },
        "decisions": [
            {
                "at": _time(each.at),
                "function": each.function,
                "action": each.action,
                "reason": each.reason,
                "times": each.times,
            }
            for each in state.decisions
        ],
        "findings": _findings(report.findings),
    }


def _findings(findings: Sequence[Finding]) -> list[Json]:
    return [
        {"kind": f.kind, "level": f.level.value, "what": f.what, "cure": f.cure, "command": f.command}
        for f in findings
    ]


def _time(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None
