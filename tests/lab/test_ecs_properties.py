"""What holds in every history: random pushes, deployments, crashes, scaling, in virtual time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.ecs.model.timings import Timings
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, START, Scenario

if TYPE_CHECKING:
    from lab.ecs.model.state import Json

ORDER = [
    "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING",
    "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED",
]  # fmt: skip
BEHAVIOURS = {
    "sha256:good-1": Behaviour(),
    "sha256:good-2": Behaviour(pull_seconds=40, on_sigterm_seconds=25),
    "sha256:good-3": Behaviour(start_seconds=10, on_sigterm_seconds=None),
    "sha256:crashes": Behaviour(exits_after_seconds=5, exit_code=1),
    "sha256:crashes-later": Behaviour(exits_after_seconds=70, exit_code=1),
    "sha256:cannot-start": Behaviour(start_seconds=None),
    "sha256:cannot-pull": Behaviour(pull_seconds=None),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("push"), st.sampled_from(sorted(BEHAVIOURS))),
        st.tuples(st.just("redeploy"), st.none()),
        st.tuples(st.just("scale"), st.integers(0, 3)),
        st.tuples(st.just("crash"), st.integers(0, 5)),
        st.tuples(st.just("stop"), st.integers(0, 5)),
        st.tuples(st.just("interrupt"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 7, 33, 65, 400])),
    ),
    max_size=25,
)
CONFIGURATIONS = st.sampled_from(
    [{}, BREAKER, {"minimumHealthyPercent": 0, "maximumPercent": 100, **BREAKER}]
)


def step(lab: Scenario, what: str, value: object) -> None:
    tasks = lab.tasks()
    match what, value:
        case "push", str(digest):
            lab.push(digest)
        case "redeploy", None:
            lab.redeploy()
        case "scale", int(count):
            lab.update(desiredCount=count)
        case "wait", float(seconds) | int(seconds):
            lab.wait(seconds)
        case _, int(number) if number < len(tasks):
            arn = tasks[number]["taskArn"]
            if what == "crash":
                lab.runtime.crash(arn, "app", lab.now)
            elif what == "stop":
                lab.call("StopTask", cluster="lab", task=arn)
            else:
                lab.model.interrupt(arn, lab.now)


def history(steps: list[tuple[str, object]], configuration: Json) -> Scenario:
    lab = Scenario(dict(BEHAVIOURS))
    lab.push("sha256:good-1")
    lab.create(desired=1, deploymentConfiguration=configuration)
    for what, value in steps:
        step(lab, what, value)
        unfinished = {"PENDING", "IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}
        statuses = [each["status"] for each in lab.service_deployments()]
        assert not unfinished.intersection(statuses[1:]), "only the newest service deployment is under way"
        assert [each["status"] for each in lab.service()["deployments"]].count("PRIMARY") == 1
    return lab


def check_tasks(lab: Scenario) -> None:
    """States only go forward, versions count up, and every event that must be there is."""
    seen: dict[str, list[Json]] = {}
    for event in lab.events("ECS Task State Change"):
        seen.setdefault(event["detail"]["taskArn"], []).append(event["detail"])
    for details in seen.values():
        states = [(ORDER.index(each["lastStatus"]), each["desiredStatus"] == "STOPPED") for each in details]
        assert all(earlier < later for earlier, later in pairwise(states)), states
        assert [each["version"] for each in details] == list(range(1, len(details) + 1))
        assert ("stopCode" in details[-1]) == (details[-1]["desiredStatus"] == "STOPPED")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, configuration=CONFIGURATIONS)
def test_whatever_happened_a_good_image_is_deployed_in_the_end(
    steps: list[tuple[str, object]], configuration: Json
) -> None:
    lab = history(steps, configuration)
    lab.push("sha256:good-2")
    lab.update(desiredCount=2, forceNewDeployment=True)
    assert lab.wait_until_over()["status"] == "SUCCESSFUL"
    lab.wait(300)
    assert lab.running_digests() == ["sha256:good-2"] * 2
    assert len(lab.world.interfaces) == 2
    check_tasks(lab)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, configuration=CONFIGURATIONS)
def test_whatever_happened_deletion_leaves_no_task_and_no_address(
    steps: list[tuple[str, object]], configuration: Json
) -> None:
    lab = history(steps, configuration)
    lab.on_service("DeleteService", force=True)
    lab.wait(600)
    assert lab.service()["status"] == "INACTIVE"
    assert lab.tasks() == []
    assert lab.world.interfaces == {}
    lab.wait(8000)
    assert lab.tasks("STOPPED") == []


DEPLOYMENTS = st.lists(
    st.tuples(st.sampled_from(sorted(BEHAVIOURS)), st.sampled_from([0.5, 7, 33, 65, 400])), max_size=10
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(deployments=DEPLOYMENTS)
def test_with_the_defaults_deployments_alone_never_leave_the_service_without_a_task_that_counts(
    deployments: list[tuple[str, float]],
) -> None:
    lab = Scenario({**BEHAVIOURS, "sha256:crashes-later": Behaviour()})
    lab.push("sha256:good-1")
    lab.create(desired=1, deploymentConfiguration=BREAKER)
    lab.wait_until_over()

    def counting() -> bool:
        long_enough = lab.now - 40
        return any(task.get("startedAt", lab.now) <= long_enough for task in lab.tasks())

    for digest, seconds in deployments:
        lab.push(digest)
        lab.redeploy()
        deadline = lab.now + seconds
        while lab.now < deadline:
            lab.now = min(lab.runtime.next_due() or deadline, deadline)
            lab.runtime.run_until(lab.now)
            assert counting()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_the_same_history_gives_the_same_events(steps: list[tuple[str, object]]) -> None:
    assert history(steps, BREAKER).runtime.events == history(steps, BREAKER).runtime.events


def test_scaled_timings_are_the_same_world_faster() -> None:
    def run(factor: float) -> list[tuple[float, str, str]]:
        instant = Behaviour(pull_seconds=0, start_seconds=0, on_sigterm_seconds=None)
        lab = Scenario({"sha256:1": instant}, timings=Timings().scaled(factor))
        lab.push("sha256:1")
        lab.register(
            {"name": "app", "image": "000000000000.dkr.ecr.us-east-1.amazonaws.com/app", "stopTimeout": 60}
        )
        lab.create(desired=1)
        lab.wait(200 * factor)
        lab.redeploy()
        lab.wait(300 * factor)
        rows = [(each.at, each.event["detail"]) for each in lab.runtime.events]
        return [
            (round((at - START) / factor, 3), row.get("lastStatus", ""), row.get("eventName", ""))
            for at, row in rows
        ]

    assert run(1) == run(0.05)
    assert len(run(1)) > 15


def test_a_clock_that_goes_back_stands_still() -> None:
    lab = Scenario()
    lab.push("sha256:1")
    lab.create(desired=1)
    lab.wait(120)
    arn = lab.tasks()[0]["taskArn"]
    lab.model.container_exited(arn, "app", 1, lab.now - 60)
    lab.runtime.take()
    stopped = lab.tasks("STOPPED")[0]
    assert stopped["stoppingAt"] == lab.now


def test_time_that_passes_in_one_leap_is_processed_in_order() -> None:
    lab = Scenario()
    lab.create(desired=1)
    lab.model.advance(START + 100_000)
    ats = [message.at for message in lab.model.drain()]
    assert len(ats) > 50
    assert ats == sorted(ats)
