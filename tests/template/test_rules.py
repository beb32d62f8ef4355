"""Which event triggers which function: the rules' patterns, matched as EventBridge does (by moto)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from moto.events.models import EventPattern

from lab.template import ACCOUNT, PARTITION, REGION, ROOT, Json, Stack, fill

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVENTS, CASES = ROOT / "events", ROOT / "tests" / "cases"
REDEPLOY, RECORD = "RedeployService", "UpdateRecord"
NOBODY: set[str] = set()
BOTH = {REDEPLOY, RECORD}

# What each event of events/ triggers in the stack that it comes from.
OURS = {
    "push_tagged": {REDEPLOY},
    "push_untagged_child": NOBODY,
    "push_untagged_without_key": NOBODY,
    "push_to_another_repository": NOBODY,
    "push_multiarch_1_amd64_child": NOBODY,
    "push_multiarch_2_arm64_child": NOBODY,
    "push_multiarch_3_attestation_child": NOBODY,
    "push_multiarch_4_index_tagged": {REDEPLOY},
    "image_deleted": NOBODY,
    "image_replicated": NOBODY,
    "task_provisioning": NOBODY,  # it has no address yet
    "task_running": {RECORD},
    "task_running_ipv6": {RECORD},
    "task_stopping": {RECORD},
    "task_deprovisioning": {RECORD},
    "task_stopped": {RECORD},
    "task_failed_to_start": BOTH,
    "task_standalone_running": NOBODY,
    "deployment_in_progress": BOTH,
    "deployment_completed": BOTH,
    "deployment_rolled_back": BOTH,
    "deployment_failed": BOTH,
    "service_steady_state": {RECORD},
    "service_task_start_impaired": NOBODY,
    # These come without a pattern: by the schedules' own rules, and from CloudFormation (see below).
    "schedule": NOBODY,
    "stack_creates_record": NOBODY,
    "stack_renames_record": NOBODY,
    "stack_deletes_record": NOBODY,
    "stack_deletes_records": NOBODY,
    "stack_creates_tasks_gone": NOBODY,
    "stack_asks_cloudfront_addresses": NOBODY,
}

# What each of AWS's samples would trigger in a stack of the sample's own account, cluster and repository.
PUBLISHED = {
    "ecr_archive": NOBODY,
    "ecr_delete": NOBODY,
    "ecr_pull_through_cache": NOBODY,
    "ecr_push": {REDEPLOY},
    "ecr_referrer_restore": NOBODY,
    "ecr_replication_failed": NOBODY,
    "ecr_replication_success": NOBODY,
    "ecr_restore": NOBODY,
    "ecr_scan_basic": NOBODY,
    "ecr_scan_resource_change": NOBODY,
    "ecs_deployment_completed": BOTH,
    "ecs_deployment_failed": BOTH,
    "ecs_deployment_in_progress": BOTH,
    "ecs_deployment_in_progress_rollback": BOTH,
    "ecs_service_action_placement_failure_fargate": NOBODY,
    "ecs_service_action_steady_state": {RECORD},
    "ecs_service_action_task_start_impaired": NOBODY,
    # Standalone tasks, all three ("group": "family:…").
    "ecs_task_2020_fargate_running": NOBODY,
    "ecs_task_2025_ec2_running": NOBODY,
    "ecs_task_2025_fargate_running_guardduty_sidecar": NOBODY,
}


def specification(table: Mapping[str, set[str]]) -> list[object]:
    return [
        pytest.param(name, triggers, id=f"{name}-triggers-{'-and-'.join(sorted(triggers)) or 'nobody'}")
        for name, triggers in table.items()
    ]


def read(folder: Path, name: str) -> Json:
    event: Json = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return event


def matches(pattern: Json, event: Any) -> bool:
    return bool(EventPattern.load(json.dumps(pattern)).matches_event(event))


def triggered(stack: Stack, event: Json, **place: str) -> set[str]:
    """The functions with a rule whose pattern matches the event, in a stack at that place."""
    account, region = place.get("account", ACCOUNT), place.get("region", REGION)
    cluster = place.get("cluster", "pushlive")
    names = {
        "AWS::Partition": PARTITION,
        "AWS::AccountId": account,
        "AWS::Region": region,
        "ClusterName": cluster,
        "Repositories": place.get("repository", "hello"),
    }
    return {
        target["Arn"]["Fn::GetAtt"][0]
        for rule in stack.of_type("AWS::Events::Rule").values()
        if "EventPattern" in rule and matches(fill(rule["EventPattern"], names), event)
        for target in rule["Targets"]
    }


def origin(event: Json) -> dict[str, str]:
    """The place that a sample comes from."""
    detail, arns = event["detail"], event["resources"] or [""]
    service = arns[0].partition(":service/")[2]
    cluster = detail["clusterArn"].partition("/")[2] if "clusterArn" in detail else service.partition("/")[0]
    repository = detail.get("repository-name", "my-repository-name")
    return {
        "account": event["account"],
        "region": event["region"],
        "cluster": cluster or "default",
        "repository": repository,
    }


@pytest.mark.parametrize(("name", "triggers"), specification(OURS))
def test_event(pushlive_stack: Stack, name: str, triggers: set[str]) -> None:
    assert triggered(pushlive_stack, read(EVENTS, name)) == triggers


@pytest.mark.parametrize(("name", "triggers"), specification(PUBLISHED))
def test_sample_of_aws(pushlive_stack: Stack, name: str, triggers: set[str]) -> None:
    event = read(CASES, name)
    assert triggered(pushlive_stack, event, **origin(event)) == triggers


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("ecs_task")])
def test_sample_task_triggers_update_record_once_a_service_started_it(
    pushlive_stack: Stack, name: str
) -> None:
    event = read(CASES, name)
    event["detail"]["group"] = "service:webserver"
    assert triggered(pushlive_stack, event, **origin(event)) == {RECORD}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sample_of_another_place_triggers_nobody(pushlive_stack: Stack, name: str) -> None:
    assert triggered(pushlive_stack, read(CASES, name)) == NOBODY


@pytest.mark.parametrize("name", [name for name, triggers in OURS.items() if RECORD in triggers])
@pytest.mark.parametrize("cluster", ["other", "push", "pushlive-2"])
def test_cluster_with_another_name_triggers_nobody(pushlive_stack: Stack, name: str, cluster: str) -> None:
    assert triggered(pushlive_stack, read(EVENTS, name), cluster=cluster) == NOBODY


@pytest.mark.parametrize("repository", ["hell", "hello-2", "team/hello", "HELLO"])
def test_repository_with_another_name_triggers_nobody(pushlive_stack: Stack, repository: str) -> None:
    assert triggered(pushlive_stack, read(EVENTS, "push_tagged"), repository=repository) == NOBODY


@pytest.mark.parametrize(
    ("key", "value"), [("result", "FAILURE"), ("action-type", "DELETE"), ("image-tag", "")]
)
def test_push_is_told_by_each_of_its_keys(pushlive_stack: Stack, key: str, value: str) -> None:
    event = read(EVENTS, "push_tagged")
    event["detail"][key] = value
    assert triggered(pushlive_stack, event) == NOBODY


@pytest.mark.parametrize(
    ("key", "value", "triggers"),
    [
        ("stopCode", "EssentialContainerExited", {RECORD}),  # it has started, so its image is there
        ("lastStatus", "DEPROVISIONING", {RECORD}),  # the same failed start, a moment before
        ("group", "family:migrate", NOBODY),
    ],
)
def test_failed_start_triggers_once_and_only_of_a_service(
    pushlive_stack: Stack, key: str, value: str, triggers: set[str]
) -> None:
    event = read(EVENTS, "task_failed_to_start")
    event["detail"][key] = value
    assert triggered(pushlive_stack, event) == triggers


@pytest.mark.parametrize(
    ("pattern", "repository", "triggers"),
    [
        ("shop", "shop", {REDEPLOY}),
        ("shop", "shop-web", NOBODY),
        ("shop", "my-shop", NOBODY),
        ("shop-*", "shop-web", {REDEPLOY}),
        ("shop-*", "shop", NOBODY),
        ("shop-*", "my-shop-web", NOBODY),
        ("shop/*", "shop/web/edge", {REDEPLOY}),
    ],
)
def test_push_triggers_where_its_repository_is_one_of_the_pattern(
    pushlive_stack: Stack, pattern: str, repository: str, triggers: set[str]
) -> None:
    event = read(EVENTS, "push_tagged")
    event["detail"]["repository-name"] = repository
    assert triggered(pushlive_stack, event, repository=pattern) == triggers


def test_any_tag_triggers_because_any_service_of_the_cluster_may_run_it(pushlive_stack: Stack) -> None:
    event = read(EVENTS, "push_tagged")
    event["detail"]["image-tag"] = "1.2.3-rc.1_a"
    assert triggered(pushlive_stack, event) == {REDEPLOY}


def test_tables_name_every_file() -> None:
    assert set(OURS) == {path.stem for path in EVENTS.glob("*.json")}
    assert set(PUBLISHED) == {path.stem for path in CASES.glob("*.json")}


@pytest.mark.parametrize("function", [REDEPLOY, RECORD])
def test_schedule_triggers_each_function_every_five_minutes(pushlive_stack: Stack, function: str) -> None:
    schedules = [
        rule["ScheduleExpression"]
        for rule in pushlive_stack.of_type("AWS::Events::Rule").values()
        if "ScheduleExpression" in rule
        and rule["Targets"][0]["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
        and rule.get("State", "ENABLED") == "ENABLED"
    ]
    assert schedules == ["rate(5 minutes)"]


def test_requests_of_the_stacks_trigger_the_function_that_serves_them(
    shapes: dict[str, Stack], pushlive_stack: Stack
) -> None:
    stack = shapes["service-for-https"]
    made_by = {
        f"{name} by {each['ServiceToken']['Fn::GetAtt'][-1]}"
        for kind in ("Custom::TasksGone", "Custom::RecordGone", "Custom::CloudFrontAddresses")
        for name, each in stack.of_type(kind).items()
    }
    assert made_by == {
        "TasksGone by Outputs.RedeployServiceArn",
        "RecordGone by Outputs.UpdateRecordArn",
        "CloudFrontAddresses by Outputs.UpdateRecordArn",
    }
    [records] = pushlive_stack.of_type("Custom::HostNameRecords").values()
    assert records["ServiceToken"] == {"Fn::GetAtt": [RECORD, "Arn"]}
    for function in (REDEPLOY, RECORD):
        assert pushlive_stack.outputs[f"{function}Arn"]["Value"] == {"Fn::GetAtt": [function, "Arn"]}


def test_without_a_host_name_nothing_triggers_update_record(nameless_pushlive_stack: Stack) -> None:
    triggered_by = {name: triggered(nameless_pushlive_stack, read(EVENTS, name)) for name in OURS}
    assert triggered_by == {name: triggers - {RECORD} for name, triggers in OURS.items()}


def test_each_rule_may_invoke_its_function(either_pushlive_stack: Stack) -> None:
    may = [
        (permission["SourceArn"]["Fn::GetAtt"][0], permission["FunctionName"]["Ref"])
        for permission in either_pushlive_stack.of_type("AWS::Lambda::Permission").values()
        if (permission["Principal"], permission["Action"])
        == ("events.amazonaws.com", "lambda:InvokeFunction")
    ]
    does = [
        (name, target["Arn"]["Fn::GetAtt"][0])
        for name, rule in either_pushlive_stack.of_type("AWS::Events::Rule").items()
        for target in rule["Targets"]
    ]
    assert sorted(may) == sorted(does)


def test_event_that_cannot_be_delivered_is_tried_again_and_then_kept(either_pushlive_stack: Stack) -> None:
    """A lost run of a schedule is made up for by the next one, so only the other rules keep theirs."""
    rules = either_pushlive_stack.of_type("AWS::Events::Rule")
    kept = {
        name
        for name, rule in rules.items()
        for target in rule["Targets"]
        if target.get("DeadLetterConfig") == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
        and target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    }
    assert kept == {name for name, rule in rules.items() if "EventPattern" in rule}
