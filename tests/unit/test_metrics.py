"""What is measured, as CloudWatch reads it."""

from __future__ import annotations

import json

import pytest

from pushlive.metrics import Metric, emit

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/lab"


def test_names_are_those_of_the_templates_alarms_and_dashboard() -> None:
    assert [metric.value for metric in Metric] == [
        "DeploymentsStarted", "DeploymentsLive", "DeploymentsFailed", "DeploymentsOverdue", "SecondsToLive",
        "RecordsWritten", "RecordsDeleted", "RecordsRefused", "ServicesUnresponsive",
    ]  # fmt: skip


@pytest.mark.parametrize("metric", list(Metric), ids=lambda metric: metric.value)
def test_unit_value_and_dimension(metric: Metric, capsys: pytest.CaptureFixture[str]) -> None:
    value = {} if metric is not Metric.SECONDS_TO_LIVE else {"value": 12.5}
    emit(metric, CLUSTER, **value)
    line = json.loads(capsys.readouterr().out)
    [described] = line["_aws"]["CloudWatchMetrics"]
    unit = "Seconds" if metric is Metric.SECONDS_TO_LIVE else "Count"
    assert described["Metrics"] == [{"Name": metric.value, "Unit": unit}]
    assert (described["Namespace"], described["Dimensions"]) == ("pushlive", [["ClusterName"]])
    assert line["ClusterName"] == "lab"
    assert line[metric.value] == [value.get("value", 1)]
