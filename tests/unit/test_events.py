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
    Wake,
    parse,
)

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
EVENTS, CASES = ROOT / "events", ROOT / "tests" / "cases"
CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/pushlive"
HELLO = "of-service-hello"
MADE = "hello.example.com in Z0123456789ABCDEFGHIJ"


def read(folder: Path, name: str) -> Json:
    event: Json = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return event


def parsed(event: Any, cluster_arn: str = CLUSTER_ARN) -> Wake:
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
    wake = parsed(event)
    assert type(wake) is kind
    assert wake.event_id == event.get("id", event.get("RequestId"))
    assert reason in getattr(wake, "reason", "")
    if isinstance(wake, ServiceChanged):
        assert wake.service_name == "hello"


@pytest.mark.parametrize(
    ("name", "cluster", "kind", "word"),
    [pytest.param(name, *row, id=f"{name}-is-{row[1].__name__}") for name, row in PUBLISHED.items()],
)
def test_sample_of_aws(name: str, cluster: str, kind: type, word: str) -> None:
    event = read(CASES, name)
    wake = parsed(event, f"arn:aws:ecs:{event['region']}:{event['account']}:{cluster}")
    assert type(wake) is kind
    assert word in str(wake)


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
    wake = parsed(damaged("push_tagged", ("detail", key), word))
    assert isinstance(wake, Ignored)
    assert word in wake.reason


def test_of_a_multi_arch_push_the_index_alone_is_deployed() -> None:
    events = [read(EVENTS, name) for name in sorted(OURS) if name.startswith("push_multiarch")]
    pushes = [wake for wake in map(parsed, events) if isinstance(wake, Push)]
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
    wake = parsed(read(EVENTS, "push_tagged") | {"time": text})
    assert isinstance(wake, Push)
    assert wake.pushed_at == datetime(2026, 11, 20, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "request_type", "host_name", "physical_resource_id"),
    [
        ("stack_creates_record", "Create", "hello.example.com", None),
        ("stack_renames_record", "Update", "hi.example.com", MADE),
        ("stack_deletes_record", "Delete", "hello.example.com", MADE),
    ],
)
def test_stack_request(
    name: str, request_type: str, host_name: str, physical_resource_id: str | None
) -> None:
    event = read(EVENTS, name)
    assert parsed(event) == StackRequest(
        event_id=event["RequestId"],
        request_type=request_type,
        response_url="http://127.0.0.1:9/answer",
        stack_id=event["StackId"],
        logical_resource_id="HostNameRecord",
        physical_resource_id=physical_resource_id,
        resource_type="Custom::HostNameRecord",
        service_name="hello",
        host_name=host_name,
        hosted_zone_id="Z0123456789ABCDEFGHIJ",
    )


def test_stack_request_about_the_records_of_a_cluster() -> None:
    wake = parsed(read(EVENTS, "stack_deletes_records"))
    assert isinstance(wake, StackRequest)
    assert (wake.request_type, wake.cluster_name) == ("Delete", "pushlive")
    assert (wake.service_name, wake.host_name) == ("", "")
    assert wake.made == wake.physical_resource_id


def test_stack_request_about_tasks_names_nothing_else() -> None:
    wake = parsed(read(EVENTS, "stack_creates_tasks_gone"))
    assert isinstance(wake, StackRequest)
    assert (wake.resource_type, wake.made) == ("Custom::TasksGone", "TasksGone")
    assert {wake.service_name, wake.host_name, wake.cluster_name, wake.hosted_zone_id} == {""}


@pytest.mark.parametrize(
    ("changes", "is_another"),
    [
        pytest.param({"HostName": "hi.example.com"}, True, id="another-name-is-another-resource"),
        pytest.param({"HostedZoneId": "Z1"}, True, id="the-same-name-in-another-zone-is-another-resource"),
        pytest.param(
            {"ServiceName": "hello-2"}, False, id="another-service-of-the-name-is-the-same-resource"
        ),
    ],
)
def test_what_a_stack_request_makes(changes: Json, *, is_another: bool) -> None:
    before = read(EVENTS, "stack_deletes_record")
    after = {**before, "ResourceProperties": {**before["ResourceProperties"], **changes}}
    wake = parsed(after)
    assert isinstance(wake, StackRequest)
    assert (wake.made != before["PhysicalResourceId"]) == is_another


