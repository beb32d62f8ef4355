"""What a stack says: its status, outputs and resources, and the settings of its deployed functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from pushlive import aws
from pushlive.config import ConfigError, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import botocore.session

NESTED = "AWS::CloudFormation::Stack"
FUNCTIONS = ("RedeployService", "UpdateRecord")
CONFIG = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=20)


class CannotLookError(Exception):
    """There is nothing to look at; the text says why, and what to do."""


@dataclass
class Account:
    """The AWS account that is asked. One client a service."""

    session: botocore.session.Session
    clients: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        aws.in_utc(self.session)

    @property
    def region(self) -> str:
        """Return the region that is asked."""
        return str(self.session.get_config_variable("region") or "")

    def client(self, service_name: str) -> Any:  # noqa: ANN401 - of any service
        """Return the client of an AWS service, such as `ecs`."""
        if service_name not in self.clients:
            self.clients[service_name] = self.session.create_client(service_name, config=CONFIG)
        return self.clients[service_name]


@dataclass(frozen=True)
class Stack:
    """A stack, perhaps of pushlive."""

    name: str
    status: str
    outputs: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]
    """Logical id to resource type and physical id, those of a nested stack among them."""

    @property
    def is_whole(self) -> bool:
        """Return whether all its resources are there."""
        return self.status.endswith("_COMPLETE") and self.status != "ROLLBACK_COMPLETE"

    def physical_id(self, logical_id: str) -> str | None:
        """Return the name or id of a resource; None if the stack has no such resource."""
        return self.resources.get(logical_id, ("", ""))[1] or None

    def of_type(self, resource_type: str) -> list[str]:
        """Return the physical ids of all resources of a type, such as `AWS::Events::Rule`."""
        return [each for kind, each in self.resources.values() if kind == resource_type and each]


@dataclass(frozen=True)
class Functions:
    """The functions of a stack of pushlive."""

    settings: Settings
    log_groups: Mapping[str, str]
    """Function, by its logical id, to the log group that it writes to."""


def read_stack(account: Account, name: str) -> Stack:
    """Return the stack `name`.

    Raises:
        CannotLookError: there is no such stack.
    """
    cloudformation = account.client("cloudformation")
    try:
        answer = cloudformation.describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        # CloudFormation calls a stack that is not there a validation error (API reference, DescribeStacks).
        raise CannotLookError(
            f"There is no stack {name!r} in region {account.region}: name another (`make why STACK=NAME`), "
            "another region (AWS_REGION), or deploy it (`sam deploy`)"
        ) from error
    found = (answer.get("Stacks") or [{}])[0]
    resources = _resources(account, name)
    for kind, nested in list(resources.values()):
        if kind == NESTED and nested:
            resources |= _resources(account, nested)
    return Stack(
        name=name,
        status=found.get("StackStatus", ""),
        outputs={
            each["OutputKey"]: each.get("OutputValue", "")
            for each in found.get("Outputs", [])
            if "OutputKey" in each
        },
        resources=resources,
    )


def _resources(account: Account, stack: str) -> dict[str, tuple[str, str]]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    return {
        each["LogicalResourceId"]: (each.get("ResourceType", ""), each.get("PhysicalResourceId", ""))
        for page in pages
        for each in page.get("StackResourceSummaries", [])
        if "LogicalResourceId" in each and each.get("ResourceStatus") != "DELETE_COMPLETE"
    }


def read_functions(account: Account, stack: Stack) -> Functions:
    """Return the functions of the stack, with the settings that they have now.

    Raises:
        CannotLookError: it has none, one is gone, or its settings are wrong.
    """
    env: dict[str, str] = {}
    log_groups = {}
    for function in FUNCTIONS:
        name = stack.physical_id(function)
        if name is None:
            continue
        try:
            found = account.client("lambda").get_function_configuration(FunctionName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise CannotLookError(
                f"The function {function} of stack {stack.name!r} ({stack.status}) is gone: "
                "deploy it again (`sam deploy`)"
            ) from error
        dry_run = env.get("DRY_RUN") == "true"
        env |= found.get("Environment", {}).get("Variables", {})
        if dry_run:  # one of them is enough to wait in vain
            env["DRY_RUN"] = "true"
        # Without a log group of its own a function has this one (Lambda guide, "Configuring log groups").
        own = f"/aws/lambda/{name}"
        log_groups[function] = found.get("LoggingConfig", {}).get("LogGroup", own)
    if "RedeployService" not in log_groups:
        raise CannotLookError(
            f"The stack {stack.name!r} ({stack.status}) has no function RedeployService, so it is none of "
            "pushlive: name another (`make why STACK=NAME`)"
        )
    try:
        return Functions(Settings.from_env(env), log_groups)
    except ConfigError as error:
        raise CannotLookError(
            f"A function of stack {stack.name!r} has a wrong setting, deploy it again: {error}"
        ) from error
