"""A function's first invocation in a new process, with its calls of AWS, in Lambda's own emulator.

Ours as `sam build` makes it; beside it an empty handler, a plain one with the libraries as pip lays them out,
and the same with compiled libraries. The plain ones make the calls that one real run of ours made in the lab,
and get the answers that it got, from a stub; the stub tells whether they really did.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import redeploy_service.app
import update_record.app
from botocore import xform_name

from lab.lab import Lab
from lab.lambda_runtime.emulator import BuiltFunction, running
from pushlive import aws
from trials.bench.exchanges import recorded
from trials.bench.live_state import LiveState, read_event
from trials.bench.silence import silence
from trials.bench.stub import stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.lambda_runtime.emulator import Runtime
    from trials.bench.exchanges import Recording
    from trials.bench.stub import Stub

    Json = dict[str, Any]

HANDLERS = Path(__file__).parent / "handlers"
ROOT = Path(__file__).parents[2]
NAMES = OURS, PLAIN, COMPILED, EMPTY = ("pushlive", "plain", "plain, compiled", "empty")


@dataclass(frozen=True)
class Story:
    """What a function does in its first invocation."""

    function: str
    event: str
    given: Callable[[LiveState], None]
    handler: Callable[[Json, Any], None]


STORIES = (
    Story("RedeployService", "push_tagged", LiveState.push_image, redeploy_service.app.handler),
    Story("UpdateRecord", "task_running", LiveState.remove_record, update_record.app.handler),
)


class Context:
    """What the functions ask of Lambda's context."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Return the function's whole time-out."""
        return 60_000


@dataclass
class Recorded:
    """A story as it was played once in the lab."""

    recording: Recording
    calls: list[Json]
    """Service, method and parameters, as botocore got them."""
    environment: dict[str, str]


@dataclass
class Sample:
    """The measurements of one contestant."""

    milliseconds: list[float] = field(default_factory=list)
    peak_kib: list[int] = field(default_factory=list)


def record(live: LiveState, story: Story) -> Recorded:
    """Play a story in this process, against the lab, and note what went to and fro."""
    live.put_right()
    story.given(live)
    calls: list[Json] = []

    def note(**event: Any) -> None:  # noqa: ANN401 - botocore's own
        service, method = event["model"].service_model.service_name, xform_name(event["model"].name)
        calls.append({"service": service, "method": method, "parameters": dict(event["params"])})

    environment = live.environment | {"PROBE": "false"}  # the stub has no task that could answer
    with (
        recorded(environment["AWS_ENDPOINT_URL"]) as recording,
        _environment(environment | {"AWS_ENDPOINT_URL": recording.url}),
        silence(),
    ):
        aws.client.cache_clear()
        aws._session.cache_clear()  # noqa: SLF001 - the clients of this run are its own
        aws._session().events.register("provide-client-params.*.*", note)  # noqa: SLF001
        try:
            story.handler(read_event(story.event), Context())
        finally:
            aws.client.cache_clear()
            aws._session.cache_clear()  # noqa: SLF001
    return Recorded(recording, calls, environment)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def plain_package(folder: Path, python: Path, *, compiled: bool) -> Path:
    """Return a folder with the libraries as `sam build` lays them out; compiled ones only if asked for."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--only-binary=:all:", "--python-version", "3.13", "--implementation", "py", "--no-deps"]
    lock = ["--require-hashes", "--requirement", str(ROOT / "layers" / "pushlive" / "requirements.txt")]
    command = [*pip, *wheels, *lock, "--target", str(folder)]
    subprocess.run(command, check=True, stderr=subprocess.PIPE)  # noqa: S603 - no shell
    if compiled:
        how = ["-q", "--invalidation-mode", "unchecked-hash"]
        command = [str(python), "-m", "compileall", *how, str(folder)]
        subprocess.run(command, check=True)  # noqa: S603
    return folder


HANDLER_OF = {PLAIN: "plain.py", COMPILED: "plain.py", EMPTY: "empty.py"}


