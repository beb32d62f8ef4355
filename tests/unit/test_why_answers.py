"""Whatever AWS leaves out of an answer, the page of `why` comes: AWS's models require no key of an answer."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.validate import ParamValidator
from moto.core.botocore_stubber import MockRawResponse
from rich.console import Console

from commands.why import zone
from commands.why.account import Account, CannotLookError
from commands.why.as_json import as_json
from commands.why.finding import Level, problem
from commands.why.page import page
from commands.why.report import look
from commands.why.stack import first_failure
from pushlive import ecs, probe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from commands.why.report import Report, ServiceReport

    Json = dict[str, Any]
    Path = tuple[str | int, ...]

AT = datetime.now(UTC) - timedelta(minutes=5)
REGION, ACCOUNT_ID = "eu-west-1", "123456789012"
REGISTRY = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com"
DIGEST = f"sha256:{'a' * 64}"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}"
NAME_SERVERS = ["ns-1.awsdns-1.com"]
ENV = {
    "CLUSTER_ARN": f"{ECS}:cluster/hello",
    "REGISTRY": REGISTRY,
    "LEASES_LOG_GROUP": "redeploy-service",
    "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT_ID}:hello",
    "HOSTED_ZONE_ID": "Z1",
}


def of_services(name: str) -> dict[str, Json]:
    """What ECS answers about one service."""
    revision = f"{ECS}:service-revision/hello/{name}/1"
    deployment = f"{ECS}:service-deployment/hello/{name}/d1"
    definition = f"{ECS}:task-definition/{name}:1"
    percentages = {"maximumPercent": 200, "minimumHealthyPercent": 100}
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    awsvpc = {"subnets": ["subnet-a"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}
    log = {"logDriver": "awslogs", "options": {"awslogs-group": "/hello", "awslogs-region": REGION}}
    details = [{"name": "networkInterfaceId", "value": f"eni-{name}"}]
    # Of the two services one has a readiness sidecar, and the tasks of the other are asked.
    sidecar = {"name": "readiness-sidecar", "image": "busybox:1", "logConfiguration": log}
    beside = [{"name": "readiness-sidecar", "healthStatus": "HEALTHY"}] if name == "app" else []
    task = {
        "taskArn": f"{ECS}:task/hello/{name}1", "startedBy": "ecs-svc/1", "lastStatus": "RUNNING",
        "desiredStatus": "RUNNING", "healthStatus": "HEALTHY", "startedAt": AT, "createdAt": AT,
        "taskDefinitionArn": definition, "group": f"service:{name}",
        "attachments": [{"type": "ElasticNetworkInterface", "details": details}],
        "containers": [
            {"name": "app", "image": f"{REGISTRY}/hello:latest", "imageDigest": DIGEST}, *beside
        ],
    }  # fmt: skip
    ended = {"exitCode": 1, "reason": "killed", "name": "app"}
    stopped = {
        **task, "taskArn": f"{ECS}:task/hello/{name}2", "lastStatus": "STOPPED", "stoppedAt": AT,
        "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "containers": [ended, *beside],
    }  # fmt: skip
    return {
        "DescribeServices": {"services": [{
            "serviceName": name, "serviceArn": f"{ECS}:service/hello/{name}", "status": "ACTIVE",
            "desiredCount": 1, "runningCount": 1, "createdAt": AT, "taskDefinition": definition,
            "launchType": "FARGATE", "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "deploymentConfiguration": {**percentages, **breaker},
            "networkConfiguration": {"awsvpcConfiguration": awsvpc},
            "deployments": [{"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED",
                             "createdAt": AT, "updatedAt": AT, "failedTasks": 0}],
            "events": [{"createdAt": AT, "message": f"(service {name}) has reached a steady state."}],
            "tags": [{"key": "pushlive:redeploy", "value": "on-push"},
                     {"key": "pushlive:hostname", "value": f"{name}.example.com"}],
        }]},
        "DescribeTaskDefinition": {"taskDefinition": {
            "taskDefinitionArn": definition, "status": "ACTIVE", "networkMode": "awsvpc",
            "executionRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
            "runtimePlatform": {"cpuArchitecture": "X86_64"},
            "containerDefinitions": [{
                "name": "app", "image": f"{REGISTRY}/hello:latest", "logConfiguration": log,
                "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
                "environment": [{"name": "PORT", "value": "8080"}],
            }, *([sidecar] if name == "app" else [])],
        }},
        "ListTasks": {"taskArns": [f"{ECS}:task/hello/{name}1"]},
        "DescribeTasks": {"tasks": [task, stopped]},
        "ListServiceDeployments": {"serviceDeployments": [{"serviceDeploymentArn": deployment}]},
        "DescribeServiceDeployments": {"serviceDeployments": [{
            "serviceDeploymentArn": deployment, "status": "SUCCESSFUL", "createdAt": AT, "finishedAt": AT,
            "targetServiceRevision": {"arn": revision}, "statusReason": "done",
        }]},
        "DescribeServiceRevisions": {"serviceRevisions": [{
            "serviceRevisionArn": revision, "taskDefinition": definition,
            "containerImages": [{"containerName": "app", "image": f"{REGISTRY}/hello:latest",
                                 "imageDigest": DIGEST}],
        }]},
    }  # fmt: skip


INDEX = {"manifests": [{"digest": DIGEST, "platform": {"architecture": "amd64"}}]}
SHARED: dict[str, Json] = {
    "DescribeStacks": {"Stacks": [{
        "StackName": "hello", "CreationTime": AT, "StackStatus": "UPDATE_ROLLBACK_COMPLETE",
        "Outputs": [{"OutputKey": "Step6Replay", "OutputValue": "python3 replay.py"}],
    }]},
    "DescribeStackEvents": {"StackEvents": [
        {"StackId": "s", "EventId": "2", "StackName": "hello", "Timestamp": AT, "LogicalResourceId": "Queue",
         "PhysicalResourceId": "q", "ResourceStatus": "UPDATE_FAILED", "ResourceStatusReason": "in use"},
        {"StackId": "s", "EventId": "1", "StackName": "hello", "Timestamp": AT, "LogicalResourceId": "hello",
         "PhysicalResourceId": "s", "ResourceStatus": "UPDATE_IN_PROGRESS"},
    ]},
    "ListStackResources": {"StackResourceSummaries": [
        {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceType": kind,
         "ResourceStatus": "CREATE_COMPLETE", "LastUpdatedTimestamp": AT}
        for name, kind in {
            "RedeployService": "AWS::Lambda::Function", "UpdateRecord": "AWS::Lambda::Function",
            "Rule": "AWS::Events::Rule", "DeadLetters": "AWS::SQS::Queue",
        }.items()
    ]},
    "GetFunctionConfiguration": {"FunctionName": "f", "Environment": {"Variables": ENV},
                                 "LoggingConfig": {"LogGroup": "/functions"}},
    "ListServices": {"serviceArns": [f"{ECS}:service/hello/app", f"{ECS}:service/hello/other"]},
    "DescribeImages": {"imageDetails": [
        {"imageDigest": DIGEST, "imageTags": ["latest"], "imagePushedAt": AT}
    ]},
    "DescribeRepositories": {"repositories": [{
        "repositoryName": "hello", "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "latest"}],
    }]},
    "BatchGetImage": {"images": [{"imageManifest": json.dumps(INDEX), "imageId": {"imageDigest": DIGEST}}]},
    "DescribeNetworkInterfaces": {"NetworkInterfaces": [
        {"NetworkInterfaceId": f"eni-{name}", "Association": {"PublicIp": f"192.0.2.{number}"}}
        for number, name in enumerate(("app", "other"))
    ]},
    "DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-a", "VpcId": "vpc-1"}]},
    "DescribeRouteTables": {"RouteTables": [{
        "RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-a"}],
        "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}],
    }]},
    "DescribeSecurityGroups": {"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [{
        "IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080, "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "UserIdGroupPairs": [{"GroupId": "sg-2"}], "PrefixListIds": [{"PrefixListId": "pl-1"}],
    }]}]},
    "DescribeManagedPrefixLists": {"PrefixLists": [{"PrefixListId": "pl-1"}]},
    "ListDistributions": {"DistributionList": {
        "Marker": "", "MaxItems": 100, "IsTruncated": False, "Quantity": 1,
        "Items": [{
            "Id": "E1", "ARN": "arn", "Status": "Deployed", "LastModifiedTime": AT, "Enabled": True,
            "DomainName": "d1.cloudfront.net", "Comment": "", "PriceClass": "PriceClass_All",
            "WebACLId": "", "HttpVersion": "http2and3", "IsIPV6Enabled": True, "Staging": False,
            "Aliases": {"Quantity": 1, "Items": ["www.example.com"]},
            "Origins": {"Quantity": 1, "Items": [{
                "Id": "service", "DomainName": "app.example.com",
                "CustomOriginConfig": {"HTTPPort": 8080, "HTTPSPort": 443,
                                       "OriginProtocolPolicy": "http-only"},
            }]},
            "DefaultCacheBehavior": {"TargetOriginId": "service",
                                     "ViewerProtocolPolicy": "redirect-to-https"},
            "CacheBehaviors": {"Quantity": 0}, "CustomErrorResponses": {"Quantity": 0},
            "ViewerCertificate": {}, "Restrictions": {"GeoRestriction": {
                "RestrictionType": "none", "Quantity": 0
            }},
        }],
    }},
    "ListCertificates": {"CertificateSummaryList": [{
        "CertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT_ID}:certificate/1",
        "DomainName": "www.example.com", "SubjectAlternativeNameSummaries": ["www.example.com"],
    }]},
    "DescribeCertificate": {"Certificate": {"DomainValidationOptions": [{
        "DomainName": "www.example.com", "ValidationStatus": "PENDING_VALIDATION",
        "ResourceRecord": {"Name": "_1.example.com.", "Type": "CNAME", "Value": "_2.acm-validations.aws."},
    }]}},
    "FilterLogEvents": {"events": [{"timestamp": 1, "message": json.dumps(
        {"ecs_service": "app", "message": "leave", "reason": "already live"}
    )}]},
    "DescribeLogGroups": {"logGroups": [{"logGroupName": "/hello"}, {"logGroupName": "/functions"}]},
    "GetRole": {"Role": {"RoleName": "execution", "Path": "/", "RoleId": "r" * 16, "Arn": "a" * 20,
                         "CreateDate": AT}},
    "GetHostedZone": {
        "HostedZone": {"Id": "Z1", "Name": "example.com.", "CallerReference": "c",
                       "Config": {"PrivateZone": False}},
        "DelegationSet": {"NameServers": NAME_SERVERS},
    },
    "ListResourceRecordSets": {"ResourceRecordSets": [], "IsTruncated": False, "MaxItems": "20"},
    "DescribeRule": {"Name": "Rule", "State": "ENABLED"},
    "GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "1"}},
}  # fmt: skip
OF_APP, OF_OTHER = of_services("app"), of_services("other")
NEEDED = {
    "status", "desiredCount", "taskDefinition", "containerDefinitions", "taskDefinitionArn",
    "taskArns", "tasks", "containers", "name", "serviceDeployments", "serviceDeploymentArn", "createdAt",
    "imageDetails", "imageDigest", "HostedZone", "Name", "ResourceRecordSets",
}  # fmt: skip
"""Without these a part of the page is missing, which it says."""


ASKED: dict[str, str] = {}
"""Each operation that was called, with its service."""


class Answers:
    """AWS, which leaves a key out of one answer about the service `app`, or about what both share."""

    def __init__(self) -> None:
        session = botocore.session.get_session()
        session.set_credentials("made-up", "made-up")
        session.set_config_variable("region", REGION)
        session.register("provide-client-params", self._note)
        session.register("before-call", self._answer)
        self.account = Account(session)
        self.without: tuple[str, Path] | None = None
        self.denied: tuple[str, ...] = ()
        """Operations that who asks has no right to."""
        self.asked: list[str] = []
        """Each operation, with what was asked."""
        self._parameters: Json = {}

    def _note(self, **event: Any) -> None:
        self._parameters = event["params"]

    def _answer(self, **event: Any) -> Any:
        model = event["model"]
        self.asked.append(f"{model.name} {self._parameters}")
        ASKED[model.name] = model.service_model.service_name
        if model.name in self.denied:
            return SimpleNamespace(status_code=403), {"Error": {"Code": "AccessDenied", "Message": "no"}}
        return SimpleNamespace(status_code=200), self._chosen(model.name)

    def _chosen(self, operation: str) -> Json:
        if operation in SHARED:
            return self._left(operation, SHARED[operation])
        asked = str({name: value for name, value in self._parameters.items() if name != "cluster"})
        app, other = self._left(operation, OF_APP[operation]), deepcopy(OF_OTHER[operation])
        if "app" in asked and "other" in asked:
            [key] = OF_OTHER[operation]
            return {key: [*app.get(key, []), *other[key]]}
        return app if "app" in asked else other

    def _left(self, operation: str, answer: Json) -> Json:
        answer = deepcopy(answer)
        if self.without and self.without[0] == operation:
            *way, last = self.without[1]
            place: Any = answer
            for step in way:
                place = place[step]
            del place[last]
        return answer

    def look(self, operation: str = "", path: Path = (), *, denied: tuple[str, ...] = ()) -> Report:
        self.without = (operation, path) if operation else None
        self.denied = denied
        self.asked.clear()
        ecs.task_definition.cache_clear()
        return look(self.account, "hello", "")


@cache
def _aws() -> Answers:
    return Answers()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    monkeypatch.setattr(probe, "_answers", lambda *_: True)
    monkeypatch.setattr(zone, "name_servers", lambda *_: frozenset(NAME_SERVERS))
    yield _aws()
    ecs.task_definition.cache_clear()


def keys(answer: Any, path: Path = ()) -> Iterator[Path]:
    """The way to each key of an answer, however deep."""
    if isinstance(answer, dict):
        for key, value in answer.items():
            yield (*path, key)
            yield from keys(value, (*path, key))
    elif isinstance(answer, list):
        for number, value in enumerate(answer):
            yield from keys(value, (*path, number))


def shown(report: Report) -> str:
    console = Console(width=80, file=io.StringIO())
    console.print(page(report), crop=False)
    json.dumps(as_json(report))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def of(report: Report, name: str) -> ServiceReport | None:
    return next((each for each in report.services if each.state.service.service_name == name), None)


def kinds(report: Report) -> Sequence[str]:
    return sorted({each.kind for each in report.all_findings})


def unseen(report: Report) -> list[str]:
    return [each.what for each in report.all_findings if each.level is Level.UNSEEN]


def test_the_answers_are_of_aws_s_own_form_and_all_are_asked_for(aws: Answers) -> None:
    assert kinds(aws.look()) == [
        "alias-missing", "certificate-pending", "dead-letters", "https-still-http", "origin-unknown",
        "record-due", "stack-status",
    ]  # fmt: skip
    assert {each.partition(" ")[0] for each in aws.asked} == {*SHARED, *OF_APP}
    for operation, service in ASKED.items():
        shape = aws.account.client(service).meta.service_model.operation_model(operation).output_shape
        found = ParamValidator().validate({**SHARED, **OF_APP}[operation], shape)
        assert not found.has_errors(), found.generate_report()


def test_nothing_is_asked_twice(aws: Answers) -> None:
    """Though several modules need it, and services share it; the next look asks again."""
    aws.look()
    asked = list(aws.asked)
    assert len(asked) == len(set(asked))
    aws.look()
    assert len(aws.asked) == len(asked)


@pytest.mark.parametrize("operation", OF_APP)
def test_a_key_that_is_missing_in_the_answers_about_one_service(aws: Answers, operation: str) -> None:
    whole = of(aws.look(), "other")
    assert whole
    for path in keys(OF_APP[operation]):
        report = aws.look(operation, path)
        other = of(report, "other")
        assert other, path
        assert (other.findings, other.state.tasks) == (whole.findings, whole.state.tasks), path
        assert path[-1] in NEEDED or unseen(report) == [], path
        text = shown(report)
        assert "service other" in text, path
        if len(path) > 1 and "tags" not in path:
            assert "service app" in text, path


@pytest.mark.parametrize("operation", SHARED)
def test_a_key_that_is_missing_in_an_answer_about_all(aws: Answers, operation: str) -> None:
    for path in keys(SHARED[operation]):
        try:
            report = aws.look(operation, path)
        except CannotLookError:
            # Without its functions or their settings nobody knows which cluster is meant.
            assert operation in ("ListStackResources", "GetFunctionConfiguration"), path
            continue
        assert path[-1] in NEEDED or unseen(report) == [], path
        assert shown(report)


def test_a_service_without_a_task_definition_is_named_and_the_others_are_shown(
    aws: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = deepcopy(OF_APP["DescribeServices"])
    answer["services"][0]["deploymentController"] = {"type": "EXTERNAL"}
    monkeypatch.setitem(OF_APP, "DescribeServices", answer)
    report = aws.look("DescribeServices", ("services", 0, "taskDefinition"))
    found, other = of(report, "app"), of(report, "other")
    assert found
    assert other
    [told] = [each for each in found.findings if each.kind == "not-deployable"]
    assert "the controller EXTERNAL" in told.what
    assert (unseen(report), len(other.state.tasks)) == ([], 2)


def stack(
    monkeypatch: pytest.MonkeyPatch, status: str, *events: tuple[str, str, str], made: bool = True
) -> None:
    """The stack in this status; of each event, newest first, its resource, status and reason."""
    described = {"StackName": "hello", "CreationTime": AT, "StackStatus": status}
    monkeypatch.setitem(SHARED, "DescribeStacks", {"Stacks": [described]})
    told = [
        {"StackId": "s", "EventId": str(number), "StackName": "hello", "Timestamp": AT,
         "LogicalResourceId": name, "PhysicalResourceId": "s" if name == "hello" else name,
         "ResourceStatus": of, "ResourceStatusReason": reason}
        for number, (name, of, reason) in enumerate(events)
    ]  # fmt: skip
    monkeypatch.setitem(SHARED, "DescribeStackEvents", {"StackEvents": told})
    if not made:
        monkeypatch.setitem(SHARED, "ListStackResources", {"StackResourceSummaries": []})


FAILED = (
    ("hello", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Cluster, Repository]."),
    ("Cluster", "CREATE_FAILED", "Resource creation cancelled"),
    ("Repository", "CREATE_FAILED", "hello already exists in stack other"),
    ("hello", "CREATE_IN_PROGRESS", "User Initiated"),
)


def test_a_stack_that_was_never_made_is_told_with_its_first_failure(
    aws: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(monkeypatch, "ROLLBACK_COMPLETE", *FAILED, made=False)
    report = aws.look()
    [found] = report.all_findings
    assert found == problem(
        "stack-status",
        "the creation of the stack hello failed (ROLLBACK_COMPLETE); its first failure: Repository: hello "
        "already exists in stack other",
        "cure what failed, delete the stack, then deploy it again:",
        "sam delete --stack-name hello",
    )
    assert shown(report).startswith("1 thing is wrong · stack hello")


def test_an_update_that_was_rolled_back_is_noted_with_its_own_failure(
    aws: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = ("hello", "UPDATE_IN_PROGRESS", "User Initiated")
    stack(monkeypatch, "UPDATE_ROLLBACK_COMPLETE", ("Service", "UPDATE_FAILED", "no role"), began, *FAILED)
    monkeypatch.setitem(SHARED["DescribeStackEvents"], "NextToken", "older")
    report = aws.look()
    assert sum(each.startswith("DescribeStackEvents ") for each in aws.asked) == 1, "older events say no more"
    [found] = [each for each in report.findings if each.kind == "stack-status"]
    assert (found.level, len(report.services)) == (Level.NOTE, 2)
    assert found.what.endswith(
        "failed, and was rolled back: it is as before; its first failure: Service: no role"
    )


def test_a_nested_stacks_failure_is_told_by_its_own_first_failure() -> None:
    """The outer stack's events say only that it was not made."""
    told = {
        "hello": [
            ("nested", "AWS::CloudFormation::Stack", "Embedded stack nested was not successfully created")
        ],
        "nested": [
            ("UpdateRecord", "AWS::Lambda::Function", "Resource creation cancelled"),
            ("Records", "Custom::HostNameRecords", "the hosted zone is example.com"),
        ],
    }

    def events(*_: str, StackName: str) -> list[dict[str, Any]]:  # noqa: N803 - as it is called
        return [
            {"StackId": StackName, "LogicalResourceId": name, "PhysicalResourceId": name,
             "ResourceType": kind, "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": reason}
            for name, kind, reason in told[StackName]
        ]  # fmt: skip

    account: Any = SimpleNamespace(items=events)
    assert first_failure(account, "hello") == "Records: the hosted zone is example.com"


