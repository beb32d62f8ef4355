"""The AWS clients of a function, made at their first use and kept while the function is warm."""

from __future__ import annotations

from datetime import UTC
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.utils import parse_timestamp

# "standard" waits for throttled calls, and knows Route 53's PriorRequestNotComplete
# (boto3 guide, "Retries"). The short time-outs leave room for a second try within the function's own.
CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 6},
    connect_timeout=3,
    read_timeout=10,
    user_agent_extra="pushlive",
)


@cache
def client(service_name: str) -> Any:  # noqa: ANN401 - each caller says which client it is
    """Return the client of an AWS service, such as `ecs`."""
    return asking_once(_session().client(service_name, config=CONFIG))  # type: ignore[call-overload]


@cache
def _session() -> boto3.Session:
    return boto3.Session(botocore_session=in_utc(botocore.session.get_session()))


def in_utc(session: botocore.session.Session) -> botocore.session.Session:
    """Return `session`, whose clients give times in UTC; botocore's own give them in the machine's zone."""
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=lambda value: parse_timestamp(value).astimezone(UTC))
    return session


def asking_once(client: Any) -> Any:  # noqa: ANN401 - of any service
    """Return `client`, which no longer repeats some requests that may have been carried out.

    UpdateService takes no client token, so a repetition starts a second deployment; and a lease that is given
    back twice may be another run's by then. What AWS refused, by throttling for example, is repeated as any
    other call.
    """
    for request in ("ecs.UpdateService", "logs.DeleteLogStream"):
        client.meta.events.register(f"needs-retry.{request}", _raise_if_the_outcome_is_unknown)
    return client


def _raise_if_the_outcome_is_unknown(
    response: tuple[Any, Any] | None,
    operation: Any,  # noqa: ANN401 - botocore's own, without types
    caught_exception: Exception | None,
    **_: object,
) -> None:
    # Sent, and no answer came. What could not even be sent is another error.
    if isinstance(caught_exception, HTTPClientError):
        raise caught_exception
    if response is not None and response[0].status_code >= 500:  # noqa: PLR2004 - HTTP's server errors
        raise ClientError(response[1], operation.name)
