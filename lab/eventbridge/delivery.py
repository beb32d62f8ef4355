"""EventBridge: events reach the targets of the deployed rules whose patterns match.

MiniStack knows the rules and matches patterns, but takes no events of `aws.*` sources and gives up after
one try. So: ListRules, TestEventPattern, asynchronous Invoke; and the dead-letter queue for what could
not be delivered. From there on Lambda's retries and its own queue are MiniStack's.

Sources: EventBridge guide, "Retry policy" and "Dead-letter queues"; ECR guide, "Amazon ECR events".
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab.identity import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

AT_ONCE = 8

log = logging.getLogger(__name__)


@dataclass
class Published:
    """An event of the lab, kept for those who tell what happened."""

    at: float
    event: dict[str, Any]
    lost: bool = False


@dataclass
class Delivery:
    """Takes events from any thread, at once; delivers them in the background."""

    events: EventBridgeClient
    invocations: LambdaClient
    queues: SQSClient
    retry_seconds: float
    history: list[Published] = field(default_factory=list)
    _lose: list[tuple[Callable[[Mapping[str, Any]], bool], bool]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="eventbridge")
    )

    def lose(self, is_it: Callable[[Mapping[str, Any]], bool], *, once: bool = True) -> None:
        """Lose the next event for which `is_it` holds, or each one: events are best effort."""
        with self._lock:
            self._lose.append((is_it, once))

    def publish(self, event: dict[str, Any]) -> None:
        """Deliver an event to every target of every rule that matches it."""
        published = Published(time.time(), event)
        with self._lock:
            for is_it, once in self._lose:
                if is_it(event):
                    if once:
                        self._lose.remove((is_it, once))
                    published.lost = True
                    break
            self.history.append(published)
        if not published.lost:
            self._in_background(self._deliver, event)

    def image_action(self, repository: str, tag: str, digest: str, media_type: str, action: str) -> None:
        """Publish ECR's event of an image that came or went."""
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "action-type": action,
            "image-tag": tag,
        }
        if media_type:
            detail["manifest-media-type"] = media_type
        self.publish(envelope("aws.ecr", "ECR Image Action", detail))

    def pushed_at(self, digest: str) -> float | None:
        """Return when the registry last accepted this digest under a tag."""
        with self._lock:
            for published in reversed(self.history):
                detail = published.event["detail"]
                if detail.get("image-digest") == digest and detail.get("image-tag"):
                    return published.at
        return None

    def schedules(self) -> dict[str, float]:
        """Return the scheduled rules by name, with their period in seconds."""
        periods = {}
        for rule in self.events.list_rules()["Rules"]:
            expression = rule.get("ScheduleExpression", "")
            if expression.startswith("rate(") and rule["State"] == "ENABLED":
                number, unit = expression.removeprefix("rate(").removesuffix(")").split()
                seconds = {"minute": 60, "hour": 3600, "day": 86400}[unit.removesuffix("s")]
                periods[rule["Name"]] = float(number) * seconds
        return periods

    def run_schedule(self, rule_name: str) -> str:
        """Run a scheduled rule now, in the background; return its event's id."""
        arn = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule_name}"
        event = envelope("aws.events", "Scheduled Event", {}, resources=[arn])
        with self._lock:
            self.history.append(Published(time.time(), event))
        self._in_background(self._send, rule_name, event)
        return str(event["id"])

    def close(self) -> None:
        """Deliver nothing more."""
        self._closed.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _in_background(self, deliver: Callable[..., None], *arguments: object) -> None:
        if self._closed.is_set():
            return
        self._pool.submit(deliver, *arguments).add_done_callback(self._say_what_failed)

    def _say_what_failed(self, delivered: Future[None]) -> None:
        """Tell of an error that is not the lab's end: a rule may be deleted while it is looked at."""
        if delivered.cancelled() or self._closed.is_set():
            return
        if (error := delivered.exception()) is not None:
            log.warning("an event was not delivered: %r", error)

    def _deliver(self, event: dict[str, Any]) -> None:
        text = json.dumps(event)
        for rule in self.events.list_rules()["Rules"]:
            pattern = rule.get("EventPattern")
            if (
                pattern
                and rule["State"] == "ENABLED"
                and self.events.test_event_pattern(EventPattern=pattern, Event=text)["Result"]
            ):
                self._send(rule["Name"], event)

    def _send(self, rule_name: str, event: dict[str, Any]) -> None:
        for target in self.events.list_targets_by_rule(Rule=rule_name)["Targets"]:
            payload = target.get("Input") or json.dumps(event)
            tries = 1 + target.get("RetryPolicy", {}).get("MaximumRetryAttempts", 185)
            for attempt in range(tries):
                try:
                    self.invocations.invoke(
                        FunctionName=target["Arn"], InvocationType="Event", Payload=payload
                    )
                    break
                except ClientError as error:
                    if attempt + 1 == tries or self._closed.wait(self.retry_seconds):
                        self._give_up(rule_name, target, payload, error)
                        break

    def _give_up(self, rule_name: str, target: Mapping[str, Any], payload: str, error: ClientError) -> None:
        """Put the event into the target's dead-letter queue, with EventBridge's attributes."""
        queue_arn = target.get("DeadLetterConfig", {}).get("Arn")
        if not queue_arn or self._closed.is_set():
            return
        attributes = {
            "RULE_ARN": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{rule_name}",
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": error.response["Error"]["Code"],
            "ERROR_MESSAGE": error.response["Error"]["Message"],
        }
        url = self.queues.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        self.queues.send_message(
            QueueUrl=url,
            MessageBody=payload,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )


def envelope(
    source: str, kind: str, detail: dict[str, Any], resources: list[str] | None = None
) -> dict[str, Any]:
    """Return an event as EventBridge wraps it; its time has whole seconds."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": ACCOUNT,
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": resources or [],
        "detail": detail,
    }
