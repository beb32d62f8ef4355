"""From a push to its deployment, in the lab: by pushlive, and by the commands that people type instead.

The clock runs from the moment in which the registry has accepted the manifest to that in which ECS has taken
the new deployment. A cold function has no process yet; the lab has unpacked it before.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from lab.ecr import registry as oci_registry
from lab.user import sam
from lab.user.deployed_stack import DeployedStack
from lab.waiting import until
from trials.bench.exchanges import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.lab import Lab

    Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
WARM, COLD, BY_HAND, ECS_DEPLOY = "pushlive, warm", "pushlive, cold", "aws ecs update-service", "ecs-deploy"
WAYS = (WARM, COLD, BY_HAND, ECS_DEPLOY)
COMMAND_SECONDS = 60
QUIET_SECONDS = 1.5
"""More than UpdateRecord's longest pause between two looks at a task that listens at once."""

COMMANDS = {
    # way: the variable that names another executable, the one of the checkout, its words
    BY_HAND: (
        "AWS",
        ".venv-aws/bin/aws",
        ("ecs", "update-service", "--force-new-deployment", "--cluster", "CLUSTER", "--service", "SERVICE"),
    ),
    ECS_DEPLOY: (
        "ECS_DEPLOY",
        ".venv-ecs-deploy/bin/ecs",
        ("deploy", "CLUSTER", "SERVICE", "--timeout", "-1"),
    ),
}


class Pushes:
    """A deployed stack, and what ECS was asked for."""

    def __init__(self, lab: Lab, build: Path) -> None:
        self._lab = lab
        self._asked: list[tuple[float, str]] = []
        self._versions = 0
        self._environment: dict[str, str] = {}
        self._stack = DeployedStack(lab, build)
        self._stack.deploy()
        self._listen()
        self.push(WARM)

    def _listen(self) -> None:
        answer = self._lab.ecs.call

        def call(operation: str, request: Json) -> Json:
            answered = answer(operation, request)
            self._asked.append((time.perf_counter(), operation))
            return answered

        self._lab.ecs.call = call  # type: ignore[method-assign]

    def calls_of(self, command: str) -> int:
        """Push another version, and return how many calls of AWS the command makes that deploys it."""
        with recorded(self._lab.endpoint) as recording:
            self.push(command, recording.url)
        return len(recording.exchanges)

    def own_calls(self) -> dict[str, int]:
        """Push two versions, and return how many calls of AWS the function makes until each is deployed."""
        found: dict[str, int] = {}
        with recorded(self._lab.endpoint) as recording:
            self._forget_the_function(AWS_ENDPOINT_URL=recording.url)
            for way in (COLD, WARM):
                before = len(recording.exchanges)
                self.push(WARM)  # the first finds no process all the same
                asked = [each.key.rpartition(".")[2] for each in recording.exchanges[before:]]
                found[way] = asked.index("UpdateService") + 1
            self._forget_the_function()
        return found

    def push(self, way: str, endpoint: str = "") -> float:
        """Push another version and have it deployed; return the milliseconds that this took."""
        if way == COLD:
            self._forget_the_function()
        elif way != WARM:
            self._lab.delivery.lose(lambda event: event["source"] == "aws.ecr")
        self._versions += 1
        oci_registry.HTTP.clear()  # the registry has closed what was not used since the last push
        self._stack.push(str(self._versions))
        accepted, seen = time.perf_counter(), len(self._asked)
        if way in COMMANDS:
            self._type(way, endpoint or self._lab.endpoint)
        until(lambda: self._updates(seen) or None, f"the deployment of a push ({way})", COMMAND_SECONDS)
        milliseconds = (self._updates(seen)[0] - accepted) * 1000
        until(lambda: self._stack.is_steady(1), "the end of the deployment", COMMAND_SECONDS)
        until(self._is_quiet, "the end of the functions' runs", COMMAND_SECONDS)
        return milliseconds

    def _is_quiet(self) -> bool:
        """Return whether the functions have done all that this push made them do."""
        return time.perf_counter() > self._asked[-1][0] + QUIET_SECONDS

    def _updates(self, seen: int) -> list[float]:
        return [at for at, operation in self._asked[seen:] if operation == "UpdateService"]

    def _forget_the_function(self, **environment: str) -> None:
        """End the function's process, as an update of its configuration does."""
        functions = self._lab.client("lambda")
        [name] = [
            each["FunctionName"]
            for each in functions.list_functions()["Functions"]
            if "RedeployService" in each["FunctionName"]
        ]
        self._environment = (
            self._environment
            or functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        )
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": self._environment | environment}
        )

    def _type(self, way: str, endpoint: str) -> None:
        """Run the command that people type."""
        variable, beside, words = COMMANDS[way]
        names = {
            "CLUSTER": self._stack.outputs["ClusterName"],
            "SERVICE": self._stack.outputs["ServiceName"],
        }
        done = subprocess.run(  # noqa: S603 - no shell
            [str(executable(variable, beside)), *(names.get(word, word) for word in words)],
            env={**os.environ, **sam.environment(self._lab), "AWS_ENDPOINT_URL": endpoint},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{way}: {done.stdout}{done.stderr}")


def executable(variable: str, beside: str) -> Path:
    """Return a command of an environment of its own.

    Raises:
        FileNotFoundError: it is not there.
    """
    found = Path(os.environ.get(variable) or ROOT / beside)
    if not found.exists():
        raise FileNotFoundError(f"{found} is not there: `make bench` installs it, or name it in {variable}")
    return found


def pushes(lab: Lab, build: Path, rounds: int, say: Callable[[str], None]) -> Json:
    """Return what each way took, and the medians of the ratios within each round."""
    stack = Pushes(lab, build)
    calls = {command: stack.calls_of(command) for command in COMMANDS}
    own = [stack.own_calls() for _ in range(3)]
    for way in (WARM, COLD):
        calls[way] = min(each[way] for each in own)  # a deployment's end may trigger it beside the push
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds):
        say(f"pushes, round {number + 1} of {rounds}")
        for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
            taken[way].append(stack.push(way))
    return {"rounds": rounds, **figures(taken), "aws_calls": calls}


def figures(times: dict[str, list[float]]) -> Json:
    """Return the figures of all ways."""
    return {
        "time_ratio": {
            f"{ours} to {other}": round(
                median([a / b for a, b in zip(times[ours], times[other], strict=True)]), 3
            )
            for ours in (WARM, COLD)
            for other in COMMANDS
        },
        "milliseconds": {way: round(median(its)) for way, its in times.items()},
        "processes_started": {way: int(way in COMMANDS) for way in WAYS},
    }
