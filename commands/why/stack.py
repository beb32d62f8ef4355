"""What a stack says: its status, outputs and resources, and the settings of its deployed functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from pushlive.config import ConfigError, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3

FUNCTIONS = ("RedeployService", "UpdateRecord")
CONFIG = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=20)


class CannotLookError(Exception):
    """There is nothing to look at; the text says why, and what to do."""


@dataclass
class Account:
    """The AWS account that is asked. One client a service."""

    session: boto3.Session
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def region(self) -> str:
        """Return the region that is asked."""
        return self.session.region_name or ""

    def client(self, service_name: str) -> Any:  # noqa: ANN401 - of any service
        """Return the client of an AWS service, such as `ecs`."""
        if service_name not in self.clients:
            self.clients[service_name] = self.session.client(service_name, config=CONFIG)  # type: ignore[call-overload]
        return self.clients[service_name]


@dataclass(frozen=True)
class Stack:
    """A stack of pushlive."""

    name: str
    status: str
    outputs: Mapping[str, str]
    resources: Mapping[str, tuple[str, str]]
    """Logical id to resource type and physical id."""
    settings: Settings
    log_groups: Mapping[str, str]
    """Function, by its logical id, to the log group that it writes to."""

    def physical_id(self, logical_id: str) -> str | None:
        """Return the name or id of a resource; None if the stack has no such resource."""
        return self.resources.get(logical_id, ("", None))[1]

    def of_type(self, resource_type: str) -> list[str]:
        """Return the physical ids of all resources of a type, such as `AWS::Events::Rule`."""
        return [physical_id for kind, physical_id in self.resources.values() if kind == resource_type]


def read_stack(account: Account, name: str) -> Stack:
    """Return the stack `name`.

    Raises:
        CannotLookError: there is no such stack, or it is none of pushlive.
    """
    cloudformation = account.client("cloudformation")
    try:
        [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        # CloudFormation calls a stack that is not there a validation error (API reference, DescribeStacks).
        raise CannotLookError(
            f"There is no stack {name!r} in region {account.region}: name another (`make why STACK=NAME`), "
            "another region (AWS_REGION), or deploy it (`sam deploy`)"
        ) from error
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = {
        each["LogicalResourceId"]: (each["ResourceType"], each.get("PhysicalResourceId", ""))
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] != "DELETE_COMPLETE"
    }
    settings, log_groups = _functions(account, name, found["StackStatus"], resources)
    return Stack(
        name=name,
        status=found["StackStatus"],
        outputs={each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
        resources=resources,
        settings=settings,
        log_groups=log_groups,
    )


def _functions(
    account: Account, stack: str, status: str, resources: Mapping[str, tuple[str, str]]
) -> tuple[Settings, dict[str, str]]:
    env: dict[str, str] = {}
    log_groups = {}
    for function in FUNCTIONS:
        if function not in resources:
            continue
        try:
            found = account.client("lambda").get_function_configuration(FunctionName=resources[function][1])
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
            raise CannotLookError(
                f"The function {function} of stack {stack!r} ({status}) is gone: "
                "deploy it again (`sam deploy`)"
            ) from error
        dry_run = env.get("DRY_RUN") == "true"
        env |= found.get("Environment", {}).get("Variables", {})
        if dry_run:  # one of them is enough to wait in vain
            env["DRY_RUN"] = "true"
        # Without a log group of its own a function has this one (Lambda guide, "Configuring log groups").
        own = f"/aws/lambda/{found['FunctionName']}"
        log_groups[function] = found.get("LoggingConfig", {}).get("LogGroup", own)
    if "RedeployService" not in log_groups:
        raise CannotLookError(
            f"The stack {stack!r} ({status}) has no function RedeployService, so it is none of pushlive: "
            "name another (`make why STACK=NAME`)"
        )
    try:
        return Settings.from_env(env), log_groups
    except ConfigError as error:
        raise CannotLookError(
            f"A function of stack {stack!r} has a wrong setting, deploy it again: {error}"
        ) from error
