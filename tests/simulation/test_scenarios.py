"""A fixed share of the scenarios, and every deliberate defect caught. `make simulate` plays more of them."""

from __future__ import annotations

import pytest

from pushlive import prefilter
from trials.simulation.__main__ import catch
from trials.simulation.explore import explore
from trials.simulation.mutants import MUTANTS, Mutant
from trials.simulation.scenario import play
from trials.simulation.shrink import shortest

SEEDS = range(1001, 1004)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hundred_scenarios_break_no_check(seed: int) -> None:
    explored = explore(seed)
    told = [(failure.check, failure.text, script) for script, failure in explored.found]
    assert told == []
    assert explored.figures["scenarios"] >= 100
    assert explored.figures["quiet"] > 50, "most of them end with ten quiet minutes"


def test_a_hundred_scenarios_break_no_check_where_each_cluster_is_prefiltered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prefilter, "SMALL", -1)
    test_a_hundred_scenarios_break_no_check(1010)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_deliberate_defect_is_caught(mutant: Mutant) -> None:
    caught, scenarios = catch(mutant)
    assert caught, f"none of {scenarios} scenarios broke a check"


def test_a_seed_is_the_same_story_each_time() -> None:
    with MUTANTS[0].at_work():
        [(script, failure)] = explore(1).found
        assert play(script).failures[0] == failure
        story = play(script).cloud.clock.story()
        assert list(story) == list(play(script).cloud.clock.story())


def test_the_shortest_story_breaks_the_same_check_in_fewer_steps() -> None:
    with MUTANTS[0].at_work():
        [(script, failure)] = explore(1).found
        shorter = shortest(script, failure.check)
        assert failure.check in {each.check for each in play(shorter).failures}
        assert len(shorter.steps) <= len(script.steps)
