"""What happened in a run: pushes, deployments, tasks, the record, every request. The page is drawn from it.

Times are seconds since the epoch, as time.time() gives them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Phase:
    """A part of the run: what is tried, from when to when."""

    title: str
    began_at: float
    ended_at: float


@dataclass(frozen=True)
class Push:
    """An image that the registry accepted; `version` as the image's own page says it."""

    at: float
    version: str
    digest: str = ""


@dataclass(frozen=True)
class Deployment:
    """ECS's service deployment; `status` is its last one, `finished_at` None while it was under way."""

    id: str
    version: str
    created_at: float
    finished_at: float | None
    status: str


@dataclass(frozen=True)
class TaskLife:
    """A task's life; None for what did not happen (yet)."""

    id: str
    address: str
    version: str
    created_at: float
    pulled_at: float | None = None
    running_at: float | None = None
    answering_at: float | None = None
    """When it first accepted a connection."""
    stopping_at: float | None = None
    """SIGTERM, or the end of a container by itself."""
    stopped_at: float | None = None


@dataclass(frozen=True)
class RecordState:
    """What the name held from `at` on; no address: there was no record."""

    at: float
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One request: `failure` is empty where it was answered, else its kind in words."""

    at: float
    """When it was due: an open-loop client does not wait for earlier answers."""
    latency_seconds: float
    client: str
    address: str
    version: str
    failure: str = ""


@dataclass
class Recording:
    """A whole run of one service under one way of deploying."""

    title: str
    host_name: str
    speed: float
    """How many times as fast as AWS the lab's time passed."""
    began_at: float
    ended_at: float = 0
    phases: list[Phase] = field(default_factory=list)
    pushes: list[Push] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    tasks: list[TaskLife] = field(default_factory=list)
    records: list[RecordState] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


def write(recordings: list[Recording], path: Path) -> None:
    """Write them as one JSON file."""
    path.write_text(json.dumps([asdict(each) for each in recordings], ensure_ascii=False) + "\n")


def read(path: Path) -> list[Recording]:
    """Return what `write` wrote."""
    return [_recording(each) for each in json.loads(path.read_text())]


def _recording(given: dict[str, Any]) -> Recording:
    return Recording(
        **{key: given[key] for key in ("title", "host_name", "speed", "began_at", "ended_at")},
        phases=[Phase(**each) for each in given["phases"]],
        pushes=[Push(**each) for each in given["pushes"]],
        deployments=[Deployment(**each) for each in given["deployments"]],
        tasks=[TaskLife(**each) for each in given["tasks"]],
        records=[RecordState(each["at"], tuple(each["addresses"])) for each in given["records"]],
        requests=[Request(**each) for each in given["requests"]],
    )
