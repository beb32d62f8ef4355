"""The AWS clients of a function, made at their first use and kept while the function is warm."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

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
    return boto3.client(service_name, config=CONFIG)  # type: ignore[call-overload]
