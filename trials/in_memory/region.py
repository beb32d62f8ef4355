"""An AWS region in process and in virtual time, with what a person does there and how functions run in it.

ECR, EC2 and Route 53 are moto's, ECS is the lab's model; its tasks' interfaces are moto's interfaces.
"""

from __future__ import annotations

import hashlib
import json
import random
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.ecr.models import ecr_backends
from moto.logs.models import logs_backends
from moto.route53.models import route53_backends
from moto.sns.models import sns_backends
from redeploy_service.app import Redeployment
from update_record.app import RecordUpdate

from lab.ecs.api.ecs_api import EcsApi
from lab.ecs.model.ecs_model import EcsModel
from lab.ecs.model.world import Interface
from lab.ecs.virtual.fake_runtime import Behaviour, FakeRuntime
from pushlive.config import Settings
from pushlive.image_reference import is_in
from trials.in_memory.wire import CHANGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from trials.in_memory.wire import Wire

    Json = dict[str, Any]

ACCOUNT = "123456789012"  # moto's
REGION = "eu-west-1"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/lab"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ZONE = "example.com"
HOST_NAME = f"app.{ZONE}"
PORT = 8080
LOG_GROUP, RECORD_LOG_GROUP = "redeploy-service", "update-record"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{ACCOUNT}:pushlive"
START = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC).timestamp()
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
TIMEOUT_SECONDS = 60  # pushlive.yaml, Globals
CALM_SECONDS = 300  # after so long a deployment without failures is over, its old tasks are gone


