"""Name servers know a change of a record only a while after Route 53 took it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from lab.lab import Lab
from lab.route53.name_server import RecordSet
from lab.route53.propagation import Propagation
from lab.user.resolver import Resolver
from lab.waiting import until

if TYPE_CHECKING:
    import pytest

NAME = ("app.example.com", "A")


class Route53:
    def __init__(self, address: str) -> None:
        self.now = 1000.0
        self.hold(address)

    def hold(self, address: str) -> None:
        self.records = {NAME: RecordSet((address,), 10)}

    def clock(self) -> float:
        return self.now

    def read(self) -> dict[tuple[str, str], RecordSet]:
        return self.records


def answered(propagation: Propagation) -> str:
    return propagation()[NAME].values[0]


def test_what_was_there_at_the_first_look_is_known_at_once() -> None:
    route53 = Route53("127.64.0.1")
    propagation = Propagation(route53.read, 60, route53.clock)
    assert propagation() == {}
    propagation.look()
    assert answered(propagation) == "127.64.0.1"


def test_a_change_is_known_after_the_delay_and_not_before() -> None:
    route53 = Route53("127.64.0.1")
    propagation = Propagation(route53.read, 60, route53.clock)
    propagation.look()
    route53.now += 100
    route53.hold("127.64.0.2")
    propagation.look()
    route53.now += 59.9
    assert answered(propagation) == "127.64.0.1"
    route53.now += 0.1
    assert answered(propagation) == "127.64.0.2"


def test_changes_become_known_in_their_order_each_after_its_own_delay() -> None:
    route53 = Route53("127.64.0.0")
    propagation = Propagation(route53.read, 60, route53.clock)
    propagation.look()
    for number in (1, 2, 3):
        route53.now += 10
        route53.hold(f"127.64.0.{number}")
        propagation.look()
    seen = []
    for _ in range(9):
        seen.append(answered(propagation)[-1])
        route53.now += 10
    assert seen == ["0", "0", "0", "0", "1", "2", "3", "3", "3"]


def test_a_look_that_sees_nothing_new_is_not_a_change() -> None:
    route53 = Route53("127.64.0.1")
    propagation = Propagation(route53.read, 60, route53.clock)
    for _ in range(3):
        propagation.look()
        route53.now += 50
    assert [at for at, _ in propagation.history] == [1000.0]


def test_follow_looks_when_it_is_told_of_a_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.route53.propagation.LOOK_SECONDS", 3600)  # nothing else makes it look
    route53 = Route53("127.64.0.1")
    propagation = Propagation(route53.read, 0, route53.clock)
    thread = threading.Thread(target=propagation.follow)
    thread.start()
    try:
        until(lambda: propagation.history, "the first look")
        route53.hold("127.64.0.2")
        propagation.changed()
        until(lambda: answered(propagation) == "127.64.0.2", "a look after the change", seconds=20)
    finally:
        propagation.close()
        thread.join(20)
    assert not thread.is_alive()


def test_a_resolver_in_the_lab_sees_a_change_after_the_delay() -> None:
    with Lab(propagation_seconds=1) as lab:
        route53 = lab.client("route53")
        zone = route53.create_hosted_zone(Name="example.com", CallerReference="test")["HostedZone"]["Id"]

        def known() -> list[str]:
            return Resolver(lab.dns).resolve(NAME[0])

        seen_at = []
        for address in ("127.64.0.1", "127.64.0.2"):
            record = {"Name": NAME[0], "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": address}]}
            changes = [{"Action": "UPSERT", "ResourceRecordSet": record}]
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
            until(lambda wanted=address: known() == [wanted], f"{address} to be known")  # type: ignore[misc]
            seen_at.append(time.time())
        held = [(at, records[NAME].values) for at, records in lab.names.history if NAME in records]
        assert [values for _, values in held] == [("127.64.0.1",), ("127.64.0.2",)]
        assert all(seen - at >= 1 for seen, (at, _) in zip(seen_at, held, strict=True))
