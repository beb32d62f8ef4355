"""What is there of a service: the values that `service` reads, and that findings, page and JSON tell of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from commands.why.decisions import LoggedDecision
    from pushlive import record_plan, redeploy_plan
    from pushlive.record_plan import Record
    from pushlive.redeploy_plan import Image, ServiceDeployment


@dataclass(frozen=True)
class RunningTask:
    """A task that is meant to run."""

    task_arn: str
    last_status: str
    health_status: str
    since: datetime | None
    """When it became RUNNING."""
    digests: tuple[str, ...]
    """Of its containers whose image is in this account's registry."""
    public_ip: str | None
    answers: bool
    """It accepts a connection from here on the container port."""
    is_newest: bool
    """It belongs to the newest deployment."""


@dataclass(frozen=True)
class ServiceState:
    """A service as it is now."""

    live: redeploy_plan.Service
    """As RedeployService reads it, but as if it were not paused."""
    service_arn: str
    cluster: str
    """The cluster's name."""
    tags: Mapping[str, str]
    """Its tags, those of pushlive only."""
    newest_reason: str = ""
    """What ECS says about the newest deployment (`statusReason`)."""
    failed_tasks: int = 0
    """Of the newest deployment."""
    last_event: str = ""
    """The newest of the service's events."""
    stopped_reason: str = ""
    """Why the newest task that failed did so (`stopped_tasks`); ECS remembers it for an hour or so."""
    tasks: tuple[RunningTask, ...] = ()
    port: int | None = None
    host_name: str = ""
    record: Record | None = None
    answering: frozenset[str] = frozenset()
    """The record's addresses that answer from here."""
    deployment_decision: redeploy_plan.Decision | None = None
    """What RedeployService would do now, on its schedule; None if it refuses the service's tags."""
    if_not_paused: redeploy_plan.Decision | None = None
    """What it would do if the tag said `on-push`."""
    record_decision: record_plan.Decision | None = None
    """What UpdateRecord would do now, if it saw what is seen from here."""
    wrong_settings: tuple[str, ...] = ()
    """What the functions refuse, in their words."""
    decisions: tuple[LoggedDecision, ...] = ()
    """Newest first."""
    described: Mapping[str, Any] = field(default_factory=dict)
    """As DescribeServices gives it."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """Its task definition, as DescribeTaskDefinition gives it."""

    @property
    def service_name(self) -> str:
        """Return the service's name."""
        return self.live.service_name

    @property
    def desired_count(self) -> int:
        """Return how many tasks it wants."""
        return self.live.desired_count

    @property
    def running_count(self) -> int:
        """Return how many of its tasks run."""
        return self.live.running_count

    @property
    def images(self) -> tuple[Image, ...]:
        """Return what the tags that it uses name."""
        return self.live.images

    @property
    def deployments(self) -> tuple[ServiceDeployment, ...]:
        """Return its deployments, newest first."""
        return self.live.deployments
