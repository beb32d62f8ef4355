"""The functions of a stack that follows the services of a cluster that it did not make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from pushlive import route53
from trials.in_memory.region import REGION, service_arn
from trials.in_memory.wire import Fault

if TYPE_CHECKING:
    import boto3

    from tests.functions.conftest import CloudFormation, Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

HOST_NAMES = "*.example.com"
NAMES = ("a.example.com", "b.example.com")
OURS = {key for name in NAMES for key in ((name, "A"), (f"_pushlive.{name}", "TXT"))}


def published(region: Region) -> None:
    """Two services that the stack follows have their records; a third one has no name."""
    region.push("1")
    for name in NAMES:
        region.create_service(name[0], host_name=name)
    region.run_service("worker")
    region.update_record(HOST_NAMES=HOST_NAMES)
    assert set(region.records()) == OURS
    region.wire.calls.clear()


def tags(region: Region, name: str) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in region.service(name)["tags"]}


# Which images


def test_a_push_to_a_repository_that_is_admitted_is_deployed(region: Region) -> None:
    region.push("1", "shop-web")
    region.run_service(images=["shop-web:latest"])
    region.redeploy(region.push("2", "shop-web"), REPOSITORIES="shop-*")
    assert region.changes()[-1] == "UpdateService"


def test_an_image_of_another_repository_is_neither_read_nor_deployed(region: Region, log: Log) -> None:
    region.push("1", "other")
    region.run_service(images=["other:latest"])
    event = region.push("2", "other")
    region.wait(60)
    region.redeploy(event, REPOSITORIES="shop-*")
    region.redeploy(REPOSITORIES="shop-*")
    assert region.changes() == []
    assert region.calls("DescribeImages") == []
    assert "in a repository that the stack deploys" in log.reasons(ecs_service="app")


def test_a_container_of_another_repository_does_not_stop_its_service(region: Region) -> None:
    for repository in ("shop-web", "other"):
        region.push("1", repository)
    region.run_service(images=["shop-web:latest", "other:latest"])
    region.redeploy(region.push("2", "shop-web"), REPOSITORIES="shop-*")
    assert region.changes()[-1] == "UpdateService"
    assert {call["repositoryName"] for call in region.calls("DescribeImages")} == {"shop-web"}


# Which names


def test_a_name_that_is_not_admitted_is_named_and_the_others_are_served(region: Region) -> None:
    region.push("1")
    region.create_service("a", host_name="a.apps.example.com")
    region.run_service("mail", host_name="mail.example.com")
    with pytest.raises(ExceptionGroup, match=r"mail: .*'mail.example.com'.* HostNames admits") as told:
        region.update_record(HOST_NAMES="*.apps.example.com")
    assert len(told.value.exceptions) == 1
    assert set(region.records()) == {("a.apps.example.com", "A"), ("_pushlive.a.apps.example.com", "TXT")}


# The stack's custom resource


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_new_stack_is_answered_with_the_cluster_and_changes_nothing(
    region: Region, cloudformation: CloudFormation, request_type: str
) -> None:
    published(region)
    region.update_record(cloudformation.request(request_type, HOST_NAMES), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert cloudformation.answer["PhysicalResourceId"] == cloudformation.made(HOST_NAMES)
    assert region.changes() == []


def test_names_outside_the_zone_fail_the_stack_and_do_not_block_its_removal(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    told = refused(region, cloudformation, "*.example.org")
    assert "'*.example.org', but the hosted zone is example.com" in told


@pytest.mark.parametrize("host_names", ["*.apps.example.com", "shop.apps.example.com"])
def test_names_that_the_zone_delegates_away_fail_the_stack(
    region: Region, cloudformation: CloudFormation, host_names: str
) -> None:
    region.upsert("apps.example.com", "NS", ["ns.example.net"])
    told = refused(region, cloudformation, host_names)
    assert "NS records of apps.example.com name other servers" in told


def refused(region: Region, cloudformation: CloudFormation, host_names: str) -> str:
    """Why the stack cannot be made. CloudFormation then deletes what was not made, which must not fail."""
    region.update_record(cloudformation.request("Create", host_names), HOST_NAMES=host_names)
    [answer] = cloudformation.answers
    assert answer["Status"] == "FAILED"
    delete = cloudformation.delete(host_names) | {"PhysicalResourceId": answer["PhysicalResourceId"]}
    region.update_record(delete, HOST_NAMES=host_names)
    assert cloudformation.answers[-1]["Status"] == "SUCCESS", cloudformation.answers[-1]["Reason"]
    assert region.changes() == []
    return str(answer["Reason"])


def test_a_stack_that_moves_to_another_zone_takes_its_records_out_of_the_old_one_only(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    old, delete = region.zone_id, cloudformation.delete(HOST_NAMES)
    made = region.hands["route53"].create_hosted_zone(Name="example.com.", CallerReference="another")
    cloudformation.zone_id = region.zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
    region.update_record(delete, HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert "UntagResource" not in region.changes()
    region.update_record(HOST_NAMES=HOST_NAMES)
    assert set(region.records()) == OURS
    region.zone_id = old
    assert region.records() == {}


def test_a_stack_that_goes_takes_the_tags_then_the_records_and_the_services_go_on(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.update_record(cloudformation.delete(HOST_NAMES), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert region.changes() == ["UntagResource"] * 2 + ["ChangeResourceRecordSets"] * 2
    assert region.records() == {}
    for name in ("a", "b", "worker"):
        assert tags(region, name) == {"pushlive:redeploy": "on-push"}
        assert region.service(name)["runningCount"] == 1
    region.update_record(HOST_NAMES=HOST_NAMES)
    assert region.records() == {}, "nobody puts them back"


def test_the_record_of_a_service_that_is_gone_goes_as_well(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.ecs.delete_service(cluster="lab", service="a", force=True)
    region.wait(2 * 3600)
    region.update_record(cloudformation.delete(HOST_NAMES), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert region.records() == {}


def test_a_second_try_finds_what_the_first_one_left(region: Region, cloudformation: CloudFormation) -> None:
    """The first one has taken the tags off, so that the tags no longer tell which records are ours."""
    published(region)
    region.wire.faults.append(Fault("ChangeResourceRecordSets", "AccessDenied", 1, ""))
    region.update_record(cloudformation.delete(HOST_NAMES), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "FAILED"
    assert set(region.records()) == OURS
    cloudformation.answers.clear()
    region.update_record(cloudformation.delete(HOST_NAMES), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert region.records() == {}


def test_what_the_stack_may_not_change_stays(region: Region, cloudformation: CloudFormation) -> None:
    published(region)
    region.upsert("www.example.com", "A", ["203.0.113.9"])
    region.upsert("theirs.example.com", "A", ["203.0.113.9"])
    owner = service_arn("a").replace("/lab/", "/other/")
    region.upsert("_pushlive.theirs.example.com", "TXT", [f'"pushlive service={owner}"'])
    region.update_record(cloudformation.delete("a.example.com"), HOST_NAMES="a.example.com")
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert set(region.records()) == {
        ("b.example.com", "A"),
        ("_pushlive.b.example.com", "TXT"),
        ("www.example.com", "A"),
        ("theirs.example.com", "A"),
        ("_pushlive.theirs.example.com", "TXT"),
    }
    assert tags(region, "b")["pushlive:hostname"] == "b.example.com"


def test_a_name_that_is_admitted_no_longer_keeps_the_record_of_its_lost_service(
    region: Region, cloudformation: CloudFormation
) -> None:
    """IAM would deny to delete it, and the stack could never go."""
    published(region)
    region.ecs.delete_service(cluster="lab", service="b", force=True)
    region.wait(2 * 3600)
    region.update_record(cloudformation.delete("a.example.com"), HOST_NAMES="a.example.com")
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert set(region.records()) == {("b.example.com", "A"), ("_pushlive.b.example.com", "TXT")}


def test_other_names_take_only_the_records_that_are_admitted_no_longer(
    region: Region, cloudformation: CloudFormation
) -> None:
    """The functions already have the new names when CloudFormation deletes what stands for the old ones."""
    published(region)
    region.update_record(cloudformation.delete(HOST_NAMES), HOST_NAMES="a.example.com")
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert set(region.records()) == {("a.example.com", "A"), ("_pushlive.a.example.com", "TXT")}
    assert tags(region, "b")["pushlive:hostname"] == "b.example.com"


def test_a_stack_that_follows_another_cluster_by_now_says_that_the_records_stay(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.update_record(cloudformation.delete(HOST_NAMES, "before"), HOST_NAMES=HOST_NAMES)
    assert cloudformation.answer["Status"] == "FAILED"
    assert "The records of cluster before stay" in cloudformation.answer["Reason"]
    assert region.changes() == []


def test_a_dry_run_removes_neither_tags_nor_records(region: Region, cloudformation: CloudFormation) -> None:
    published(region)
    request = cloudformation.delete(HOST_NAMES)
    region.update_record(request, HOST_NAMES=HOST_NAMES, DRY_RUN="true")
    assert region.changes() == []
    assert cloudformation.answer["Status"] == "SUCCESS"


def test_owned_records_are_read_from_every_page_of_the_zone(session: boto3.Session) -> None:
    client = session.client("route53", region_name=REGION)
    services = "arn:aws:ecs:eu-west-1:123456789012:service/lab/"

    def record(name: str, kind: str, value: str) -> Json:
        return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": [{"Value": value}]}

    pages = [
        [
            record("a.example.com.", "A", "192.0.2.1"),
            record("_pushlive.a.example.com.", "TXT", f'"pushlive service={services}a"'),
            record("_pushlive.other.example.com.", "TXT", f'"pushlive service={services[:-4]}lab2/a"'),
            record("_dmarc.example.com.", "TXT", f'"pushlive service={services}a"'),
        ],
        [record("_pushlive.b.example.com.", "TXT", f'"pushlive service={services}b"')],
    ]
    more = {"NextRecordName": "b.example.com.", "NextRecordType": "TXT"}
    with Stubber(client) as stub:
        for number, page in enumerate(pages):
            answer = {"ResourceRecordSets": page, "IsTruncated": number == 0, "MaxItems": "300"}
            asked = {"StartRecordName": "b.example.com.", "StartRecordType": "TXT"} if number else {}
            stub.add_response(
                "list_resource_record_sets",
                answer if number else {**answer, **more},
                {"HostedZoneId": "Z1", **asked},
            )
        assert list(route53.owned(client, "Z1", services)) == [
            ("a.example.com", f"{services}a"),
            ("b.example.com", f"{services}b"),
        ]
