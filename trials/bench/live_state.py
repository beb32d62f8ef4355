"""The place that the events tell of (events/README.md), in the lab: what the functions find and change."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from lab.ecr.oci import build_index, hello_app_image
from lab.ecr.registry import push_image, push_index
from lab.identity import ACCOUNT, CREDENTIALS
from lab.template import ACCOUNT as ACCOUNT_OF_THE_EVENTS
from lab.template import HOST_NAME, HOSTED_ZONE_ID, ROOT
from lab.waiting import accepts, until
from pushlive.ec2 import cloudfront_prefix_list

if TYPE_CHECKING:
    from lab.lab import Lab

    Json = dict[str, Any]
    # name, type and TTL in seconds → values
    Records = dict[tuple[str, str, int], list[str]]

EVENTS = ROOT / "events"
CLUSTER, SERVICE, REPOSITORY, TAG, TTL_SECONDS = "pushlive", "hello", "hello", "latest", 10
GONE = "127.63.0.1"  # where no task of the lab ever is


def in_the_lab(text: str) -> str:
    """`text` with the lab's account for that of the events: one of another account would be ignored."""
    return text.replace(ACCOUNT_OF_THE_EVENTS, ACCOUNT)


def read_event(name: str, response_url: str = "", zone_id: str = HOSTED_ZONE_ID) -> Json:
    """An event of events/; CloudFormation's are about this zone and to be answered at `response_url`."""
    text = (EVENTS / f"{name}.json").read_text(encoding="utf-8").replace(HOSTED_ZONE_ID, zone_id)
    found: Json = json.loads(in_the_lab(text))
    return found | {"ResponseURL": response_url} if "ResponseURL" in found else found


