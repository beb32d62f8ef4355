"""The AWS account that is asked, and the boundary around each question."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from commands.why.finding import Finding, Level
from pushlive import aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import botocore.session

CONFIG = Config(retries={"mode": "standard"}, connect_timeout=5, read_timeout=20)
NOT_FOUND = "ResourceNotFoundException"
"""The code of Lambda, EventBridge and CloudWatch Logs."""
REGIONS = {"acm": "us-east-1"}
"""The services that are asked elsewhere: CloudFront, itself global, looks for certificates there alone."""
DENIED = ("AccessDenied", "UnauthorizedOperation", "AuthorizationError")
"""In the codes of errors: JSON and XML services, EC2, SNS."""

K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class CannotLookError(Exception):
    """There is nothing to look at; the text says why, and what to do."""


@dataclass
class Account:
    """The AWS account, asked each question once a look: so all that is told is of one moment."""

    session: botocore.session.Session
    clients: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    """To what was asked in this look."""

    def __post_init__(self) -> None:
        aws.in_utc(self.session)

    @property
    def region(self) -> str:
        """Return the region that is asked."""
        return str(self.session.get_config_variable("region") or "")

    def client(self, service_name: str) -> Any:  # noqa: ANN401 - of any service
        """Return the client of an AWS service, such as `ecs`."""
        if service_name not in self.clients:
            region = REGIONS.get(service_name)
            client = self.session.create_client(service_name, region_name=region, config=CONFIG)
            # An answer of a handler of before-call is taken for AWS's: so does botocore's own Stubber.
            client.meta.events.register_first("before-call", self._known)
            client.meta.events.register("after-call", self._learn)
            self.clients[service_name] = client
        return self.clients[service_name]

    def ask(self, service: str, operation: str, *absent: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Return an answer; None if its error is one of `absent`: what was asked for is not there."""
        try:
            return getattr(self.client(service), operation)(**parameters)
        except ClientError as error:
            if code_of(error) not in absent:
                raise
            return None

    def items(
        self, service: str, operation: str, key: str, *absent: str, **parameters: object
    ) -> Iterator[Any]:
        """Yield what an answer's pages hold under `key` (`A.B`: B in A); nothing at an error of `absent`."""
        try:
            for page in self.client(service).get_paginator(operation).paginate(**parameters):
                yield from reduce(lambda held, name: held.get(name) or {}, key.split("."), page)
        except ClientError as error:
            if code_of(error) not in absent:
                raise

    def _known(self, **event: Any) -> Any:  # noqa: ANN401 - of any operation
        request, context = event["params"], event["context"]
        context["asked"] = f"{event['model'].name} {request['url']} {request['body']}"
        return self.answers.get(context["asked"])

    def _learn(self, **event: Any) -> None:  # noqa: ANN401 - of any operation
        self.answers[event["context"]["asked"]] = (event["http_response"], event["parsed"])


@dataclass
class Boundary:
    """Keeps one error from hiding the rest, and tells it once."""

    errors: dict[str, tuple[list[str], Exception]] = field(default_factory=dict)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """End the block at an error, and remember that `what` could not be looked at."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever is odd about it, the rest is shown
            self.errors.setdefault(repr(error), ([], error))[0].append(what)

    def read(self, what: str, read: Callable[P, V], *args: P.args, **kwargs: P.kwargs) -> V | None:
        """Return what `read` returns; None at an error."""
        with self.around(what):
            return read(*args, **kwargs)
        return None

    def each(
        self, what: str, read: Callable[P, Iterable[tuple[K, V]]], *args: P.args, **kwargs: P.kwargs
    ) -> dict[K, V]:
        """Return what `read` yields, each key with its value, until an error."""
        found: dict[K, V] = {}
        with self.around(what):
            for key, value in read(*args, **kwargs):
                found[key] = value  # noqa: PERF403 - what was read before an error stays
        return found

    @property
    def unseen(self) -> tuple[Finding, ...]:
        """Return what could not be looked at."""
        return tuple(unseen(" and ".join(parts), error) for parts, error in self.errors.values())


def unseen(what: str, error: Exception) -> Finding:
    """Return that `what` could not be looked at."""
    said = " ".join(str(error).split())
    if is_denied(error):
        cure = "you need the right to read it: docs/why.md lists the actions"
    elif isinstance(error, ClientError | BotoCoreError | HTTPError | OSError):
        cure = "try again; the rest of this page is right"
    else:
        said = f"{type(error).__name__}: {said}"
        cure = "this command does not understand AWS's answer: please report this line"
    return Finding(Level.UNSEEN, "unseen", f"could not look at {what}: {said}", cure)


def is_denied(error: Exception) -> bool:
    """Return whether AWS refused, because who asks has no right to."""
    return isinstance(error, ClientError) and any(code in code_of(error) for code in DENIED)


def code_of(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))
