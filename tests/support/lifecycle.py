"""Which images ECR expires by a repository's lifecycle policy. Pure.

ECR guide, "Automate the cleanup of images by using lifecycle policies in Amazon ECR",
under "Lifecycle policy evaluation rules".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    Json = dict[str, Any]


@dataclass
class Image:
    """A manifest in a repository."""

    digest: str
    pushed_at: datetime
    """Of its first push: another tag changes nothing of it (containers-roadmap 2746)."""
    tags: set[str] = field(default_factory=set)
    members: tuple[str, ...] = ()
    """The digests that an index lists."""


def expired(policy: Json, images: Iterable[Image], now: datetime, *, members_count: bool = False) -> set[str]:
    """Return the digests that the policy expires now.

    "If an image is referenced by a manifest list, it cannot be expired … without the manifest list being
    deleted": so a member goes after its index, in another look. `members_count` says whether it counts
    meanwhile: somebody saw that it does not (pulumi-defang pull request 466), the guide does not say.
    """
    present = list(images)
    members = {digest for image in present for digest in image.members}
    gone: set[str] = set()
    leased: set[str] = set()
    for rule in sorted(policy["rules"], key=lambda each: int(each["rulePriority"])):
        selected = [
            image
            for image in present
            if _selects(rule["selection"], image) and (members_count or image.digest not in members)
        ]
        # "An image that matches the tagging requirements of a rule cannot be expired … by a rule with a lower
        # priority", but such a rule can "still identify" it: it counts.
        gone |= {each.digest for each in _too_many(rule, selected, now)} - leased - members
        leased |= {image.digest for image in selected}
    return gone


def _selects(selection: Json, image: Image) -> bool:
    if selection["tagStatus"] == "untagged":
        return not image.tags
    if selection["tagStatus"] == "any":
        return True
    patterns = selection.get("tagPatternList") or [f"{each}*" for each in selection["tagPrefixList"]]
    return all(any(fnmatchcase(tag, pattern) for tag in image.tags) for pattern in patterns)


def _too_many(rule: Json, selected: list[Image], now: datetime) -> list[Image]:
    if rule["action"]["type"] != "expire":
        raise ValueError(f"not modelled: {rule['action']}")
    selection, number = rule["selection"], int(rule["selection"]["countNumber"])
    youngest_first = sorted(selected, key=lambda image: image.pushed_at, reverse=True)
    if selection["countType"] == "imageCountMoreThan":
        return youngest_first[number:]
    if (selection["countType"], selection["countUnit"]) == ("sinceImagePushed", "days"):
        return [image for image in youngest_first if image.pushed_at < now - timedelta(days=number)]
    raise ValueError(f"not modelled: {selection}")
