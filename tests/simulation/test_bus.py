"""The simulation's own matching of patterns agrees with moto's, which the template's tests use."""

from __future__ import annotations

import json
from typing import Any

import pytest
from moto.events.models import EventPattern

from lab.template import ROOT
from trials.simulation.bus import matches, rules_of_template
from trials.simulation.places import ACCOUNT, CLUSTER, REGION, REPOSITORY

EVENTS = sorted(path.stem for path in (ROOT / "events").glob("*.json"))


def here(text: str) -> Any:
    """An event of events/, as if it came from the simulation's place."""
    for old, new in (("123456789012", ACCOUNT), ("us-east-1", REGION), ("/pushlive", f"/{CLUSTER}")):
        text = text.replace(old, new)
    return json.loads(text.replace('"hello"', f'"{REPOSITORY}"'))


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_matches_the_same_rules_as_in_moto(name: str) -> None:
    event = here((ROOT / "events" / f"{name}.json").read_text(encoding="utf-8"))
    patterns = [pattern for _, pattern in rules_of_template().patterns]
    expected = [bool(EventPattern.load(json.dumps(pattern)).matches_event(event)) for pattern in patterns]
    assert [matches(pattern, event) for pattern in patterns] == expected


def test_the_events_match_something() -> None:
    event = here((ROOT / "events" / "push_tagged.json").read_text(encoding="utf-8"))
    assert any(matches(pattern, event) for _, pattern in rules_of_template().patterns)


def test_both_functions_have_a_schedule() -> None:
    assert sorted(rules_of_template().schedules) == [("RedeployService", 300), ("UpdateRecord", 300)]
