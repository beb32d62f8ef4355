"""What others may do with the stack's resources: ECS, Lambda and EventBridge, and nobody else."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import fill
from tests.permissions.authorization import requests_of
from tests.permissions.iam import Request, allows, resource_allows
from tests.permissions.policies import names, parts, policies, stack
from trials.in_memory.region import ACCOUNT, REGION, REGISTRY

if TYPE_CHECKING:
    from tests.permissions.policies import Part, Policies

Json = dict[str, Any]

NAMES = {**names(), "Repository.RepositoryUri": f"{REGISTRY}/app"}
EXECUTION_ROLE = stack().resources["TaskDefinition"]["Properties"]["ExecutionRoleArn"]["Fn::GetAtt"][0]
EVENTBRIDGE, LAMBDA, TASKS = "events.amazonaws.com", "lambda.amazonaws.com", "ecs-tasks.amazonaws.com"


def properties(name: str) -> Json:
    filled: Json = fill(stack().resources[name]["Properties"], NAMES)
    return filled


# ECS, for a task that starts (ECS guide, "Amazon ECS task execution IAM role": what it calls for an image
# in a private ECR repository, for the awslogs driver, for a file of settings in S3, and for secrets in
# Parameter Store)


def start_task(whole: Policies) -> list[Request]:
    """Return what ECS is denied when it starts a task of the task definition."""
    [container] = [
        each for each in properties("TaskDefinition")["ContainerDefinitions"] if each["Name"] == "app"
    ]
    registry, _, path = container["Image"].partition("/")
    assert registry == REGISTRY
    repository = {"repositoryName": path.partition(":")[0]}
    log = {
        "logGroupName": container["LogConfiguration"]["Options"]["awslogs-group"],
        "logStreamName": "task/app/1",
    }
    calls: list[tuple[str, str, Json]] = [
        ("ecr", "GetAuthorizationToken", {}),
        ("ecr", "BatchGetImage", {**repository, "imageIds": [{"imageTag": path.partition(":")[2]}]}),
        ("ecr", "BatchCheckLayerAvailability", {**repository, "layerDigests": ["sha256:1"]}),
        ("ecr", "GetDownloadUrlForLayer", {**repository, "layerDigest": "sha256:1"}),
        ("logs", "CreateLogStream", log),
        ("logs", "PutLogEvents", {**log, "logEvents": [{"timestamp": 1, "message": "-"}]}),
    ]
    for file in container["EnvironmentFiles"]:
        bucket, _, key = file["Value"].removeprefix("arn:aws:s3:::").partition("/")
        calls += [
            ("s3", "GetBucketLocation", {"Bucket": bucket}),
            ("s3", "GetObject", {"Bucket": bucket, "Key": key}),
        ]
    secrets = [each["ValueFrom"].partition(":parameter")[2] for each in container["Secrets"]]
    calls.append(("ssm", "GetParameters", {"Names": secrets, "WithDecryption": True}))
    documents = whole[EXECUTION_ROLE].values()
    asked = [request for call in calls for request in requests_of(*call, lambda _: {})]
    return [request for request in asked if not allows(documents, request)]


def test_a_task_starts() -> None:
    assert start_task(policies()) == []


@pytest.mark.parametrize("part", [part for part in parts() if part.role == EXECUTION_ROLE], ids=str)
def test_no_task_starts_without(part: Part) -> None:
    assert [denied.action for denied in start_task(part.taken_from(policies()))] == [part.value]


# Who may take a role on


def may_assume(role: str, service: str, account: str = ACCOUNT) -> bool:
    request = Request("sts:AssumeRole", NAMES[f"{role}.Arn"], {"aws:SourceAccount": account})
    return resource_allows(properties(role)["AssumeRolePolicyDocument"], request, service)


ROLES = {
    "RedeployServiceRole": LAMBDA,
    "UpdateRecordRole": LAMBDA,
    "TaskExecutionRole": TASKS,
    "TaskRole": TASKS,
}


@pytest.mark.parametrize("role", stack().of_type("AWS::IAM::Role"))
def test_a_role_is_for_one_service(role: str) -> None:
    services = {LAMBDA, TASKS, EVENTBRIDGE, "ec2.amazonaws.com", "ecs.amazonaws.com", "states.amazonaws.com"}
    assert [service for service in services if may_assume(role, service)] == [ROLES[role]]


@pytest.mark.parametrize("role", [role for role, service in ROLES.items() if service == TASKS])
def test_a_tasks_role_is_not_for_tasks_of_another_account(role: str) -> None:
    assert not may_assume(role, TASKS, account="210987654321")


# EventBridge: what it may send to the dead-letter queue, and which functions it may call

RULES = {name: properties(name) for name in stack().of_type("AWS::Events::Rule")}
TARGETS = {name: rule["Targets"][0] for name, rule in RULES.items() if len(rule["Targets"]) == 1}
WITH_QUEUE = [name for name, target in TARGETS.items() if "DeadLetterConfig" in target]
QUEUE_POLICY = properties("DeadLettersPolicy")["PolicyDocument"]


def may_send(
    document: Json, rule_arn: str, service: str = EVENTBRIDGE, action: str = "sqs:SendMessage"
) -> bool:
    request = Request(action, NAMES["DeadLetters.Arn"], {"aws:SourceArn": rule_arn})
    return resource_allows(document, request, service)


def test_every_rule_has_one_target() -> None:
    assert RULES.keys() == TARGETS.keys()


def test_every_rule_but_the_schedules_has_the_queue() -> None:
    """The schedule comes again in five minutes, whatever became of the last one."""
    assert set(WITH_QUEUE) == {name for name, rule in RULES.items() if "ScheduleExpression" not in rule}
    assert {TARGETS[name]["DeadLetterConfig"]["Arn"] for name in WITH_QUEUE} == {NAMES["DeadLetters.Arn"]}
    assert fill(properties("DeadLettersPolicy")["Queues"], NAMES) == [NAMES["DeadLetters"]]


@pytest.mark.parametrize("rule", WITH_QUEUE)
def test_rule_may_send_what_it_could_not_deliver(rule: str) -> None:
    assert may_send(QUEUE_POLICY, NAMES[f"{rule}.Arn"])


@pytest.mark.parametrize("rule", WITH_QUEUE)
def test_rule_may_send_nothing_without_its_line_of_the_queues_policy(rule: str) -> None:
    without = copy.deepcopy(QUEUE_POLICY)
    [statement] = without["Statement"]
    statement["Condition"]["ArnEquals"]["aws:SourceArn"].remove(NAMES[f"{rule}.Arn"])
    assert not may_send(without, NAMES[f"{rule}.Arn"])


@pytest.mark.parametrize(
    ("rule_arn", "service", "action"),
    [
        pytest.param(
            f"arn:aws:events:{REGION}:{ACCOUNT}:rule/other", EVENTBRIDGE, "sqs:SendMessage", id="another-rule"
        ),
        pytest.param(
            NAMES[f"{WITH_QUEUE[0]}.Arn"].replace(ACCOUNT, "210987654321"),
            EVENTBRIDGE,
            "sqs:SendMessage",
            id="a-rule-of-another-account",
        ),
        pytest.param(
            NAMES[f"{WITH_QUEUE[0]}.Arn"], "sns.amazonaws.com", "sqs:SendMessage", id="another-service"
        ),
        pytest.param(NAMES[f"{WITH_QUEUE[0]}.Arn"], EVENTBRIDGE, "sqs:ReceiveMessage", id="reading"),
        pytest.param(NAMES[f"{WITH_QUEUE[0]}.Arn"], EVENTBRIDGE, "sqs:PurgeQueue", id="emptying"),
    ],
)
def test_queue_is_closed_to(rule_arn: str, service: str, action: str) -> None:
    assert not may_send(QUEUE_POLICY, rule_arn, service, action)


def function_policy(function_arn: str) -> Json:
    """The function's own policy, as Lambda makes it of its permissions (API reference, AddPermission)."""
    granted = [properties(name) for name in stack().of_type("AWS::Lambda::Permission")]
    return {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": each["Principal"]},
                "Action": each["Action"],
                "Resource": NAMES[f"{each['FunctionName'].removeprefix('hello-')}.Arn"],
                "Condition": {"ArnLike": {"aws:SourceArn": each["SourceArn"]}},
            }
            for each in granted
            if NAMES[f"{each['FunctionName'].removeprefix('hello-')}.Arn"] == function_arn
        ]
    }