def test_a_whole_stack_of_something_else_is_none_of_pushlive(
    aws: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack(monkeypatch, "UPDATE_ROLLBACK_COMPLETE", made=False)
    with pytest.raises(CannotLookError, match="has no function RedeployService, so it is none of pushlive"):
        aws.look()


def test_what_keeps_several_parts_from_being_read_is_told_once(aws: Answers) -> None:
    [told] = unseen(aws.look("DescribeTaskDefinition", ("taskDefinition", "containerDefinitions")))
    assert told.startswith("could not look at its task definition and its deployments and its tasks and ")


def test_a_task_with_a_readiness_sidecar_is_not_asked(aws: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(probe, "_answers", lambda address, *_: asked.append(address))
    told = shown(aws.look())
    assert set(asked) == {"192.0.2.1"}
    assert "192.0.2.0 ready · RUNNING" in told
    assert "192.0.2.1 does not answer · RUNNING" in told


def test_certificates_are_asked_for_where_cloudfront_looks_for_them(aws: Answers) -> None:
    assert aws.account.client("acm").meta.region_name == "us-east-1"
    assert aws.account.client("ecs").meta.region_name == REGION


HTTPS = ("ListDistributions", "ListCertificates", "DescribeCertificate")


@pytest.mark.parametrize("count", [pytest.param(1, id="certificates"), pytest.param(0, id="distributions")])
def test_that_cloudfront_or_certificates_may_not_be_read_is_told_once(aws: Answers, count: int) -> None:
    [told] = unseen(aws.look(denied=HTTPS[count:]))
    assert f"when calling the {HTTPS[count]} operation" in told


@pytest.mark.parametrize(
    ("answer", "key", "value"),
    [
        pytest.param(
            ENV, "CLUSTER_ARN", ECS.replace("aws", "aws-us-gov") + ":cluster/hello", id="another-partition"
        ),
        pytest.param(SHARED["ListServices"], "serviceArns", [], id="no-host-name"),
    ],
)
def test_cloudfront_is_only_asked_about_names(
    aws: Answers, monkeypatch: pytest.MonkeyPatch, answer: Json, key: str, value: Any
) -> None:
    monkeypatch.setitem(answer, key, value)
    aws.look()
    assert not {each.partition(" ")[0] for each in aws.asked} & set(HTTPS)


def test_times_are_in_utc(aws: Answers) -> None:
    client: Any = aws.account.session.create_client("ecs")
    client.meta.events.unregister("before-call", aws._answer)
    body = json.dumps({"services": [{"createdAt": 1795169403}]}).encode()
    answer = AWSResponse("https://aws", 200, HTTPHeaders(), MockRawResponse(body))
    client.meta.events.register("before-send", lambda **_: answer)
    [found] = client.describe_services(services=["app"])["services"]
    assert found["createdAt"].isoformat() == "2026-11-20T10:10:03+00:00"
