"""What the ECS model needs from its surroundings, and what it tells them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.ecs.model.state import Task


@dataclass(frozen=True, slots=True)
class Interface:
    """An elastic network interface of a task."""

    eni_id: str
    private_ip: str
    public_ip: str | None
    subnet_id: str
    mac: str
    attachment_id: str
    availability_zone: str = "us-east-1a"
    group_ids: tuple[str, ...] = ()
    """Its security groups."""


class World(Protocol):
    """The registry and the network around the scheduler."""

    def resolve_image(self, image: str) -> str | None:
        """The digest that `REPO:TAG` or `REPO@sha256:…` names now, or None if it cannot be pulled.

        For an index it is the index's digest.
        """

    def allocate_interface(
        self,
        subnet_ids: Sequence[str],
        group_ids: Sequence[str],
        public: bool,  # noqa: FBT001 - the agreed signature
    ) -> Interface:
        """A new interface in one of the subnets, with these security groups."""

    def release_interface(self, eni_id: str) -> None:
        """The interface is gone, and its public address with it."""


@dataclass(frozen=True, slots=True)
class PullImage:
    """Pull `image` at `digest`; answer with image_pulled or pull_failed."""

    task: Task
    container: str
    image: str
    digest: str
    at: float


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Start the container; answer with container_started, or container_exited if it cannot start."""

    task: Task
    container: str
    at: float


@dataclass(frozen=True, slots=True)
class ProbeHealth:
    """Run the container's health check command; answer with health_probed."""

    task: Task
    container: str
    at: float


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Send SIGTERM, or the image's STOPSIGNAL; container_exited follows when it ends."""

    task: Task
    container: str
    at: float


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Send SIGKILL: stopTimeout is over."""

    task: Task
    container: str
    at: float


Command = PullImage | StartContainer | ProbeHealth | StopContainer | KillContainer


@dataclass(frozen=True, slots=True)
class EventMessage:
    """An event for EventBridge, envelope included."""

    event: dict[str, Any]
    at: float
