"""The functions' test region with IAM in it: each call of a function is decided on by its role's policies.

Lambda's own calls with the role count too: it writes the log, and sends what failed to its destination.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.template import fill
from tests.permissions.authorization import requests_of
from tests.permissions.iam import Request, allows
from tests.permissions.policies import Policies, names, stack
from trials.in_memory.region import Region
from trials.in_memory.wire import Wire, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

Json = dict[str, Any]

# A client's name for a service, where IAM has another one.
PREFIXES = {"cloudwatchlogs": "logs"}

# What each service answers (its API reference, "Common Errors").
ERROR_CODES = {"ec2": "UnauthorizedOperation", "route53": "AccessDenied"}


class LambdaDeniedError(Exception):
    """Lambda itself was denied something that the function's role must allow."""


class EnforcedWire(Wire):
    """A wire on which IAM decides before anything else answers."""

    policies: Policies
    role: str

    def enforce(self, policies: Policies) -> None:
        """Decide by these from now on."""
        self.policies = policies
        self.decided: list[Request] = []
        self.denied: list[Request] = []

    def decide(self, service: str, operation: str, parameters: Json) -> Request | None:
        """Return the first request of a call that the role may not make, None if it may make the call."""
        documents = self.policies[self.role].values()
        for request in requests_of(service, operation, parameters, self._tags_of):
            self.decided.append(request)
            if not allows(documents, request):
                self.denied.append(request)
                return request
        return None

    def _tags_of(self, service_arn: str) -> Mapping[str, str]:
        cluster, name = service_arn.split("/")[-2:]
        answer = self._answer_ecs(
            "DescribeServices", {"cluster": cluster, "services": [name], "include": ["TAGS"]}
        )
        return {
            tag["key"]: tag.get("value", "") for found in answer["services"] for tag in found.get("tags", [])
        }

    def _answer(self, request: AWSPreparedRequest, event_name: str, **_: object) -> AWSResponse | None:
        _before_send, service_id, operation = event_name.split(".")
        service = PREFIXES.get(service_id.replace("-", ""), service_id.replace("-", ""))
        denied = self.decide(service, operation, self._parameters) if self.recording else None
        if denied is None:
            return super()._answer(request, event_name)
        code = ERROR_CODES.get(service, "AccessDeniedException")
        return refusal(request.url, service_id, code, f"{self.role} is not authorized: {denied}")


class EnforcedRegion(Region):
    """A region in which each function runs with its role."""

    wire: EnforcedWire

    def redeploy(self, event: Json | None = None, **env: str) -> None:
        """Run RedeployService as Lambda does."""
        with self._lambda("RedeployService"):
            super().redeploy(event, **env)

    def update_record(self, event: Json | None = None, *, seconds: float = 45, **env: str) -> None:
        """Run UpdateRecord as Lambda does."""
        with self._lambda("UpdateRecord"):
            super().update_record(event, seconds=seconds, **env)

    @contextmanager
    def _lambda(self, function: str) -> Iterator[None]:
        """What Lambda does around a run: log stream, log, and where the run fails, its destination.

        Lambda guide, "Defining Lambda function permissions with an execution role", "Adding a destination".
        """
        properties = stack().resources[function]["Properties"]
        before = getattr(self.wire, "role", "")
        self.wire.role = properties["Role"]["Fn::GetAtt"][0]
        log = {
            "logGroupName": fill(properties["LoggingConfig"]["LogGroup"], names()),
            "logStreamName": "2026/11/20/[$LATEST]1",
        }
        try:
            self._lambda_calls("logs", "CreateLogStream", log)
            try:
                yield
            except Exception:
                self._lambda_calls(
                    "sqs", "SendMessage", {"QueueUrl": _queue_of(function), "MessageBody": "{}"}
                )
                raise
            finally:
                self._lambda_calls(
                    "logs", "PutLogEvents", {**log, "logEvents": [{"timestamp": 1, "message": "-"}]}
                )
        finally:
            self.wire.role = before

    def _lambda_calls(self, service: str, operation: str, parameters: Json) -> None:
        denied = self.wire.decide(service, operation, parameters)
        if denied:
            raise LambdaDeniedError(str(denied))


def _queue_of(function: str) -> str:
    """The URL of the queue to which Lambda sends what the function failed on."""
    [config] = [
        properties
        for properties in stack().of_type("AWS::Lambda::EventInvokeConfig").values()
        if properties["FunctionName"]["Ref"] == function
    ]
    arn: str = fill(config["DestinationConfig"]["OnFailure"]["Destination"], names())
    return f"https://sqs/{arn.rpartition(':')[2]}"
