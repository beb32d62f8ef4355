"""EventBridge's JSON as our values. The only place that knows an event's keys.

An event only says when to look; what to do is decided from the live state. So an event that does
not concern us becomes `Ignored` with a reason, and only one that is damaged is an error.

Sources: ECR guide, "Amazon ECR events and EventBridge"; ECS guide, "Amazon ECS task state change
events", "… service action events", "… service deployment state change events"; CloudFormation
guide, "Custom resource request objects".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

# No key that is read is longer in an event of AWS's, but for CloudFormation's presigned URL.
LONGEST_TEXT = 2048
LONGEST_URL = 8192
SHOWN = 80
"""So much of what somebody sent is repeated in an error or a reason."""
TASKS_GONE = "Custom::TasksGone"
RECORD_GONE = "Custom::RecordGone"
CLOUDFRONT_ADDRESSES = "Custom::CloudFrontAddresses"
"""The type of the resource whose deletion waits for the tasks' end; the other one is the records'."""
SERVICE_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
"""API reference, CreateService, serviceName."""


HOSTED_ZONE_ID = re.compile(r"[A-Z0-9]{1,32}")
"""Route 53 API reference, HostedZone, Id."""


class EventError(Exception):
    """An event lacks what its kind always has; the text names the key."""


class Push(NamedTuple):
    """A manifest came to ECR under a tag."""

    event_id: str
    repository: str
    tag: str
    digest: str
    pushed_at: datetime


class ServiceChanged(NamedTuple):
    """A task, a deployment or the steadiness of a service changed: look at that service."""

    event_id: str
    service_name: str


class Schedule(NamedTuple):
    """Look at every service."""

    event_id: str


class StackRequest(NamedTuple):
    """CloudFormation creates, updates or deletes one of the stack's custom resources."""

    event_id: str
    request_type: str
    response_url: str
    stack_id: str
    logical_resource_id: str
    physical_resource_id: str | None
    resource_type: str
    service_name: str = ""
    """Of the one service whose record is meant; empty for those of the cluster."""
    cluster_name: str = ""
    host_names: str = ""
    """The names that the records may have; others than the function's own while a stack changes them."""
    hosted_zone_id: str = ""
    """Where the records are; another one than the function's own while a stack moves to another zone."""

    @property
    def made(self) -> str:
        """Return the PhysicalResourceId of what the request makes: another one is another resource.

        CloudFormation then deletes the old one, and so the old records, once the update is through.
        """
        if self.resource_type in (TASKS_GONE, CLOUDFRONT_ADDRESSES):
            return self.logical_resource_id
        return self.service_name or f"{self.host_names} of {self.cluster_name} in {self.hosted_zone_id}"


class Ignored(NamedTuple):
    """An event that asks nothing of us."""

    event_id: str
    reason: str


Trigger = Push | ServiceChanged | Schedule | StackRequest | Ignored


def parse(event: Any, *, cluster_arn: str) -> Trigger:  # noqa: ANN401, PLR0911 - whatever comes; a kind, a return
    """Return what `event` asks for of the cluster `cluster_arn`.

    Raises:
        EventError: it is not an event of EventBridge or CloudFormation, or lacks a key that its kind has.
    """
    if not isinstance(event, dict):
        raise EventError(f"The event is a {type(event).__name__}: an EventBridge event is a JSON object")
    if "RequestType" in event:
        return _stack_request(event)
    event_id = _text(event, "id")
    kind = _text(event, "detail-type")
    source = _text(event, "source")
    here = cluster_arn.split(":")
    if (_text(event, "region"), _text(event, "account")) != (here[3], here[4]):
        place = f"account {event['account']:.{SHOWN}} in {event['region']:.{SHOWN}}"
        return Ignored(event_id, f"it is of {place}, the cluster is not")
    if kind == "Scheduled Event" and source == "aws.events":
        return Schedule(event_id)
    if source == "aws.ecr" and kind == "ECR Image Action":
        return _image_action(event_id, event)
    if source == "aws.ecs" and kind == "ECS Task State Change":
        return _task_state_change(event_id, _object(event, "detail"), cluster_arn)
    if source == "aws.ecs" and kind in ("ECS Deployment State Change", "ECS Service Action"):
        return _service_named_by_resources(event_id, event, cluster_arn)
    return Ignored(event_id, f"{source:.{SHOWN}} {kind:.{SHOWN}} is not what we wait for")


def _image_action(event_id: str, event: dict[str, Any]) -> Push | Ignored:
    detail = _object(event, "detail")
    action, result = _text(detail, "action-type"), _text(detail, "result")
    if (action, result) != ("PUSH", "SUCCESS"):
        return Ignored(event_id, f"ECR Image Action {action:.{SHOWN}} {result:.{SHOWN}} deploys nothing")
    tag = detail.get("image-tag", "")
    if not tag:
        # Each child of an index, a provenance attestation and a SOCI index come without a tag.
        return Ignored(event_id, "an untagged manifest deploys nothing: the tag of its index comes by itself")
    return Push(
        event_id=event_id,
        repository=_text(detail, "repository-name"),
        tag=_text(detail, "image-tag"),
        digest=_text(detail, "image-digest"),
        pushed_at=_time(event),
    )


