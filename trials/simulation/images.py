"""The images that are pushed: a label says the kind and the number; the kind decides how it behaves."""

from __future__ import annotations

import re
from hashlib import sha256

from lab.ecs.virtual.fake_runtime import Behaviour

GOOD = {
    "good": Behaviour(),
    "drains": Behaviour(on_sigterm_seconds=72),
    "stubborn": Behaviour(on_sigterm_seconds=None),
    "rude": Behaviour(serves_after_sigterm=False, on_sigterm_seconds=0),
    "slow": Behaviour(pull_seconds=80, start_seconds=8, listens_after_seconds=33, healthy_after_seconds=33),
    "lazy": Behaviour(listens_after_seconds=100, healthy_after_seconds=100),
}
BROKEN = {
    "crashes": Behaviour(exits_after_seconds=4, exit_code=1),
    "no-start": Behaviour(start_seconds=None),
    "no-pull": Behaviour(pull_seconds=None),
    "unhealthy": Behaviour(listens_after_seconds=None, healthy_after_seconds=None),
    "dies-later": Behaviour(exits_after_seconds=75, exit_code=1),
}
KINDS = {**GOOD, **BROKEN}
SIDECAR_IMAGE = "public.ecr.aws/docker/library/busybox:1.37"
LABELS: dict[str, str] = {}
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(label: str) -> str:
    """The digest of an image; the story gives the label instead."""
    digest = f"sha256:{sha256(label.encode()).hexdigest()}"
    LABELS[digest] = label
    return digest


SIDECAR_DIGEST = digest_of("busybox")


def in_words(text: str) -> str:
    """`text` with labels for digests."""
    return DIGEST.sub(lambda found: LABELS.get(found[0], found[0]), text)


def children_of(label: str) -> tuple[str, ...]:
    """The members of an index: two platforms and an attestation."""
    return tuple(digest_of(f"{label}/{each}") for each in ("amd64", "arm64", "attestation"))
