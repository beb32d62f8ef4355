"""A way in and a way out for a service's tasks: routes, public address, security groups. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, note, problem
from commands.why.state import EVERYBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import ServiceState


def address_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that its tasks cannot have the public address that its record needs.

    Only Fargate gives one to a task (ECS guide, "Fargate task networking"): on an instance a task of the
    network mode awsvpc gets none (aws-cdk issue 13348), and any other one has the instance's address.
    """
    if state.host_name and state.described and not state.is_fargate:
        mode = state.definition.get("networkMode", "bridge")
        yield problem(
            "no-address",
            f"its tasks run on instances, with the network mode {mode}: they have no public address of their "
            f"own for the record {state.host_name}",
            "run it on Fargate, with awsvpc and assignPublicIp; or take the tag pushlive:hostname off, and "
            "let a load balancer lead to it",
        )


def subnet_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps Fargate tasks from pulling their image, or visitors from them."""
    if state.subnets is None:
        return
    for subnet in state.subnets:
        if not subnet.target:
            yield problem(
                "no-route",
                f"{subnet.subnet_id} has no route to the internet: its tasks cannot pull their image "
                "(CannotPullContainerError … i/o timeout), and nobody reaches them",
                "lead it to the VPC's internet gateway:",
                aws(
                    "ec2 create-route",
                    route_table_id=subnet.route_table_id,
                    destination_cidr_block=EVERYBODY,
                    gateway_id="igw-ID",
                ),
            )
        elif state.host_name and not subnet.is_public:
            yield problem(
                "route-not-public",
                f"{subnet.subnet_id} reaches the internet by {subnet.target}: its tasks can pull, but nobody "
                "reaches them by a public address",
                "give the service subnets whose default route is an internet gateway",
            )
    has_public_ip = state.awsvpc.get("assignPublicIp", "DISABLED") == "ENABLED"
    if not has_public_ip and (state.host_name or any(subnet.is_public for subnet in state.subnets)):
        yield _no_public_ip(state)


def _no_public_ip(state: ServiceState) -> Finding:
    ids = [f"{name}=[{','.join(state.awsvpc.get(name, []))}]" for name in ("subnets", "securityGroups")]
    settings = ",".join([*ids, "assignPublicIp=ENABLED"])
    return problem(
        "no-public-ip",
        "assignPublicIp is DISABLED: its tasks have no public address for the record, and behind an internet "
        "gateway cannot pull their image (i/o timeout)",
        "give them one:",
        state.update_service(network_configuration=f"'awsvpcConfiguration={{{settings}}}'"),
    )


def security_group_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that visitors, or UpdateRecord itself, are not let in."""
    if state.ingress is None or EVERYBODY in state.ingress.cidrs:
        return
    admitted = ", ".join(sorted(state.ingress.cidrs | state.ingress.others))
    group = (state.awsvpc.get("securityGroups") or ["sg-ID"])[0]
    what = f"the security group admits {f'only {admitted}' if admitted else 'nobody'} to port {state.port}"
    admit = aws(
        "ec2 authorize-security-group-ingress",
        group_id=group,
        protocol="tcp",
        port=state.port,
        cidr=EVERYBODY,
    )
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
