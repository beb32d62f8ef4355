"""The functions' last decisions, from their logs: a line of JSON each, with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from commands.why.state import LoggedDecision

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from commands.why.account import Account

LOOK_BACK = timedelta(hours=24)
# CloudWatch Logs guide, "Using filter patterns to match terms in JSON log events".
PATTERN = '{ $.ecs_service = "*" }'


def read_decisions(account: Account, log_groups: Mapping[str, str], now: datetime) -> list[LoggedDecision]:
    """Return what the functions said of any service in the last day, oldest first."""
    client = account.client("logs")
    since = int((now - LOOK_BACK).timestamp() * 1000)
    found = []
    for function, group in log_groups.items():
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=group, filterPattern=PATTERN, startTime=since
        )
        try:
            events = [event for page in pages for event in page.get("events", [])]
        except client.exceptions.ResourceNotFoundException:
            continue  # no log group, no words; the check of the log groups tells it
        said = (parse(function, each.get("timestamp", 0), each.get("message", "")) for each in events)
        found += [decision for decision in said if decision]
    return sorted(found, key=lambda decision: decision.at)


def parse(function: str, timestamp: int, line: str) -> LoggedDecision | None:
    """Return the decision in a line, of `timestamp` milliseconds since 1970; None if it holds none."""
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict) or "ecs_service" not in said:
        return None
    reason = said.get("reason") or str(said.get("exception", "")).strip().rpartition("\n")[2]
    at = datetime.fromtimestamp(timestamp / 1000, UTC)
    return LoggedDecision(at, function, str(said["ecs_service"]), str(said.get("message", "")), str(reason))


def newest_first(decisions: Iterable[LoggedDecision]) -> tuple[LoggedDecision, ...]:
    """Return them newest first; what a function said several times in a row is one."""
    told = []
    by_function = sorted(decisions, key=lambda each: (each.function, each.at))
    for _, same in groupby(by_function, key=lambda each: (each.function, each.action, each.reason)):
        said = list(same)
        told.append(said[-1]._replace(times=len(said)))
    return tuple(sorted(told, key=lambda each: each.at, reverse=True))
