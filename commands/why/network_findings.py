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


def network_findings(account: Account, state: ServiceState, *, probe: bool) -> Iterator[Finding]:
    """Yield what keeps a service's tasks from pulling their image, or visitors from them."""
    network = state.described.get("networkConfiguration", {}).get("awsvpcConfiguration")
    if not network:
        mode = state.definition.get("networkMode", "bridge")
        yield problem(
            "network-mode",
            f"its task definition's network mode is {mode}: its tasks have no address of their own",
            "register it with networkMode awsvpc",
        )
        return
    subnets = read_subnets(account, network["subnets"])
    yield from route_findings(subnets, has_host_name=bool(state.host_name))
    yield from public_ip_findings(network, subnets, state)
    if state.port is not None:
        groups = network.get("securityGroups", [])
        ingress = read_ingress(account, groups, state.port)
        yield from ingress_findings(ingress, groups, state.port, probe=probe)


def read_subnets(account: Account, subnet_ids: Sequence[str]) -> list[Subnet]:
    """Return the subnets, each with the default route of its own route table or of its VPC's main one."""
    client = account.client("ec2")
    vpcs = {
        each["SubnetId"]: each["VpcId"]
        for each in client.describe_subnets(SubnetIds=list(subnet_ids))["Subnets"]
    }
    in_vpcs = [{"Name": "vpc-id", "Values": sorted(set(vpcs.values()))}]
    pages = client.get_paginator("describe_route_tables").paginate(Filters=in_vpcs)
    tables: dict[str, Mapping[str, Any]] = {}  # by subnet, the main one by VPC
    for page in pages:
        for table in page["RouteTables"]:
            for association in table["Associations"]:
                of = table["VpcId"] if association.get("Main") else association.get("SubnetId", "")
                tables[of] = table
    found = []
    for subnet_id, vpc_id in vpcs.items():
        table = tables.get(subnet_id) or tables.get(vpc_id) or {"RouteTableId": "?", "Routes": []}
        found.append(Subnet(subnet_id, table["RouteTableId"], _default_target(table["Routes"])))
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


def public_ip_findings(
    network: Mapping[str, Any], subnets: Sequence[Subnet], state: ServiceState
) -> Iterator[Finding]:
    """Yield that tasks get no public address where they need one. Pure."""
    if network.get("assignPublicIp", "DISABLED") == "ENABLED":
        return
    if state.host_name or any(subnet.is_public for subnet in subnets):
        settings = ",".join(
            [
                f"subnets=[{','.join(network['subnets'])}]",
                f"securityGroups=[{','.join(network.get('securityGroups', []))}]",
                "assignPublicIp=ENABLED",
            ]
        )
        yield problem(
            "no-public-ip",
            "assignPublicIp is DISABLED: its tasks have no public address for the record, and behind an "
            "internet gateway cannot pull their image (i/o timeout)",
            f"aws ecs update-service --cluster {state.cluster} --service {state.service_name} "
            f"--network-configuration 'awsvpcConfiguration={{{settings}}}'",
        )


def read_ingress(account: Account, group_ids: Sequence[str], port: int) -> Ingress:
    """Return who may reach `port` through any of the security groups."""
    if not group_ids:
        # The VPC's default group holds then (API reference, AwsVpcConfiguration): it admits its members.
        return Ingress(frozenset(), frozenset({"the VPC's default security group"}))
    groups = account.client("ec2").describe_security_groups(GroupIds=list(group_ids))["SecurityGroups"]
    rules = [
        rule
        for group in groups
        for rule in group["IpPermissions"]
        if rule["IpProtocol"] == "-1"
        or (rule["IpProtocol"] in ("tcp", "6") and rule["FromPort"] <= port <= rule["ToPort"])
    ]
    cidrs = {each["CidrIp"] for rule in rules for each in rule.get("IpRanges", [])}
    others = {each.get("GroupId", "") for rule in rules for each in rule.get("UserIdGroupPairs", [])}
    others |= {each["PrefixListId"] for rule in rules for each in rule.get("PrefixListIds", [])}
    return Ingress(frozenset(cidrs), frozenset(others))


def ingress_findings(
    ingress: Ingress, group_ids: Sequence[str], port: int, *, probe: bool
) -> Iterator[Finding]:
    """Yield that visitors, or UpdateRecord itself, are not let in. Pure."""
    group = group_ids[0] if group_ids else "sg-ID"
    admit = (
        f"aws ec2 authorize-security-group-ingress --group-id {group} --protocol tcp --port {port} "
        f"--cidr {EVERYBODY}"
    )
    if EVERYBODY in ingress.cidrs:
        return
    admitted = ", ".join(sorted(ingress.cidrs | ingress.others))
    if not admitted:
        yield problem("port-closed", f"the security group admits nobody to the container port {port}", admit)
    elif probe:
        yield problem(
            "port-closed-to-probe",
            f"the security group admits only {admitted} to the container port {port}: UpdateRecord's probe "
            "does not get through, so no address is published",
            f"sam deploy with ProbePort=false; or admit everybody: {admit}",
        )
    else:
        yield note("port-narrow", f"the security group admits only {admitted} to the container port {port}")
