"""Conditions that people bring a stack into, each until its block ends."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.user.deployed_stack import HOST_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.why_stack import WhyStack


# the network


@contextmanager
def default_route(stack: WhyStack, **target: str) -> Iterator[None]:
    """The default route elsewhere, or gone."""
    ec2, table = stack.lab.client("ec2"), stack.resource("RouteTable")
    everybody = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    ec2.delete_route(**everybody)
    if target:
        ec2.create_route(**everybody, **target)
    try:
        yield
    finally:
        if target:
            ec2.delete_route(**everybody)
        ec2.create_route(**everybody, GatewayId=stack.resource("InternetGateway"))


@contextmanager
def main_route_table(stack: WhyStack) -> Iterator[None]:
    """A subnet is forgotten when the route table is associated: the VPC's main one holds."""
    ec2, table = stack.lab.client("ec2"), stack.resource("RouteTable")
    [found] = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    association = found["Associations"][0]
    ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    try:
        yield
    finally:
        ec2.associate_route_table(RouteTableId=table, SubnetId=association["SubnetId"])


@contextmanager
def admitted(stack: WhyStack, *cidrs: str) -> Iterator[None]:
    """Only these addresses may reach the container port."""
    ec2, group = stack.lab.client("ec2"), stack.resource("TaskSecurityGroup")
    ec2.revoke_security_group_ingress(**_rules(stack, group, "0.0.0.0/0"))
    if cidrs:
        ec2.authorize_security_group_ingress(**_rules(stack, group, *cidrs))
    yield
    if cidrs:
        ec2.revoke_security_group_ingress(**_rules(stack, group, *cidrs))
    ec2.authorize_security_group_ingress(**_rules(stack, group, "0.0.0.0/0"))


@contextmanager
def admitted_too(stack: WhyStack, *cidrs: str) -> Iterator[None]:
    """These addresses, too, may reach the container port."""
    ec2, group = stack.lab.client("ec2"), stack.resource("TaskSecurityGroup")
    ec2.authorize_security_group_ingress(**_rules(stack, group, *cidrs))
    yield
    ec2.revoke_security_group_ingress(**_rules(stack, group, *cidrs))


def _rules(stack: WhyStack, group: str, *cidrs: str) -> dict[str, Any]:
    rule = {"IpProtocol": "tcp", "FromPort": stack.port, "ToPort": stack.port}
    return {"GroupId": group, "IpPermissions": [{**rule, "IpRanges": [{"CidrIp": r} for r in cidrs]}]}


@contextmanager
def admitted_without_readiness(stack: WhyStack, *, probe: bool) -> Iterator[None]:
    """Not everybody may reach a service that has no readiness sidecar."""
    with (
        stack.setting("UpdateRecord", PROBE=str(probe).lower()),
        admitted(stack, "10.0.0.0/8"),
        stack.own_service(tags={"hostname": HOST_NAME}),
    ):
        yield


# HTTPS


@contextmanager
def distribution(stack: WhyStack, change: Callable[[dict[str, Any]], object]) -> Iterator[None]:
    """The only distribution with another configuration."""
    client = stack.lab.client("cloudfront")
    [found] = client.list_distributions()["DistributionList"]["Items"]

    def update(change: Callable[[dict[str, Any]], object]) -> None:
        answer = client.get_distribution_config(Id=found["Id"])
        change(answer["DistributionConfig"])
        for each in answer["DistributionConfig"]["Origins"]["Items"]:
            each["CustomOriginConfig"].setdefault("HTTPSPort", 443)  # CloudFormation gives a default
        client.update_distribution(
            Id=found["Id"], IfMatch=answer["ETag"], DistributionConfig=answer["DistributionConfig"]
        )

    before = client.get_distribution_config(Id=found["Id"])["DistributionConfig"]
    update(change)
    try:
        yield
    finally:
        update(lambda config: config.update(before))


def origin(**settings: Any) -> Callable[[dict[str, Any]], object]:
    """Its origin with other settings."""

    def change(config: dict[str, Any]) -> None:
        [only] = config["Origins"]["Items"]
        custom = {name: settings[name] for name in settings if name in only["CustomOriginConfig"]}
        only["CustomOriginConfig"].update(custom)
        only.update({name: settings[name] for name in settings if name not in custom})

    return change


# what the stack is made of


@contextmanager
def no_log_group(stack: WhyStack) -> Iterator[None]:
    logs, group = stack.lab.client("logs"), stack.resource("TaskLogs")
    logs.delete_log_group(logGroupName=group)
    try:
        yield
    finally:
        logs.create_log_group(logGroupName=group)


@contextmanager
def no_log_group_of_a_function(stack: WhyStack) -> Iterator[None]:
    logs, group = stack.lab.client("logs"), stack.resource("UpdateRecordLogs")
    with stack.deaf():
        logs.delete_log_group(logGroupName=group)
        try:
            yield
        finally:
            logs.create_log_group(logGroupName=group)


@contextmanager
def immutable_tags(stack: WhyStack) -> Iterator[None]:
    ecr, name = stack.lab.client("ecr"), stack.resource("Repository")
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    try:
        yield
    finally:
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")


@contextmanager
def rule_gone(stack: WhyStack) -> Iterator[None]:
    events, name = stack.lab.client("events"), stack.resource("UpdateRecordOnSteadyState")
    rule, targets = events.describe_rule(Name=name), events.list_targets_by_rule(Rule=name)["Targets"]
    events.remove_targets(Rule=name, Ids=[target["Id"] for target in targets])
    events.delete_rule(Name=name)
    try:
        yield
    finally:
        events.put_rule(Name=name, EventPattern=rule["EventPattern"])
        events.put_targets(Rule=name, Targets=targets)


@contextmanager
def rule_disabled(stack: WhyStack) -> Iterator[None]:
    events, name = stack.lab.client("events"), stack.resource("RedeployServiceOnPush")
    events.disable_rule(Name=name)
    try:
        yield
    finally:
        events.enable_rule(Name=name)


@contextmanager
def zone_not_delegated_at_all(stack: WhyStack) -> Iterator[None]:
    with stack.record_set("example.com", "NS"):
        yield


@contextmanager
def private_zone(stack: WhyStack) -> Iterator[None]:
    route53 = stack.lab.client("route53")
    made = route53.create_hosted_zone(
        Name="example.com",
        CallerReference="private",
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": stack.resource("Vpc")},
    )["HostedZone"]
    with stack.setting("UpdateRecord", HOSTED_ZONE_ID=made["Id"].rpartition("/")[2]):
        yield
    route53.delete_hosted_zone(Id=made["Id"])
