"""What each function says and does when an event of events/ comes, all being right or something being due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import HOST_NAME
from trials.bench.live_state import GONE, LiveState, read_event

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = dict[str, Any]

FUNCTIONS = ("RedeployService", "UpdateRecord")

# What a function says, as `message: reason`, or how that begins.
LIVE = "leave: already live, or carried by deployment "
OTHER_IMAGE = "leave: uses another image"
RIGHT = "keep: already right: all 1 tasks of the newest deployment answer"
PUSH = "ignored: a push changes no address"
NO_TAG = "ignored: an untagged manifest deploys nothing"
STANDALONE = "ignored: a standalone task (family:migrate) has no record"
DELETED = "ignored: ECR Image Action DELETE SUCCESS deploys nothing"
REPLICATED = "ignored: aws.ecr ECR Replication Action is not what we wait for"
NOT_ITS_OWN = "ignored: not for this function"

ALL_IS_RIGHT = {
    # event: (what RedeployService says, what UpdateRecord says); nothing is changed
    "push_tagged": (LIVE, PUSH),
    "push_multiarch_1_amd64_child": (NO_TAG, NO_TAG),
    "push_multiarch_2_arm64_child": (NO_TAG, NO_TAG),
    "push_multiarch_3_attestation_child": (NO_TAG, NO_TAG),
    "push_multiarch_4_index_tagged": (LIVE, PUSH),
    "push_untagged_child": (NO_TAG, NO_TAG),
    "push_untagged_without_key": (NO_TAG, NO_TAG),
    "push_to_another_repository": (OTHER_IMAGE, PUSH),
    "image_deleted": (DELETED, DELETED),
    "image_replicated": (REPLICATED, REPLICATED),
    "deployment_in_progress": (LIVE, RIGHT),
    "deployment_completed": (LIVE, RIGHT),
    "deployment_rolled_back": (LIVE, RIGHT),
    "deployment_failed": (LIVE, RIGHT),
    "task_provisioning": (LIVE, RIGHT),
    "task_running": (LIVE, RIGHT),
    "task_running_ipv6": (LIVE, RIGHT),
    "task_stopping": (LIVE, RIGHT),
    "task_deprovisioning": (LIVE, RIGHT),
    "task_stopped": (LIVE, RIGHT),
    "task_failed_to_start": (LIVE, RIGHT),
    "task_standalone_running": (STANDALONE, STANDALONE),
    "service_steady_state": (LIVE, RIGHT),
    "service_task_start_impaired": (LIVE, RIGHT),
    "schedule": (LIVE, RIGHT),
    "stack_creates_record": (NOT_ITS_OWN, "create: asked by the stack"),
    "stack_renames_record": (NOT_ITS_OWN, "update: asked by the stack"),
    "stack_deletes_record": (NOT_ITS_OWN, None),  # always something to do: below
    "stack_deletes_records": (NOT_ITS_OWN, None),
    "stack_creates_tasks_gone": ("create: asked by the stack", NOT_ITS_OWN),
    "stack_asks_cloudfront_addresses": (NOT_ITS_OWN, "create: asked by the stack"),
}
RIGHT_ROWS = [
    pytest.param(function, event, says, id=f"{function}-{event}-{says.partition(':')[0]}")
    for event, sayings in ALL_IS_RIGHT.items()
    for function, says in zip(FUNCTIONS, sayings, strict=True)
    if says
]


@dataclass(frozen=True)
class Change:
    """What a function does, where something is to be done."""

    says: tuple[str, ...]
    counts: str
    """The metric that it writes."""
    after: Callable[[LiveState, Json], dict[str, Any]]
    """What of the live state is another afterwards, by what it was."""


DEPLOYS = Change(
    says=("deploy: 000000000000.dkr.ecr.us-east-1.amazonaws.com/hello:latest now names sha256:",),
    counts="DeploymentsStarted",
    after=lambda _, before: {"deployments": before["deployments"] + 1},
)
WRITES = Change(
    says=("write: all 1 tasks of the newest deployment answer", RIGHT),
    counts="RecordsWritten",
    after=lambda live, _: {"records": live.records_with(*live.addresses())},
)
DELETES = Change(
    says=(
        "delete: the service no longer wants this name: a released address may become a stranger's",
        "keep: the service no longer wants this name, and there is no record",
        "delete: asked by the stack",
    ),
    counts="RecordsDeleted",
    after=lambda *_: {"records": {}, "tags": {"pushlive:redeploy": "on-push"}},
)

GIVEN: dict[str, Callable[[LiveState], None]] = {
    "image-pushed": LiveState.push_image,
    "index-pushed": LiveState.push_index,
    "no-record-yet": LiveState.remove_record,
    "record-with-a-released-address": lambda live: live.put_record(GONE, *live.addresses()),
    "all-is-right": lambda _: None,
}
# function, event, what is given, what the function does
SOMETHING_IS_DUE = [
    ("RedeployService", "push_tagged", "image-pushed", DEPLOYS),
    ("RedeployService", "push_multiarch_4_index_tagged", "index-pushed", DEPLOYS),
    ("UpdateRecord", "task_running", "no-record-yet", WRITES),
    ("UpdateRecord", "task_stopped", "record-with-a-released-address", WRITES),
    ("UpdateRecord", "schedule", "no-record-yet", WRITES),
    ("UpdateRecord", "stack_deletes_record", "all-is-right", DELETES),
    ("UpdateRecord", "stack_deletes_records", "all-is-right", DELETES),
]
DUE_ROWS = [
    pytest.param(*row, id="-".join([*row[:3], row[3].says[0].partition(":")[0]])) for row in SOMETHING_IS_DUE
]

# Who answers each request, and what it makes or has made.
ANSWERS = {
    "stack_creates_record": ("UpdateRecord", f"{HOST_NAME} of pushlive in "),
    "stack_renames_record": ("UpdateRecord", "hi.example.com of pushlive in "),
    "stack_deletes_record": ("UpdateRecord", "hello"),
    "stack_deletes_records": ("UpdateRecord", f"{HOST_NAME} of pushlive in "),
    "stack_creates_tasks_gone": ("RedeployService", "TasksGone"),
    "stack_asks_cloudfront_addresses": ("UpdateRecord", "pl-"),
}


def expected_answers(function: str, event: str, live: LiveState) -> list[Json]:
    """What CloudFormation was told (CloudFormation guide, "Custom resource response objects")."""
    who, made = ANSWERS.get(event, ("", ""))
    if function != who:
        return []
    request = read_event(event)
    asked = {key: request[key] for key in ("StackId", "RequestId", "LogicalResourceId")}
    made += live.zone_id if made.endswith(" in ") else ""
    made = live.cloudfront_prefix_list if made == "pl-" else made
    return [{"Status": "SUCCESS", "Reason": "done", **asked, "PhysicalResourceId": made}]
