"""What must hold once nothing has happened for ten minutes, and how to get there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model.deployments import UNFINISHED
from trials.simulation.checks import _repository, _tagged, own_containers
from trials.simulation.places import moment, service_arn
from trials.simulation.resolvers import NEGATIVE_SECONDS
from trials.simulation.zone import SPREAD_SECONDS

if TYPE_CHECKING:
    from lab.ecs.model.state import Service, ServiceRevision
    from trials.simulation.cloud import Cloud

QUIET_SECONDS = 600
STILL_SECONDS = 180
"""Of the ten minutes: an image may take minutes until it listens, and then the schedule finds it."""
AT_MOST_SECONDS = 5400
OVERDUE_SECONDS = 1800
"""A rollback that is under way for so long keeps no push waiting: OverdueMinutes, the schedule, its run."""
SCHEDULE_SECONDS = 300

IMAGE = "quiet for 10 minutes: the image that the tag names runs, or has failed and the last good one runs"
RECORD = "quiet for 10 minutes: each record holds exactly the answering tasks"
STILL = "quiet for 10 minutes: nothing changes any more"
TOLD = "quiet for 10 minutes: each deployment's outcome was notified"
RESOLVED = "quiet for 10 minutes: resolvers answer what the record holds"


def become_quiet(cloud: Cloud) -> bool:
    """No fault and no person any more; let time pass until ten minutes were quiet. False: it never was."""
    cloud.faults.calm()
    cloud.in_between.clear()
    cloud.clock.tell("from here on nothing happens and nothing fails")
    until = cloud.clock.now + AT_MOST_SECONDS
    while cloud.clock.now < until and not cloud.checks.failures:
        wait = _busy_until(cloud) - cloud.clock.now
        if wait <= 0:
            return True
        cloud.run(max(1.0, wait))
    return False


def _busy_until(cloud: Cloud) -> float:
    """Until when it cannot have been quiet for ten minutes, as far as one can tell now."""
    now, last = cloud.clock.now, cloud.faults.last_at
    for service in cloud.services():
        if service.service_deployments and service.service_deployments[-1].status in UNFINISHED:
            return now + 30
        last = max(last, cloud.checks.tasks_changed_at.get(service.name, 0))
    if cloud.functions.waiting or cloud.functions.under_way:
        return now + 30
    return last + QUIET_SECONDS


def check_waiting(cloud: Cloud) -> None:
    """Check, also where it never was quiet, that no push waits for a rollback that does not end."""
    for service in cloud.services():
        newest = service.service_deployments[-1] if service.service_deployments else None
        if newest is None or newest.rollback is None or newest.status not in UNFINISHED:
            continue
        since = max(newest.rollback["startedAt"], cloud.faults.last_at)
        if cloud.clock.now > since + OVERDUE_SECONDS:
            _check_image(cloud, service)


def check(cloud: Cloud) -> None:
    """Check what must hold now that it is quiet."""
    for service in cloud.services():
        _check_image(cloud, service)
        _check_record(cloud, service)
        _check_messages(cloud, service)
    _check_leftovers(cloud)
    if cloud.clock.now - cloud.checks.changed_at < STILL_SECONDS:
        cloud.checks.fail(
            STILL, f"a function changed something at {moment(cloud.checks.changed_at):%H:%M:%S}"
        )


def _check_image(cloud: Cloud, service: Service) -> None:
    if (
        service.tags.get("pushlive:redeploy") != "on-push"
        or service.controller != "ECS"
        or service.desired_count == 0
        or not service.tags.get("pushlive:desired-count", "1").isdecimal()
    ):
        return
    primary = service.deployments[0]
    newest = service.service_deployments[-1]
    if newest.rollback is not None and newest.breaker_status != "TRIGGERED":
        return  # a person stopped it, perhaps before it had resolved any digest
    named: dict[str, str | None] = {}
    containers = own_containers(primary.revision)
    for container in containers.values():
        repository = _repository(container.image)
        tag = _tagged(container.image).rpartition(":")[2]
        named[container.name] = cloud.registry.tags.get((repository, tag))
        if cloud.checks.moved_back.get((repository, tag)):
            return  # a known limit: if its event was lost, nothing else tells that the tag moved
    if None in named.values():
        return
    want = {
        name: cloud.registry.reported(_repository(container.image), str(named[name]))
        for name, container in containers.items()
    }
    runs = [
        {name: container.digest for name, container in task.containers.items() if name in containers}
        for task in cloud.tasks(service)
        if task.last_status == "RUNNING"
    ]
    if _own(primary.revision) == want and all(each == want for each in runs):
        return
    if cloud.checks.failure(service, named) is not None:
        good = service.completed
        if good is None or all(each == _own(good.revision) for each in runs):
            return
    cloud.checks.fail(IMAGE, f"{service.name} runs {runs or primary.revision.digests}, the tags name {want}")


def _check_messages(cloud: Cloud, service: Service) -> None:
    if (
        "pushlive:redeploy" not in service.tags
        or not service.tags.get(
            "pushlive:desired-count", "1"
        ).isdecimal()  # that is an error, and told as one
    ):
        return
    for number, deployment in enumerate(service.service_deployments):
        ended = deployment.finished_at or deployment.stopped_at
        outcome = deployment.status in {"SUCCESSFUL", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}
        name = deployment.arn.rpartition("/")[2]
        if (
            outcome
            and not (deployment.status == "SUCCESSFUL" and _failed_later(service, number))
            and _own(deployment.target)
            and ended is not None
            and ended >= cloud.faults.last_at - SCHEDULE_SECONDS
            and not cloud.checks.messages[name]
        ):
            cloud.checks.fail(TOLD, f"nobody was told that {name} of {service.name} is {deployment.status}")


def _failed_later(service: Service, number: int) -> bool:
    """Whether a newer deployment failed: that was told, and this one's images may be its rollback's."""
    newer = service.service_deployments[number + 1 :]
    return any(each.rollback is not None or each.breaker_status == "TRIGGERED" for each in newer)


def _own(revision: ServiceRevision) -> dict[str, str]:
    return {name: digest for name, digest in revision.digests.items() if name in own_containers(revision)}


def _check_record(cloud: Cloud, service: Service) -> None:
    host_name = service.tags.get("pushlive:hostname", "")
    if not host_name:
        return
    records = cloud.zone.records
    record, owner = records.get((host_name, "A")), records.get((f"_pushlive.{host_name}", "TXT"))
    foreign = any((host_name, kind) in records for kind in ("CNAME",)) or (
        record is not None and record.other
    )
    words = f'"pushlive service={service.arn}"'
    if foreign or (owner is not None and owner.answers != {words}) or (record is not None and owner is None):
        return  # not ours: that it did not change is checked at each change
    answering = {task.interface.public_ip for task in cloud.tasks(service) if cloud.answers(task)}
    holds = set(record.answers) if record else set()
    if service.desired_count == 0:
        if record is not None or owner is not None:
            cloud.checks.fail(RECORD, f"{host_name} holds {holds}, but no task is desired")
    elif answering and holds != answering:
        cloud.checks.fail(RECORD, f"{host_name} holds {holds}, but {answering} answer")
    if cloud.clock.now - cloud.checks.changed_at < SPREAD_SECONDS + NEGATIVE_SECONDS:
        return  # mended a moment ago: a resolver may still remember that there was no such name
    for resolver in cloud.clients.resolvers:
        if record is not None and (given := resolver.ask(cloud, host_name)) != record.answers:
            cloud.checks.fail(RESOLVED, f"{host_name} holds {holds}, a resolver answers {set(given)}")


def _check_leftovers(cloud: Cloud) -> None:
    """A record of ours whose service is gone, or no longer wants it, must not stay."""
    arns = {service.arn: service.tags.get("pushlive:hostname") for service in cloud.services()}
    for name, kind in cloud.zone.records:
        host_name = name.removeprefix("_pushlive.")
        record = cloud.zone.records.get((host_name, "A"))
        if (
            host_name == name
            or kind != "TXT"
            or (record is not None and record.other)
            or host_name in cloud.checks.left_behind
        ):
            continue
        [words] = cloud.zone.records[name, kind].answers
        arn = words.strip('"').removeprefix("pushlive service=")
        # What could not be handled in three tries lies in the dead-letter queue, and an alarm tells.
        kept = any(
            f"service:{arn.rpartition('/')[2]}" in str(event) for event in cloud.functions.dead_letters
        )
        if arn.startswith(service_arn("")) and arns.get(arn) != host_name and not kept:
            cloud.checks.fail(
                RECORD, f"{name} still says {words}, but that service no longer wants {host_name}"
            )
