"""The records as the stack that follows them comes and goes: CloudFormation asks, by a custom resource."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pushlive import ecs, route53
from pushlive.config import ConfigError
from pushlive.record_state import host_name_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_route53 import Route53Client

    from pushlive.config import Settings
    from pushlive.events import StackRequest


@dataclass
class StackRecords:
    """What becomes of the records when CloudFormation asks."""

    settings: Settings
    ecs_client: ECSClient
    route53_client: Route53Client
    follow: Callable[[str, str], object]
    """Brings the record of a service, given by the names of both, up to date."""

    def carry_out(self, request: StackRequest) -> None:
        """Check that the zone can hold the record; on Delete remove it, or all of an existing cluster's.

        Raises:
            ConfigError: the zone cannot hold it, or the stack follows another cluster by now.
        """
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

    def _asked_name(self, request: StackRequest) -> str:
        """Return the host name that the stack asks for; of an existing cluster, which ones it may have.

        Raises:
            ConfigError: the zone cannot hold it.
        """
        zone = route53.zone_name(self.route53_client, self.settings.hosted_zone_id)
        host_names = self.settings.host_names
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
        for found in ecs.services(self.ecs_client, self.settings.cluster_arn, [service_name]):
            if host_name_tag(found) == name:
                self._take_the_tag_off(found)
        self.follow(service_name, name)

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
            if host_name_tag(found) and self.settings.admits_host_name(host_name_tag(found)):
                self._take_the_tag_off(found)
        services_arn = cluster.replace(":cluster/", ":service/") + "/"
        for name, service_arn in route53.owned(
            self.route53_client, self.settings.hosted_zone_id, services_arn
        ):
            if self.settings.admits_host_name(name):
                self.follow(service_arn.removeprefix(services_arn), name)

    def _take_the_tag_off(self, service: ecs.Service) -> None:
        if service.status == "ACTIVE" and not self.settings.dry_run:
            ecs.forget_host_name(self.ecs_client, service.service_arn)
