"""AWS's values that decisions are made of: services, tasks, deployments, images, records. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pushlive.answers import needed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

REDEPLOY_TAG = "pushlive:redeploy"
HOST_NAME_TAG = "pushlive:hostname"
DESIRED_COUNT_TAG = "pushlive:desired-count"

READINESS_SIDECAR = "readiness-sidecar"
"""The container whose health check says whether the task's port listens (template.yaml)."""

# The states of ListServiceDeployments (API reference, ServiceDeployment, status).
ROLLING_BACK = frozenset({"ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"})
ROLLED_BACK = frozenset({"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"})
UNDER_WAY = frozenset({"PENDING", "IN_PROGRESS"})


class TaskDefinition(NamedTuple):
    """What a task definition says about images, the port and readiness."""

    images: Mapping[str, str] = MappingProxyType({})
    """Container name to image, as written."""
    port: int | None = None
    """The first TCP port that is mapped; None: no container has one, so there is nothing to ask."""
    has_health_check: bool = False
    """An essential container has one, so ECS tells whether the task is HEALTHY."""
    port_has_health_check: bool = False
    """The container with the port has one: it knows better than its port when it is ready."""
    log_group: str | None = None
    """Where its first container with the driver awslogs writes."""
    unresolved: frozenset[str] = frozenset()
    """The containers whose tags ECS does not resolve to digests (`versionConsistency: disabled`)."""


class Task(NamedTuple):
    """A task as DescribeTasks gives it."""

    task_arn: str = ""
    deployment_id: str = ""
    last_status: str = ""
    desired_status: str = ""
    health_status: str = "UNKNOWN"
    readiness: str = ""
    """The health status of its readiness sidecar; empty: it has none."""
    eni_id: str | None = None
    started_at: datetime | None = None
    """When it became RUNNING."""
    digests: Mapping[str, str] = MappingProxyType({})
    """Container name to image digest."""
    task_definition_arn: str = ""
    group: str = ""
    """`service:NAME` for a task of a service."""
    images: Mapping[str, str] = MappingProxyType({})
    """Container name to image, as the task definition has it, but that ECS may show a digest in place of a
    tag; also of containers that AWS adds."""


class Service(NamedTuple):
    """A service as DescribeServices gives it; what that may leave out has the value that it then means."""

    service_name: str
    service_arn: str
    status: str = "ACTIVE"
    desired_count: int = 0
    running_count: int = 0
    """The running tasks of all deployments."""
    tags: Mapping[str, str] = MappingProxyType({})
    task_definition_arn: str = ""
    newest_deployment_id: str = ""
    created_at: datetime | None = None
    deployed_at: datetime | None = None
    """When its newest deployment was created, also one that ListServiceDeployments no longer lists."""
    completed_at: datetime | None = None
    """When its deployment was completed; None while one is under way or was not completed."""
    deployment_controller: str = "ECS"
    strategy: str = "ROLLING"
    """How it is deployed: ROLLING, BLUE_GREEN, LINEAR, CANARY."""
    is_daemon: bool = False
    """It runs a task on each instance, and takes no desired count (API reference, schedulingStrategy)."""
    lacks: str = ""
    """The key that ECS did not give, without which nothing can be decided."""

    def check(self) -> None:
        """Check that ECS has told what decisions need.

        Raises:
            IncompleteAnswerError: it has not.
        """
        if self.lacks:
            needed({}, self.lacks, "DescribeServices")


class Image(NamedTuple):
    """What an image reference of a task definition, `REGISTRY/REPOSITORY:TAG`, names in ECR now."""

    reference: str
    digest: str | None
    """None: the repository has no image of that tag."""
    pushed_at: datetime | None = None
    members: frozenset[str] = frozenset()
    """The child manifests of an index: ECS may report the digest of either."""
    artifact: str = ""
    """The media type of what the tag names instead of an image, such as a Helm chart."""

    @property
    def absence(self) -> str:
        """Return, in words, that there is no image."""
        what = f"a {self.artifact}, which is no container image" if self.artifact else "no image"
        return f"{self.reference} names {what}"

    def is_run_as(self, digest: str | None) -> bool:
        """Return whether ECS, running this image, may report `digest`."""
        return digest is not None and (digest == self.digest or digest in self.members)


class ServiceDeployment(NamedTuple):
    """One deployment of a service, with what it resolved."""

    deployment_arn: str
    status: str
    created_at: datetime
    digests: Mapping[str, str]
    """Container name to the digest that its service revision recorded, of images in our registry."""
    finished_at: datetime | None = None
    circuit_breaker_triggered: bool = False
    status_reason: str = ""
    """What ECS says of it."""
    rolled_back_to: Mapping[str, str] = MappingProxyType({})
    """Container name to the digest that runs again after it failed."""
    untold: bool = False
    """ECS never tells which digests it ran, or whether it ran any (`versionConsistency: disabled`)."""
    bake_seconds: float = 0
    """For so long ECS keeps it under way after its tasks have replaced all others."""
    has_way_back: bool = True
    """Its rollback goes to a revision that runs something else, or has not begun."""
    rolling_back_since: datetime | None = None
    """When its rollback began; before that, when ECS last changed it."""

    @property
    def failed(self) -> bool:
        """Return whether ECS gave this deployment up."""
        return self.status in ROLLED_BACK or self.circuit_breaker_triggered

    @property
    def name(self) -> str:
        """Return the last part of the ARN, enough for a person to find it."""
        return self.deployment_arn.rsplit("/", 1)[-1]


class Record(NamedTuple):
    """What the zone holds under the host name."""

    addresses: frozenset[str] = frozenset()
    ttl_seconds: int | None = None
    exists: bool = False
    foreign_kind: str | None = None
    """What is there that can't be ours: `an alias`, `a CNAME` …"""
    delegated_at: str | None = None
    """The name, this one or one above it, whose NS records in the zone hand it to other name servers."""
    owner: str | None = None
    """What the ownership TXT says, whole."""
    owner_ttl_seconds: int | None = None
