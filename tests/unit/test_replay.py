"""The command that sends dead letters again: what it reads, sends, keeps and says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from commands.replay import LOOKING_SECONDS, Letter, UnreadableLetterError, main, read_letter, replay

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/dead"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:RedeployService"
PUSH: Json = {
    "time": "2026-11-20T10:00:00Z",
    "detail-type": "ECR Image Action",
    "detail": {"repository-name": "hello"},
}


def of_lambda(event: Json, response: Json | None = None, **context: Any) -> Json:
    """Lambda guide, "Capturing records of Lambda asynchronous invocations", its example."""
    record = {
        "version": "1.0",
        "timestamp": "2026-11-20T10:03:00.000Z",
        "requestContext": {
            "requestId": "1",
            "functionArn": f"{FUNCTION}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
            **context,
        },
        "requestPayload": event,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
    }
    if response is not None:
        record["responsePayload"] = response
    return {"MessageId": "1", "ReceiptHandle": "handle", "Body": json.dumps(record)}


def of_eventbridge(event: Json) -> Json:
    """EventBridge guide, "Using dead-letter queues to process undelivered events"."""
    attributes = {
        "RULE_ARN": "arn:aws:events:us-east-1:123456789012:rule/on-push",
        "TARGET_ARN": FUNCTION,
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "no permission to invoke",
    }
    given = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    return {
        "MessageId": "2",
        "ReceiptHandle": "handle",
        "Body": json.dumps(event),
        "MessageAttributes": given,
    }


FAILED = {"errorType": "EventError", "errorMessage": "region is missing"}


@pytest.mark.parametrize(
    ("message", "letter"),
    [
        pytest.param(
            of_lambda(PUSH, FAILED),
            Letter(
                f"{FUNCTION}:$LATEST", PUSH, "RetriesExhausted after 3 tries: EventError: region is missing"
            ),
            id="three-failures",
        ),
        pytest.param(
            of_lambda(PUSH, None, condition="EventAgeExceeded", approximateInvokeCount=1),
            Letter(f"{FUNCTION}:$LATEST", PUSH, "EventAgeExceeded after 1 tries: no answer"),
            id="too-old-without-an-answer",
        ),
        pytest.param(
            of_eventbridge(PUSH),
            Letter(FUNCTION, PUSH, "NO_PERMISSIONS: no permission to invoke"),
            id="not-delivered",
        ),
    ],
)
def test_letter_is_read(message: Any, letter: Letter) -> None:
    assert read_letter(message) == letter


@pytest.mark.parametrize(
    "body",
    ["no JSON", "[]", "{}", '{"requestContext": {}}', json.dumps(PUSH)],
    ids=["no-json", "a-list", "empty", "half-a-record", "an-event-without-attributes"],
)
def test_what_nobody_sends_is_an_error(body: str) -> None:
    with pytest.raises(UnreadableLetterError, match="neither"):
        read_letter({"Body": body})


@pytest.mark.parametrize(
    ("event", "title"),
    [
        pytest.param(PUSH, "2026-11-20T10:00:00Z ECR Image Action hello", id="push"),
        pytest.param(
            {"detail-type": "ECS Task State Change", "detail": {"group": "service:app"}},
            "ECS Task State Change service:app",
            id="task",
        ),
        pytest.param(
            {"detail-type": "ECS Deployment State Change", "resources": ["arn:a"], "detail": None},
            "ECS Deployment State Change arn:a",
            id="deployment",
        ),
        pytest.param({}, "an event without a type", id="damaged"),
    ],
)
def test_title_says_what_it_is_about(event: Json, title: str) -> None:
    assert Letter(FUNCTION, event, "").title == title


class Aws:
    """The two clients, which answer what they are told to, in order, and complain about anything else."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", region_name="us-east-1")
        self.functions = boto3.client("lambda", region_name="us-east-1")
        self.queue = Stubber(self.sqs)
        self.invocations = Stubber(self.functions)
        self.said: list[str] = []

    def holds(self, *messages: Json) -> None:
        asked = {
            "QueueUrl": QUEUE,
            "MaxNumberOfMessages": 10,
            "MessageAttributeNames": ["All"],
            "VisibilityTimeout": LOOKING_SECONDS,
            "WaitTimeSeconds": 1,
        }
        for answer in [{"Messages": list(messages)}] if messages else []:
            self.queue.add_response("receive_message", answer, asked)
        self.queue.add_response("receive_message", {}, asked)

    def shows_again(self) -> None:
        back = {"QueueUrl": QUEUE, "ReceiptHandle": "handle", "VisibilityTimeout": 0}
        self.queue.add_response("change_message_visibility", {}, back)

    def deletes(self) -> None:
        self.queue.add_response("delete_message", {}, {"QueueUrl": QUEUE, "ReceiptHandle": "handle"})

    def takes(self, function_arn: str) -> None:
        call = {
            "FunctionName": function_arn,
            "InvocationType": "Event",
            "Payload": json.dumps(PUSH).encode(),
        }
        self.invocations.add_response("invoke", {"StatusCode": 202}, call)

    def replay(self, *, send: bool) -> int:
        return replay(self.functions, self.sqs, QUEUE, send=send, say=self.said.append)

    @property
    def text(self) -> str:
        return "\n".join(self.said)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    stubbed = Aws()
    with stubbed.queue, stubbed.invocations:
        yield stubbed
        stubbed.queue.assert_no_pending_responses()
        stubbed.invocations.assert_no_pending_responses()