# Of another place: not ours, and never an error.

ELSEWHERE = {
    "account": "arn:aws:ecs:us-east-1:999999999999:cluster/pushlive",
    "region": "arn:aws:ecs:eu-west-1:123456789012:cluster/pushlive",
}
OF_A_CLUSTER = [name for name, (kind, _) in OURS.items() if kind is ServiceChanged]


@pytest.mark.parametrize("name", [name for name in OURS if not name.startswith("stack_")])
@pytest.mark.parametrize("what", ELSEWHERE)
def test_event_of_another_place_is_ignored(name: str, what: str) -> None:
    wake = parsed(read(EVENTS, name), ELSEWHERE[what])
    assert isinstance(wake, Ignored)
    assert "of account 123456789012 in us-east-1" in wake.reason


@pytest.mark.parametrize("name", OF_A_CLUSTER)
@pytest.mark.parametrize("cluster", ["other", "push", "pushlive-2", "Pushlive"])
def test_event_of_another_cluster_is_ignored(name: str, cluster: str) -> None:
    wake = parsed(read(EVENTS, name), CLUSTER_ARN.replace("pushlive", cluster))
    assert isinstance(wake, Ignored)
    assert "another cluster" in wake.reason


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
    "stack_deletes_records": [("ResourceProperties",), ("ResourceProperties", "ClusterName")],
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
BECOMES_OF_ONE_SERVICE = [(("ResourceProperties", "ClusterName"), GONE), (("ResourceProperties",), {})]


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
    # Without ClusterName it is a request about one service's record, whose keys are missing: see below.
    if not (name == "stack_deletes_records" and (path, value) in BECOMES_OF_ONE_SERVICE)
]


@pytest.mark.parametrize(("name", "path", "value"), DAMAGE)
def test_damaged_event_is_an_error_that_names_the_key(name: str, path: tuple[str, ...], value: Any) -> None:
    keys = [path[-1]]
    if value == {}:  # an object is what it may be, but without what is in it
        keys = [each[-1] for each in REQUIRED[name] if each[:-1] == path] or keys
    with pytest.raises(EventError, match=f"key ({'|'.join(keys)}) is"):
        parsed(damaged(name, path, value))


@pytest.mark.parametrize(("path", "value"), BECOMES_OF_ONE_SERVICE)
def test_request_that_names_no_cluster_never_means_all_records(path: tuple[str, ...], value: Any) -> None:
    with pytest.raises(EventError, match="key ServiceName is missing"):
        parsed(damaged("stack_deletes_records", path, value))


@pytest.mark.parametrize(
    ("arn", "word"),
    [
        ("arn:aws:ecs:us-east-1:123456789012:task/pushlive/hello", "not the ARN of a service"),
        ("arn:aws:ecs:us-east-1:123456789012:service/pushlive/hello/more", "not the ARN of a service"),
        ("hello", "not the ARN of a service"),
    ],
    ids=["arn-of-a-task", "arn-with-a-part-too-many", "no-arn"],
)
def test_resource_that_is_no_service_is_an_error(arn: str, word: str) -> None:
    with pytest.raises(EventError, match=f"resources.*{word}"):
        parsed(read(EVENTS, "deployment_completed") | {"resources": [arn]})


@pytest.mark.parametrize("event", ["deployment_completed", "service_steady_state"])
def test_service_whose_arn_names_no_cluster_is_ignored(event: str) -> None:
    """ARNs of before 2019 have none; in a China region an event still has it."""
    wake = parsed(
        read(EVENTS, event) | {"resources": ["arn:aws-cn:ecs:us-east-1:123456789012:service/hello"]}
    )
    assert isinstance(wake, Ignored)
    assert "service/hello" in wake.reason
    assert "names no cluster" in wake.reason


def test_service_without_a_name_is_an_error() -> None:
    event = read(EVENTS, "deployment_completed")
    with pytest.raises(EventError, match="key resources"):
        parsed(event | {"resources": ["arn:aws:ecs:us-east-1:123456789012:service/pushlive/"]})


