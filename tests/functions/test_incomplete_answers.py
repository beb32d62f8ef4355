"""No key of an answer is promised: without any of them, one service may not be served, and the others are.

botocore's models of ECS, ECR and EC2 require nothing of an answer. Runs are recorded once, and played again
from the recording with one key of one answer gone.
"""

from __future__ import annotations

import copy
import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from redeploy_service.app import Redeployment
from update_record.app import RecordUpdate

from pushlive import ecs, prefilter, route53
from trials.in_memory.region import HOST_NAME, RECORD_LOG_GROUP, TIMEOUT_SECONDS
from trials.in_memory.wire import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3

    from trials.in_memory.region import Region

    Json = dict[str, Any]
    Path = tuple[str | int, ...]

WRITES = CHANGES | {"CreateLogStream", "DeleteLogStream", "Publish"}
OTHER_HOST_NAME = "other.example.com"
# Without these ECS names no service at all: then there is nothing to serve, and nothing to fail.
PROMISED = {"GetHostedZone", "ListResourceRecordSets"}  # Route 53's model requires the keys that are read
NOBODY = {("ListServices", "serviceArns"), ("DescribeServices", "services")}


class Player:
    """Clients that answer what was recorded, and note what is changed."""

    def __init__(self, session: boto3.Session) -> None:
        self.answers: dict[str, Json] = {}
        self.changes: list[tuple[str, Json]] = []
        self.clients = {name: self._client(session, name) for name in ("ecs", "ecr", "ec2", "route53", "logs",
                                                                       "sns")}  # fmt: skip

    def _client(self, session: boto3.Session, service: str) -> Any:
        client = session.client(service)  # type: ignore[call-overload]
        client._make_api_call = self._answer
        return client

    def _answer(self, operation: str, parameters: Json) -> Json:
        if operation in WRITES:
            self.changes.append((operation, parameters))
            return {}
        try:
            return copy.deepcopy(self.answers[key(operation, parameters)])
        except KeyError:  # what AWS says to what cannot be meant
            error: Any = {"Error": {"Code": "InvalidParameterException", "Message": str(parameters)}}
            raise ClientError(error, operation) from None

    def changed(self, operation: str, containing: str) -> list[Json]:
        made = [given for name, given in self.changes if name == operation]
        return [given for given in made if containing in json.dumps(given)]


def key(operation: str, parameters: Json) -> str:
    return f"{operation} {json.dumps(parameters, sort_keys=True)}"


def recorded(region: Region, run: Callable[[], None]) -> dict[str, Json]:
    """The answers of a run, by what was asked."""
    answers: dict[str, Json] = {}

    def note(parsed: Json, model: Any, **_: object) -> None:
        if region.wire.recording:
            asked = key(model.name, region.wire.calls[-1].parameters)
            answers[asked] = copy.deepcopy({k: v for k, v in parsed.items() if k != "ResponseMetadata"})

    ecs.task_definition.cache_clear()  # asked for again by each run
    clients = [region.wire.client(name) for name in ("ecs", "ecr", "ec2", "route53")]
    for client in clients:
        client.meta.events.register("after-call", note)
    try:
        run()
    finally:
        for client in clients:
            client.meta.events.unregister("after-call", note)
    return answers


