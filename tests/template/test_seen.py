"""The alarms, the dashboard and the saved query name only what is really measured and written."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import PUSHLIVE, ROOT, Stack, fill
from pushlive.metrics import NAMESPACE, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    Json = dict[str, Any]
    Row = tuple[str, str, str, str]

# What AWS measures by itself, with the dimension that tells whose it is (Lambda guide, "Types of metrics for
# Lambda functions"; SQS guide, "Available CloudWatch metrics for Amazon SQS").
MEASURED_BY_AWS = {
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
}
CODE = [*(ROOT / "functions").rglob("app.py"), *(ROOT / "layers" / "pushlive" / "pushlive").glob("*.py")]


def emitted() -> set[str]:
    """The metrics that some line of code hands to `emit`, by whatever way."""
    return {
        Metric[node.attr].value
        for path in CODE
        if path.name != "metrics.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Metric"
    }


def resolved(stack: Stack) -> Json:
    """The dashboard's body, with references as `<Name>`."""
    names = {
        name: f"<{name}>" for name in (*stack.resources, "AWS::Region", "AWS::StackName", *stack.parameters)
    }
    names |= {f"{name}.{key}": f"<{name}>" for name in stack.resources for key in ("Arn", "QueueName")}
    body: Json = json.loads(fill(stack.resources["Dashboard"]["Properties"]["DashboardBody"], names))
    return body


def rows(stack: Stack) -> Iterator[Row]:
    for widget in resolved(stack)["widgets"]:
        for row in widget["properties"].get("metrics", []):
            namespace, name, dimension, value = row[:4]
            yield namespace, name, dimension, value


def test_each_metric_that_has_a_name_is_emitted() -> None:
    assert emitted() == {metric.value for metric in Metric}


def test_the_dashboard_shows_what_is_measured_of_this_stack(either_pushlive_stack: Stack) -> None:
    shown = list(rows(either_pushlive_stack))
    assert {name for namespace, name, *_ in shown if namespace == NAMESPACE} == emitted()
    for namespace, name, dimension, value in shown:
        if namespace == NAMESPACE:
            assert (dimension, value) == ("ClusterName", "<ClusterName>")
        else:
            assert (namespace, name, dimension) in MEASURED_BY_AWS
            assert value in {"<RedeployService>", "<UpdateRecord>", "<DeadLetters>"}


def test_the_dashboard_refers_to_nothing_that_is_not_there(either_pushlive_stack: Stack) -> None:
    text = json.dumps(resolved(either_pushlive_stack))
    assert "${" not in text
    assert ("<UpdateRecord>" in text) == ("UpdateRecord" in either_pushlive_stack.resources)
    alarms = {
        arn.strip("<>") for widget in resolved(either_pushlive_stack)["widgets"] for arn in alarms_of(widget)
    }
    assert alarms == set(either_pushlive_stack.of_type("AWS::CloudWatch::Alarm"))


def alarms_of(widget: Json) -> list[str]:
    return list(widget["properties"].get("alarms", []))


def test_widgets_do_not_overlap(pushlive_stack: Stack) -> None:
    """CloudWatch API reference, "Dashboard body structure": a grid of 24 columns."""
    cells = [
        (x, y)
        for each in resolved(pushlive_stack)["widgets"]
        for x in range(each["x"], each["x"] + each["width"])
        for y in range(each["y"], each["y"] + each["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_each_alarm_watches_something_that_is_measured_and_tells_somebody(
    either_pushlive_stack: Stack,
) -> None:
    for alarm in either_pushlive_stack.of_type("AWS::CloudWatch::Alarm").values():
        [dimension] = alarm["Dimensions"]
        key = (alarm["Namespace"], alarm["MetricName"], dimension["Name"])
        ours = {(NAMESPACE, name, "ClusterName") for name in emitted()}
        assert key in MEASURED_BY_AWS | ours
        assert alarm["AlarmActions"] == [{"Ref": "Notifications"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"]


def test_what_the_schedule_counts_is_counted_in_each_period_of_an_alarm(pushlive_stack: Stack) -> None:
    """A look every five minutes: two may fall into one period, and none into the next."""
    for name, points in (("DeploymentLateAlarm", 1), ("NoAnswerAlarm", 2)):
        alarm = pushlive_stack.resources[name]["Properties"]
        assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (300, 3, points)


@pytest.mark.parametrize(("email", "there"), [("me@example.com", True), ("", False)])
def test_an_address_subscribes_to_the_topic(templates: dict[str, Json], email: str, there: bool) -> None:  # noqa: FBT001
    subscriptions = Stack(templates[PUSHLIVE], {"NotificationEmail": email}).of_type("AWS::SNS::Subscription")
    assert bool(subscriptions) == there
    for subscription in subscriptions.values():
        assert subscription["TopicArn"] == {"Ref": "Notifications"}
        assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", {"Ref": "NotificationEmail"})


def test_both_functions_tell_the_same_topic(pushlive_stack: Stack) -> None:
    for function in pushlive_stack.of_type("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["TOPIC_ARN"] == {"Ref": "Notifications"}
