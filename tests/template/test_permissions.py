"""What the roles may do: what is declared of the functions, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from layer_build import OPERATIONS
from pushlive import leases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.template import Json, Stack

# Lambda itself uses these, with the function's role: no line of the code calls them.
USED_BY_LAMBDA = {
    "logs:CreateLogStream": "Lambda writes what the function prints",
    "logs:PutLogEvents": "Lambda writes what the function prints",
    "sqs:SendMessage": "Lambda's on-failure destination: an event that failed three times",
}

# Each grant that is not of one resource, and why there is no narrower one.
ANY_RESOURCE = {
    ("TaskExecutionRole", "ecr:GetAuthorizationToken"): "the token is the account's",
    ("RedeployServiceRole", "ecs:ListServices"): "a list has no resource; the condition names the cluster",
    ("RedeployServiceRole", "ecs:ListTasks"): "a list has no resource; the condition names the cluster",
    ("RedeployServiceRole", "ecs:DescribeTaskDefinition"): "IAM knows no resource for it; it only reads",
    ("UpdateRecordRole", "ecs:ListServices"): "a list has no resource; the condition names the cluster",
    ("UpdateRecordRole", "ecs:ListTasks"): "a list has no resource; the condition names the cluster",
    ("UpdateRecordRole", "ecs:DescribeTaskDefinition"): "IAM knows no resource for it; it only reads",
    ("UpdateRecordRole", "ec2:DescribeManagedPrefixLists"): "IAM knows no resource for it; it only reads",
    ("UpdateRecordRole", "ec2:DescribeNetworkInterfaces"): "IAM knows no resource for it; it only reads",
}

# The grants that change something of AWS, and what narrows each: a condition's key, or a part of a resource.
CHANGES = {
    ("RedeployServiceRole", "logs:DeleteLogStream"): ":log-stream:notifications/*",
    ("RedeployServiceRole", "sns:Publish"): "{'Ref': 'Notifications'}",
    ("UpdateRecordRole", "logs:DeleteLogStream"): ":log-stream:notifications/*",
    ("UpdateRecordRole", "sns:Publish"): "{'Ref': 'Notifications'}",
    ("RedeployServiceRole", "ecs:UpdateService"): "aws:ResourceTag/pushlive:redeploy",
    ("UpdateRecordRole", "ecs:UntagResource"): "aws:TagKeys",
    ("UpdateRecordRole", "route53:ChangeResourceRecordSets"): (
        "route53:ChangeResourceRecordSetsNormalizedRecordNames"
    ),
}
READING = ("Describe", "List", "Get", "BatchGet", "BatchCheck")


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def statements(stack: Stack) -> Iterator[tuple[str, Json]]:
    """Each role with each statement of its policies, in place or attached."""
    for role, properties in stack.of_type("AWS::IAM::Role").items():
        for policy in properties.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield role, statement
    for properties in stack.of_type("AWS::IAM::ManagedPolicy").values():
        for role in properties["Roles"]:
            for statement in properties["PolicyDocument"]["Statement"]:
                yield role["Ref"], statement


def grants(stack: Stack) -> dict[tuple[str, str], list[Json]]:
    """Role and action to the statements that grant it."""
    granted: dict[tuple[str, str], list[Json]] = {}
    for role, statement in statements(stack):
        for action in as_list(statement["Action"]):
            granted.setdefault((role, action), []).append(statement)
    return granted


def role_of(stack: Stack, function: str) -> str:
    [role, attribute] = stack.resources[function]["Properties"]["Role"]["Fn::GetAtt"]
    assert attribute == "Arn"
    return str(role)


def granted_actions(stack: Stack, function: str) -> set[str]:
    return {action for role, action in grants(stack) if role == role_of(stack, function)}


@pytest.mark.parametrize("function", OPERATIONS)
def test_function_may_call_what_is_declared_and_nothing_else(pushlive_stack: Stack, function: str) -> None:
    assert granted_actions(pushlive_stack, function) == OPERATIONS[function] | USED_BY_LAMBDA.keys()


def test_all_functions_of_the_template_are_looked_at(pushlive_stack: Stack) -> None:
    assert set(pushlive_stack.of_type("AWS::Lambda::Function")) == set(OPERATIONS)


def test_no_two_functions_share_a_role(pushlive_stack: Stack) -> None:
    roles = [role_of(pushlive_stack, function) for function in OPERATIONS]
    assert len(set(roles)) == len(roles)


def test_grants_of_any_resource_are_those_with_a_reason(stack: Stack, pushlive_stack: Stack) -> None:
    wide = {
        key
        for key, granting in (grants(stack) | grants(pushlive_stack)).items()
        if any("*" in as_list(statement["Resource"]) for statement in granting)
    }
    assert wide == set(ANY_RESOURCE)


@pytest.mark.parametrize(
    ("role", "action"), [key for key, reason in ANY_RESOURCE.items() if "the condition" in reason]
)
def test_lists_are_of_our_cluster_only(pushlive_stack: Stack, role: str, action: str) -> None:
    [statement] = grants(pushlive_stack)[role, action]
    arn = "arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/${ClusterName}"
    assert statement["Condition"] == {"ArnEquals": {"ecs:cluster": {"Fn::Sub": arn}}}


def test_grants_name_each_action_in_full(any_stack: Stack) -> None:
    assert [key for key in grants(any_stack) if "*" in key[1]] == []


def test_grants_only_allow_what_they_name(any_stack: Stack) -> None:
    """NotAction, NotResource and Deny turn a policy into something these tests do not read."""
    keys = {key for _, statement in statements(any_stack) for key in statement}
    effects = {statement["Effect"] for _, statement in statements(any_stack)}
    assert keys <= {"Effect", "Action", "Resource", "Condition"}
    assert effects <= {"Allow"}


def test_functions_may_change_only_what_is_narrowed(pushlive_stack: Stack) -> None:
    roles = {role_of(pushlive_stack, function) for function in OPERATIONS}
    changing = {
        (role, action): granting
        for (role, action), granting in grants(pushlive_stack).items()
        if role in roles and action not in USED_BY_LAMBDA and not action.split(":")[1].startswith(READING)
    }
    assert set(changing) == set(CHANGES)
    for key, granting in changing.items():
        for statement in granting:
            conditions = {name for test in statement.get("Condition", {}).values() for name in test}
            part_of_resource = str(statement["Resource"]).rstrip("'}]").endswith(CHANGES[key].rstrip("'}]"))
            assert CHANGES[key] in conditions or part_of_resource, key


def test_record_policy_is_of_two_names_two_types_and_two_actions(pushlive_stack: Stack) -> None:
    [statement] = grants(pushlive_stack)["UpdateRecordRole", "route53:ChangeResourceRecordSets"]
    assert statement["Condition"] == {
        "ForAllValues:StringLike": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                {"Fn::Sub": "${HostNames}"},
                {"Fn::Sub": "_pushlive.${HostNames}"},
            ],
        },
        "ForAllValues:StringEquals": {
            "route53:ChangeResourceRecordSetsRecordTypes": ["A", "TXT"],
            "route53:ChangeResourceRecordSetsActions": ["CREATE", "DELETE"],
        },
    }


@pytest.mark.parametrize(
    ("name", "kinds"), [("RedeployService", ["leases", "notifications"]), ("UpdateRecord", ["notifications"])]
)
def test_function_leases_in_its_own_log_group(pushlive_stack: Stack, name: str, kinds: list[str]) -> None:
    function = pushlive_stack.resources[name]["Properties"]
    group = function["LoggingConfig"]["LogGroup"]
    assert function["Environment"]["Variables"]["LEASES_LOG_GROUP"] == group
    [create] = grants(pushlive_stack)[f"{name}Role", "logs:CreateLogStream"]
    [delete] = grants(pushlive_stack)[f"{name}Role", "logs:DeleteLogStream"]
    assert create["Resource"] == {"Fn::GetAtt": [group["Ref"], "Arn"]}
    resources = delete["Resource"] if isinstance(delete["Resource"], list) else [delete["Resource"]]
    streams = [each["Fn::Sub"].partition(":log-group:")[2] for each in resources]
    assert streams == [f"${{{group['Ref']}}}:log-stream:{kind}/*" for kind in kinds]


def test_lease_is_over_when_its_run_is(pushlive_stack: Stack) -> None:
    assert pushlive_stack.resources["RedeployService"]["Properties"]["Timeout"] == leases.RUN_SECONDS


def test_no_role_has_a_policy_of_somebody_else(any_stack: Stack) -> None:
    for role, properties in any_stack.of_type("AWS::IAM::Role").items():
        assert "ManagedPolicyArns" not in properties, role


def test_application_may_do_nothing_until_somebody_says_so(stack: Stack) -> None:
    assert [action for role, action in grants(stack) if role == "TaskRole"] == []