def keys_of(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of each key of an answer, at whatever depth."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from keys_of(inner, (*path, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from keys_of(inner, (*path, number))


def without(answer: Json, path: Path) -> Json:
    answer = copy.deepcopy(answer)
    inner: Any = answer
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return answer


def is_of_the_other(answer: Json, path: Path) -> bool:
    """Whether the key is of what AWS tells of the other service only."""
    inner: Any = answer
    for step in path[:-1]:
        inner = inner[step]
        if isinstance(step, int) and "other" in json.dumps(inner, default=str):
            return True
    return False


@pytest.fixture(scope="module")
def player(session: boto3.Session) -> Player:
    return Player(session)


def crippled(
    player: Player, answers: dict[str, Json], others: dict[str, Json], play: Callable[[], None]
) -> Iterator[tuple[str, Path, str]]:
    """Play the run once for each key of an answer that is not one of those about the other services only.

    Yields what was gone, and how the run failed.
    """
    for asked, answer in answers.items():
        operation = asked.partition(" ")[0]
        if asked in others or operation in PROMISED:
            continue
        for path in keys_of(answer):
            if is_of_the_other(answer, path) or ((operation, path[0]) in NOBODY and len(path) == 1):
                continue
            player.answers = {**answers, asked: without(answer, path)}
            player.changes = []
            ecs.task_definition.cache_clear()
            route53.zone_name.cache_clear()
            failure = ""
            try:
                play()
            except ExceptionGroup as group:
                failure = group.message
            yield operation, path, failure


@pytest.mark.parametrize("others", [1, prefilter.SMALL], ids=["small-cluster", "prefiltered-cluster"])
def test_redeploy_service_serves_the_others_whatever_ecs_and_ecr_leave_out_of_one(
    region: Region, player: Player, others: int
) -> None:
    region.push("1", children=["sha256:" + "c" * 64])
    names = ["app", *(f"other-{number}" for number in range(others))]
    for name in names:
        repository = name.partition("-")[0]
        region.push("1", repository=repository)
        region.create_service(name, [f"{repository}:latest"], port=8080)
    region.wait(1000)
    region.push("2", repository="other")
    region.push("2", children=["sha256:" + "d" * 64])
    region.wait(10)
    now = region.datetime()
    answers = recorded(region, lambda: region.redeploy(DRY_RUN="true"))
    of_others: dict[str, Json] = {}
    for name in names[1:]:
        event = region.deployment_event(name)
        of_others |= recorded(region, partial(region.redeploy, event, DRY_RUN="true"))
    event = region.schedule()
    settings = region._settings({})
    seen = 0

    def play() -> None:
        clients = player.clients
        Redeployment(
            settings,
            clients["ecs"],
            clients["ecr"],
            lambda: clients["logs"],
            lambda: clients["sns"],
            seconds_left=lambda: TIMEOUT_SECONDS,
            now=lambda: now,
        ).run(event)

    for operation, path, failure in crippled(player, answers, of_others, play):
        gone = f"{operation} without {path}: {failure}"
        assert len(player.changed("UpdateService", "other-")) == others, gone
        assert "other-" not in failure, gone
        assert "services could not be served: app: " in failure or not failure, gone
        for change in player.changed("UpdateService", '"app"'):
            assert "desiredCount" not in change, gone
        seen += 1
    assert seen > 150, "the recording holds what ECS tells of a service"


def test_update_record_serves_the_others_whatever_ecs_and_ec2_leave_out_of_one(
    region: Region, player: Player
) -> None:
    region.push("1")
    region.push("1", repository="other")
    region.create_service("app", host_name=HOST_NAME, health_check=True)
    region.create_service("other", ["other:latest"], host_name=OTHER_HOST_NAME)
    region.wait(1000)
    now, clock = region.now, region.datetime()
    answers = recorded(region, lambda: region.update_record(DRY_RUN="true"))
    of_others = recorded(
        region, lambda: region.update_record(region.task_event("RUNNING", "other"), DRY_RUN="true")
    )
    event = region.schedule()
    settings = region._settings({"LEASES_LOG_GROUP": RECORD_LOG_GROUP})
    seen = 0

    def play() -> None:
        clients = player.clients
        RecordUpdate(
            settings,
            clients["ecs"],
            clients["ec2"],
            clients["route53"],
            lambda: clients["logs"],
            lambda: clients["sns"],
            deadline=now,
            now=lambda: now,
            clock=lambda: clock,
            sleep=lambda _: None,
            answering=lambda addresses, _: frozenset(addresses),
        ).run(event)

    for operation, path, failure in crippled(player, answers, of_others, play):
        gone = f"{operation} without {path}: {failure}"
        assert player.changed("ChangeResourceRecordSets", OTHER_HOST_NAME), gone
        assert "other" not in failure, gone
        assert "services could not be served: app: " in failure or not failure, gone
        seen += 1
    assert seen > 100, "the recording holds what ECS and EC2 tell of a service"
