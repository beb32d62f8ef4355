"""EventBridge: which event triggers which function, by the template's own patterns, and how late.

Sources: EventBridge guide, "Event patterns", "Event delivery" (at least once, no order); ECR guide,
"Amazon ECR events and EventBridge" (best effort).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from lab.template import PUSHLIVE, Stack, fill, written_template
from trials.simulation.places import (
    ACCOUNT,
    CLUSTER,
    HOST_NAMES,
    REGION,
    REPOSITORY,
    ZONE_ID,
    iso,
)

if TYPE_CHECKING:
    from trials.simulation.cloud import Cloud
    from trials.simulation.places import Json

OVERDUE_SECONDS = (20, 280)


@dataclass(frozen=True)
class Rules:
    """The rules of the stack: function and pattern; function and period in seconds."""

    patterns: tuple[tuple[str, Any], ...]
    schedules: tuple[tuple[str, float], ...]


@cache
def rules_of_template() -> Rules:
    """The rules that pushlive.yaml gives each function."""
    stack = Stack(written_template(PUSHLIVE), {"HostedZoneId": ZONE_ID, "HostNames": HOST_NAMES["app"]})
    names = {
        "AWS::Partition": "aws",
        "AWS::AccountId": ACCOUNT,
        "AWS::Region": REGION,
        "ClusterName": CLUSTER,
        "Repositories": REPOSITORY,
    }
    patterns, schedules = [], []
    for function, properties in stack.of_type("AWS::Serverless::Function").items():
        for rule in properties["Events"].values():
            if rule["Type"] == "Schedule":
                number, unit = rule["Properties"]["Schedule"].removeprefix("rate(").removesuffix(")").split()
                schedules.append(
                    (function, float(number) * {"minute": 60, "hour": 3600}[unit.removesuffix("s")])
                )
            else:
                patterns.append((function, fill(rule["Properties"]["Pattern"], names)))
    return Rules(tuple(patterns), tuple(schedules))


def matches(pattern: Any, value: Any) -> bool:
    """Whether an event matches: each key of the pattern, by one of the values that it lists.

    Of the comparisons only those that the template uses: equal, prefix, anything-but.
    """
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(matches(each, value.get(key)) for key, each in pattern.items())
    values = value if isinstance(value, list) else [value]
    return any(_compares(wanted, each) for wanted in pattern for each in values if each is not None)


def _compares(wanted: Any, value: Any) -> bool:
    match wanted:
        case {"prefix": prefix}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"wildcard": pattern}:
            return (
                isinstance(value, str)
                and re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), value) is not None
            )
        case {"anything-but": other}:
            return bool(value != other)
        case dict():
            raise ValueError(f"not modelled: {wanted}")
    return bool(wanted == value)


class Bus:
    """Delivers events to the functions."""

    def __init__(self, cloud: Cloud, rules: Rules) -> None:
        self._cloud = cloud
        self._rules = rules
        self._events = 0
        self.muted = False

    def start_schedules(self) -> None:
        """Begin the five minutes of each function, at different moments."""
        for function, period in self._rules.schedules:
            self._cloud.clock.after(
                self._cloud.random.uniform(5, period), partial(self._tick, function, period)
            )

    def _tick(self, function: str, period: float) -> None:
        self._cloud.clock.after(period, lambda: self._tick(function, period))
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/EveryFiveMinutes"
        self._deliver(function, self.event("aws.events", "Scheduled Event", [arn], {}), "schedule")

    def event(self, source: str, kind: str, resources: list[str], detail: Json) -> Json:
        """An event of now."""
        self._events += 1
        return {
            "version": "0",
            "id": f"event-{self._events}",
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": iso(self._cloud.clock.now),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }

    def publish(self, event: Json) -> None:
        """Deliver an event to each function with a rule that it matches."""
        faults = self._cloud.faults
        if self.muted:
            return
        if event["source"] == "aws.ecr" and faults.happens(faults.fault_rates.push_lost):
            self._cloud.clock.fault("push event lost", "ECR's event is lost")
            return
        for function, pattern in self._rules.patterns:
            if matches(pattern, event):
                self._deliver(function, event, _name(event))

    def _deliver(self, function: str, event: Json, why: str) -> None:
        cloud, faults = self._cloud, self._cloud.faults
        copies = 1
        if faults.happens(faults.fault_rates.twice, grave=False):
            cloud.clock.fault("event repeated", "%s comes twice to %s", why, function)
            copies = 2
        for _ in range(copies):
            delay = cloud.random.uniform(0.2, 1.2)
            if faults.happens(faults.fault_rates.late):
                delay = cloud.random.uniform(*OVERDUE_SECONDS)
                cloud.clock.fault("event late", "%s comes to %s only after %d s", why, function, delay)
            cloud.functions.invoke(function, event, why, delay=delay)


def _name(event: Json) -> str:
    detail = event["detail"]
    if event["source"] == "aws.ecr":
        return f"push of {detail['repository-name']}:{detail['image-tag']}"
    if "lastStatus" in detail:
        return f"{detail['group'].partition(':')[2]}'s task {detail['taskArn'][-4:]} {detail['lastStatus']}"
    return f"{event['resources'][0].rpartition('/')[2]} {detail['eventName'].removeprefix('SERVICE_')}"
