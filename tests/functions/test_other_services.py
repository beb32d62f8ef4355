"""Services that are not as ours: each was met by somebody, and has a right answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lab.ecs.api.requests import EcsError
from lab.ecs.virtual.fake_runtime import Behaviour
from pushlive import ecs, prefilter
from trials.in_memory.region import HOST_NAME, PORT, REGISTRY, service_arn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

DUAL_STACK = REGISTRY.replace(".dkr.ecr.", ".dkr-ecr.").replace(".amazonaws.com", ".on.aws")
THREE_MONTHS = 91 * 86_400
LATER_SECONDS = 1000


def updated(region: Region) -> list[Json]:
    return region.calls("UpdateService")


def changing(operation: str, region: Region, change: Callable[[Json], None]) -> None:
    """ECS answers otherwise from now on: `change` is given each service, deployment … of its answer."""

    def each(answer: Json) -> None:
        for values in answer.values():
            for value in values if isinstance(values, list) else ():
                if isinstance(value, dict):
                    change(value)

    region.rewrites[operation] = each


# An oddity of one service


def test_a_service_of_an_external_controller_has_no_task_definition_and_is_left_by_name(
    region: Region, log: Log
) -> None:
    region.push("1")
    region.ecs.create_service(
        cluster="lab",
        serviceName="external",
        deploymentController={"type": "EXTERNAL"},
        tags=[{"key": "pushlive:redeploy", "value": "on-push"}],
    )
    region.run_service()
    region.redeploy(region.push("2"))
    assert [call["service"] for call in updated(region)] == ["app"]
    assert "the controller EXTERNAL" in log.reasons(ecs_service="external")


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), TypeError("x"), RuntimeError("x")], ids=repr
)
def test_whatever_is_wrong_with_one_service_the_others_are_served_and_it_is_named(
    region: Region, log: Log, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    region.push("1")
    region.run_service("odd", host_name="odd.example.com")
    region.run_service("sound", host_name=HOST_NAME)
    push = region.push("2")
    read = ecs.tasks

    def tasks(client: Any, cluster_arn: str, service_name: str) -> Any:
        if service_name == "odd":
            raise error
        return read(client, cluster_arn, service_name)

    monkeypatch.setattr(ecs, "tasks", tasks)
    text = rf"1 services could not be served: odd: {type(error).__name__}: '?x'?"
    with pytest.raises(ExceptionGroup, match=text) as raised:
        region.redeploy(push)
    assert raised.value.exceptions == (error,)
    assert [call["service"] for call in updated(region)] == ["sound"]
    with pytest.raises(ExceptionGroup, match=text):
        region.update_record()
    assert region.addresses() == region.public_ips("sound")
    assert {line["ecs_service"] for line in log.lines(message="failed")} == {"odd"}


def test_what_fails_for_many_services_is_told_in_a_text_that_fits_into_a_dead_letter(region: Region) -> None:
    region.push("1")
    for number in range(25):
        region.create_service(f"app-{number:02}", count="x" * 200)
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy()
    text = raised.value.message
    assert text.startswith("25 services could not be served: app-00: ConfigError: The tag pushlive:desired-c")
    assert text.endswith("; and 5 more, which the log names")
    assert "app-19" in text
    assert "app-20" not in text
    assert len(text) < 20 * 400
    assert len(raised.value.exceptions) == 25


def test_an_error_of_one_service_is_told_at_no_length(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    region.push("1")
    region.run_service()

    def tasks(*_: Any) -> Any:
        raise ValueError("y" * 10_000)

    monkeypatch.setattr(ecs, "tasks", tasks)
    with pytest.raises(ExceptionGroup) as raised:
        region.redeploy()
    assert raised.value.message.count("y") == 300 - len("ValueError: ")


def test_a_service_whose_task_definition_is_inactive_says_what_to_do_and_the_others_are_served(
    region: Region,
) -> None:
    region.push("1")
    region.run_service("odd")
    region.run_service("sound")

    def refuse(answer: Json) -> None:
        if answer["service"]["serviceName"] == "odd":
            raise EcsError("ClientException", "TaskDefinition is inactive")

    region.rewrites["UpdateService"] = refuse
    with pytest.raises(ExceptionGroup, match=r"odd: ConfigError: .* INACTIVE.*: register it again, and"):
        region.redeploy(region.push("2"))
    assert sorted(call["service"] for call in updated(region)) == ["odd", "sound"]
    assert [lease for lease in region.leases() if "odd" in lease] == []


# Ports


UDP: dict[str, Any] = {"portMappings": [{"containerPort": PORT, "protocol": "udp"}]}


def test_a_service_with_a_udp_port_only_is_published_when_it_runs_and_the_log_says_that_it_was_not_asked(
    region: Region, log: Log
) -> None:
    region.push("1", behaviour=Behaviour(listens_after_seconds=None))
    region.run_service(host_name=HOST_NAME, **UDP)
    region.update_record()
    assert region.addresses() == region.public_ips() != set()
    assert region.probed == []
    assert log.reasons(message="write") == (
        "all 1 tasks of the newest deployment run (not asked: its task definition maps no TCP port)"
    )


def test_a_udp_sidecar_that_comes_first_is_not_asked_and_the_tcp_port_is(region: Region) -> None:
    region.push("1")
    last = {"portMappings": [{"containerPort": PORT + 1}]}
    region.run_service(images=["xray.example/daemon:3", "app:latest"], host_name=HOST_NAME, last=last, **UDP)
    region.update_record()
    assert region.addresses() == region.public_ips() != set()
    assert {port for _, port in region.probed} == {PORT + 1}


def test_without_the_probe_the_log_says_that_nothing_was_asked(region: Region, log: Log) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.update_record(PROBE="false")
    assert log.reasons(message="write").endswith("run (not asked: ProbePort is false)")


# The registry's other host names


def test_a_push_deploys_an_image_that_is_named_by_the_registrys_dual_stack_name(region: Region) -> None:
    region.push("1")
    region.run_service(images=[f"{DUAL_STACK}/app:latest"])
    push = region.push("2")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {push["detail"]["image-digest"]}
    region.redeploy()
    region.redeploy(region.deployment_event())
    assert len(updated(region)) == 1
    assert [subject for subject, _ in region.messages()] == ["pushlive: live: app"] * 2


def test_the_schedule_repairs_it_and_a_prefilter_knows_it(region: Region) -> None:
    region.push("1")
    for number in range(prefilter.SMALL + 1):
        region.create_service(f"app-{number}", [f"{DUAL_STACK}/app:latest"])
    region.wait(LATER_SECONDS)
    region.redeploy()
    assert region.calls("ListServiceDeployments") == []
    region.push("2")
    region.wait(10)
    region.redeploy(REGISTRY=REGISTRY.replace(".ecr.", ".ecr-fips."))
    assert len(updated(region)) == prefilter.SMALL + 1


# Absence of history


def test_a_live_service_whose_deployments_ecs_has_forgotten_is_left(region: Region, log: Log) -> None:
    region.push("1")
    region.wait(5)
    region.run_service()
    region.wait(THREE_MONTHS)
    region.rewrites["ListServiceDeployments"] = lambda answer: answer.update(serviceDeployments=[])
    region.redeploy()
    assert updated(region) == []
    assert log.reasons(ecs_service="app") == "already live"
    region.runtime.crash(region.tasks()[0]["taskArn"], "app", region.now)
    region.redeploy()
    assert updated(region) == [], "no task runs for a moment, and what was deployed after the push is live"
    push = region.push("2")
    region.redeploy(push)
    assert len(updated(region)) == 1


@pytest.mark.parametrize("listed", [True, False], ids=["some-deployment-is-listed", "none-is-listed"])
@pytest.mark.parametrize("pushed", [True, False], ids=["push", "schedule"])
def test_a_service_that_was_scaled_to_0_long_ago_stays_at_0(
    region: Region,
    log: Log,
    pushed: bool,  # noqa: FBT001
    listed: bool,  # noqa: FBT001
) -> None:
    region.push("1")
    region.run_service()
    region.scale(0)
    region.wait(THREE_MONTHS)
    if listed:  # one that was forced at 0 has resolved nothing
        region.update_service(forceNewDeployment=True)
        region.wait(300)

    def forget(answer: Json) -> None:
        del answer["serviceDeployments"][1 if listed else 0 :]

    region.rewrites["ListServiceDeployments"] = forget
    push = region.push("2")
    region.wait(10)
    region.redeploy(push if pushed else None)
    assert updated(region) == []
    assert log.reasons(ecs_service="app") == "scaled to 0"


def test_a_service_whose_images_are_not_resolved_and_that_was_scaled_to_0_stays_at_0(
    region: Region, log: Log
) -> None:
    region.push("1")
    region.run_service(versionConsistency="disabled")
    region.scale(0)
    region.wait(300)
    region.push("2")
    region.wait(10)
    region.redeploy()
    assert updated(region) == []
    assert log.reasons(ecs_service="app", message="leave") == "scaled to 0"


def test_a_service_whose_images_are_not_resolved_is_deployed_and_told_as_live(region: Region) -> None:
    region.push("1")
    region.run_service(versionConsistency="disabled")
    push = region.push("2")
    region.redeploy(push)
    region.wait(300)
    assert region.running_digests() == {push["detail"]["image-digest"]}
    region.redeploy()
    assert len(updated(region)) == 1
    assert region.messages()[-1][0] == "pushlive: live: app"


def test_a_service_whose_image_is_gone_and_that_may_have_run_is_not_held(region: Region, log: Log) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(versionConsistency="disabled")
    region.redeploy()
    assert updated(region) == []
    assert "names no image" in log.reasons(ecs_service="app")


@pytest.mark.parametrize(("seconds", "started"), [(80 * 86_400, True), (THREE_MONTHS, False)])
def test_a_service_that_waits_for_its_first_push_is_started_for_as_long_as_ecs_remembers_all(
    region: Region,
    seconds: float,
    started: bool,  # noqa: FBT001
) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)
    region.redeploy(region.deployment_event())
    region.wait(seconds)
    region.redeploy(region.push("1"))
    assert [call.get("desiredCount") for call in updated(region)] == ([0, 2] if started else [0])


@pytest.mark.parametrize(("forced", "started"), [(18, True), (19, False)])
def test_a_service_with_more_deployments_than_are_read_may_have_run(
    region: Region,
    log: Log,
    forced: int,
    started: bool,  # noqa: FBT001
) -> None:
    """ListServiceDeployments is asked for 20: with as many, there may be older ones."""
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service()
    region.wait(5)
    region.redeploy(region.deployment_event())
    for _ in range(forced):
        region.wait(60)
        region.update_service(forceNewDeployment=True)
    region.wait(60)
    log.clear()
    region.redeploy(region.push("1"))
    assert log.messages(ecs_service="app") == ["start" if started else "leave"]


# Strategies


def test_a_daemon_is_never_given_a_desired_count(region: Region) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service(count="2")
    region.wait(5)
    changing("DescribeServices", region, lambda service: service.update(schedulingStrategy="DAEMON"))
    region.redeploy(region.deployment_event())
    assert updated(region) == []
    region.redeploy(region.push("1"))
    [call] = updated(region)
    assert "desiredCount" not in call
    assert call["forceNewDeployment"]


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_another_deployment_strategy_is_declined_by_name_and_its_record_follows_its_tasks(
    region: Region, log: Log, strategy: str
) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    configured = {"strategy": strategy}
    changing("DescribeServices", region, lambda service: service.update(deploymentConfiguration=configured))
    region.redeploy(region.push("2"))
    region.redeploy(region.deployment_event())
    assert updated(region) == []
    assert strategy in log.reasons(ecs_service="app")
    assert region.messages() == [], "its stages are not ours to tell"
    region.update_record()
    assert region.addresses() == region.public_ips()


# What is no image


@pytest.fixture
def chart(region: Region) -> Iterator[Callable[[Json], None]]:
    """ECR tells from now on that what was pushed is a Helm chart (moto does not tell what it is)."""
    events = region.wire.client("ecr").meta.events
    kind = ["application/vnd.docker.container.image.v1+json"]

    def tell(parsed: Json, **_: object) -> None:
        for each in parsed.get("imageDetails", []):
            each["artifactMediaType"] = kind[0]

    events.register("after-call.ecr.DescribeImages", tell)
    yield lambda _: kind.__setitem__(0, "application/vnd.cncf.helm.config.v1+json")
    events.unregister("after-call.ecr.DescribeImages", tell)


@pytest.mark.parametrize("services", [1, prefilter.SMALL + 1], ids=["small-cluster", "prefiltered-cluster"])
def test_a_chart_under_the_tag_is_left_and_named(
    region: Region, log: Log, chart: Callable[[Json], None], services: int
) -> None:
    region.push("1")
    for number in range(services):
        region.create_service(f"app-{number}")
    region.wait(LATER_SECONDS)
    push = region.push("chart")
    chart(push)
    for event in (push, None):
        log.clear()
        region.redeploy(event)
        region.wait(10)
        assert updated(region) == []
        assert (
            log.reasons(message="leave").count("helm.config.v1+json, which is no container image") == services
        )
    assert region.push("3")


# Lengths


def test_the_longest_names_are_written_whole_where_aws_takes_them(region: Region) -> None:
    name = "s" * 255
    host_name = ".".join(["h" * 63, "h" * 63, "h" * 63, "h" * 39, "example.com"])
    assert len(host_name) == 243
    region.push("1")
    region.run_service(name, host_name=host_name)
    region.update_record()
    assert region.addresses(host_name) == region.public_ips(name) != set()
    owner = f"pushlive service={service_arn(name)}"
    assert region.records()[(f"_pushlive.{host_name}", "TXT")] == {f'{owner[:255]}" "{owner[255:]}'}
    region.update_record()
    assert len(region.calls("ChangeResourceRecordSets")) == 1, "it knows its own record"
    region.scale(0, name)
    region.update_record()
    assert region.records() == {}


def test_the_longest_names_are_told_once_a_day(region: Region) -> None:
    name = "s" * 255
    host_name = ".".join(["h" * 63, "h" * 63, "h" * 63, "h" * 39, "example.com"])
    region.upsert(host_name, "A", ["203.0.113.9"])
    region.push("1")
    region.run_service(name, host_name=host_name)
    region.update_record()
    region.update_record()
    [(subject, text)] = region.messages()
    assert subject.startswith("pushlive: no record: sss")
    assert name in text
    assert host_name in text
    region.wait(86_400)
    region.update_record()
    assert len(region.messages()) == 2, "another day has another stream, though both are cut"


# Deleted between two looks


def test_a_service_that_is_deleted_between_two_looks_at_its_record_leaves_none(region: Region) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)

    def delete() -> None:
        region.ecs.delete_service(cluster="lab", service="app", force=True)
        region.wait(2 * 3600)

    region.before("ChangeResourceRecordSets", delete)
    region.update_record(seconds=3 * 3600)
    assert region.records() == {}


def test_a_service_that_is_deleted_between_its_hold_and_the_next_look_is_not_an_error(
    region: Region, log: Log
) -> None:
    region.hands["ecr"].create_repository(repositoryName="app")
    region.create_service()

    def delete() -> None:
        region.ecs.delete_service(cluster="lab", service="app", force=True)
        region.wait(2 * 3600)

    region.before("CreateLogStream", delete)
    region.redeploy()
    assert updated(region) == []
    assert log.messages(ecs_service="app") == ["ignored"]
    assert log.reasons(ecs_service="app") == "the service was deleted meanwhile"


def test_a_draining_services_deployment_is_not_told(region: Region) -> None:
    region.push("1")
    region.run_service()
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    assert region.service()["status"] == "DRAINING"
    region.redeploy()
    assert region.messages() == []
