"""UpdateRecord: the host name holds the public addresses of the service's answering tasks.

One run, triggered by a change of a task or deployment, or every five minutes; for each service:

1. read the service, its record, its tasks, their public addresses, and which of them answer;
2. plan (`record_plan`, pure);
3. apply: ChangeResourceRecordSets, where the plan says so;
4. look again: after a change of the record, and while a task runs that does not answer yet.

CloudFormation calls it too, when the stack's records are made and removed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from pushlive import aws, cloudformation, ec2, ecs, events, probe, route53
from pushlive.boundary import serve_each
from pushlive.config import ConfigError, Settings
from pushlive.metrics import Metric, emit
from pushlive.notifications import send_once
from pushlive.outcome_plan import refused
from pushlive.record_plan import Action, Decision, RecordState, owner_text, plan_record
from pushlive.record_state import LiveTasks, host_name_tag
from pushlive.stack_records import StackRecords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_route53 import Route53Client
    from mypy_boto3_sns import SNSClient

    from pushlive.model import Record, Service

logger = Logger(service="UpdateRecord")

LOOK_AGAIN_SECONDS = 1.0
# While a task is unresponsive the pauses double up to this: several runs wait at once, each makes four calls.
LONGEST_PAUSE_SECONDS = 8.0
# While every port answers and only a health check is awaited: ECS tells nobody when it passes
# (containers-roadmap 1019), and stops the old task at once.
HEALTH_PAUSE_SECONDS = 2.0
# Left of the function's time-out when the last look begins: its calls and probes must end in time.
LAST_LOOK_SECONDS = 15.0
# Of the runs that change a record at the same moment one always wins, and the others wait for another while
# each. So a run that loses this often has met something else.
LOST_RACES = 8
LOST_RACE_SECONDS = 0.25

METRICS = {
    Action.WRITE: Metric.RECORDS_WRITTEN,
    Action.DELETE: Metric.RECORDS_DELETED,
    Action.REFUSE: Metric.RECORDS_REFUSED,
}


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Bring the records of the services that the event may concern up to date."""
    settings = Settings.from_env(os.environ)
    if not settings.hosted_zone_id:
        raise ConfigError(
            "The environment variable HOSTED_ZONE_ID is missing: give the parameter HostedZoneId"
        )
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - LAST_LOOK_SECONDS
    RecordUpdate(
        settings,
        aws.client("ecs"),
        aws.client("ec2"),
        aws.client("route53"),
        lambda: aws.client("logs"),
        lambda: aws.client("sns"),
        deadline=deadline,
    ).run(event)


