"""What CloudWatch measures of functions, read from their logs: MiniStack keeps them, and measures nothing.

Sources: CloudWatch guide, "Specification: Embedded metric format"; Lambda guide, "Types of metrics for Lambda
functions", Errors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient


# An error that a handler raises is written by MiniStack as Python prints it; Powertools' lines are JSON.
TRACEBACK = "Traceback (most recent call last)"


@dataclass
class FunctionMetrics:
    """Reads the functions' logs again and again; publishes each line once."""

    functions: LambdaClient
    logs: CloudWatchLogsClient
    cloudwatch: Any
    _seen: dict[str, int] = field(default_factory=dict)
    """Log group to the time, in milliseconds, of the newest line that was read."""
    _read: set[tuple[str, str, int, str]] = field(default_factory=set)
    """Lines that were read: another one of the same time may still come."""

    def publish(self) -> None:
        """Publish what has come since the last time."""
        for function in self.functions.list_functions()["Functions"]:
            group = function.get("LoggingConfig", {}).get("LogGroup")
            if not group:
                continue
            errors = 0
            for text in self._new_lines(group):
                errors += TRACEBACK in text and not text.startswith("{")
                for namespace, metrics in metrics_in(text):
                    self.cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics)
            if errors:
                self._count_errors(function["FunctionName"], errors)

    def _count_errors(self, function_name: str, errors: int) -> None:
        metric = {
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": function_name}],
            "Value": float(errors),
            "Unit": "Count",
        }
        self.cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=[metric])

    def _new_lines(self, group: str) -> Iterator[str]:
        since = self._seen.get(group, 0)
        found = self.logs.filter_log_events(logGroupName=group, startTime=since)["events"]
        for event in found:
            line = (group, event["logStreamName"], event["timestamp"], event["message"])
            if line not in self._read:
                self._read.add(line)
                self._seen[group] = max(self._seen.get(group, 0), event["timestamp"])
                yield event["message"]


def metrics_in(line: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield namespace and metrics of a line of a log; nothing where it is another line."""
    if '"CloudWatchMetrics"' not in line:
        return
    told = json.loads(line)
    for directive in told["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            dimensions = [{"Name": name, "Value": told[name]} for name in names]
            yield (
                directive["Namespace"],
                [
                    {
                        "MetricName": metric["Name"],
                        "Dimensions": dimensions,
                        "Values": [float(value) for value in _values(told[metric["Name"]])],
                        "Unit": metric.get("Unit", "None"),
                    }
                    for metric in directive["Metrics"]
                ],
            )


def _values(measured: float | list[float]) -> list[float]:
    return measured if isinstance(measured, list) else [measured]
