"""The records as the stack that follows them comes and goes: CloudFormation asks, by a custom resource."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    def carry_out(self, request: StackRequest) -> None:
        """Check that the zone can hold the record; on Delete remove it, or all of an existing cluster's.

        Raises:
            ConfigError: the zone cannot hold it, or the stack follows another cluster by now.
        """
        if request.request_type != "Delete":
            self._check(request)
            return
        if request.physical_resource_id != request.made:
            return  # CloudFormation deletes also what it could not create
        with suppress(self.route53_client.exceptions.NoSuchHostedZone):  # its records went with it
            if request.cluster_name:
                self._give_up_all(request)
            else:
                self._give_up(request)

    def _check(self, request: StackRequest) -> None:
        zone_id = request.hosted_zone_id or self.settings.hosted_zone_id
        zone = route53.zone_name(self.route53_client, zone_id)
        host_names = self.settings.host_names
        if not request.cluster_name:
            name = route53.host_name(request.host_name, zone)
        elif host_names.endswith(f".{zone}"):
            name = host_names.removeprefix("*.")
        else:
            raise ConfigError(
                f"The parameter ExistingHostNames is {host_names!r:.80}, but the hosted zone is {zone}: "
                f"give a name in it, or *.{zone}, or the parameter HostedZoneId of its own zone"
            )
        if name == zone:
            return
        record = route53.read_record(self.route53_client, zone_id, name, zone)
        if record.delegated_at:
            raise ConfigError(delegated(name, record.delegated_at))

    def _stays(self, request: StackRequest) -> bool:
        """Return whether the services keep their names, because the stack only moves to another zone."""
        return request.hosted_zone_id != self.settings.hosted_zone_id

    def _give_up(self, request: StackRequest) -> None:
        """Remove the record before the stack releases the addresses.

        The tag goes first: a run at the same time then finds that the name is no longer wanted.
        """
        name = route53.spelled(request.host_name)
        for found in ecs.services(self.ecs_client, self.settings.cluster_arn, [request.service_name]):
            if host_name_tag(found) == name and not self._stays(request):
                self._take_the_tag_off(found)
        self.remove(request.service_name, name)

    def _give_up_all(self, request: StackRequest) -> None:
        """Remove the records of the cluster's services before the functions go; the services stay.

        Which records these are is read from the zone, not from the tags: so a second try finds what the
        first one left, and what services that are gone have left behind goes as well.

        Raises:
            ConfigError: it is another cluster than the one that this stack follows by now.
        """
        cluster = self.settings.cluster_arn
        if request.cluster_name != cluster.rpartition("/")[2]:
            raise ConfigError(
                f"The records of cluster {request.cluster_name:.80} stay, because the stack now follows "
                f"{cluster.rpartition('/')[2]}: deploy another stack for another cluster"
            )
        for found in ecs.services(self.ecs_client, cluster, ecs.service_names(self.ecs_client, cluster)):
            named = host_name_tag(found)
            if named and self.settings.admits_host_name(named) and not self._stays(request):
                self._take_the_tag_off(found)
        services_arn = cluster.replace(":cluster/", ":service/") + "/"
        for name, service_arn in route53.owned(self.route53_client, request.hosted_zone_id, services_arn):
            if self.settings.admits_host_name(name):
                self.remove(service_arn.removeprefix(services_arn), name)

    def _take_the_tag_off(self, service: Service) -> None:
        if service.status == "ACTIVE" and not self.settings.dry_run:
            ecs.forget_host_name(self.ecs_client, service.service_arn)
