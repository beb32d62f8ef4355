"""Services that the stack did not make: they opt in with tags, are steered by commands, and outlive it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from lab import ministack
from lab.ecr.oci import build_index, hello_app_image
from lab.ecr.registry import push_index
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import quiet
from lab.user.resolver import Resolver
from lab.waiting import until
from tests.support.existing_cluster import CLUSTER, ExistingCluster
from tests.support.terminal import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 40.0
STEERING = commands(sam.ROOT / "docs" / "steering.md")
EXISTING = commands(sam.ROOT / "docs" / "existing-services.md")
ON_PUSH = {"pushlive:redeploy": "on-push"}


@pytest.fixture(scope="module")
def shop() -> Iterator[ExistingCluster]:
    """Four services: two of one image, one of two images, one of an image that the stack may not deploy."""
    with Lab(speed=SPEED) as lab:
        sam.build(lab.folder / "build", quiet)
        made = ExistingCluster(lab, lab.folder / "build")
        for repository in ("shop-web", "shop-app", "shop-proxy", "other"):
            made.create_repository(repository)
        made.create_service(
            "web", ["shop-web"], {**ON_PUSH, "pushlive:hostname": "web.example.com"}, desired=2
        )
        made.create_service("worker", ["shop-web"], {"team": "back office"})
        made.create_service("pair", ["shop-app", "shop-proxy"], {})
        made.create_service("other", ["other"], ON_PUSH)
        for name in ("web", "worker", "pair", "other"):
            until(partial(made.runs, name), f"{name}, as its maker left it")
        [_build, deploy] = EXISTING["Deploy the functions"]
        made.deploy_by(deploy)
        yield made


def test_stack_makes_only_the_functions(shop: ExistingCluster) -> None:
    found = shop.lab.client("cloudformation").list_stack_resources(StackName=sam.STACK_NAME)
    kinds = {each["ResourceType"].split("::")[1] for each in found["StackResourceSummaries"]}
    assert kinds & {"EC2", "ECR", "ECS"} == set()
    assert f":service/{CLUSTER}/SERVICE " in shop.outputs["Step1OptIn"]
    assert [shop.deployment_count(name) for name in ("web", "worker", "pair", "other")] == [1, 1, 1, 1]


def test_every_task_of_a_service_that_asks_for_a_name_is_in_its_record(shop: ExistingCluster) -> None:
    until(lambda: len(Resolver(shop.lab.dns).resolve("web.example.com")) == 2, "two addresses")


def test_the_line_of_the_page_opts_a_service_in_with_a_name(shop: ExistingCluster) -> None:
    [opt_in] = EXISTING["Let services opt in"]
    shop.types(opt_in, SERVICE="pair", NAME="pair.example.com")
    shop.run_schedule("UpdateRecord")
    until(lambda: shop.says("1", "pair.example.com"), "its page")


def test_a_service_without_the_tag_is_left(shop: ExistingCluster) -> None:
    digest = shop.push_to("shop-web", "2")
    shop.wait_until_it_runs("web", digest)
    until(lambda: shop.says("2", "web.example.com"), "the new page")
    assert shop.deployment_count("worker") == 1


def test_the_printed_line_opts_a_service_in_and_one_push_deploys_each_service_of_its_image_once(
    shop: ExistingCluster,
) -> None:
    shop.types(shop.outputs["Step1OptIn"], SERVICE="worker")
    assert shop.tags("worker") == {"team": "back office", **ON_PUSH}
    until(lambda: shop.runs("web"), "the other service's rest")
    shop.run_schedule("RedeployService")
    shop.wait_until_it_runs("worker", *shop.runs("web"))  # what was pushed before
    assert shop.deployment_count("worker") == 2
    before = shop.deployment_count("web")

    digest = shop.push_to("shop-web", "3")
    for name in ("web", "worker"):
        shop.wait_until_it_runs(name, digest)
        assert "already live" in shop.reason_of_schedule(name)
    assert (shop.deployment_count("web"), shop.deployment_count("worker")) == (before + 1, 3)
    assert (shop.described("web")["desiredCount"], shop.described("worker")["desiredCount"]) == (2, 1)


def test_a_push_of_either_image_of_a_task_deploys_it_once(shop: ExistingCluster) -> None:
    proxy = shop.push_to("shop-proxy", "1")  # the same as before: nothing is deployed
    app = shop.push_to("shop-app", "2")
    shop.wait_until_it_runs("pair", app, proxy)
    assert shop.deployment_count("pair") == 2
    proxy = shop.push_to("shop-proxy", "2")
    shop.wait_until_it_runs("pair", app, proxy)
    assert shop.deployment_count("pair") == 3
    until(lambda: shop.says("2", "pair.example.com"), "the page of the container with the first port")


def test_a_push_to_a_repository_outside_the_pattern_triggers_nobody_and_deploys_nothing(
    shop: ExistingCluster,
) -> None:
    digest = shop.push_to("other", "2")
    [pushed] = until(
        lambda: [
            each.event
            for each in shop.lab.delivery.history
            if each.event["detail"].get("image-digest") == digest
            and each.event["detail"]["repository-name"] == "other"
        ],
        "the event of the push",
    )
    assert "in a repository that the stack deploys" in shop.reason_of_schedule("other")
    assert all(line.get("event_id") != pushed["id"] for line in shop.log_of("RedeployService"))
    assert shop.deployment_count("other") == 1


# The commands of docs/steering.md


def test_each_command_of_the_page_is_typed_here() -> None:
    assert {title: len(lines) for title, lines in STEERING.items() if lines} == {
        "Pause": 1,
        "Resume": 1,
        "Dry run": 1,
        "Deploy the same image again": 1,
        "Go back to an earlier image": 2,
    }


def test_a_paused_service_is_not_deployed_and_catches_up_when_it_goes_on(shop: ExistingCluster) -> None:
    [pause], [resume] = STEERING["Pause"], STEERING["Resume"]
    before = shop.deployment_count("worker")
    shop.types(pause, SERVICE="worker")
    digest = shop.push_to("shop-web", "4")
    shop.wait_until_it_runs("web", digest)
    assert "paused by its tag" in shop.reason_of_schedule("worker")
    assert shop.deployment_count("worker") == before
    shop.types(resume, SERVICE="worker")
    shop.wait_until_it_runs("worker", digest)  # by the schedule: its push is long over
    assert shop.deployment_count("worker") == before + 1


def test_the_same_image_is_deployed_again_by_hand_and_by_nobody_else(shop: ExistingCluster) -> None:
    [again] = STEERING["Deploy the same image again"]
    before, digests = shop.deployment_count("web"), shop.runs("web")
    shop.types(again, SERVICE="web")
    shop.wait_until_it_runs("web", *digests)
    assert "already live" in shop.reason_of_schedule("web")
    assert shop.deployment_count("web") == before + 1
    assert shop.described("web")["desiredCount"] == 2


@pytest.mark.parametrize("kind", ["image", "index"])
def test_an_earlier_image_is_deployed_when_the_tag_names_it_again(shop: ExistingCluster, kind: str) -> None:
    look, go_back = STEERING["Go back to an earlier image"]
    if kind == "index":
        images = [hello_app_image("multi", target=target) for target in ("linux/amd64", "linux/arm64")]
        registry = shop.lab.endpoint.partition("://")[2]
        earlier = push_index(registry, "shop-app", "latest", build_index(images, attestations=True))
    else:
        earlier = shop.push_to("shop-app", "good")
    until(lambda: shop.says("multi" if kind == "index" else "good", "pair.example.com"), "the earlier page")
    until(lambda: shop.runs("pair"), "the end of its deployment")
    later = shop.push_to("shop-app", f"worse than the {kind}")
    until(lambda: later in shop.runs("pair"), "the later image")
    before = shop.deployment_count("pair")

    rows = [line.split("\t") for line in shop.types(look, REPOSITORY="shop-app").splitlines()]
    tagged = {digest: tag for _, digest, _, tag in rows}
    assert (tagged[later], tagged[earlier]) == ("latest", "None")
    [media_type] = [media_type for _, digest, media_type, _ in rows if digest == earlier]
    assert media_type.endswith("index.v1+json") is (kind == "index")
    shop.types(go_back, REPOSITORY="shop-app", DIGEST=earlier)
    until(lambda: shop.says("multi" if kind == "index" else "good", "pair.example.com"), "the page of before")
    until(lambda: shop.runs("pair"), "the end of the deployment")
    assert "already live" in shop.reason_of_schedule("pair")
    assert shop.deployment_count("pair") == before + 1


def test_a_dry_run_decides_and_deploys_nothing(shop: ExistingCluster) -> None:
    [dry_run] = STEERING["Dry run"]
    before = shop.deployment_count("worker")
    shop.types(dry_run, rest=shop.in_the_lab)
    until(lambda: ministack.executions_in_flight() == 0, "the end of the runs that began before")
    digest = shop.push_to("shop-web", "dry")
    decided = {"message": "deploy", "digest": digest, "ecs_service": "worker", "dry_run": True}
    until(
        lambda: [line for line in shop.log_of("RedeployService") if decided.items() <= line.items()],
        f"the line {decided}",
    )
    assert shop.deployment_count("worker") == before
    shop.types(dry_run.replace("true", "false"), rest=shop.in_the_lab)
    shop.wait_until_it_runs("worker", digest)
    until(lambda: shop.says("dry", "web.example.com"), "the page: the other parameters are as they were")


# The end


def test_sam_delete_takes_the_names_and_leaves_the_services_running(shop: ExistingCluster) -> None:
    until(lambda: shop.runs("web") and shop.runs("pair"), "quiet")
    counts = {name: shop.deployment_count(name) for name in ("web", "worker", "pair", "other")}
    assert shop.record_names() == {
        (name, kind)
        for host in ("web.example.com", "pair.example.com")
        for name, kind in ((host, "A"), (f"_pushlive.{host}", "TXT"))
    }
    [delete] = EXISTING["Remove the functions"]
    shop.types(delete, rest=f"{shop.with_its_configuration} --no-prompts")  # nobody is there to answer
    assert shop.record_names() == set()
    assert shop.lab.client("lambda").list_functions()["Functions"] == []
    assert shop.lab.client("events").list_rules()["Rules"] == []
    assert {name: shop.deployment_count(name) for name in counts} == counts
    assert [shop.described(name)["runningCount"] for name in counts] == [2, 1, 1, 1]
    assert shop.tags("web") == ON_PUSH
    assert shop.tags("worker") == {"team": "back office", **ON_PUSH}
    assert len(shop.lab.client("ecr").describe_repositories()["repositories"]) == 4
