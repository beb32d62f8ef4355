"""What `why` says about the set-up: values that AWS told in, words and cure out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from commands.why import zone_findings
from commands.why.definition_findings import (
    circuit_breaker_findings,
    log_findings,
    port_findings,
    role_findings,
)
from commands.why.finding import Level
from commands.why.function_findings import dead_letter_findings, rule_findings, status_findings
from commands.why.image_findings import (
    Built,
    Mutability,
    built_findings,
    built_of,
    reference_findings,
    repository_findings,
)
from commands.why.network_findings import (
    Ingress,
    Subnet,
    _default_target,
    ingress_findings,
    public_ip_findings,
    route_findings,
)
from commands.why.state import ServiceState
from commands.why.zone_findings import delegation_findings
from pushlive.config import Settings
from pushlive.model import Service
from pushlive.redeploy_plan import DeploymentState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from commands.why.finding import Finding

PUBLIC = Subnet("subnet-a", "rtb-1", "igw-1")
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
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


def ingress(
    *cidrs: str, probe: bool = True, others: tuple[str, ...] = (), host_name: str = "app.example.com"
) -> Iterable[Finding]:
    found = replace(network(host_name), settings=SETTINGS._replace(probe=probe))
    return ingress_findings(found, Ingress(frozenset(cidrs), frozenset(others)))


def container(host_name: str = "app.example.com", **changes: Any) -> ServiceState:
    containers = [{"name": "app", "portMappings": [{"containerPort": 8080}], **changes}]
    return service(host_name, definition={"containerDefinitions": containers})


def logs(region: str = "eu-west-1", **options: str) -> Iterable[Finding]:
    given = {"awslogs-group": "/hello", "awslogs-region": region, **options}
    log = {"logDriver": "awslogs", "options": given}
    return log_findings(container(logConfiguration=log), lambda group: group == "/there")


def breaker(**settings: bool) -> Iterable[Finding]:
    configuration = {"deploymentCircuitBreaker": settings}
    return circuit_breaker_findings(service(described={"deploymentConfiguration": configuration}))


def role(arn: str = "", launch_type: str = "FARGATE", **changes: Any) -> Iterable[Finding]:
    given = {"executionRoleArn": arn} if arn else {}
    found = service(described={"launchType": launch_type}, definition={"family": "hello", **given, **changes})
    return role_findings(found, lambda name: name != "gone")


def tags(setting: str, *excluded: str) -> Iterable[Finding]:
    return repository_findings("hello", "latest", Mutability(setting, excluded), "eu-west-1")


@pytest.mark.parametrize(
    ("found", "kind", "cure"),
    [
        pytest.param(
            route_findings([PUBLIC, Subnet("subnet-b", "rtb-2", None)], has_host_name=False),
            "no-route",
            "--route-table-id rtb-2",
            id="no-route",
        ),
        pytest.param(
            route_findings([Subnet("subnet-b", "rtb-2", "nat-1")], has_host_name=True),
            "route-not-public",
            "internet gateway",
            id="nat-with-host-name",
        ),
        pytest.param(
            public_ip_findings(network("", assignPublicIp="DISABLED"), [PUBLIC]),
            "no-public-ip",
            "subnets=[subnet-a],securityGroups=[sg-1],assignPublicIp=ENABLED",
            id="no-public-ip",
        ),
        pytest.param(
            public_ip_findings(network(), [Subnet("s", "r", "nat-1")]),
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
        pytest.param(log_findings(container(), bool), "no-logs", "awslogs", id="no-logs"),
        pytest.param(logs(), "no-log-group", "create-log-group --log-group-name /hello", id="no-log-group"),
        pytest.param(logs("us-east-1"), "log-region", "eu-west-1", id="log-region"),
        pytest.param(role(), "no-execution-role", "add a role", id="no-role"),
        pytest.param(
            role("arn:aws:iam::1:role/path/gone"),
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
            reference_findings({"nginx:1": None}, REGISTRY),
            "image-elsewhere",
            f"{REGISTRY}/REPOSITORY:TAG",
            id="image-elsewhere",
        ),
        pytest.param(
            repository_findings("hello", "latest", None, "eu-west-1"),
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
            built_findings("hello", Built(frozenset({"arm64"})), "X86_64", 8080),
            "wrong-processor",
            "deploy the stack with Architecture=ARM64; or build it anew, and push:\n"
            "docker build --platform linux/amd64 -t hello . && docker push hello",
            id="arm-image-for-x86",
        ),
        pytest.param(
            built_findings("hello", Built(frozenset({"amd64"})), "ARM64", 8080),
            "wrong-processor",
            "Architecture=X86_64; or build it anew, and push:\n"
            "docker build --platform linux/arm64 -t hello .",
            id="x86-image-for-arm",
        ),
        pytest.param(
            built_findings("hello", Built(frozenset(), frozenset({3000})), "X86_64", 8080),
            "port-exposed",
            "ContainerPort",
            id="port-exposed",
        ),
        pytest.param(
            delegation_findings("example.com", OWN, frozenset()),
            "not-delegated",
            "NS to ns-1.awsdns-1.com, ns-2.awsdns-2.net",
            id="delegated-to-nobody",
        ),
        pytest.param(
            delegation_findings("example.com", OWN, frozenset({"ns.registrar.example"})),
            "not-delegated",
            "ns-1.awsdns-1.com",
            id="delegated-elsewhere",
        ),
        pytest.param(
            delegation_findings("example.com", OWN, frozenset({"ns-1.awsdns-1.com"})),
            "partly-delegated",
            "ns-2.awsdns-2.net",
            id="delegated-in-part",
        ),
        pytest.param(
            rule_findings({"r": "DISABLED"}), "rule-disabled", "enable-rule --name r", id="rule-disabled"
        ),
        pytest.param(rule_findings({"r": None}), "rule-missing", "put the rule back", id="rule-missing"),
        pytest.param(dead_letter_findings(2, "replay it"), "dead-letters", "replay it", id="dead-letters"),
        pytest.param(
            status_findings("hello", "UPDATE_ROLLBACK_FAILED"),
            "stack-status",
            "--stack-name hello",
            id="stack-failed",
        ),
        pytest.param(
            status_findings("hello", "ROLLBACK_COMPLETE"),
            "stack-status",
            "delete the stack, then deploy it again:\nsam delete --stack-name hello",
            id="stack-whose-creation-failed",
        ),
        pytest.param(
            status_findings("hello", "REVIEW_IN_PROGRESS"),
            "stack-status",
            "deploy it (`sam deploy`), or delete it:\nsam delete --stack-name hello",
            id="stack-of-a-change-set-only",
        ),
        pytest.param(
            status_findings("hello", "DELETE_FAILED"),
            "stack-status",
            "delete it again:\nsam delete --stack-name hello",
            id="stack-that-was-not-deleted",
        ),
        pytest.param(
            status_findings("hello", "UPDATE_ROLLBACK_COMPLETE"),
            "stack-status",
            "cure what failed, and deploy it again",
            id="stack-whose-update-failed",
        ),
        pytest.param(status_findings("hello", "UPDATE_IN_PROGRESS"), "stack-status", "", id="stack-changes"),
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
        pytest.param(route_findings([PUBLIC], has_host_name=True), id="route"),
        pytest.param(
            route_findings([Subnet("s", "r", "nat-1")], has_host_name=False), id="nat-without-host-name"
        ),
        pytest.param(public_ip_findings(network(assignPublicIp="ENABLED"), [PUBLIC]), id="public-ip"),
        pytest.param(public_ip_findings(network(""), [Subnet("s", "r", "nat-1")]), id="behind-nat"),
        pytest.param(ingress("0.0.0.0/0", "10.0.0.0/8"), id="port-open"),
        pytest.param(port_findings(container(environment=[{"name": "PORT", "value": "8080"}])), id="port"),
        pytest.param(port_findings(container("", portMappings=[])), id="no-port-and-no-name"),
        pytest.param(logs(**{"awslogs-group": "/there"}), id="log-group"),
        pytest.param(logs(**{"awslogs-create-group": "true"}), id="log-group-made-by-ecs"),
        pytest.param(role("arn:aws:iam::1:role/x"), id="role"),
        pytest.param(breaker(enable=True, rollback=True), id="circuit-breaker"),
        pytest.param(
            reference_findings({"nginx:1": None, "x": ("hello", "latest")}, REGISTRY), id="one-image-here"
        ),
        pytest.param(tags("MUTABLE"), id="mutable-tags"),
        pytest.param(tags("IMMUTABLE_WITH_EXCLUSION", "v*", "latest"), id="immutable-but-this-tag"),
        pytest.param(tags("IMMUTABLE_WITH_EXCLUSION", "l*t*"), id="immutable-but-tags-like-this"),
        pytest.param(tags("MUTABLE_WITH_EXCLUSION", "v*"), id="mutable-but-other-tags"),
        pytest.param(role(launch_type="EC2"), id="on-an-instance-without-a-role"),
        pytest.param(
            built_findings("hello", Built(frozenset({"amd64", "arm64"}), frozenset({8080})), "ARM64", 8080),
            id="both-processors",
        ),
        pytest.param(
            built_findings("hello", Built(frozenset()), "X86_64", None), id="an-image-that-says-nothing"
        ),
        pytest.param(delegation_findings("example.com", OWN, OWN), id="delegated"),
        pytest.param(rule_findings({"r": "ENABLED"}), id="rule"),
        pytest.param(dead_letter_findings(0, ""), id="no-dead-letters"),
        pytest.param(status_findings("hello", "UPDATE_COMPLETE"), id="stack"),
    ],
)
def test_what_is_right_is_not_mentioned(found: Iterable[Finding]) -> None:
    assert list(found) == []


def test_image_by_digest_is_told_as_such() -> None:
    [one] = reference_findings({f"{REGISTRY}/hello@sha256:0": None}, REGISTRY)
    assert "by digest, which no push changes" in one.what


@pytest.mark.parametrize(
    ("routes", "target"),
    [
        pytest.param([{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local"}], None, id="local-only"),
        pytest.param([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}], "igw-1", id="default"),
        pytest.param(
            [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "blackhole"}],
            None,
            id="leads-nowhere",
        ),
    ],
)
def test_default_route_is_read(routes: Any, target: str | None) -> None:
    assert _default_target(routes) == target


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
    monkeypatch.setattr(zone_findings, "RESOLV_CONF", tmp_path / "resolv.conf")
    zone_findings.RESOLV_CONF.write_text(text)
    assert zone_findings.this_machines() == server
    zone_findings.RESOLV_CONF.write_text("search example.com\n")
    with pytest.raises(OSError, match="names no name server: give one with --dns-server"):
        zone_findings.this_machines()


@pytest.mark.parametrize(
    ("config", "built"),
    [
        pytest.param(
            {"architecture": "arm64", "config": {"ExposedPorts": {"8080/tcp": {}, "53/udp": {}, "90": {}}}},
            Built(frozenset({"arm64"}), frozenset({8080, 90})),
            id="architecture-and-tcp-ports",
        ),
        pytest.param({"config": None}, Built(frozenset()), id="says-nothing"),
    ],
)
def test_image_config_is_read(config: Any, built: Built) -> None:
    assert built_of(config) == built
