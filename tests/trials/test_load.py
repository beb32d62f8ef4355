"""The load's parts that decide what its numbers mean: the count, the services it compares, the baselines."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from lab.ecr.registry import push_image
from lab.lab import Lab
from lab.waiting import until
from trials.load import mix
from trials.load.baselines import Baseline, NaiveRecorder, Person
from trials.load.clients import ClientSettings, Load
from trials.load.images import DIES, HELLO, PORT, image
from trials.load.services import BY_HAND, NAIVE, OURS, LoadService, all_services, definition_like
from trials.load.table import as_json, count, drawn
from trials.load.timeline import Timeline
from trials.picture.recording import Phase, Recording, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, SECOND = Phase("first", 100, 110), Phase("second", 110, 120)


def request(at: float, failure: str = "") -> Request:
    return Request(at, 0.01, "1", "127.64.0.1", "" if failure else "1", failure)


REQUESTS = [
    request(99.9, "refused"),
    request(100),
    request(105, "refused"),
    request(106, "reset"),
    request(107, "refused"),
    request(110, "timed out"),
    request(119.9),
]


@pytest.mark.parametrize(
    ("phase", "total", "failed", "kinds", "repeated"),
    [
        (FIRST, 4, 3, {"refused": 2, "reset": 1}, 1),
        (SECOND, 2, 1, {"timed out": 1}, 2),
        (None, 7, 5, {"refused": 3, "reset": 1, "timed out": 1}, 3),
        (Phase("later", 120, 130), 0, 0, {}, 0),
    ],
    ids=["from-its-begin", "its-end-is-the-next-one-s", "all", "nobody-asked"],
)
def test_a_request_counts_in_the_phase_in_which_it_was_due(
    phase: Phase | None, total: int, failed: int, kinds: dict[str, int], repeated: int
) -> None:
    found = count(REQUESTS, [101, 111, 119], phase=phase)
    assert (found.total, found.failed, found.kinds, found.repeated) == (total, failed, kinds, repeated)
    assert str(found) == f"{failed}/{total}"


def recording(title: str, requests: list[Request]) -> Recording:
    return Recording(title, f"{title}.example.com", 8, 100, 120, phases=[FIRST, SECOND], requests=requests)


def test_the_file_has_a_line_for_each_phase_and_service_and_one_for_all_phases() -> None:
    lines = as_json(
        [recording("ours", [request(101)]), recording("other", REQUESTS)], {"other.example.com": [101]}
    )
    assert [(line["service"], line["phase"], line["failed"], line["requests"]) for line in lines] == [
        ("ours", "first", 0, 1),
        ("ours", "second", 0, 0),
        ("ours", "all", 0, 1),
        ("other", "first", 3, 4),
        ("other", "second", 1, 2),
        ("other", "all", 5, 7),
    ]
    assert [line["repeated"] for line in lines] == [0, 0, 0, 1, 0, 1]


def test_the_table_shows_failed_of_all_requests() -> None:
    shown = io.StringIO()
    table = drawn([recording("ours", [request(101)]), recording("other", REQUESTS)])
    Console(file=shown, width=120).print(table)
    [line] = [line for line in shown.getvalue().splitlines() if "first" in line]
    assert line.split()[1:-1] == ["first", "│", "0/1", "│", "3/4"]


STACKS = {
    "taskDefinitionArn": "arn:aws:ecs:us-east-1:000000000000:task-definition/stack:3",
    "revision": 3,
    "status": "ACTIVE",
    "family": "stack",
    "cpu": "256",
    "containerDefinitions": [
        {"name": "app", "image": "127.0.0.1:4566/repository:latest", "stopTimeout": 120},
        {"name": "drain-sidecar", "image": "busybox", "dependsOn": [{"containerName": "app"}]},
    ],
}


@pytest.mark.parametrize(
    ("way", "name", "images"),
    [
        (OURS, DIES, {"app": "127.0.0.1:4566/repository:dies-on-sigterm", "drain-sidecar": "busybox"}),
        (BY_HAND, HELLO, {"app": "127.0.0.1:4566/repository:latest"}),
        (NAIVE, DIES, {"app": "127.0.0.1:4566/repository:dies-on-sigterm"}),
    ],
    ids=["ours-has-all-containers", "by-hand-the-application-alone", "naive-the-application-alone"],
)
def test_a_service_runs_the_stack_s_task_definition(way: str, name: str, images: dict[str, str]) -> None:
    service = LoadService(way, name, "name", "name.example.com")
    made = definition_like(STACKS, service)
    assert {each["name"]: each["image"] for each in made["containerDefinitions"]} == images
    assert (made["family"], made["cpu"]) == ("name", "256")
    assert made["containerDefinitions"][0]["stopTimeout"] == 120
    assert not {"taskDefinitionArn", "revision", "status"} & set(made)
    containers: Any = STACKS["containerDefinitions"]
    assert containers[0]["image"].endswith(":latest"), "the stack's own was changed"


def test_the_stack_s_service_is_ours_and_the_first_and_no_two_share_a_name() -> None:
    services = all_services("stack-service")
    assert (services[0].way, services[0].image, services[0].name) == (OURS, HELLO, "stack-service")
    assert len({service.name for service in services}) == 6
    assert len({service.host_name for service in services}) == 6


def test_the_load_is_told_as_one_line() -> None:
    client = ClientSettings("1", "app.example.com", 8080, 4.0, 0.5, keeps_alive=True, holds_seconds=0.6)
    load = Load(("127.0.0.1", 53), 2.0, (client,))
    assert Load.from_json(load.to_json()) == load
    assert "\n" not in load.to_json()


@pytest.mark.parametrize("name", [HELLO, DIES])
@pytest.mark.parametrize("start_seconds", [0, 2.5])
def test_every_image_s_program_is_in_it(name: str, start_seconds: float, tmp_path: Path) -> None:
    import json  # noqa: PLC0415

    from lab.ecr.oci import unpack  # noqa: PLC0415

    made = image(name, "1", start_seconds=start_seconds)
    unpack(made, tmp_path)
    _, program = json.loads(made.config.content)["config"]["Cmd"]
    assert (tmp_path / program.lstrip("/")).is_file()


def test_the_clients_together_ask_at_the_rate_and_one_after_the_other() -> None:
    doors = [mix.Door(f"{each}.example.com", 8080) for each in "abc"]
    found = mix.clients(doors, requests_per_second=60, hold_seconds=0.5)
    assert sum(client.requests_per_second for client in found) == pytest.approx(60)
    starts = sorted(client.first_after_seconds for client in found)
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps == pytest.approx([1 / 60] * (len(found) - 1))


@pytest.mark.parametrize("keeps_alive", [False, True], ids=["new-connections", "kept-alive"])
@pytest.mark.parametrize("holds_seconds", [0, 0.5], ids=["honours-the-TTL", "holds-longer"])
def test_every_service_has_every_kind_of_client(holds_seconds: float, *, keeps_alive: bool) -> None:
    doors = [mix.Door("a.example.com", 8080), mix.Door("b.example.com", 8080)]
    found = mix.clients(doors, requests_per_second=60, hold_seconds=0.5)
    wanted = [c for c in found if (c.keeps_alive, c.holds_seconds) == (keeps_alive, holds_seconds)]
    assert {client.host_name for client in wanted} == {"a.example.com", "b.example.com"}
    assert len({client.name.partition(": ")[2] for client in wanted}) == 1


def test_by_https_every_kind_of_client_asks_once_by_get_and_once_by_post() -> None:
    doors = [mix.Door("a.example.com", 443, "authority.pem"), mix.Door("b.example.com", 8080)]
    found = mix.clients(doors, requests_per_second=60, hold_seconds=0.5)
    kinds = {(c.host_name[0], c.keeps_alive, c.holds_seconds, c.posts) for c in found}
    wanted = set(itertools.product("a", (False, True), (0, 0.5), (False, True)))
    assert kinds == wanted | set(itertools.product("b", (False, True), (0, 0.5), (False,)))
    assert {c.authority for c in found if c.host_name[0] == "a"} == {"authority.pem"}


class Watched:
    """A service of the lab's own ECS, without the stack, and the baseline that follows it."""

    def __init__(self, lab: Lab, baseline: type[Baseline]) -> None:
        self.lab = lab
        self.ecs = lab.client("ecs")
        self.port = lab.free_port(PORT)
        self.service = LoadService(
            "baseline", DIES, f"service-of-{baseline.__name__}", f"{baseline.__name__}.example.com"
        )
        route53 = lab.client("route53")
        self.zone_id = route53.create_hosted_zone(Name="example.com", CallerReference=baseline.__name__)[
            "HostedZone"
        ]["Id"]
        self.cluster = self.ecs.create_cluster(clusterName=baseline.__name__)["cluster"]["clusterArn"]
        self.baseline = baseline(lab, self.cluster, self.zone_id, self.service)

    def start(self, registry: str) -> None:
        self.ecs.register_task_definition(
            family=self.service.name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[
                {
                    "name": "app",
                    "image": f"{registry}/repository:{self.service.tag}",
                    "environment": [{"name": "PORT", "value": str(self.port)}],
                    "stopTimeout": 2,
                }
            ],
        )
        network = {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}
        self.ecs.create_service(
            cluster=self.cluster,
            serviceName=self.service.name,
            taskDefinition=self.service.name,
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
        )

    def addresses(self) -> set[str]:
        found = self.lab.client("route53").list_resource_record_sets(HostedZoneId=self.zone_id)
        return {
            record["Value"]
            for each in found["ResourceRecordSets"]
            if each["Type"] == "A"
            for record in each["ResourceRecords"]
        }

    def deployments(self) -> int:
        found = self.ecs.list_service_deployments(cluster=self.cluster, service=self.service.name)
        return len(found["serviceDeployments"])

    def running(self) -> set[str]:
        return set(self.baseline.running())


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(speed=60) as running:
        running.client("ecr").create_repository(repositoryName="repository")
        yield running


