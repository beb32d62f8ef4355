"""CloudFormation: a custom resource's request is carried out, and answered.

Source: CloudFormation guide, "Custom resource response objects". Without an answer the stack waits for the
resource's ServiceTimeout, so every request gets one, also when it fails.
"""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools import Logger

    from pushlive.events import StackRequest

REASON_LENGTH = 1000  # in ASCII, for JSON makes six bytes of another letter: the answer has 4096 at most
ANSWER_SECONDS = 10


class NotYetError(Exception):
    """The run has to end before the request is carried out: Lambda runs the request again."""


def serve(request: StackRequest, carry_out: Callable[[StackRequest], str | None], logger: Logger) -> None:
    """Carry the request out, and tell CloudFormation.

    `carry_out` returns the PhysicalResourceId of what it made, where the request does not name it.

    Raises:
        NotYetError: `carry_out` is not through, and nothing is told.
    """
    try:
        made = carry_out(request) or request.made
    except NotYetError:
        raise
    except Exception as error:
        logger.exception("failed", resource=request.made)
        answer(request, failure=f"{type(error).__name__}: {error}")
        return
    logger.info(request.request_type.lower(), reason="asked by the stack", resource=made)
    answer(request, made)


def answer(request: StackRequest, made: str = "", *, failure: str = "") -> None:
    """Tell CloudFormation that the request was carried out, or why not.

    `made` is the PhysicalResourceId, where it is not the one that the request names.

    What failed made nothing: so its resource keeps its identity, or has none of a resource that was made.
    """
    physical_resource_id = made or request.made
    if failure or request.request_type == "Delete":
        physical_resource_id = request.physical_resource_id or request.logical_resource_id
    body = {
        "Status": "FAILED" if failure else "SUCCESS",
        "Reason": failure.encode("ascii", "replace").decode()[:REASON_LENGTH] or "done",
        "PhysicalResourceId": physical_resource_id,
        "StackId": request.stack_id,
        "RequestId": request.event_id,
        "LogicalResourceId": request.logical_resource_id,
    }
    put = urllib.request.Request(  # noqa: S310 - the URL is CloudFormation's own, presigned
        request.response_url, data=json.dumps(body).encode(), method="PUT", headers={"Content-Type": ""}
    )
    urllib.request.urlopen(put, timeout=ANSWER_SECONDS).close()  # noqa: S310
