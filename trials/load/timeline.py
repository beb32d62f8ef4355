"""What ECS and Route 53 did during the load or the demo, for the recordings."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from lab.waiting import accepts
from trials.picture.recording import Deployment, RecordState, TaskLife

if TYPE_CHECKING:
    from types import TracebackType

    from lab.lab import Lab

LOOK_SECONDS = 0.05


@dataclass
class SeenTask:
    """A task as its newest event tells of it, and what was seen of it."""

    detail: dict[str, Any]
    address: str = ""
    answering_at: float | None = None


class Timeline:
    """Follows all tasks of the lab while its block runs."""

    def __init__(self, lab: Lab, cluster: str, port: int) -> None:
        self.versions: dict[str, str] = {}
        """Image digest to the version that its page says."""
        self._lab = lab
        self._cluster = cluster
        self._port = port
        self._seen = 0
        self._tasks: dict[str, SeenTask] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="timeline")

    def __enter__(self) -> Self:
        """Begin to follow."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Follow no longer."""
        self._end.set()
        self._thread.join()
        self._take_events()

    def tasks(self, service_name: str) -> list[TaskLife]:
        """Return the lives of a service's tasks, oldest first."""
        group = f"service:{service_name}"
        found = [self._life(seen) for seen in self._tasks.values() if seen.detail["group"] == group]
        return sorted(found, key=lambda life: life.created_at)

    def deployments(self, service_name: str) -> list[Deployment]:
        """Return a service's deployments, oldest first."""
        ecs = self._lab.client("ecs")
        given = ecs.list_service_deployments(cluster=self._cluster, service=service_name, maxResults=100)[
            "serviceDeployments"
        ]
        found = []
        for each in given:
            arn = each["targetServiceRevisionArn"]
            [revision] = ecs.describe_service_revisions(serviceRevisionArns=[arn])["serviceRevisions"]
            found.append(
                Deployment(
                    id=each["serviceDeploymentArn"].rpartition("/")[2],
                    version=self._version(revision.get("containerImages", [])),
                    created_at=each["createdAt"].timestamp(),
                    finished_at=each["finishedAt"].timestamp() if each.get("finishedAt") else None,
                    status=each["status"],
                )
            )
        return sorted(found, key=lambda deployment: deployment.created_at)

    def records(self, host_name: str) -> list[RecordState]:
        """Return what Route 53 held of a name, oldest first; name servers knew it after the propagation."""
        found: list[RecordState] = []
        for at, records in list(self._lab.names.history):
            held = records.get((host_name, "A"))
            addresses = tuple(sorted(held.values)) if held else ()
            if (addresses or found) and (not found or found[-1].addresses != addresses):
                found.append(RecordState(at, addresses))
        return found

    def record_held(self, host_name: str, address: str) -> float | None:
        """Return when the name's record first held `address`, or None."""
        return next((each.at for each in self.records(host_name) if address in each.addresses), None)

    def _follow(self) -> None:
        while not self._end.wait(LOOK_SECONDS):
            self._take_events()
            if not self._lab.names.delay_seconds:  # else the lab itself keeps the history
                self._lab.names.look()
            interfaces = self._lab.ecs.interfaces()
            for seen in list(self._tasks.values()):
                interface = interfaces.get(_eni_id(seen.detail))
                if interface and not seen.address:
                    seen.address = interface.public_ip or ""
                if interface and seen.address and seen.answering_at is None:
                    seen.answering_at = time.time() if accepts(seen.address, self._port) else None

    def _take_events(self) -> None:
        history = self._lab.delivery.history
        while self._seen < len(history):
            event = history[self._seen].event
            self._seen += 1
            if event["detail-type"] == "ECS Task State Change":
                arn = event["detail"]["taskArn"]
                seen = self._tasks.setdefault(arn, SeenTask(event["detail"]))
                seen.detail = max(seen.detail, event["detail"], key=lambda detail: int(detail["version"]))

    def _life(self, seen: SeenTask) -> TaskLife:
        detail = seen.detail
        return TaskLife(
            id=detail["taskArn"].rpartition("/")[2],
            address=seen.address,
            version=self._version(detail["containers"]),
            created_at=_moment(detail, "createdAt") or 0,
            pulled_at=_moment(detail, "pullStoppedAt"),
            running_at=_moment(detail, "startedAt"),
            answering_at=seen.answering_at,
            stopping_at=_moment(detail, "stoppingAt"),
            stopped_at=_moment(detail, "stoppedAt"),
        )

    def _version(self, containers: list[Any]) -> str:
        """Return the version of the first image that is one of the load's."""
        digests = [str(container.get("imageDigest", "")) for container in containers]
        return next((self.versions[digest] for digest in digests if digest in self.versions), "")


def _eni_id(detail: dict[str, Any]) -> str:
    pairs = [pair for attachment in detail["attachments"] for pair in attachment["details"]]
    return next((pair["value"] for pair in pairs if pair["name"] == "networkInterfaceId"), "")


def _moment(detail: dict[str, Any], name: str) -> float | None:
    text = detail.get(name)
    return datetime.fromisoformat(text).timestamp() if text else None
