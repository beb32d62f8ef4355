"""What `why` says about HTTPS and about tasks that tell their readiness: state in, words and cure out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from commands.why import https
from commands.why.account import Boundary
from commands.why.as_json import as_json
from commands.why.report import report
from commands.why.state import (
    Certificate,
    Distribution,
    Https,
    Ingress,
    RunningTask,
    ServiceState,
    Stack,
    State,
    Zone,
)
from pushlive import record_plan
from pushlive.config import Settings
from pushlive.model import Record, Service, Task
from pushlive.redeploy_plan import DeploymentState

NOW = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
NAME, ORIGIN, EDGE = "app.example.com", "origin-app.example.com", "d1.cloudfront.net"
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/hello/app"
SETTINGS = Settings.from_env(
    {
        "CLUSTER_ARN": "arn:aws:ecs:eu-west-1:123456789012:cluster/hello",
        "REGISTRY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "LEASES_LOG_GROUP": "redeploy-service",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:hello",
        "HOSTED_ZONE_ID": "Z1",
    }
)
ZONE = Zone("Z1", "example.com", frozenset({"ns-1"}), frozenset({"ns-1"}))
EDGES = Ingress(frozenset(), edges=frozenset({"pl-1"}))
EVERYBODY = Ingress(frozenset({"0.0.0.0/0"}))
DISTRIBUTION = Distribution(
    "E1", EDGE, {ORIGIN: 8080}, frozenset({NAME}), {NAME: frozenset({EDGE}), ORIGIN: frozenset({"192.0.2.1"})}
)

OTHER = DISTRIBUTION._replace(origins={"lb.example.com": 80})


def definition(*names: str) -> dict[str, Any]:
    log = {"logDriver": "json-file"}
    return {"containerDefinitions": [{"name": name, "logConfiguration": log} for name in names]}


def service(host_name: str = ORIGIN, **changes: Any) -> ServiceState:
    """A service that was set up for HTTPS."""
    found = ServiceState(
        settings=SETTINGS,
        now=NOW,
        live=DeploymentState(Service("app", ARN, desired_count=1, running_count=1)),
        tags={},
        port=8080,
        host_name=host_name,
        definition=definition("app", "readiness-sidecar"),
        ingress=EDGES,
        distributions=(DISTRIBUTION,),
    )
    return replace(found, **changes)


def https_of(*distributions: Distribution, **changes: Any) -> dict[str, Any]:
    """The JSON of a stack with its one service behind these distributions."""
    one = changes.pop("one", service())
    made: dict[str, Any] = {"zone": ZONE, "https": Https(distributions), **changes}
    return as_json(
        report(State(Stack("hello", "CREATE_COMPLETE"), "eu-west-1", NOW, SETTINGS, (one,), **made))
    )


def before(*distributions: Distribution, **changes: Any) -> dict[str, Any]:
    """The same, each distribution being before the service."""
    return https_of(*distributions, one=service(**{"distributions": distributions, **changes}))


def certificate(**changes: Any) -> dict[str, Any]:
    waits = Certificate(NAME, f"_1.{NAME}", "_2.acm-validations.aws", has_record=False)._replace(**changes)
    return https_of(https=Https((), (waits,)))


def stack_failed(reason: str, status: str = "UPDATE_ROLLBACK_COMPLETE") -> dict[str, Any]:
    stack = Stack("hello", status, first_failure=f"TaskSecurityGroup: {reason}")
    return as_json(report(State(stack, "eu-west-1", NOW, SETTINGS, (service(),))))


IGNORED = ("not-opted-in", "image-elsewhere", "no-port")
"""What is told of a service that has neither image nor tag."""


def found_in(told: dict[str, Any]) -> list[dict[str, str]]:
    """All findings but those about what is left out here."""
    findings = [*told["findings"], *(each for one in told["services"] for each in one["findings"])]
    return [each for each in findings if each["kind"] not in IGNORED]


OVERRIDES = "sam deploy --config-env https --parameter-overrides"


@pytest.mark.parametrize(
    ("told", "level", "kind", "what", "does"),
    [
        pytest.param(
            certificate(),
            "problem",
            "certificate-pending",
            f"of {NAME} is not issued: it waits for the record _1.{NAME} CNAME _2.acm-validations.aws, which "
            "the hosted zone example.com lacks",
            "example.com must be delegated to this zone; add the record:\n"
            "aws route53 change-resource-record-sets --hosted-zone-id Z1 --change-batch '"
            '{"Changes": [{"Action": "UPSERT", "ResourceRecordSet": {"Name": "_1.app.example.com", '
            '"Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": "_2.acm-validations.aws"}]}}]}\'',
            id="certificate-without-its-record",
        ),
        pytest.param(
            certificate(has_record=True),
            "note",
            "certificate-pending",
            "_2.acm-validations.aws, which is there",
            "if the domain is delegated",
            id="certificate-with-its-record",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(is_deployed=False)),
            "note",
            "distribution-deploying",
            f"the distribution E1 (https://{NAME}/) is being deployed to CloudFront's edges",
            "",
            id="distribution-deploying",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(is_enabled=False, is_deployed=False)),
            "problem",
            "distribution-disabled",
            "is disabled",
            "enable it",
            id="distribution-disabled",
        ),
        pytest.param(
            before(),
            "problem",
            "https-without-distribution",
            f"admits CloudFront alone to port 8080, and no distribution asks {ORIGIN}",
            f"{OVERRIDES} OriginName={ORIGIN} OriginPort=8080 HostedZoneId=Z1 HostName=NAME",
            id="https-without-distribution",
        ),
        pytest.param(
            before(DISTRIBUTION, ingress=EVERYBODY),
            "note",
            "https-still-http",
            "its port 8080 is open to everybody by http, too",
            "sam deploy --parameter-overrides Https=true",
            id="https-still-http",
        ),
        pytest.param(
            https_of(OTHER._replace(records={"lb.example.com": frozenset()})),
            "problem",
            "origin-unknown",
            "asks lb.example.com, which has no record, and no service has it as pushlive:hostname",
            f"{OVERRIDES} OriginName={ORIGIN}",
            id="origin-of-nobody",
        ),
        pytest.param(
            https_of(DISTRIBUTION._replace(records={ORIGIN: frozenset()})),
            "note",
            "origin-unknown",
            f"asks {ORIGIN}, which has no record until a task of app can be reached",
            "",
            id="origin-without-a-task-yet",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(origins={ORIGIN: 80})),
            "problem",
            "origin-port",
            "asks port 80, and the container has 8080",
            f"{OVERRIDES} OriginPort=8080",
            id="origin-port",
        ),
        pytest.param(
            before(DISTRIBUTION, host_name=NAME),
            "problem",
            "names-swapped",
            f"visitors type {NAME}, the alias of the distribution E1",
            f"name that CloudFront asks:\nsam deploy --parameter-overrides HostName={ORIGIN}",
            id="names-swapped",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(origins={NAME: 8080}), host_name=NAME),
            "problem",
            "names-swapped",
            "its record cannot lead to CloudFront and to the tasks",
            f"HostName=origin-{NAME}",
            id="one-name-for-both",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(records={NAME: frozenset()})),
            "problem",
            "alias-missing",
            f"{NAME} has no record that leads to the distribution E1",
            f"alias record, A and AAAA, of {EDGE}",
            id="alias-without-a-record",
        ),
        pytest.param(
            before(DISTRIBUTION._replace(records={NAME: frozenset({"192.0.2.9"})})),
            "problem",
            "alias-missing",
            f"{NAME} leads to 192.0.2.9, not to the distribution E1",
            "deploy https.yaml again",
            id="alias-that-leads-elsewhere",
        ),
        pytest.param(
            stack_failed("… (Error Code: RulesPerSecurityGroupLimitExceeded)"),
            "note",
            "stack-status",
            "its first failure: TaskSecurityGroup: ",
            "CloudFront's prefix list counts as 55 of the 60 rules",
            id="prefix-list-quota",
        ),
        pytest.param(
            stack_failed(
                "The maximum number of rules per security group has been reached.", "ROLLBACK_COMPLETE"
            ),
            "problem",
            "stack-status",
            "the creation of the stack hello failed",
            "ask Service Quotas for more",
            id="prefix-list-quota-in-words",
        ),
        pytest.param(
            before(DISTRIBUTION, definition=definition("app")),
            "problem",
            "port-closed-to-probe",
            "admits only pl-1 to port 8080 of the container: UpdateRecord's probe does not get through",
            "sam deploy with ProbePort=false",
            id="cloudfront-alone-and-a-service-without-a-readiness-sidecar",
        ),
        pytest.param(
            before(DISTRIBUTION, ingress=Ingress(frozenset())),
            "problem",
            "port-closed",
            "admits nobody to port 8080",
            "admit everybody:",
            id="nobody-is-let-in",
        ),
    ],
)
def test_it_is_told(told: dict[str, Any], level: str, kind: str, what: str, does: str) -> None:
    [one] = found_in(told)
    assert (one["level"], one["kind"]) == (level, kind)
    assert what in one["what"]
    assert does in f"{one['cure']}\n{one['command']}"
    assert "\n" not in "".join(one.values()), "each is one line"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(before(DISTRIBUTION), id="https"),
        pytest.param(before(ingress=EVERYBODY), id="http"),
        pytest.param(https_of(one=service(distributions=None)), id="distributions-that-could-not-be-read"),
        pytest.param(
            https_of(OTHER._replace(records={"lb.example.com": frozenset({"192.0.2.9"})})),
            id="a-distribution-of-something-else",
        ),
        pytest.param(before(DISTRIBUTION._replace(records={})), id="an-alias-of-another-zone"),
        pytest.param(
            before(DISTRIBUTION, ingress=Ingress(frozenset({"10.0.0.0/8"}))),
            id="narrow-but-asked-from-inside",
        ),
        pytest.param(
            before(DISTRIBUTION, definition=definition("app"), settings=SETTINGS._replace(probe=False)),
            id="cloudfront-alone-and-no-probe",
        ),
    ],
)
def test_what_is_right_is_not_mentioned(told: dict[str, Any]) -> None:
    assert found_in(told) == []


@pytest.mark.parametrize(
    ("distributions", "url", "distribution"),
    [
        pytest.param((DISTRIBUTION,), f"https://{NAME}/", "E1", id="alias"),
        pytest.param((DISTRIBUTION._replace(aliases=frozenset()),), f"https://{EDGE}/", "E1", id="own-name"),
        pytest.param(
            (DISTRIBUTION._replace(is_enabled=False),), f"http://{ORIGIN}:8080/", None, id="disabled"
        ),
        pytest.param((), f"http://{ORIGIN}:8080/", None, id="http"),
    ],
)
def test_where_visitors_open_it(
    distributions: tuple[Distribution, ...], url: str, distribution: str | None
) -> None:
    [one] = before(*distributions)["services"]
    assert (one["url"], one["distribution"]) == (url, distribution)


def recorded(readiness: str, **changes: Any) -> dict[str, Any]:
    task = Task("task", last_status="RUNNING", readiness=readiness)
    running = RunningTask(task, (), "192.0.2.1", answers=readiness == "HEALTHY", is_newest=True)
    given = {
        "tasks": (running,),
        "record": Record(frozenset({"192.0.2.1"}), 10, exists=True),
        "answering": frozenset({"192.0.2.1"} if running.answers else ()),
        "record_decision": record_plan.Decision(record_plan.Action.KEEP, "already right"),
    }
    return before(DISTRIBUTION, **{**given, **changes})


def test_a_task_that_is_ready() -> None:
    told = recorded("HEALTHY")
    assert found_in(told) == []
    [task] = told["services"][0]["tasks"]
    assert (task["answers"], task["readiness"]) == (True, "HEALTHY")


def test_a_task_that_is_not_ready_is_not_said_to_be_closed_to_anybody() -> None:
    [one] = found_in(recorded("UNHEALTHY"))
    assert (one["kind"], one["what"]) == (
        "unresponsive-address",
        f"192.0.2.1 of the record {ORIGIN} is of no task that is ready",
    )
    assert one["cure"].startswith("does the container listen")
    assert "admit" not in one["cure"]


def test_no_task_is_ready() -> None:
    [one] = found_in(recorded("UNKNOWN", record=Record(), answering=frozenset()))
    assert (one["kind"], one["what"]) == (
        "no-answer",
        f"there is no record {ORIGIN}, because no task is ready",
    )
    assert "admit" not in one["cure"]


# how it is read


def record_set(name: str, kind: str = "A", value: str = "192.0.2.1") -> dict[str, Any]:
    return {"Name": f"{name}.", "Type": kind, "ResourceRecords": [{"Value": value}]}


def alias_record(name: str, to: str) -> dict[str, Any]:
    return {"Name": f"{name}.", "Type": "A", "AliasTarget": {"DNSName": f"{to}."}}


class Zones:
    """Route 53, CloudFront and ACM with what is given."""

    def __init__(self, summary: dict[str, Any], *record_sets: dict[str, Any]) -> None:
        self.summary, self.record_sets = summary, record_sets

    def client(self, _: str) -> Any:
        return SimpleNamespace(list_resource_record_sets=lambda **asked: self.ask("", "", **asked))

    def ask(self, *_: str, **asked: Any) -> dict[str, Any]:
        if "CertificateArn" in asked:
            record = {"Name": f"_1.{NAME}.", "Type": "CNAME", "Value": "_2.acm-validations.aws."}
            options = [
                {"DomainName": NAME, "ValidationStatus": status, "ResourceRecord": record}
                for status in ("SUCCESS", "PENDING_VALIDATION")
            ]
            return {"Certificate": {"DomainValidationOptions": options}}
        wanted = asked["StartRecordName"]
        return {"ResourceRecordSets": [e for e in self.record_sets if e["Name"].rstrip(".") >= wanted]}

    def items(self, service: str, *_: str, **__: Any) -> list[dict[str, Any]]:
        certificates = [{"CertificateArn": "c", "DomainName": NAME}, {"CertificateArn": "d"}]
        return [self.summary] if service == "cloudfront" else certificates

    def read(self, zone: Zone | None = ZONE) -> Https:
        boundary, account = Boundary(), cast("Any", self)
        found = https.read_https(account, boundary, [service()], zone)
        assert not boundary.unseen
        return found


def summary(
    *aliases: str, origin: str = ORIGIN, protocol: str = "http-only", **changes: Any
) -> dict[str, Any]:
    custom = {"HTTPPort": 8080, "HTTPSPort": 443, "OriginProtocolPolicy": protocol}
    return {
        "Id": "E1", "DomainName": EDGE, "Status": "Deployed", "Enabled": True,
        "Aliases": {"Items": [*aliases]},
        "Origins": {"Items": [{"DomainName": origin, "CustomOriginConfig": custom}]}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "record_sets", "leads"),
    [
        pytest.param(NAME, [alias_record(NAME, EDGE)], {EDGE}, id="alias"),
        pytest.param(NAME, [record_set(NAME, "CNAME", f"{EDGE}.")], {EDGE}, id="cname"),
        pytest.param(NAME, [record_set(NAME, "TXT", '"text"')], set(), id="text-only"),
        pytest.param(NAME, [], set(), id="nothing"),
        pytest.param(NAME, [alias_record("\\052.example.com", EDGE)], {EDGE}, id="wildcard-record"),
        pytest.param(
            NAME,
            [alias_record("\\052.example.com", EDGE), record_set(NAME)],
            {"192.0.2.1"},
            id="not-the-wildcard",
        ),
        pytest.param("*.example.com", [alias_record("\\052.example.com", EDGE)], {EDGE}, id="wildcard-alias"),
        pytest.param("a.b.example.com", [record_set("b.example.com", "NS", "ns.")], None, id="delegated"),
        pytest.param("app.example.org", [], None, id="another-zone"),
    ],
)
def test_where_a_name_leads(name: str, record_sets: list[Any], leads: set[str] | None) -> None:
    [found] = Zones(summary(name), *record_sets).read().distributions or ()
    assert found.records.get(name) == leads


def test_what_a_distribution_says() -> None:
    [found] = (
        Zones(summary(protocol="https-only", Status="InProgress", Enabled=False)).read().distributions or ()
    )
    assert found == Distribution(
        "E1", EDGE, {ORIGIN: 443}, records={ORIGIN: frozenset()}, is_deployed=False, is_enabled=False
    )


@pytest.mark.parametrize(
    ("found", "zone", "count"),
    [
        pytest.param(summary(origin="lb.example.com"), ZONE, 1, id="origin-in-the-zone"),
        pytest.param(summary(ORIGIN, origin="bucket.s3.amazonaws.com"), ZONE, 1, id="alias-of-the-service"),
        pytest.param(summary(NAME, origin="bucket.s3.amazonaws.com"), ZONE, 0, id="of-something-else"),
        pytest.param(summary(origin="badexample.com"), ZONE, 0, id="origin-that-only-ends-like-the-zone"),
        pytest.param(summary(NAME), None, 1, id="a-zone-that-could-not-be-read"),
        pytest.param(summary(), Zone("Z1", unreadable="AccessDenied"), 1, id="an-unreadable-zone"),
    ],
)
def test_which_distributions_count(found: dict[str, Any], zone: Zone | None, count: int) -> None:
    assert len(Zones(found).read(zone).distributions or ()) == count


@pytest.mark.parametrize("has_record", [True, False])
def test_certificate_is_read_with_the_record_that_it_waits_for(*, has_record: bool) -> None:
    record = record_set(f"_1.{NAME}", "CNAME", "_2.acm-validations.aws." if has_record else "old.")
    [one] = Zones(summary(), record).read().certificates
    assert one == Certificate(NAME, f"_1.{NAME}", "_2.acm-validations.aws", has_record)