@dataclass
class RecordUpdate:
    """One run of the function."""

    settings: Settings
    ecs_client: ECSClient
    ec2_client: EC2Client
    route53_client: Route53Client
    logs_client: Callable[[], CloudWatchLogsClient]
    """Makes the client, which most runs do not need."""
    sns_client: Callable[[], SNSClient]
    deadline: float
    """When to stop looking again, in seconds of the clock `now`."""
    now: Callable[[], float] = time.monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    answering: Callable[[Iterable[str], int], frozenset[str]] = probe.answering
    live: LiveTasks = field(init=False)
    """The live state, as it is read."""

    def __post_init__(self) -> None:
        self.live = LiveTasks(self.settings, self.ecs_client, self.ec2_client, self.clock, self.answering)

    def run(self, event: Any) -> None:  # noqa: ANN401 - whatever somebody sends
        """Decide for each service that the event may concern, and do it.

        Raises:
            EventError: the event is damaged.
            ExceptionGroup: some records could not be brought up to date; the others were.
                Lambda then runs the event again.
        """
        trigger = events.parse(event, cluster_arn=self.settings.cluster_arn)
        logger.structure_logs(append=True, event_id=trigger.event_id)
        if isinstance(trigger, events.Ignored):
            logger.info("ignored", reason=trigger.reason)
        elif isinstance(trigger, events.Push):
            logger.info("ignored", reason="a push changes no address; the tasks that it starts do")
        elif isinstance(trigger, events.StackRequest):
            self._answer(trigger)
        elif isinstance(trigger, events.ServiceChanged):
            self._reconcile_all([trigger.service_name], patient=True)
        else:
            self._reconcile_all(ecs.service_names(self.ecs_client, self.settings.cluster_arn), patient=False)

    def _reconcile_all(self, service_names: list[str], *, patient: bool) -> None:
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, service_names)
        asking = [each for each in found if host_name_tag(each)]  # of others one call was all that they cost
        serve_each(logger, asking, lambda each: self._serve(each, patient=patient))

    def _serve(self, found: Service, *, patient: bool) -> None:
        name = self._claimed_name(found)
        decision, state = self._reconcile(found.service_name, name, patient=patient)
        self._tell(decision, state, found.service_name)
        if state.is_unresponsive and not patient:  # a look by the schedule, not one of many in a row
            emit(Metric.SERVICES_UNRESPONSIVE, self.settings.cluster_arn)

    def _claimed_name(self, service: Service) -> str:
        """Return the host name that the service's tag claims.

        Raises:
            ConfigError: it may not have this one.
        """
        name = route53.host_name(host_name_tag(service), self._zone())
        if not self.settings.admits_host_name(name):
            raise ConfigError(
                f"The tag pushlive:hostname is {name!r:.80}, but the stack's parameter HostNames "
                f"admits {self.settings.host_names} only: give such a name, or change the parameter"
            )
        return name

    def _zone(self) -> str:
        return route53.zone_name(self.route53_client, self.settings.hosted_zone_id)

    def _reconcile(
        self, service_name: str, name: str, *, patient: bool, given_up: bool = False
    ) -> tuple[Decision, RecordState]:
        """Look at the record of a service until it is right; with patience also until its tasks answer."""
        lost_races, said, pause_seconds = 0, None, LOOK_AGAIN_SECONDS
        right: Record | None = None
        while True:
            try:
                decision, state, record = self._reconcile_once(service_name, name, right, given_up=given_up)
            except route53.RecordChangedMeanwhileError:
                lost_races += 1
                if lost_races == LOST_RACES:
                    raise
                self.sleep(lost_races * LOST_RACE_SECONDS)
                right = None
                continue
            if decision != said:
                self._say(decision, service_name, name)
                said = decision
            wait = decision.action is Action.KEEP and patient and state.not_ready > 0
            changed = decision.action in (Action.WRITE, Action.DELETE)
            if not (wait or changed) or self.settings.dry_run or self.now() >= self.deadline:
                return decision, state
            right = record if wait else None
            if wait:
                longest = LONGEST_PAUSE_SECONDS if state.unresponsive_ports else HEALTH_PAUSE_SECONDS
                self._wait_for_an_answer(state.unresponsive_ports, min(pause_seconds, longest))
                pause_seconds = min(2 * pause_seconds, longest)

    def _wait_for_an_answer(self, unresponsive_ports: Mapping[str, int], seconds: float) -> None:
        """Sleep for so long, or until an unresponsive port answers. It is asked each second, without AWS."""
        until = min(self.now() + seconds, self.deadline)
        while self.now() < until:
            self.sleep(LOOK_AGAIN_SECONDS)
            if self.live.answers(unresponsive_ports):
                return

    def _reconcile_once(
        self, service_name: str, name: str, right: Record | None, *, given_up: bool
    ) -> tuple[Decision, RecordState, Record]:
        """Read, plan and apply once; return the decision, and what it was made of.

        The record is read before the tasks. A later write replaces only the record that was read
        (see `route53`), so no run can put back tasks that are older than the record. One that was `right` at
        the last look is not read again while the tasks still say so: a run that waits asks Route 53 nothing.
        """
        if right is not None:
            state = self.live.state(service_name, name, given_up=given_up)
            decision = plan_record(state, right, self.settings.ttl_seconds)
            if decision.action is Action.KEEP:
                return decision, state, right
        zone = "" if given_up else self._zone()
        record = route53.read_record(self.route53_client, self.settings.hosted_zone_id, name, zone)
        state = self.live.state(service_name, name, given_up=given_up)
        self._warn_of_tasks_without_address(state, service_name)
        decision = plan_record(state, record, self.settings.ttl_seconds)
        if not self.settings.dry_run:
            self._apply(decision, state, record)
        return decision, state, record

    def _warn_of_tasks_without_address(self, state: RecordState, service_name: str) -> None:
        for target in state.targets:
            if target.task.last_status == "RUNNING" and not target.public_ip:
                logger.warning(
                    "task without a public address",
                    reason="it is gone already, or needs assignPublicIp and a route to an internet gateway",
                    ecs_service=service_name,
                    task=target.task.task_arn,
                )

    # apply

    def _apply(self, decision: Decision, state: RecordState, record: Record) -> None:
        client, zone = self.route53_client, self.settings.hosted_zone_id
        if decision.action is Action.WRITE:
            ttl_seconds, owner = self.settings.ttl_seconds, owner_text(state.service_arn)
            route53.write(client, zone, state.host_name, record, decision.addresses, ttl_seconds, owner)
        elif decision.action is Action.DELETE:
            route53.delete(client, zone, state.host_name, record)

    def _say(self, decision: Decision, service_name: str, name: str) -> None:
        """Write the decision's line, and count what was done."""
        say = logger.warning if decision.action is Action.REFUSE else logger.info
        say(
            decision.action.value,
            reason=decision.reason,
            ecs_service=service_name,
            host_name=name,
            addresses=sorted(decision.addresses),
            dry_run=self.settings.dry_run,
        )
        if decision.action in METRICS and not self.settings.dry_run:
            emit(METRICS[decision.action], self.settings.cluster_arn)

    def _tell(self, decision: Decision, state: RecordState, service_name: str) -> None:
        """Tell people of a record that is not ours: once a day, for as long as it is so."""
        if decision.action is not Action.REFUSE or self.settings.dry_run:
            return
        now, name = self.clock(), state.host_name
        send_once(
            self.sns_client(),
            self.logs_client(),
            self.settings,
            f"{service_name}/{name}/{now:%Y-%m-%d}/refused",
            refused(service_name, name, decision.reason),
            now,
        )

    # CloudFormation

    def remove(self, service_name: str, name: str) -> None:
        """Remove the record that a service has under this name, whatever its tag says."""
        self._reconcile(service_name, name, patient=False, given_up=True)

    def _answer(self, request: events.StackRequest) -> None:
        if request.resource_type == events.TASKS_GONE:
            logger.info("ignored", reason="not for this function")
            return
        if request.resource_type == events.CLOUDFRONT_ADDRESSES:
            cloudformation.serve(request, self._cloudfront_addresses, logger)
            return
        # The zone that the stack moves away from is another one than the function's own.
        zone_id = request.hosted_zone_id or self.settings.hosted_zone_id
        there = replace(self, settings=self.settings._replace(hosted_zone_id=zone_id))
        records = StackRecords(
            self.settings,
            self.ecs_client,
            self.route53_client,
            there.remove,
            lambda name: self._reconcile_all([name], patient=False),
        )
        cloudformation.serve(request, records.carry_out, logger)

    def _cloudfront_addresses(self, request: events.StackRequest) -> str | None:
        """Return the prefix list as the resource's identity, so the template has it by `!Ref`."""
        return None if request.request_type == "Delete" else ec2.cloudfront_prefix_list(self.ec2_client)
