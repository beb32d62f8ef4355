"""What is there of a service: the values that `service` reads, and that findings, page and JSON tell of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pushlive.model import ROLLING_BACK, UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from commands.why.decisions import LoggedDecision
    from commands.why.finding import Finding
    from pushlive import record_plan, redeploy_plan
    from pushlive.config import Settings
    from pushlive.model import Image, Record, ServiceDeployment

    Json = Mapping[str, Any]


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


class ServiceEvent(NamedTuple):
    """A line that ECS wrote about a service."""

    at: datetime
    message: str


class NewestPush(NamedTuple):
    """The newest image of a repository that has a tag."""

    tags: tuple[str, ...]
    pushed_at: datetime


@dataclass(frozen=True)
class ServiceState:
    """A service as it is now."""

    settings: Settings
    """Of the functions that serve it."""
    now: datetime
    live: redeploy_plan.DeploymentState
    """As RedeployService reads it, but as if it were not paused."""
    tags: Mapping[str, str]
    """Its tags, those of pushlive only."""
    unseen: tuple[Finding, ...] = ()
    """What of it could not be looked at."""
    failed_tasks: int = 0
    """Of the newest deployment."""
    events: tuple[ServiceEvent, ...] = ()
    """What ECS wrote about it, newest first."""
    stopped_reason: str = ""
    """Why the newest task that failed did so (`stopped_tasks`); ECS remembers it for an hour or so."""
    tasks: tuple[RunningTask, ...] = ()
    port: int | None = None
    host_name: str = ""
    record: Record | None = None
    answering: frozenset[str] = frozenset()
    """The record's addresses that answer from here."""
    pushes: Mapping[str, NewestPush] = field(default_factory=dict)
    """Image reference to the newest push to its repository."""
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
    described: Json = field(default_factory=dict)
    """As DescribeServices gives it."""
    definition: Json = field(default_factory=dict)
    """Its task definition, as DescribeTaskDefinition gives it; empty where it has none."""

    @property
    def service_name(self) -> str:
        """Return the service's name."""
        return self.live.service.service_name

    @property
    def service_arn(self) -> str:
        """Return the service's ARN."""
        return self.live.service.service_arn

    @property
    def cluster(self) -> str:
        """Return the cluster's name."""
        return self.settings.cluster_arn.rpartition("/")[2]

    @property
    def desired_count(self) -> int:
        """Return how many tasks it wants."""
        return self.live.service.desired_count

    @property
    def running_count(self) -> int:
        """Return how many of its tasks run."""
        return self.live.service.running_count

    @property
    def images(self) -> tuple[Image, ...]:
        """Return what the tags that it uses name, each once."""
        return tuple(dict.fromkeys(self.live.images.values()))

    @property
    def deployments(self) -> tuple[ServiceDeployment, ...]:
        """Return its deployments, newest first."""
        return self.live.deployments

    @property
    def newest(self) -> ServiceDeployment | None:
        """Return its newest deployment."""
        return self.deployments[0] if self.deployments else None

    @property
    def unanswered_port(self) -> int | None:
        """Return the port on which no task of the newest deployment answers; None if one does."""
        return None if any(task.answers and task.is_newest for task in self.tasks) else self.port

    @property
    def is_changing(self) -> bool:
        """Return whether a deployment, or its rollback, is under way."""
        return self.newest is not None and self.newest.status in ROLLING_BACK | UNDER_WAY

    @property
    def containers(self) -> Sequence[Json]:
        """Return the containers of its task definition."""
        found: Sequence[Json] = self.definition.get("containerDefinitions", [])
        return found

    @property
    def awsvpc(self) -> Json:
        """Return the subnets and security groups of its tasks; empty where they have no address."""
        found: Json = self.described.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        return found

    @property
    def is_fargate(self) -> bool:
        """Return whether its tasks run on Fargate, where each can have a public address."""
        strategy = self.described.get("capacityProviderStrategy") or []
        providers = [each.get("capacityProvider", "") for each in strategy]
        # The launch type is omitted where there is a strategy (API reference, Service, launchType).
        return any(each.startswith("FARGATE") for each in [*providers, self.described.get("launchType", "")])

    @property
    def is_daemon(self) -> bool:
        """Return whether it has a task on each instance, and so no count."""
        return self.live.service.is_daemon

    def update_service(self, *settings: str) -> str:
        """Return the command that changes these settings of it."""
        words = ("aws ecs update-service --cluster", self.cluster, "--service", self.service_name, *settings)
        return " ".join(words)
