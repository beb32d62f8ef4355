"""boto3 clients whose requests are answered in process: by moto, by the model of ECS, or by an error.

The answers come at botocore's `before-send`, so requests are validated and serialized, and responses
parsed, by botocore itself.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber
from moto.logs.models import logs_backends
from moto.route53.models import route53_backends

from lab.ecs.api.requests import EcsError
from layer_build import OPERATIONS
from pushlive import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import boto3
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.config import Config

    Json = dict[str, Any]

LOST = "the answer is lost"
"""The code of a fault whose answer never comes: a read time-out."""
CHANGES = {"UpdateService", "UntagResource", "ChangeResourceRecordSets"}
ROUTE53_XMLNS = "https://route53.amazonaws.com/doc/2013-04-01/"


@dataclass(frozen=True)
class Call:
    """One call of a function; retries of botocore's count once."""

    operation: str
    parameters: Json


@dataclass
class Fault:
    """An error that AWS answers, so many times, to requests that contain a text."""

    operation: str
    code: str
    times: int
    containing: str
    carried_out: bool = False
    """AWS does what was asked all the same."""


class Wire:
    """Between the clients and what answers them."""

    def __init__(self, session: boto3.Session, config: Config, account: str) -> None:
        self._session = session
        self._config = config
        self._account = account
        self._clients: dict[str, Any] = {}
        self.forget(_nothing_there, lambda: 0.0)

    def forget(self, answer_ecs: Callable[[str, Json], Json], clock: Callable[[], float]) -> None:
        """Begin anew, with another ECS and another time: clients are made once, because that takes long."""
        self.recording = ""
        """The function whose calls these are."""
        self.calls: list[Call] = []
        self.attempts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.hooks: dict[str, list[Callable[[], None]]] = {}
        self._parameters: Json = {}
        self._answer_ecs: Callable[[str, Json], Json] = answer_ecs
        self._clock: Callable[[], float] = clock

    def client(self, service: str) -> Any:
        """The client of an AWS service, such as `ecs`."""
        if service not in self._clients:
            self._clients[service] = self._wired(service)
        return self._clients[service]

    def _wired(self, service: str) -> Any:
        client = aws.asking_once(self._session.client(service, config=self._config))  # type: ignore[call-overload]
        # botocore calls every handler and then takes the first answer: moto must not act by itself.
        client.meta.events.unregister("before-send", botocore_stubber)
        client.meta.events.register("before-send", self._answer)
        client.meta.events.register("provide-client-params", self._note)
        return client

    @contextmanager
    def recorded(self, function: str) -> Iterator[None]:
        """The calls in this block are a function's; those of "" are somebody else's."""
        before, self.recording = self.recording, function
        try:
            yield
        finally:
            self.recording = before

    def _note(self, params: Json, model: Any, **_: object) -> None:
        self._parameters = params
        if self.recording:
            called = f"{model.service_model.service_name}:{model.name}"
            assert called in OPERATIONS[self.recording], f"{called} of {self.recording} is not declared"
            self.calls.append(Call(model.name, dict(params)))

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse | None:
        _before_send, service, operation = event_name.split(".")
        parameters = self._parameters
        if self.recording:
            self.attempts[operation] += 1
            for hook in self.hooks.pop(operation, []):
                with self.recorded(""):
                    hook()
            for fault in self.faults:
                if fault.operation == operation and fault.times and fault.containing in str(parameters):
                    fault.times -= 1
                    if fault.carried_out:
                        self._carry_out(request, event_name, parameters)
                    if fault.code == LOST:
                        raise ReadTimeoutError(endpoint_url=request.url)
                    return refusal(request.url, service, fault.code, f"{operation} was refused by the test")
        return self._carry_out(request, event_name, parameters)

    def _carry_out(
        self, request: AWSPreparedRequest, event_name: str, parameters: Json
    ) -> AWSResponse | None:
        _before_send, service, operation = event_name.split(".")
        if service == "ecs":
            try:
                answer = self._answer_ecs(operation, json.loads(request.body))  # type: ignore[arg-type]
            except EcsError as error:
                return refusal(request.url, service, error.code, error.message)
            return _response(request.url, 200, json.dumps(answer))
        if operation == "ChangeResourceRecordSets" and self.recording:
            return self._change(request.url, parameters)
        answered = botocore_stubber(event_name=event_name, request=request)
        if operation == "CreateLogStream" and answered is not None and answered.status_code == 200:
            region = str(self._session.region_name)
            group = logs_backends[self._account][region].groups[parameters["logGroupName"]]
            stream = group.streams[parameters["logStreamName"]]
            stream.creation_time = datetime.fromtimestamp(self._clock(), UTC).replace(tzinfo=None)
        return answered

    def _change(self, url: str, parameters: Json) -> AWSResponse:
        """As Route 53 does it, where moto does not: atomic, DELETE matches all, CREATE finds nothing.

        API reference, ChangeResourceRecordSets.
        """
        zone = route53_backends[self._account]["aws"].get_hosted_zone(parameters["HostedZoneId"])
        present = {(found.name, found.type): found for found in zone.rrsets}
        problems = []
        created = []
        for change in parameters["ChangeBatch"]["Changes"]:
            given = change["ResourceRecordSet"]
            key = (given["Name"].rstrip(".") + ".", given["Type"])
            values = [value["Value"] for value in given["ResourceRecords"]]
            found = present.get(key)
            what = f"resource record set [name='{key[0]}', type='{key[1]}']"
            if change["Action"] == "DELETE":
                if found is None:
                    problems.append(f"Tried to delete {what} but it was not found")
                elif (str(found.ttl), sorted(found.records)) != (str(given["TTL"]), sorted(values)):
                    problems.append(f"Tried to delete {what} but the values provided do not match")
                else:
                    del present[key]
            elif found is not None or (key[0], "CNAME") in present:
                problems.append(f"Tried to create {what} but it already exists")
            else:
                created.append({**given, "Name": key[0], "ResourceRecords": values})
        if problems:
            return refusal(url, "route-53", "InvalidChangeBatch", f"[{', '.join(problems)}]")
        zone.rrsets = list(present.values())
        for record_set in created:
            zone.add_rrset(record_set)
        return _response(
            url,
            200,
            f'<ChangeResourceRecordSetsResponse xmlns="{ROUTE53_XMLNS}"><ChangeInfo><Id>/change/C1</Id>'
            "<Status>PENDING</Status><SubmittedAt>2026-11-20T10:00:00Z</SubmittedAt></ChangeInfo>"
            "</ChangeResourceRecordSetsResponse>",
        )


def _nothing_there(operation: str, _: Json) -> Json:
    raise AssertionError(f"{operation} was called outside of a test")


def refusal(url: str, service: str, code: str, message: str) -> AWSResponse:
    status = 403 if code.startswith(("AccessDenied", "Unauthorized")) else 400
    if code == "ServerException":
        status = 500
    if service in {"ecs", "ecr", "cloudwatch-logs"}:
        return _response(url, status, json.dumps({"__type": code, "message": message}))
    text = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if service == "sns":
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type>{text}</Error><RequestId>1</RequestId></ErrorResponse>"
        )
    elif service == "ec2":
        body = f"<Response><Errors><Error>{text}</Error></Errors><RequestID>1</RequestID></Response>"
    else:
        body = (
            f'<ErrorResponse xmlns="{ROUTE53_XMLNS}"><Error><Type>Sender</Type>{text}</Error>'
            "<RequestId>1</RequestId></ErrorResponse>"
        )
    return _response(url, status, body)


def _response(url: str, status: int, body: str) -> AWSResponse:
    return AWSResponse(url, status, {}, MockRawResponse(body))  # type: ignore[arg-type]
