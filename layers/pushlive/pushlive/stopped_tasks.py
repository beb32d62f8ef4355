"""Why a service's tasks stopped: one reason, in words, for notifications, log and `make why`. Pure.

stopCode (API reference, Task)               counts
-------------------------------------------  -------------------------------------------------------
EssentialContainerExited, TaskFailedToStart  yes
ServiceSchedulerInitiated                    only failed health checks; else it is a scale-in, or the end
                                             of an old or a failed deployment
SpotInterruption, TerminationNotice,         only where none of the above is known: AWS took the machine
InfrastructureHealth                         away
UserInitiated                                no
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

FAILED = ("EssentialContainerExited", "TaskFailedToStart")
TAKEN_AWAY = ("SpotInterruption", "TerminationNotice", "InfrastructureHealth")

# Our own container beside the app, and the exit codes of its script in template.yaml.
SIDECAR = "drain-sidecar"
APP_HAS_ENDED = 1
ON_LOOPBACK_ONLY = 79
LOOPBACK_REASON = "the app listens on 127.0.0.1 only: listen on 0.0.0.0"

# re:Post, "Why is my Amazon ECS task stopped?", common exit codes; more than 128 is 128 + the signal.
EXIT_CODES = {
    0: "the program came to its end",
    1: "the program failed",
    127: "the program was not found",
    137: "out of memory, or killed by SIGKILL",
    139: "crashed by SIGSEGV",
    143: "ended by SIGTERM",
}


class StoppedContainer(NamedTuple):
    """A container of a task that has stopped, or is stopping."""

    name: str
    exit_code: int | None = None
    reason: str = ""


class StoppedTask(NamedTuple):
    """A task that has stopped, or is stopping."""

    created_at: datetime
    stop_code: str
    reason: str
    """ECS's `stoppedReason`."""
    containers: tuple[StoppedContainer, ...] = ()


def why_stopped(tasks: Iterable[StoppedTask]) -> str:
    """Return why the newest task that counts stopped; empty if none counts."""
    newest_first = sorted(tasks, key=lambda task: task.created_at, reverse=True)
    failed = [task for task in newest_first if task.stop_code in FAILED or _failed_health_checks(task)]
    taken_away = [task for task in newest_first if task.stop_code in TAKEN_AWAY]
    return next((_in_words(task) for task in [*failed, *taken_away]), "")


def _failed_health_checks(task: StoppedTask) -> bool:
    """`Task failed container health checks`, or `… ELB health checks in (target-group …)`."""
    return task.stop_code == "ServiceSchedulerInitiated" and "health check" in task.reason


def _in_words(task: StoppedTask) -> str:
    if any(each.name == SIDECAR and each.exit_code == ON_LOOPBACK_ONLY for each in task.containers):
        return LOOPBACK_REASON
    told = [_container_in_words(task, each) for each in task.containers]
    details = "; ".join(filter(None, told))
    return f"{task.reason} ({details})" if details else task.reason


def _container_in_words(task: StoppedTask, container: StoppedContainer) -> str:
    code, reason = container.exit_code, container.reason
    if reason in task.reason:  # also an empty one
        reason = ""
    if task.stop_code not in FAILED or (container.name == SIDECAR and code == APP_HAS_ENDED):
        code = None  # a consequence of the stop, and not why it came
    if code is not None:
        reason = f"exit code {code}" + (f", {meaning}" if (meaning := reason or EXIT_CODES.get(code)) else "")
    return f"{container.name}: {reason}" if reason else ""
