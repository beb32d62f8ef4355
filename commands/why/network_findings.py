"""What keeps visitors from a service's tasks: its record, their addresses, routes, security groups. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.finding import LISTENS, Finding, aws, note, problem
from commands.why.state import EVERYBODY
from pushlive.record_plan import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import ServiceState
    from pushlive.model import Record
    from pushlive.record_plan import Decision


def record_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what is wrong, or worth knowing, about a service's record."""
    if not state.host_name:
        return
    if not state.settings.hosted_zone_id:
        what = f"its tag pushlive:hostname asks for {state.host_name}, but the stack has no hosted zone"
        yield problem("no-zone", what, "sam deploy with HostedZoneId and HostName")
    elif state.record is not None and state.record_decision is not None:
        yield from _of_decision(state, state.record, state.record_decision)
        yield from _of_answers(state, state.record)


def _of_decision(state: ServiceState, record: Record, decision: Decision) -> Iterator[Finding]:
    holds = f"the record holds {', '.join(sorted(record.addresses)) or 'nothing'}"
    what = f"{holds}; it should hold {', '.join(sorted(decision.addresses))}: {decision.reason}"
    if decision.action is Action.REFUSE:
        why, _, cure = decision.reason.partition(": choose")
        yield problem("record-refused", why, f"choose{cure or ' another name, or remove that record'}")
    elif decision.action is Action.DELETE:
        yield note("record-due", f"{holds}, and is deleted at the next run: {decision.reason}")
    elif decision.action is Action.WRITE and state.settings.dry_run:
        told = f"{what}; the functions change nothing (DRY_RUN)"
        yield problem("dry-run", told, "sam deploy with DryRun=false")
    elif decision.action is Action.WRITE and state.is_changing:
        yield note("record-due", f"{what}; UpdateRecord is at work on it while a deployment is under way")
    elif decision.action is Action.WRITE:
        yield problem("record-due", what, "are UpdateRecord's rules enabled, and what does its log say?")
    elif not record.exists and state.service.running_count and not state.is_changing:
        is_not = "is ready" if state.has_readiness else f"answers on port {state.port}"
        why = f"there is no record {state.host_name}, because no task {is_not}"
        admits = "" if state.has_readiness else ", and does the security group admit UpdateRecord"
        yield problem("no-answer", why, f"{LISTENS}{admits}?")


def _of_answers(state: ServiceState, record: Record) -> Iterator[Finding]:
    unresponsive = sorted(record.addresses - state.answering)
    if unresponsive and state.port is not None and state.service.desired_count:
        those, many = f"{', '.join(unresponsive)} of the record {state.host_name}", len(unresponsive) > 1
        what = f"{those} {'do' if many else 'does'} not answer from here on port {state.port}"
        cure = f"{LISTENS}, and does the security group admit you?"
        if state.has_readiness:
            what, cure = f"{those} {'are' if many else 'is'} of no task that is ready", f"{LISTENS}?"
        yield problem("unresponsive-address", what, cure)


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
    for subnet in state.subnets or ():
        if not subnet.target:
            to = {"destination_cidr_block": EVERYBODY, "gateway_id": "igw-ID"}
            yield problem(
                "no-route",
                f"{subnet.subnet_id} has no route to the internet: its tasks cannot pull their image "
                "(CannotPullContainerError … i/o timeout), and nobody reaches them",
                "lead it to the VPC's internet gateway:",
                aws("ec2 create-route", route_table_id=subnet.route_table_id, **to),
            )
        elif state.host_name and not subnet.is_public:
            what = f"{subnet.subnet_id} reaches the internet by {subnet.target}: its tasks can pull"
            cure = "give the service subnets whose default route is an internet gateway"
            yield problem("route-not-public", f"{what}, but nobody reaches them by a public address", cure)


def public_ip_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that Fargate tasks get no public address where they need one."""
    network, subnets = state.awsvpc, state.subnets
    if subnets is None or network.get("assignPublicIp", "DISABLED") == "ENABLED":
        return
    if state.host_name or any(subnet.is_public for subnet in subnets):
        ids = [f"{name}=[{','.join(network.get(name, []))}]" for name in ("subnets", "securityGroups")]
        settings = f"'awsvpcConfiguration={{{','.join(ids)},assignPublicIp=ENABLED}}'"
        yield problem(
            "no-public-ip",
            "assignPublicIp is DISABLED: its tasks have no public address for the record, and behind an "
            "internet gateway cannot pull their image (i/o timeout)",
            "give them one:",
            state.update_service(network_configuration=settings),
        )


def security_group_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that visitors, or UpdateRecord itself, are not let in."""
    if state.ingress is None or EVERYBODY in state.ingress.cidrs:
        return
    admitted = ", ".join(sorted(state.ingress.cidrs | state.ingress.others | state.ingress.edges))
    is_probed = state.host_name and state.settings.probe and not state.has_readiness
    if admitted and not is_probed and (state.has_readiness or state.ingress.is_cloudfront_alone):
        return  # as it was set up
    what = f"the security group admits {f'only {admitted}' if admitted else 'nobody'} to port {state.port}"
    group = (state.awsvpc.get("securityGroups") or ["sg-ID"])[0]
    source = {"protocol": "tcp", "port": state.port, "cidr": EVERYBODY}
    admit = aws("ec2 authorize-security-group-ingress", group_id=group, **source)
    if not state.host_name or (admitted and not is_probed):
        yield note("port-narrow", what)  # without a record nobody is asked to come
    elif not admitted:
        yield problem("port-closed", f"{what} of the container", "admit everybody:", admit)
    else:
        told = (
            f"{what} of the container: UpdateRecord's probe does not get through, so no address is published"
        )
        cure = "sam deploy with ProbePort=false"
        if state.ingress.is_cloudfront_alone:
            yield problem("port-closed-to-probe", told, cure)
        else:
            yield problem("port-closed-to-probe", told, f"{cure}; or admit everybody:", admit)
