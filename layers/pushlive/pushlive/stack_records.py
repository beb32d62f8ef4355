"""The records as the stack that follows them comes and goes: CloudFormation asks, by a custom resource."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from pushlive import ecs, route53
from pushlive.config import ConfigError
from pushlive.record_plan import delegated
from pushlive.record_state import host_name_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_route53 import Route53Client

    from pushlive.config import Settings
    from pushlive.events import StackRequest
    from pushlive.model import Service


@dataclass
class StackRecords:
    """What becomes of the records when CloudFormation asks."""

    settings: Settings
    ecs_client: ECSClient
    route53_client: Route53Client
    remove: Callable[[str, str], object]
    """Removes the record of a service, given by the names of both, from the zone that the request names."""
    reconcile: Callable[[str], object]
    """Brings the record of the service of this name up to date."""

    def carry_out(self, request: StackRequest) -> None:
        """Check that the zone can hold the records; on Delete remove them, or the one of a service.

        A service that has got another name, by its tag, gets the record now: ECS sends no event of that.

        Raises:
            ConfigError: the zone cannot hold them, or the stack follows another cluster by now.
        """
        if request.request_type != "Delete":
            if not request.service_name:  # template.yaml gives the same name to both resources
                self._check(request)
                return
            with suppress(ExceptionGroup, BotoCoreError, ClientError):  # the schedule tries again
                self.reconcile(request.service_name)
            return
        if request.physical_resource_id != request.made:
            return  # CloudFormation deletes also what it could not create
        with suppress(self.route53_client.exceptions.NoSuchHostedZone):  # its records went with it
            if request.service_name:
                self._give_up_one(request)
            else:
                self._give_up_all(request)

    def _check(self, request: StackRequest) -> None:
        zone_id, host_names = request.hosted_zone_id, request.host_names
        zone = route53.zone_name(self.route53_client, zone_id)
        if not host_names.endswith(f".{zone}"):
            raise ConfigError(
                f"The host name is {host_names!r:.80}, but the hosted zone is {zone}: "
                f"give a name such as app.{zone}, or the parameter HostedZoneId of its own zone"
            )
        name = host_names.removeprefix("*.")
        if name == zone:
            return
        record = route53.read_record(self.route53_client, zone_id, name, zone)
        if record.delegated_at:
            raise ConfigError(delegated(name, record.delegated_at))

    def _give_up_one(self, request: StackRequest) -> None:
        """Remove the service's record before the stack releases the addresses.

        The tag goes first: a run at the same time then finds that the name is no longer wanted.
        """
        name = route53.spelled(request.host_names)
        for found in ecs.services(self.ecs_client, self.settings.cluster_arn, [request.service_name]):
            if host_name_tag(found) == name:
                self._take_the_tag_off(found)
        self.remove(request.service_name, name)

    def _give_up_all(self, request: StackRequest) -> None:
        """Remove the cluster's records before the functions go; the services stay.

        The tags go first here too. They stay where the stack only moves to other names or another zone.
        Which records these are is read from the zone, not from the tags: so a second try finds what the
        first one left, and what services that are gone have left behind goes as well.

        Raises:
            ConfigError: it is another cluster than the one that this stack follows by now.
        """
        settings, cluster = self.settings, self.settings.cluster_arn
        if request.cluster_name != cluster.rpartition("/")[2]:
            raise ConfigError(
                f"The records of cluster {request.cluster_name:.80} stay, because the stack now follows "
                f"{cluster.rpartition('/')[2]}: deploy another stack for another cluster"
            )
        there = settings._replace(hosted_zone_id=request.hosted_zone_id, host_names=request.host_names)
        if there == settings:
            for found in ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster)):
                if (named := host_name_tag(found)) and settings.admits_host_name(named):
                    self._take_the_tag_off(found)
        services_arn = cluster.replace(":cluster/", ":service/") + "/"
        for name, service_arn in route53.owned(self.route53_client, there.hosted_zone_id, services_arn):
            kept = there != settings and there.hosted_zone_id == settings.hosted_zone_id
            if there.admits_host_name(name) and not (kept and settings.admits_host_name(name)):
                self.remove(service_arn.removeprefix(services_arn), name)

    def _take_the_tag_off(self, service: Service) -> None:
        if service.status == "ACTIVE" and not self.settings.dry_run:
            ecs.forget_host_name(self.ecs_client, service.service_arn)
