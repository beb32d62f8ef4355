"""Recordings as a run might leave them, made up: for the tests of the picture."""

from __future__ import annotations

import random

from trials.picture.recording import Deployment, Phase, Push, Recording, RecordState, Request, TaskLife

BEGAN = 1_700_000_000.0
HOST_NAME = "app.example.com"
TIMED_OUT = "no answer within 2 s"
REFUSED = "connection refused"


def task(
    number: int, version: str, created: float, stopping: float | None = None, **given: float
) -> TaskLife:
    """A task that is pulled after 1 s, runs after 1.5 s, answers `answers` later, and drains for `drains`."""
    answers = given.get("answers", 0.5)
    drains = given.get("drains", 3.6)
    return TaskLife(
        id=f"{number:032x}",
        address=f"127.0.3.{10 + number}",
        version=version,
        created_at=BEGAN + created,
        pulled_at=BEGAN + created + 1,
        running_at=BEGAN + created + 1.5,
        answering_at=BEGAN + created + 1.5 + answers if answers >= 0 else None,
        stopping_at=None if stopping is None else BEGAN + stopping,
        stopped_at=None if stopping is None else BEGAN + stopping + drains,
    )


def deployment(
    number: int, version: str, created: float, finished: float, status: str = "SUCCESSFUL"
) -> Deployment:
    return Deployment(f"deployment-{number}", version, BEGAN + created, BEGAN + finished, status)


def records(*states: tuple[float, list[int]]) -> list[RecordState]:
    return [RecordState(BEGAN + at, tuple(f"127.0.3.{10 + n}" for n in numbers)) for at, numbers in states]


def requests(
    versions: list[tuple[float, float, str]],
    failing: list[tuple[float, float, str]],
    per_second: float = 20,
    seed: int = 5,
) -> list[Request]:
    """Requests at a steady rate, answered by one of the versions of that time, or failing."""
    chance = random.Random(seed)  # noqa: S311 - no secret: the same picture each time
    made = []
    ends = max(end for _, end, _ in versions)
    for number in range(int((ends - versions[0][0]) * per_second)):
        at = versions[0][0] + number / per_second
        answering = [version for began, ended, version in versions if began <= at < ended]
        failures = [kind for began, ended, kind in failing if began <= at < ended]
        failure = chance.choice(failures) if failures and (not answering or chance.random() < 0.7) else ""
        version = "" if failure else chance.choice(answering)
        client = f"client-{number % 4}"
        made.append(Request(BEGAN + at, chance.uniform(0.002, 0.03), client, "127.0.3.11", version, failure))
    return made


PHASES = [
    Phase("The first push", BEGAN + 2, BEGAN + 22),
    Phase("Another version is pushed", BEGAN + 22, BEGAN + 45),
    Phase("A broken image is pushed", BEGAN + 45, BEGAN + 70),
    Phase("A slow starter is pushed", BEGAN + 70, BEGAN + 100),
    Phase("A task is killed", BEGAN + 100, BEGAN + 118),
    Phase("Scaled to 3", BEGAN + 118, BEGAN + 140),
]
PUSHES = [
    Push(BEGAN + 4, "v1", "sha256:" + "1" * 64),
    Push(BEGAN + 24, "v2", "sha256:" + "2" * 64),
    Push(BEGAN + 47, "broken", "sha256:" + "b" * 64),
    Push(BEGAN + 72, "v3-slow", "sha256:" + "3" * 64),
]


def ours() -> Recording:
    """A good push, a broken one that is rolled back, a slow starter, a killed task, three tasks."""
    broken = [
        task(n, "broken", 48.2 + 4 * (n - 2), 50.9 + 4 * (n - 2), answers=-1, drains=0.2) for n in (2, 3, 4)
    ]
    return Recording(
        "pushlive",
        HOST_NAME,
        20,
        BEGAN,
        BEGAN + 140,
        phases=PHASES,
        pushes=PUSHES,
        deployments=[
            deployment(1, "v1", 4.9, 8.2),
            deployment(2, "v2", 25, 31.5),
            deployment(3, "broken", 48, 61.2, "ROLLBACK_SUCCESSFUL"),
            deployment(4, "v3-slow", 73, 86.6),
        ],
        tasks=[
            task(0, "v1", 5.1, 29.4),
            task(1, "v2", 25.2, 84.4),
            *broken,
            task(5, "v3-slow", 73.1, 104.0, answers=7, drains=0.05),
            task(6, "v3-slow", 105.0),
            task(7, "v3-slow", 120.5),
            task(8, "v3-slow", 120.6),
        ],
        records=records(
            (7.6, [0]),
            (27.7, [1]),
            (82.1, [5]),
            (107.6, [6]),
            (123.2, [6, 7, 8]),
        ),
        requests=requests(
            [(8, 28.4, "v1"), (27.9, 83, "v2"), (82.3, 140, "v3-slow")],
            [(104.0, 107.9, REFUSED)],
        ),
    )


