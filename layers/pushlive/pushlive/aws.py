"""The AWS clients of a function, made at their first use and kept while the function is warm."""

from __future__ import annotations

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError

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
    return deploying_once(_session().create_client(service_name, config=CONFIG))


@cache
def _session() -> botocore.session.Session:
    """Return what all clients share: botocore's own, for boto3's would load much that is not used."""
    return botocore.session.get_session()


def deploying_once(client: Any) -> Any:  # noqa: ANN401 - of any service
    """Return `client`, which no longer repeats an UpdateService that may have been carried out.

    UpdateService takes no client token, so a repetition starts a second deployment. One that AWS refused,
    by throttling for example, is repeated as any other call.
    """
    client.meta.events.register("needs-retry.ecs.UpdateService", _raise_if_the_outcome_is_unknown)
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
