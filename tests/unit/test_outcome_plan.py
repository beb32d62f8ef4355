"""What is told of deployments: the ids are the specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pushlive.model import Image, Service, ServiceDeployment, TaskDefinition
from pushlive.outcome_plan import (
    LONGEST_SUBJECT,
    Outcome,
    ended,
    message,
    outcome,
    overdue,
    refused,
    seconds_to_live,
)
from pushlive.redeploy_plan import DeploymentState

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
REFERENCE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:latest"
OLD, NEW = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def deployment(status: str, **changes: Any) -> ServiceDeployment:
    usual = ServiceDeployment(
        "arn:aws:ecs:eu-west-1:123456789012:service-deployment/lab/app/AbCd",
        status,
        created_at=ago(200),
        digests={"app": NEW},
        finished_at=ago(60),
    )
    return usual._replace(**changes)


def service(
    *deployments: ServiceDeployment, image: Image | None = None, name: str = "app", **tags: str
) -> DeploymentState:
    arn = f"arn:aws:ecs:eu-west-1:123456789012:service/lab/{name}"
    found = Service(name, arn, tags={f"pushlive:{key}": value for key, value in tags.items()})
    return DeploymentState(found, images={"app": image} if image else {}, deployments=deployments)


DEFINITION = TaskDefinition({"app": REFERENCE})


@pytest.mark.parametrize(
    ("found", "told"),
    [
        pytest.param(deployment("SUCCESSFUL"), Outcome.LIVE, id="successful-is-live"),
        pytest.param(
            deployment("SUCCESSFUL", digests={}),
            None,
            id="a-hold-ran-no-image-so-it-is-no-news",
        ),
        pytest.param(
            deployment("SUCCESSFUL", digests={}, untold=True),
            Outcome.LIVE,
            id="successful-is-live-also-where-ecs-tells-no-digests",
        ),
        pytest.param(deployment("ROLLBACK_SUCCESSFUL"), Outcome.FAILED, id="rolled-back-is-failed"),
        pytest.param(deployment("ROLLBACK_FAILED"), Outcome.FAILED, id="a-rollback-that-failed-is-failed"),
        pytest.param(
            deployment("ROLLBACK_FAILED", digests={}),
            Outcome.FAILED,
            id="an-image-that-was-never-pulled-failed",
        ),
        pytest.param(
            deployment("STOPPED", circuit_breaker_triggered=True), Outcome.FAILED, id="stopped-by-the-breaker"
        ),
        pytest.param(deployment("STOPPED"), None, id="superseded-by-a-newer-deployment-is-no-news"),
        pytest.param(
            deployment("ROLLBACK_IN_PROGRESS", circuit_breaker_triggered=True),
            None,
            id="rolling-back-is-not-over",
        ),
        pytest.param(deployment("ROLLBACK_REQUESTED"), None, id="rollback-requested-is-not-over"),
        pytest.param(deployment("IN_PROGRESS"), None, id="in-progress-is-not-over"),
        pytest.param(deployment("PENDING"), None, id="pending-is-not-over"),
        pytest.param(deployment("A_STATE_OF_TOMORROW"), None, id="an-unknown-state-is-no-success"),
    ],
)
def test_outcome(found: ServiceDeployment, told: Outcome | None) -> None:
    assert outcome(found) is told


@pytest.mark.parametrize(
    ("seconds_ago", "is_told"),
    [(0, True), (899, True), (900, False)],
    ids=["just-now", "recently", "long-ago"],
)
def test_an_outcome_is_told_for_a_quarter_of_an_hour(seconds_ago: float, is_told: bool) -> None:  # noqa: FBT001
    found = deployment("SUCCESSFUL", created_at=ago(2000), finished_at=ago(seconds_ago))
    assert ended(service(found), NOW) == ([(found, Outcome.LIVE)] if is_told else [])


@pytest.mark.parametrize(
    "newer",
    [
        deployment("ROLLBACK_IN_PROGRESS"),
        deployment("ROLLBACK_SUCCESSFUL", finished_at=ago(1000)),
        deployment("ROLLBACK_FAILED", finished_at=ago(1000)),
        deployment("IN_PROGRESS", circuit_breaker_triggered=True),
    ],
    ids=lambda newer: newer.status,
)
def test_what_a_newer_deployment_may_have_gone_back_to_is_not_told_as_live(newer: ServiceDeployment) -> None:
    """A service's hold at 0 is SUCCESSFUL without an image, and gets one when the first push rolls back."""
    assert ended(service(newer, deployment("SUCCESSFUL")), NOW) == []


def test_outcomes_are_told_in_the_order_in_which_they_came() -> None:
    newer, older = deployment("SUCCESSFUL"), deployment("ROLLBACK_SUCCESSFUL", finished_at=ago(300))
    found = ended(service(newer, deployment("IN_PROGRESS"), older), NOW)
    assert found == [(older, Outcome.FAILED), (newer, Outcome.LIVE)]