def test_group_without_a_service_name_is_ignored() -> None:
    wake = parsed(damaged("task_running", ("detail", "group"), "service:"))
    assert isinstance(wake, Ignored)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2023-02-29T02:36:48Z", "2026-11-20T25:00:00Z", "1763632800", "0001-01-01T00:00:00+23:59"],
)
def test_time_that_is_none_is_an_error_that_names_the_key(text: str) -> None:
    with pytest.raises(EventError, match="key time"):
        parsed(read(EVENTS, "push_tagged") | {"time": text})


def test_time_of_an_event_that_needs_none_may_be_anything() -> None:
    """AWS's own sample of a pull-through event is of a 29th of February 2023."""
    assert isinstance(parsed(read(EVENTS, "task_running") | {"time": "2023-02-29T02:36:48Z"}), ServiceChanged)


@pytest.mark.parametrize("event", [None, [], [{}], "text", 7, True, {}], ids=repr)
def test_what_is_no_event_is_an_error(event: Any) -> None:
    with pytest.raises(EventError):
        parsed(event)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("aws.ec2", "ECS Task State Change"),
        ("my.app", "Scheduled Event"),
        ("my.app", "ECR Image Action"),
        ("aws.ecs", "ECR Image Action"),
        ("aws.ecs", "ECS Container Instance State Change"),
    ],
)
def test_kind_of_another_source_is_ignored_with_its_name(source: str, kind: str) -> None:
    wake = parsed(read(EVENTS, "push_tagged") | {"source": source, "detail-type": kind})
    assert isinstance(wake, Ignored)
    assert f"{source} {kind}" in wake.reason


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(["x" * 100_000], id="list-of-a-long-text"),
        pytest.param("x" * 100_000, id="long-text"),
        pytest.param("\U000e0001" * 100, id="characters-that-python-shows-as-ten"),
        pytest.param(10**5000, id="number-of-more-digits-than-python-writes"),
    ],
)
def test_error_text_stays_short(value: Any) -> None:
    with pytest.raises(EventError, match="key source is") as raised:
        parsed(read(EVENTS, "push_tagged") | {"source": value})
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize("key", ["source", "detail-type", "account", "region"])
def test_reason_stays_short(key: str) -> None:
    wake = parsed(read(EVENTS, "push_tagged") | {key: "x" * 2000})
    assert isinstance(wake, Ignored)
    assert len(wake.reason) < 250


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a\nb", id="line-end"),
        pytest.param("a\x00b", id="nul"),
        pytest.param("a\x1b[31mb", id="terminal-escape"),
        pytest.param("a\u202eb", id="right-to-left-override"),
        pytest.param("a\ud800b", id="half-a-surrogate-pair"),
    ],
)
@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("push_tagged", ("id",)),
        ("push_tagged", ("detail", "image-tag")),
        ("task_running", ("detail", "group")),
    ],
    ids=["id", "image-tag", "group"],
)
def test_text_that_cannot_be_printed_is_an_error(name: str, path: tuple[str, ...], text: str) -> None:
    with pytest.raises(EventError, match=f"key {path[-1]} is not a printable text") as raised:
        parsed(damaged(name, path, text))
    assert str(raised.value).isprintable()


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
    wake = parsed(read(EVENTS, "stack_deletes_record") | {"ResponseURL": url})
    assert isinstance(wake, StackRequest)
    assert wake.response_url == url


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


def value_or_event_error(event: Any) -> Wake | None:
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
    wake = value_or_event_error(damaged(*place, value))
    if isinstance(wake, Push):
        assert all(isinstance(text, str) for text in (wake.repository, wake.tag, wake.digest))
    if isinstance(wake, ServiceChanged):
        assert isinstance(wake.service_name, str)
        assert wake.service_name
    if isinstance(wake, StackRequest):
        assert wake.physical_resource_id is None or isinstance(wake.physical_resource_id, str)


@given(st.sampled_from(sorted(OURS)), st.data())
def test_losing_any_keys_gives_a_value_or_an_event_error(name: str, data: st.DataObject) -> None:
    event = read(EVENTS, name)
    for parent in (event, event.get("detail"), event.get("ResourceProperties")):
        if parent:
            for key in data.draw(st.sets(st.sampled_from(sorted(parent)), max_size=3)):
                parent.pop(key)
    value_or_event_error(event)
