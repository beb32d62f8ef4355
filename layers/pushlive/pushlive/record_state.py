"""What UpdateRecord reads before it plans: a service, its tasks, their public addresses, and which answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pushlive import ec2, ecs, probe, route53
from pushlive.record_plan import Service, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient

    from pushlive.config import Settings


@dataclass
class LiveTasks:
    """The live state of a service and of its tasks."""

    settings: Settings
    ecs_client: ECSClient
    ec2_client: EC2Client
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    answering: Callable[[Iterable[str], int], frozenset[str]] = probe.answering
    given_up: set[str] = field(default_factory=set)
    """Host names that the stack gives up: nobody wants them, though ECS may still show the tag."""
    silent_ports: dict[str, int] = field(default_factory=dict)
    """Public address to port of the tasks that did not answer at the last look."""

    def find(self, service_name: str) -> ecs.Service | None:
        """Return the service as it is now; None if there is no such service."""
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name])
        return found[0] if found else None

    def service(self, service_name: str, name: str) -> Service:
        """Return the service with its tasks, and whether it wants the host name `name`.

        Raises:
            IncompleteAnswerError: ECS has not told what decisions need.
        """
        found = None if name in self.given_up else self.find(service_name)
        if found is not None:
            found.check()
        if found is None or found.status != "ACTIVE" or host_name_tag(found) != name:
            # The ownership TXT names the service by its ARN, also when the service is gone.
            arn = ecs.service_arn(self.settings.cluster_arn, service_name)
            return Service(arn, name, wanted=False, desired_count=0, newest_deployment_id="")
        return Service(
            service_arn=found.service_arn,
            host_name=name,
            wanted=True,
            desired_count=found.desired_count,
            newest_deployment_id=found.newest_deployment_id,
            tasks=self._tasks(found) if found.desired_count else (),
        )

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
                unasked=self._unasked(definition),
            )
            tasks.append(task)
            if task.runs and definition.port is not None:
                ports[task.public_ip or ""] = definition.port
        if not self.settings.probe:
            return tuple(tasks)
        answering = self._answering(ports)
        self.silent_ports = {ip: port for ip, port in ports.items() if ip not in answering}
        # Without a port there is nothing to ask: RUNNING counts.
        return tuple(
            task._replace(answers=task.public_ip in answering or task.public_ip not in ports)
            for task in tasks
        )

    def a_silent_port_answers(self) -> bool:
        """Return whether one of the tasks that were silent at the last look answers now."""
        return bool(self._answering(self.silent_ports))

    def _answering(self, ports: dict[str, int]) -> frozenset[str]:
        addresses = defaultdict(list)
        for address, port in ports.items():
            addresses[port].append(address)
        answering: frozenset[str] = frozenset()
        for port, wanted in addresses.items():
            answering |= self.answering(wanted, port)
        return answering

    def _is_healthy(self, task: ecs.Task, definition: ecs.TaskDefinition) -> bool:
        """Whether nothing speaks against sending clients to the task, if its port answers.

        A companion's check, which lets ECS wait until clients have moved, must not keep them from moving.
        """
        waits = definition.port_has_health_check or not self.settings.probe or definition.port is None
        if definition.has_health_check and waits:
            return task.health_status == "HEALTHY"
        return task.health_status != "UNHEALTHY"

    def _unasked(self, definition: ecs.TaskDefinition) -> str:
        if not self.settings.probe:
            return "ProbePort is false"
        return "" if definition.port is not None else "its task definition maps no TCP port"

    def _is_settled(self, task: ecs.Task) -> bool:
        if task.started_at is None:
            return False
        return self.clock() >= task.started_at + timedelta(seconds=self.settings.settle_seconds)


def host_name_tag(service: ecs.Service) -> str:
    """Return the name that the service's tag `pushlive:hostname` asks for, spelled as Route 53 does."""
    return route53.spelled(service.tags.get(ecs.HOST_NAME_TAG, ""))
