"""The calls that the roles make every day, as values that IAM decides on; others are these with a change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.template import HOSTED_ZONE_ID
from tests.permissions.authorization import requests_of
from tests.permissions.iam import Request, allows
from tests.permissions.policies import STACK_NAME, Policies, names
from trials.in_memory.region import CLUSTER_ARN, HOST_NAME, TOPIC_ARN

if TYPE_CHECKING:
    from collections.abc import Mapping

Json = dict[str, Any]

ECS = CLUSTER_ARN.removesuffix(":cluster/lab")
REDEPLOY, UPDATE, EXECUTION = "RedeployServiceRole", "UpdateRecordRole", "TaskExecutionRole"

OPTED_IN = {"pushlive:redeploy": "on-push", "pushlive:hostname": HOST_NAME}
TAGS = {
    f"{ECS}:service/lab/app": OPTED_IN,
    f"{ECS}:service/lab/worker": {},
    f"{ECS}:service/lab/paused": {**OPTED_IN, "pushlive:redeploy": "paused"},
    f"{ECS}:service/lab/theirs": {**OPTED_IN, "pushlive:hostname": "theirs.example.com"},
    f"{ECS}:service/other/app": OPTED_IN,
}


@dataclass(frozen=True)
class Call:
    """A call of an AWS API by a role."""

    role: str
    service: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def but(self, **changes: Any) -> Call:
        return replace(self, parameters={**self.parameters, **changes})

    def requests(self) -> list[Request]:
        return requests_of(self.service, self.operation, dict(self.parameters), TAGS.__getitem__)

    def is_allowed(self, whole: Policies) -> bool:
        return all(allows(whole[self.role].values(), request) for request in self.requests())

    def is_made_by_a_role_of(self, whole: Policies) -> bool:
        """Whether the stack has that role: pushlive.yaml alone has none for tasks."""
        return self.role in whole


def change(name: str = HOST_NAME, record_type: str = "A", action: str = "CREATE") -> Json:
    record_set = {"Name": name, "Type": record_type, "TTL": 10, "ResourceRecords": [{"Value": "-"}]}
    return {"Action": action, "ResourceRecordSet": record_set}


def record(*changes: Json, zone_id: str = HOSTED_ZONE_ID) -> Call:
    batch = {"HostedZoneId": zone_id, "ChangeBatch": {"Changes": list(changes or [change()])}}
    return Call(UPDATE, "route53", "ChangeResourceRecordSets", batch)


def log(role: str, operation: str, group: str) -> Call:
    more = {"logEvents": [{"timestamp": 1, "message": "-"}]} if operation == "PutLogEvents" else {}
    return Call(role, "logs", operation, {"logGroupName": group, "logStreamName": "1", **more})


def dead_letter(role: str, queue: str) -> Call:
    return Call(role, "sqs", "SendMessage", {"QueueUrl": f"https://sqs/{queue}", "MessageBody": "{}"})


def publish(role: str, topic_arn: str) -> Call:
    return Call(role, "sns", "Publish", {"TopicArn": topic_arn, "Message": "-"})


def ecs(role: str, operation: str, **parameters: Any) -> Call:
    return Call(role, "ecs", operation, {"cluster": CLUSTER_ARN, **parameters})


def part_of_service(operation: str, kind: str, cluster: str) -> Call:
    parameter = "serviceDeploymentArns" if kind == "service-deployment" else "serviceRevisionArns"
    return Call(REDEPLOY, "ecs", operation, {parameter: [f"{ECS}:{kind}/{cluster}/app/1"]})


def image(operation: str, repository: str, role: str = REDEPLOY) -> Call:
    more: Json = {}
    if operation == "BatchGetImage":
        more = {"imageIds": [{"imageTag": "latest"}]}
    elif operation == "BatchCheckLayerAvailability":
        more = {"layerDigests": ["sha256:1"]}
    elif operation == "GetDownloadUrlForLayer":
        more = {"layerDigest": "sha256:1"}
    return Call(role, "ecr", operation, {"repositoryName": repository, **more})


def file(operation: str, bucket: str, key: str = "") -> Call:
    return Call(EXECUTION, "s3", operation, {"Bucket": bucket, **({"Key": key} if key else {})})


def secret(*names: str) -> Call:
    return Call(EXECUTION, "ssm", "GetParameters", {"Names": list(names)})


DEPLOY = ecs(REDEPLOY, "UpdateService", service="app", forceNewDeployment=True)
UNTAG = Call(
    UPDATE,
    "ecs",
    "UntagResource",
    {"resourceArn": f"{ECS}:service/lab/app", "tagKeys": ["pushlive:hostname"]},
)
LOG = {role: str(names()[f"{role.removesuffix('Role')}Logs"]) for role in (REDEPLOY, UPDATE)}
TASK_LOG, QUEUE = str(names()["TaskLogs"]), str(names()["DeadLetters"])
LAYERS = ["BatchCheckLayerAvailability", "GetDownloadUrlForLayer", "BatchGetImage"]

LEASE = {"logGroupName": LOG[REDEPLOY], "logStreamName": "leases/app/1/2/1"}

EVERY_DAY = {
    "lease": Call(REDEPLOY, "logs", "CreateLogStream", LEASE),
    "list-leases": Call(REDEPLOY, "logs", "DescribeLogStreams", {"logGroupName": LOG[REDEPLOY]}),
    "give-the-lease-back": Call(REDEPLOY, "logs", "DeleteLogStream", LEASE),
    "deploy": DEPLOY,
    "write-the-record": record(change(), change(f"_pushlive.{HOST_NAME}", "TXT")),
    "replace-the-record": record(change(action="DELETE"), change()),
    "take-the-tag-off": UNTAG,
    "read-the-image": image("DescribeImages", "app"),
    "read-the-index": image("BatchGetImage", "app"),
    "read-the-deployment": part_of_service("DescribeServiceDeployments", "service-deployment", "lab"),
    "read-the-revision": part_of_service("DescribeServiceRevisions", "service-revision", "lab"),
    "list-deployments": ecs(REDEPLOY, "ListServiceDeployments", service="app"),
    "read-the-addresses": Call(UPDATE, "ec2", "DescribeNetworkInterfaces"),
    "read-cloudfronts-addresses": Call(UPDATE, "ec2", "DescribeManagedPrefixLists"),
    "read-the-zone": Call(UPDATE, "route53", "GetHostedZone", {"Id": HOSTED_ZONE_ID}),
    "read-the-record": Call(UPDATE, "route53", "ListResourceRecordSets", {"HostedZoneId": HOSTED_ZONE_ID}),
    **{
        f"{role}-{operation}": call
        for role in (REDEPLOY, UPDATE)
        for operation, call in {
            "read-the-definition": Call(role, "ecs", "DescribeTaskDefinition", {"taskDefinition": "app:1"}),
            "list-services": ecs(role, "ListServices"),
            "list-tasks": ecs(role, "ListTasks", serviceName="app"),
            "read-services": ecs(role, "DescribeServices", services=["app", "worker"]),
            "read-tasks": ecs(role, "DescribeTasks", tasks=["1", f"{ECS}:task/lab/2"]),
            "write-its-log": log(role, "PutLogEvents", LOG[role]),
            "begin-its-log": log(role, "CreateLogStream", LOG[role]),
            "dead-letter": dead_letter(role, QUEUE),
            "tell": publish(role, TOPIC_ARN),
            "list-what-was-told": Call(role, "logs", "DescribeLogStreams", {"logGroupName": LOG[role]}),
            "tell-it-another-time": Call(
                role,
                "logs",
                "DeleteLogStream",
                {"logGroupName": LOG[role], "logStreamName": "notifications/app/1/1"},
            ),
        }.items()
    },
    "task-logs-in": Call(EXECUTION, "ecr", "GetAuthorizationToken"),
    "task-begins-its-log": log(EXECUTION, "CreateLogStream", TASK_LOG),
    "task-writes-its-log": log(EXECUTION, "PutLogEvents", TASK_LOG),
    **{f"task-{operation}": image(operation, "app", EXECUTION) for operation in LAYERS},
    "task-finds-its-settings": file("GetBucketLocation", "settings"),
    "task-reads-its-settings": file("GetObject", "settings", "app.env"),
    "task-reads-its-secret": secret(f"/{STACK_NAME}/DATABASE_URL"),
}
