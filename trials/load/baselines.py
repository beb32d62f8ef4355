"""What people do today, on the same services: a person at a terminal, and the usual recorder.

Both get more than they have in life: the recorder is a function that never starts cold, the person never
sleeps, misses no change of a task, and never types a wrong address.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_route53 import Route53Client

    from lab.lab import Lab
    from trials.load.services import LoadService

LOOK_SECONDS = 0.05
TTL_SECONDS = 60
SECONDS_TO_TYPE = 5  # after the push, until `aws ecs update-service` is sent
SECONDS_TO_EDIT = 30  # after a task is RUNNING or told to stop, until the record is changed


class Baseline(ABC):
    """Follows one service's events in a thread, while its block runs."""

    def __init__(self, lab: Lab, cluster: str, zone_id: str, service: LoadService) -> None:
        self.lab = lab
        self.cluster = cluster
        self.service = service
        self._zone_id = zone_id
        self._ecs: ECSClient = lab.client("ecs")
        self._ec2: EC2Client = lab.client("ec2")
        self._route53: Route53Client = lab.client("route53")
        self._seen = len(lab.delivery.history)
        self._end = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=service.name)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._end.set()
        self._thread.join()
        if self._error and error is None:
            raise self._error

    @abstractmethod
    def pushed(self) -> None:
        """The service's tag was pushed."""

    @abstractmethod
    def task_changed(self, detail: dict[str, Any]) -> None:
        """An event of a task of the service came: RUNNING, or told to stop."""

    @abstractmethod
    def look(self) -> None:
        """Do what is due; called some times a second."""

    def is_done(self) -> bool:
        """Whether nothing is left to do.

        Raises:
            Exception: what ended its thread.
        """
        if self._error:
            raise self._error
        return self._seen == len(self.lab.delivery.history)

    def deploy(self) -> None:
        """Type `aws ecs update-service --force-new-deployment`."""
        self._ecs.update_service(cluster=self.cluster, service=self.service.name, forceNewDeployment=True)

    def upsert(self, addresses: list[str]) -> None:
        """Let the record hold these addresses."""
        self._route53.change_resource_record_sets(
            HostedZoneId=self._zone_id,
            ChangeBatch={
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": self.service.host_name,
                            "Type": "A",
                            "TTL": max(1, round(TTL_SECONDS / self.lab.speed)),
                            "ResourceRecords": [{"Value": address} for address in addresses],
                        },
                    }
                ]
            },
        )

    def public_ips(self, details: list[Any]) -> list[str]:
        """Return the public addresses of tasks, as events or DescribeTasks tell of them."""
        eni_ids = [
            pair["value"]
            for detail in details
            for attachment in detail["attachments"]
            for pair in attachment["details"]
            if pair["name"] == "networkInterfaceId"
        ]
        if not eni_ids:
            return []
        filters: Any = [{"Name": "network-interface-id", "Values": eni_ids}]
        found = self._ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        return sorted(each["Association"]["PublicIp"] for each in found if "Association" in each)

    def running(self) -> list[str]:
        """Return the public addresses of the newest deployment's running tasks, or else of all that run."""
        arns = self._ecs.list_tasks(cluster=self.cluster, serviceName=self.service.name)["taskArns"]
        if not arns:
            return []
        tasks = self._ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"]
        running = [each for each in tasks if each["lastStatus"] == each["desiredStatus"] == "RUNNING"]
        found = self._ecs.describe_services(cluster=self.cluster, services=[self.service.name])["services"]
        newest = [each for each in running if each["startedBy"] == found[0]["deployments"][0]["id"]]
        return self.public_ips(newest or running)

    def _run(self) -> None:
        try:
            while not self._end.wait(LOOK_SECONDS):
                history = self.lab.delivery.history
                while self._seen < len(history):
                    self._take(history[self._seen].event)
                    self._seen += 1
                self.look()
        except Exception as error:  # noqa: BLE001 - told where it is waited for
            self._error = error

    def _take(self, event: dict[str, Any]) -> None:
        detail = event["detail"]
        if event["detail-type"] == "ECR Image Action":
            if detail["action-type"] == "PUSH" and detail["image-tag"] == self.service.tag:
                self.pushed()
        elif event["detail-type"] == "ECS Task State Change":
            ours = detail["group"] == f"service:{self.service.name}"
            if ours and "RUNNING" in (detail["lastStatus"], detail["desiredStatus"]):
                self.task_changed(detail)


class NaiveRecorder(Baseline):
    """Deploys at each push; a task's RUNNING event writes that one task's address, TTL 60."""

    def pushed(self) -> None:
        """Deploy at once."""
        self.deploy()

    def task_changed(self, detail: dict[str, Any]) -> None:
        """Write its address, if it is the event of a task that now runs."""
        if detail["lastStatus"] == detail["desiredStatus"] == "RUNNING" and (
            addresses := self.public_ips([detail])
        ):
            self.upsert(addresses)

    def look(self) -> None:
        """Nothing: it does everything at once."""


class Person(Baseline):
    """Types the deployment some seconds after a push, and edits the record 30 s after a task changed.

    The record then holds the newest deployment's running tasks, TTL 60.
    """

    def __init__(self, lab: Lab, cluster: str, zone_id: str, service: LoadService) -> None:
        super().__init__(lab, cluster, zone_id, service)
        self._deploy_at: float | None = None
        self._edits: list[float] = []

    def pushed(self) -> None:
        """Turn to the terminal."""
        self._deploy_at = time.monotonic() + SECONDS_TO_TYPE / self.lab.speed

    def task_changed(self, detail: dict[str, Any]) -> None:
        """Plan to edit the record, for a task that now runs and for one that is told to stop."""
        if detail["lastStatus"] == "RUNNING":
            self._edits.append(time.monotonic() + SECONDS_TO_EDIT / self.lab.speed)

    def look(self) -> None:
        """Type what is due."""
        now = time.monotonic()
        if self._deploy_at and self._deploy_at <= now:
            self._deploy_at = None
            self.deploy()
        if self._edits and self._edits[0] <= now:
            self._edits = [at for at in self._edits if at > now]
            if addresses := self.running():
                self.upsert(addresses)

    def is_done(self) -> bool:
        """Whether nothing is left to type."""
        return super().is_done() and not self._deploy_at and not self._edits