class LiveState:
    """One service with one task, deployed from the lab's registry, and the zone of its host name."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._port = lab.free_port(8080)
        self._versions = 0
        self._ecs, self._route53 = lab.client("ecs"), lab.client("route53")
        settings = (EVENTS / "local" / "env.json").read_text(encoding="utf-8")
        self._settings: dict[str, str] = json.loads(in_the_lab(settings))["Parameters"]
        zone = self._route53.create_hosted_zone(Name="example.com", CallerReference="test")
        self.zone_id: str = zone["HostedZone"]["Id"].rpartition("/")[2]
        self.cloudfront_prefix_list = cloudfront_prefix_list(lab.client("ec2"))
        lab.client("ecr").create_repository(repositoryName=REPOSITORY)
        self.push_image()
        self._service_arn = self._create_service()

    def _create_service(self) -> str:
        self._ecs.create_cluster(clusterName=CLUSTER)
        self._lab.client("logs").create_log_group(logGroupName=self._settings["LEASES_LOG_GROUP"])
        self._lab.client("sns").create_topic(Name=self._settings["TOPIC_ARN"].rpartition(":")[2])
        container = {
            "name": "app",
            "image": f"{self._settings['REGISTRY']}/{REPOSITORY}:{TAG}",
            "portMappings": [{"containerPort": self._port}],
            "environment": [
                {"name": "DRAIN_SECONDS", "value": "0"},
                {"name": "PORT", "value": str(self._port)},
            ],
        }
        definition = self._ecs.register_task_definition(
            family=SERVICE,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[container],
        )["taskDefinition"]
        arn: str = self._ecs.create_service(
            cluster=CLUSTER,
            serviceName=SERVICE,
            taskDefinition=definition["taskDefinitionArn"],
            desiredCount=1,
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}
            },
            tags=[{"key": "pushlive:redeploy", "value": "on-push"}],
        )["service"]["serviceArn"]
        return arn

    @property
    def environment(self) -> dict[str, str]:
        """What the functions are told: events/local/env.json, but they change what they decide to change."""
        return {
            **self._settings,
            "HOSTED_ZONE_ID": self.zone_id,
            "DRY_RUN": "false",
            **CREDENTIALS,
            "AWS_SESSION_TOKEN": "lab",
            "AWS_ENDPOINT_URL": self._lab.endpoint,
        }

    # What somebody does

    def push_image(self) -> None:
        """Docker push."""
        push_image(*self._repository, TAG, hello_app_image(self._next_version()))

    def push_index(self) -> None:
        """Docker push of an image for two platforms."""
        version = self._next_version()
        images = [hello_app_image(version, target=target) for target in ("linux/amd64", "linux/arm64")]
        push_index(*self._repository, TAG, build_index(images, attestations=True))

    @property
    def _repository(self) -> tuple[str, str]:
        return self._lab.endpoint.partition("://")[2], REPOSITORY

    def _next_version(self) -> str:
        self._versions += 1
        return str(self._versions)

    def put_right(self) -> None:
        """The newest deployment is over and told, its task answers, and the record holds its address."""
        until(self._is_steady, "the end of the deployment")
        tag = {"key": "pushlive:hostname", "value": HOST_NAME}
        self._ecs.tag_resource(resourceArn=self._service_arn, tags=[tag])
        self.put_record(*self.addresses())
        self._tell()

    def _tell(self) -> None:
        """As if a run had told people of all deployments that are over (pushlive/leases.py)."""
        logs, group = self._lab.client("logs"), self._settings["LEASES_LOG_GROUP"]
        listed = self._ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
        for deployment in listed:
            name = deployment["serviceDeploymentArn"].rpartition("/")[2]
            for stream in (
                f"notifications/{SERVICE}/{name}/live/1",
                f"notifications/{SERVICE}/{name}/live/done",
            ):
                with suppress(logs.exceptions.ResourceAlreadyExistsException):
                    logs.create_log_stream(logGroupName=group, logStreamName=stream)

    def _is_steady(self) -> bool:
        service = self._service()
        over = [deployment["rolloutState"] for deployment in service["deployments"]] == ["COMPLETED"]
        addresses = self.addresses()  # that of a task that is stopping as well
        return over and len(addresses) == 1 and accepts(addresses[0], self._port)

    def put_record(self, *addresses: str) -> None:
        """The record holds these addresses, and its TXT names the service."""
        self._change("UPSERT", self.records_with(*addresses))

    def remove_record(self) -> None:
        """As if it had never been written."""
        self._change("DELETE", self.records())

    def _change(self, action: str, records: Records) -> None:
        changes = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": name,
                    "Type": record_type,
                    "TTL": ttl_seconds,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for (name, record_type, ttl_seconds), values in records.items()
        ]
        batch = {"Changes": changes}
        self._route53.change_resource_record_sets(HostedZoneId=self.zone_id, ChangeBatch=batch)

    # What is there

    def seen(self) -> Json:
        """All that a function may change."""
        deployments = self._ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE)
        service = self._service()
        return {
            "deployments": len(deployments["serviceDeployments"]),
            "desired count": service["desiredCount"],
            "tags": {tag["key"]: tag["value"] for tag in service["tags"]},
            "records": self.records(),
        }

    def _service(self) -> Json:
        found: Json = self._ecs.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])
        service: Json = found["services"][0]
        return service

    def addresses(self) -> list[str]:
        """The public addresses of the tasks."""
        interfaces = self._lab.ecs.interfaces().values()
        return sorted(interface.public_ip for interface in interfaces if interface.public_ip)

    def records(self) -> Records:
        """The records of the zone but its own."""
        listed = self._route53.list_resource_record_sets(HostedZoneId=self.zone_id)["ResourceRecordSets"]
        return {
            (each["Name"].rstrip("."), each["Type"], each["TTL"]): sorted(
                value["Value"] for value in each["ResourceRecords"]
            )
            for each in listed
            if each["Type"] not in {"SOA", "NS"}
        }

    def records_with(self, *addresses: str) -> Records:
        """The records as UpdateRecord writes them for these addresses."""
        return {
            (HOST_NAME, "A", TTL_SECONDS): sorted(addresses),
            (f"_pushlive.{HOST_NAME}", "TXT", 300): [f'"pushlive service={self._service_arn}"'],
        }