@pytest.mark.parametrize(
    ("status", "seconds", "is_late"),
    [
        pytest.param("IN_PROGRESS", 900, True, id="in-progress-for-as-long-as-the-limit"),
        pytest.param("IN_PROGRESS", 899, False, id="in-progress-for-less"),
        pytest.param("PENDING", 900, True, id="pending"),
        pytest.param("ROLLBACK_IN_PROGRESS", 900, True, id="a-rollback-that-does-not-end"),
        pytest.param("SUCCESSFUL", 9000, False, id="over"),
        pytest.param("ROLLBACK_FAILED", 9000, False, id="failed-is-told-as-failed"),
    ],
)
def test_late(status: str, seconds: float, is_late: bool) -> None:  # noqa: FBT001
    found = deployment(status, created_at=ago(seconds))
    assert overdue(service(found), NOW, 900) == (found if is_late else None)


@pytest.mark.parametrize(("seconds", "is_late"), [(2699, False), (2700, True)])
def test_bake_time_is_not_late(seconds: float, is_late: bool) -> None:  # noqa: FBT001
    """ECS keeps a deployment IN_PROGRESS for its bake time, after its tasks have replaced all others."""
    found = deployment("IN_PROGRESS", created_at=ago(seconds), bake_seconds=1800)
    assert overdue(service(found), NOW, 900) == (found if is_late else None)


def test_only_the_newest_deployment_is_late() -> None:
    newest = deployment("IN_PROGRESS", created_at=ago(10))
    assert overdue(service(newest, deployment("IN_PROGRESS", created_at=ago(5000))), NOW, 900) is None
    assert overdue(service(), NOW, 900) is None


@pytest.mark.parametrize(
    ("image", "seconds"),
    [
        pytest.param(Image(REFERENCE, NEW, ago(210)), 150, id="from-the-push"),
        pytest.param(Image(REFERENCE, "sha256:0", ago(210), frozenset({NEW})), 150, id="of-an-index"),
        pytest.param(Image(REFERENCE, NEW, ago(5000)), None, id="not-of-a-push-of-long-ago"),
        pytest.param(Image(REFERENCE, NEW, ago(100)), None, id="not-of-a-push-after-the-deployment-began"),
        pytest.param(Image(REFERENCE, OLD, ago(210)), None, id="not-of-another-image"),
        pytest.param(Image(REFERENCE, None), None, id="not-of-a-tag-that-is-gone"),
    ],
)
def test_seconds_to_live(image: Image, seconds: float | None) -> None:
    found = deployment("SUCCESSFUL")
    assert seconds_to_live(service(found, image=image), found) == seconds


SAME = deployment("SUCCESSFUL", created_at=ago(205), deployment_arn="older")


@pytest.mark.parametrize(
    ("older", "seconds"),
    [
        pytest.param(SAME, None, id="not-of-an-image-that-ran-before-as-after-a-way-back"),
        pytest.param(SAME._replace(status="STOPPED"), None, id="not-of-an-image-that-was-on-its-way-before"),
        pytest.param(SAME._replace(digests={"app": OLD}), 150, id="of-one-that-follows-another-image"),
        pytest.param(SAME._replace(digests={}), 150, id="of-one-that-follows-a-hold"),
        pytest.param(SAME._replace(created_at=ago(100)), 150, id="of-one-that-was-deployed-again-later"),
    ],
)
def test_seconds_to_live_are_those_of_the_first_deployment_of_a_push(
    older: ServiceDeployment, seconds: float | None
) -> None:
    found = deployment("SUCCESSFUL")
    assert seconds_to_live(service(found, older, image=Image(REFERENCE, NEW, ago(210))), found) == seconds


@pytest.mark.parametrize(
    ("pushed", "others", "since"),
    [
        pytest.param(ago(210), (), "150 seconds after the push", id="deployed-at-once"),
        pytest.param(
            ago(260),
            (),
            "140 seconds after its deployment began and 200 after the push",
            id="waited-for-the-schedule-or-for-the-end-of-a-pause",
        ),
        pytest.param(
            ago(260),
            (SAME,),
            "140 seconds after its deployment began",
            id="a-way-back-or-the-same-image-again",
        ),
        pytest.param(
            ago(5000), (), "140 seconds after its deployment began", id="an-image-that-gets-its-tag-back"
        ),
        pytest.param(None, (), "140 seconds after its deployment began", id="a-tag-that-is-gone"),
    ],
)
def test_a_success_is_told_with_the_time_that_it_took(
    pushed: datetime | None, others: tuple[ServiceDeployment, ...], since: str
) -> None:
    found = deployment("SUCCESSFUL")
    told = message(service(found, *others, image=Image(REFERENCE, NEW, pushed)), found, DEFINITION)
    assert told.text.startswith(f"app is live, {since}: no old task runs any more.\n")


