"""UpdateRecord: the host name holds the public addresses of the service's answering tasks.

One run, woken by a change of a task or deployment, or every five minutes; for each service:

1. read the service, its record, its tasks, their public addresses, and which of them answer;
2. plan (`record_plan`, pure);
3. apply: ChangeResourceRecordSets, where the plan says so;
4. look again: after a change of the record, and while a task runs that does not answer yet.

CloudFormation calls it too, when the stack's record is made and removed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from botocore.exceptions import BotoCoreError, ClientError

from pushlive import aws, cloudformation, ec2, ecs, events, probe, route53
from pushlive.config import ConfigError, Settings
from pushlive.record_plan import Action, Decision, Record, Service, Task, owner_text, plan_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_route53 import Route53Client

logger = Logger(service="UpdateRecord")

LOOK_AGAIN_SECONDS = 1.0
# While a task is silent the pauses double up to this: several runs wait at once, and Route 53 takes few
# requests a second from the whole account (developer guide, "Quotas").
LONGEST_PAUSE_SECONDS = 8.0
# While every port answers and only a health check is awaited: ECS tells nobody when it passes
# (containers-roadmap 1019), and stops the old task at once.
HEALTH_PAUSE_SECONDS = 2.0
# Left of the function's time-out when the last look begins: its calls and probes must end in time.
LAST_LOOK_SECONDS = 15.0
# Of two runs at the same time only one can lose, so a run that loses this often has met something else.
LOST_RACES = 5

METRICS = {Action.WRITE: "RecordsWritten", Action.DELETE: "RecordsDeleted", Action.REFUSE: "RecordsRefused"}


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Bring the records of the services that the event may concern up to date."""
    settings = Settings.from_env(os.environ)
    if not settings.hosted_zone_id:
        raise ConfigError(
            "The environment variable HOSTED_ZONE_ID is missing: give the parameter HostedZoneId"
        )
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - LAST_LOOK_SECONDS
    RecordUpdate(
        settings, aws.client("ecs"), aws.client("ec2"), aws.client("route53"), deadline=deadline
    ).run(event)


