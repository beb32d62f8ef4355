"""The answer to CloudFormation: without one, or with a header too many, a stack waits for an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from redeploy_service.app import logger

from pushlive import cloudformation as answers
from pushlive.events import StackRequest

if TYPE_CHECKING:
    from tests.functions.conftest import CloudFormation, Log

REQUEST = StackRequest(
    event_id="request-1",
    request_type="Create",
    response_url="",
    stack_id="stack-1",
    logical_resource_id="Record",
    physical_resource_id=None,
    resource_type="Custom::HostNameRecords",
    cluster_name="lab",
    host_names="app.example.com",
    hosted_zone_id="Z1",
)
MADE, OLD = "app.example.com of lab in Z1", "old.example.com of lab in Z1"


def answer(cloudformation: CloudFormation, *, failure: str = "", **changes: Any) -> Any:
    answers.answer(REQUEST._replace(response_url=cloudformation.url, **changes), failure=failure)
    return cloudformation.answer


def test_the_answer_has_the_presigned_urls_query_and_exactly_an_empty_content_type(
    cloudformation: CloudFormation,
) -> None:
    """S3 signs the content type, and the URL is presigned for an empty one (guide, "cfn-response module")."""
    answer(cloudformation)
    [headers] = cloudformation.headers
    assert headers["Content-Type"] == ""
    assert cloudformation.asked == ["/answer?signature=1"]


def test_success(cloudformation: CloudFormation) -> None:
    assert answer(cloudformation) == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": MADE,
        "StackId": "stack-1",
        "RequestId": "request-1",
        "LogicalResourceId": "Record",
    }


def test_failure(cloudformation: CloudFormation) -> None:
    answered = answer(cloudformation, failure="ConfigError: no")
    assert (answered["Status"], answered["Reason"]) == ("FAILED", "ConfigError: no")


@pytest.mark.parametrize(
    ("changes", "failure", "identity"),
    [
        pytest.param({}, "", MADE, id="created-as-its-name-in-its-zone"),
        pytest.param(
            {"request_type": "Update", "physical_resource_id": OLD}, "", MADE,
            id="another-host-name-is-another-resource",
        ),
        pytest.param(
            {"request_type": "Delete", "physical_resource_id": OLD}, "", OLD, id="deleted-as-what-it-was",
        ),
        pytest.param({"request_type": "Delete"}, "", "Record", id="deleted-before-it-had-an-identity"),
        pytest.param({}, "no", "Record", id="what-could-not-be-created-is-not-what-would-have-been-made"),
        pytest.param(
            {"request_type": "Update", "physical_resource_id": OLD}, "no", OLD,
            id="what-could-not-be-updated-is-what-it-was",
        ),
        pytest.param(
            {"resource_type": "Custom::TasksGone", "host_names": "", "hosted_zone_id": ""}, "", "Record",
            id="the-wait-for-tasks-is-one",
        ),
    ],
)  # fmt: skip
def test_identity(cloudformation: CloudFormation, changes: Any, failure: str, identity: str) -> None:
    assert answer(cloudformation, failure=failure, **changes)["PhysicalResourceId"] == identity


@pytest.mark.parametrize("letter", ["x", "ä", "🙂", '"', "\n"], ids=ascii)
def test_the_answer_stays_below_4096_bytes_and_keeps_the_reasons_beginning(
    cloudformation: CloudFormation, letter: str
) -> None:
    """CloudFormation guide, "Custom resource response objects"."""
    answered = answer(
        cloudformation,
        failure="ConfigError: " + letter * 5000,
        host_names=".".join(["h" * 60] * 4),
        stack_id="s" * 300,
        logical_resource_id="l" * 255,
    )
    assert answered["Reason"].startswith("ConfigError: ")
    assert len(answered["Reason"]) == 1000
    assert cloudformation.lengths[0] < 4096


def test_what_is_done_for_the_stack_is_in_the_log(cloudformation: CloudFormation, log: Log) -> None:
    request = REQUEST._replace(request_type="Update", response_url=cloudformation.url)
    answers.serve(request, lambda _: None, logger)
    [line] = log.lines()
    assert (line["message"], line["reason"], line["resource"]) == ("update", "asked by the stack", MADE)
    assert cloudformation.answer["Status"] == "SUCCESS"


def test_what_fails_is_answered_and_in_the_log_with_its_trace(
    cloudformation: CloudFormation, log: Log
) -> None:
    def fail(_: StackRequest) -> None:
        raise ValueError("no such zone")

    answers.serve(REQUEST._replace(response_url=cloudformation.url), fail, logger)
    [line] = log.lines()
    assert (line["message"], line["level"], line["resource"]) == ("failed", "ERROR", MADE)
    assert "no such zone" in line["exception"]
    assert (cloudformation.answer["Status"], cloudformation.answer["Reason"]) == (
        "FAILED",
        "ValueError: no such zone",
    )
