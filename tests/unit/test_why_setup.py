"""What `why` says about the set-up: values that AWS told in, words and cure out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from commands.why import stack_findings, zone
from commands.why.definition_findings import (
    built_findings,
    log_findings,
    port_findings,
    role_findings,
    tag_findings,
)
from commands.why.finding import Level
from commands.why.network_findings import public_ip_findings, security_group_findings, subnet_findings
from commands.why.progress_findings import circuit_breaker_findings
from commands.why.setup import built_of, default_target
from commands.why.state import Built, Ingress, Mutability, ServiceState, Stack, State, Subnet, Zone
from pushlive.config import Settings
from pushlive.model import Service
from pushlive.redeploy_plan import DeploymentState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from commands.why.finding import Finding

PUBLIC = Subnet("subnet-a", "rtb-1", "igw-1")
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{REGISTRY}/hello:latest"
OWN = frozenset({"ns-1.awsdns-1.com", "ns-2.awsdns-2.net"})
SETTINGS = Settings.from_env(
    {
        "CLUSTER_ARN": "arn:aws:ecs:eu-west-1:123456789012:cluster/hello",
        "REGISTRY": REGISTRY,
        "LEASES_LOG_GROUP": "redeploy-service",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:hello",
    }
)
ON_PUSH = Service("app", "arn", desired_count=1, tags={"pushlive:redeploy": "on-push"})
NETWORK = {"subnets": ["subnet-a"], "securityGroups": ["sg-1"]}


def service(host_name: str = "app.example.com", **changes: Any) -> ServiceState:
    """A service on Fargate."""
    found = ServiceState(
        settings=SETTINGS,
        now=datetime(2026, 11, 20, 10, 10, tzinfo=UTC),
        live=DeploymentState(ON_PUSH),
        tags={},
        port=8080,
        host_name=host_name,
    )
    return replace(found, **changes)


def network(host_name: str = "app.example.com", **changes: Any) -> ServiceState:
    awsvpc = {"awsvpcConfiguration": {**NETWORK, **changes}}
    return service(host_name, described={"launchType": "FARGATE", "networkConfiguration": awsvpc})


def subnets(*found: Subnet, host_name: str = "", ip: str = "ENABLED") -> Iterable[Finding]:
    has_subnets = replace(network(host_name, assignPublicIp=ip), subnets=found)
    return [*subnet_findings(has_subnets), *public_ip_findings(has_subnets)]


def ingress(
    *cidrs: str, probe: bool = True, others: tuple[str, ...] = (), host_name: str = "app.example.com"
) -> Iterable[Finding]:
    admits = Ingress(frozenset(cidrs), frozenset(others))
    settings = SETTINGS._replace(probe=probe)
    return security_group_findings(replace(network(host_name), settings=settings, ingress=admits))


def container(host_name: str = "app.example.com", **changes: Any) -> ServiceState:
    containers = [{"name": "app", "portMappings": [{"containerPort": 8080}], **changes}]
    return service(host_name, definition={"containerDefinitions": containers})


def logs(region: str = "eu-west-1", **options: str) -> Iterable[Finding]:
    given = {"awslogs-group": "/hello", "awslogs-region": region, **options}
    found = container(logConfiguration={"logDriver": "awslogs", "options": given})
    return log_findings(replace(found, log_groups={"/hello": False, "/there": True}))


def breaker(**settings: bool) -> Iterable[Finding]:
    configuration = {"deploymentCircuitBreaker": settings}
    return circuit_breaker_findings(service(described={"deploymentConfiguration": configuration}))


def role(
    arn: str = "", launch_type: str = "FARGATE", *, lacks_role: bool | None = False
) -> Iterable[Finding]:
    given = {"family": "hello", "executionRoleArn": arn}
    described = {"launchType": launch_type}
    return role_findings(service(described=described, definition=given, lacks_role=lacks_role))


def images(*names: str, **changes: Any) -> ServiceState:
    containers = [{"name": str(number), "image": name} for number, name in enumerate(names)]
    return service(definition={"containerDefinitions": containers}, **changes)


def tags(setting: str, *excluded: str) -> Iterable[Finding]:
    return tag_findings(images(IMAGE, repositories={"hello": Mutability(setting, excluded)}))


def built(
    *processors: str, ports: Iterable[int] = (), wanted: str = "X86_64", port: int | None = 8080
) -> Iterable[Finding]:
    found = Built(frozenset(processors), frozenset(ports))
    definition = {"runtimePlatform": {"cpuArchitecture": wanted}}
    return built_findings(service(definition=definition, built={"hello": found}, port=port))


def state(status: str = "UPDATE_COMPLETE", **changes: Any) -> State:
    """A stack of pushlive."""
    stack = Stack("hello", status, outputs={"Step6Replay": "replay it"})
    return replace(State(stack, "eu-west-1", datetime(2026, 11, 20, 10, 10, tzinfo=UTC)), **changes)


def status(name: str) -> Iterable[Finding]:
    return stack_findings.status_findings(state(name))


def rule(is_now: str | None) -> Iterable[Finding]:
    return stack_findings.rule_findings(state(rules={"r": is_now}))


def dead_letters(waiting: int) -> Iterable[Finding]:
    return stack_findings.dead_letter_findings(state(dead_letters=waiting))


def delegated(*asked: str) -> Iterable[Finding]:
    return zoned(asked=frozenset(asked))


def zoned(**changes: Any) -> Iterable[Finding]:
    return stack_findings.zone_findings(state(zone=Zone("Z1", "example.com", OWN)._replace(**changes)))


def function_logs(**log_groups: bool) -> Iterable[Finding]:
    logs = {"RedeployService": "redeploy"}
    return stack_findings.function_log_findings(state(function_logs=logs, log_groups=log_groups))


@pytest.mark.parametrize(
    ("found", "kind", "cure"),
    [
        pytest.param(
            subnets(PUBLIC, Subnet("subnet-b", "rtb-2", "")),
            "no-route",
            "--route-table-id rtb-2",
            id="no-route",
        ),
        pytest.param(
            subnets(Subnet("subnet-b", "rtb-2", "nat-1"), host_name="app.example.com"),
            "route-not-public",
            "internet gateway",
            id="nat-with-host-name",
        ),
        pytest.param(
            subnets(PUBLIC, ip="DISABLED"),
            "no-public-ip",
            "subnets=[subnet-a],securityGroups=[sg-1],assignPublicIp=ENABLED",
            id="no-public-ip",
        ),
        pytest.param(
            public_ip_findings(replace(network(), subnets=(PUBLIC,))),
            "no-public-ip",
            "ENABLED",
            id="no-public-ip-by-default",
        ),
        pytest.param(
            ingress(), "port-closed", "--group-id sg-1 --protocol tcp --port 8080", id="port-closed"
        ),
        pytest.param(ingress("10.0.0.0/8"), "port-closed-to-probe", "ProbePort=false", id="closed-to-probe"),
        pytest.param(
            ingress(others=("sg-2",)), "port-closed-to-probe", "ProbePort=false", id="open-to-a-group"
        ),
        pytest.param(ingress("10.0.0.0/8", probe=False), "port-narrow", "", id="port-narrow"),
        pytest.param(
            ingress("10.0.0.0/8", host_name=""), "port-narrow", "", id="closed-to-the-probe-of-no-record"
        ),
        pytest.param(ingress(host_name=""), "port-narrow", "", id="port-closed-without-a-record"),
        pytest.param(port_findings(container(portMappings=[])), "no-port", "portMappings", id="no-port"),
        pytest.param(
            port_findings(container(environment=[{"name": "PORT", "value": "80"}])),
            "port-differs",
            "the same",
            id="port-differs",
        ),
        pytest.param(log_findings(container()), "no-logs", "awslogs", id="no-logs"),
        pytest.param(logs(), "no-log-group", "create-log-group --log-group-name /hello", id="no-log-group"),
        pytest.param(logs("us-east-1"), "log-region", "eu-west-1", id="log-region"),
        pytest.param(role(), "no-execution-role", "add a role", id="no-role"),
        pytest.param(
            role("arn:aws:iam::1:role/path/gone", lacks_role=True),
            "no-execution-role",
            "create the role",
            id="role-gone",
        ),
        pytest.param(
            breaker(enable=False, rollback=False),
            "no-circuit-breaker",
            "enable=true",
            id="no-circuit-breaker",
        ),
        pytest.param(
            breaker(enable=True, rollback=False),
            "no-circuit-breaker",
            "rollback=true",
            id="circuit-breaker-without-rollback",
        ),
        pytest.param(
            tag_findings(images("nginx:1")),
            "image-elsewhere",
            f"{REGISTRY}/REPOSITORY:TAG",
            id="image-elsewhere",
        ),
        pytest.param(
            tag_findings(images(IMAGE, repositories={"hello": None})),
            "no-repository",
            "--repository-name hello",
            id="no-repository",
        ),
        pytest.param(
            tags("IMMUTABLE"),
            "immutable-tags",
            "--image-tag-mutability IMMUTABLE_WITH_EXCLUSION --image-tag-mutability-exclusion-filters "
            "'filterType=WILDCARD,filter=latest'",
            id="immutable-tags",
        ),
        pytest.param(
            tags("IMMUTABLE_WITH_EXCLUSION", "dev-*", "l*t-"),
            "immutable-tags",
            "'filterType=WILDCARD,filter=dev-*' 'filterType=WILDCARD,filter=l*t-' "
            "'filterType=WILDCARD,filter=latest'",
            id="immutable-and-no-filter-matches",
        ),
        pytest.param(
            tags("MUTABLE_WITH_EXCLUSION", "lat*", "v*"),
            "immutable-tags",
            "--image-tag-mutability MUTABLE_WITH_EXCLUSION --image-tag-mutability-exclusion-filters "
            "'filterType=WILDCARD,filter=v*'",
            id="mutable-and-a-filter-matches",
        ),
        pytest.param(
            tags("MUTABLE_WITH_EXCLUSION", "*"),
            "immutable-tags",
            "--image-tag-mutability MUTABLE",
            id="mutable-and-every-tag-is-excluded",
        ),
        pytest.param(
            built("arm64"),
            "wrong-processor",
            "deploy the stack with Architecture=ARM64; or build it anew, and push:\n"
            "docker build --platform linux/amd64 -t hello . && docker push hello",
            id="arm-image-for-x86",
        ),
        pytest.param(
            built("amd64", wanted="ARM64"),
            "wrong-processor",
            "Architecture=X86_64; or build it anew, and push:\n"
            "docker build --platform linux/arm64 -t hello .",
            id="x86-image-for-arm",
        ),
        pytest.param(
            built(ports=[3000]),
            "port-exposed",
            "ContainerPort",
            id="port-exposed",
        ),
        pytest.param(
            delegated(),
            "not-delegated",
            "NS to ns-1.awsdns-1.com, ns-2.awsdns-2.net",
            id="delegated-to-nobody",
        ),
        pytest.param(
            delegated("ns.registrar.example"),
            "not-delegated",
            "ns-1.awsdns-1.com",
            id="delegated-elsewhere",
        ),
        pytest.param(
            delegated("ns-1.awsdns-1.com"),
            "partly-delegated",
            "ns-2.awsdns-2.net",
            id="delegated-in-part",
        ),
        pytest.param(rule("DISABLED"), "rule-disabled", "enable-rule --name r", id="rule-disabled"),
        pytest.param(rule(None), "rule-missing", "put the rule back", id="rule-missing"),
        pytest.param(dead_letters(2), "dead-letters", "replay it", id="dead-letters"),
        pytest.param(
            status("UPDATE_ROLLBACK_FAILED"),
            "stack-status",
            "--stack-name hello",
            id="stack-failed",
        ),
        pytest.param(
            status("ROLLBACK_COMPLETE"),
            "stack-status",
            "delete the stack, then deploy it again:\nsam delete --stack-name hello",
            id="stack-whose-creation-failed",
        ),
        pytest.param(
            status("REVIEW_IN_PROGRESS"),
            "stack-status",
            "deploy it (`sam deploy`), or delete it:\nsam delete --stack-name hello",
            id="stack-of-a-change-set-only",
        ),
        pytest.param(
            status("DELETE_FAILED"),
            "stack-status",
            "delete it again:\nsam delete --stack-name hello",
            id="stack-that-was-not-deleted",
        ),
        pytest.param(
            status("UPDATE_ROLLBACK_COMPLETE"),
            "stack-status",
            "cure what failed, and deploy it again",
            id="stack-whose-update-failed",
        ),
        pytest.param(status("UPDATE_IN_PROGRESS"), "stack-status", "", id="stack-changes"),
        pytest.param(zoned(is_private=True), "private-zone", "public zone", id="private-zone"),
        pytest.param(zoned(unreadable="NoSuchHostedZone"), "no-zone", "that exists", id="zone-gone"),
        pytest.param(
            function_logs(redeploy=False), "no-log-group", "--log-group-name redeploy", id="function-log-gone"
        ),
        pytest.param(
            stack_findings.dry_run_findings(state(settings=SETTINGS._replace(dry_run=True))),
            "dry-run",
            "DryRun=false",
            id="dry-run",
        ),
        pytest.param(
            stack_findings.service_findings(state(settings=SETTINGS)),
            "no-service",
            "pushlive:redeploy=on-push",
            id="no-service",
        ),
    ],
)
def test_mistake_is_named_with_its_cure(found: Iterable[Finding], kind: str, cure: str) -> None:
    [one] = found
    assert one.kind == kind
    assert cure in f"{one.cure}\n{one.command}"
    assert one.cure or one.level is Level.NOTE
    assert "\n" not in one.what + one.cure + one.command, "each is one line"


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(subnets(PUBLIC, host_name="app.example.com"), id="route"),
        pytest.param(subnets(Subnet("s", "r", "nat-1")), id="nat-without-host-name"),
        pytest.param(subnets(Subnet("s", "r", "nat-1"), ip="DISABLED"), id="behind-nat"),
        pytest.param(public_ip_findings(network()), id="subnets-that-could-not-be-read"),
        pytest.param(security_group_findings(network()), id="security-groups-that-could-not-be-read"),
        pytest.param(ingress("0.0.0.0/0", "10.0.0.0/8"), id="port-open"),
        pytest.param(port_findings(container(environment=[{"name": "PORT", "value": "8080"}])), id="port"),
        pytest.param(port_findings(container("", portMappings=[])), id="no-port-and-no-name"),
        pytest.param(logs(**{"awslogs-group": "/there"}), id="log-group"),
        pytest.param(logs(**{"awslogs-create-group": "true"}), id="log-group-made-by-ecs"),
        pytest.param(role("arn:aws:iam::1:role/x"), id="role"),
        pytest.param(breaker(enable=True, rollback=True), id="circuit-breaker"),
        pytest.param(
            tag_findings(images("nginx:1", IMAGE, repositories={"hello": Mutability()})), id="one-image-here"
        ),
        pytest.param(tags("MUTABLE"), id="mutable-tags"),
        pytest.param(tags("IMMUTABLE_WITH_EXCLUSION", "v*", "latest"), id="immutable-but-this-tag"),
        pytest.param(tags("IMMUTABLE_WITH_EXCLUSION", "l*t*"), id="immutable-but-tags-like-this"),
        pytest.param(tags("MUTABLE_WITH_EXCLUSION", "v*"), id="mutable-but-other-tags"),
        pytest.param(tag_findings(images(IMAGE)), id="a-repository-that-could-not-be-read"),
        pytest.param(role(launch_type="EC2"), id="on-an-instance-without-a-role"),
        pytest.param(role("arn:aws:iam::1:role/x", lacks_role=None), id="a-role-that-could-not-be-read"),
        pytest.param(
            built("amd64", "arm64", ports=[8080], wanted="ARM64"),
            id="both-processors",
        ),
        pytest.param(built(port=None), id="an-image-that-says-nothing"),
        pytest.param(delegated(*OWN), id="delegated"),
        pytest.param(zoned(), id="a-name-server-that-could-not-be-asked"),
        pytest.param(rule("ENABLED"), id="rule"),
        pytest.param(dead_letters(0), id="no-dead-letters"),
        pytest.param(status("UPDATE_COMPLETE"), id="stack"),
    ],
)
def test_what_is_right_is_not_mentioned(found: Iterable[Finding]) -> None:
    assert list(found) == []


def test_image_by_digest_is_told_as_such() -> None:
    [one] = tag_findings(images(f"{REGISTRY}/hello@sha256:0"))
    assert "by digest, which no push changes" in one.what


@pytest.mark.parametrize(
    ("routes", "target"),
    [
        pytest.param([{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}], "", id="local-only"),
        pytest.param([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}], "igw-1", id="default"),
        pytest.param(
            [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "blackhole"}],
            "",
            id="leads-nowhere",
        ),
    ],
)
def test_default_route_is_read(routes: Any, target: str) -> None:
    assert default_target(routes) == target


@pytest.mark.parametrize(
    ("text", "server"),
    [
        pytest.param("# mine\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", "192.0.2.1", id="first"),
        pytest.param("nameserver\nnameserver fe80::1\nnameserver 192.0.2.2\n", "192.0.2.2", id="no-ipv6"),
    ],
)
def test_name_server_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, server: str
) -> None:
    monkeypatch.setattr(zone, "RESOLV_CONF", tmp_path / "resolv.conf")
    zone.RESOLV_CONF.write_text(text)
    assert zone.this_machines() == server
    zone.RESOLV_CONF.write_text("search example.com\n")
    with pytest.raises(OSError, match="names no name server: give one with --dns-server"):
        zone.this_machines()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param(
            {"architecture": "arm64", "config": {"ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "90": {}}}},
            Built(frozenset({"arm64"}), frozenset({8080, 90})),
            id="architecture-and-tcp-ports",
        ),
        pytest.param({"config": None}, Built(frozenset()), id="says-nothing"),
    ],
)
def test_image_config_is_read(config: Any, said: Built) -> None:
    assert built_of(config) == said
