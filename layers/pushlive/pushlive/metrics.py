"""The metrics that the functions emit, in CloudWatch's embedded metric format (CloudWatch guide).

Each name costs something a month for each cluster, but only in the hours in which it is
emitted. So there are few, with one dimension, the cluster, which keeps two stacks apart.
"""

from __future__ import annotations

from enum import Enum

from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = "pushlive"


class Metric(Enum):
    """What is measured."""

    DEPLOYMENTS_STARTED = "DeploymentsStarted"
    DEPLOYMENTS_LIVE = "DeploymentsLive"
    DEPLOYMENTS_FAILED = "DeploymentsFailed"
    DEPLOYMENTS_OVERDUE = "DeploymentsOverdue"
    """Once each time that one is seen to be under way for too long."""
    SECONDS_TO_LIVE = "SecondsToLive"
    """From the push to the end of its deployment."""
    RECORDS_WRITTEN = "RecordsWritten"
    RECORDS_DELETED = "RecordsDeleted"
    RECORDS_REFUSED = "RecordsRefused"
    SERVICES_UNRESPONSIVE = "ServicesUnresponsive"
    """Once each time that the schedule finds tasks wanted, and none that answers."""


def emit(metric: Metric, cluster_arn: str, value: float = 1) -> None:
    """Add `value`, a number of them or of seconds, to a cluster's metric."""
    unit = MetricUnit.Seconds if metric is Metric.SECONDS_TO_LIVE else MetricUnit.Count
    with single_metric(metric.value, unit, value, namespace=NAMESPACE) as measured:
        measured.add_dimension("ClusterName", cluster_arn.rpartition("/")[2])
