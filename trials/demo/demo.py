"""`make demo`: the main job from nothing to nothing, told on the terminal, measured into .lab/demo.json."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lab.containers.base_images import PYTHON_IMAGE
from lab.ecr.oci import HELLO_APP, build_image, hello_app_image
from lab.ecr.registry import push_image
from lab.route53.zones import create_zone
from lab.user import sam
from lab.user.browse import page
from lab.user.mail_box import Inbox
from lab.user.resolver import Resolver
from lab.user.walk import HOST_NAME, ORIGIN_NAME, ZONE
from trials.demo.story import Story
from trials.load import mix
from trials.load.answers import Answers
from trials.load.table import count
from trials.load.timeline import Timeline
from trials.picture.findings import first_answer
from trials.picture.page import page as page_of
from trials.picture.recording import Phase, Push, Recording
from trials.picture.words import headline

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from lab.containers.docker_cli import Docker
    from lab.ecr.oci import Image
    from lab.lab import Lab
    from lab.user.mail_box import Mail
    from trials.demo.story import Step
    from trials.picture.recording import Request

PORT = 8080
REQUESTS_PER_SECOND = 20
PATIENCE_SECONDS = 10.0  # of a visitor: a laptop may be busy with something else for a while
SERVED_SECONDS = 1.5
BROKEN = "raise SystemExit('broken on purpose')"


class Demo:
    """The story. Each step waits for what it promises, and fails loudly if that does not come."""

    def __init__(self, lab: Lab, folder: Path, console: Console) -> None:
        self._lab = lab
        self._folder = folder
        self._console = console
        self._story = Story(console, folder)
        self._port = lab.free_port(PORT, console.print)
        self._pushes: list[Push] = []

    def run(self) -> None:
        """Tell it all; then the table and the file."""
        self._console.print(
            "[bold]pushlive[/]: docker push is the deploy. No AWS account: this is a lab on this machine,"
            f" where AWS is {self._lab.speed:g} times as fast, and tasks are"
            f" {'containers of its Docker Engine' if self._lab.docker else 'plain processes'}.",
            soft_wrap=True,
        )
        self._zone = create_zone(self._lab.client("route53"), ZONE)
        self.deploy_the_stack()
        self._timeline = Timeline(self._lab, self._cluster, self._port)
        visitors = mix.load(
            self._lab.dns,
            [mix.Door(HOST_NAME, self._port)],
            requests_per_second=REQUESTS_PER_SECOND,
            speed=self._lab.speed,
            timeout_seconds=PATIENCE_SECONDS,
        )
        with self._timeline:
            with Answers(visitors) as self._answers:
                self.push("2. The first push starts the service", "1")
                self.push("3. Another version is pushed", "2")
                self.push_a_broken_image()
                self.kill_a_task()
                self.lose_an_event()
            recording = self._recording()
        self.set_https_up()
        self.delete_the_stack()
        note_visits(self._story.steps, recording)
        self._story.end(self._lab.speed)
        (self._folder / "demo.html").write_text(page_of([recording]))
        self._console.print(
            f"{headline([recording])}.\nAs a picture: {self._folder / 'demo.html'}", soft_wrap=True
        )

    def deploy_the_stack(self) -> None:
        """The real sam build and sam deploy; the service waits, at no cost, for the first push."""
        with self._story.step("1. sam deploy sets everything up") as step:
            started = time.time()
            with self._story.awaiting("sam build"):
                sam.build(self._lab.folder / "build", self._story.progress)
            step.measured["sam build"] = time.time() - started
            parameters = sam.parameters(self._zone, HOST_NAME, self._lab.speed)
            parameters["ContainerPort"] = str(self._port)
            with self._story.awaiting("sam deploy"):
                outputs = sam.deploy(self._lab, self._lab.folder / "build", parameters, self._story.progress)
            self._cluster, self._service = outputs["ClusterName"], outputs["ServiceName"]
            self._inbox = Inbox(self._lab, outputs["NotificationsTopic"])
            self._registry, _, rest = outputs["Step3Push"].split()[-1].partition("/")
            self._repository, _, self._tag = rest.partition(":")
            assert self._describe()["desiredCount"] == 0  # noqa: S101 - what this step promises
        self._story.say(f"the stack says what to type next: [cyan]{escape(outputs['Step3Push'])}[/]")

    def push(self, title: str, version: str) -> None:
        """A push, and nothing else: deployment, record, page."""
        with self._story.step(title) as step:
            pushed_at = self._push(version)
            text = self._page_of(version)
            self._end_of_deployment()
            deployment = self._deployment_since(pushed_at)
            step.measured["push → deployment created"] = deployment["createdAt"].timestamp() - pushed_at
            self._measure_record(step)
            mail = self._story.until(
                lambda: self._told("pushlive: live: ", pushed_at), "the message that it is live"
            )
        self._story.say(f"http://{HOST_NAME}:{self._port}/ says: [cyan]{escape(text.strip())}[/]")
        self._story.say(f"you get a message: [cyan]{escape(mail.text.splitlines()[0])}[/]")

    def push_a_broken_image(self) -> None:
        """It ends at once. ECS rolls back; nobody deploys it again; the record stays."""
        with self._story.step("4. A broken image is pushed") as step:
            pushed_at = self._push("that ends at once", broken=True)
            self._story.until(lambda: self._over("ROLLBACK_SUCCESSFUL", pushed_at), "the rollback")
            step.measured["push → rolled back"] = time.time() - pushed_at
            count = len(self._deployments())
            self._story.until(self._is_steady, "the rollback to end")
            [rule] = [name for name in self._lab.delivery.schedules() if "RedeployService" in name]
            event_id = self._lab.delivery.run_schedule(rule)
            reason = self._story.until(lambda: self._reason_given(event_id), "the schedule's decision")
            assert "this image failed" in reason, reason  # noqa: S101 - what this step promises
            assert len(self._deployments()) == count, "a failed image was deployed again"  # noqa: S101
            others = {each.failure or each.version for each in self._visits(since=pushed_at)} - {"2"}
            assert not others, f"a visitor did not read version 2: {others}"  # noqa: S101
            mail = self._story.until(lambda: self._told("FAILED", pushed_at), "the message that it failed")
        self._story.say(f"version 2 went on serving; the schedule says: [cyan]{escape(reason)}[/]")
        self._story.say(f"you get a message: [cyan]{escape(mail.subject)}[/]")

    def kill_a_task(self) -> None:
        """A task dies; the record follows the one that ECS starts instead."""
        with self._story.step("5. A task is killed") as step:
            [address] = self._record()
            ecs = self._lab.client("ecs")
            [task] = ecs.list_tasks(cluster=self._cluster, serviceName=self._service)["taskArns"]
            killed_at = time.time()
            self._lab.ecs.kill_container(task, "app")
            self._story.until(lambda: address not in self._record(), "the record to leave the dead task")
            self._page_of("2")
            step.measured["kill → the page answers again"] = time.time() - killed_at
            self._end_of_deployment()
            self._story.until(self._visitors_are_served, "the visitors' resolvers to forget the dead task")
            self._measure_record(step)
        self._story.say(f"the record moved from {address} to {', '.join(self._record())}")

    def lose_an_event(self) -> None:
        """ECR's events are best effort; the schedule finds a push whose event was lost."""
        with self._story.step("6. The event of a push is lost") as step:
            self._lab.delivery.lose(lambda event: event["source"] == "aws.ecr")
            self._push("3")
            self._page_of("3")
            self._end_of_deployment()
            self._measure_record(step)
        self._story.say(f"the five-minute schedule found it ({300 / self._lab.speed:g} s in this lab)")

    def set_https_up(self) -> None:
        """The service gets another name, at which CloudFront finds it, and CloudFront gets the first one."""
        with self._story.step("7. HTTPS: two more commands"):
            for_cloudfront = {"HostName": ORIGIN_NAME, "Https": "true"}
            origin = {"OriginName": ORIGIN_NAME, "OriginPort": str(self._port)}
            own = {"HostedZoneId": self._zone, "HostName": HOST_NAME}
            with self._story.awaiting("sam deploy"):
                sam.deploy(self._lab, self._lab.folder / "build", for_cloudfront, self._story.progress)
            with self._story.awaiting("sam deploy of https.yaml"):
                outputs = sam.deploy_https(self._lab, origin | own, self._story.progress)
            text = self._page_of("3", https=True)
        self._story.say(f"{outputs['Step1Url']} says: [cyan]{escape(text.strip())}[/]")

    def delete_the_stack(self) -> None:
        """Nothing is left behind: no image, no record, no task."""
        with self._story.step("8. sam delete leaves nothing behind"):
            with self._story.awaiting("sam delete"):
                sam.delete_https(self._lab, self._story.progress)
                sam.delete(self._lab, self._story.progress)
            records = self._lab.client("route53").list_resource_record_sets(HostedZoneId=self._zone)
            left = [r["Name"] for r in records["ResourceRecordSets"] if r["Type"] not in ("NS", "SOA")]
            left += [
                r["repositoryName"] for r in self._lab.client("ecr").describe_repositories()["repositories"]
            ]
            left += list(self._lab.ecs.interfaces())
            left += self._lab.client("ecs").list_clusters()["clusterArns"]
            left += self._lab.edges.names()
            left += [f["FunctionName"] for f in self._lab.client("lambda").list_functions()["Functions"]]
            assert not left, f"left behind: {left}"  # noqa: S101 - what this step promises
        self._story.say("no record, no ownership record, no image, no task, no cluster, no function is left")

    # what the picture is made of

    def _visits(self, since: float) -> list[Request]:
        """The visitors' requests that were due since then and have ended."""
        return [each for each in list(self._answers.requests[HOST_NAME]) if each.at > since]

    def _visitors_are_served(self) -> bool:
        recent = self._visits(since=time.time() - SERVED_SECONDS)
        return bool(recent) and not any(each.failure for each in recent)

    def _recording(self) -> Recording:
        now = time.time()
        steps = self._story.steps[1:]
        ends = [*(step.started for step in steps[1:]), now]
        return Recording(
            title="pushlive",
            host_name=HOST_NAME,
            speed=self._lab.speed,
            began_at=steps[0].started,
            ended_at=now,
            # Each goes on until the next begins, so that each visit is in one.
            phases=[
                Phase(step.title.partition(". ")[2], step.started, end)
                for step, end in zip(steps, ends, strict=True)
            ],
            pushes=self._pushes,
            deployments=self._timeline.deployments(self._service),
            tasks=self._timeline.tasks(self._service),
            records=self._timeline.records(HOST_NAME),
            requests=sorted(self._answers.requests[HOST_NAME], key=lambda each: each.at),
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
        accepted_at = self._story.until(
            lambda: self._lab.delivery.pushed_at(digest), "the registry to accept the push"
        )
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

    def _page_of(self, version: str, *, https: bool = False) -> str:
        """What a visitor reads who comes for the first time: nothing is cached."""
        edges = self._lab.edges
        port, authority = (edges.https_port, str(edges.authority)) if https else (self._port, "")

        def answer() -> str | None:
            text = page(Resolver(self._lab.dns), HOST_NAME, port, authority)
            return text if f"version {version}" in text else None

        return self._story.until(answer, f"the page of version {version}")

    def _end_of_deployment(self) -> None:
        """The next step begins when this deployment is over, as a person would see it in the console."""
        self._story.until(self._is_steady, "the deployment to end")

    def _record(self) -> tuple[str, ...]:
        """Return the addresses that the name has now."""
        return self._timeline.records(HOST_NAME)[-1].addresses

    def _measure_record(self, step: Step) -> None:
        """Note how long the newest address answered before the record held it."""
        tasks = self._timeline.tasks(self._service)
        held = [(self._timeline.record_held(HOST_NAME, task.address), task.answering_at) for task in tasks]
        record_at, since = max((at, since) for at, since in held if at and since)
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


def note_visits(steps: Sequence[Step], recording: Recording) -> None:
    """Note in each step, as the page counts it, how its visitors fared and when its push first answered."""
    phases = {phase.began_at: phase for phase in recording.phases}
    for step in steps:
        phase = phases.get(step.started)
        if phase is None:
            continue
        found = count(recording.requests, phase=phase)
        step.visits, step.failed_visits = found.total, found.failed
        for push in recording.pushes:
            after = first_answer(recording, push.version, push.at)
            if phase.began_at <= push.at < phase.ended_at and after is not None:
                step.measured = {"push → first answer of the new version": after, **step.measured}


def _broken_image() -> Image:
    return build_image({"app/app.py": BROKEN.encode()}, command=["python3", "/app/app.py"], port=PORT)
