"""The second decision table: its ids are the specification."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.model import Record, Task
from pushlive.record_plan import Action, Decision, RecordState, Target, owner_text, plan_record

ARN = "arn:aws:ecs:eu-west-1:123456789012:service/lab/app"
NAME = "app.example.com"
OURS = owner_text(ARN)
THEIRS = owner_text(f"{ARN}-2")
TTL = 10
NEWEST, OLDER = "ecs-svc/2", "ecs-svc/1"
A, B, C, STALE = "198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.9"


def task(public_ip: str | None, deployment: str = NEWEST, **changes: Any) -> Target:
    of_task = {key: changes.pop(key) for key in list(changes) if key in Task._fields}
    usual = Task(f"arn:task/{public_ip}", deployment, "RUNNING", "RUNNING")
    return Target(usual._replace(**of_task), public_ip, 8080)._replace(**changes)


def unresponsive(public_ip: str, deployment: str = NEWEST) -> Target:
    return task(public_ip, deployment, answers=False)


def service(*tasks: Target, desired: int = 1, wanted: bool = True) -> RecordState:
    return RecordState(ARN, NAME, wanted, desired, NEWEST, tasks)


def record(*addresses: str, owner: str | None = OURS, **changes: Any) -> Record:
    found = Record(frozenset(addresses), TTL, exists=True, owner=owner, owner_ttl_seconds=300)
    return found._replace(**changes)


NONE = Record()
ONLY_TXT = Record(owner=OURS, owner_ttl_seconds=300)
KEEP, WRITE, DELETE, REFUSE = Action.KEEP, Action.WRITE, Action.DELETE, Action.REFUSE


def row(
    case: str, live: RecordState, current: Record, action: Action, addresses: tuple[str, ...], reason: str
) -> Any:
    return pytest.param(live, current, action, addresses, reason, id=case)


ROWS = [
    # Not ours
    row(
        "a-record-without-ownership-is-refused",
        service(task(A)), record(STALE, owner=None), REFUSE, (),
        f"has an A record, but no TXT record _pushlive.{NAME}",
    ),
    row(
        "a-record-without-ownership-is-refused-though-its-address-is-right",
        service(task(A)), record(A, owner=None), REFUSE, (), "no TXT record",
    ),
    row(
        "a-record-of-another-service-is-refused",
        service(task(A)), record(STALE, owner=THEIRS), REFUSE, (), f"belongs to another owner, as the TXT "
        f"record _pushlive.{NAME} says: {THEIRS}",
    ),
    row(
        "a-name-that-another-service-owns-without-a-record-is-refused",
        service(task(A)), Record(owner=THEIRS), REFUSE, (), "belongs to another owner",
    ),
    row(
        "an-alias-is-refused",
        service(task(A)), Record(exists=True, foreign_kind="an alias"), REFUSE, (), "is an alias",
    ),
    row(
        "an-alias-is-refused-though-the-ownership-is-ours",
        service(task(A)), Record(exists=True, foreign_kind="an alias", owner=OURS), REFUSE, (), "is an alias",
    ),
    row(
        "a-cname-is-refused",
        service(task(A)), Record(exists=True, foreign_kind="a CNAME"), REFUSE, (), "is a CNAME",
    ),
    row(
        "not-ours-before-desired-count-0",
        service(desired=0), record(STALE, owner=None), REFUSE, (), "no TXT record",
    ),
    row(
        "not-ours-before-a-service-that-is-gone",
        service(wanted=False, desired=0), record(STALE, owner=THEIRS), REFUSE, (), "another owner",
    ),
    row(
        "not-ours-where-no-task-runs",
        service(), Record(exists=True, foreign_kind="an alias"), REFUSE, (), "is an alias",
    ),
    # Not wanted
    row(
        "desired-count-0-deletes",
        service(desired=0), record(A), DELETE, (), "desired count is 0: a released address may become",
    ),
    row(
        "desired-count-0-deletes-while-tasks-still-answer",
        service(task(A), desired=0), record(A), DELETE, (), "desired count is 0",
    ),
    row("desired-count-0-deletes-a-lonely-ownership", service(desired=0), ONLY_TXT, DELETE, (), "count is 0"),
    row("desired-count-0-without-a-record-is-kept", service(desired=0), NONE, KEEP, (), "there is no record"),
    row(
        "a-service-that-is-gone-deletes",
        service(wanted=False, desired=0), record(A), DELETE, (), "no longer wants this name",
    ),
    row(
        "a-service-without-its-tag-deletes-though-its-tasks-answer",
        service(task(A), wanted=False), record(A), DELETE, (), "no longer wants this name",
    ),
    row(
        "a-service-that-is-gone-without-a-record-is-kept",
        service(wanted=False, desired=0), NONE, KEEP, (), "no longer wants this name, and there is no record",
    ),
    # The newest deployment answers
    row("first-answering-task-is-written", service(task(A)), NONE, WRITE, (A,), "all 1 tasks of the newest"),
    row("new-task-replaces-the-old-one", service(task(B), task(A, OLDER)), record(A), WRITE, (B,), "all 1"),
    row(
        "several-tasks-are-all-written",
        service(task(A), task(B), task(C), desired=3), record(A), WRITE, (A, B, C), "all 3 tasks",
    ),
    row(
        "one-task-too-many-is-written-as-well",
        service(task(A), task(B)), record(A), WRITE, (A, B), "all 2 tasks",
    ),
    row(
        "a-task-that-has-just-started-waits-while-an-older-one-answers",
        service(task(B, ready=False), task(A, OLDER)), record(A), KEEP, (A,),
        "0 tasks of the newest deployment have run for long enough and 1 older ones",
    ),
    row(
        "of-one-deployment-too-a-task-that-has-just-started-waits",
        service(task(A), task(B, ready=False), desired=2), record(A), KEEP, (A,),
        "have run for long enough",
    ),
    row(
        "a-task-that-has-just-started-is-written-where-no-other-answers",
        service(task(B, ready=False), unresponsive(C)), record(A), WRITE, (B,), "all 1 tasks",
    ),
    row("a-right-record-is-kept", service(task(A)), record(A), KEEP, (A,), "already right"),
    row(
        "the-order-of-tasks-means-nothing",
        service(task(B), task(A), desired=2), record(A, B), KEEP, (A, B), "already right",
    ),
    row(
        "another-ttl-is-written", service(task(A)), record(A, ttl_seconds=300), WRITE, (A,), "all 1 tasks",
    ),
    row(
        "a-record-deleted-by-hand-is-written-again", service(task(A)), ONLY_TXT, WRITE, (A,), "all 1 tasks",
    ),
    row(
        "a-changed-address-is-written-though-the-number-is-right",
        service(task(A)), record(STALE), WRITE, (A,), "all 1 tasks",
    ),
    # The zone does not answer for the name
    row(
        "a-name-that-the-zone-delegates-away-is-refused",
        service(task(A)), NONE._replace(delegated_at="example.com"), REFUSE, (),
        "its NS records of example.com name other servers. Give the parameter HostedZoneId",
    ),
    row(
        "a-record-of-ours-of-a-delegated-name-is-not-changed-any-more",
        service(task(B)), record(A)._replace(delegated_at="example.com"), REFUSE, (), "NS records",
    ),
    row(
        "a-record-of-ours-of-a-delegated-name-is-deleted-when-nobody-wants-it",
        service(desired=0), record(A)._replace(delegated_at="example.com"), DELETE, (), "desired count is 0",
    ),
    row(
        "somebody-elses-record-before-a-delegated-name",
        service(task(A)), Record(exists=True, foreign_kind="an alias", delegated_at="example.com"), REFUSE,
        (), "an alias",
    ),
    # Who is a candidate
    row(
        "a-task-to-be-stopped-is-no-candidate",
        service(task(A, desired_status="STOPPED"), task(B)), record(A), WRITE, (B,), "all 1 tasks",
    ),
    row(
        "a-pending-task-is-no-candidate",
        service(task(B, last_status="PENDING"), task(A, OLDER)), record(A), KEEP, (A,), "already right: 0",
    ),
    row(
        "a-deactivating-task-is-no-candidate",
        service(task(A, last_status="DEACTIVATING"), task(B), desired=2), record(A, B), WRITE, (B,),
        "1 tasks of the newest",
    ),
    row(
        "an-unhealthy-task-is-no-candidate",
        service(task(B, healthy=False), task(A, OLDER)), record(A), KEEP, (A,), "already right: 0 tasks",
    ),
    row(
        "a-unresponsive-task-is-no-candidate",
        service(unresponsive(B), task(A, OLDER)), record(A), KEEP, (A,), "already right: 0 tasks",
    ),
    row(
        "a-task-without-a-public-address-is-no-candidate",
        service(task(None), task(A, OLDER)), record(A), KEEP, (A,), "already right: 0 tasks",
    ),
    row(
        "a-task-without-a-public-address-does-not-count-towards-desired",
        service(task(None), task(B), task(A, OLDER), desired=2), record(A), WRITE, (A, B), "1 older ones",
    ),
    # It has fewer
    row(
        "the-old-one-stays-until-all-new-ones-answer",
        service(task(B), unresponsive(C), task(A, OLDER), desired=2), record(A), WRITE, (A, B),
        "1 tasks of the newest deployment answer and 1 older ones",
    ),
    row(
        "only-older-ones-answer", service(task(A, OLDER)), record(STALE), WRITE, (A,), "0 tasks of the",
    ),
    row(
        "older-ones-of-two-deployments-stay",
        service(task(A, OLDER), task(B, "ecs-svc/0")), record(A), WRITE, (A, B), "2 older ones",
    ),
    row(
        "an-address-of-a-dead-task-goes-while-others-answer",
        service(task(A), desired=2), record(A, STALE), WRITE, (A,), "1 tasks of the newest",
    ),
    row(
        "what-answers-comes-before-what-only-runs",
        service(unresponsive(B), task(A, OLDER)), record(B), WRITE, (A,), "0 tasks of the newest",
    ),
    # No candidate
    row(
        "a-strangers-address-is-replaced-by-a-task-that-runs",
        service(unresponsive(A)), record(STALE), WRITE, (A,), "may be a stranger's",
    ),
    row(
        "a-strangers-addresses-are-replaced-by-all-tasks-that-run",
        service(unresponsive(A), task(B, OLDER, healthy=False)), record(STALE), WRITE, (A, B), "a stranger's",
    ),
    row(
        "a-task-to-be-stopped-is-not-what-replaces-a-stranger",
        service(task(A, desired_status="STOPPED")), record(STALE), KEEP, (STALE,), "no task answers",
    ),
    row(
        "part-of-the-addresses-stale-removes-that-part",
        service(unresponsive(A)), record(A, STALE), WRITE, (A,), "of tasks that are gone are removed",
    ),
    row(
        "part-of-the-addresses-stale-adds-no-unresponsive-task",
        service(unresponsive(A), unresponsive(B), desired=2), record(A, STALE), WRITE, (A,), "are removed",
    ),
    row(
        "unresponsive-task-in-the-record-is-kept",
        service(unresponsive(A)), record(A), KEEP, (A,), "no task answers",
    ),
    row(
        "unresponsive-tasks-beside-a-right-address-are-not-added",
        service(unresponsive(A), unresponsive(B), desired=2), record(A), KEEP, (A,), "no task answers",
    ),
    row("no-running-task-keeps-record", service(), record(A), KEEP, (A,), "no task answers"),
    row(
        "no-running-task-keeps-record-though-its-ttl-is-another",
        service(), record(A, ttl_seconds=300), KEEP, (A,), "no task answers",
    ),
    row(
        "a-unresponsive-task-is-not-published-where-there-is-no-record-yet",
        service(unresponsive(A)), NONE, KEEP, (), "no task answers",
    ),
    row(
        "a-unresponsive-task-is-not-published-where-only-the-ownership-is-left",
        service(unresponsive(A)), ONLY_TXT, KEEP, (), "no task answers",
    ),
    row("no-task-and-no-record-is-kept", service(), NONE, KEEP, (), "no task answers"),
]  # fmt: skip


@pytest.mark.parametrize(("live", "current", "action", "addresses", "reason"), ROWS)
def test_plan_record(
    live: RecordState, current: Record, action: Action, addresses: tuple[str, ...], reason: str
) -> None:
    decision = plan_record(live, current, TTL)
    assert (decision.action, decision.addresses) == (action, frozenset(addresses)), decision.reason
    assert reason in decision.reason


def test_the_ownership_names_the_service_by_its_arn() -> None:
    assert owner_text(ARN) == f"pushlive service={ARN}"


ADDRESSES = st.sampled_from([A, B, C, STALE])


def tasks(**fixed: st.SearchStrategy[Any]) -> st.SearchStrategy[Target]:
    usual: dict[str, st.SearchStrategy[Any]] = {
        "task_arn": st.uuids().map(str),
        "deployment": st.sampled_from([NEWEST, OLDER]),
        "last_status": st.sampled_from(["PENDING", "RUNNING", "DEACTIVATING"]),
        "desired_status": st.sampled_from(["RUNNING", "STOPPED"]),
        "public_ip": st.one_of(st.none(), ADDRESSES),
        "healthy": st.booleans(),
        "answers": st.booleans(),
        "ready": st.booleans(),
    }
    return st.builds(task, **{**usual, **fixed})


RUNNING = st.just("RUNNING")
RUNNING_TASKS = tasks(last_status=RUNNING, desired_status=RUNNING, public_ip=ADDRESSES)
ANSWERING_TASKS = tasks(
    last_status=RUNNING,
    desired_status=RUNNING,
    public_ip=ADDRESSES,
    healthy=st.just(True),  # noqa: FBT003 - hypothesis takes the value by position
    answers=st.just(True),  # noqa: FBT003
)


def services(
    first: st.SearchStrategy[Target], wanted: st.SearchStrategy[bool], least: int
) -> st.SearchStrategy[RecordState]:
    """Services with at least `least` of the tasks in `first`, and a few of any kind."""
    return st.builds(
        lambda some, others, is_wanted, desired: service(*some, *others, wanted=is_wanted, desired=desired),
        st.lists(first, min_size=least, max_size=3),
        st.lists(tasks(), max_size=3),
        wanted,
        st.integers(0 if least == 0 else 1, 3),
    )


SERVICES = services(RUNNING_TASKS, st.booleans(), 0)
WITH_A_RUNNING_TASK = services(RUNNING_TASKS, st.just(True), 1)  # noqa: FBT003
WITH_AN_ANSWERING_TASK = services(ANSWERING_TASKS, st.just(True), 1)  # noqa: FBT003
OWN_RECORDS = st.one_of(
    st.just(NONE),
    st.just(ONLY_TXT),
    st.builds(
        lambda addresses, ttl_seconds: record(*addresses, ttl_seconds=ttl_seconds),
        st.sets(ADDRESSES, min_size=1),
        st.sampled_from([TTL, 300]),
    ),
)
FOREIGN_RECORDS = st.one_of(
    st.builds(
        lambda addresses, owner: record(*addresses, owner=owner),
        st.sets(ADDRESSES, min_size=1),
        st.sampled_from([None, THEIRS, "heritage=external-dns", OURS + " "]),
    ),
    st.builds(
        lambda kind, owner: Record(exists=True, foreign_kind=kind, owner=owner),
        st.sampled_from(["an alias", "a CNAME", "a record with a routing policy"]),
        st.sampled_from([None, OURS]),
    ),
    st.just(Record(owner=THEIRS)),
)


def after(decision: Decision, current: Record) -> Record:
    """The record once the decision is carried out."""
    if decision.action is DELETE:
        return NONE
    return record(*decision.addresses) if decision.action is WRITE else current


@given(SERVICES, FOREIGN_RECORDS)
def test_a_foreign_record_is_never_changed(live: RecordState, current: Record) -> None:
    assert plan_record(live, current, TTL).action is REFUSE


@given(SERVICES, OWN_RECORDS)
def test_our_own_record_is_never_refused(live: RecordState, current: Record) -> None:
    assert plan_record(live, current, TTL).action is not REFUSE


@given(SERVICES, OWN_RECORDS)
def test_a_record_is_deleted_only_when_nobody_wants_it(live: RecordState, current: Record) -> None:
    wanted = live.wanted and live.desired_count > 0
    exists = current.exists or current.owner is not None
    assert (plan_record(live, current, TTL).action is DELETE) == (exists and not wanted)


@given(WITH_A_RUNNING_TASK, OWN_RECORDS)
def test_what_is_written_are_addresses_of_tasks_that_run(live: RecordState, current: Record) -> None:
    decision = plan_record(live, current, TTL)
    running = {each.public_ip for each in live.targets if each.runs}
    assert decision.action is KEEP or (decision.addresses and decision.addresses <= running)


@given(WITH_A_RUNNING_TASK, OWN_RECORDS)
def test_no_address_of_a_dead_task_stays_while_a_task_runs(live: RecordState, current: Record) -> None:
    running = {each.public_ip for each in live.targets if each.runs}
    assert after(plan_record(live, current, TTL), current).addresses <= running


@given(WITH_AN_ANSWERING_TASK, OWN_RECORDS)
def test_every_answering_task_of_the_newest_deployment_is_in_the_record(
    live: RecordState, current: Record
) -> None:
    answering = [each for each in live.targets if each.is_candidate]
    candidates = [each for each in answering if each.ready] or answering
    newest = {each.public_ip for each in candidates if each.task.deployment_id == NEWEST}
    assert newest <= after(plan_record(live, current, TTL), current).addresses


@given(WITH_AN_ANSWERING_TASK, OWN_RECORDS)
def test_while_a_task_answers_only_such_tasks_are_published(live: RecordState, current: Record) -> None:
    candidates = {each.public_ip for each in live.targets if each.is_candidate}
    published = after(plan_record(live, current, TTL), current).addresses
    assert published
    assert published <= candidates


@given(SERVICES, OWN_RECORDS)
def test_a_right_record_is_kept(live: RecordState, current: Record) -> None:
    """Planning again after the change finds nothing to do."""
    right = after(plan_record(live, current, TTL), current)
    assert plan_record(live, right, TTL).action is KEEP


@pytest.mark.parametrize(
    ("live", "is_unresponsive"),
    [
        pytest.param(service(task(A)), False, id="its-only-task-answers"),
        pytest.param(service(unresponsive(A)), True, id="its-only-task-does-not"),
        pytest.param(service(unresponsive(A), task(B), desired=2), False, id="the-second-of-two-answers"),
        pytest.param(service(task(A), unresponsive(B), desired=2), False, id="the-first-of-two-answers"),
        pytest.param(service(unresponsive(A), unresponsive(B), desired=2), True, id="none-of-two-answers"),
        pytest.param(service(task(A, healthy=False)), True, id="what-is-unhealthy-does-not-answer"),
        pytest.param(service(task(A, ready=False)), False, id="what-has-just-begun-answers"),
        pytest.param(service(), True, id="no-task"),
        pytest.param(service(desired=0), False, id="none-is-wanted"),
        pytest.param(service(wanted=False), False, id="the-name-is-not-wanted"),
    ],
)
def test_a_service_is_unresponsive_if_tasks_are_wanted_and_none_answers(
    live: RecordState, *, is_unresponsive: bool
) -> None:
    assert live.is_unresponsive is is_unresponsive


def test_unresponsive_ports_are_those_of_running_tasks_that_do_not_answer() -> None:
    live = service(task(A), unresponsive(B), unresponsive(C, OLDER), desired=3)
    assert live.unresponsive_ports == {B: 8080, C: 8080}


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        pytest.param([task(A)], "all 1 tasks of the newest deployment answer", id="asked"),
        pytest.param(
            [task(A, unasked="no TCP port")],
            "all 1 tasks of the newest deployment run (not asked: no TCP port)",
            id="not-asked",
        ),
        pytest.param(
            [task(A, unasked="no TCP port"), task(B, ready=False, unasked="no TCP port")],
            "all 1 tasks of the newest deployment have run for long enough (not asked: no TCP port)",
            id="not-asked-and-one-that-has-just-begun",
        ),
        pytest.param(
            [task(A, unasked="b"), task(B), task(C, unasked="a")],
            "all 3 tasks of the newest deployment run (not asked: a, b)",
            id="some-not-asked",
        ),
    ],
)
def test_the_reason_says_that_a_task_was_not_asked(tasks: list[Target], reason: str) -> None:
    assert plan_record(service(*tasks), NONE, TTL).reason == reason


def test_actions_are_the_words_of_the_log() -> None:
    assert [action.value for action in Action] == ["keep", "write", "delete", "refuse"]
