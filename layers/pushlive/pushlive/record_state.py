"""What UpdateRecord reads before it plans: a service, its tasks, their public addresses, and which answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pushlive import ec2, ecs, probe, route53
from pushlive.model import HOST_NAME_TAG
from pushlive.record_plan import RecordState, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient

    from pushlive.config import Settings
    from pushlive.model import Service, Task, TaskDefinition


@dataclass
class LiveTasks:
    """The live state of a service and of its tasks."""

    settings: Settings
    ecs_client: ECSClient
    ec2_client: EC2Client
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    answering: Callable[[Iterable[str], int], frozenset[str]] = probe.answering

    def find(self, service_name: str) -> Service | None:
        """Return the service as it is now; None if there is no such service."""
        found = ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name])
        return found[0] if found else None

    def state(self, service_name: str, name: str, *, given_up: bool = False) -> RecordState:
        """Return the service with its tasks, and whether it wants the host name `name`.

        With `given_up` nobody wants it, though ECS may still show the tag.

        Raises:
            IncompleteAnswerError: ECS has not told what decisions need.
        """
        found = None if given_up else self.find(service_name)
        if found is not None:
            found.check()
        if found is None or found.status != "ACTIVE" or host_name_tag(found) != name:
            # The ownership TXT names the service by its ARN, also when the service is gone.
            arn = ecs.service_arn(self.settings.cluster_arn, service_name)
            return RecordState(arn, name, wanted=False)
        return RecordState(
            service_arn=found.service_arn,
            host_name=name,
            wanted=True,
            desired_count=found.desired_count,
            newest_deployment_id=found.newest_deployment_id,
            targets=self._targets(found) if found.desired_count else (),
        )

    def _targets(self, service: Service) -> tuple[Target, ...]:
        tasks = ecs.tasks(self.ecs_client, self.settings.cluster_arn, service.service_name)
        # During a deployment some tasks are of another revision, with another port or health check.
        definitions = {
            task.task_definition_arn: ecs.task_definition(self.ecs_client, task.task_definition_arn)
            for task in tasks
        }
        public_ips = ec2.public_ips(self.ec2_client, [task.eni_id for task in tasks if task.eni_id])
        targets = [
            self._target(task, public_ips.get(task.eni_id or ""), definitions[task.task_definition_arn])
            for task in tasks
        ]
        answering = self.answers(
            {each.public_ip: each.port for each in targets if each.runs and each.public_ip and each.port}
        )
        return tuple(
            each._replace(answers=each.port is None or each.public_ip in answering) for each in targets
        )

    def _target(self, task: Task, public_ip: str | None, definition: TaskDefinition) -> Target:
        """Its readiness sidecar tells whether its port answers, else the port itself, else nobody."""
        port = definition.port if self.settings.probe and not task.readiness else None
        is_told = bool(task.readiness) or port is not None
        unasked = "its task definition maps no TCP port" if self.settings.probe else "ProbePort is false"
        return Target(
            task=task,
            public_ip=public_ip,
            port=port,
            healthy=_is_healthy(task, definition, is_told=is_told),
            ready=self._is_ready(task),
            unasked="" if is_told else unasked,
        )

    def answers(self, ports: Mapping[str, int]) -> frozenset[str]:
        """Return which of these addresses answer, each on its port."""
        addresses = defaultdict(list)
        for address, port in ports.items():
            addresses[port].append(address)
        return frozenset().union(*(self.answering(each, port) for port, each in addresses.items()))

    def _is_ready(self, task: Task) -> bool:
        if task.started_at is None:
            return False
        return self.clock() >= task.started_at + timedelta(seconds=self.settings.min_ready_seconds)


def _is_healthy(task: Task, definition: TaskDefinition, *, is_told: bool) -> bool:
    """Whether nothing speaks against sending clients to the task. `is_told`: somebody tells of its port.

    A drain sidecar's check, which lets ECS wait until clients have moved, must not keep them from moving.
    """
    if task.readiness not in ("", "HEALTHY"):
        return False
    if definition.has_health_check and (definition.port_has_health_check or not is_told):
        return task.health_status == "HEALTHY"
    return task.health_status != "UNHEALTHY"


def host_name_tag(service: Service) -> str:
    """Return the name that the service's tag `pushlive:hostname` asks for, spelled as Route 53 does."""
    return route53.spelled(service.tags.get(HOST_NAME_TAG, ""))