def _task_state_change(event_id: str, detail: dict[str, Any], cluster_arn: str) -> ServiceChanged | Ignored:
    if (cluster := _text(detail, "clusterArn")) != cluster_arn:
        return Ignored(event_id, f"its task runs in another cluster, {cluster:.{SHOWN}}")
    group = _text(detail, "group")
    kind, _, name = group.partition(":")
    if kind != "service" or not name:
        return Ignored(event_id, f"a standalone task ({group:.{SHOWN}}) has no record")
    return ServiceChanged(event_id, _service_name("group", name))


def _service_named_by_resources(
    event_id: str, event: dict[str, Any], cluster_arn: str
) -> ServiceChanged | Ignored:
    resources = event.get("resources")
    if not isinstance(resources, list) or not resources or not isinstance(resources[0], str):
        raise EventError("The event's key resources is not a list that names the service's ARN")
    # arn:aws:ecs:REGION:ACCOUNT:service/CLUSTER/NAME; ARNs of before 2019 lack the cluster.
    path = resources[0].rpartition(":")[2].split("/")
    if len(path) == 2 and path[0] == "service" and path[1]:  # noqa: PLR2004 - the parts below without one
        return Ignored(event_id, f"its service's ARN names no cluster: {resources[0]:.{SHOWN}}")
    if len(path) != 3 or path[0] != "service" or not all(path):  # noqa: PLR2004 - the parts above
        raise EventError(
            f"The event's key resources names {_shown(resources[0])}, which is not the ARN of a service"
        )
    if path[1] != cluster_arn.rpartition("/")[2]:
        return Ignored(event_id, f"its service runs in another cluster, {path[1]:.{SHOWN}}")
    return ServiceChanged(event_id, _service_name("resources", path[2]))


def _stack_request(event: dict[str, Any]) -> StackRequest:
    properties = _object(event, "ResourceProperties")
    request = StackRequest(
        event_id=_text(event, "RequestId"),
        request_type=_text(event, "RequestType"),
        response_url=_url(event, "ResponseURL"),
        stack_id=_text(event, "StackId"),
        logical_resource_id=_text(event, "LogicalResourceId"),
        physical_resource_id=_text(event, "PhysicalResourceId") if "PhysicalResourceId" in event else None,
        resource_type=_text(event, "ResourceType"),
    )
    if request.resource_type in (TASKS_GONE, CLOUDFRONT_ADDRESSES):
        return request
    if request.resource_type == RECORD_GONE:
        service_name = _service_name("ServiceName", _text(properties, "ServiceName"))
        return request._replace(service_name=service_name, host_names=_text(properties, "HostName"))
    return request._replace(
        cluster_name=_text(properties, "ClusterName"),
        host_names=_text(properties, "HostNames"),
        hosted_zone_id=_zone_id(properties),
    )


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise EventError(f"The event's key {key} is missing or not an object: {_shown(value)}")
    return value


def _text(parent: dict[str, Any], key: str, longest: int = LONGEST_TEXT) -> str:
    value = parent.get(key)
    if not isinstance(value, str) or not value:
        raise EventError(f"The event's key {key} is missing or not a text: {_shown(value)}")
    if len(value) > longest or not value.isprintable():
        raise EventError(
            f"The event's key {key} is not a printable text of {longest} characters at most: {_shown(value)}"
        )
    return value


def _service_name(key: str, name: str) -> str:
    if not SERVICE_NAME.fullmatch(name):
        raise EventError(f"The event's key {key} is not of a service, whose name cannot be {_shown(name)}")
    return name


def _zone_id(properties: dict[str, Any]) -> str:
    zone_id = _text(properties, "HostedZoneId")
    if not HOSTED_ZONE_ID.fullmatch(zone_id):
        raise EventError(f"The event's key HostedZoneId is not the id of a hosted zone: {_shown(zone_id)}")
    return zone_id


def _url(parent: dict[str, Any], key: str) -> str:
    """Return a URL that can be asked: https from CloudFormation, http from the lab."""
    url = _text(parent, key, LONGEST_URL)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
        is_url = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and " " not in url
        )
    except ValueError:
        is_url = False
    if not is_url:
        raise EventError(f"The event's key {key} is not a URL: {_shown(url)}")
    return url


def _time(event: dict[str, Any]) -> datetime:
    text = _text(event, "time")
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise EventError(
            f"The event's key time is {_shown(text)}, not a time such as 2026-11-20T10:00:00Z"
        ) from error


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever comes
    """Return a short picture of a value: never a whole list, nor a number of thousands of digits."""
    if isinstance(value, str):
        return f"{value[:SHOWN]!r:.{SHOWN}}"
    return (
        repr(value) if value is None or isinstance(value, bool) else f"a value of type {type(value).__name__}"
    )
