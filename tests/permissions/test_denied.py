"""What IAM itself denies to a function that was taken over, whatever its code says.

Each row is a call that the function makes every day, with one thing changed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lab.template import HOSTED_ZONE_ID
from tests.permissions.calls import (
    DEPLOY,
    ECS,
    EVERY_DAY,
    EXECUTION,
    LAYERS,
    LOG,
    QUEUE,
    REDEPLOY,
    TASK_LOG,
    UNTAG,
    UPDATE,
    Call,
    change,
    dead_letter,
    ecs,
    file,
    image,
    log,
    part_of_service,
    publish,
    record,
    secret,
)
from tests.permissions.iam import Request, allows
from tests.permissions.policies import SHAPES, STACK_NAME, limits, policies
from trials.in_memory.region import ACCOUNT, CLUSTER_ARN, HOST_NAME, REGION, TOPIC_ARN

if TYPE_CHECKING:
    from tests.permissions.policies import Limit

OTHERS = {"cluster": CLUSTER_ARN.replace("/lab", "/other")}
ZONE_ARN = f"arn:aws:route53:::hostedzone/{HOSTED_ZONE_ID}"

DENIED = {
    "delete-what-was-logged": EVERY_DAY["give-the-lease-back"].but(logStreamName="2026/11/20/[$LATEST]1"),
    "delete-a-lease-of-another-log": EVERY_DAY["give-the-lease-back"].but(logGroupName=TASK_LOG),
    "delete-a-lease-with-the-other-functions-role": replace(EVERY_DAY["give-the-lease-back"], role=UPDATE),
    "list-the-streams-of-another-log": EVERY_DAY["list-leases"].but(logGroupName=TASK_LOG),
    "deploy-a-service-without-the-tag": DEPLOY.but(service="worker"),
    "deploy-a-paused-service": DEPLOY.but(service="paused"),
    "deploy-in-another-cluster": DEPLOY.but(**OTHERS),
    "deploy-with-the-other-functions-role": replace(DEPLOY, role=UPDATE),
    "write-another-name": record(change("other.example.com")),
    "write-its-www": record(change(f"www.{HOST_NAME}")),
    "write-the-apex": record(change("example.com")),
    "write-a-wildcard": record(change("*.example.com")),
    "write-another-owners-note": record(change("_pushlive.other.example.com", "TXT")),
    "write-another-name-beside-the-right-one": record(change(), change("other.example.com")),
    **{
        f"write-a-record-of-type-{kind}": record(change(record_type=kind))
        for kind in ("AAAA", "CAA", "CNAME", "MX", "NS")
    },
    "overwrite-with-upsert": record(change(action="UPSERT")),
    "write-in-another-zone": record(zone_id="Z9"),
    "write-with-the-other-functions-role": replace(record(), role=REDEPLOY),
    "take-another-tag-off": UNTAG.but(tagKeys=["pushlive:redeploy"]),
    "take-two-tags-off": UNTAG.but(tagKeys=["pushlive:hostname", "pushlive:redeploy"]),
    "take-the-tag-off-a-service-of-another-name": UNTAG.but(resourceArn=f"{ECS}:service/lab/theirs"),
    "take-the-tag-off-in-another-cluster": UNTAG.but(resourceArn=f"{ECS}:service/other/app"),
    "take-the-tag-off-the-cluster": UNTAG.but(resourceArn=CLUSTER_ARN),
    "read-another-zone": EVERY_DAY["read-the-zone"].but(Id="Z9"),
    "read-another-zones-records": EVERY_DAY["read-the-record"].but(HostedZoneId="Z9"),
    "read-another-repositorys-image": image("DescribeImages", "other"),
    "read-another-repositorys-index": image("BatchGetImage", "other"),
    "read-another-clusters-deployment": part_of_service(
        "DescribeServiceDeployments", "service-deployment", "other"
    ),
    "read-another-clusters-revision": part_of_service(
        "DescribeServiceRevisions", "service-revision", "other"
    ),
    "list-another-clusters-deployments": ecs(REDEPLOY, "ListServiceDeployments", service="app", **OTHERS),
    **{
        f"{role}-{what}": call
        for role in (REDEPLOY, UPDATE)
        for what, call in {
            "lists-another-clusters-services": ecs(role, "ListServices", **OTHERS),
            "lists-the-default-clusters-services": Call(role, "ecs", "ListServices"),
            "lists-another-clusters-tasks": ecs(role, "ListTasks", **OTHERS),
            "reads-another-clusters-services": ecs(role, "DescribeServices", services=["app"], **OTHERS),
            "reads-another-clusters-tasks": ecs(role, "DescribeTasks", tasks=["1"], **OTHERS),
            "reads-a-task-of-another-cluster": ecs(role, "DescribeTasks", tasks=[f"{ECS}:task/other/1"]),
            "writes-the-tasks-log": log(role, "PutLogEvents", TASK_LOG),
            "writes-the-other-functions-log": log(
                role, "PutLogEvents", LOG[UPDATE if role == REDEPLOY else REDEPLOY]
            ),
            "begins-another-log": log(role, "CreateLogStream", f"{LOG[role]}2"),
            "sends-to-another-queue": dead_letter(role, "other"),
            "tells-another-topic": publish(role, f"{TOPIC_ARN}-2"),
            "lists-the-other-functions-log": Call(
                role,
                "logs",
                "DescribeLogStreams",
                {"logGroupName": LOG[UPDATE if role == REDEPLOY else REDEPLOY]},
            ),
            "deletes-what-it-logged": Call(
                role, "logs", "DeleteLogStream", {"logGroupName": LOG[role], "logStreamName": "2026/11/20/1"}
            ),
        }.items()
    },
    "task-writes-a-functions-log": log(EXECUTION, "PutLogEvents", LOG[REDEPLOY]),
    "task-begins-a-functions-log": log(EXECUTION, "CreateLogStream", LOG[UPDATE]),
    **{f"task-{operation}-of-another": image(operation, "other", EXECUTION) for operation in LAYERS},
    "task-finds-another-bucket": file("GetBucketLocation", "other"),
    "task-reads-another-file-of-the-bucket": file("GetObject", "settings", "other.env"),
    "task-reads-a-file-of-another-bucket": file("GetObject", "other", "app.env"),
    "task-reads-a-secret-of-another-stack": secret("/other/DATABASE_URL"),
    "task-reads-a-secret-of-a-stack-whose-name-begins-so": secret(f"/{STACK_NAME}-2/DATABASE_URL"),
    "task-reads-another-secret-beside-its-own": secret(f"/{STACK_NAME}/DATABASE_URL", "/DATABASE_URL"),
}

# Granted to nobody, on any resource of ours.
NEVER = {
    "cloudformation:UpdateStack": "*",
    "ecr:BatchDeleteImage": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/app",
    "ecr:PutImage": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/app",
    "ec2:AuthorizeSecurityGroupIngress": "*",
    "ecs:DeleteService": f"{ECS}:service/lab/app",
    "ecs:ExecuteCommand": f"{ECS}:task/lab/1",
    "ecs:RegisterTaskDefinition": "*",
    "ecs:RunTask": "*",
    "ecs:StopTask": f"{ECS}:task/lab/1",
    "ecs:TagResource": f"{ECS}:service/lab/app",
    "iam:PassRole": f"arn:aws:iam::{ACCOUNT}:role/hello-TaskExecutionRole",
    "iam:PutRolePolicy": f"arn:aws:iam::{ACCOUNT}:role/hello-UpdateRecordRole",
    "lambda:InvokeFunction": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-RedeployService",
    "lambda:UpdateFunctionCode": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-RedeployService",
    "logs:DeleteLogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG[REDEPLOY]}",
    "route53:CreateHostedZone": "*",
    "route53:DeleteHostedZone": ZONE_ARN,
    "sqs:DeleteMessage": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
    "sqs:PurgeQueue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
    "sqs:ReceiveMessage": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{QUEUE}",
    "s3:ListBucket": "arn:aws:s3:::settings",
    "s3:PutObject": "arn:aws:s3:::settings/app.env",
    "ssm:GetParametersByPath": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{STACK_NAME}",
    "ssm:PutParameter": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{STACK_NAME}/DATABASE_URL",
    "kms:Decrypt": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
}


# What a pattern lets through, and what it does not.
BY_PATTERNS = {
    "write-another-name-below": record(
        change("shop.example.com"), change("_pushlive.shop.example.com", "TXT")
    ),
    "take-the-tag-off-a-service-of-another-name": UNTAG.but(resourceArn=f"{ECS}:service/lab/theirs"),
    "read-an-image-whose-repository-begins-so": image("DescribeImages", "app-web"),
    "read-an-index-whose-repository-begins-so": image("BatchGetImage", "app-web"),
}
NOT_BY_PATTERNS = {
    "write-the-apex": record(change("example.com")),
    "write-a-name-that-only-ends-so": record(change("evil-example.com")),
    "write-a-name-that-only-contains-it": record(change("app.example.com.example.org")),
    "write-another-name-beside-the-right-one": record(change(), change("example.org")),
    "write-a-name-below-as-cname": record(change("shop.example.com", "CNAME")),
    "overwrite-a-name-below": record(change("shop.example.com", action="UPSERT")),
    "take-another-tag-off": UNTAG.but(tagKeys=["pushlive:redeploy"]),
    "take-the-tag-off-a-service-without-a-name": UNTAG.but(resourceArn=f"{ECS}:service/lab/worker"),
    "read-an-image-whose-repository-only-ends-so": image("DescribeImages", "my/app"),
    "read-another-repositorys-index": image("BatchGetImage", "other"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("call", EVERY_DAY.values(), ids=EVERY_DAY)
def test_allowed(call: Call, shape: str) -> None:
    """Without these, a denial below might be of the wrong thing."""
    whole = policies(shape=shape)
    assert call.is_made_by_a_role_of(whole) is (call.role != EXECUTION or shape == "service")
    assert not call.is_made_by_a_role_of(whole) or call.is_allowed(whole)


@pytest.mark.parametrize("call", DENIED.values(), ids=DENIED)
def test_denied(call: Call) -> None:
    assert not call.is_allowed(policies())


@pytest.mark.parametrize("call", BY_PATTERNS.values(), ids=BY_PATTERNS)
def test_allowed_by_patterns_only(call: Call) -> None:
    assert call.is_allowed(policies(shape="by-patterns"))
    assert not call.is_allowed(policies())


@pytest.mark.parametrize("call", NOT_BY_PATTERNS.values(), ids=NOT_BY_PATTERNS)
def test_denied_by_patterns_too(call: Call) -> None:
    assert not call.is_allowed(policies(shape="by-patterns"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("action", "resource"), NEVER.items(), ids=NEVER)
def test_granted_to_no_role(action: str, resource: str, shape: str) -> None:
    request = Request(action, resource)
    whole = policies(shape=shape)
    assert [role for role, documents in whole.items() if allows(documents.values(), request)] == []


@pytest.mark.parametrize(
    ("shape", "limit"),
    [pytest.param(shape, limit, id=f"{shape}-{limit}") for shape in SHAPES for limit in limits(shape)],
)
def test_each_limit_of_a_statement_denies_something(shape: str, limit: Limit) -> None:
    """Without it, some call of the tables above would be allowed that is denied with it."""
    whole = policies(shape=shape)
    wider = limit.taken_from(whole)
    calls = [call for call in (*DENIED.values(), *NOT_BY_PATTERNS.values()) if call.role in whole]
    assert [call for call in calls if call.is_allowed(wider) and not call.is_allowed(whole)]
