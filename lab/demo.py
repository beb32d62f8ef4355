"""`make demo`: the main job from nothing to nothing, told on the terminal, measured into .lab/demo.json."""

from __future__ import annotations

import json
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lab import sam
from lab.base_images import PYTHON_IMAGE
from lab.inbox import Inbox
from lab.load import mix
from lab.load.answers import Answers
from lab.load.clients import Load
from lab.load.timeline import Timeline
from lab.oci import HELLO_APP, build_image, hello_app_image
from lab.oci_registry import push_image
from lab.picture.page import page as page_of
from lab.recording import Phase, Push, Recording, RecordState
from lab.resolver import Resolver
from lab.story import Story
from lab.watch import Watch, page, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from lab.docker_cli import Docker
    from lab.inbox import Mail
    from lab.lab import Lab
    from lab.oci import Image
    from lab.story import Step

HOST_NAME = "hello.example.com"
PORT = 8080
DRAIN_SECONDS = 95
SETTLE_SECONDS = 15
REQUESTS_PER_SECOND = 20
REQUEST_SECONDS = 2.0
LATE_RESOLVER_SECONDS = 5
TTL_SECONDS = 10
BROKEN = "raise SystemExit('broken on purpose')"


class Demo:
    """The story. Each step waits for what it promises, and fails loudly if that does not come."""

    def __init__(self, lab: Lab, folder: Path, console: Console) -> None:
        self._lab = lab
        self._folder = folder
        self._console = console
        self._story = Story(console, folder)
        self._port = lab.free_port(PORT, console.print)
        self._watch = Watch(lab, HOST_NAME, self._port)
        self._pushes: list[Push] = []

    def run(self) -> None:
        """Tell it all; then the table and the file."""
        self._console.print(
            "[bold]pushlive[/]: docker push is the deploy. No AWS account: this is a lab on this machine,"
            f" where AWS is {self._lab.speed:g} times as fast, and tasks are"
            f" {'containers of its Docker Engine' if self._lab.docker else 'plain processes'}.",
            soft_wrap=True,
        )
        route53 = self._lab.client("route53")
        zone = route53.create_hosted_zone(Name="example.com", CallerReference=str(time.time()))
        self._zone = zone["HostedZone"]["Id"]
        self.deploy_the_stack()
        self._timeline = Timeline(self._lab, self._cluster, self._port)
        began_at = time.time()
        with self._watch, self._timeline:
            self.push("2. The first push starts the service", "1")
            with Answers(self._visitors()) as answers:
                self.push("3. Another version is pushed", "2")
                self.push_a_broken_image()
                self.kill_a_task()
                self.lose_an_event()
            recording = self._recording(began_at, answers)
        self.delete_the_stack()
        self._story.end(self._lab.speed)
        (self._folder / "demo.html").write_text(page_of([recording]))
        self._console.print(f"As a picture: {self._folder / 'demo.html'}")

    def deploy_the_stack(self) -> None:
        """The real sam build and sam deploy; the service waits, at no cost, for the first push."""
        with self._step("1. sam deploy sets everything up") as step:
            started = time.time()
            sam.build(self._lab.folder / "build", self._story.progress)
            step.measured["sam build"] = time.time() - started
            parameters = {
                "HostedZoneId": self._zone.rpartition("/")[2],
                "HostName": HOST_NAME,
                "ContainerPort": str(self._port),
                "DrainSeconds": str(math.ceil(DRAIN_SECONDS / self._lab.speed)),
                "SettleSeconds": str(math.ceil(SETTLE_SECONDS / self._lab.speed)),
                "TtlSeconds": str(math.ceil(TTL_SECONDS / self._lab.speed)),
            }
            outputs = sam.deploy(self._lab, self._lab.folder / "build", parameters, self._story.progress)
            self._cluster, self._service = outputs["ClusterName"], outputs["ServiceName"]
            self._inbox = Inbox(self._lab, outputs["NotificationsTopic"])
            self._registry, _, rest = outputs["Step3Push"].split()[-1].partition("/")
            self._repository, _, self._tag = rest.partition(":")
            assert self._describe()["desiredCount"] == 0  # noqa: S101 - what this step promises
        self._story.say(f"the stack says what to type next: [cyan]{escape(outputs['Step3Push'])}[/]")

    def push(self, title: str, version: str) -> None:
        """A push, and nothing else: deployment, record, page."""
        with self._step(title) as step:
            pushed_at = self._push(version)
            text = self._wait_for_version(version, step, pushed_at)
            deployment = self._deployment_since(pushed_at)
            step.measured["push → deployment created"] = deployment["createdAt"].timestamp() - pushed_at
            self._measure_record(step)
            mail = until(lambda: self._told("is live", pushed_at), "the message that it is live")
        self._story.say(f"http://{HOST_NAME}:{self._port}/ says: [cyan]{escape(text.strip())}[/]")
        self._story.say(f"you get a message: [cyan]{escape(mail.text.splitlines()[0])}[/]")

    def push_a_broken_image(self) -> None:
        """It ends at once. ECS rolls back; nobody deploys it again; the record stays."""
        with self._step("4. A broken image is pushed") as step:
            pushed_at = self._push("that ends at once", broken=True)
            until(lambda: self._over("ROLLBACK_SUCCESSFUL", pushed_at), "the rollback")
            step.measured["push → rolled back"] = time.time() - pushed_at
            count = len(self._deployments())
            until(self._is_steady, "the rollback to end")
            [rule] = [name for name in self._lab.delivery.schedules() if "RedeployService" in name]
            event_id = self._lab.delivery.run_schedule(rule)
            reason = until(lambda: self._reason_given(event_id), "the schedule's decision")
            assert "this image failed" in reason, reason  # noqa: S101 - what this step promises
            assert len(self._deployments()) == count, "a failed image was deployed again"  # noqa: S101
            others = {
                text for at, text in self._watch.visits if at > pushed_at and "version 2" not in (text or "")
            }
            assert not others, f"a visitor did not read version 2: {others}"  # noqa: S101
            mail = until(lambda: self._told("FAILED", pushed_at), "the message that it failed")
        self._story.say(f"version 2 went on serving; the schedule says: [cyan]{escape(reason)}[/]")
        self._story.say(f"you get a message: [cyan]{escape(mail.subject)}[/]")

    def kill_a_task(self) -> None:
        """A task dies; the record follows the one that ECS starts instead."""
        with self._step("5. A task is killed") as step:
            [address] = self._watch.records[-1][1]
            ecs = self._lab.client("ecs")
            [task] = ecs.list_tasks(cluster=self._cluster, serviceName=self._service)["taskArns"]
            killed_at = time.time()
            self._lab.ecs.kill_container(task, "app")
            until(lambda: address not in self._watch.records[-1][1], "the record to leave the dead task")
            self._wait_for_version("2", step, killed_at, "kill → the page answers again")
            until(lambda: self._watch.visits[-1][1], "the visitor's resolver to forget the dead task")
            self._measure_record(step)
        self._story.say(f"the record moved from {address} to {', '.join(self._watch.records[-1][1])}")

    def lose_an_event(self) -> None:
        """ECR's events are best effort; the schedule finds a push whose event was lost."""
        with self._step("6. The event of a push is lost") as step:
            self._lab.delivery.lose_next(lambda event: event["source"] == "aws.ecr")
            pushed_at = self._push("3")
            self._wait_for_version("3", step, pushed_at)
            self._measure_record(step)
        self._story.say(f"the five-minute schedule found it ({300 / self._lab.speed:g} s in this lab)")

    def delete_the_stack(self) -> None:
        """Nothing is left behind: no image, no record, no task."""
        with self._step("7. sam delete leaves nothing behind"):
            sam.delete(self._lab, self._story.progress)
            records = self._lab.client("route53").list_resource_record_sets(HostedZoneId=self._zone)
            left = [r["Name"] for r in records["ResourceRecordSets"] if r["Type"] not in ("NS", "SOA")]
            left += [
                r["repositoryName"] for r in self._lab.client("ecr").describe_repositories()["repositories"]
            ]
            left += list(self._lab.ecs.interfaces())
            left += self._lab.client("ecs").list_clusters()["clusterArns"]
            left += [f["FunctionName"] for f in self._lab.client("lambda").list_functions()["Functions"]]
            assert not left, f"left behind: {left}"  # noqa: S101 - what this step promises
        self._story.say("no record, no ownership record, no image, no task, no cluster, no function is left")

    # what the picture is made of

    def _visitors(self) -> Load:
        hold_seconds = LATE_RESOLVER_SECONDS / self._lab.speed
        clients = mix.clients(
            [HOST_NAME], self._port, requests_per_second=REQUESTS_PER_SECOND, hold_seconds=hold_seconds
        )
        return Load(self._lab.dns, REQUEST_SECONDS, clients)

    def _recording(self, began_at: float, answers: Answers) -> Recording:
        return Recording(
            title="pushlive",
            host_name=HOST_NAME,
            speed=self._lab.speed,
            began_at=began_at,
            ended_at=time.time(),
            phases=[
                Phase(step.title.partition(". ")[2], step.started, step.started + step.seconds)
                for step in self._story.steps[1:]
            ],
            pushes=self._pushes,
            deployments=self._timeline.deployments(self._service),
            tasks=self._timeline.tasks(self._service),
            records=[RecordState(at, tuple(sorted(held))) for at, held in self._watch.records],
            requests=sorted(answers.requests[HOST_NAME], key=lambda each: each.at),
        )

    # what the steps are made of

    def _push(self, version: str, *, broken: bool = False) -> float:
        """Push and return when the registry had accepted it."""
        if self._lab.docker:
            digest = self._push_with_docker(self._lab.docker, version, broken=broken)
        else:
            image = _broken_image() if broken else hello_app_image(version)
            digest = push_image(self._registry, self._repository, self._tag, image)
        label = "broken" if broken else version
        self._timeline.versions[digest] = label
        accepted_at = until(lambda: self._lab.delivery.pushed_at(digest), "the registry to accept the push")
        self._pushes.append(Push(accepted_at, label, digest))
        self._story.say(f"pushed version {version} as {self._tag}, [dim]{digest[:19]}…[/]")
        return accepted_at

    def _push_with_docker(self, docker: Docker, version: str, *, broken: bool) -> str:
        """Docker build, docker push; return the digest that the registry shows."""
        uri = f"{self._registry}/{self._repository}:{self._tag}"
        self._story.progress(f"docker build and docker push {uri}")
        if broken:
            dockerfile = f'FROM {PYTHON_IMAGE}\nCMD ["python3", "-c", "{BROKEN}"]\n'
            docker.run("build", "--quiet", "--tag", uri, "-", content=dockerfile.encode())
        else:
            argument = f"VERSION={version}"
            docker.run("build", "--quiet", "--build-arg", argument, "--tag", uri, str(HELLO_APP))
        docker.run("push", "--quiet", uri)
        images = self._lab.client("ecr").describe_images(
            repositoryName=self._repository, imageIds=[{"imageTag": self._tag}]
        )["imageDetails"]
        docker.run("image", "rm", "--force", uri)
        return str(images[0]["imageDigest"])

    def _wait_for_version(
        self, version: str, step: Step, since: float, measure: str = "push → first answer of the new version"
    ) -> str:
        def answer() -> str | None:
            # A visitor who comes for the first time: nothing is cached.
            text = page(Resolver(self._lab.dns), HOST_NAME, self._port)
            return text if f"version {version}" in text else None

        text = until(answer, f"the page of version {version}")
        step.measured[measure] = time.time() - since
        # The next step begins when this deployment is over, as a person would see it in the console.
        until(self._is_steady, "the deployment to end")
        return text

    def _measure_record(self, step: Step) -> None:
        """Note how long the newest address answered before the record held it."""
        held = [
            (self._watch.record_held(address), since)
            for address, since in self._watch.answering_since.items()
        ]
        record_at, since = max((at, since) for at, since in held if at)
        step.measured["task answers → record holds it"] = max(0.0, record_at - since)

    def _told(self, words: str, since: float) -> Mail | None:
        """Return the message of a deployment that began since then, if it came."""
        newest = self._deployment_since(since)["serviceDeploymentArn"].rpartition("/")[2]
        return next(
            (mail for mail in self._inbox.mails if words in mail.subject and newest in mail.text), None
        )

    def _describe(self) -> Any:  # noqa: ANN401 - as boto3 gives it
        return self._lab.client("ecs").describe_services(cluster=self._cluster, services=[self._service])[
            "services"
        ][0]

    def _is_steady(self) -> bool:
        service = self._describe()
        return [d["rolloutState"] for d in service["deployments"]] == ["COMPLETED"]

    def _deployments(self) -> list[Any]:
        ecs = self._lab.client("ecs")
        answer = ecs.list_service_deployments(cluster=self._cluster, service=self._service)
        return list(answer["serviceDeployments"])

    def _deployment_since(self, at: float) -> Any:  # noqa: ANN401 - as boto3 gives it
        return min(
            (d for d in self._deployments() if d["createdAt"].timestamp() > at), key=lambda d: d["createdAt"]
        )

    def _over(self, status: str, since: float) -> bool:
        return any(d["status"] == status and d["createdAt"].timestamp() > since for d in self._deployments())

    def _reason_given(self, event_id: str) -> str | None:
        """Return the reason of RedeployService's decision about an event, from its log."""
        logs = self._lab.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            if "RedeployService" not in group["logGroupName"]:
                continue
            for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                if event["message"].startswith('{"level"') and event_id in event["message"]:
                    return str(json.loads(event["message"])["reason"])
        return None

    @contextmanager
    def _step(self, title: str) -> Iterator[Step]:
        """A step of the story, with what the visitor met during it."""
        with self._story.step(title) as step:
            yield step
            visits = [text for at, text in self._watch.visits if at >= step.started]
            step.visits, step.failed_visits = len(visits), visits.count(None)


def _broken_image() -> Image:
    return build_image({"app/app.py": BROKEN.encode()}, command=["python3", "/app/app.py"], port=PORT)
