"""Whatever event comes: an EventError that names the key, or a look at the live state, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given

from pushlive.config import ConfigError
from pushlive.events import EventError, Ignored, parse
from tests.hostile.mutations import EVENTS, event, fuzzed, mutated_events
from trials.in_memory.region import CLUSTER_ARN, HOST_NAME, REGISTRY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functions.conftest import CloudFormation, Log
    from trials.in_memory.region import Region

Json = dict[str, Any]
Both = tuple[Json, Json]

KEYS = {
    "id", "detail-type", "source", "account", "region", "time", "detail", "resources", "action-type",
    "result", "repository-name", "image-tag", "image-digest", "clusterArn", "group", "RequestType",
    "RequestId", "ResponseURL", "StackId", "LogicalResourceId", "PhysicalResourceId",
    "ResourceProperties", "ResourceType", "ServiceName", "HostName", "HostNames", "ClusterName",
    "HostedZoneId",
}  # fmt: skip
LONGEST_ERROR = 250
LONGEST_LINE = (
    12_000  # an id of 2048 characters, and what our own log says of a service; an event has 100,000
)
TRIGGERS_REDEPLOY = (
    "push_tagged", "push_multiarch_4_index_tagged", "deployment_completed", "deployment_in_progress",
    "task_failed_to_start", "schedule", "ecr_push",
)  # fmt: skip


def complaint(run: Callable[[], object]) -> str | None:
    """What a run says is wrong with the event; any other error goes through."""
    try:
        run()
    except (EventError, ConfigError) as error:
        text = str(error)
        assert text.isprintable()
        assert len(text) <= LONGEST_ERROR
        assert any(f"key {key} " in text for key in KEYS) or "an EventBridge event is a JSON object" in text
        return text
    return None


def is_short(log: Log) -> None:
    """No line repeats what somebody sent at length, and each can be written as UTF-8."""
    for line in log.lines():
        assert len(json.dumps(line, ensure_ascii=False).encode()) < LONGEST_LINE


def of(name: str) -> Json:
    return event(next(path for path in EVENTS if path.stem == name))


# Reading


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_each_event_that_is_damaged_here_is_whole_before(path: Any) -> None:
    """Else the tests below would damage what nobody reads."""
    trigger = parse(event(path), cluster_arn=CLUSTER_ARN)
    assert "account" not in getattr(trigger, "reason", "")
    assert "another cluster" not in getattr(trigger, "reason", "")


@fuzzed(500)
@given(mutated_events())
def test_damaged_event_is_a_trigger_up_or_an_error_that_names_the_key(both: Both) -> None:
    _, mutated = both

    def read() -> None:
        trigger = parse(mutated, cluster_arn=CLUSTER_ARN)
        assert trigger.event_id.isprintable()
        assert not isinstance(trigger, Ignored) or len(trigger.reason) <= LONGEST_ERROR

    complaint(read)


# RedeployService


def test_redeploy_service_changes_nothing_where_nothing_is_due(
    region: Region, log: Log, cloudformation: CloudFormation
) -> None:
    region.push("1")
    region.run_service()

    @fuzzed(150)
    @given(mutated_events())
    def run(both: Both) -> None:
        complaint(lambda: region.redeploy(answered_at(cloudformation, both)))
        assert region.changes() == region.leases() == []

    run()
    is_short(log)


def test_redeploy_service_decides_by_the_live_state_and_not_by_what_else_the_event_says(
    region: Region, log: Log
) -> None:
    region.push("1")
    region.run_service()
    digest = region.push("2")["detail"]["image-digest"]
    region.wait(10)
    due = f"deploy {REGISTRY}/app:latest now names {digest}"

    def decided() -> set[str]:
        said = {f"{line['message']} {line['reason']}" for line in log.lines(ecs_service="app")}
        log.clear()
        return said

    for name in TRIGGERS_REDEPLOY:
        region.redeploy(of(name), DRY_RUN="true")
        assert decided() == {due}, name

    @fuzzed(150)
    @given(mutated_events(TRIGGERS_REDEPLOY))
    def run(both: Both) -> None:
        complaint(lambda: region.redeploy(both[1], DRY_RUN="true"))
        assert decided() <= {due, "leave uses another image"}

    run()
    assert region.changes() == region.leases() == []


def test_a_damaged_event_beside_the_true_one_makes_no_second_deployment(region: Region) -> None:
    region.push("1")
    region.run_service()
    pushes = [0]

    @fuzzed(25)
    @given(mutated_events(TRIGGERS_REDEPLOY))
    def run(both: Both) -> None:
        pushes[0] += 1
        push = region.push(f"content {pushes[0]}")
        region.wait(10)
        region.wire.calls.clear()
        for each in (both[1], push, both[1]):
            complaint(lambda each=each: region.redeploy(each))  # type: ignore[misc]
        assert region.calls("UpdateService") == [
            {"cluster": CLUSTER_ARN, "service": "app", "forceNewDeployment": True}
        ]
        region.wait(60)

    run()


# UpdateRecord


def test_update_record_changes_nothing_where_the_record_is_right(
    region: Region, log: Log, cloudformation: CloudFormation
) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.update_record()
    region.wire.calls.clear()
    records = region.records()
    names = tuple(path.stem for path in EVENTS if path.stem != "stack_deletes_record")

    @fuzzed(150)
    @given(mutated_events(names))
    def run(both: Both) -> None:
        complaint(lambda: region.update_record(answered_at(cloudformation, both)))
        assert region.changes() == []

    run()
    assert region.records() == records
    is_short(log)


def test_update_record_writes_what_is_right_or_nothing(region: Region) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.update_record(of("task_running"))
    right = region.records()

    @fuzzed(40)
    @given(mutated_events(("task_running", "task_stopped", "deployment_completed", "schedule")))
    def run(both: Both) -> None:
        region.forget_records()
        complaint(lambda: region.update_record(both[1]))
        assert region.records() in ({}, right)

    run()


def test_a_damaged_request_to_delete_the_record_deletes_no_other(
    region: Region, cloudformation: CloudFormation
) -> None:
    region.push("1")
    region.run_service(host_name=HOST_NAME)
    region.run_service("other", host_name="other.example.com")
    region.update_record()
    records = region.records()
    others = {key: value for key, value in records.items() if "other" in key[0]}
    tags = region.service()["tags"]

    @fuzzed(25)
    @given(mutated_events(("stack_deletes_record",)))
    def run(both: Both) -> None:
        complaint(lambda: region.update_record(answered_at(cloudformation, both)))
        assert region.records() in (records, others)
        assert {tag["key"] for tag in region.service("other")["tags"]} >= {"pushlive:hostname"}
        region.ecs.tag_resource(resourceArn=region.service()["serviceArn"], tags=tags)
        region.update_record()
        assert region.records() == records

    run()


def answered_at(cloudformation: CloudFormation, both: Both) -> Json:
    """The mutated event, with its answer to the test's server, and of its zone, where that is undamaged."""
    original, mutated = both
    if "ResponseURL" not in original:
        return mutated
    there, here = original["ResourceProperties"].get("HostedZoneId", "none"), cloudformation.zone_id
    right = {
        "ResponseURL": cloudformation.url,
        "PhysicalResourceId": original.get("PhysicalResourceId", "").replace(there, here),
        "HostedZoneId": here,
    }

    def put_right(given: Any, before: Json) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            key: right[key] if key in right and value == before.get(key) else value
            for key, value in given.items()
        }

    answered: Json = put_right(mutated, original)
    if "ResourceProperties" in answered:
        properties = put_right(answered["ResourceProperties"], original["ResourceProperties"])
        answered["ResourceProperties"] = properties
    return answered
