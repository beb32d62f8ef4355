"""The first `sam deploy` to an empty repository, where EventBridge does not do its best."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab.ecs.model.timings import Timings
from lab.lab import Lab
from lab.user.deployed_stack import DeployedStack
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SPEED = 8.0
# Three starts fail before the schedule's first run: only their own events can tell in time.
TIMINGS = replace(Timings(), pull_failure_seconds=40, throttle_first_seconds=100)


def rule_matches_a_minute_late(lab: Lab) -> None:
    began: list[float] = []

    def lost(event: Mapping[str, Any]) -> bool:
        if event["source"] == "aws.ecs":
            began.append(time.monotonic())
        return bool(began) and time.monotonic() < began[0] + 60 / SPEED

    lab.delivery.lose(lost, once=False)


def test_the_stack_is_made_and_its_service_waits_for_the_first_push_though_rules_match_late(
    built: Path,
) -> None:
    with Lab(speed=SPEED, timings=TIMINGS) as lab:
        rule_matches_a_minute_late(lab)
        stack = DeployedStack(lab, built)
        stack.deploy()
        assert stack.service()["desiredCount"] == 0
        [first] = stack.deployments()
        assert first["status"] == "SUCCESSFUL"
        held = {
            line["event_id"] for line in stack.log_of("RedeployService") if line["message"] == "scale to zero"
        }
        woke = {p.event["id"]: p.event["detail"] for p in lab.delivery.history if p.event["id"] in held}
        assert [detail.get("stopCode") for detail in woke.values()] == ["TaskFailedToStart"]
        stack.push("1")
        until(lambda: stack.says("1"), "the first version's page")