def baseline() -> Recording:
    """The same pushes; the record follows each change late, and holds a broken task's address for a while."""
    return Recording(
        "aws ecs update-service, and a script that copies the address",
        HOST_NAME,
        20,
        BEGAN,
        BEGAN + 140,
        phases=PHASES,
        pushes=PUSHES,
        deployments=[
            deployment(1, "v1", 5.5, 9.1),
            deployment(2, "v2", 25.5, 31.5),
            deployment(3, "broken", 48.4, 64.2, "ROLLBACK_SUCCESSFUL"),
            deployment(4, "v3-slow", 73.6, 79.6),
        ],
        tasks=[
            task(0, "v1", 5.7, 29.4, drains=0.4),
            task(1, "v2", 25.7, 77.4, drains=0.4),
            task(2, "broken", 48.6, 53.9, answers=-1, drains=0.2),
            task(3, "v3-slow", 73.8, 104.0, answers=7, drains=0.05),
            task(4, "v3-slow", 105.0),
            task(5, "v3-slow", 120.5),
            task(6, "v3-slow", 120.6),
        ],
        records=records((10, [0]), (32.7, [1]), (50.3, [2]), (56.0, [1]), (76.4, [3]), (111.2, [4])),
        requests=requests(
            [(8, 29.8, "v1"), (32.7, 77.8, "v2"), (82.3, 104, "v3-slow"), (111, 140, "v3-slow")],
            [
                (8, 10.5, REFUSED),
                (29.6, 33.2, TIMED_OUT),
                (50.3, 56.8, REFUSED),
                (77.0, 82.3, REFUSED),
                (77.0, 82.3, TIMED_OUT),
                (104, 111.9, TIMED_OUT),
            ],
        ),
    )


def crowded(minutes: float = 12, pushes: int = 15, tasks: int = 40) -> Recording:
    """Many of everything, and names that are long."""
    seconds = minutes * 60
    each = seconds / pushes
    return Recording(
        "many pushes",
        HOST_NAME,
        20,
        BEGAN,
        BEGAN + seconds,
        phases=[
            Phase(f"Push number {n + 1} of a long row", BEGAN + n * each, BEGAN + (n + 1) * each)
            for n in range(pushes)
        ],
        pushes=[Push(BEGAN + n * each + each / 5, f"2026.11.{n + 1}-rc") for n in range(pushes)],
        deployments=[
            deployment(
                n,
                f"2026.11.{n + 1}-rc",
                n * each + each / 4,
                (n + 1) * each,
                "ROLLBACK_SUCCESSFUL" if n % 5 == 3 else "SUCCESSFUL",
            )
            for n in range(pushes)
        ],
        tasks=[
            task(
                n,
                f"2026.11.{n * pushes // tasks + 1}-rc",
                n * seconds / tasks,
                min((n + 4) * seconds / tasks, seconds - 1),
                drains=1,
            )
            for n in range(tasks)
        ],
        records=records(
            *((min(n * seconds / tasks + 3, seconds - 0.5), [n, max(n - 1, 0)]) for n in range(tasks))
        ),
        requests=requests(
            [(n * each, min((n + 1.3) * each, seconds), f"2026.11.{n + 1}-rc") for n in range(pushes)],
            [(n * each, n * each + each / 12, TIMED_OUT) for n in range(1, pushes, 2)],
            per_second=30,
        ),
    )


def never_ran() -> Recording:
    """Nothing but a title: no push, no task, no request."""
    return Recording("nothing was pushed", HOST_NAME, 20, BEGAN, BEGAN + 120)


SMALL = Recording(
    "pushlive",
    "app.example.com",
    20,
    1000,
    1060,
    phases=[Phase("One push", 1000, 1060)],
    pushes=[Push(1002, "v1", "sha256:11"), Push(1030, "v2", "sha256:22")],
    deployments=[
        Deployment("d-1", "v1", 1003, 1010, "SUCCESSFUL"),
        Deployment("d-2", "v2", 1031, None, "ROLLBACK_IN_PROGRESS"),
    ],
    tasks=[
        TaskLife("t-1", "192.0.2.1", "v1", 1003, 1004, 1005, 1006, 1040, 1043),
        TaskLife("t-2", "192.0.2.2", "v2", 1031, 1032, 1033),
    ],
    records=[RecordState(1007, ("192.0.2.1",)), RecordState(1050, ())],
    requests=[
        Request(1010, 0.5, "a", "192.0.2.1", "v1"),
        Request(1010, 0.5, "b", "192.0.2.1", "v1"),
        Request(1045, 2.0, "a", "192.0.2.1", "", "no answer within 2 s"),
    ],
)
