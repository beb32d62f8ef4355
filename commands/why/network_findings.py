"""A way in and a way out for a service's tasks: routes, public address, security groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from commands.why.finding import Finding, note, problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from commands.why.stack import Account
    from commands.why.state import ServiceState

EVERYBODY = "0.0.0.0/0"
TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId",
    "VpcPeeringConnectionId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip


@dataclass(frozen=True)
class Subnet:
    """A subnet, and where what is for the internet goes."""

    subnet_id: str
    route_table_id: str
    target: str | None
    """Of its default route, such as `igw-0123…`; None without one, or with one that leads nowhere."""

    @property
    def is_public(self) -> bool:
        """Return whether it is reached from the internet."""
        return bool(self.target) and str(self.target).startswith("igw-")


@dataclass(frozen=True)
class Ingress:
    """Who may reach one port."""

    cidrs: frozenset[str]
    others: frozenset[str] = frozenset()
    """Security groups and prefix lists."""


def address_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that its tasks cannot have the public address that its record needs. Pure.

    Only Fargate gives one to a task (ECS guide, "Fargate task networking"): on an instance a task of the
    network mode awsvpc gets none (aws-cdk issue 13348), and any other one has the instance's address.
    """
    if not state.host_name or not state.described or state.is_fargate:
        return
    mode = state.definition.get("networkMode", "bridge")
    yield problem(
        "no-address",
        f"its tasks run on instances, with the network mode {mode}: they have no public address of their own "
        f"for the record {state.host_name}",
        "run it on Fargate, with awsvpc and assignPublicIp; or take the tag pushlive:hostname off, and let a "
        "load balancer lead to it",
    )


def subnet_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps Fargate tasks from pulling their image, or visitors from them."""
    if state.is_fargate and state.awsvpc.get("subnets"):  # on an instance the instance pulls
        subnets = read_subnets(account, state.awsvpc["subnets"])
        yield from route_findings(subnets, has_host_name=bool(state.host_name))
        yield from public_ip_findings(state, subnets)


def security_group_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield that visitors, or UpdateRecord itself, are not let in."""
    if state.awsvpc and state.port is not None:
        ingress = read_ingress(account, state.awsvpc.get("securityGroups", []), state.port)
        yield from ingress_findings(state, ingress)


def read_subnets(account: Account, subnet_ids: Sequence[str]) -> list[Subnet]:
    """Return the subnets, each with the default route of its own route table or of its VPC's main one."""
    client = account.client("ec2")
    vpcs = {
        each["SubnetId"]: each.get("VpcId", "")
        for each in client.describe_subnets(SubnetIds=list(subnet_ids)).get("Subnets", [])
        if "SubnetId" in each
    }
    in_vpcs = [{"Name": "vpc-id", "Values": sorted(set(vpcs.values()))}]
    pages = client.get_paginator("describe_route_tables").paginate(Filters=in_vpcs)
    tables: dict[str, Mapping[str, Any]] = {}  # by subnet, the main one by VPC
    for page in pages:
        for table in page.get("RouteTables", []):
            for association in table.get("Associations", []):
                of = table.get("VpcId", "") if association.get("Main") else association.get("SubnetId", "")
                tables[of] = table
    found = []
    for subnet_id, vpc_id in vpcs.items():
        table = tables.get(subnet_id) or tables.get(vpc_id) or {}
        target = _default_target(table.get("Routes", []))
        found.append(Subnet(subnet_id, table.get("RouteTableId", "rtb-ID"), target))
    return found


def _default_target(routes: Sequence[Mapping[str, Any]]) -> str | None:
    for route in routes:
        if route.get("DestinationCidrBlock") == EVERYBODY and route.get("State", "active") == "active":
            return next((str(route[key]) for key in TARGETS if route.get(key)), None)
    return None


