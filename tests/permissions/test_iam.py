"""The evaluator says what AWS's own pages say about their own examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.permissions.authorization import UnknownCallError, normalized, requests_of
from tests.permissions.iam import Request, UnknownElementError, allows, resource_allows

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:dead"
CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/lab"
SERVICES = "arn:aws:ecs:eu-west-1:123456789012:service/lab/*"


def allow(action: str, resource: str = "*", condition: Json | None = None, effect: str = "Allow") -> Json:
    statement: Json = {"Effect": effect, "Action": action, "Resource": resource}
    if condition:
        statement["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [statement]}


# IAM guide, "IAM JSON policy elements": Action (not case sensitive, wildcards), Resource (case sensitive;
# * and ? match any characters, / and : too), "Policy evaluation logic" (denied unless allowed).
@pytest.mark.parametrize(
    ("policy", "action", "resource", "allowed"),
    [
        pytest.param(allow("sqs:SendMessage", QUEUE), "sqs:SendMessage", QUEUE, True, id="the-same"),
        pytest.param(
            allow("SQS:sendmessage", QUEUE), "sqs:SendMessage", QUEUE, True, id="action-in-any-case"
        ),
        pytest.param(allow("sqs:*", QUEUE), "sqs:SendMessage", QUEUE, True, id="action-by-wildcard"),
        pytest.param(allow("sqs:Send", QUEUE), "sqs:SendMessage", QUEUE, False, id="action-is-no-prefix"),
        pytest.param(allow("sqs:SendMessage", QUEUE), "sqs:Send", QUEUE, False, id="action-is-no-beginning"),
        pytest.param(
            allow("sqs:SendMessage", QUEUE), "sqs:SendMessage", f"{QUEUE}2", False, id="longer-name"
        ),
        pytest.param(
            allow("sqs:SendMessage", f"{QUEUE}*"), "sqs:SendMessage", f"{QUEUE}/a/b", True, id="star"
        ),
        pytest.param(allow("sqs:SendMessage", f"{QUEUE}?"), "sqs:SendMessage", f"{QUEUE}2", True, id="one"),
        pytest.param(
            allow("sqs:SendMessage", f"{QUEUE}?"), "sqs:SendMessage", QUEUE, False, id="one-is-not-none"
        ),
        pytest.param(
            allow("sqs:SendMessage", QUEUE),
            "sqs:SendMessage",
            QUEUE.upper(),
            False,
            id="resource-in-its-case",
        ),
        pytest.param(
            allow("ecs:UpdateService", SERVICES),
            "ecs:UpdateService",
            SERVICES.replace("lab/*", "lab2/app"),
            False,
            id="a-cluster-whose-name-begins-alike",
        ),
    ],
)
def test_action_and_resource(policy: Json, action: str, resource: str, allowed: bool) -> None:  # noqa: FBT001
    assert allows([policy], Request(action, resource)) is allowed


def test_nothing_is_allowed_by_no_policy() -> None:
    assert not allows([], Request("sqs:SendMessage", QUEUE))


def test_one_policy_of_several_suffices() -> None:
    assert allows([allow("sqs:ReceiveMessage"), allow("sqs:SendMessage")], Request("sqs:SendMessage", QUEUE))


def test_a_denial_counts_more_than_an_allowance() -> None:
    policies = [allow("sqs:*"), allow("sqs:SendMessage", effect="Deny")]
    assert not allows(policies, Request("sqs:SendMessage", QUEUE))


# ECS guide, "Identity-based policy examples": ArnEquals on ecs:cluster, StringEquals on aws:ResourceTag.
# IAM guide, "Set operators for multivalued context keys": ForAllValues with aws:TagKeys, also that it is
# true where the request has no such key. Route 53 guide, "Using IAM policy conditions for fine-grained
# access control": the same for names, types and actions.
IN_CLUSTER = {"ArnEquals": {"ecs:cluster": CLUSTER}}
TAGGED = {"StringEquals": {"aws:ResourceTag/Owner": ["me", "you"]}}
TAG_KEYS = {"ForAllValues:StringEquals": {"aws:TagKeys": ["environment", "cost-center"]}}
NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
TYPES = "route53:ChangeResourceRecordSetsRecordTypes"
# IAM guide, "IAM JSON policy elements: Condition operators", StringLike: case-sensitive, * for any characters
# (also none, also dots), ? for exactly one. Route 53 guide, the same page: ForAllValues:StringLike for names.
TAG_LIKE = {"StringLike": {"aws:ResourceTag/Owner": "*.team"}}
NAMES_LIKE = {"ForAllValues:StringLike": {NAMES: ["*.example.com", "_x.example.org"]}}
MARKETING = {"ForAllValues:StringEquals": {NAMES: ["example.com", "marketing.example.com"], TYPES: ["A"]}}


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        pytest.param(IN_CLUSTER, {"ecs:cluster": CLUSTER}, True, id="arn-equals"),
        pytest.param(IN_CLUSTER, {"ecs:cluster": f"{CLUSTER}2"}, False, id="arn-of-another"),
        pytest.param(IN_CLUSTER, {}, False, id="arn-missing-in-the-request"),
        pytest.param(
            {"ArnLike": {"aws:SourceArn": f"{CLUSTER}*"}},
            {"aws:SourceArn": f"{CLUSTER}2"},
            True,
            id="arn-like",
        ),
        pytest.param(TAGGED, {"aws:ResourceTag/Owner": "you"}, True, id="one-of-several-values"),
        pytest.param(TAGGED, {"aws:resourcetag/owner": "me"}, True, id="condition-keys-in-any-case"),
        pytest.param(TAGGED, {"aws:ResourceTag/Owner": "Me"}, False, id="values-in-their-case"),
        pytest.param(TAGGED, {"aws:ResourceTag/Other": "me"}, False, id="another-tag"),
        pytest.param(TAGGED, {}, False, id="no-tag"),
        pytest.param(
            {**TAGGED, **IN_CLUSTER}, {"aws:ResourceTag/Owner": "me"}, False, id="every-operator-must-hold"
        ),
        pytest.param(TAG_KEYS, {"aws:TagKeys": ["environment"]}, True, id="all-values-a-part"),
        pytest.param(TAG_KEYS, {"aws:TagKeys": ["cost-center", "environment"]}, True, id="all-values-each"),
        pytest.param(TAG_KEYS, {"aws:TagKeys": ["environment", "other"]}, False, id="all-values-one-is-not"),
        pytest.param(TAG_KEYS, {"aws:TagKeys": []}, True, id="all-values-of-none"),
        pytest.param(TAG_KEYS, {}, True, id="all-values-of-a-missing-key"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": "my.team"}, True, id="like"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": "my.own.team"}, True, id="star-is-also-dots"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": ".team"}, True, id="star-is-also-nothing"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": "team"}, False, id="like-needs-the-rest"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": "my.team2"}, False, id="like-is-the-whole-value"),
        pytest.param(TAG_LIKE, {"aws:ResourceTag/Owner": "my.Team"}, False, id="like-in-its-case"),
        pytest.param(TAG_LIKE, {}, False, id="like-of-a-missing-key"),
        pytest.param(NAMES_LIKE, {NAMES: ["a.example.com", "_x.example.org"]}, True, id="all-names-like"),
        pytest.param(NAMES_LIKE, {NAMES: ["a.example.com", "example.com"]}, False, id="one-name-is-not-like"),
        pytest.param(NAMES_LIKE, {NAMES: ["\\052.example.com"]}, True, id="star-is-also-an-octal-code"),
        pytest.param(MARKETING, {NAMES: ["marketing.example.com"], TYPES: ["A"]}, True, id="record-name"),
        pytest.param(MARKETING, {NAMES: ["www.example.com"], TYPES: ["A"]}, False, id="another-record-name"),
        pytest.param(
            MARKETING, {NAMES: ["example.com"], TYPES: ["A", "MX"]}, False, id="every-key-must-hold"
        ),
    ],
)
def test_condition(condition: Json, context: Mapping[str, str | list[str]], allowed: bool) -> None:  # noqa: FBT001
    request = Request("ecs:ListTasks", "*", context)
    assert allows([allow("ecs:ListTasks", condition=condition)], request) is allowed


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param({"Condition": {"StringNotLike": {"aws:PrincipalTag/a": "b"}}}, id="operator"),
        pytest.param({"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": "a"}}}, id="set-operator"),
        pytest.param({"NotAction": "sqs:*"}, id="not-action"),
        pytest.param({"NotResource": QUEUE}, id="not-resource"),
        pytest.param({"Resource": "arn:aws:s3:::${aws:username}"}, id="policy-variable"),
    ],
)
def test_what_was_never_tried_is_refused(statement: Json) -> None:
    document = {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", **statement}]}
    with pytest.raises(UnknownElementError):
        allows([document], Request("sqs:SendMessage", QUEUE))


# IAM guide, "AWS JSON policy elements: Principal", "AWS service principals"
@pytest.mark.parametrize(
    ("principal", "allowed"),
    [
        pytest.param({"Service": "events.amazonaws.com"}, True, id="the-service"),
        pytest.param({"Service": ["sns.amazonaws.com", "events.amazonaws.com"]}, True, id="one-of-services"),
        pytest.param({"Service": "sns.amazonaws.com"}, False, id="another-service"),
        pytest.param({"AWS": "arn:aws:iam::123456789012:root"}, False, id="the-account"),
    ],
)
def test_principal(principal: Json, allowed: bool) -> None:  # noqa: FBT001
    document = allow("sqs:SendMessage", QUEUE)
    document["Statement"][0]["Principal"] = principal
    request = Request("sqs:SendMessage", QUEUE)
    assert resource_allows(document, request, "events.amazonaws.com") is allowed


# Route 53 guide, the same page, "Normalized record names"
@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        pytest.param("App.Example.com.", "app.example.com", id="lower-case-without-dot"),
        pytest.param("_pushlive.app.example.com", "_pushlive.app.example.com", id="underscore-stays"),
        pytest.param("*.example.com", "\\052.example.com", id="octal-code"),
    ],
)
def test_record_names_are_normalized(name: str, spelled: str) -> None:
    assert normalized(name) == spelled


def test_a_call_that_nobody_looked_up_is_an_error() -> None:
    with pytest.raises(UnknownCallError, match="ecs:DeleteService"):
        requests_of("ecs", "DeleteService", {"service": "app"}, lambda _: {})


def test_a_call_that_aws_would_not_take_is_an_error() -> None:
    with pytest.raises(AssertionError, match="tagKeys"):
        requests_of("ecs", "UntagResource", {"resourceArn": CLUSTER}, lambda _: {})
