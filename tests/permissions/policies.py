"""The roles' policies of the transformed template, with the functions' test region's values; their parts."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import HOSTED_ZONE_ID, PUSHLIVE, SERVICE, Stack, fill, transformed_template
from trials.in_memory.region import ACCOUNT, HOST_NAME, LOG_GROUP, RECORD_LOG_GROUP, REGION, TOPIC_ARN

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Policies = dict[str, dict[str, Json]]
"""Role to policy name to document."""

STACK_NAME = "hello"
CLUSTER, REPOSITORY = "lab", "app"
ENVIRONMENT_FILE = "arn:aws:s3:::settings/app.env"

# What Ref and GetAtt Arn give (CloudFormation user guide, "Return values" of each type).
ARNS = {
    "AWS::ECR::Repository": "ecr:{region}:{account}:repository/{name}",
    "AWS::ECS::Cluster": "ecs:{region}:{account}:cluster/{name}",
    "AWS::Events::Rule": "events:{region}:{account}:rule/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
}
# Both templates as one, and pushlive.yaml for many services; all for the functions' test region.
SHAPES: dict[str, dict[str, str]] = {
    "service": {
        "HostName": HOST_NAME,
        "EnvironmentFile": ENVIRONMENT_FILE,
        "Secrets": "DATABASE_URL",
        "ClusterName": CLUSTER,
        "Repositories": REPOSITORY,
        "HostNames": HOST_NAME,
    },
    "by-patterns": {
        "ClusterName": CLUSTER,
        "Repositories": f"{REPOSITORY}*",
        "HostNames": "*.example.com",
    },
}
# As the functions' test region calls them; the others have names of this stack.
PHYSICAL_IDS = {
    "Cluster": CLUSTER,
    "Notifications": TOPIC_ARN,
    "RedeployServiceLogs": LOG_GROUP,
    "Repository": REPOSITORY,
    "UpdateRecordLogs": RECORD_LOG_GROUP,
}


@cache
def _template(shape: str) -> Json:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)  # the transform asks for the partition's name by it
        pushlive = transformed_template(PUSHLIVE)
        if shape == "by-patterns":
            return pushlive
        service = transformed_template(SERVICE)
    parts = ("Parameters", "Conditions", "Resources")
    return {part: {**pushlive[part], **service[part]} for part in parts}


@cache
def stack(shape: str = "service") -> Stack:
    """The transformed templates in one of the shapes, with host names: all there is of it."""
    return Stack(_template(shape), {"HostedZoneId": HOSTED_ZONE_ID, **SHAPES[shape]})


def names(zone_id: str = HOSTED_ZONE_ID, shape: str = "service", **parameters: str) -> Json:
    """What references in the template stand for in the test region."""
    found: Json = {
        **stack(shape).parameters,
        "HostedZoneId": zone_id,
        **parameters,
        "AWS::AccountId": ACCOUNT,
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "AWS::StackName": STACK_NAME,
    }
    for name, resource in stack(shape).resources.items():
        found[name] = PHYSICAL_IDS.get(name, f"{STACK_NAME}-{name}")
        if resource["Type"] in ARNS:
            arn = ARNS[resource["Type"]].format(region=REGION, account=ACCOUNT, name=found[name])
            found[f"{name}.Arn"] = f"arn:aws:{arn}"
    return found


def policies(zone_id: str = HOSTED_ZONE_ID, shape: str = "service", **parameters: str) -> Policies:
    """Each role's policies, in place or attached."""
    values = names(zone_id, shape, **parameters)
    found: Policies = {role: {} for role in stack(shape).of_type("AWS::IAM::Role")}
    for role, properties in stack(shape).of_type("AWS::IAM::Role").items():
        for policy in properties.get("Policies", []):
            found[role][policy["PolicyName"]] = fill(policy["PolicyDocument"], values)
    for name, properties in stack(shape).of_type("AWS::IAM::ManagedPolicy").items():
        for role in properties["Roles"]:
            found[role["Ref"]][name] = fill(properties["PolicyDocument"], values)
    return found


@dataclass(frozen=True)
class Part:
    """Something that a statement lists: an action, a resource, or a condition's value."""

    role: str
    policy: str
    statement: int
    path: tuple[str, ...]
    """Where in the statement, such as ("Action",) or ("Condition", operator, key)."""
    index: int
    value: str
    actions: tuple[str, ...]
    """What the statement grants."""

    def __str__(self) -> str:
        value = self.value.removeprefix(f"arn:aws:ecs:{REGION}:{ACCOUNT}:")
        if self.path != ("Action",):
            value = f"{self.actions[0]}.../{self.path[-1]}/{value}"
        return f"{self.role}/{self.policy}/{value}"

    def taken_from(self, whole: Policies) -> Policies:
        """Return the policies without it."""
        without = copy.deepcopy(whole)
        statements = without[self.role][self.policy]["Statement"]
        *way, last = self.path
        inner = statements[self.statement]
        for step in way:
            inner = inner[step]
        inner[last] = _as_list(inner[last])
        del inner[last][self.index]
        if not inner[last]:
            del statements[self.statement]
        return without


def parts(shape: str = "service") -> Iterator[Part]:
    """Each action, each resource of several, and each value of several of a condition."""
    for role, policy, number, statement in statements(shape):
        actions = tuple(_as_list(statement["Action"]))
        lists: list[tuple[tuple[str, ...], list[str]]] = [
            (("Action",), list(actions)),
            (("Resource",), _as_list(statement["Resource"])),
        ]
        for operator, keys in statement.get("Condition", {}).items():
            lists += [(("Condition", operator, key), _as_list(values)) for key, values in keys.items()]
        for path, values in lists:
            if path == ("Action",) or len(values) > 1:
                for index, value in enumerate(values):
                    yield Part(role, policy, number, path, index, value, actions)


@dataclass(frozen=True)
class Limit:
    """What makes a statement narrow: its resources, or one key of its condition."""

    role: str
    policy: str
    statement: int
    path: tuple[str, ...]
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.role}/{self.policy}/{self.actions[0]}.../{self.path[-1]}"

    def taken_from(self, whole: Policies) -> Policies:
        """Return the policies with the statement for any resource, or without the condition's key."""
        without = copy.deepcopy(whole)
        statement = without[self.role][self.policy]["Statement"][self.statement]
        if self.path == ("Resource",):
            statement["Resource"] = "*"
        else:
            _, operator, key = self.path
            del statement["Condition"][operator][key]
        return without


def limits(shape: str = "service") -> Iterator[Limit]:
    """Each statement's resources, where it names them, and each key of its condition."""
    for role, policy, number, statement in statements(shape):
        actions = tuple(_as_list(statement["Action"]))
        if statement["Resource"] != "*":
            yield Limit(role, policy, number, ("Resource",), actions)
        for operator, keys in statement.get("Condition", {}).items():
            for key in keys:
                yield Limit(role, policy, number, ("Condition", operator, key), actions)


def statements(shape: str = "service") -> Iterator[tuple[str, str, int, Json]]:
    """Role, policy, number and text of each statement."""
    for role, documents in policies(shape=shape).items():
        for policy, document in documents.items():
            for number, statement in enumerate(document["Statement"]):
                yield role, policy, number, statement


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