def test_an_empty_queue_is_said_to_be_empty(aws: Aws) -> None:
    aws.holds()
    assert aws.replay(send=True) == 0
    assert aws.said == []


def test_a_list_sends_and_removes_nothing(aws: Aws) -> None:
    aws.holds(of_lambda(PUSH, FAILED))
    aws.shows_again()
    assert aws.replay(send=False) == 1
    assert aws.text.splitlines() == [
        "RedeployService: 2026-11-20T10:00:00Z ECR Image Action hello",
        "    RetriesExhausted after 3 tries: EventError: region is missing",
    ]


@pytest.mark.parametrize(
    ("message", "function_arn"),
    [
        pytest.param(of_lambda(PUSH, FAILED), f"{FUNCTION}:$LATEST", id="failed"),
        pytest.param(of_eventbridge(PUSH), FUNCTION, id="not-delivered"),
    ],
)
def test_a_letter_is_removed_when_it_was_sent(aws: Aws, message: Json, function_arn: str) -> None:
    aws.holds(message)
    aws.takes(function_arn)
    aws.deletes()
    assert aws.replay(send=True) == 0
    assert aws.said[-1] == "    sent again"


def test_a_letter_that_lambda_does_not_take_stays(aws: Aws) -> None:
    aws.holds(of_lambda(PUSH, FAILED))
    aws.invocations.add_client_error("invoke", "TooManyRequestsException", "Rate exceeded")
    aws.shows_again()
    assert aws.replay(send=True) == 1
    assert "left: " in aws.said[-1]
    assert "TooManyRequestsException" in aws.said[-1]


def test_a_message_that_nobody_sends_stays_and_the_next_is_sent(aws: Aws) -> None:
    aws.holds({"MessageId": "3", "ReceiptHandle": "handle", "Body": "?"}, of_lambda(PUSH, FAILED))
    aws.shows_again()
    aws.takes(f"{FUNCTION}:$LATEST")
    aws.deletes()
    assert aws.replay(send=True) == 1
    assert "neither Lambda nor EventBridge" in aws.text


@pytest.mark.parametrize(
    ("arguments", "sends", "code", "said"),
    [
        pytest.param([], False, 0, "1 messages; --replay sends them again", id="a-list"),
        pytest.param(["--replay"], True, 0, "sent again", id="replay"),
        pytest.param(["--replay", "--region", "us-east-1"], True, 0, "sent again", id="in-a-region"),
    ],
)
def test_the_command_line(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sends: bool,  # noqa: FBT001
    code: int,
    said: str,
) -> None:
    regions: list[str | None] = []

    class Session:
        def __init__(self, region_name: str | None = None) -> None:
            regions.append(region_name)

        def client(self, service: str) -> Any:
            return {"sqs": aws.sqs, "lambda": aws.functions}[service]

    monkeypatch.setattr("commands.replay.boto3.Session", Session)
    aws.holds(of_lambda(PUSH, FAILED))
    if sends:
        aws.takes(f"{FUNCTION}:$LATEST")
        aws.deletes()
    else:
        aws.shows_again()
    assert main([QUEUE, *arguments]) == code
    assert said in capsys.readouterr().out
    assert regions == ["us-east-1" if "--region" in arguments else None]


def test_the_command_line_of_an_empty_queue(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients = {"sqs": aws.sqs, "lambda": aws.functions}
    monkeypatch.setattr("commands.replay.boto3.Session.client", lambda _, service: clients[service])
    aws.holds()
    assert main([QUEUE]) == 0
    assert capsys.readouterr().out == "the queue is empty\n"


def test_the_command_line_fails_where_messages_stay_that_were_to_be_sent(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    clients = {"sqs": aws.sqs, "lambda": aws.functions}
    monkeypatch.setattr("commands.replay.boto3.Session.client", lambda _, service: clients[service])
    aws.holds(of_lambda(PUSH, FAILED))
    aws.invocations.add_client_error("invoke", "TooManyRequestsException", "Rate exceeded")
    aws.shows_again()
    assert main([QUEUE, "--replay"]) == 1
    assert "sends them again" not in capsys.readouterr().out


def test_a_request_of_cloudformation_is_never_sent_again(aws: Aws) -> None:
    """A Delete that comes late would remove the record of a stack that lives on."""
    aws.holds(of_lambda({"RequestType": "Delete", "StackId": "-"}, FAILED))
    aws.shows_again()
    assert aws.replay(send=True) == 1
    assert "CloudFormation no longer waits" in aws.text