class Region:
    """The region; `hands` are the clients of a person, whose calls are not recorded."""

    def __init__(self, wire: Wire, hands: dict[str, Any]) -> None:
        self.now = START
        self.hands = hands
        self.behaviours: dict[str, Behaviour] = {}
        self._world = _World(self)
        self.model = EcsModel(self._world, random.Random(0), region=REGION, account=ACCOUNT)  # noqa: S311 - ids only
        self.runtime = FakeRuntime(self.model, self.behaviours)
        self.probed: list[tuple[str, int]] = []
        self.reported: dict[str, str] = {}
        """Digest to another one that ECS reports for it, as it may for an index."""
        self.rewrites: dict[str, Callable[[Json], object]] = {}
        """Operation to what changes an answer of the model's, where AWS may answer otherwise."""
        self.pushed_at: dict[tuple[str, str], float] = {}
        self._api = EcsApi(self.model)
        self.wire = wire
        wire.forget(self._answer_ecs, lambda: self.now)
        self.ecs = self.wire.client("ecs")
        """A person's too: only what a function calls is recorded."""
        self.subnet_id: str = hands["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
        for group in (LOG_GROUP, RECORD_LOG_GROUP):
            logs_backends[ACCOUNT][REGION].create_log_group(group, {})
        sns_backends[ACCOUNT][REGION].create_topic(TOPIC_ARN.rpartition(":")[2])
        zone = hands["route53"].create_hosted_zone(Name=f"{ZONE}.", CallerReference="test")
        self.zone_id: str = zone["HostedZone"]["Id"].rpartition("/")[2]
        self._events = 0
        self.ecs.create_cluster(clusterName="lab")

    def _answer_ecs(self, operation: str, request: Json) -> Json:
        self.runtime.run_until(self.now)
        answer = self._api.call(operation, request, self.now)
        if operation in self.rewrites:
            self.rewrites[operation](answer)
        self.runtime.take()
        return answer

    # Time

    def wait(self, seconds: float) -> None:
        """Let time pass, also as the functions' `sleep`."""
        self.now += seconds
        self.runtime.run_until(self.now)

    def wait_until(self, condition: Callable[[], bool], limit_seconds: float = 3600) -> None:
        """Let time pass second by second until the condition holds."""
        deadline = self.now + limit_seconds
        while not condition():
            assert self.now < deadline, f"still not after {limit_seconds} s: {self.service()}"
            self.wait(1)

    def datetime(self) -> datetime:
        """The time."""
        return datetime.fromtimestamp(self.now, UTC)

    # What a person does

    def push(
        self,
        content: str,
        repository: str = "app",
        tag: str = "latest",
        *,
        behaviour: Behaviour | None = None,
        children: Sequence[str] = (),
        manifest: Json | None = None,
    ) -> Json:
        """docker push; the event of it. An index names its children's digests. Or a manifest of one's own."""
        with suppress(self.hands["ecr"].exceptions.RepositoryAlreadyExistsException):
            self.hands["ecr"].create_repository(repositoryName=repository)
        manifest = manifest or _manifest(content, children)
        text = json.dumps(manifest)
        digest = digest_of(text)
        with suppress(self.hands["ecr"].exceptions.ImageAlreadyExistsException):
            self.hands["ecr"].put_image(
                repositoryName=repository, imageManifest=text, imageTag=tag, imageDigest=digest
            )
        pushed_at = self.pushed_at.setdefault((repository, digest), self.now)
        for image in ecr_backends[ACCOUNT][REGION].repositories[repository].images:
            if image.image_digest == digest:
                image.image_pushed_at = int(pushed_at)
        if behaviour is not None:
            self.behaviours[digest] = behaviour
        return self.ecr_event(repository=repository, tag=tag, digest=digest, media=manifest["mediaType"])

    def register(
        self,
        name: str,
        images: Sequence[str],
        *,
        port: int = PORT,
        health_check: bool = False,
        first: str = "app",
        last: Json | None = None,
        **first_container: Any,
    ) -> str:
        """A new revision of a task definition: a container for each image, the port on the first."""
        containers: list[Json] = [
            {
                "name": f"side{number}" if number else first,
                "image": image if "." in image.partition("/")[0] else f"{REGISTRY}/{image}",
            }
            for number, image in enumerate(images)
        ]
        containers[0] |= {"portMappings": [{"containerPort": port}], **first_container}
        containers[-1] |= last or {}
        if health_check:
            containers[0]["healthCheck"] = {"command": ["CMD", "true"], "interval": 5, "retries": 2}
        arn: str = self.ecs.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=containers,
        )["taskDefinition"]["taskDefinitionArn"]
        return arn

    def create_service(
        self,
        name: str = "app",
        images: Sequence[str] = ("app:latest",),
        *,
        desired: int = 1,
        redeploy: str | None = "on-push",
        count: str = "",
        host_name: str = "",
        public: bool = True,
        rollback: bool = True,
        **definition: Any,
    ) -> None:
        """A service, with the tags that pushlive reads."""
        tags = {
            "pushlive:redeploy": redeploy,
            "pushlive:desired-count": count,
            "pushlive:hostname": host_name,
        }
        self.ecs.create_service(
            cluster="lab",
            serviceName=name,
            taskDefinition=self.register(name, images, **definition),
            desiredCount=desired,
            launchType="FARGATE",
            networkConfiguration={
                "awsvpcConfiguration": {
                    "subnets": [self.subnet_id],
                    "assignPublicIp": "ENABLED" if public else "DISABLED",
                }
            },
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": rollback}},
            tags=[{"key": key, "value": value} for key, value in tags.items() if value],
        )

    def run_service(self, name: str = "app", **settings: Any) -> None:
        """A service whose first deployment, of the images that are there, is over."""
        self.create_service(name, **settings)
        self.wait(CALM_SECONDS)

    def update_service(self, name: str = "app", **changes: Any) -> None:
        """UpdateService, by hand."""
        self.ecs.update_service(cluster="lab", service=name, **changes)

    def scale(self, desired: int, name: str = "app") -> None:
        """UpdateService with a desired count only, by hand."""
        self.update_service(name, desiredCount=desired)

    def tag(self, name: str = "app", **tags: str) -> None:
        """TagResource: `redeploy="paused"`."""
        pairs = [{"key": f"pushlive:{key}", "value": value} for key, value in tags.items()]
        self.ecs.tag_resource(resourceArn=service_arn(name), tags=pairs)

    def upsert(self, name: str, record_type: str, values: Iterable[str], **settings: Any) -> None:
        """Somebody else's record."""
        record: Json = {"Name": name, "Type": record_type}
        record |= settings or {"TTL": 10, "ResourceRecords": [{"Value": value} for value in values]}
        self.hands["route53"].change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]},
        )

    def forget_records(self) -> None:
        """Delete all records of the zone but its own, by hand."""
        zone = route53_backends[ACCOUNT]["aws"].get_hosted_zone(self.zone_id)
        zone.rrsets = [each for each in zone.rrsets if each.type in {"SOA", "NS"}]

    def lose_interface(self, task_arn: str) -> None:
        """The task's interface vanishes before ECS says so."""
        self._world.release_interface(self.model.engine.tasks[task_arn].interface.eni_id)

    # Events

    def _event(self, source: str, kind: str, resources: list[str], detail: Json) -> Json:
        self._events += 1
        return {
            "version": "0",
            "id": f"event-{self._events}",
            "detail-type": kind,
            "source": source,
            "account": ACCOUNT,
            "time": datetime.fromtimestamp(int(self.now), UTC).isoformat().replace("+00:00", "Z"),
            "region": REGION,
            "resources": resources,
            "detail": detail,
        }

    def schedule(self) -> Json:
        """The five minutes' event."""
        rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/every-five-minutes"
        return self._event("aws.events", "Scheduled Event", [rule], {})

    def ecr_event(
        self, *, repository: str, tag: str, digest: str, media: str = MANIFEST, action: str = "PUSH"
    ) -> Json:
        """ECR Image Action."""
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "action-type": action,
            "image-tag": tag,
            "manifest-media-type": media,
        }
        return self._event("aws.ecr", "ECR Image Action", [], detail)

    def deployment_event(self, name: str = "app") -> Json:
        """The newest ECS Deployment State Change of a service."""
        self.wait(0)
        return [
            each.event
            for each in self.runtime.events
            if each.event["detail-type"] == "ECS Deployment State Change"
            and each.event["resources"] == [service_arn(name)]
        ][-1]

    def task_event(self, last_status: str, name: str = "app") -> Json:
        """The newest ECS Task State Change of a service's tasks with that lastStatus."""
        self.wait(0)
        return [
            each.event
            for each in self.runtime.events
            if each.event["detail-type"] == "ECS Task State Change"
            and each.event["detail"]["group"] == f"service:{name}"
            and each.event["detail"]["lastStatus"] == last_status
        ][-1]

    def messages(self) -> list[tuple[str, str]]:
        """Subject and text of what people were told."""
        sent = sns_backends[ACCOUNT][REGION].topics[TOPIC_ARN].sent_notifications
        return [(str(subject), str(text)) for _, text, subject, *_ in sent]

    # The functions

    def _settings(self, changes: dict[str, str]) -> Settings:
        env = {
            "CLUSTER_ARN": CLUSTER_ARN,
            "REGISTRY": REGISTRY,
            "HOSTED_ZONE_ID": self.zone_id,
            "HOST_NAMES": "*.example.com",
            "LEASES_LOG_GROUP": LOG_GROUP,
            "TOPIC_ARN": TOPIC_ARN,
            **changes,
        }
        return Settings.from_env(env)

    def redeploy(self, event: Json | None = None, **env: str) -> None:
        """Run RedeployService, on the schedule where no event is given."""
        time_out = self.now + TIMEOUT_SECONDS
        with self.wire.recorded("RedeployService"):
            Redeployment(
                self._settings(env),
                self.wire.client("ecs"),
                self.wire.client("ecr"),
                lambda: self.wire.client("logs"),
                lambda: self.wire.client("sns"),
                seconds_left=lambda: time_out - self.now,
                now=self.datetime,
                sleep=self.wait,
            ).run(event or self.schedule())

    def update_record(self, event: Json | None = None, *, seconds: float = 45, **env: str) -> None:
        """Run UpdateRecord, on the schedule where no event is given, with so much time to look again."""
        with self.wire.recorded("UpdateRecord"):
            RecordUpdate(
                self._settings({"LEASES_LOG_GROUP": RECORD_LOG_GROUP, **env}),
                self.wire.client("ecs"),
                self.wire.client("ec2"),
                self.wire.client("route53"),
                lambda: self.wire.client("logs"),
                lambda: self.wire.client("sns"),
                deadline=self.now + seconds,
                now=lambda: self.now,
                clock=self.datetime,
                sleep=self.wait,
                answering=self._answering,
            ).run(event or self.schedule())

    def _answering(self, addresses: Iterable[str], port: int) -> frozenset[str]:
        """Those addresses at which a container listens now."""
        wanted = sorted(addresses)
        self.probed += [(address, port) for address in wanted]
        return frozenset(
            task.interface.public_ip or ""
            for task in self.model.engine.tasks.values()
            if task.interface.public_ip in wanted
            for container in task.definition.described["containerDefinitions"]
            for mapping in container.get("portMappings", [])
            if (mapping["containerPort"], mapping.get("protocol", "tcp")) == (port, "tcp")
            and self.runtime.listens(task.arn, container["name"], self.now)
        )

    def before(self, operation: str, hook: Callable[[], None]) -> None:
        """Do something just before the functions' next call of that operation is answered."""
        self.wire.hooks.setdefault(operation, []).append(hook)

    # What is there

    def changes(self) -> list[str]:
        """The operations by which the functions changed something, in order."""
        return [call.operation for call in self.wire.calls if call.operation in CHANGES]

    def calls(self, operation: str) -> list[Json]:
        """The parameters of the functions' calls of one operation."""
        return [call.parameters for call in self.wire.calls if call.operation == operation]

    def leases(self) -> list[str]:
        """The log streams by which runs leased a deployment, in order."""
        return [name for name in self.streams(LOG_GROUP) if name.startswith("leases/")]

    def streams(self, log_group: str) -> list[str]:
        """The log streams that runs made, in order."""
        return list(logs_backends[ACCOUNT][REGION].groups[log_group].streams)

    def service(self, name: str = "app") -> Json:
        """DescribeServices."""
        found: Json = self.ecs.describe_services(cluster="lab", services=[name], include=["TAGS"])[
            "services"
        ][0]
        return found

    def deployments(self, name: str = "app") -> list[Json]:
        """ListServiceDeployments, newest first."""
        return list(self.ecs.list_service_deployments(cluster="lab", service=name)["serviceDeployments"])

    def tasks(self, name: str = "app") -> list[Json]:
        """The service's RUNNING tasks that are to go on running, oldest first."""
        arns = self.ecs.list_tasks(cluster="lab", serviceName=name)["taskArns"]
        found = self.ecs.describe_tasks(cluster="lab", tasks=arns)["tasks"] if arns else []
        return [task for task in found if task["lastStatus"] == "RUNNING"]

    def running_digests(self, name: str = "app") -> set[str]:
        """The digests of the running tasks' first containers."""
        return {task["containers"][0]["imageDigest"] for task in self.tasks(name)}

    def public_ips(self, name: str = "app") -> set[str]:
        """The public addresses of the service's running tasks."""
        return {
            self.model.engine.tasks[task["taskArn"]].interface.public_ip or "" for task in self.tasks(name)
        }

    def records(self) -> dict[tuple[str, str], set[str]]:
        """Every record of the zone but its own SOA and NS: name and type to values."""
        listed = self.hands["route53"].list_resource_record_sets(HostedZoneId=self.zone_id)
        return {
            (each["Name"].rstrip("."), each["Type"]): {
                value["Value"].strip('"') for value in each.get("ResourceRecords", [])
            }
            for each in listed["ResourceRecordSets"]
            if each["Type"] not in {"SOA", "NS"}
        }

    def addresses(self, name: str = HOST_NAME) -> set[str] | None:
        """The values of the A record, None where there is none."""
        return self.records().get((name, "A"))