def push(lab: Lab, version: str) -> str:
    return push_image(f"127.0.0.1:{lab.port}", "repository", "dies-on-sigterm", image(DIES, version))


def all_answer(timeline: Timeline, watched: Watched) -> bool:
    return all(life.answering_at for life in timeline.tasks(watched.service.name))


@pytest.mark.parametrize(("baseline", "recorded"), [(NaiveRecorder, 1), (Person, 2)])
def test_a_baseline_deploys_at_a_push_and_records_what_it_is_known_for(
    lab: Lab, baseline: type[Baseline], recorded: int
) -> None:
    """The naive recorder knows the last task only; a person writes down all of them, later."""
    push(lab, f"1 for {baseline.__name__}")
    watched = Watched(lab, baseline)
    with watched.baseline, Timeline(lab, watched.cluster, watched.port) as timeline:
        watched.start(f"127.0.0.1:{lab.port}")
        until(lambda: watched.addresses() and watched.addresses() == watched.running(), "the first record")
        until(lambda: all_answer(timeline, watched), "its task to answer")
        before = watched.addresses()
        digest = push(lab, f"2 for {baseline.__name__}")
        timeline.versions[digest] = "2"
        until(lambda: watched.deployments() == 2, "a deployment of the push")
        until(lambda: watched.addresses().isdisjoint(before), "the record to follow")
        until(lambda: all_answer(timeline, watched), "its task to answer")
        watched.ecs.update_service(cluster=watched.cluster, service=watched.service.name, desiredCount=2)
        until(lambda: len(watched.running()) == 2, "two tasks")
        until(lambda: len(watched.addresses()) == recorded and watched.baseline.is_done(), "their record")
        assert watched.addresses() <= watched.running()
        until(lambda: all_answer(timeline, watched), "both tasks to answer")
        watched.ecs.update_service(cluster=watched.cluster, service=watched.service.name, desiredCount=0)
        until(lambda: not watched.running(), "the end of the tasks")
        until(
            lambda: all(life.stopped_at for life in timeline.tasks(watched.service.name)), "their last events"
        )
        lives = timeline.tasks(watched.service.name)
        deployments = timeline.deployments(watched.service.name)
    assert [life.version for life in lives] == ["", "2", "2"]
    for life in lives:
        moments = (
            life.created_at,
            life.pulled_at,
            life.running_at,
            life.answering_at,
            life.stopping_at,
            life.stopped_at,
        )
        known = [moment for moment in moments if moment is not None]
        assert len(known) == len(moments), moments
        assert life.address in before or life.version == "2"
    assert [deployment.version for deployment in deployments] == ["", "2"]
