"""What must hold at every moment: each check has a name, and judges a run by what it could know.

What must hold once it is quiet is in quiet.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.ecs.model.deployments import UNFINISHED
from trials.simulation.places import CLUSTER, CLUSTER_ARN, HOST_NAMES, REGISTRY, service_arn
from trials.simulation.runs import RETRY_SECONDS

if TYPE_CHECKING:
    from lab.ecs.model.state import ContainerDefinition, Service, ServiceDeployment, ServiceRevision
    from trials.simulation.cloud import Cloud
    from trials.simulation.places import Json
    from trials.simulation.runs import Run
    from trials.simulation.zone import Key, RecordSet

ONE_PER_PUSH = "at most one deployment per push and service"
FAILED_AGAIN = "a failed digest is never deployed again by us"
NOT_OPTED_IN = "no service that is not opted in ever changes"
FOREIGN_RECORD = "no record that is not ours ever changes"
EMPTY = "a record never becomes empty while tasks are desired"
STALE = "a record never holds for longer than 6 minutes an address that belongs to no task of the service"
PROMPT = "without a fault an address that belongs to no task leaves the record within 2 minutes"
LEFT = "no run leaves behind an address whose task was gone already when it wrote it"
UNRESPONSIVE = "no task that never answered is published while another one answers"
TOLD_RIGHT = "a failure is never notified as a success, nor a success as a failure"
TOLD_ONCE = "without a fault each outcome is notified once"
KEPT_DOWN = "no service that ran is set to 0 tasks by us"
WORK = "no run does work proportional to more than the watched cluster"
NO_CAUSE = "no run fails without a cause"

STALE_SECONDS = 360
PROMPT_SECONDS = 120
TICK_SECONDS = 20
CALM_AGAIN_SECONDS = 400
"""So long after a grave fault what it delayed may still come: a late event, the third try of a run."""
RECORDS_AT_ONCE = 20
AT_ONCE_SECONDS = 2.5
LOOKS_SECONDS = 45
"""For so long a run of UpdateRecord looks again."""
RUN_SECONDS = 65
"""Longer than any run: what it has seen cannot be older."""


@dataclass(frozen=True)
class Failure:
    """A check that does not hold."""

    check: str
    text: str


@dataclass
class Watched:
    """What the check of stale addresses remembers of a record: address to since when it is nobody's."""

    strange_since: dict[str, float] = field(default_factory=dict)
    running_since: float | None = None


