"""The state of clusters, services and tasks. Pure data; the rules are in the modules beside it.

Names and values are those of the ECS API reference.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.ecs.model.world import Interface

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Cluster:
    """A cluster."""

    name: str
    arn: str
    settings: Json  # what CreateCluster was given and DescribeClusters gives back
    tags: dict[str, str]
    status: str = "ACTIVE"
    services: dict[str, Service] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)  # by id; STOPPED ones for an hour


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A container's health check, scaled."""

    interval_seconds: float
    timeout_seconds: float
    retries: int
    start_period_seconds: float


@dataclass(frozen=True, slots=True)
class ContainerDefinition:
    """What the rules need of a container definition; the rest stays in `TaskDefinition.described`."""

    name: str
    image: str
    essential: bool
    depends_on: tuple[tuple[str, str], ...]  # (containerName, condition)
    start_timeout_seconds: float | None
    stop_timeout_seconds: float
    health_check: HealthCheck | None
    consistent: bool  # versionConsistency: the tag is resolved to a digest once a deployment


@dataclass(slots=True, eq=False)
class TaskDefinition:
    """One revision of a family."""

    arn: str
    family: str
    revision: int
    described: Json
    containers: dict[str, ContainerDefinition]
    tags: dict[str, str]
    architecture: str = "x86_64"
    status: str = "ACTIVE"
    checked: tuple[str, ...] = ()  # essential containers with a health check


@dataclass(slots=True, eq=False)
class ServiceRevision:
    """A workload configuration; it never changes, but for the digests that its first task resolves."""

    arn: str
    service: Service
    task_definition: TaskDefinition
    settings: Json  # networkConfiguration, launchType, platformVersion, …
    created_at: float
    digests: dict[str, str] = field(default_factory=dict)  # container name → digest


@dataclass(slots=True, eq=False)
class ServiceDeployment:
    """What ListServiceDeployments knows. A rollback is a state of it, not another one."""

    arn: str
    service: Service
    target: ServiceRevision
    sources: list[ServiceRevision]
    configuration: Json
    created_at: float
    updated_at: float
    status: str = "PENDING"
    status_reason: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    stopped_at: float | None = None
    rollback: Json | None = None
    breaker_status: str = "DISABLED"
    failure_count: int = 0
    final_counts: dict[str, Json] | None = None  # by revision ARN, once it is over


@dataclass(slots=True, eq=False)
class Deployment:
    """What DescribeServices calls a deployment; a rollback is one of its own here."""

    id: str
    revision: ServiceRevision
    service_deployment: ServiceDeployment
    created_at: float
    updated_at: float
    rollout_reason: str
    rollout_state: str = "IN_PROGRESS"
    failed_tasks: int = 0
    failed_resolutions: int = 0  # of its images' digests
    start_failures: int = 0  # consecutive tasks that never reached RUNNING: the throttle's count
    next_start_at: float = 0
    tasks: list[Task] = field(default_factory=list)  # desiredStatus RUNNING
    stopping: list[Task] = field(default_factory=list)  # desiredStatus STOPPED, lastStatus not yet


@dataclass(slots=True, eq=False)
class Service:
    """A service."""

    name: str
    arn: str
    cluster: Cluster
    desired_count: int
    created_at: float
    settings: Json  # the rest of what CreateService and UpdateService were given
    tags: dict[str, str]
    controller: str = "ECS"
    status: str = "ACTIVE"
    deployments: list[Deployment] = field(default_factory=list)  # PRIMARY first
    completed: Deployment | None = None  # what the circuit breaker may roll back to
    service_deployments: list[ServiceDeployment] = field(default_factory=list)  # oldest first
    events: deque[Json] = field(default_factory=lambda: deque(maxlen=100))  # newest first
    woken: bool = False
    steady_since: float | None = None


@dataclass(slots=True, eq=False)
class Container:
    """A container of a task."""

    definition: ContainerDefinition
    arn: str
    digest: str | None = None
    last_status: str = "PENDING"
    pulled: bool = False
    start_requested: bool = False
    stop_requested: bool = False
    started_at: float | None = None
    runtime_id: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    health: str = "UNKNOWN"
    failed_probes: int = 0
    probe: int = 0  # number of the probe under way; 0 = none
    probes: int = 0


@dataclass(slots=True, eq=False)
class Task:
    """A task."""

    arn: str
    id: str
    cluster: Cluster
    definition: TaskDefinition
    interface: Interface
    containers: dict[str, Container]
    group: str
    created_at: float
    launch_type: str
    capacity_provider: str | None
    platform_version: str
    overrides: Json | None
    tags: dict[str, str]
    started_by: str | None = None
    service: Service | None = None
    deployment: Deployment | None = None
    last_status: str = "PROVISIONING"
    desired_status: str = "RUNNING"
    attachment_status: str = "PRECREATED"
    version: int = 0
    health: str = "UNKNOWN"
    ready: bool = False  # counts towards minimumHealthyPercent
    was_ready: bool = False
    pull_started_at: float | None = None
    pull_stopped_at: float | None = None
    running_at: float | None = None
    stopping_at: float | None = None
    execution_stopped_at: float | None = None
    stopped_at: float | None = None
    connected_at: float | None = None
    updated_at: float = 0
    stop_code: str | None = None
    stopped_reason: str | None = None
    kill_at: float | None = None  # the end of a Spot notice
