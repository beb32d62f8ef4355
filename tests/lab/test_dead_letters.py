"""Nothing is lost: what failed lies in a queue with its reason, an alarm says so, one command replays it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse

from lab.ecr.oci import hello_app_image
from lab.ecr.registry import push_image
from lab.lab import Lab
from lab.user import sam
from lab.waiting import until
from tests.support.terminal import types_python

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

SPEED = 60.0


class Stack:
    """A stack that hears of pushes only: neither its schedule nor ECS's events repair what was lost."""

    def __init__(self, lab: Lab, outputs: dict[str, str]) -> None:
        self.lab = lab
        self.outputs = outputs
        self.queue_url = outputs["Step6Replay"].split()[-1]

    def push(self, version: str) -> str:
        registry, _, rest = self.outputs["Step3Push"].split()[-1].partition("/")
        return push_image(registry, rest.partition(":")[0], "latest", hello_app_image(version))

    def service(self) -> Any:
        cluster, name = self.outputs["ClusterName"], self.outputs["ServiceName"]
        found = self.lab.client("ecs").describe_services(cluster=cluster, services=[name])
        return found["services"][0]

    def running_digests(self) -> set[str]:
        ecs, cluster = self.lab.client("ecs"), self.outputs["ClusterName"]
        arns = ecs.list_tasks(cluster=cluster)["taskArns"]
        tasks = ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        apps = [each for task in tasks for each in task["containers"] if each["name"] == "app"]
        return {app.get("imageDigest", "") for app in apps}

    def tag(self, desired_count: str) -> None:
        tags = [{"key": "pushlive:desired-count", "value": desired_count}]
        self.lab.client("ecs").tag_resource(resourceArn=self.service()["serviceArn"], tags=tags)

    def event_id(self, digest: str) -> str:
        """The id of the event of a push."""
        [pushed] = [
            published.event
            for published in self.lab.delivery.history
            if published.event["detail"].get("image-digest") == digest
        ]
        return str(pushed["id"])

    def log(self, event_id: str) -> list[dict[str, Any]]:
        """RedeployService's lines about an event."""
        logs = self.lab.client("logs")
        [group] = [
            group["logGroupName"]
            for group in logs.describe_log_groups()["logGroups"]
            if group["logGroupName"].endswith("RedeployServiceLogs")
        ]
        lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
        return [json.loads(line) for line in lines if line.startswith("{") and event_id in line]

    def waiting(self) -> int:
        """How many messages the queue holds, those that somebody looks at included."""
        counted = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.lab.client("sqs").get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=counted)
        return sum(int(value) for value in found["Attributes"].values())

    def alarm(self, name: str) -> str:
        alarms = self.lab.client("cloudwatch").describe_alarms()["MetricAlarms"]
        [state] = [alarm["StateValue"] for alarm in alarms if name in alarm["AlarmName"]]
        return str(state)

    def replay(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Run the command that the stack printed."""
        return types_python(" ".join([self.outputs["Step6Replay"], *more]), sam.environment(self.lab))

    def listed(self, wanted: str) -> str:
        """What the command lists, once it lists that."""
        shown = self.replay()
        assert shown.returncode == 0, shown.stdout + shown.stderr
        return shown.stdout if wanted in shown.stdout else ""


@pytest.fixture(scope="module")
def stack(built: Path) -> Iterator[Stack]:
    with Lab(speed=SPEED) as lab:
        port = str(lab.free_port(8080))
        parameters = {"ContainerPort": port, "DrainSeconds": "1", "MinReadySeconds": "1"}
        deployed = Stack(lab, sam.deploy(lab, built, parameters, lambda _: None))
        events = lab.client("events")
        for rule in events.list_rules()["Rules"]:
            if "aws.ecr" not in rule.get("EventPattern", ""):
                events.disable_rule(Name=rule["Name"])
        first = deployed.push("1")
        until(lambda: deployed.running_digests() == {first}, "the first version's task")
        until(lambda: len(deployed.service()["deployments"]) == 1, "its deployment alone")
        yield deployed


@pytest.fixture(autouse=True)
def calm(stack: Stack) -> None:
    """Whatever a test before left behind is gone."""
    stack.tag(desired_count="1")
    stack.lab.client("sqs").purge_queue(QueueUrl=stack.queue_url)


def test_a_run_that_fails_three_times_is_kept_with_its_reason_and_replayed(stack: Stack) -> None:
    stack.tag(desired_count="many")
    digest = stack.push("2")
    # Late events of ECS may fail and lie there too: with this tag every run fails.
    listed = until(lambda: stack.listed("ECR Image Action"), "the push in the dead-letter queue")
    assert [line["message"] for line in stack.log(stack.event_id(digest))] == ["failed"] * 3
    assert "RedeployService" in listed
    assert "RetriesExhausted after 3 tries: " in listed
    assert "1 services could not be served" in listed
    assert "pushlive:desired-count" in listed, "the reason itself"
    assert "--replay sends them again" in listed
    until(lambda: stack.alarm("DeadLettersAlarm") == "ALARM", "the queue's alarm")
    assert stack.waiting() > 0, "listing takes nothing away"
    assert digest not in stack.running_digests()

    stack.tag(desired_count="1")
    replayed = stack.replay("--replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert "sent again" in replayed.stdout
    until(lambda: digest in stack.running_digests(), "a task of the version that was pushed")
    assert stack.waiting() == 0
    assert stack.replay().stdout == "the queue is empty\n"


def test_an_event_that_fails_again_comes_back(stack: Stack) -> None:
    stack.tag(desired_count="many")
    digest = stack.push("3")
    until(lambda: stack.listed("ECR Image Action"), "the push in the dead-letter queue")
    assert stack.replay("--replay").returncode == 0
    until(lambda: len(stack.log(stack.event_id(digest))) == 2 * 3, "three more tries")
    until(lambda: stack.listed("ECR Image Action"), "the push again")
    stack.tag(desired_count="1")
    assert stack.replay("--replay").returncode == 0
    until(lambda: digest in stack.running_digests(), "a task of the version that was pushed")
    assert stack.waiting() == 0


def test_an_event_that_eventbridge_cannot_deliver_is_kept_and_replayed(stack: Stack) -> None:
    def refuse(request: Any, **_: object) -> AWSResponse:
        body = {
            "__type": "AccessDeniedException",
            "message": "not authorized to perform: lambda:InvokeFunction",
        }
        return AWSResponse(request.url, 403, {}, Raw(json.dumps(body)))  # type: ignore[arg-type]

    heard: Any = stack.lab.delivery.invocations.meta.events
    heard.register_first("before-send.lambda.Invoke", refuse)
    try:
        digest = stack.push("4")
        listed = until(lambda: stack.listed("AccessDeniedException"), "the push in the dead-letter queue")
    finally:
        heard.unregister("before-send.lambda.Invoke", refuse)
    assert "AccessDeniedException: not authorized to perform: lambda:InvokeFunction" in listed
    assert stack.log(stack.event_id(digest)) == []
    assert stack.replay("--replay").returncode == 0
    until(lambda: stack.log(stack.event_id(digest)), "the function's word about the event")
    until(lambda: digest in stack.running_digests(), "a task of the version that was pushed")
    assert stack.waiting() == 0


class Raw:
    """A response's body, as urllib3 has it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._text.encode()
