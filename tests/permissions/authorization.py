"""Which requests IAM decides on when a function makes a call.

Resources and condition keys are those of the Service Authorization Reference (its pages for Amazon ECS,
ECR, EC2, Route 53, S3, SNS, SQS, Systems Manager and CloudWatch Logs); test_reference.py compares this file
with it. A call that names several resources, or needs two kinds of them, is decided on for each.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.validate import ParamValidator

from tests.permissions.iam import Request
from trials.in_memory.region import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]
Context = dict[str, str | list[str]]
TagsOf = "Callable[[str], Mapping[str, str]]"

ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
ROUTE53_PLAIN = re.compile(r"[a-z0-9_.-]")


class UnknownCallError(Exception):
    """Nobody has looked up what IAM decides on for this call."""


@cache
def _operation(service: str, name: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(name)


def requests_of(
    service: str, operation: str, parameters: Json, tags_of: Callable[[str], Mapping[str, str]]
) -> list[Request]:
    """Return what IAM decides on; `tags_of` gives the tags of an ECS service by its ARN.

    Raises:
        UnknownCallError: add the call to RULES, with its resources and condition keys.
        ParamValidationError: AWS would not take these parameters at all.
    """
    action = f"{service}:{operation}"
    if action not in RULES:
        raise UnknownCallError(
            f"{action} is called: add its resources and condition keys, from the Service Authorization "
            "Reference, to tests/permissions/authorization.py"
        )
    report = ParamValidator().validate(parameters, _operation(service, operation).input_shape)
    assert not report.has_errors(), report.generate_report()
    decided = []
    for resource, context in RULES[action](parameters):
        tags: Context = {}
        if action in TAG_KEYS and ":service/" in resource:
            tags = {f"aws:ResourceTag/{key}": value for key, value in tags_of(resource).items()}
        decided.append(Request(action, resource, {**context, **tags}))
    return decided


def _cluster_arn(parameters: Json) -> str:
    cluster = str(parameters.get("cluster", "default"))
    return cluster if cluster.startswith("arn:") else f"{ECS}:cluster/{cluster}"


def _in_cluster(parameters: Json, kind: str, name: str) -> str:
    """The ARN of a service or task that is given by its name or its ARN."""
    if name.startswith("arn:"):
        return name
    return _cluster_arn(parameters).replace(":cluster/", f":{kind}/") + f"/{name}"


def _of_cluster(parameters: Json) -> Context:
    return {"ecs:cluster": _cluster_arn(parameters)}


def _list_services(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield "*", _of_cluster(parameters)


def _list_tasks(parameters: Json) -> Iterator[tuple[str, Context]]:
    cluster = _cluster_arn(parameters).replace(":cluster/", ":container-instance/")
    yield f"{cluster}/*", _of_cluster(parameters)


def _one_service(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield _in_cluster(parameters, "service", parameters["service"]), _of_cluster(parameters)


def _services(parameters: Json) -> Iterator[tuple[str, Context]]:
    for name in parameters["services"]:
        yield _in_cluster(parameters, "service", name), _of_cluster(parameters)


def _tasks(parameters: Json) -> Iterator[tuple[str, Context]]:
    for name in parameters["tasks"]:
        yield _in_cluster(parameters, "task", name), _of_cluster(parameters)


def _parts_of_services(parameters: Json) -> Iterator[tuple[str, Context]]:
    """Service deployments or revisions, by ARN, and the service that each is of."""
    for arn in parameters.get("serviceDeploymentArns") or parameters["serviceRevisionArns"]:
        head, cluster, service, _id = arn.split("/")
        prefix = head.rpartition(":")[0]
        context: Context = {"ecs:cluster": f"{prefix}:cluster/{cluster}"}
        yield arn, context
        yield f"{prefix}:service/{cluster}/{service}", context


def _untag(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield parameters["resourceArn"], {"aws:TagKeys": parameters["tagKeys"]}


def _any_resource(_: Json) -> Iterator[tuple[str, Context]]:
    yield "*", {}


def _repository(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{parameters['repositoryName']}", {}


def _zone(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield f"arn:aws:route53:::hostedzone/{parameters.get('Id') or parameters['HostedZoneId']}", {}


def _record_sets(parameters: Json) -> Iterator[tuple[str, Context]]:
    changes = parameters["ChangeBatch"]["Changes"]
    record_sets = [change["ResourceRecordSet"] for change in changes]
    [(zone, _)] = _zone(parameters)
    key = "route53:ChangeResourceRecordSets"
    yield (
        zone,
        {
            f"{key}NormalizedRecordNames": [normalized(each["Name"]) for each in record_sets],
            f"{key}RecordTypes": [each["Type"] for each in record_sets],
            f"{key}Actions": [change["Action"] for change in changes],
        },
    )


def normalized(name: str) -> str:
    """Return a record name as the condition key has it.

    Route 53 guide, "Using IAM policy conditions for fine-grained access control", "Normalized record
    names": lower case, no dot at the end, anything but a-z 0-9 - _ . as an octal code.
    """
    return "".join(
        each if ROUTE53_PLAIN.fullmatch(each) else f"\\{ord(each):03o}"
        for each in name.removesuffix(".").lower()
    )


def _log_stream(parameters: Json) -> Iterator[tuple[str, Context]]:
    group, stream = parameters["logGroupName"], parameters["logStreamName"]
    yield f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream:{stream}", {}


def _log_group(parameters: Json) -> Iterator[tuple[str, Context]]:
    # With ":*" for all but tags (CloudWatch Logs guide, "CloudWatch Logs resources and operations").
    yield f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{parameters['logGroupName']}:*", {}


def _queue(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield f"arn:aws:sqs:{REGION}:{ACCOUNT}:{parameters['QueueUrl'].rpartition('/')[2]}", {}


def _object(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}", {}


def _bucket(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield f"arn:aws:s3:::{parameters['Bucket']}", {}


def _parameters(parameters: Json) -> Iterator[tuple[str, Context]]:
    for name in parameters["Names"]:
        yield f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}", {}


def _topic(parameters: Json) -> Iterator[tuple[str, Context]]:
    yield parameters["TopicArn"], {}


RULES: dict[str, Callable[[Json], Iterator[tuple[str, Context]]]] = {
    "ec2:DescribeManagedPrefixLists": _any_resource,
    "ec2:DescribeNetworkInterfaces": _any_resource,
    "ecr:BatchCheckLayerAvailability": _repository,
    "ecr:BatchGetImage": _repository,
    "ecr:DescribeImages": _repository,
    "ecr:GetAuthorizationToken": _any_resource,
    "ecr:GetDownloadUrlForLayer": _repository,
    "ecs:DescribeServiceDeployments": _parts_of_services,
    "ecs:DescribeServiceRevisions": _parts_of_services,
    "ecs:DescribeServices": _services,
    "ecs:DescribeTaskDefinition": _any_resource,
    "ecs:DescribeTasks": _tasks,
    "ecs:ListServiceDeployments": _one_service,
    "ecs:ListServices": _list_services,
    "ecs:ListTasks": _list_tasks,
    "ecs:UntagResource": _untag,
    "ecs:UpdateService": _one_service,
    "logs:CreateLogStream": _log_stream,
    "logs:DeleteLogStream": _log_stream,
    "logs:DescribeLogStreams": _log_group,
    "logs:PutLogEvents": _log_stream,
    "route53:ChangeResourceRecordSets": _record_sets,
    "route53:GetHostedZone": _zone,
    "route53:ListResourceRecordSets": _zone,
    "s3:GetBucketLocation": _bucket,
    "s3:GetObject": _object,
    "sns:Publish": _topic,
    "sqs:SendMessage": _queue,
    "ssm:GetParameters": _parameters,
}

# Decided with the tags of the service, of those that a policy asks for (aws:ResourceTag/...).
TAG_KEYS = {"ecs:UpdateService", "ecs:UntagResource", "ecs:DescribeServices"}