@dataclass
class RecordUpdate:
    """One run of the function."""

    settings: Settings
    ecs_client: ECSClient
    ec2_client: EC2Client
    route53_client: Route53Client
    deadline: float
    """When to stop looking again, in seconds of the clock `now`."""
    now: Callable[[], float] = time.monotonic
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep
    answering: Callable[[Iterable[str], int], frozenset[str]] = probe.answering
    silent_ports: dict[str, int] = field(default_factory=dict)
    """Public address to port of the tasks that did not answer at the last look."""

    def run(self, event: Any) -> None:  # noqa: ANN401 - whatever somebody sends
        """Decide for each service that the event may concern, and do it.

        Raises:
            EventError: the event is damaged.
            ExceptionGroup: some records could not be brought up to date; the others were.
                Lambda then runs the event again.
        """
        wake = events.parse(event, cluster_arn=self.settings.cluster_arn)
        logger.structure_logs(append=True, event_id=wake.event_id)
        if isinstance(wake, events.Ignored):
            logger.info("ignored", reason=wake.reason)
        elif isinstance(wake, events.Push):
            logger.info("ignored", reason="a push changes no address; the tasks that it starts do")
        elif isinstance(wake, events.StackRequest):
            self._answer(wake)
        elif isinstance(wake, events.ServiceChanged):
            self._follow_all([wake.service_name], patient=True)
        else:
            self._follow_all(ecs.service_names(self.ecs_client, self.settings.cluster_arn), patient=False)

    def _follow_all(self, service_names: list[str], *, patient: bool) -> None:
        failures: dict[str, Exception] = {}
        for found in ecs.services(self.ecs_client, self.settings.cluster_arn, service_names):
            if not _host_name_tag(found):
                continue  # it asks for no record: one call was all it cost
            try:
                name = self._claimed_name(found)
                self._follow(found.service_name, name, patient=patient)
            except (ClientError, BotoCoreError, ConfigError, route53.RecordChangedMeanwhileError) as error:
                logger.exception("failed", ecs_service=found.service_name)
                failures[found.service_name] = error
        if failures:
            # Lambda puts this text into the dead letter.
            told = "; ".join(f"{name}: {error}" for name, error in failures.items())
            raise ExceptionGroup(
                f"{len(failures)} services could not be served: {told}", list(failures.values())
            )

    def _claimed_name(self, service: ecs.Service) -> str:
        """Return the host name that the service's tag claims.

        Raises:
            ConfigError: it may not have this one.
        """
        name = route53.host_name(_host_name_tag(service), self._zone())
        if not self.settings.admits_host_name(name):
            raise ConfigError(
                f"The tag pushlive:hostname is {name!r:.80}, but the stack's parameter ExistingHostNames "
                f"admits {self.settings.host_names} only: give such a name, or change the parameter"
            )
        return name

    def _zone(self) -> str:
        return route53.zone_name(self.route53_client, self.settings.hosted_zone_id)

    def _follow(self, service_name: str, name: str, *, patient: bool) -> None:
        """Look at the record of a service until it is right; with patience also until its tasks answer."""
        lost_races, said, pause_seconds = 0, None, LOOK_AGAIN_SECONDS
        while True:
            try:
                decision, silent_tasks = self._look(service_name, name)
            except route53.RecordChangedMeanwhileError:
                lost_races += 1
                if lost_races == LOST_RACES:
                    raise
                continue
            if decision != said:
                self._say(decision, service_name, name)
                said = decision
            wait = decision.action is Action.KEEP and patient and silent_tasks > 0
            changed = decision.action in (Action.WRITE, Action.DELETE)
            if not (wait or changed) or self.settings.dry_run or self.now() >= self.deadline:
                return
            if wait:
                longest = LONGEST_PAUSE_SECONDS if self.silent_ports else HEALTH_PAUSE_SECONDS
                self._wait_for_an_answer(min(pause_seconds, longest))
                pause_seconds = min(2 * pause_seconds, longest)

    def _wait_for_an_answer(self, seconds: float) -> None:
        """Sleep for so long, or until a silent port answers: asking it each second costs no call to AWS."""
        until = min(self.now() + seconds, self.deadline)
        while self.now() < until:
            self.sleep(LOOK_AGAIN_SECONDS)
            for port in set(self.silent_ports.values()):
                if self.answering(
                    [ip for ip, its_port in self.silent_ports.items() if its_port == port], port
                ):
                    return

    def _look(self, service_name: str, name: str) -> tuple[Decision, int]:
        """Read, plan and apply once; return the decision and how many running tasks are not ready yet.

        The record is read before the tasks. A later write replaces only the record that was read
        (see `route53`), so no run can put back tasks that are older than the record.
        """
        record = route53.read_record(self.route53_client, self.settings.hosted_zone_id, name)
        service = self._state(service_name, name)
        decision = plan_record(service, record, self.settings.ttl_seconds)
        if not self.settings.dry_run:
            self._apply(decision, service, record)
        return decision, sum(task.runs and not (task.is_candidate and task.settled) for task in service.tasks)

    # read

    def _state(self, service_name: str, name: str) -> Service:
        found = self._find(service_name)
        if found is None or found.status != "ACTIVE" or _host_name_tag(found) != name:
            # The ownership TXT names the service by its ARN, also when the service is gone.
            arn = self.settings.cluster_arn.replace(":cluster/", ":service/") + f"/{service_name}"
            return Service(arn, name, wanted=False, desired_count=0, newest_deployment_id="")
        return Service(
            service_arn=found.service_arn,
            host_name=name,
            wanted=True,
            desired_count=found.desired_count,
            newest_deployment_id=found.newest_deployment_id,
            tasks=self._tasks(found) if found.desired_count else (),
        )

    def _find(self, service_name: str) -> ecs.Service | None:
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name])
        return found[0] if found else None

    def _tasks(self, service: ecs.Service) -> tuple[Task, ...]:
        found = ecs.tasks(self.ecs_client, self.settings.cluster_arn, service.service_name)
        # During a deployment some tasks are of another revision, with another port or health check.
        definitions = {
            task.task_definition_arn: ecs.task_definition(self.ecs_client, task.task_definition_arn)
            for task in found
        }
        public_ips = ec2.public_ips(self.ec2_client, [task.eni_id for task in found if task.eni_id])
        tasks, ports = [], {}
        for one in found:
            definition = definitions[one.task_definition_arn]
            task = Task(
                task_arn=one.task_arn,
                deployment_id=one.deployment_id,
                last_status=one.last_status,
                desired_status=one.desired_status,
                public_ip=public_ips.get(one.eni_id or ""),
                healthy=self._is_healthy(one, definition),
                settled=self._is_settled(one),
            )
            tasks.append(task)
            if task.runs and definition.port is not None:
                ports[task.public_ip or ""] = definition.port
            if task.last_status == "RUNNING" and not task.public_ip:
                logger.warning(
                    "task without a public address",
                    reason="it is gone already, or needs assignPublicIp and a route to an internet gateway",
                    ecs_service=service.service_name,
                    task=task.task_arn,
                )
        if not self.settings.probe:
            return tuple(tasks)
        answering: frozenset[str] = frozenset()
        for port in set(ports.values()):
            answering |= self.answering([ip for ip, its_port in ports.items() if its_port == port], port)
        self.silent_ports = {ip: port for ip, port in ports.items() if ip not in answering}
        # Without a port there is nothing to ask: RUNNING counts.
        return tuple(
            replace(task, answers=task.public_ip in answering or task.public_ip not in ports)
            for task in tasks
        )

    def _is_healthy(self, task: ecs.Task, definition: ecs.TaskDefinition) -> bool:
        """Whether nothing speaks against sending clients to the task, if its port answers.

        A companion's check, which lets ECS wait until clients have moved, must not keep them from moving.
        """
        waits = definition.port_has_health_check or not self.settings.probe or definition.port is None
        if definition.has_health_check and waits:
            return task.health_status == "HEALTHY"
        return task.health_status != "UNHEALTHY"

    def _is_settled(self, task: ecs.Task) -> bool:
        if task.started_at is None:
            return False
        return self.clock() >= task.started_at + timedelta(seconds=self.settings.settle_seconds)

    # apply

    def _apply(self, decision: Decision, service: Service, record: Record) -> None:
        client, zone = self.route53_client, self.settings.hosted_zone_id
        if decision.action is Action.WRITE:
            ttl_seconds, owner = self.settings.ttl_seconds, owner_text(service.service_arn)
            route53.write(client, zone, service.host_name, record, decision.addresses, ttl_seconds, owner)
        elif decision.action is Action.DELETE:
            route53.delete(client, zone, service.host_name, record)

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
            with single_metric(METRICS[decision.action], MetricUnit.Count, 1, namespace="pushlive"):
                pass

    # CloudFormation

    def _answer(self, request: events.StackRequest) -> None:
        try:
            self._carry_out(request)
        except Exception as error:
            logger.exception("failed", host_name=request.host_name)
            cloudformation.answer(request, failure=f"{type(error).__name__}: {error}")
            return
        logger.info(request.request_type.lower(), reason="asked by the stack", host_name=request.host_name)
        cloudformation.answer(request)

    def _carry_out(self, request: events.StackRequest) -> None:
        try:
            name = self._asked_name(request)
        except (ConfigError, self.route53_client.exceptions.NoSuchHostedZone):
            if request.request_type != "Delete":
                raise
            # CloudFormation deletes also what it could not create: here nothing was made.
            return
        if request.request_type == "Delete" and request.cluster_name:
            self._give_up_all(request.cluster_name)
        elif request.request_type == "Delete":
            self._give_up(request.service_name, name)

    def _asked_name(self, request: events.StackRequest) -> str:
        """Return the host name that the stack asks for; of an existing cluster, which ones it may have.

        Raises:
            ConfigError: the zone cannot hold it.
        """
        zone, host_names = self._zone(), self.settings.host_names
        if not request.cluster_name:
            return route53.host_name(request.host_name, zone)
        if not host_names.endswith(f".{zone}"):
            raise ConfigError(
                f"The parameter ExistingHostNames is {host_names!r:.80}, but the hosted zone is {zone}: "
                f"give a name in it, or *.{zone}, or the parameter HostedZoneId of its own zone"
            )
        return host_names

    def _give_up(self, service_name: str, name: str) -> None:
        """Remove the record before the stack releases the addresses.

        The tag goes first: a run at the same time then finds that the name is no longer wanted.
        """
        found = self._find(service_name)
        if found and _host_name_tag(found) == name:
            self._take_the_tag_off(found)
        self._follow(service_name, name, patient=False)

    def _give_up_all(self, cluster_name: str) -> None:
        """Remove the records of the cluster's services before the functions go; the services stay.

        Which records these are is read from the zone, not from the tags: so a second try finds what the
        first one left, and what services that are gone have left behind goes as well.

        Raises:
            ConfigError: it is another cluster than the one that this stack follows by now.
        """
        cluster = self.settings.cluster_arn
        if cluster_name != cluster.rpartition("/")[2]:
            raise ConfigError(
                f"The records of cluster {cluster_name:.80} stay, because the stack now follows "
                f"{cluster.rpartition('/')[2]}: deploy another stack for another cluster"
            )
        for found in ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster)):
            if _host_name_tag(found) and self.settings.admits_host_name(_host_name_tag(found)):
                self._take_the_tag_off(found)
        services_arn = cluster.replace(":cluster/", ":service/") + "/"
        for name, service_arn in route53.owned(
            self.route53_client, self.settings.hosted_zone_id, services_arn
        ):
            if self.settings.admits_host_name(name):
                self._follow(service_arn.removeprefix(services_arn), name, patient=False)

    def _take_the_tag_off(self, service: ecs.Service) -> None:
        if service.status == "ACTIVE" and not self.settings.dry_run:
            self.ecs_client.untag_resource(resourceArn=service.service_arn, tagKeys=[ecs.HOST_NAME_TAG])


def _host_name_tag(service: ecs.Service) -> str:
    return route53.spelled(service.tags.get(ecs.HOST_NAME_TAG, ""))