def test_the_message_of_a_success() -> None:
    found = deployment("SUCCESSFUL")
    told = message(
        service(found, image=Image(REFERENCE, NEW, ago(210)), hostname="app.example.com"),
        found,
        DEFINITION._replace(port=8080),
    )
    assert told.subject == "pushlive: live: app"
    assert told.text == (
        "app is live, 150 seconds after the push: no old task runs any more.\n"
        "\n"
        f"Image:      {REFERENCE}\n"
        f"            {NEW}\n"
        "Address:    http://app.example.com:8080/\n"
        "Deployment: AbCd, 2026-11-20 11:56:40 UTC to 11:59:00 UTC\n"
    )


@pytest.mark.parametrize(("port", "shown"), [(8080, ":8080/"), (80, "m/"), (None, "m/")])
def test_the_address_says_the_port_where_a_browser_needs_it(port: int | None, shown: str) -> None:
    found = deployment("SUCCESSFUL")
    state = service(found, hostname="app.example.com")
    text = message(state, found, DEFINITION._replace(port=port)).text
    assert f"http://app.example.com{shown.removeprefix('m')}\n" in text


def test_the_message_of_a_failure() -> None:
    found = deployment(
        "ROLLBACK_SUCCESSFUL", status_reason="The circuit breaker fired.", rolled_back_to={"app": OLD}
    )
    told = message(
        service(found),
        found,
        DEFINITION._replace(log_group="logs"),
        "Essential container exited",
    )
    assert told.subject == "pushlive: FAILED, what ran before runs again: app"
    assert told.text == (
        "app: the new image failed, and what ran before runs again.\n"
        "\n"
        f"Failed:     {REFERENCE}\n"
        f"            {NEW}\n"
        "ECS says:   The circuit breaker fired.\n"
        "Its task:   Essential container exited\n"
        f"Runs now:   {REFERENCE}\n"
        f"            {OLD}\n"
        "To do:      push an image that works; pushlive does not deploy this one again by itself\n"
        "Its log:    aws logs tail logs --region eu-west-1 --since 1h\n"
        "Deployment: AbCd, 2026-11-20 11:56:40 UTC to 11:59:00 UTC\n"
    )


def test_a_failure_without_a_rollback_names_nothing_that_runs() -> None:
    found = deployment("ROLLBACK_FAILED")
    told = message(service(found), found, DEFINITION)
    assert "there was nothing to go back to" in told.subject
    assert "Runs now" not in told.text
    assert "Its task" not in told.text
    assert "Its log" not in told.text


def test_the_message_of_a_refusal_names_the_record_and_why() -> None:
    told = refused("app", "app.example.com", "app.example.com is a CNAME, which is not ours")
    assert told.subject == "pushlive: no record: app"
    assert "The record app.example.com of app was not written." in told.text
    assert "Why:        app.example.com is a CNAME, which is not ours" in told.text


@pytest.mark.parametrize(
    ("status", "what"),
    [
        ("SUCCESSFUL", "live"),
        ("ROLLBACK_SUCCESSFUL", "FAILED, what ran before runs again"),
        ("ROLLBACK_FAILED", "FAILED, there was nothing to go back to"),
    ],
)
@pytest.mark.parametrize("length", [1, 255])
def test_a_subject_is_what_sns_takes_and_says_first_what_happened(
    status: str, what: str, length: int
) -> None:
    """SNS API reference, Publish, Subject: less than 100 characters, ASCII, no line break."""
    found, name = deployment(status), "a" * length
    told = message(service(found, name=name), found, DEFINITION)
    whole = f"pushlive: {what}: {name}"
    assert told.subject == (whole if length == 1 else f"{whole[:96]}...")
    assert len(told.subject) <= LONGEST_SUBJECT < 100
    assert name in told.text


@pytest.mark.parametrize(("length", "is_whole"), [(99, True), (100, False)])
def test_a_subject_that_fits_is_whole(length: int, is_whole: bool) -> None:  # noqa: FBT001
    name = "a" * (length - len("pushlive: live: "))
    found = deployment("SUCCESSFUL")
    subject = message(service(found, name=name), found, DEFINITION).subject
    assert subject.endswith(name) is is_whole


def test_the_subject_of_a_refusal_says_first_what_happened() -> None:
    subject = refused("a" * 255, "b", "c").subject
    assert subject.startswith("pushlive: no record: aaa")
    assert len(subject) == LONGEST_SUBJECT
    assert refused("a\u00e4", "b", "c").subject.isascii()


def test_outcomes_are_the_words_of_the_log() -> None:
    assert [outcome.value for outcome in Outcome] == ["live", "failed"]
