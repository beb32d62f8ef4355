"""CloudFormation: the answer to a custom resource's request.

Source: CloudFormation guide, "Custom resource response objects". Without an answer the stack waits
for an hour, so every request gets one, also when it fails.
"""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pushlive.events import StackRequest

REASON_LENGTH = 1000  # in ASCII, for JSON makes six bytes of another letter: the answer has 4096 at most
ANSWER_SECONDS = 10


def answer(request: StackRequest, *, failure: str = "") -> None:
    """Tell CloudFormation that the request was carried out, or why not.

    The host name is the resource's identity: another one makes CloudFormation delete the old
    resource, and so the old record, once the update is through. The records of an existing cluster's
    services are one resource, whatever names they have.
    """
    physical_resource_id = request.host_name or request.cluster_name
    if request.request_type == "Delete" and request.physical_resource_id:
        physical_resource_id = request.physical_resource_id
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
