"""Where the simulation takes place: names that several modules need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

ACCOUNT, REGION, CLUSTER, OTHER_CLUSTER = "123456789012", "eu-west-1", "lab", "lab-2"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/{CLUSTER}"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
REPOSITORY = "app"
"""The stack's own: only its pushes have a rule. Other repositories' are found by the schedule."""
ZONE_ID, ZONE = "Z0123456789ABCDEFGHIJ", "example.com"
HOST_NAMES = {"app": f"app.{ZONE}", "api": f"api.{ZONE}", "blog": f"blog.{ZONE}"}
REDEPLOY, RECORD = "RedeployService", "UpdateRecord"
TTL_SECONDS = 10
START = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Setup:
    """What there is at the beginning."""

    services: frozenset[str] = frozenset()
    """Besides `app`."""
    image: str = "good"
    """The kind of image that each service has."""
    desired: int = 1
    health_check: bool = False
    empty: bool = False
    """The repository has no image yet."""
    reports_child: bool = False
    """ECS reports the digest of the index's member that it runs, not that of the index."""
    breaker: bool = True
    breaker_ends_rollbacks: bool = True
    """ECS gives a rollback up whose tasks fail, too; else it starts them for ever."""
    sidecars: bool = False
    """Each service has the sidecars of template.yaml; else the function asks the port."""
    drain_seconds: int = 95
    """Of the drain sidecar: until it is ready, and after SIGTERM."""
    ttl_seconds: int = TTL_SECONDS
    reverse_shutdown: bool = True
    """ECS stops the drain sidecar before the app, as the API reference has it (dependsOn)."""
    strict_health: bool = True
    """A task with an essential container without a health check is UNKNOWN, as the API reference has it."""


@dataclass(frozen=True)
class FaultRates:
    """How often something goes wrong by itself: probabilities of each event, call or run."""

    push_lost: float = 0
    late: float = 0
    twice: float = 0
    slow: float = 0
    throttled: float = 0
    answer_lost: float = 0
    killed: float = 0


CALM = FaultRates()


def moment(at: float) -> datetime:
    """`at`, as boto3 gives it."""
    return datetime.fromtimestamp(at, UTC)


def clock(at: float) -> str:
    """`at`, for people."""
    return moment(at).strftime("%H:%M:%S")


def iso(at: float) -> str:
    """`at` as EventBridge writes it: in whole seconds."""
    return moment(int(at)).strftime("%Y-%m-%dT%H:%M:%SZ")


def service_arn(name: str, cluster: str = CLUSTER) -> str:
    """The ARN of a service."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{cluster}/{name}"
