"""The JSON of the events, against the samples that AWS publishes."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest

from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, IMAGE, Scenario


@cache
def everything() -> Scenario:
    """A service that deployed, failed, rolled back, scaled in and out: every event there is."""
    lab = Scenario({"sha256:bad": Behaviour(start_seconds=None)})
    lab.push("sha256:good")
    lab.register({"name": "app", "image": IMAGE, "healthCheck": {"command": ["CMD", "true"], "interval": 5}})
    lab.create(desired=1, deploymentConfiguration=BREAKER)
    lab.wait_until_over()
    lab.push("sha256:bad")
    lab.redeploy()
    lab.wait_until_over()
    lab.wait(120)
    return lab


ENVELOPE = {"version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"}
MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# Written down from the ECS guide's samples, so that the tests need no file that is not in the repository.
DOCUMENTED_TASK = {
    "attachments", "attributes", "availabilityZone", "capacityProviderName", "clusterArn", "connectivity",
    "connectivityAt", "containers", "cpu", "createdAt", "desiredStatus", "enableExecuteCommand",
    "ephemeralStorage", "group", "launchType", "lastStatus", "memory", "overrides", "platformVersion",
    "pullStartedAt", "pullStoppedAt", "startedAt", "taskArn", "taskDefinitionArn", "updatedAt", "version",
}  # fmt: skip
# Members of the API's Task that an event of a service's task, or of a stopped one, has besides.
DOCUMENTED_ELSEWHERE = {
    "startedBy", "stopCode", "stoppedReason", "stoppingAt", "stoppedAt", "executionStoppedAt",
}  # fmt: skip


def of(detail_type: str) -> list[dict[str, Any]]:
    return everything().events(detail_type)


def test_every_event_has_eventbridges_envelope_and_is_json() -> None:
    for message in everything().runtime.events:
        event = json.loads(json.dumps(message.event))
        assert set(event) == ENVELOPE
        assert SECONDS.fullmatch(event["time"])
        assert (event["version"], event["source"], event["region"]) == ("0", "aws.ecs", "us-east-1")


def test_ids_of_events_are_unique() -> None:
    ids = [message.event["id"] for message in everything().runtime.events]
    assert len(set(ids)) == len(ids)


def test_a_task_event_has_the_documented_keys_only() -> None:
    for event in of("ECS Task State Change"):
        assert set(event["detail"]) <= DOCUMENTED_TASK | DOCUMENTED_ELSEWHERE
        assert event["resources"] == [event["detail"]["taskArn"]]


def test_a_task_event_has_no_public_address_no_health_and_no_tags() -> None:
    text = json.dumps(of("ECS Task State Change"))
    assert "198.51" not in text
    assert "healthStatus" not in text
    assert '"tags"' not in text


def test_the_attachment_is_of_type_eni_in_events_and_elastic_network_interface_in_describe_tasks() -> None:
    attachment = of("ECS Task State Change")[3]["detail"]["attachments"][0]
    assert (attachment["type"], attachment["status"]) == ("eni", "ATTACHED")
    names = [detail["name"] for detail in attachment["details"]]
    assert names == ["subnetId", "networkInterfaceId", "macAddress", "privateIPv4Address"]
    described = everything().tasks()[0]["attachments"][0]
    assert described["type"] == "ElasticNetworkInterface"
    assert [detail["name"] for detail in described["details"]] == names


def test_a_service_tasks_event_names_its_service_and_deployment() -> None:
    detail = of("ECS Task State Change")[0]["detail"]
    assert detail["group"] == "service:web"
    assert detail["startedBy"].startswith("ecs-svc/")


def test_a_stopped_tasks_event_says_why_and_still_names_the_interface() -> None:
    lab = everything()
    detail = next(e["detail"] for e in of("ECS Task State Change") if e["detail"]["lastStatus"] == "STOPPED")
    assert detail["stopCode"] == "TaskFailedToStart"
    assert detail["containers"][0]["exitCode"] == 127
    assert MILLISECONDS.fullmatch(detail["stoppedAt"])
    eni = detail["attachments"][0]["details"][1]["value"]
    assert eni.startswith("eni-")
    assert eni not in lab.world.interfaces


def test_a_running_tasks_event_has_the_digest_and_the_runtime_id() -> None:
    details = [event["detail"] for event in of("ECS Task State Change")]
    container = next(each for each in details if each["lastStatus"] == "RUNNING")["containers"][0]
    assert container["imageDigest"] == "sha256:good"
    assert container["image"] == IMAGE
    assert container["runtimeId"]


@pytest.mark.parametrize(
    ("detail_type", "keys", "types"),
    [
        pytest.param(
            "ECS Deployment State Change",
            {"eventType", "eventName", "deploymentId", "updatedAt", "reason"},
            {
                "SERVICE_DEPLOYMENT_IN_PROGRESS": "INFO",
                "SERVICE_DEPLOYMENT_COMPLETED": "INFO",
                "SERVICE_DEPLOYMENT_FAILED": "ERROR",
            },
            id="deployment",
        ),
        pytest.param(
            "ECS Service Action",
            {"eventType", "eventName", "clusterArn", "createdAt"},
            {"SERVICE_STEADY_STATE": "INFO", "SERVICE_TASK_START_IMPAIRED": "WARN"},
            id="service-action",
        ),
    ],
)
def test_events_about_the_service(detail_type: str, keys: set[str], types: dict[str, str]) -> None:
    events = of(detail_type)
    assert {event["detail"]["eventName"]: event["detail"]["eventType"] for event in events} == types
    for event in events:
        assert set(event["detail"]) == keys
        assert event["resources"] == ["arn:aws:ecs:us-east-1:000000000000:service/lab/web"]