def route_findings(subnets: Sequence[Subnet], *, has_host_name: bool) -> Iterator[Finding]:
    """Yield the subnets from which nothing, or to which nobody, finds the way. Pure."""
    for subnet in subnets:
        if subnet.target is None:
            yield problem(
                "no-route",
                f"{subnet.subnet_id} has no route to the internet: its tasks cannot pull their image "
                "(CannotPullContainerError … i/o timeout), and nobody reaches them",
                "lead it to the VPC's internet gateway:",
                f"aws ec2 create-route --route-table-id {subnet.route_table_id} "
                f"--destination-cidr-block {EVERYBODY} --gateway-id igw-ID",
            )
        elif has_host_name and not subnet.is_public:
            yield problem(
                "route-not-public",
                f"{subnet.subnet_id} reaches the internet by {subnet.target}: its tasks can pull, but nobody "
                "reaches them by a public address",
                "give the service subnets whose default route is an internet gateway",
            )


def public_ip_findings(state: ServiceState, subnets: Sequence[Subnet]) -> Iterator[Finding]:
    """Yield that Fargate tasks get no public address where they need one. Pure."""
    network = state.awsvpc
    if network.get("assignPublicIp", "DISABLED") == "ENABLED":
        return
    if state.host_name or any(subnet.is_public for subnet in subnets):
        settings = ",".join(
            [
                f"subnets=[{','.join(network.get('subnets', []))}]",
                f"securityGroups=[{','.join(network.get('securityGroups', []))}]",
                "assignPublicIp=ENABLED",
            ]
        )
        yield problem(
            "no-public-ip",
            "assignPublicIp is DISABLED: its tasks have no public address for the record, and behind an "
            "internet gateway cannot pull their image (i/o timeout)",
            "give them one:",
            state.update_service("--network-configuration", f"'awsvpcConfiguration={{{settings}}}'"),
        )


def read_ingress(account: Account, group_ids: Sequence[str], port: int) -> Ingress:
    """Return who may reach `port` through any of the security groups."""
    if not group_ids:
        # The VPC's default group holds then (API reference, AwsVpcConfiguration): it admits its members.
        return Ingress(frozenset(), frozenset({"the VPC's default security group"}))
    found = account.client("ec2").describe_security_groups(GroupIds=list(group_ids))
    rules = [
        rule
        for group in found.get("SecurityGroups", [])
        for rule in group.get("IpPermissions", [])
        if rule.get("IpProtocol") == "-1"
        or (
            rule.get("IpProtocol") in ("tcp", "6")
            and rule.get("FromPort", 0) <= port <= rule.get("ToPort", port)
        )
    ]

    def named(ranges: str, key: str) -> frozenset[str]:
        return frozenset(each[key] for rule in rules for each in rule.get(ranges, []) if each.get(key))

    others = named("UserIdGroupPairs", "GroupId") | named("PrefixListIds", "PrefixListId")
    return Ingress(named("IpRanges", "CidrIp"), others)


def ingress_findings(state: ServiceState, ingress: Ingress) -> Iterator[Finding]:
    """Yield that visitors, or UpdateRecord itself, are not let in. Pure."""
    if EVERYBODY in ingress.cidrs:
        return
    groups = state.awsvpc.get("securityGroups") or ["sg-ID"]
    admit = (
        f"aws ec2 authorize-security-group-ingress --group-id {groups[0]} --protocol tcp --port {state.port} "
        f"--cidr {EVERYBODY}"
    )
    admitted = ", ".join(sorted(ingress.cidrs | ingress.others))
    what = f"the security group admits {f'only {admitted}' if admitted else 'nobody'} to port {state.port}"
    if not state.host_name:
        yield note("port-narrow", what)  # without a record nobody is asked to come
    elif not admitted:
        yield problem("port-closed", f"{what} of the container", "admit everybody:", admit)
    elif state.settings.probe:
        yield problem(
            "port-closed-to-probe",
            f"{what} of the container: UpdateRecord's probe does not get through, so no address is published",
            "sam deploy with ProbePort=false; or admit everybody:",
            admit,
        )
    else:
        yield note("port-narrow", what)
