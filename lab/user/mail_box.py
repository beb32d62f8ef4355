"""What a subscriber of the stack's topic gets: the lab has no mail, so a queue subscribes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.lab import Lab


@dataclass(frozen=True)
class Mail:
    """A message as people see it."""

    subject: str
    text: str


class Inbox:
    """Subscribed to a topic from when it is made; `mails` holds all that came, oldest first."""

    def __init__(self, lab: Lab, topic_arn: str, name: str = "inbox") -> None:
        self._queues = lab.client("sqs")
        self._url = self._queues.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        lab.client("sns").subscribe(
            TopicArn=topic_arn, Protocol="sqs", Endpoint=attributes["Attributes"]["QueueArn"]
        )
        self._mails: list[Mail] = []

    @property
    def mails(self) -> list[Mail]:
        """All that came until now."""
        while messages := self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                envelope = json.loads(message["Body"])
                self._mails.append(Mail(envelope.get("Subject", ""), envelope["Message"]))
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return list(self._mails)

    def mail(self, subject: str) -> Mail | None:
        """Return the newest with these words in its subject, if one came."""
        return next((mail for mail in reversed(self.mails) if subject in mail.subject), None)