def contestants_of(
    ours: BuiltFunction, story: Recorded, folder: Path, libraries: dict[str, Path], names: tuple[str, ...]
) -> dict[str, BuiltFunction]:
    """Make the functions of a story, each in a folder of its own: handler, and beside it what it reads."""
    found = {OURS: ours}
    for name in names:
        if name == OURS:
            continue
        task, layer = folder / name / "task", folder / name / "layer"
        task.mkdir(parents=True)
        layer.mkdir()
        shutil.copy(HANDLERS / HANDLER_OF[name], task / "app.py")
        (task / "calls.json").write_text(json.dumps(story.calls), encoding="utf-8")
        if name in libraries:
            (layer / "python").symlink_to(libraries[name])
        found[name] = replace(ours, folder=task, layer=layer, handler="app.handler")
    return found


def measured(
    runtime: Runtime, function: BuiltFunction, environment: dict[str, str], event: Json, log: Path
) -> tuple[float, int]:
    """Return the milliseconds of a first invocation, and the most memory that its process held, in KiB.

    Raises:
        RuntimeError: the function failed.
    """
    with running(runtime, function, environment, log, traced=False) as emulator:
        began = time.perf_counter()
        answer = emulator.invoke(event)
        milliseconds = (time.perf_counter() - began) * 1000
        if answer.text != "null":
            raise RuntimeError(f"{function.name} in {function.folder}: {answer.output}")
        return milliseconds, emulator.peak_memory_kib()


def cold_starts(
    runtime: Runtime,
    built: Path,
    folder: Path,
    rounds: int,
    say: Callable[[str], None],
    names: tuple[str, ...] = NAMES,
) -> Json:
    """Return the figures of both functions, each beside the contestants of these names."""
    libraries = {
        name: plain_package(folder / name, runtime.python, compiled=name == COMPILED)
        for name in names
        if name in (PLAIN, COMPILED)
    }
    with Lab(speed=100) as lab:
        live = LiveState(lab)
        stories = {story.function: record(live, story) for story in STORIES}
    found: Json = {}
    with ExitStack() as stack:
        races = {}
        for story in STORIES:
            played = stories[story.function]
            its_folder = folder / story.function
            ours = BuiltFunction.of(built, story.function)
            contestants = contestants_of(ours, played, its_folder, libraries, names)
            races[story] = (contestants, stack.enter_context(stub(played.recording, its_folder)))
        samples = {(story.function, name): Sample() for story in STORIES for name in names}
        for number in range(rounds):
            say(f"cold starts, round {number + 1} of {rounds}")
            for story, (contestants, answering) in races.items():
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    sample = samples[story.function, name]
                    played = stories[story.function]
                    taken = _one(runtime, contestants, name, story, played, answering, folder)
                    sample.milliseconds.append(taken[0])
                    sample.peak_kib.append(taken[1])
    for story in STORIES:
        its = {name: samples[story.function, name] for name in names}
        calls = len(stories[story.function].calls)
        found[story.function] = {"event": story.event, "aws_calls": calls, **figures(its)}
    return {"rounds": rounds, "functions": found}


def _one(
    runtime: Runtime,
    contestants: dict[str, BuiltFunction],
    name: str,
    story: Story,
    played: Recorded,
    answering: Stub,
    folder: Path,
) -> tuple[float, int]:
    answering.again()
    environment = played.environment | {
        "AWS_ENDPOINT_URL": answering.url,
        "AWS_CA_BUNDLE": str(answering.certificates),
    }
    taken = measured(runtime, contestants[name], environment, read_event(story.event), folder / "log")
    asked = answering.again()
    expected = [] if name == EMPTY else [f"{each.service} {each.key}" for each in played.recording.exchanges]
    if asked != expected:
        raise RuntimeError(f"{name} of {story.function} called {asked} and not {expected}")
    return taken


def figures(samples: dict[str, Sample]) -> Json:
    """Return medians, and the medians of the ratios within each round."""
    ours = samples[OURS]

    def ratio(mine: Sequence[float], other: Sequence[float]) -> float:
        return round(median([a / b for a, b in zip(mine, other, strict=True)]), 3)

    return {
        "time_ratio_to": {
            name: ratio(ours.milliseconds, each.milliseconds)
            for name, each in samples.items()
            if name != OURS
        },
        "memory_ratio_to": {
            name: ratio(ours.peak_kib, each.peak_kib) for name, each in samples.items() if name != OURS
        },
        "milliseconds": {name: round(median(each.milliseconds), 1) for name, each in samples.items()},
        "peak_mib": {name: round(median(each.peak_kib) / 1024, 1) for name, each in samples.items()},
    }