@dataclass
class Checks:
    """The checks, and what they remember."""

    cloud: Cloud
    failures: list[Failure] = field(default_factory=list)
    deployments: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    """What the functions did, for the figures."""
    changed_at: float = 0
    """When a function changed something the last time."""
    tasks_changed_at: dict[str, float] = field(default_factory=dict)
    generation: Counter[str] = field(default_factory=Counter)
    """How often a person changed a service such that the same push may rightly be deployed again."""
    moved_back: dict[tuple[str, str], bool] = field(default_factory=dict)
    left_behind: set[str] = field(default_factory=set)
    """Host names whose record may stay: see docs/reliability.md, what is not promised."""
    messages: Counter[str] = field(default_factory=Counter)
    """Name of a service deployment to how often its outcome was told."""
    wanted_since: dict[str, float] = field(default_factory=dict)
    """Host name to since when its service wants it and desires tasks."""
    _watched: dict[str, Watched] = field(default_factory=dict)
    _records_before: dict[Key, RecordSet] = field(default_factory=dict)

    def fail(self, check: str, text: str) -> None:
        """A check does not hold."""
        self.failures.append(Failure(check, text))
        self.cloud.clock.tell("→ %s: %s", check, text)

    # what people do

    def pushed(self, repository: str, tag: str, *, moved_back: bool) -> None:
        """Note whether a tag went back to an older digest: only the event of it knows when."""
        self.moved_back[repository, tag] = moved_back

    def by_hand(self, name: str) -> None:
        """Note that a person changed a service: the same push may rightly be deployed again."""
        self.generation[name] += 1

    # ECS: before and after a function's call

    def before_call(self, run: Run, operation: str, request: Json) -> None:
        """Check what a function asks of ECS."""
        run.looks += operation == "DescribeServices"
        cluster = request.get("cluster", CLUSTER_ARN)
        arns = (*request.get("serviceDeploymentArns", ()), *request.get("serviceRevisionArns", ()))
        if cluster != CLUSTER_ARN or any(f"/{CLUSTER_ARN.rpartition('/')[2]}/" not in arn for arn in arns):
            self.fail(WORK, f"{run} asks for {cluster} {arns}")
        if operation == "UpdateService":
            self._before_update(run, request)
        elif operation == "UntagResource":
            self._before_untag(run, request)

    def after_call(self, run: Run, operation: str, request: Json, answer: Json) -> None:
        """Note what a run has read, and what it did."""
        now = self.cloud.clock.now
        if operation == "DescribeServices":
            for found in answer["services"]:
                name, tags = found["serviceName"], {tag["key"]: tag["value"] for tag in found["tags"]}
                run.seen["service", name] = found
                run.seen["generation", name] = self.generation[name]
                if tags.get("pushlive:redeploy") == "on-push":
                    run.seen["opted in", name] = True
            if len(request["services"]) == 1:
                run.seen["last"] = request["services"][0]
        elif operation == "ListServiceDeployments":
            run.seen["deployments", request["service"]] = now
        elif operation in {"UpdateService", "UntagResource"}:
            self.counts[operation] += 1
            self.changed_at = now
            self.cloud.clock.tell("  %s: %s %s", run, operation, _short(request))
            if request.get("forceNewDeployment") and (service := self.cloud.service(request["service"])):
                self._count(run, service)

    def tag_read(self, run: Run, repository: str, tag: str) -> None:
        """Note which push a run has seen of a tag."""
        registry = self.cloud.registry
        key = (repository, tag)
        run.seen["tag", f"{REGISTRY}/{repository}:{tag}"] = (
            registry.pushes.get(key, 0),
            registry.tags.get(key),
        )

    def _before_update(self, run: Run, request: Json) -> None:
        name = request["service"].rpartition("/")[2]
        service = self.cloud.service(name)
        if service is None:
            return
        if service.tags.get("pushlive:redeploy") != "on-push" and ("opted in", name) not in run.seen:
            self.fail(NOT_OPTED_IN, f"{run} asks for {_short(request)}")
        elif service.controller != "ECS":
            self.fail(
                NOT_OPTED_IN, f"{run} deploys {name}, which belongs to the controller {service.controller}"
            )
        elif request.get("forceNewDeployment"):
            self._check_deployment(run, service)
        elif request.get("desiredCount") == 0 and any(
            own_containers(each.target).keys() <= each.target.digests.keys()  # else no task of it ever ran
            for each in service.service_deployments
        ):
            self.fail(KEPT_DOWN, f"{run} asks for {_short(request)}")

    def _check_deployment(self, run: Run, service: Service) -> None:
        images = {
            container.name: run.seen.get(("tag", _tagged(container.image)), (0, None))
            for container in own_containers(service.deployments[0].revision).values()
        }
        pushes = tuple((name, push) for name, (push, _) in images.items())
        generation = run.seen.get(("generation", service.name), 0)  # what came after its look it cannot know
        run.seen["pushes"] = (service.created_at, service.name, generation, pushes)
        looked_at = run.seen.get(("deployments", service.name), self.cloud.clock.now)
        self._check_use(run, service, {name: digest for name, (_, digest) in images.items()}, looked_at)
        if (
            failed := self.failure(service, {name: digest for name, (_, digest) in images.items()})
        ) is not None:
            over_at = failed.rollback["startedAt"] if failed.rollback else failed.finished_at or float("inf")
            if over_at < looked_at:
                self.fail(
                    FAILED_AGAIN,
                    f"{run} deploys {[digest for _, digest in images.values()]} to {service.name}",
                )

    def _pushes(self, image: str) -> list[float]:
        repository, _, tag = _tagged(image).removeprefix(f"{REGISTRY}/").partition(":")
        return self.cloud.registry.pushed_at.get((repository, tag), [])

    def _pushes_at_once(self, service: Service) -> int:
        """Count the pushes that the newest one cannot be told from: events have whole seconds."""
        containers = own_containers(service.deployments[0].revision).values()
        pushes = [at for container in containers for at in self._pushes(container.image)]
        return sum(at > max(pushes) - AT_ONCE_SECONDS for at in pushes) or 1

    def _count(self, run: Run, service: Service) -> None:
        """Count a deployment of ours that ECS has taken."""
        key = run.seen["pushes"]
        self.deployments[key] += 1
        if self.deployments[key] > self._pushes_at_once(service):
            self.fail(ONE_PER_PUSH, f"{run} deploys to {service.name} what we have deployed before")

    def _check_use(
        self, run: Run, service: Service, digests: dict[str, str | None], looked_at: float
    ) -> None:
        """Check that the newest deployment, by anybody, does not carry these images already."""
        newest = service.service_deployments[-1]
        containers = own_containers(newest.target)
        pushed_at = [at for each in containers.values() for at in self._pushes(each.image)]
        carries = bool(newest.target.digests) and all(
            digest is not None
            and newest.target.digests.get(name)
            == self.cloud.registry.reported(_repository(containers[name].image), digest)
            for name, digest in digests.items()
        )
        if (
            carries
            and newest.rollback is None
            and max(pushed_at, default=0) + AT_ONCE_SECONDS < newest.created_at < looked_at
        ):
            self.fail(
                ONE_PER_PUSH, f"{run} deploys to {service.name} what its newest deployment carries already"
            )

    def failure(self, service: Service, digests: dict[str, str | None]) -> ServiceDeployment | None:
        """The deployment of just these digests (by container), if it failed the last time it was tried."""
        registry = self.cloud.registry
        for deployment in reversed(service.service_deployments):
            found = deployment.target.digests
            containers = deployment.target.task_definition.containers
            if found and all(
                digest is not None
                and name in containers
                and found.get(name) == registry.reported(_repository(containers[name].image), digest)
                for name, digest in digests.items()
            ):
                failed = deployment.status in {
                    "ROLLBACK_SUCCESSFUL",
                    "ROLLBACK_FAILED",
                    "ROLLBACK_IN_PROGRESS",
                }
                return deployment if failed or deployment.breaker_status == "TRIGGERED" else None
        return None

    def interfaces_read(self, run: Run, eni_ids: list[str]) -> None:
        """Check whose network interfaces a run looks at."""
        own = {
            task.interface.eni_id
            for task in self.cloud.model.engine.clusters[CLUSTER].tasks.values()
            if task.service is not None
        }
        if not own.issuperset(eni_ids):
            self.fail(WORK, f"{run} reads {len(eni_ids)} network interfaces, also of others")

    def records_read(self, run: Run, count: int) -> None:
        """Check how much of the zone a run reads at once."""
        if count > RECORDS_AT_ONCE:
            self.fail(WORK, f"{run} reads {count} records of the zone at once")

    def _before_untag(self, run: Run, request: Json) -> None:
        asked = run.event.get("ResourceProperties", {}).get("ServiceName")
        if request["resourceArn"] != service_arn(str(asked)) or request["tagKeys"] != ["pushlive:hostname"]:
            self.fail(NOT_OPTED_IN, f"{run} takes {request['tagKeys']} off {request['resourceArn']}")

    # SNS

    def told(self, run: Run, subject: str, text: str) -> None:
        """Check what people are told."""
        self.counts["Publish"] += 1
        self.cloud.clock.tell("  %s tells: %s", run, subject)
        deployment = self._deployment_in(text)
        if deployment is None:
            return
        self.messages[deployment.arn.rpartition("/")[2]] += 1
        failed = deployment.status in {"ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"}
        if deployment.status in UNFINISHED or ("FAILED" in subject) != failed:
            self.fail(TOLD_RIGHT, f"{run} tells {subject!r} of a deployment that is {deployment.status}")
        again = self.messages[deployment.arn.rpartition("/")[2]] > 1
        if again and self.cloud.clock.now > self.cloud.faults.grave_at + CALM_AGAIN_SECONDS:
            self.fail(TOLD_ONCE, f"{run} tells again {subject!r}")

    def _deployment_in(self, text: str) -> ServiceDeployment | None:
        for arn, deployment in self.cloud.model.engine.service_deployments.items():
            if f" {arn.rpartition('/')[2]}," in text:
                return deployment
        return None

    # Route 53

    def before_change(self, run: Run, changes: list[Json]) -> None:
        """Keep the zone as it is before a function's batch."""
        self._records_before = self.cloud.zone.records
        run.seen["batch"] = changes

    def after_change(self, run: Run, changes: list[Json]) -> None:
        """Check a batch that was carried out."""
        self.counts["ChangeResourceRecordSets"] += 1
        self.changed_at = self.cloud.clock.now
        before, after = self._records_before, self.cloud.zone.records
        name = str(run.seen.get("last"))
        words = f"pushlive service={service_arn(name)}"
        for change in changes:
            key = (change["ResourceRecordSet"]["Name"].rstrip("."), change["ResourceRecordSet"]["Type"])
            host_name = key[0].removeprefix("_pushlive.")
            owner = before.get((f"_pushlive.{host_name}", "TXT"))
            theirs = owner is not None and owner.answers != {f'"{words}"'}
            stray = host_name not in HOST_NAMES.values() or key[1] != ("TXT" if key[0] != host_name else "A")
            if theirs or stray or (owner is None and key in before):
                self.fail(FOREIGN_RECORD, f"{run} for {name}: {_short(change)}, while the owner was {owner}")
            if key[1] == "A" and key in before and key not in after:
                self._check_removal(run, name, host_name)
            elif key[1] == "A" and key in after:
                was = before[key].answers if key in before else frozenset()
                self._check_silence(run, name, after[key].answers - was)
                run.seen["gone", host_name] = after[key].answers - self._live(name)
        self.look_at_records()

    def _live(self, name: str) -> set[str | None]:
        """The addresses of the service's tasks that are to go on running."""
        service = self.cloud.service(name)
        return {task.interface.public_ip for task in self.cloud.tasks(service)} if service else set()

    def _check_what_is_left(self, run: Run) -> None:
        """Check that a run that wrote what was no longer true has looked again."""
        for host_name, name in ((host, name) for name, host in HOST_NAMES.items()):
            record = self.cloud.zone.records.get((host_name, "A"))
            left = run.seen.get(("gone", host_name), frozenset()) - self._live(name)
            service = self.cloud.service(name)
            if (
                record
                and service
                and left & record.answers
                and any(map(self.cloud.answers, self.cloud.tasks(service)))
            ):
                self.fail(LEFT, f"{run} leaves {set(left)} in {host_name}")

    def _check_silence(self, run: Run, name: str, added: frozenset[str]) -> None:
        service = self.cloud.service(name)
        tasks = list(self.cloud.tasks(service)) if service else []
        unresponsive = [
            task for task in tasks if task.interface.public_ip in added and self.cloud.never_answered(task)
        ]
        if unresponsive and any(self.cloud.answers(task) for task in tasks):
            self.fail(
                UNRESPONSIVE,
                f"{run} publishes {[task.interface.public_ip for task in unresponsive]} of {name}",
            )

    def _check_removal(self, run: Run, name: str, host_name: str) -> None:
        seen = run.seen.get(("service", name), {"status": "", "tags": [], "desiredCount": 0})
        tags = {tag["key"]: tag["value"] for tag in seen["tags"]}
        saw_tasks = (
            seen["status"] == "ACTIVE" and tags.get("pushlive:hostname") == host_name and seen["desiredCount"]
        )
        self._note_wanted()
        now = self.cloud.clock.now
        if saw_tasks or now - self.wanted_since.get(host_name, now) > RUN_SECONDS:
            self.fail(EMPTY, f"{run} removes {host_name}, while {name} desires tasks")

    def tick(self) -> None:
        """Look every 20 seconds, for as long as the cloud exists."""
        self.look_at_records()
        self.cloud.clients.look_up()
        self.cloud.clock.after(TICK_SECONDS, self.tick)

    def look_at_records(self) -> None:
        """Check that no record holds a stranger's address for too long, while a task of its service runs."""
        for host_name, service in self._note_wanted().items():
            self._look_at_record(host_name, service, self._watched.setdefault(host_name, Watched()))

    def _note_wanted(self) -> dict[str, Service | None]:
        """Note since when tasks are desired behind each host name; return the services by it."""
        wanted = {service.tags.get("pushlive:hostname", ""): service for service in self.cloud.services()}
        for host_name in HOST_NAMES.values():
            service = wanted.get(host_name)
            if service is not None and service.desired_count > 0:
                self.wanted_since.setdefault(host_name, self.cloud.clock.now)
            else:
                self.wanted_since.pop(host_name, None)
        return {host_name: wanted.get(host_name) for host_name in HOST_NAMES.values()}

    def _look_at_record(self, host_name: str, service: Service | None, watched: Watched) -> None:
        now, records = self.cloud.clock.now, self.cloud.zone.records
        record = records.get((host_name, "A"))
        owner = records.get((f"_pushlive.{host_name}", "TXT"))
        ours = (
            service is not None
            and owner is not None
            and owner.answers == {f'"pushlive service={service.arn}"'}
        )
        if service is None or record is None or not ours or record.other:
            self._watched.pop(host_name, None)
            return
        live = {
            task.interface.public_ip
            for task in self.cloud.model.engine.tasks.values()
            if task.service is service and task.last_status != "STOPPED"
        }
        runs = any(task.last_status == "RUNNING" for task in self.cloud.tasks(service))
        watched.running_since = (watched.running_since or now) if runs else None
        strange = record.answers - live
        watched.strange_since = {each: watched.strange_since.get(each, now) for each in strange}
        if watched.running_since is None:
            return
        for address, since in watched.strange_since.items():
            words = f"{host_name} holds {address}, which is nobody's since {int(now - since)} s"
            if now - max(since, watched.running_since, self.cloud.faults.last_at) > STALE_SECONDS:
                self.fail(STALE, words)
            elif (
                now - max(since, watched.running_since, self.cloud.faults.grave_at + CALM_AGAIN_SECONDS)
                > PROMPT_SECONDS
            ):
                self.fail(PROMPT, words)

    def _is_told(self, error: BaseException) -> bool:
        """Whether a run failed only for the tag that no number is: it says so, and serves the others."""
        return isinstance(error, ExceptionGroup) and all("'many'" in str(each) for each in error.exceptions)

    def _is_crowded_out(self, error: BaseException) -> bool:
        """Whether Route 53 had too many requests, among them those of killed runs that came again."""
        return (
            self.cloud.clock.now - self.cloud.functions.killed_at <= sum(RETRY_SECONDS)
            and isinstance(error, ExceptionGroup)
            and all("Rate exceeded" in str(each) for each in error.exceptions)
        )

    # events and runs

    def ecs_changed(self, event: Json) -> None:
        """Note when a service's tasks changed the last time."""
        name = event["detail"].get("group", "").removeprefix("service:")
        self.tasks_changed_at[name or event["resources"][0].rpartition("/")[2]] = self.cloud.clock.now

    def run_finished(self, run: Run) -> None:
        """Check how a run ended, and how much it did."""
        self.counts[run.function] += 1
        here = len(self.cloud.services())
        if run.calls > 20 + 15 * (here + run.looks) or run.items > 50 * (1 + here + run.looks):
            self.fail(WORK, f"{run} made {run.calls} calls and read {run.items} things in {run.looks} looks")
        if run.error is None and self.cloud.clock.now - run.started_at < LOOKS_SECONDS:
            self._check_what_is_left(run)
        if (
            run.error is not None
            and not run.met_faults
            and not run.is_killed
            and not self._is_told(run.error)
            and not self._is_crowded_out(run.error)
        ):
            self.fail(NO_CAUSE, f"{run} failed: {run.error!r} {getattr(run.error, 'exceptions', '')}")


def own_containers(revision: ServiceRevision) -> dict[str, ContainerDefinition]:
    """The containers whose images people push; not the drain sidecar."""
    return {
        name: container
        for name, container in revision.task_definition.containers.items()
        if container.image.startswith(REGISTRY)
    }


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _repository(image: str) -> str:
    return image.removeprefix(f"{REGISTRY}/").partition(":")[0]


def _short(request: Json) -> str:
    return str({key: value for key, value in request.items() if key != "cluster"})
