"""Tags that want what they should not get: each with what becomes of it, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pushlive.config import ConfigError
from trials.in_memory.region import HOST_NAME, REGION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functions.conftest import Log
    from trials.in_memory.region import Region

OWNER = f"pushlive service=arn:aws:ecs:{REGION}:123456789012:service/lab/"


def told(run: Callable[[], None]) -> str:
    """What a run says about the only service that it could not serve."""
    with pytest.raises(ExceptionGroup) as raised:
        run()
    [error] = raised.value.exceptions
    assert isinstance(error, ConfigError)
    text = str(error)
    assert text.isprintable()
    assert len(text) < 400
    return text


# The tag pushlive:redeploy


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("On-Push", id="upper-case"),
        pytest.param("on-push ", id="space-last"),
        pytest.param("on-push\n", id="line-end"),
        pytest.param("*", id="wildcard"),
        pytest.param("on-pu*", id="wildcard-last"),
        pytest.param("оn-push", id="letter-that-only-looks-latin"),  # noqa: RUF001 - Cyrillic
        pytest.param("ｏｎ-push", id="full-width"),  # noqa: RUF001 - that is the case
        pytest.param("true", id="true"),
        pytest.param("on-push,paused", id="two-values"),
        pytest.param("x" * 256, id="256-characters"),
    ],
)
def test_redeploy_tag_that_is_not_exactly_on_push_leaves_the_service(
    region: Region, log: Log, value: str
) -> None:
    region.push("1")
    region.run_service(redeploy=value)
    region.redeploy(region.push("2"))
    assert region.changes() == region.leases() == []
    assert "not opted in" in log.reasons(ecs_service="app")


# The tag pushlive:desired-count


@pytest.mark.parametrize(
    "value",
    [
        "0", "-1", "+2", "2.0", "1e3", "2 ", " 2", "2\n", "two", "\u0662", "\uff12", "0x2", "*", "10000",
        "9" * 256, "1_0", "True",
    ],
)  # fmt: skip
def test_desired_count_that_is_no_number_of_tasks_starts_nothing_and_is_named(
    region: Region, value: str
) -> None:
    region.create_service(desired=0, count=value)
    region.create_service("good", ["good:latest"], desired=0, count="2")
    region.wait(60)
    region.push("1", "good")
    region.wait(10)
    push = region.push("1")
    text = told(lambda: region.redeploy(push))
    assert text.startswith("The tag pushlive:desired-count of service app is ")
    assert "from 1 to 9999" in text
    region.wait(10)
    told(region.redeploy)
    assert [call["service"] for call in region.calls("UpdateService")] == ["good"]


@pytest.mark.parametrize(("value", "count"), [("1", 1), ("007", 7), ("9999", 9999)])
def test_desired_count_that_is_a_number_of_tasks_is_asked_for(region: Region, value: str, count: int) -> None:
    region.create_service(desired=0, count=value)
    region.wait(60)
    region.redeploy(region.push("1"))
    assert region.calls("UpdateService")[0]["desiredCount"] == count


# The tag pushlive:hostname

NO_NAME = r"not a host name: give one such as app\.example\.com"
OUTSIDE = r"but the hosted zone is example\.com: give a name such as app\.example\.com"
HOST_NAMES = {
    "wildcard": ("*.example.com", NO_NAME),
    "wildcard-within": ("a*.example.com", NO_NAME),
    "wildcard-as-octal-escape": (r"\052.example.com", NO_NAME),
    "zone-itself": ("example.com", "the hosted zone itself: give a name in it"),
    "zone-itself-in-capitals-with-a-dot": ("EXAMPLE.com.", "the hosted zone itself: give a name in it"),
    "outside-the-zone": ("app.example.org", OUTSIDE),
    "zone-that-ends-with-our-letters": ("evilexample.com", OUTSIDE),
    "name-in-such-a-zone": ("app.evilexample.com", OUTSIDE),
    "our-zone-as-the-beginning": ("app.example.com.evil.org", OUTSIDE),
    "top-level-domain": ("com", NO_NAME),
    "root": (".", NO_NAME),
    "two-dots-last": ("app.example.com..", NO_NAME),
    "empty-label": ("app..example.com", NO_NAME),
    "dot-first": (".example.com", NO_NAME),
    "label-of-64": ("a" * 64 + ".example.com", NO_NAME),
    "name-of-256": (("a" * 60 + ".") * 4 + "example.com"[:12], NO_NAME),
    "underscore": ("my_app.example.com", NO_NAME),
    "anothers-ownership-txt": ("_pushlive.app.example.com", NO_NAME),
    "unicode": ("bücher.example.com", NO_NAME),
    "letter-that-only-looks-latin": ("аpp.example.com", NO_NAME),  # noqa: RUF001 - Cyrillic
    "full-width-dot": ("app．example．com", NO_NAME),  # noqa: RUF001 - that is the case
    "kelvin-sign": ("\u212a.example.com", NO_NAME),
    "space-first": (" app.example.com", NO_NAME),
    "space-last": ("app.example.com ", NO_NAME),
    "spaces": ("  ", NO_NAME),
    "line-end": ("app.example.com\n", NO_NAME),
    "nul": ("app.example.com\x00", NO_NAME),
    "two-names": ("app.example.com,www.example.com", NO_NAME),
    "url": ("https://app.example.com/", NO_NAME),
    "port": ("app.example.com:8080", NO_NAME),
    "address": ("192.0.2.1", OUTSIDE),
}


@pytest.mark.parametrize(("value", "message"), HOST_NAMES.values(), ids=HOST_NAMES)
def test_host_name_that_is_none_of_the_zone_is_refused_and_others_are_served(
    region: Region, value: str, message: str
) -> None:
    region.push("1")
    region.run_service(host_name=value)
    region.run_service("good", host_name="good.example.com")
    text = told(region.update_record)
    assert text.startswith("The tag pushlive:hostname is ")
    assert re.search(message, text)
    assert set(region.records()) == {("good.example.com", "A"), ("_pushlive.good.example.com", "TXT")}


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("app.example.com.", id="dot-last"),
        pytest.param("APP.Example.COM", id="upper-case"),
    ],
)
def test_host_name_that_is_only_spelled_otherwise_is_published(region: Region, value: str) -> None:
    region.push("1")
    region.run_service(host_name=value)
    region.update_record()
    assert region.addresses(HOST_NAME) == region.public_ips()


@pytest.mark.parametrize(
    "value", ["xn--bcher-kva.example.com", "a" * 63 + ".example.com", "1.2.3.4.example.com"]
)
def test_host_name_that_is_unusual_and_right_is_published(region: Region, value: str) -> None:
    region.push("1")
    region.run_service(host_name=value)
    region.update_record()
    assert region.addresses(value) == region.public_ips()


# Two services, one name: the first owner keeps it.

CALLS = [
    "ListResourceRecordSets",
    "DescribeServices",
    "ListTasks",
    "DescribeTasks",
    "ChangeResourceRecordSets",
]


def two(region: Region, name: str = HOST_NAME) -> None:
    """Two running services; `second` wants what `first` has, or will have."""
    region.push("1")
    for service, wanted in (("first", HOST_NAME), ("second", name)):
        region.create_service(service, host_name=wanted)
    region.wait(300)


def owner(region: Region) -> str:
    """Whose the name is; its addresses are that service's."""
    [text] = region.records()[f"_pushlive.{HOST_NAME}", "TXT"]
    service = text.removeprefix(OWNER)
    assert region.addresses(HOST_NAME) == region.public_ips(service)
    return service


