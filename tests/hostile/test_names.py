"""Events of other places, and with names that look like ours: each with what becomes of it, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from pushlive.events import EventError
from trials.in_memory.region import CLUSTER_ARN, HOST_NAME, INDEX

if TYPE_CHECKING:
    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

Json = dict[str, Any]
SERVICES = CLUSTER_ARN.replace(":cluster/", ":service/")


def changed(event: Json, key: str, value: Any) -> Json:
    """The event with another value of a key, of its envelope or of its detail."""
    if key in event:
        return {**event, key: value}
    return {**event, "detail": {**event["detail"], key: value}}


def running(region: Region) -> Json:
    """A running service with a push that is due, and its event."""
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    push = region.push("2")
    region.wait(2)
    return push


OTHER_IMAGE, UNTAGGED = "uses another image", "an untagged manifest deploys nothing"
PUSHES = {
    "another-account": ("account", "999999999999", "it is of account 999999999999 in"),
    "account-as-a-wildcard": ("account", "*", r"it is of account \* in"),
    "account-in-arabic-digits": ("account", "١٢٣٤٥٦٧٨٩٠١٢", "it is of account"),
    "another-region": ("region", "eu-west-2", "in eu-west-2, the cluster is not"),
    "region-in-capitals": ("region", "EU-WEST-1", "in EU-WEST-1, the cluster is not"),
    "region-with-a-dot-last": ("region", "eu-west-1.", "in eu-west-1., the cluster is not"),
    "another-source": ("source", "my.ecr", "my.ecr ECR Image Action is not what we wait for"),
    "source-in-capitals": ("source", "AWS.ECR", "AWS.ECR ECR Image Action is not what we wait for"),
    "longer-repository": ("repository-name", "app-worker", OTHER_IMAGE),
    "repository-in-a-path": ("repository-name", "team/app", OTHER_IMAGE),
    "repository-as-a-wildcard": ("repository-name", "*", OTHER_IMAGE),
    "repository-with-a-wildcard-last": ("repository-name", "app*", OTHER_IMAGE),
    "repository-with-a-dot-last": ("repository-name", "app.", OTHER_IMAGE),
    "repository-as-a-regular-expression": ("repository-name", "a.p", OTHER_IMAGE),
    "repository-in-capitals": ("repository-name", "APP", OTHER_IMAGE),
    "repository-in-full-width": ("repository-name", "ａｐｐ", OTHER_IMAGE),  # noqa: RUF001 - that is the case
    "repository-with-a-tag": ("repository-name", "app:latest", OTHER_IMAGE),
    "another-tag": ("image-tag", "v2", OTHER_IMAGE),
    "tag-as-a-wildcard": ("image-tag", "*", OTHER_IMAGE),
    "tag-in-capitals": ("image-tag", "LATEST", OTHER_IMAGE),
    "tag-with-a-dot-last": ("image-tag", "latest.", OTHER_IMAGE),
    "tag-that-only-looks-latin": ("image-tag", "lаtest", OTHER_IMAGE),  # noqa: RUF001 - Cyrillic
    "no-tag": ("image-tag", "", UNTAGGED),
    "tag-null": ("image-tag", None, UNTAGGED),
}


@pytest.mark.parametrize(("key", "value", "reason"), PUSHES.values(), ids=PUSHES)
def test_push_of_what_only_looks_like_ours_deploys_nothing_and_says_why(
    region: Region, log: Log, key: str, value: Any, reason: str
) -> None:
    region.redeploy(changed(running(region), key, value))
    assert region.changes() == region.leases() == []
    assert re.search(reason, log.reasons())


IGNORED = {
    "longer-service": (f"{SERVICES}/app-2", "the service is gone"),
    "service-in-capitals": (f"{SERVICES}/APP", "the service is gone"),
    "another-cluster": (f"{SERVICES}2/app", "its service runs in another cluster, lab2"),
    "cluster-as-a-wildcard": (SERVICES.replace("/lab", "/*") + "/app", "in another cluster, *"),
}


@pytest.mark.parametrize(("arn", "reason"), IGNORED.values(), ids=IGNORED)
def test_deployment_of_what_only_looks_like_ours_changes_nothing_and_says_why(
    region: Region, log: Log, arn: str, reason: str
) -> None:
    running(region)
    region.wait(10)
    region.redeploy({**region.deployment_event(), "resources": [arn]})
    assert region.changes() == region.leases() == []
    assert reason in log.reasons()


@pytest.mark.parametrize("name", ["*", "app*", "app.", "a.p", "ａｐｐ", "app/..", "app app", "a" * 256])  # noqa: RUF001
def test_service_whose_name_cannot_be_one_is_an_error_in_both_functions(region: Region, name: str) -> None:
    running(region)
    task = region.task_event("RUNNING")
    region.wire.calls.clear()
    for event in (
        {**region.deployment_event(), "resources": [f"{SERVICES}/{name}"]},
        {**task, "detail": {**task["detail"], "group": f"service:{name}"}},
    ):
        for run in (region.redeploy, region.update_record):
            with pytest.raises(EventError, match=r"key (resources|group) "):
                run(event)
    assert region.wire.calls == []


TIMES = [
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "2099-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
]


@pytest.mark.parametrize("time", TIMES)
def test_a_push_of_a_time_that_cannot_be_is_deployed_once(region: Region, time: str) -> None:
    """The event says when to look; whether it is due, the live state says."""
    push = {**running(region), "time": time}
    for _ in range(3):
        region.redeploy(push)
        region.wait(60)
    assert region.changes() == ["UpdateService"]


IMAGES = [
    "app:*",
    "App:latest",
    "app:latest ",
    "äpp:latest",
    "a:latest",
    "app:a:b",
    ":latest",
    "app:",
    "-:x",
    "app\n",
]


@pytest.mark.parametrize("image", IMAGES)
def test_image_that_ecr_would_refuse_stops_no_other_service(region: Region, log: Log, image: str) -> None:
    push = running(region)
    region.create_service("odd", [f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{image}"])
    region.redeploy(push)
    region.redeploy()
    assert [call["service"] for call in region.calls("UpdateService")] == ["app"]
    assert "no image of its task definition is a tag in this registry" in log.reasons(ecs_service="odd")


INDEXES: dict[str, Any] = {
    "null": None,
    "object": {},
    "text": "x",
    "of-null": [None],
    "of-lists": [[]],
    "of-nulls": [{"digest": None}],
}


@pytest.mark.parametrize("manifests", INDEXES.values(), ids=INDEXES)
def test_index_that_somebody_wrote_by_hand_is_deployed_and_stops_nobody(
    region: Region, manifests: Any
) -> None:
    running(region)
    push = region.push("-", manifest={"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
    region.redeploy(push)
    assert region.changes() == ["UpdateService"]
