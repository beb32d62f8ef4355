"""SQS's metric of its queues, which alarms read: MiniStack evaluates alarms but measures no queue.

Source: SQS guide, "Available CloudWatch metrics for Amazon SQS": each queue, once a minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def publish(queues: SQSClient, cloudwatch: Any) -> None:  # noqa: ANN401 - a client of CloudWatch
    """Publish how many messages of each queue wait to be received."""
    measured = []
    for url in queues.list_queues().get("QueueUrls", []):
        attributes = queues.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        measured.append(
            {
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": url.rpartition("/")[2]}],
                "Value": float(attributes["ApproximateNumberOfMessages"]),
                "Unit": "Count",
            }
        )
    if measured:
        cloudwatch.put_metric_data(Namespace="AWS/SQS", MetricData=measured)
