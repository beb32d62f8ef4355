"""How many calls an event costs as a cluster grows, and how long it takes under AWS's limits.

In process and in virtual time: the functions' own code, the model of ECS, moto for the rest. Each of the
services has a task and an image tag of its own in one repository; the concerned ones share the tag that is
pushed, and have a host name. The functions are cold: they know no task definition.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
from moto import mock_aws

from pushlive import aws, ecs, prefilter, route53
from trials.bench.silence import silence
from trials.bench.throttling import CALL_SECONDS, ThrottledWire
from trials.in_memory.region import ACCOUNT, REGION, Region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Json = dict[str, Any]

SIZES = ((1, 1), (10, 1), (100, 3), (1000, 10))
"""Services, and how many of them are concerned."""
TIMEOUT_SECONDS = 60  # pushlive.yaml
CHANGING = {"UpdateService", "CreateLogStream", "PutLogEvents", "ChangeResourceRecordSets", "Publish"}
SETTLED_SECONDS = 1200
EVERY_SERVICE_BY_ITSELF = 10**6


@contextmanager
def region_of(services: int, concerned: int) -> Iterator[Region]:
    """A region in which so many services run, all of them for a while."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, {"MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}))
        stack.enter_context(mock_aws())
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)  # noqa: S106
        hands = {name: session.client(name) for name in ("ecr", "ec2", "logs", "route53", "sns")}
        wire = ThrottledWire(session, aws.CONFIG, ACCOUNT)
        region = Region(wire, hands)
        wire.wait, wire.now = region.wait, lambda: region.now
        stack.enter_context(patch("botocore.endpoint.time", SimpleNamespace(sleep=region.wait)))
        region.push("1")
        for number in range(services):
            is_concerned = number < concerned
            if not is_concerned:
                region.push(f"other {number}", tag=f"other-{number}")
            region.create_service(
                f"service-{number}",
                ["app:latest" if is_concerned else f"app:other-{number}"],
                host_name=f"service-{number}.example.com" if is_concerned else "",
            )
        region.wait(SETTLED_SECONDS)
        with silence():
            region.update_record()
            region.wait(SETTLED_SECONDS)
        yield region


def cost(region: Region, run: Callable[[], None]) -> Json:
    """Return what one run of a cold function costs."""
    wire = region.wire
    assert isinstance(wire, ThrottledWire)  # noqa: S101 - made above
    ecs.task_definition.cache_clear()
    route53.zone_name.cache_clear()
    wire.fill()
    wire.attempts.clear()
    began, failed = region.now, ""
    with silence():
        try:
            run()
        except ExceptionGroup as error:
            failed = f"{len(error.exceptions)} services failed"
    calls = Counter(wire.attempts)
    reading = {name: count for name, count in calls.items() if name not in CHANGING}
    return {
        "reading_calls": sum(reading.values()),
        "changing_calls": sum(calls.values()) - sum(reading.values()),
        "throttled": sum(wire.refused.values()),
        "seconds": round(region.now - began, 1),
        "calls": dict(sorted(calls.items())),
        **({"failed": failed} if failed else {}),
    }


def growth(sizes: Sequence[tuple[int, int]], say: Callable[[str], None]) -> Json:
    """Return the costs for each size of a cluster."""
    found = []
    for services, concerned in sizes:
        say(f"growth: {services} services, {concerned} concerned")
        with region_of(services, concerned) as region:
            found.append({"services": services, "concerned": concerned, **_costs(region, services)})
    return {"call_seconds": CALL_SECONDS, "timeout_seconds": TIMEOUT_SECONDS, "clusters": found}


def _costs(region: Region, services: int) -> Json:
    found = {}
    found["schedule, RedeployService"] = cost(region, region.redeploy)
    found["schedule, UpdateRecord"] = cost(region, region.update_record)
    if services > 1:
        task = region.task_event("RUNNING", f"service-{services - 1}")
        found["task of a service without a host name"] = cost(region, lambda: region.update_record(task))
    push = region.push("2")
    region.wait(2)  # so that the second of the push, which a run waits out, is over
    found["push"] = cost(region, lambda: region.redeploy(push))
    deployed = found["push"]["calls"].get("UpdateService", 0)
    if services >= prefilter.SMALL:
        region.wait(SETTLED_SECONDS)
        again = region.push("3")
        region.wait(2)
        with patch.object(prefilter, "SMALL", EVERY_SERVICE_BY_ITSELF):
            found["push, each service looked at by itself"] = cost(region, lambda: region.redeploy(again))
    return {"deployed": deployed, "events": found}
