"""`make load`: one load on three ways of deploying and two images, in one run; the table and the files."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from lab.ecr.registry import push_image
from lab.route53.zones import create_zone
from lab.user import sam
from lab.waiting import until
from trials.demo.story import Story
from trials.load import mix
from trials.load.answers import Answers
from trials.load.baselines import TTL_SECONDS as BASELINES_TTL_SECONDS
from trials.load.baselines import NaiveRecorder, Person
from trials.load.images import DIES, NAMES, PORT, TAGS, broken_image, image
from trials.load.services import (
    BY_HAND,
    NAIVE,
    OURS,
    STACK_HOST_NAME,
    ZONE,
    LoadService,
    Services,
    all_services,
    distribution_of,
)
from trials.load.table import as_json, drawn
from trials.load.timeline import Timeline
from trials.picture.page import page, png
from trials.picture.recording import Phase, Push, Recording, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from lab.ecr.oci import Image
    from lab.lab import Lab
    from trials.load.baselines import Baseline
    from trials.load.clients import Load

# All of these are seconds of AWS, and pass as much faster as the lab's time does.
PROPAGATION_SECONDS = 60  # the worst that Route 53 normally takes
SLOW_START_SECONDS = 18
QUIET_SECONDS = 60
BETWEEN_PUSHES_SECONDS = 60
LONGEST_PHASE_SECONDS = 1800

LOOK_SECONDS = 0.25
TABLE_COLUMNS = 160


class LoadRun:
    """The run. Each phase ends when every service is steady and no resolver holds an old answer."""

    def __init__(
        self, lab: Lab, folder: Path, console: Console, *, requests_per_second: float, pushes: int
    ) -> None:
        self._lab = lab
        self._port = lab.free_port(PORT, console.print)
        self._folder = folder
        self._console = console
        self._requests_per_second = requests_per_second
        self._pushes = pushes
        self._story = Story(console, folder, "load.log")
        self._phases: list[Phase] = []
        self._pushed: dict[str, list[Push]] = {name: [] for name in NAMES}
        self._version = 0
        self._baselines: list[Baseline] = []
        self._answers: Answers | None = None

    def run(self) -> None:
        """All phases; then the table and the files."""
        self._console.print(
            f"[bold]The load[/]: {self._requests_per_second:g} requests a second on six services, on this"
            f" machine, where AWS is {self._lab.speed:g} times as fast, and a change of a record takes"
            f" {PROPAGATION_SECONDS / self._lab.speed:g} s ({PROPAGATION_SECONDS} s on AWS) to spread.",
            soft_wrap=True,
        )
        self._deploy_the_stack()
        with ExitStack() as stack:
            self._timeline = stack.enter_context(Timeline(self._lab, self._services.cluster, self._port))
            self._start_the_services(stack)
            self._set_https_up()
            began_at = time.time()
            with Answers(self._clients()) as self._answers:
                self._all_phases()
            ended_at = time.time()
        self._story.close()
        self._tell(self._recordings(began_at, ended_at))

    # before the load

    def _deploy_the_stack(self) -> None:
        with self._story.step("sam deploy sets up the stack"):
            self._zone_id = create_zone(self._lab.client("route53"), ZONE)
            self._parameters = sam.parameters(self._zone_id, STACK_HOST_NAME, self._lab.speed)
            self._parameters["ContainerPort"] = str(self._port)
            with self._story.awaiting("sam build"):
                sam.build(self._lab.folder / "build", self._story.progress)
            outputs = self._sam_deploy()
            self._registry, _, rest = outputs["Step3Push"].split()[-1].partition("/")
            self._repository = rest.partition(":")[0]
            self._all = all_services(outputs["ServiceName"])
            self._services = Services(self._lab, outputs["ClusterName"], self._all)

    def _start_the_services(self, stack: ExitStack) -> None:
        with self._story.step("the first push; five more services like the stack's"):
            self._push()
            for service in self._all:
                baseline = {BY_HAND: Person, NAIVE: NaiveRecorder}.get(service.way)
                if baseline:
                    made = baseline(self._lab, self._services.cluster, self._zone_id, service)
                    self._baselines.append(stack.enter_context(made))
            self._services.admit_all_names()
            self._services.create_like_the_stack_s()
            self._until(self._services.are_steady, "all services to be steady")

    def _set_https_up(self) -> None:
        with self._story.step("HTTPS in front of pushlive's and the naive recorder's services"):
            self._by_https = {
                distribution_of(self._lab, service.host_name, self._port): service
                for service in self._all
                if service.way in (OURS, NAIVE)
            }
            self._until(self._names_are_known, "all names to be known")

    def _clients(self) -> Load:
        edges = self._lab.edges
        return mix.load(
            self._lab.dns,
            [
                *(mix.Door(service.host_name, self._port) for service in self._all),
                *(mix.Door(name, edges.https_port, str(edges.authority)) for name in self._by_https),
            ],
            requests_per_second=self._requests_per_second,
            speed=self._lab.speed,
        )

    # the phases

    def _all_phases(self) -> None:
        with self._phase("nothing happens"):
            self._let_pass(QUIET_SECONDS)
        with self._phase("a push"):
            self._settle_since(self._push())
        with self._phase(f"{self._pushes} pushes in a row"):
            since = self._push()
            for _ in range(self._pushes - 1):
                self._let_pass(BETWEEN_PUSHES_SECONDS)
                since = self._push()
            self._settle_since(since)
        with self._phase("a task killed"):
            self._services.kill_a_task_of_each()
            self._settle()
        with self._phase("one of two tasks killed"):
            self._services.scale(2)
            self._settle()
            self._services.kill_a_task_of_each()
            self._settle()
            self._services.scale(1)
            self._settle()
        with self._phase("scaled 1 → 3 → 1"):
            for desired_count in (3, 1):
                self._services.scale(desired_count)
                self._settle()
        with self._phase("a stack update"):
            since, cpu, memory = datetime.now(UTC), "512", "1024"
            self._services.deploy_sizes(cpu, memory)
            self._parameters |= {"Cpu": cpu, "Memory": memory}
            self._sam_deploy()
            self._settle_since(since)
        # These come last: a stack update deploys what the tag names then, and later tasks start slowly too.
        with self._phase("a broken image, rolled back"):
            self._settle_since(self._push(broken=True))
        with self._phase("a slow starter"):
            self._settle_since(self._push(start_seconds=SLOW_START_SECONDS / self._lab.speed))

    @contextmanager
    def _phase(self, title: str) -> Iterator[None]:
        began_at = time.time()
        with self._story.step(title):
            yield
        self._phases.append(Phase(title, began_at, time.time()))
        self._story.say(self._so_far())

    def _push(self, *, broken: bool = False, start_seconds: float = 0) -> datetime:
        """Push both images; return when that began: every deployment of them is younger."""
        began = datetime.now(UTC)
        self._version += 1
        version = "broken" if broken else str(self._version)
        for name in NAMES:
            made = broken_image(name) if broken else image(name, version, start_seconds=start_seconds)
            self._pushed[name].append(self._push_image(name, made, version))
        return began

    def _push_image(self, name: str, made: Image, version: str) -> Push:
        digest = push_image(self._registry, self._repository, TAGS[name], made)
        self._timeline.versions[digest] = version
        at = until(lambda: self._lab.delivery.pushed_at(digest), "the registry to accept the push")
        return Push(at, version, digest)

    def _settle_since(self, since: datetime) -> None:
        """Wait until the deployments that began after `since` are over, and nobody notices them any more."""
        self._until(lambda: self._services.are_steady(since), "the deployments to end")
        self._settle()

    def _settle(self) -> None:
        self._until(self._services.are_steady, "all services to be steady")
        self._until(
            lambda: all(baseline.is_done() for baseline in self._baselines),
            "the others to edit their records",
        )
        self._until(self._our_records_are_right, "our records to hold the running tasks")
        self._until(self._names_are_known, "the last resolver to forget old answers")
        self._until(self._services.are_steady, "all services to be steady")

    def _our_records_are_right(self) -> bool:
        live = {interface.public_ip for interface in self._lab.ecs.interfaces().values()}
        records = self._lab.names.history[-1][1]
        ours = [records.get((service.host_name, "A")) for service in self._all if service.way == OURS]
        return all(held and live.issuperset(held.values) for held in ours)

    def _names_are_known(self) -> bool:
        """Whether every name has a record, and no resolver holds anything older."""
        changed_at, records = self._lab.names.history[-1]
        spread_seconds = PROPAGATION_SECONDS + BASELINES_TTL_SECONDS + mix.HOLD_SECONDS
        complete = all((service.host_name, "A") in records for service in self._all)
        # A TTL has whole seconds.
        return complete and time.time() > changed_at + spread_seconds / self._lab.speed + 1

    def _until(self, look: Callable[[], bool], what: str) -> None:
        """Look some times a second: the looks themselves must not keep the lab busy."""
        deadline = time.monotonic() + LONGEST_PHASE_SECONDS / self._lab.speed
        while not look():
            if self._answers:
                self._answers.require_running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {LONGEST_PHASE_SECONDS} s of AWS for {what}")
            self._story.show(f"{self._so_far()}; waiting for {what}")
            time.sleep(LOOK_SECONDS)

    def _let_pass(self, seconds: float) -> None:
        due = time.time() + seconds / self._lab.speed
        self._until(lambda: time.time() >= due, f"{seconds} s of AWS to pass")

    def _so_far(self) -> str:
        if not self._answers:
            return "no requests yet"
        return f"{self._answers.total} requests so far, {self._answers.failed} of them failed"

    def _sam_deploy(self) -> dict[str, str]:
        with self._story.awaiting("sam deploy"):
            return sam.deploy(self._lab, self._lab.folder / "build", self._parameters, self._story.progress)

    # after the load

    def _recordings(self, began_at: float, ended_at: float) -> list[Recording]:
        assert self._answers  # noqa: S101 - the load is over
        doors: list[tuple[str, str, LoadService]] = [
            *((each.title, each.host_name, each) for each in self._all),
            *((f"{each.title}, HTTPS", name, each) for name, each in self._by_https.items()),
        ]
        return [
            Recording(
                title=title,
                host_name=host_name,
                speed=self._lab.speed,
                began_at=began_at,
                ended_at=ended_at,
                phases=self._phases,
                pushes=self._pushed[service.image],
                deployments=self._timeline.deployments(service.name),
                tasks=self._timeline.tasks(service.name),
                records=self._timeline.records(service.host_name),
                requests=sorted(self._answers.requests[host_name], key=lambda each: each.at),
            )
            for title, host_name, service in doors
        ]

    def _draw(self, recordings: list[Recording]) -> None:
        """The image that needs most care, with us and with the naive recorder: enough to see it."""
        shown = [
            each for each in recordings if each.title.endswith(DIES) and not each.title.startswith(BY_HAND)
        ]
        (self._folder / "load.html").write_text(page(shown))
        (self._folder / "load.png").write_bytes(png(shown))

    def _tell(self, recordings: list[Recording]) -> None:
        assert self._answers  # noqa: S101 - the load is over
        # The table as it is, also where the output is a file of 80 columns.
        self._console.width = max(self._console.width, TABLE_COLUMNS)
        self._console.print(drawn(recordings))
        late = self._answers.late
        if late:
            self._console.print(
                f"[yellow]This machine was busy: it began {len(late)} requests late, by up to"
                f" {max(late.values()):.1f} s, and may have made some of them fail itself.[/]",
                soft_wrap=True,
            )
        write(recordings, self._folder / "recordings.json")
        self._draw(recordings)
        measured = {
            "speed": self._lab.speed,
            "requests_per_second": self._requests_per_second,
            "propagation_seconds_of_aws": PROPAGATION_SECONDS,
            "pushes_in_a_row": self._pushes,
            "begun_late": len(late),
            "counts": as_json(recordings, self._answers.repeated),
        }
        path = self._folder / "load.json"
        path.write_text(json.dumps(measured, indent=2, ensure_ascii=False) + "\n")
        self._console.print(
            f"The same as JSON: {path}; as a picture: {self._folder / 'load.html'} and load.png;"
            f" every request, task and record: {self._folder / 'recordings.json'}",
            soft_wrap=True,
        )