def may_call(function_arn: str, rule_arn: str, service: str = EVENTBRIDGE) -> bool:
    request = Request("lambda:InvokeFunction", function_arn, {"aws:SourceArn": rule_arn})
    return resource_allows(function_policy(function_arn), request, service)


@pytest.mark.parametrize("function", stack().of_type("AWS::Lambda::Function"))
def test_function_is_called_by_its_own_rules_only(function: str) -> None:
    arn = NAMES[f"{function}.Arn"]
    own = {name for name, target in TARGETS.items() if target["Arn"] == arn}
    assert own
    assert {name for name in RULES if may_call(arn, NAMES[f"{name}.Arn"])} == own


@pytest.mark.parametrize("function", stack().of_type("AWS::Lambda::Function"))
def test_function_is_called_by_no_other_service(function: str) -> None:
    arn = NAMES[f"{function}.Arn"]
    rules = [NAMES[f"{name}.Arn"] for name, target in TARGETS.items() if target["Arn"] == arn]
    assert not any(may_call(arn, rule, service="s3.amazonaws.com") for rule in rules)


# Nothing else has a policy of its own that lets anybody in


def test_no_other_resource_has_a_policy_of_its_own() -> None:
    with_policy = {
        name
        for name, resource in stack().resources.items()
        if resource["Type"].endswith(("Policy", "Permission"))
        or any("Policy" in key and "Assume" not in key for key in resource.get("Properties", {}))
    }
    permissions = set(stack().of_type("AWS::Lambda::Permission"))
    # RecordPolicy is a role's; the repository's is about the age of its images (LifecyclePolicy).
    assert with_policy - permissions == {"DeadLettersPolicy", "RecordPolicy", "Repository"}
    assert set(properties("Repository")) & {"RepositoryPolicyText"} == set()


def test_only_services_are_let_in_by_a_resources_own_policy() -> None:
    trusted = [properties(role)["AssumeRolePolicyDocument"] for role in ROLES]
    granted = [statement for document in [QUEUE_POLICY, *trusted] for statement in document["Statement"]]
    assert {tuple(statement["Principal"]) for statement in granted} == {("Service",)}
    assert "*" not in str([statement["Principal"] for statement in granted])


def test_queue_is_encrypted() -> None:
    assert properties("DeadLetters")["SqsManagedSseEnabled"] is True


def test_images_are_scanned_when_pushed() -> None:
    assert properties("Repository")["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_a_task_is_reached_at_its_port_from_the_allowed_addresses_only() -> None:
    [ingress] = properties("TaskSecurityGroup")["SecurityGroupIngress"]
    chosen = stack().parameters
    assert (ingress["IpProtocol"], ingress["CidrIp"]) == ("tcp", chosen["AllowedCidr"])
    assert ingress["FromPort"] == ingress["ToPort"] == chosen["ContainerPort"]
    assert stack().of_type("AWS::EC2::SecurityGroupIngress") == {}
