"""The answer as JSON. Its keys stay; times are ISO 8601 in UTC, and what is not known is null.

stack, region, status, at
wrong           whether anything is
findings        of the stack: kind, level (problem, note, unseen), what, cure, command
services        service_name, tags, desired_count, running_count, url, distribution (its id), and
  images        reference, digest, pushed_at
  deployment    the newest: arn, status, reason, created_at, finished_at, digests
  tasks         task_arn, last_status, health_status, since, digests, public_ip, answers,
                readiness (of its readiness sidecar, which then says whether it answers)
  record        name, exists, addresses, answering, ttl_seconds, owner
  would         what RedeployService and UpdateRecord would do now: action, reason
  decisions     what they did, newest first: at, function, action, reason, times
  findings      of the service, as above
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from commands.why.finding import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commands.why.report import Report, ServiceReport
    from commands.why.state import RunningTask, ServiceState

Json = dict[str, Any]


def as_json(report: Report) -> Json:
    """Return the report with the keys above."""
    state = report.state
    return {
        "stack": state.stack.name,
        "region": state.region,
        "status": state.stack.status,
        "at": _plain(state.at),
        "wrong": report.count(Level.PROBLEM) > 0,
        "findings": _each(report.findings, "kind level what cure command"),
        "services": [_service(each) for each in report.services],
    }


def _service(report: ServiceReport) -> Json:
    state = report.state
    return {
        "service_name": state.service.service_name,
        "tags": dict(state.tags),
        "desired_count": state.service.desired_count,
        "running_count": state.service.running_count,
        "images": _each(state.images, "reference digest pushed_at"),
        "deployment": _deployment(state),
        "tasks": [_task(each, state.port) for each in state.tasks],
        "url": state.url,
        "distribution": state.before and state.before.distribution_id,
        "record": state.record
        and {
            "name": state.host_name,
            **_of(state.record, "exists addresses"),
            "answering": _plain(state.answering),
            **_of(state.record, "ttl_seconds owner"),
        },
        "would": {
            "RedeployService": state.deployment_decision and _of(state.deployment_decision, "action reason"),
            "UpdateRecord": state.record_decision and _of(state.record_decision, "action reason"),
        },
        "decisions": _each(state.decisions, "at function action reason times"),
        "findings": _each(report.findings, "kind level what cure command"),
    }


def _deployment(state: ServiceState) -> Json | None:
    if (newest := state.newest) is None:
        return None
    named = {"arn": newest.deployment_arn, "status": newest.status, "reason": newest.status_reason}
    return {**named, **_of(newest, "created_at finished_at"), "digests": dict(newest.digests)}


def _task(running: RunningTask, port: int | None) -> Json:
    return {
        **_of(running.task, "task_arn last_status health_status"),
        "since": _plain(running.task.started_at),
        "digests": list(running.digests),
        "public_ip": running.public_ip,
        "answers": running.answers if port or running.task.readiness else None,
        "readiness": running.task.readiness or None,
    }


def _each(values: Iterable[object], names: str) -> list[Json]:
    return [_of(value, names) for value in values]


def _of(value: object, names: str) -> Json:
    return {name: _plain(getattr(value, name)) for name in names.split()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - of any type that a field has
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case Enum():
            return value.value
        case frozenset():
            return sorted(value)
    return value
