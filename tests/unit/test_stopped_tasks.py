"""Why tasks stopped, by what DescribeTasks says of them.

Reasons are ECS's own: ECS guide, "Amazon ECS stopped tasks error messages", "Task retirement and maintenance
for AWS Fargate", "Fargate capacity providers"; re:Post, "Why is my Amazon ECS task stopped?".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pushlive.stopped_tasks import (
    APP_HAS_ENDED,
    ON_LOOPBACK_ONLY,
    SIDECAR,
    StoppedContainer,
    StoppedTask,
    why_stopped,
)

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
EXITED = ("EssentialContainerExited", "Essential container in task exited")
UNHEALTHY = ("ServiceSchedulerInitiated", "Task failed container health checks")
ELB = (
    "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/1)"
)
NO_IMAGE = "CannotPullContainerError: pull has been retried 5 time(s): failed to resolve ref app:1: not found"
NO_ROUTE = "ResourceInitializationError: unable to pull secrets or registry auth: i/o timeout"
SCALE_IN = (
    "ServiceSchedulerInitiated",
    "Scaling activity initiated by (deployment ecs-svc/4029384756102938475)",
)
BY_HAND = ("UserInitiated", "Task stopped by user")
SPOT = ("SpotInterruption", "Your Spot Task was interrupted.")
MAINTENANCE = (
    "TerminationNotice",
    "ECS is performing maintenance on the underlying infrastructure hosting the task",
)
BAD_MACHINE = ("InfrastructureHealth", "The task's host is impaired.")
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def app(code: int | None = None, reason: str = "") -> StoppedContainer:
    return StoppedContainer("app", code, reason)


def side(code: int | None = None, reason: str = "", name: str = SIDECAR) -> StoppedContainer:
    return StoppedContainer(name, code, reason)


def task(stop: tuple[str, str], *containers: StoppedContainer, minute: int = 0) -> StoppedTask:
    return StoppedTask(START + timedelta(minutes=minute), *stop, containers)


@pytest.mark.parametrize(
    ("stopped", "expected"),
    [
        pytest.param([], "", id="none-has-stopped"),
        # What a container's end means.
        pytest.param(
            [task(EXITED, app(1))],
            "Essential container in task exited (app: exit code 1, the program failed)",
            id="1-the-program-failed",
        ),
        pytest.param(
            [task(EXITED, app(0))],
            "Essential container in task exited (app: exit code 0, the program came to its end)",
            id="0-is-an-end-too",
        ),
        pytest.param(
            [task(EXITED, app(127))],
            "Essential container in task exited (app: exit code 127, the program was not found)",
            id="127-not-found",
        ),
        pytest.param(
            [task(EXITED, app(137))],
            "Essential container in task exited (app: exit code 137, out of memory, or killed by SIGKILL)",
            id="137-out-of-memory-or-sigkill",
        ),
        pytest.param(
            [task(EXITED, app(137, OUT_OF_MEMORY))],
            f"Essential container in task exited (app: exit code 137, {OUT_OF_MEMORY})",
            id="what-ecs-says-of-the-container-is-better-than-a-guess",
        ),
        pytest.param(
            [task(EXITED, app(139))],
            "Essential container in task exited (app: exit code 139, crashed by SIGSEGV)",
            id="139-sigsegv",
        ),
        pytest.param(
            [task(EXITED, app(143))],
            "Essential container in task exited (app: exit code 143, ended by SIGTERM)",
            id="143-sigterm",
        ),
        pytest.param(
            [task(EXITED, app(3))],
            "Essential container in task exited (app: exit code 3)",
            id="any-other-code-is-shown-as-it-is",
        ),
        pytest.param(
            [task(EXITED, app(1), side(0, name="log_router"), side(name="not_started"))],
            "Essential container in task exited (app: exit code 1, the program failed; "
            "log_router: exit code 0, the program came to its end)",
            id="every-container-that-has-ended",
        ),
        # The drain sidecar's own exit codes.
        pytest.param(
            [task(EXITED, app(1), side(APP_HAS_ENDED))],
            "Essential container in task exited (app: exit code 1, the program failed)",
            id="the-sidecar-ends-because-the-app-has-ended",
        ),
        pytest.param(
            [task(EXITED, app(143), side(ON_LOOPBACK_ONLY))],
            "the app listens on 127.0.0.1 only: listen on 0.0.0.0",
            id="the-sidecar-says-loopback-only",
        ),
        pytest.param(
            [task(EXITED, app(ON_LOOPBACK_ONLY))],
            "Essential container in task exited (app: exit code 79)",
            id="the-same-code-of-another-container-means-nothing",
        ),
        pytest.param(
            [task(EXITED, app(143), side(127))],
            "Essential container in task exited (app: exit code 143, ended by SIGTERM; "
            "drain-sidecar: exit code 127, the program was not found)",
            id="a-sidecar-that-fails-itself",
        ),
        # Tasks that never ran.
        pytest.param(
            [task(("TaskFailedToStart", NO_IMAGE), app(reason=NO_IMAGE))], NO_IMAGE, id="no-image-said-once"
        ),
        pytest.param(
            [task(("TaskFailedToStart", "Task failed to start"), app(reason=NO_IMAGE), side())],
            f"Task failed to start (app: {NO_IMAGE})",
            id="no-image-said-by-the-container-only",
        ),
        pytest.param([task(("TaskFailedToStart", NO_ROUTE))], NO_ROUTE, id="no-way-to-the-registry"),
        # Health checks: the exit codes are the stop's, not its cause.
        pytest.param([task(UNHEALTHY, app(143), side(0))], UNHEALTHY[1], id="container-health-checks"),
        pytest.param([task((UNHEALTHY[0], ELB), app(137))], ELB, id="load-balancers-health-checks"),
        # What is no failure.
        pytest.param([task(SCALE_IN, app(137))], "", id="a-scale-in-is-no-failure"),
        pytest.param([task(BY_HAND, app(143))], "", id="a-stop-by-hand-is-no-failure"),
        pytest.param([task(("", ""), app(1))], "", id="no-stop-code-no-answer"),
        pytest.param([task(SPOT, app(0))], SPOT[1], id="spot-capacity-is-taken-away"),
        pytest.param([task(MAINTENANCE, app(143))], MAINTENANCE[1], id="maintenance-takes-the-machine-away"),
        pytest.param([task(BAD_MACHINE, app(143))], BAD_MACHINE[1], id="an-unhealthy-machine-is-taken-away"),
        # Several tasks.
        pytest.param(
            [task(EXITED, app(3), minute=2), task(EXITED, app(4), minute=1)],
            "Essential container in task exited (app: exit code 3)",
            id="of-two-failures-the-newest",
        ),
        *(
            pytest.param(
                [task(EXITED, app(3)), *(task(other, app(143), minute=n) for n in (1, 2))],
                "Essential container in task exited (app: exit code 3)",
                id=f"of-three-tasks-newer-{other[0]}-does-not-hide-the-failure",
            )
            for other in (SCALE_IN, BY_HAND, SPOT, MAINTENANCE)
        ),
        pytest.param(
            [task(SCALE_IN, app(0), minute=1), task(UNHEALTHY, app(0)), task(SCALE_IN, app(0), minute=2)],
            UNHEALTHY[1],
            id="a-scale-in-does-not-hide-failed-health-checks",
        ),
        pytest.param(
            [task(SCALE_IN, minute=1), task(SPOT)], SPOT[1], id="a-scale-in-does-not-hide-lost-capacity"
        ),
    ],
)
def test_why_stopped(stopped: list[StoppedTask], expected: str) -> None:
    assert why_stopped(stopped) == expected
