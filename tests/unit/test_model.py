"""AWS's values: what they are where AWS tells nothing, and what follows from what it tells."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pushlive.answers import IncompleteAnswerError
from pushlive.model import Image, Service, ServiceDeployment

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
DEPLOYMENT = ServiceDeployment("arn:service-deployment/lab/app/AbCd", "IN_PROGRESS", AT, {})


def test_a_service_of_which_nothing_is_known_runs_nothing_and_asks_for_nothing() -> None:
    service = Service("app", "arn")
    assert (service.desired_count, service.running_count, service.tags) == (0, 0, {})


def test_what_a_service_lacks_is_named_with_the_call_that_lacks_it() -> None:
    Service("app", "arn").check()
    with pytest.raises(IncompleteAnswerError, match="of DescribeServices lacks status"):
        Service("app", "arn", lacks="status").check()


def test_a_deployment_has_a_way_back_unless_ecs_says_otherwise() -> None:
    assert DEPLOYMENT.has_way_back


@pytest.mark.parametrize(
    ("status", "triggered", "failed"),
    [
        ("IN_PROGRESS", False, False),
        ("SUCCESSFUL", False, False),
        ("STOPPED", False, False),
        ("STOPPED", True, True),
        ("ROLLBACK_IN_PROGRESS", False, False),
        ("ROLLBACK_SUCCESSFUL", False, True),
        ("ROLLBACK_FAILED", False, True),
    ],
)
def test_a_deployment_failed_if_ecs_gave_it_up(status: str, triggered: bool, failed: bool) -> None:  # noqa: FBT001
    found = DEPLOYMENT._replace(status=status, circuit_breaker_triggered=triggered)
    assert (found.failed, found.name) == (failed, "AbCd")


def test_an_index_is_run_as_itself_or_as_one_of_its_members() -> None:
    image = Image("r/app:1", "sha256:index", members=frozenset({"sha256:child"}))
    assert [image.is_run_as(d) for d in ("sha256:index", "sha256:child", "sha256:other", None)] == [
        True,
        True,
        False,
        False,
    ]