def triggered(region: Region, service: str) -> None:
    region.update_record(region.task_event("RUNNING", service))


@pytest.mark.parametrize("name", [HOST_NAME, "APP.example.com", "app.example.com."])
def test_name_that_another_service_has_is_refused_with_a_message(region: Region, log: Log, name: str) -> None:
    two(region, name)
    triggered(region, "first")
    before = region.records()
    for _ in range(3):
        triggered(region, "second")
        region.update_record()
    assert region.records() == before
    assert owner(region) == "first"
    said = f"belongs to another owner, as the TXT record _pushlive.{HOST_NAME} says: {OWNER}first"
    assert said in log.reasons(message="refuse", ecs_service="second")


@pytest.mark.parametrize("operation", CALLS)
def test_of_two_services_that_want_a_name_at_the_same_moment_one_gets_it(
    region: Region, log: Log, operation: str
) -> None:
    two(region)
    region.before(operation, lambda: triggered(region, "second"))
    triggered(region, "first")
    assert owner(region) == "second"
    assert "belongs to another owner" in log.reasons(message="refuse", ecs_service="first")
    region.update_record()
    assert owner(region) == "second"


@pytest.mark.parametrize("how", ["scaled to 0", "deleted"])
def test_name_of_a_service_that_goes_is_free_for_the_second(region: Region, how: str) -> None:
    two(region)
    triggered(region, "first")
    if how == "deleted":
        region.ecs.delete_service(cluster="lab", service="first", force=True)
    else:
        region.scale(0, "first")
    region.wait(200)
    region.update_record(region.task_event("STOPPED", "first"))
    assert region.records() == {}
    region.update_record()
    assert owner(region) == "second"


def test_name_that_a_service_gave_up_by_its_tag_alone_is_not_taken_by_another(
    region: Region, log: Log
) -> None:
    """Nothing says any more that the record is nobody's: docs/decisions.md, Known limits."""
    two(region)
    triggered(region, "first")
    region.tag("first", hostname="new.example.com")
    region.update_record()
    assert region.addresses("new.example.com") == region.public_ips("first")
    assert owner(region) == "first"
    assert "belongs to another owner" in log.reasons(message="refuse", ecs_service="second")
