"""Fixtures of the functions' tests: a region in process, the functions' log, CloudFormation's end."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
import redeploy_service.app
import update_record.app
from moto import mock_aws

from pushlive import aws, ecs, route53
from trials.in_memory.region import ACCOUNT, REGION, Region
from trials.in_memory.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.core.models import MockAWS

    Json = dict[str, Any]


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests: it reads botocore's service models once."""
    return boto3.Session(
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name=REGION,
        botocore_session=aws.in_utc(botocore.session.get_session()),
    )


@pytest.fixture(scope="session")
def hands(session: boto3.Session) -> dict[str, Any]:
    """The clients of a person, answered by moto alone."""
    return {
        "ecr": session.client("ecr"),
        "ec2": session.client("ec2"),
        "logs": session.client("logs"),
        "route53": session.client("route53"),
    }


@pytest.fixture(scope="session")
def wire(session: boto3.Session) -> Wire:
    """The functions' clients, with the functions' own configuration."""
    return Wire(session, aws.CONFIG, ACCOUNT)


@pytest.fixture(scope="module")
def moto() -> Iterator[MockAWS]:
    """Moto, for the tests of one file."""
    with pytest.MonkeyPatch.context() as patch, mock_aws() as mock:
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # a third of a second each time
        yield mock


@pytest.fixture
def region(moto: MockAWS, wire: Wire, hands: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Region:
    """A region with an empty cluster and an empty zone, and functions that were never called.

    What botocore waits before a retry passes in the region's virtual time.
    """
    moto.reset()
    ecs.task_definition.cache_clear()
    route53.zone_name.cache_clear()
    region = Region(wire, hands)
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=region.wait))
    return region


class Log:
    """What the functions wrote, line by line."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def lines(self, **wanted: str) -> list[Json]:
        """The lines with these keys and values, oldest first."""
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in lines if all(line.get(key) == value for key, value in wanted.items())]

    def messages(self, **wanted: str) -> list[str]:
        """Their messages: an action's name, `ignored` or `failed`."""
        return [line["message"] for line in self.lines(**wanted)]

    def clear(self) -> None:
        """Forget what was written."""
        self._stream.seek(0)
        self._stream.truncate()

    def reasons(self, **wanted: str) -> str:
        """Their reasons, a line each."""
        return "\n".join(str(line.get("reason")) for line in self.lines(**wanted))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    """The functions' log from now on."""
    stream = io.StringIO()
    for app in (redeploy_service.app, update_record.app):
        monkeypatch.setattr(app.logger.registered_handler, "stream", stream)
    return Log(stream)


class CloudFormation:
    """What waits for a custom resource's answer; `zone_id` is the stack's parameter."""

    def __init__(self, url: str, zone_id: str) -> None:
        self.url = url
        self.zone_id = zone_id
        self.answers: list[Json] = []
        self.headers: list[dict[str, str]] = []
        """Of each answer."""
        self.asked: list[str] = []
        """The path of each answer, with its query."""
        self.lengths: list[int] = []

    def request(self, request_type: str, host_names: str, cluster_name: str = "lab", **more: str) -> Json:
        """The event of the custom resource that stands for the cluster's records."""
        return {
            "RequestType": request_type,
            "RequestId": "request-1",
            "ResponseURL": self.url,
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/hello/1",
            "LogicalResourceId": "HostNameRecords",
            "ResourceType": "Custom::HostNameRecords",
            "ResourceProperties": {
                "ServiceToken": "-",
                "HostedZoneId": self.zone_id,
                "HostNames": host_names,
                "ClusterName": cluster_name,
            },
            **more,
        }

    def made(self, host_names: str, cluster_name: str = "lab") -> str:
        """The PhysicalResourceId of the records of these names."""
        return f"{host_names} of {cluster_name} in {self.zone_id}"

    def delete(self, host_names: str, cluster_name: str = "lab") -> Json:
        """The event of that resource's end."""
        made = self.made(host_names, cluster_name)
        return self.request("Delete", host_names, cluster_name, PhysicalResourceId=made)

    def delete_of_service(self, service_name: str, host_name: str) -> Json:
        """The event of the end of the custom resource that stands for one service's record."""
        request = self.request("Delete", "", PhysicalResourceId=service_name)
        resource = {"LogicalResourceId": "RecordGone", "ResourceType": "Custom::RecordGone"}
        return {
            **request,
            **resource,
            "ResourceProperties": {"ServiceToken": "-", "ServiceName": service_name, "HostName": host_name},
        }

    def request_about_tasks(self, request_type: str) -> Json:
        """The event of the custom resource that waits for tasks."""
        request = self.request(request_type, "", PhysicalResourceId="TasksGone")
        resource = {"LogicalResourceId": "TasksGone", "ResourceType": "Custom::TasksGone"}
        return {**request, **resource, "ResourceProperties": {"ServiceToken": "-", "ServiceTimeout": "600"}}

    def request_for_cloudfronts_addresses(self, request_type: str, **more: str) -> Json:
        """The event of the custom resource whose identity is the prefix list."""
        request = self.request(request_type, "", **more)
        resource = {
            "LogicalResourceId": "CloudFrontAddresses",
            "ResourceType": "Custom::CloudFrontAddresses",
        }
        return {**request, **resource, "ResourceProperties": {"ServiceToken": "-"}}

    @property
    def answer(self) -> Json:
        """The only answer."""
        [answer] = self.answers
        return answer


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch, region: Region) -> Iterator[CloudFormation]:
    """A server on loopback that takes answers, and what a stack of the region asks."""

    class Answers(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.headers.append(dict(self.headers))
            taken.asked.append(self.path)
            taken.lengths.append(len(body))
            taken.answers.append(json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        taken = CloudFormation(f"http://127.0.0.1:{server.server_port}/answer?signature=1", region.zone_id)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield taken
        server.shutdown()
        thread.join()
