"""Lists the events that a stack's functions failed on, with the reasons; with --replay sends them again.

    python3 commands/replay.py QUEUE_URL [--replay] [--region REGION]

QUEUE_URL is the stack's output `Step6Replay`. Needs boto3 and the credentials of a person who may read the
queue and invoke the functions. An event is removed from the queue only when Lambda has accepted it; one
that fails again comes back. Replaying an event that was handled meanwhile does no harm: the functions look at
what is there now.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# For so long nobody else sees a message that is being looked at; one that is left comes back at once.
LOOKING_SECONDS = 120


class UnreadableLetterError(Exception):
    """A message that neither Lambda nor EventBridge sends."""


@dataclass(frozen=True)
class Letter:
    """An event that could not be handled."""

    function_arn: str
    event: Mapping[str, Any]
    reason: str

    @property
    def title(self) -> str:
        """What the event is, and of which resource."""
        detail = self.event.get("detail")
        detail = detail if isinstance(detail, dict) else {}
        about = (
            detail.get("repository-name") or detail.get("group") or ", ".join(self.event.get("resources", []))
        )
        what = self.event.get("detail-type") or self.event.get("RequestType") or "an event without a type"
        return " ".join(str(part) for part in (self.event.get("time"), what, about) if part)

    @property
    def is_of_cloudformation(self) -> bool:
        """CloudFormation no longer waits for its answer, and a late Delete would remove a live record."""
        return "RequestType" in self.event


def read_letter(message: MessageTypeDef) -> Letter:
    """Return what a message of the queue holds.

    Lambda's is an invocation record (guide, "Capturing records of Lambda asynchronous invocations").
    EventBridge's is the event itself, with attributes (guide, "Using dead-letter queues to process
    undelivered events").

    Raises:
        UnreadableLetterError: it is neither.
    """
    attributes = {
        name: each.get("StringValue", "") for name, each in message.get("MessageAttributes", {}).items()
    }
    try:
        body = json.loads(message["Body"])
        if "TARGET_ARN" in attributes:
            reason = f"{attributes.get('ERROR_CODE', 'not delivered')}: {attributes.get('ERROR_MESSAGE', '')}"
            return Letter(attributes["TARGET_ARN"], dict(body), reason)
        context, response = body["requestContext"], body.get("responsePayload") or {}
        error = ": ".join(str(response[key]) for key in ("errorType", "errorMessage") if key in response)
        reason = (
            f"{context['condition']} after {context['approximateInvokeCount']} tries: {error or 'no answer'}"
        )
        return Letter(context["functionArn"], dict(body["requestPayload"]), reason)
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableLetterError(
            f"neither Lambda nor EventBridge sends this: {message['Body']:.200}"
        ) from error


def messages_of(queue: SQSClient, queue_url: str) -> list[MessageTypeDef]:
    """Return all messages of the queue, hidden from others for LOOKING_SECONDS."""
    found: dict[str, MessageTypeDef] = {}
    while True:
        answer = queue.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=LOOKING_SECONDS,
            WaitTimeSeconds=1,  # a short poll may miss messages (SQS guide, "short and long polling")
        )
        new = {message["MessageId"]: message for message in answer.get("Messages", [])}
        if not new:
            return list(found.values())
        found |= new


def replay(
    functions: LambdaClient,
    queue: SQSClient,
    queue_url: str,
    *,
    send: bool,
    say: Callable[[str], None] = print,
) -> int:
    """Say what lies in the queue, and send it again if asked to; return how many messages stay there."""
    staying = 0
    for message in messages_of(queue, queue_url):
        try:
            letter = read_letter(message)
            say(f"{letter.function_arn.split(':')[6]}: {letter.title}\n    {letter.reason}")
            sent = send and _sent(functions, letter, say)
        except UnreadableLetterError as error:
            say(f"left: {error}")
            sent = False
        if sent:
            queue.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        else:
            staying += 1
            queue.change_message_visibility(
                QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
    return staying


def _sent(functions: LambdaClient, letter: Letter, say: Callable[[str], None]) -> bool:
    if letter.is_of_cloudformation:
        say("    left: CloudFormation no longer waits for it; deploy or delete the stack again instead")
        return False
    try:
        functions.invoke(
            FunctionName=letter.function_arn,
            InvocationType="Event",
            Payload=json.dumps(letter.event).encode(),
        )
    except (ClientError, BotoCoreError) as error:
        say(f"    left: {error}")
        return False
    say("    sent again")
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 if messages stay that were to be replayed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("queue_url", help="URL of the dead-letter queue, as the output Step6Replay has it")
    parser.add_argument(
        "--replay", action="store_true", help="send the events again; without it, only list them"
    )
    parser.add_argument("--region", help="the stack's region (default: that of your AWS configuration)")
    chosen = parser.parse_args(arguments)
    session = boto3.Session(region_name=chosen.region)
    staying = replay(session.client("lambda"), session.client("sqs"), chosen.queue_url, send=chosen.replay)
    if not chosen.replay:
        print(f"{staying} messages; --replay sends them again" if staying else "the queue is empty")
    return 1 if chosen.replay and staying else 0


if __name__ == "__main__":
    sys.exit(main())
