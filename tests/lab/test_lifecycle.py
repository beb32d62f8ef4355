"""What runs, and what a deployment would go back to, is never expired by the template's lifecycle policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.template import SERVICE, written_template
from tests.support.lifecycle import Image, expired

if TYPE_CHECKING:
    from collections.abc import Sequence

    Json = dict[str, Any]

NOW = datetime(2026, 11, 20, tzinfo=UTC)
POLICY: Json = json.loads(
    written_template(SERVICE)["Resources"]["Repository"]["Properties"]["LifecyclePolicy"][
        "LifecyclePolicyText"
    ]
)
KEPT = 1000
"""As docs/steering.md says: so many younger images without a tag there must be until one goes."""
FEW = 20
IN_SMALL: Json = json.loads(json.dumps(POLICY).replace(str(KEPT), str(FEW)))
"""The same rules with a smaller number, so that each scenario comes to it."""


def policy(*rules: Json) -> Json:
    return {
        "rules": [
            {"rulePriority": number, "selection": rule, "action": {"type": "expire"}}
            for number, rule in enumerate(rules, 1)
        ]
    }


def newest(number: int, status: str = "any", **selection: Any) -> Json:
    return {"tagStatus": status, "countType": "imageCountMoreThan", "countNumber": number, **selection}


def older_than(days: int, status: str = "any", **selection: Any) -> Json:
    since = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    return {"tagStatus": status, **since, **selection}


BEFORE = policy(newest(30))
"""What the template had: it counts all manifests alike."""


# The model, by ECR's own examples and rules


def image(digest: str, days: float, *tags: str, members: str = "") -> Image:
    return Image(digest, NOW - timedelta(days=days), set(tags), tuple(members.split()))


BETA_AND_PROD = [
    image("A", 10, "beta-1", "prod-1"),
    image("B", 9, "beta-2", "prod-2"),
    image("C", 8, "beta-3"),
]
ALPHA_OR_BETA = [
    *(image("A", 12, "alpha-1"), image("B", 11, "beta-1"), image("C", 10, "alpha-2", "beta-2")),
    *(image("D", 4, "alpha-3"), image("E", 3, "beta-3"), image("F", 2, "alpha-4", "beta-4")),
]
BETA, PROD = {"tagPrefixList": ["beta"]}, {"tagPrefixList": ["prod"]}
ALPHA_AND_BETA = {"tagPrefixList": ["alpha", "beta"]}


@pytest.mark.parametrize(
    ("rules", "images", "gone"),
    [
        # ECR guide, "Examples of lifecycle policies in Amazon ECR"
        pytest.param(
            [newest(1, "tagged", **PROD), newest(1, "tagged", **BETA)], BETA_AND_PROD, "A",
            id="example-a-of-multiple-rules",
        ),
        pytest.param(
            [newest(1, "tagged", **BETA), newest(1, "tagged", **PROD)], BETA_AND_PROD, "A B",
            id="example-b-of-multiple-rules",
        ),
        pytest.param(
            [older_than(5, "tagged", **ALPHA_AND_BETA)], ALPHA_OR_BETA, "C",
            id="example-a-of-multiple-tags",
        ),
        pytest.param(
            [newest(1, "tagged", **ALPHA_AND_BETA)],
            [
                image("A", 10, "alpha-1", "beta-1", "gamma-1"), image("B", 9, "alpha-2", "beta-2"),
                image("C", 8, "alpha-3", "beta-3", "gamma-2"),
            ],
            "A B",
            id="example-b-of-multiple-tags",
        ),
        # The same guide, "Lifecycle policy evaluation rules"
        pytest.param(
            [newest(1, "tagged", tagPatternList=["latest"]), newest(1)],
            [image("A", 10, "latest"), image("B", 9), image("C", 8)], "B",
            id="what-a-higher-rule-matches-a-lower-one-counts-and-does-not-touch",
        ),
        pytest.param(
            [newest(1)],
            [image("a1", 11), image("a2", 11), image("A", 10, members="a1 a2"), image("B", 9)], "A",
            id="an-index-goes-and-its-members-after-it",
        ),
        pytest.param(
            [newest(2)], [image("a1", 11), image("A", 10, members="a1"), image("B", 9)], "",
            id="members-do-not-count",
        ),
        pytest.param(
            [newest(1, "untagged")], [image("A", 10, "v1"), image("B", 9), image("C", 8)], "B",
            id="what-has-a-tag-is-not-untagged",
        ),
    ],
)  # fmt: skip
def test_what_ecr_expires(rules: list[Json], images: list[Image], gone: str) -> None:
    assert expired(policy(*rules), images, NOW) == set(gone.split())


# What runs


@dataclass
class Repository:
    """A repository and the one service that runs its tag `latest`."""

    policy: Json
    kept: int = KEPT
    members_count: bool = False
    gone: int = 0
    images: dict[str, Image] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    runs: str = ""
    """The digest that the tasks run: a rollback, too, goes back to it."""
    before: str = ""
    """What ran before it: until the deployment is over, the rollback goes back to this one."""
    paused: bool = False
    pushes: int = 0

    def do(self, step: Step) -> None:
        """Take a step, as often as it says; then a day passes."""
        for _ in range(step.times):
            self._do(step)
        self.paused = step.what == "pause" or (self.paused and step.what != "resume")
        self._deploy()
        for _ in range(3):  # an index, then its members
            for digest in expired(self.policy, self.images.values(), NOW, members_count=self.members_count):
                self._forget(digest)

    def _do(self, step: Step) -> None:
        match step.what:
            case "push" | "broken push":
                self._push("latest", is_broken=step.what == "broken push", index=step.index)
            case "push of another tag":
                self._push("main", index=step.index)
            case "push of a tag of its own":
                self._push(f"v{self.pushes}", index=step.index)
            case "go back":
                known = sorted(self.images.values(), key=lambda each: each.pushed_at)
                mine = [each.digest for each in known if each.digest.startswith("latest")]
                if mine:
                    self._name("latest", mine[step.number % len(mine)])

    def _push(self, tag: str, *, is_broken: bool = False, index: bool = False) -> None:
        self.pushes += 1
        digest, pushed_at = f"{tag}-{self.pushes}", NOW + timedelta(seconds=self.pushes)
        members = (
            tuple(f"member-{self.pushes}-{each}" for each in ("amd64", "arm64", "attestation"))
            if index
            else ()
        )
        for each in members:
            self.images[each] = Image(each, pushed_at - timedelta(milliseconds=1))
        self.images[digest] = Image(digest, pushed_at, members=members)
        if is_broken:
            self.broken.add(digest)
        self._name(tag, digest)

    def _name(self, tag: str, digest: str) -> None:
        """The tag moves: a retag changes no time."""
        if (old := self.images.get(self.tags.get(tag, ""))) is not None:
            old.tags.discard(tag)
        self.images[digest].tags.add(tag)
        self.tags[tag] = digest
        if not self.paused:
            self._deploy()

    def _deploy(self) -> None:
        named = self.tags.get("latest", "")
        if named and not self.paused and named not in self.broken | {self.runs}:
            self.before, self.runs = self.runs, named

    def _forget(self, digest: str) -> None:
        self.check(digest)
        self.gone += 1
        for tag in self.images.pop(digest).tags:
            del self.tags[tag]

    def check(self, digest: str) -> None:
        """Fail if this one may not go: tag, tasks or a rollback need it, and it is not out of all limits."""
        gone = self.images[digest]
        assert not gone.tags, f"{digest} goes, which {gone.tags} name"
        younger = sum(not each.tags and each.pushed_at > gone.pushed_at for each in self.images.values())
        needed = {self.runs: "runs", self.before: "is what a rollback goes back to"}
        for holder, why in needed.items():
            if holder in self.images and digest in (holder, *self.images[holder].members):
                assert younger >= self.kept, f"{digest} goes, which {why}, after {younger} younger ones"


@dataclass(frozen=True)
class Step:
    what: str
    times: int = 1
    index: bool = False
    number: int = 0


STEPS = st.builds(
    Step,
    what=st.sampled_from(
        [
            *("push", "broken push", "broken push", "go back", "go back", "pause", "resume"),
            *("push of another tag", "push of a tag of its own"),
        ]
    ),
    times=st.sampled_from([1, 1, 2, FEW // 2, FEW + 1]),
    index=st.booleans(),
    number=st.integers(0, 2000),
)


def play(rules: Json, steps: Sequence[Step], *, kept: int = KEPT, members_count: bool = False) -> Repository:
    repository = Repository(rules, kept, members_count)
    repository.do(Step("push"))
    for step in steps:
        repository.do(step)
    return repository


def test_nothing_that_is_needed_goes() -> None:
    gone = 0

    @settings(max_examples=300, deadline=None)
    @given(st.lists(STEPS, min_size=4, max_size=12))
    def run(steps: list[Step]) -> None:
        nonlocal gone
        gone += play(IN_SMALL, steps, kept=FEW).gone > 0

    run()
    assert gone > 75, "often something else goes"


HARM = {
    "other-tags": [Step("push of another tag", 31)],
    "tags-of-their-own": [Step("push of a tag of its own", 31)],
    "broken-pushes": [Step("broken push", 31)],
    "pushes-for-two-platforms-that-are-broken": [Step("broken push", 31, index=True)],
    "a-pause": [Step("pause"), Step("push", 31)],
    "back-to-an-old-one-and-then-a-broken-push": [
        Step("push", 29), Step("go back", number=0), Step("broken push", 3),
    ],
    "back-to-an-old-one": [Step("push", 29), Step("go back", number=0), Step("push of another tag")],
}  # fmt: skip


@pytest.mark.parametrize("steps", HARM.values(), ids=HARM)
def test_what_the_former_policy_expired_stays(steps: list[Step]) -> None:
    with pytest.raises(AssertionError, match="goes, which"):
        play(BEFORE, steps)
    assert play(POLICY, steps).gone == 0


@pytest.mark.parametrize("members_count", [False, True])
@pytest.mark.parametrize("index", [False, True])
def test_how_many_broken_pushes_in_a_row_a_running_image_outlives(
    *, index: bool, members_count: bool
) -> None:
    """The last one has the tag. A push for two platforms is four manifests, if these should count."""
    manifests = 4 if index and members_count else 1
    outlived = KEPT // manifests
    kept = play(POLICY, [Step("broken push", outlived, index)], members_count=members_count)
    assert kept.runs in kept.images
    repository = Repository(POLICY, members_count=members_count)
    repository.do(Step("push"))
    repository.do(Step("broken push", outlived + 1, index))
    assert repository.runs not in repository.images, "the limit is what docs/steering.md says"


def test_a_repository_does_not_grow_for_ever() -> None:
    repository = play(POLICY, [Step("push", 300, index=True)] * 5)
    assert len(repository.images) == (KEPT + 1) * 4
