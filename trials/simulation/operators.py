"""What people and AWS do in a scenario: each method is a step, which does nothing where it has no meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.ecs.api.requests import EcsError
from trials.simulation.images import KINDS, SIDECAR_IMAGE, children_of, digest_of
from trials.simulation.places import (
    CLUSTER,
    HOST_NAMES,
    OTHER_CLUSTER,
    RECORD,
    REGISTRY,
    FaultRates,
    Json,
    service_arn,
)
from trials.simulation.registry import INDEX, MANIFEST
from trials.simulation.zone import RecordSet

if TYPE_CHECKING:
    from lab.ecs.model.state import Task
    from trials.simulation.cloud import Cloud

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "assignPublicIp": "ENABLED"}}
PORT = 8080
ROLLED_BACK_SECONDS = 200
INTERFACE_SECONDS = 8
STACK_SECONDS = 180  # until somebody deletes a stack again whose record was not removed
SIDECARS: list[Json] = [
    {
        "name": name,
        "image": SIDECAR_IMAGE,
        "essential": name == "drain-sidecar",
        "dependsOn": [{"containerName": "app", "condition": "START"}],
        "stopTimeout": stop_timeout,
        "healthCheck": {
            "command": ["CMD", "nc"],
            "interval": 5,
            "timeout": 3,
            "retries": retries,
            "startPeriod": 300,
        },
    }
    for name, stop_timeout, retries in (("readiness-sidecar", 2, 3), ("drain-sidecar", 120, 6))
]
# Name, cluster, images, opted in, controller.
SERVICES: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "app": (CLUSTER, ("app:latest",), "on-push", "ECS"),
    "app-worker": (CLUSTER, ("app-worker:latest",), "on-push", "ECS"),
    "api": (CLUSTER, ("app:stable", "side:1"), "on-push", "ECS"),
    "blog": (CLUSTER, ("app:latest",), "", "ECS"),
    "pipeline": (CLUSTER, ("app:latest",), "on-push", "EXTERNAL"),
    "typo": (CLUSTER, ("app:latest",), "on-push", "ECS"),
    "elsewhere": (OTHER_CLUSTER, ("app:latest",), "on-push", "ECS"),
}
TARGETS = ("app:latest", "app:stable", "side:1", "app-worker:latest", "app:v1")


class Operators:
    """The steps."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.last_target = "app:latest"
        self._labels = self._requests = 0
        self._pushed: dict[str, list[tuple[str, bool]]] = {}
        """By target: the labels pushed so far, and whether each is an index."""

    # images

    def push(self, target: str, kind: str, index: bool = False) -> None:  # noqa: FBT001, FBT002 - a step is data
        """A new image."""
        self._labels += 1
        self._push(target, f"{kind}-{self._labels}", index=index)

    def push_same(self, target: str) -> None:
        """The image that the tag names already."""
        if pushed := self._pushed.get(target):
            self._push(target, *pushed[-1][:1], index=pushed[-1][1])

    def push_old(self, target: str, number: int) -> None:
        """An older image gets the tag back."""
        if pushed := self._pushed.get(target):
            label, index = pushed[number % len(pushed)]
            self._push(target, label, index=index)

    def push_broken_again(self, target: str, kind: str) -> None:
        """An image that is rolled back, and then the same once more."""
        self.push(target, kind)
        self.cloud.run(ROLLED_BACK_SECONDS)
        self.push_same(target)

    def push_twice(self, target: str, kind: str) -> None:
        """Two images, within the same second or nearly."""
        self.push(target, "good")
        self.cloud.run(0.4)
        self.push(target, kind)

    def push_tags(self, kind: str) -> None:
        """One image under three tags at once."""
        self._labels += 1
        for target in ("app:latest", "app:stable", "app:v1"):
            self._push(target, f"{kind}-{self._labels}", index=False)

    def _push(self, target: str, label: str, *, index: bool) -> None:
        cloud, digest = self.cloud, digest_of(label)
        self.last_target = target
        repository, _, tag = target.partition(":")
        children = children_of(label) if index else ()
        known = (repository, digest) in cloud.registry.images
        for each in (digest, *children):
            cloud.runtime.behaviours[each] = KINDS[label.rpartition("-")[0]]
        cloud.clock.tell("push of %s as %s%s", label, target, " (an index of two platforms)" if index else "")
        changed = cloud.registry.push(repository, tag, digest, children, cloud.clock.now)
        self._pushed.setdefault(target, []).append((label, index))
        back = changed or cloud.checks.moved_back.get((repository, tag), False)  # then, and still
        cloud.checks.pushed(repository, tag, moved_back=known and back)
        for each in () if known else children:
            cloud.bus.publish(self._image_action(repository, "", each, MANIFEST))
        # Not documented: whether the same tag and digest once more gives an event.
        if changed or cloud.random.random() < 0.5:
            cloud.bus.publish(self._image_action(repository, tag, digest, INDEX if index else MANIFEST))

    def _image_action(self, repository: str, tag: str, digest: str, media: str, action: str = "PUSH") -> Json:
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "action-type": action,
            "image-tag": tag,
            "manifest-media-type": media,
        }
        return self.cloud.bus.event("aws.ecr", "ECR Image Action", [], detail)

    def delete_tag(self, target: str) -> None:
        """The tag is taken off its image; the image stays."""
        repository, _, tag = target.partition(":")
        if digest := self.cloud.registry.tags.pop((repository, tag), None):
            self.cloud.clock.tell("the tag %s is deleted", target)
            self.cloud.bus.publish(self._image_action(repository, tag, digest, MANIFEST, "DELETE"))

    # tasks

    def end_task(self, number: int, how: str) -> None:
        """A task crashes, is stopped by hand, or loses its Spot capacity."""
        cloud = self.cloud
        tasks = [task for service in cloud.services() for task in cloud.tasks(service)]
        if tasks:
            self._end(tasks[number % len(tasks)], how)

    def end_newest(self, name: str, how: str) -> None:
        """The service's newest running task ends so: the one that a record is about to name."""
        service = self.cloud.service(name)
        runs = [
            task for task in (self.cloud.tasks(service) if service else ()) if task.last_status == "RUNNING"
        ]
        if runs:
            self._end(max(runs, key=lambda task: task.created_at), how)

    def _end(self, task: Task, how: str) -> None:
        cloud = self.cloud
        if how == "loses its interface" and task.last_status != "RUNNING":
            return
        cloud.clock.fault(f"task {how}", "task %s of %s: %s", task.id[-4:], task.group, how)
        if how == "loses its interface":  # its host is gone: EC2 knows it earlier than ECS
            cloud.registry.release_interface(task.interface.eni_id)
            cloud.faults.last_at = cloud.clock.now
            cloud.run(INTERFACE_SECONDS)
            if task.arn not in cloud.model.engine.tasks:
                return
        if how in {"crash", "loses its interface"}:
            cloud.runtime.crash(task.arn, next(iter(task.containers)), cloud.clock.now)
        elif how == "spot":
            cloud.model.interrupt(task.arn, cloud.clock.now)
        else:
            self._ask("StopTask", task=task.id)
        cloud.run(0)

    def run_task(self) -> None:
        """A standalone task of the app's task definition."""
        if self.cloud.registry.resolve_image(f"{REGISTRY}/app:latest"):
            self.cloud.clock.tell("a standalone task of app is started")
            self._ask("RunTask", taskDefinition="app", networkConfiguration=NETWORK)

    # services

    def _ask(self, operation: str, **request: Any) -> Json | None:
        """A person's call; what ECS refuses does nothing."""
        try:
            answer = self.cloud.ecs(operation, {"cluster": CLUSTER, **request})
        except EcsError as error:
            self.cloud.clock.tell("  (ECS refuses: %s)", error.message)
            return None
        self.cloud.checks.look_at_records()  # since when tasks are desired, to the second
        return answer

    def _update(self, name: str, text: str, **request: Any) -> None:
        if self.cloud.service(name) is not None:
            self.cloud.clock.tell(f"{name}: {text}")
            self.cloud.checks.by_hand(name)
            self._ask("UpdateService", service=name, **request)

    def scale(self, name: str, desired: int) -> None:
        """Another desired count, by hand."""
        self._update(name, f"scaled to {desired} by hand", desiredCount=desired)

    def deploy(self, name: str) -> None:
        """A deployment, by hand."""
        if self.cloud.service(name) and SERVICES[name][3] == "ECS":
            self._update(name, "a deployment by hand", forceNewDeployment=True)

    def stack_update(self, name: str) -> None:
        """Another revision of the task definition, by a stack update."""
        if self.cloud.service(name) and SERVICES[name][3] == "ECS":
            self._update(name, "a stack update with another revision", taskDefinition=self._register(name))

    def stop_deployment(self, name: str) -> None:
        """The deployment that is under way is stopped by hand, which rolls it back."""
        service = self.cloud.service(name)
        if service is not None and service.service_deployments:
            self.cloud.clock.tell("%s: its deployment is stopped by hand", name)
            self.cloud.checks.by_hand(name)
            self._ask("StopServiceDeployment", serviceDeploymentArn=service.service_deployments[-1].arn)

    def tag(self, name: str, value: str) -> None:
        """`on-push` or `paused`."""
        if self.cloud.service(name) is not None and SERVICES[name][2]:
            self.cloud.clock.tell("%s: its tag pushlive:redeploy becomes %s", name, value)
            tags = [{"key": "pushlive:redeploy", "value": value}]
            self._ask("TagResource", resourceArn=service_arn(name), tags=tags)

    def delete_service(self, name: str) -> None:
        """DeleteService, by force."""
        service = self.cloud.service(name)
        if service is not None:
            self.cloud.clock.tell("%s is deleted", name)
            if not any(each.tasks or each.stopping for each in service.deployments):
                # A known limit: without a task there is no event, and ListServices no longer shows it.
                self.cloud.checks.left_behind.add(service.tags.get("pushlive:hostname", ""))
            self._ask("DeleteService", service=name, force=True)

    def _register(self, name: str) -> str:
        containers: list[Json] = [
            {"name": f"side{number}" if number else "app", "image": f"{REGISTRY}/{image}"}
            for number, image in enumerate(SERVICES[name][1])
        ]
        containers[0] |= {"portMappings": [{"containerPort": PORT}], "stopTimeout": 120}
        if self.cloud.setup.sidecars:  # as in template.yaml
            for each in containers:
                each["essential"] = False
            containers += SIDECARS
        elif self.cloud.setup.health_check:
            containers[0]["healthCheck"] = {
                "command": ["CMD", "true"],
                "interval": 10,
                "retries": 2,
                "startPeriod": 60,
            }
        answer = self.cloud.ecs(
            "RegisterTaskDefinition",
            {
                "family": name,
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "containerDefinitions": containers,
            },
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def create_service(self, name: str) -> None:
        """A service as SERVICES has it, if there is none of that name."""
        cluster, _, redeploy, controller = SERVICES[name]
        found = self.cloud.model.engine.clusters[cluster].services.get(name)
        if found is not None and found.status != "INACTIVE":
            return
        self.cloud.clock.tell("%s is created", name)
        setup = self.cloud.setup
        host_name = HOST_NAMES.get("app" if name == "elsewhere" else name, "")
        tags = {"pushlive:redeploy": redeploy, "pushlive:hostname": host_name}
        if name == "typo":
            tags["pushlive:desired-count"] = "many"
        definition = self._register(name)
        self._ask(
            "CreateService",
            cluster=cluster,
            serviceName=name,
            taskDefinition=definition,
            desiredCount=setup.desired if name != "elsewhere" else 1,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            deploymentController={"type": controller},
            deploymentConfiguration={
                "deploymentCircuitBreaker": {"enable": setup.breaker, "rollback": setup.breaker}
            },
            tags=[{"key": key, "value": value} for key, value in tags.items() if value],
        )

    # records

    def foreign_record(self, host: str, what: str) -> None:
        """Somebody else's hand in the zone, or in our record."""
        cloud, name = self.cloud, HOST_NAMES[host]
        a_key, txt_key, now = (name, "A"), (f"_pushlive.{name}", "TXT"), cloud.clock.now
        stranger = RecordSet(frozenset({"203.0.113.9"}), 60)
        record = cloud.zone.records.get(a_key)
        cloud.faults.note()
        if what == "makes an alias":
            cloud.checks.left_behind.add(name)  # our TXT record beside it is not touched either
        cloud.clock.fault("foreign hand", "somebody's hand in the record %s: %s", name, what)
        if what == "takes the name":
            cloud.zone.put(txt_key, RecordSet(frozenset({'"heritage=external-dns"'})), now)
        elif what == "adds an address" and record is not None and not record.other:
            cloud.zone.put(a_key, RecordSet(record.answers | stranger.answers, record.ttl), now)
        elif what == "removes the record":
            cloud.zone.put(a_key, None, now)
        elif what == "removes the owner":
            cloud.zone.put(txt_key, None, now)
        elif what == "makes an alias":
            cloud.zone.put(a_key, RecordSet(frozenset(), None, (("AliasTarget", "lb.example.net."),)), now)
        cloud.checks.look_at_records()

    def rename(self, host: str) -> None:
        """A stack update takes the host name off the service: first the tag, then the custom resource."""
        service = self.cloud.service(host)
        if service is None or "pushlive:hostname" not in service.tags:
            return
        self.cloud.clock.tell("%s: the stack gives up its host name", host)
        self._ask("UntagResource", resourceArn=service.arn, tagKeys=["pushlive:hostname"])
        self.give_up(host)

    def give_up(self, host: str) -> None:
        """CloudFormation deletes the stack's record; after a failure, or no answer, somebody tries again."""
        cloud = self.cloud
        self._requests += 1
        request_id = f"request-{self._requests}"
        request = {
            "RequestType": "Delete",
            "RequestId": request_id,
            "ResponseURL": "https://cloudformation.example/",
            "StackId": "stack",
            "LogicalResourceId": "RecordGone",
            "PhysicalResourceId": host,
            "ResourceType": "Custom::RecordGone",
            "ResourceProperties": {"ServiceName": host, "HostName": HOST_NAMES[host]},
        }
        cloud.functions.invoke(RECORD, request, "the stack's request")

        def try_again() -> None:
            if cloud.stack_answers.get(request_id) != "":
                cloud.clock.tell("the stack asks again to remove %s", HOST_NAMES[host])
                self.give_up(host)

        cloud.clock.after(STACK_SECONDS, try_again)

    # races

    def in_between(self, operation: str, name: str, *arguments: Any) -> None:
        """Another step happens just before a function's next call of `operation`."""

        def happens() -> None:
            if not self.cloud.checks.failures:
                self.cloud.clock.fault("race", "just before %s: %s", operation, name)
                getattr(self, name)(*arguments)

        self.cloud.in_between[operation] = happens

    # faults

    def trouble(self, kind: str, service: str, seconds: int) -> None:
        """For a while AWS throttles, denies or delays the calls of one of its services."""
        self.cloud.faults.open(kind, service, seconds)

    def kill(self, number: int) -> None:
        """A run that is under way is killed where it stands."""
        if runs := self.cloud.functions.under_way:
            run = runs[number % len(runs)]
            self.cloud.clock.fault("run killed", "%s is killed in the middle", run)
            self.cloud.faults.note()
            run.end()

    def fault_rates(self, fault_rates: FaultRates) -> None:
        """How often things go wrong from now on."""
        self.cloud.faults.fault_rates = fault_rates