class _World:
    """The model's registry and network: moto's."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._addresses: dict[str, tuple[str, str]] = {}

    def resolve_image(self, image: str) -> str | None:
        if not is_in(image, REGISTRY):
            return digest_of(image)  # another registry's
        path = image.partition("/")[2]
        name, _, digest = path.partition("@")
        if digest:
            repository = name.partition(":")[0]
            known = {
                self._region.reported.get(each, each)
                for at, each in self._region.pushed_at
                if at == repository
            }
            return digest if digest in known else None
        repository, _, tag = name.partition(":")
        repositories = ecr_backends[ACCOUNT][REGION].repositories
        found = repositories[repository].images if repository in repositories else []
        digests = [each.image_digest for each in found if (tag or "latest") in each.image_tags]
        return self._region.reported.get(digests[0], digests[0]) if digests else None

    def allocate_interface(
        self,
        subnet_ids: Sequence[str],
        group_ids: Sequence[str],
        public: bool,  # noqa: FBT001 - see World
    ) -> Interface:
        ec2 = self._region.hands["ec2"]
        made = ec2.create_network_interface(SubnetId=subnet_ids[0])["NetworkInterface"]
        eni_id = made["NetworkInterfaceId"]
        public_ip = None
        if public:
            address = ec2.allocate_address(Domain="vpc")
            public_ip = address["PublicIp"]
            association = ec2.associate_address(
                AllocationId=address["AllocationId"], NetworkInterfaceId=eni_id
            )
            self._addresses[eni_id] = (association["AssociationId"], address["AllocationId"])
        return Interface(
            eni_id,
            made["PrivateIpAddress"],
            public_ip,
            subnet_ids[0],
            made["MacAddress"],
            f"attachment-{eni_id}",
            group_ids=tuple(group_ids),
        )

    def release_interface(self, eni_id: str) -> None:
        ec2 = self._region.hands["ec2"]
        if eni_id in self._addresses:
            association_id, allocation_id = self._addresses.pop(eni_id)
            ec2.disassociate_address(AssociationId=association_id)
            ec2.release_address(AllocationId=allocation_id)
        ec2.delete_network_interface(NetworkInterfaceId=eni_id)


def _manifest(content: str, children: Sequence[str]) -> Json:
    if children:
        manifests = [{"mediaType": MANIFEST, "size": 1, "digest": each} for each in children]
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    config = {"mediaType": "test", "size": 1, "digest": content}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}


def digest_of(text: str) -> str:
    """The digest of a manifest."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def service_arn(name: str) -> str:
    """The ARN of a service in the cluster."""
    return CLUSTER_ARN.replace(":cluster/", ":service/") + f"/{name}"
