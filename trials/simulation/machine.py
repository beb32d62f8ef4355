"""The state machine that hypothesis drives: its rules are steps, and depend on what there is."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from trials.simulation.faults import KINDS
from trials.simulation.images import BROKEN, GOOD
from trials.simulation.operators import SERVICES, TARGETS
from trials.simulation.places import FaultRates, Setup
from trials.simulation.scenario import Scenario, Script, Step

if TYPE_CHECKING:
    from trials.simulation.checks import Failure

WAITS = st.sampled_from((0.3, 0, 1, 2.5, 6, 14, 33, 48, 75, 140, 310))
FAULT_RATES = (
    FaultRates(),
    FaultRates(push_lost=0.4),
    FaultRates(late=0.25),
    FaultRates(twice=0.4),
    FaultRates(slow=0.08),
    FaultRates(slow=0.35),
    FaultRates(throttled=0.1),
    FaultRates(answer_lost=0.03),
    FaultRates(killed=0.02),
    FaultRates(late=0.2, twice=0.2),
    FaultRates(twice=0.5, slow=0.1),
    FaultRates(0.15, 0.1, 0.15, 0.03, 0.03, 0.01, 0.005),
)
SETUPS = st.builds(
    Setup,
    services=st.sets(st.sampled_from(sorted(SERVICES.keys() - {"app"})), max_size=3).map(frozenset),
    desired=st.sampled_from((1, 1, 2)),
    health_check=st.booleans(),
    empty=st.sampled_from((False, False, True)),
    reports_child=st.booleans(),
    breaker=st.sampled_from((True, True, True, False)),
    breaker_ends_rollbacks=st.sampled_from((True, True, False)),
    sidecars=st.booleans(),
    reverse_shutdown=st.sampled_from((True, True, False)),
    strict_health=st.booleans(),
)
MINE = st.sampled_from(("app", "app", "api", "app-worker"))
ANY = st.sampled_from(("app", "api", "app-worker", "blog", "elsewhere"))
TARGET = st.sampled_from(("app:latest", "app:latest", *TARGETS))
PUSHED = st.sampled_from(("", "", "app:latest", *TARGETS))
"""Empty: what was pushed last."""
KIND = st.sampled_from((*GOOD, *GOOD, *BROKEN))
ENDS = ("crash", "spot", "stopped by hand", "standalone", "loses its interface")
PUSHES = ("same", "old", "twice", "broken again", "tags", "deleted")
HOST = st.sampled_from(("app", "api"))
OPERATORS = (
    "adds an address",
    "removes the record",
    "takes the name",
    "removes the owner",
    "makes an alias",
    "renamed",
)
AWS = st.sampled_from(("ecs", "ecr", "ec2", "route53", "logs"))


CALLS = st.sampled_from(
    ("ChangeResourceRecordSets", "ChangeResourceRecordSets", "DescribeNetworkInterfaces", "UpdateService")
)
RACES = (
    *(("end_task", number, "crash") for number in (0, 1)),
    *(("end_newest", "app", how) for how in ("stopped by hand", "loses its interface")),
    *(
        ("foreign_record", "app", what)
        for what in ("takes the name", "adds an address", "removes the record")
    ),
    *(("scale", "app", desired) for desired in (0, 1, 2)),
    ("tag", "app", "paused"),
    ("push", "app:latest", "good"),
)


class CloudMachine(RuleBasedStateMachine):
    """One scenario; the class remembers those that failed, and the figures of all."""

    found: ClassVar[list[tuple[Script, Failure]]] = []
    figures: ClassVar[Counter[str]] = Counter()
    stops = True
    scenario: Scenario

    @initialize(setup=SETUPS, fault_rates=st.sampled_from(FAULT_RATES), seed=st.integers(0, 2**32))
    def begin(self, setup: Setup, fault_rates: FaultRates, seed: int) -> None:
        """The world as it is before the first step."""
        self.steps: list[Step] = []
        self.begun = (setup, fault_rates, seed)
        self.scenario = Scenario(setup, fault_rates, seed)
        self._judge()

    def _do(self, name: str, *arguments: Any, wait: float) -> None:
        step = Step(name, arguments, wait)
        self.steps.append(step)
        if not self.scenario.failures:
            self.scenario.step(step)
            self._judge()

    def _judge(self) -> None:
        if self.scenario.failures:
            failure = self.scenario.failures[0]
            type(self).found.append((Script(*self.begun, tuple(self.steps)), failure))
            if self.stops:
                raise AssertionError(f"{failure.check}: {failure.text}")

    def teardown(self) -> None:
        """Ten quiet minutes, unless a check has failed."""
        if not hasattr(self, "scenario"):
            return
        failed = bool(self.scenario.failures)
        if not self.scenario.failures:
            self.scenario.finish()
        cloud = self.scenario.cloud
        figures = type(self).figures
        figures.update({f"fault: {kind}": count for kind, count in cloud.faults.clock.faults.items()})
        figures.update({f"did: {what}": count for what, count in cloud.checks.counts.items()})
        figures.update(f"step: {step.name}" for step in self.steps)
        figures.update(
            scenarios=1, steps=len(self.steps), virtual_seconds=int(cloud.clock.now - cloud.clock.began_at)
        )
        figures["quiet"] += self.scenario.was_quiet
        if not failed:
            self._judge()

    def _runs(self) -> bool:
        return bool(self.scenario.cloud.functions.under_way)

    def _has_tasks(self) -> bool:
        return any(
            True for service in self.scenario.cloud.services() for _ in self.scenario.cloud.tasks(service)
        )

    @rule(image=TARGET, kind=KIND, index=st.booleans(), wait=WAITS)
    def push(self, image: str, kind: str, index: bool, wait: float) -> None:  # noqa: FBT001 - drawn by name
        """A new image, working or broken."""
        self._do("push", image, kind, index, wait=wait)

    @rule(image=PUSHED, kind=KIND, what=st.sampled_from(PUSHES), wait=WAITS)
    def push_again(self, image: str, kind: str, what: str, wait: float) -> None:
        """The image that is there already, an older one, two at once, one under three tags; or a tag goes."""
        image = image or self.scenario.operators.last_target
        match what:
            case "same":
                self._do("push_same", image, wait=wait)
            case "old":
                self._do("push_old", image, self.scenario.cloud.random.randrange(4), wait=wait)
            case "twice":
                self._do("push_twice", image, kind, wait=wait)
            case "broken again":
                self._do("push_broken_again", image, "crashes", wait=wait)
            case "tags":
                self._do("push_tags", kind, wait=wait)
            case _:
                self._do("delete_tag", image, wait=wait)

    @precondition(_has_tasks)
    @rule(number=st.integers(0, 5), how=st.sampled_from(ENDS), wait=WAITS)
    def end_task(self, number: int, how: str, wait: float) -> None:
        """A task ends by itself, or by somebody; or one of no service is started."""
        if how == "standalone":
            self._do("run_task", wait=wait)
        else:
            self._do("end_task", number, how, wait=wait)

    @rule(name=MINE, desired=st.integers(0, 3), wait=WAITS)
    def scale(self, name: str, desired: int, wait: float) -> None:
        """Another desired count."""
        self._do("scale", name, desired, wait=wait)

    @rule(name=ANY, what=st.sampled_from(("deploy", "stack_update", "stop_deployment")), wait=WAITS)
    def deploy_by_hand(self, name: str, what: str, wait: float) -> None:
        """A deployment that is not ours, or the end of one."""
        self._do(what, name, wait=wait)

    @rule(name=MINE, what=st.sampled_from(("paused", "on-push", "deleted", "created")), wait=WAITS)
    def opt(self, name: str, what: str, wait: float) -> None:
        """A service opts out or in, goes or comes."""
        if what in {"deleted", "created"}:
            self._do("delete_service" if what == "deleted" else "create_service", name, wait=wait)
        else:
            self._do("tag", name, what, wait=wait)

    @rule(host=HOST, what=st.sampled_from(OPERATORS), wait=WAITS)
    def record(self, host: str, what: str, wait: float) -> None:
        """Somebody's hand in the zone, or the stack's end of a name."""
        if what == "renamed":
            self._do("rename", host, wait=wait)
        else:
            self._do("foreign_record", host, what, wait=wait)

    @rule(kind=st.sampled_from(KINDS), service=AWS, seconds=st.sampled_from((5, 30, 150, 400)), wait=WAITS)
    def trouble(self, kind: str, service: str, seconds: int, wait: float) -> None:
        """AWS refuses or delays calls for a while."""
        self._do("trouble", kind, service, seconds, wait=wait)

    @rule(operation=CALLS, race=st.sampled_from(RACES), wait=WAITS)
    def race(self, operation: str, race: tuple[Any, ...], wait: float) -> None:
        """Something happens between what a run reads and what it does next."""
        self._do("in_between", operation, *race, wait=wait)

    @precondition(_runs)
    @rule(number=st.integers(0, 3), wait=WAITS)
    def kill(self, number: int, wait: float) -> None:
        """A run is killed in the middle."""
        self._do("kill", number, wait=wait)
