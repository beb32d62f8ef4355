"""The functions do their work under the transformed template's policies, and each part of these is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.permissions.enforcement import LambdaDeniedError
from tests.permissions.policies import parts, policies
from tests.permissions.stories import (
    NEEDED_IN,
    OTHER_NAME,
    RENAMING,
    STORIES,
    STORIES_OF_PATTERNS,
    story_of,
    tell,
)

if TYPE_CHECKING:
    from tests.permissions.enforcement import EnforcedRegion
    from tests.permissions.policies import Part
    from tests.permissions.stories import Story

FUNCTION_ROLES = {"RedeployServiceRole", "UpdateRecordRole"}
PARTS = [part for part in parts() if part.role in FUNCTION_ROLES]
ACTIONS = [part for part in PARTS if part.path == ("Action",)]
DENIED = (ClientError, ExceptionGroup, LambdaDeniedError, AssertionError)


def named(story: Story) -> str:
    return story.__name__.removeprefix("test_")


@pytest.mark.parametrize("story", STORIES, ids=named)
def test_story_ends_well_under_the_policies(
    region: EnforcedRegion, story: Story, request: pytest.FixtureRequest
) -> None:
    region.wire.enforce(policies(region.zone_id))
    tell(story, request)
    assert region.wire.denied == []
    assert region.wire.decided


@pytest.mark.parametrize("story", STORIES_OF_PATTERNS, ids=named)
def test_story_of_several_names_ends_well_under_patterns(
    region: EnforcedRegion, story: Story, request: pytest.FixtureRequest
) -> None:
    region.wire.enforce(policies(region.zone_id, "by-patterns"))
    tell(story, request)
    assert region.wire.denied == []
    assert region.wire.decided


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_policy_cannot_do_without(region: EnforcedRegion, part: Part, request: pytest.FixtureRequest) -> None:
    """Some story fails when the part is taken away, and it fails by that denial."""
    region.wire.enforce(part.taken_from(policies(region.zone_id)))
    actions = [part.value] if part.path == ("Action",) else part.actions

    def tell_all() -> None:
        for story in dict.fromkeys(story_of(part.role, action) for action in actions):
            tell(story, request)

    with pytest.raises(DENIED):
        tell_all()
    assert region.wire.denied
    assert {denied.action for denied in region.wire.denied} <= set(actions)


def test_each_story_that_needs_something_is_told_under_the_whole_policies() -> None:
    granted = {(part.role, part.value) for part in ACTIONS}
    assert NEEDED_IN.keys() <= granted
    assert {story_of(*key) for key in granted} <= set(STORIES)


# Another HostName: CloudFormation makes the new RecordPolicy, and removes the old one after the old record.


def test_record_of_the_old_name_goes_while_the_role_has_both_policies(
    region: EnforcedRegion, request: pytest.FixtureRequest
) -> None:
    both = policies(region.zone_id)
    both["UpdateRecordRole"]["new"] = policies(region.zone_id, HostNames=OTHER_NAME)["UpdateRecordRole"][
        "RecordPolicy"
    ]
    region.wire.enforce(both)
    tell(RENAMING, request)
    assert region.wire.denied == []


@pytest.mark.parametrize("host_name", ["app.example.com", OTHER_NAME], ids=["old", "new"])
def test_one_names_policy_alone_cannot_change_names(
    region: EnforcedRegion, request: pytest.FixtureRequest, host_name: str
) -> None:
    """So the policy must be replaced, not changed in place: its Description holds the name."""
    region.wire.enforce(policies(region.zone_id, HostNames=host_name))
    with pytest.raises(DENIED):
        tell(RENAMING, request)
    assert {denied.action for denied in region.wire.denied} == {"route53:ChangeResourceRecordSets"}
