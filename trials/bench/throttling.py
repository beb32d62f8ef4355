"""AWS's limits of requests, in virtual time: a call takes a while, and one too many is refused.

ECS API reference, "Request throttling": a bucket for each kind of call. Where a call's own figures were not
looked up it shares the smaller ones. What a call takes is an assumption.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trials.in_memory.wire import Wire, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

CALL_SECONDS = 0.03


@dataclass
class Bucket:
    """A burst, and what comes back a second."""

    burst: float
    sustained: float
    left: float = field(init=False)
    at: float = 0

    def __post_init__(self) -> None:
        self.left = self.burst

    def admits(self, now: float) -> bool:
        """Take a token; False if there is none."""
        self.left = min(self.burst, self.left + (now - self.at) * self.sustained)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def buckets() -> dict[str, Bucket]:
    """Return the buckets, full, by operation."""
    tasks, changes, revisions = Bucket(100, 20), Bucket(50, 5), Bucket(50, 20)
    services, definitions = Bucket(50, 20), Bucket(50, 20)
    zones = Bucket(50, 10)
    return {
        "ListTasks": tasks,
        "DescribeTasks": tasks,
        "UpdateService": changes,
        "ListServiceDeployments": revisions,
        "DescribeServiceDeployments": revisions,
        "DescribeServiceRevisions": revisions,
        "ListServices": services,
        "DescribeServices": services,
        "DescribeTaskDefinition": definitions,
        "ListResourceRecordSets": zones,
        "ChangeResourceRecordSets": zones,
        "GetHostedZone": zones,
    }


class ThrottledWire(Wire):
    """Between the functions and the region, as AWS is: it takes time, and has limits."""

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401 - those of a Wire
        super().__init__(*arguments)
        self.wait: Callable[[float], None] = lambda _: None
        self.now: Callable[[], float] = lambda: 0.0
        self.fill()

    def fill(self) -> None:
        """Begin with full buckets, and nothing refused."""
        self._buckets = buckets()
        self.refused: Counter[str] = Counter()

    def _answer(self, request: AWSPreparedRequest, event_name: str, **more: object) -> AWSResponse | None:
        _before_send, service, operation = event_name.split(".")
        if self.recording:
            with self.recorded(""):
                self.wait(CALL_SECONDS)
            bucket = self._buckets.get(operation)
            if bucket and not bucket.admits(self.now()):
                self.refused[operation] += 1
                code = "Throttling" if service == "route-53" else "ThrottlingException"
                return refusal(request.url, service, code, "Rate exceeded")
        return super()._answer(request, event_name, **more)
