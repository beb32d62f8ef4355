"""What each event becomes; and that a damaged one is an error that names its key."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.events import (
    EventError,
    Ignored,
    Push,
    Schedule,
    ServiceChanged,
    StackRequest,
    Trigger,
    parse,
)

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
EVENTS, CASES = ROOT / "events", ROOT / "tests" / "cases"
CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/pushlive"
HELLO = "of-service-hello"
MADE = "hello.example.com of pushlive in Z0123456789ABCDEFGHIJ"


def read(folder: Path, name: str) -> Json:
    event: Json = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return event


def parsed(event: Any, cluster_arn: str = CLUSTER_ARN) -> Trigger:
    return parse(event, cluster_arn=cluster_arn)


# Every event of events/: its kind, and a word of its reason where it is ignored.
OURS: dict[str, tuple[type, str]] = {
    "push_tagged": (Push, ""),
    "push_untagged_child": (Ignored, "untagged"),
    "push_untagged_without_key": (Ignored, "untagged"),
    "push_to_another_repository": (Push, ""),  # another service of the cluster may run it
    "push_multiarch_1_amd64_child": (Ignored, "untagged"),
    "push_multiarch_2_arm64_child": (Ignored, "untagged"),
    "push_multiarch_3_attestation_child": (Ignored, "untagged"),
    "push_multiarch_4_index_tagged": (Push, ""),
    "image_deleted": (Ignored, "DELETE SUCCESS"),
    "image_replicated": (Ignored, "ECR Replication Action"),
    "task_provisioning": (ServiceChanged, ""),
    "task_running": (ServiceChanged, ""),
    "task_running_ipv6": (ServiceChanged, ""),
    "task_stopping": (ServiceChanged, ""),
    "task_deprovisioning": (ServiceChanged, ""),
    "task_stopped": (ServiceChanged, ""),
    "task_failed_to_start": (ServiceChanged, ""),
    "task_standalone_running": (Ignored, "standalone task (family:migrate)"),
    "deployment_in_progress": (ServiceChanged, ""),
    "deployment_completed": (ServiceChanged, ""),
    "deployment_rolled_back": (ServiceChanged, ""),
    "deployment_failed": (ServiceChanged, ""),
    "service_steady_state": (ServiceChanged, ""),
    "service_task_start_impaired": (ServiceChanged, ""),
    "schedule": (Schedule, ""),
    "stack_creates_record": (StackRequest, ""),
    "stack_renames_record": (StackRequest, ""),
    "stack_deletes_record": (StackRequest, ""),
    "stack_deletes_records": (StackRequest, ""),
    "stack_creates_tasks_gone": (StackRequest, ""),
    "stack_asks_cloudfront_addresses": (StackRequest, ""),
}

DEFAULT = "cluster/default"
# AWS's samples, read in the account and region of each: the cluster, what it becomes, a word of that.
PUBLISHED: dict[str, tuple[str, type, str]] = {
    "ecr_archive": (DEFAULT, Ignored, "UPDATE_STORAGE_CLASS SUCCESS"),
    "ecr_delete": (DEFAULT, Ignored, "DELETE SUCCESS"),
    "ecr_pull_through_cache": (DEFAULT, Ignored, "ECR Pull Through Cache Action"),
    "ecr_push": (DEFAULT, Push, ""),
    "ecr_referrer_restore": (DEFAULT, Ignored, "ECR Referrer Action"),
    "ecr_replication_failed": (DEFAULT, Ignored, "ECR Replication Action"),
    "ecr_replication_success": (DEFAULT, Ignored, "ECR Replication Action"),
    "ecr_restore": (DEFAULT, Ignored, "UPDATE_STORAGE_CLASS SUCCESS"),
    "ecr_scan_basic": (DEFAULT, Ignored, "ECR Image Scan"),
    "ecr_scan_resource_change": (DEFAULT, Ignored, "ECR Scan Resource Change"),
    "ecs_deployment_completed": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_deployment_failed": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_deployment_in_progress": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_deployment_in_progress_rollback": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_service_action_placement_failure_fargate": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_service_action_steady_state": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_service_action_task_start_impaired": (DEFAULT, ServiceChanged, "servicetest"),
    "ecs_task_2020_fargate_running": ("cluster/FargateCluster", Ignored, "standalone task"),
    "ecs_task_2025_ec2_running": ("cluster/example", Ignored, "standalone task"),
    "ecs_task_2025_fargate_running_guardduty_sidecar": (
        "cluster/example-cluster",
        Ignored,
        "standalone task",
    ),
}


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [pytest.param(name, *row, id=f"{name}-is-{row[0].__name__}") for name, row in OURS.items()],
)
def test_event(name: str, kind: type, reason: str) -> None:
    event = read(EVENTS, name)
    trigger = parsed(event)
    assert type(trigger) is kind
    assert trigger.event_id == event.get("id", event.get("RequestId"))
    assert reason in getattr(trigger, "reason", "")
    if isinstance(trigger, ServiceChanged):
        assert trigger.service_name == "hello"


@pytest.mark.parametrize(
    ("name", "cluster", "kind", "word"),
    [pytest.param(name, *row, id=f"{name}-is-{row[1].__name__}") for name, row in PUBLISHED.items()],
)
def test_sample_of_aws(name: str, cluster: str, kind: type, word: str) -> None:
    event = read(CASES, name)
    trigger = parsed(event, f"arn:aws:ecs:{event['region']}:{event['account']}:{cluster}")
    assert type(trigger) is kind
    assert word in str(trigger)


def test_tables_name_every_file() -> None:
    assert set(OURS) == {path.stem for path in EVENTS.glob("*.json")}
    assert set(PUBLISHED) == {path.stem for path in CASES.glob("*.json")}


def test_push_says_what_was_pushed_and_when() -> None:
    event = read(EVENTS, "push_tagged")
    assert parsed(event) == Push(
        event_id=event["id"],
        repository="hello",
        tag="latest",
        digest=event["detail"]["image-digest"],
        pushed_at=datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC),
    )


@pytest.mark.parametrize(("key", "word"), [("result", "FAILURE"), ("action-type", "DELETE")])
def test_push_that_failed_or_is_none_deploys_nothing(key: str, word: str) -> None:
    trigger = parsed(damaged("push_tagged", ("detail", key), word))
    assert isinstance(trigger, Ignored)
    assert word in trigger.reason


def test_of_a_multi_arch_push_the_index_alone_is_deployed() -> None:
    events = [read(EVENTS, name) for name in sorted(OURS) if name.startswith("push_multiarch")]
    pushes = [trigger for trigger in map(parsed, events) if isinstance(trigger, Push)]
    assert [push.digest for push in pushes] == [events[-1]["detail"]["image-digest"]]


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-20T10:00:00Z", 10),
        ("2026-11-20T10:00:00.000Z", 10),
        ("2026-11-20T10:00:00", 10),
        ("2026-11-20T12:00:00+02:00", 10),
    ],
    ids=["as-aws-writes-it", "with-milliseconds", "without-zone-is-utc", "with-offset"],
)
def test_time_of_a_push_is_in_utc(text: str, hour: int) -> None:
    trigger = parsed(read(EVENTS, "push_tagged") | {"time": text})
    assert isinstance(trigger, Push)
    assert trigger.pushed_at == datetime(2026, 11, 20, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "request_type", "host_names", "physical_resource_id"),
    [
        ("stack_creates_record", "Create", "hello.example.com", None),
        ("stack_renames_record", "Update", "hi.example.com", MADE),
        ("stack_deletes_records", "Delete", "hello.example.com", MADE),
    ],
)
def test_stack_request(
    name: str, request_type: str, host_names: str, physical_resource_id: str | None
) -> None:
    event = read(EVENTS, name)
    assert parsed(event) == StackRequest(
        event_id=event["RequestId"],
        request_type=request_type,
        response_url="http://127.0.0.1:9/answer",
        stack_id=event["StackId"],
        logical_resource_id="HostNameRecords",
        physical_resource_id=physical_resource_id,
        resource_type="Custom::HostNameRecords",
        cluster_name="pushlive",
        host_names=host_names,
        hosted_zone_id="Z0123456789ABCDEFGHIJ",
    )


@pytest.mark.parametrize(
    ("name", "service_name", "host_name"),
    [
        ("stack_deletes_record", "hello", "hello.example.com"),
        ("stack_creates_tasks_gone", "", ""),
        ("stack_asks_cloudfront_addresses", "", ""),
    ],
)
def test_stack_request_about_anything_but_the_clusters_records_names_no_cluster(
    name: str, service_name: str, host_name: str
) -> None:
    event = read(EVENTS, name)
    trigger = parsed(event)
    assert isinstance(trigger, StackRequest)
    assert (trigger.resource_type, trigger.made) == (
        event["ResourceType"],
        service_name or event["LogicalResourceId"],
    )
    assert (trigger.service_name, trigger.host_names) == (service_name, host_name)
    assert {trigger.cluster_name, trigger.hosted_zone_id} == {""}


@pytest.mark.parametrize(
    ("changes", "is_another"),
    [
        pytest.param({}, False, id="the-same"),
        pytest.param({"HostNames": "hi.example.com"}, True, id="other-names"),
        pytest.param({"HostedZoneId": "Z1"}, True, id="another-zone"),
        pytest.param({"ClusterName": "other"}, True, id="another-cluster"),
    ],
)
def test_what_a_stack_request_makes(changes: Json, *, is_another: bool) -> None:
    before = read(EVENTS, "stack_deletes_records")
    after = {**before, "ResourceProperties": {**before["ResourceProperties"], **changes}}
    trigger = parsed(after)
    assert isinstance(trigger, StackRequest)
    assert (trigger.made != before["PhysicalResourceId"]) == is_another


# Of another place: not ours, and never an error.

ELSEWHERE = {
    "account": "arn:aws:ecs:us-east-1:999999999999:cluster/pushlive",
    "region": "arn:aws:ecs:eu-west-1:123456789012:cluster/pushlive",
}
OF_A_CLUSTER = [name for name, (kind, _) in OURS.items() if kind is ServiceChanged]


@pytest.mark.parametrize("name", [name for name in OURS if not name.startswith("stack_")])
@pytest.mark.parametrize("what", ELSEWHERE)
def test_event_of_another_place_is_ignored(name: str, what: str) -> None:
    trigger = parsed(read(EVENTS, name), ELSEWHERE[what])
    assert isinstance(trigger, Ignored)
    assert "of account 123456789012 in us-east-1" in trigger.reason


@pytest.mark.parametrize("name", OF_A_CLUSTER)
@pytest.mark.parametrize("cluster", ["other", "push", "pushlive-2", "Pushlive"])
def test_event_of_another_cluster_is_ignored(name: str, cluster: str) -> None:
    trigger = parsed(read(EVENTS, name), CLUSTER_ARN.replace("pushlive", cluster))
    assert isinstance(trigger, Ignored)
    assert "another cluster" in trigger.reason


# Damaged: for each kind, each key that it always has, without it and with a value of another type.

ENVELOPE = [("id",), ("detail-type",), ("source",), ("account",), ("region",)]
REQUIRED: dict[str, list[tuple[str, ...]]] = {
    "push_tagged": [
        *ENVELOPE,
        ("time",),
        ("detail",),
        *(("detail", key) for key in ("action-type", "result", "repository-name", "image-digest")),
    ],
    "image_deleted": [*ENVELOPE, ("detail",), ("detail", "action-type"), ("detail", "result")],
    "task_running": [*ENVELOPE, ("detail",), ("detail", "clusterArn"), ("detail", "group")],
    "deployment_completed": [*ENVELOPE, ("resources",)],
    "service_steady_state": [*ENVELOPE, ("resources",)],
    "schedule": [*ENVELOPE],
    "stack_deletes_record": [
        *((key,) for key in ("RequestType", "RequestId", "ResponseURL", "StackId", "LogicalResourceId")),
        ("ResourceProperties",),
        ("ResourceProperties", "ServiceName"),
        ("ResourceProperties", "HostName"),
    ],
    "stack_deletes_records": [
        ("ResourceProperties",),
        *(("ResourceProperties", key) for key in ("ClusterName", "HostNames", "HostedZoneId")),
    ],
}
WRONG: dict[str, Any] = {
    "null": None,
    "a-number": 7,
    "true": True,
    "a-list-of-numbers": [7],
    "empty-list": [],
    "empty-object": {},
    "empty-text": "",
}
GONE = object()


def damaged(name: str, path: tuple[str, ...], value: Any) -> Json:
    event = copy.deepcopy(read(EVENTS, name))
    parent = event[path[0]] if len(path) > 1 else event
    if value is GONE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return event


DAMAGE = [
    pytest.param(name, path, value, id=f"{name}-{'.'.join(path)}-{how}")
    for name, paths in REQUIRED.items()
    for path in paths
    for how, value in {"missing": GONE, **WRONG}.items()
    # Without RequestType it is no longer a request of CloudFormation, but some event without an id.
    if not (path == ("RequestType",) and value is GONE)
]


@pytest.mark.parametrize(("name", "path", "value"), DAMAGE)
def test_damaged_event_is_an_error_that_names_the_key(name: str, path: tuple[str, ...], value: Any) -> None:
    keys = [path[-1]]
    if value == {}:  # an object is what it may be, but without what is in it
        keys = [each[-1] for each in REQUIRED[name] if each[:-1] == path] or keys
    with pytest.raises(EventError, match=f"key ({'|'.join(keys)}) is"):
        parsed(damaged(name, path, value))


@pytest.mark.parametrize(
    "name",
    ["*", "hello*", "a.b", "häl", "hello ", "a" * 256, "a:b", "hello\\", "../hello"],
    ids=["wildcard", "wildcard-last", "dot", "unicode", "space", "256", "colon", "backslash", "path"],
)
def test_what_is_no_name_of_a_service_is_an_error(name: str) -> None:
    arn = f"arn:aws:ecs:us-east-1:123456789012:service/pushlive/{name}"
    for key, event in {
        "group": damaged("task_running", ("detail", "group"), f"service:{name}"),
        "resources": read(EVENTS, "deployment_completed") | {"resources": [arn]},
        "ServiceName": damaged("stack_deletes_record", ("ResourceProperties", "ServiceName"), name),
    }.items():
        with pytest.raises(EventError, match=f"key {key} "):
            parsed(event)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "cloudformation", "https://", "https:///x",
        "http://127.0.0.1:port/", "http://[::1/", "https://exämple.com/", "https://example.com/a b",
        "javascript:alert(1)", "*",
    ],
)  # fmt: skip
def test_url_that_nobody_can_be_answered_at_is_an_error(url: str) -> None:
    with pytest.raises(EventError, match="key ResponseURL is not a URL"):
        parsed(read(EVENTS, "stack_deletes_record") | {"ResponseURL": url})


@pytest.mark.parametrize(
    "url", ["https://x.s3.amazonaws.com/a%3A?b=" + "c" * 3000, "http://127.0.0.1:4566/a"]
)
def test_url_of_cloudformation_and_of_the_lab_is_taken(url: str) -> None:
    trigger = parsed(read(EVENTS, "stack_deletes_record") | {"ResponseURL": url})
    assert isinstance(trigger, StackRequest)
    assert trigger.response_url == url


# Whatever comes: a value or an EventError, and nothing else.

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PATHS = [(name, path) for name, paths in REQUIRED.items() for path in paths]
OPTIONAL = [
    ("push_tagged", ("detail", "image-tag")),
    ("stack_deletes_record", ("PhysicalResourceId",)),
    ("task_running", ("detail", "startedBy")),
]


def value_or_event_error(event: Any) -> Trigger | None:
    try:
        return parsed(event)
    except EventError:
        return None


@given(ANYTHING)
def test_any_json_gives_a_value_or_an_event_error(event: Any) -> None:
    assert value_or_event_error(event) is None


@given(st.sampled_from([*PATHS, *OPTIONAL]), ANYTHING)
def test_any_value_under_any_key_gives_a_value_or_an_event_error(
    place: tuple[str, tuple[str, ...]], value: Any
) -> None:
    trigger = value_or_event_error(damaged(*place, value))
    if isinstance(trigger, Push):
        assert all(isinstance(text, str) for text in (trigger.repository, trigger.tag, trigger.digest))
    if isinstance(trigger, ServiceChanged):
        assert isinstance(trigger.service_name, str)
        assert trigger.service_name
    if isinstance(trigger, StackRequest):
        assert trigger.physical_resource_id is None or isinstance(trigger.physical_resource_id, str)


@given(st.sampled_from(sorted(OURS)), st.data())
def test_losing_any_keys_gives_a_value_or_an_event_error(name: str, data: st.DataObject) -> None:
    event = read(EVENTS, name)
    for parent in (event, event.get("detail"), event.get("ResourceProperties")):
        if parent:
            for key in data.draw(st.sets(st.sampled_from(sorted(parent)), max_size=3)):
                parent.pop(key)
    value_or_event_error(event)
