"""ECR, and the addresses that EC2 gives: what the model of ECS sees of the world, in virtual time.

ECR guide "image-push"; API reference, DescribeImages. Assumed: imagePushedAt stays that of the first push of
a digest, and has whole seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.ecs.model.world import Interface
from trials.simulation.images import SIDECAR_DIGEST, SIDECAR_IMAGE
from trials.simulation.places import REGISTRY, Json, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
REUSED = 0.3
"""How often a new task gets an address that was just released: it may have been another service's."""


@dataclass
class Image:
    """A manifest in a repository; an index has children."""

    digest: str
    pushed_at: int
    children: tuple[str, ...] = ()


@dataclass
class Registry:
    """Repositories and network interfaces; the `World` of the model of ECS."""

    random: Random
    reports_child: bool = False
    images: dict[tuple[str, str], Image] = field(default_factory=dict)
    """By repository and digest."""
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    """By repository and tag."""
    pushes: dict[tuple[str, str], int] = field(default_factory=dict)
    """How often somebody pushed this repository's tag."""
    pushed_at: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """When somebody did so."""
    repositories: set[str] = field(default_factory=set)
    interfaces: dict[str, Interface] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    allocated: int = 0

    def push(self, repository: str, tag: str, digest: str, children: tuple[str, ...], now: float) -> bool:
        """The tag names the digest now; False if it did before."""
        self.repositories.add(repository)
        for each in (*children, digest):
            kept = children if each == digest else ()
            self.images.setdefault((repository, each), Image(each, int(now), kept))
        changed = self.tags.get((repository, tag)) != digest
        self.tags[repository, tag] = digest
        self.pushed_at.setdefault((repository, tag), []).append(now)
        self.pushes[repository, tag] = self.pushes.get((repository, tag), 0) + 1
        return changed

    def reported(self, repository: str, digest: str) -> str:
        """The digest that ECS reports for an image."""
        image = self.images[repository, digest]
        return image.children[0] if image.children and self.reports_child else digest

    def describe(self, repository: str, tag: str) -> Json | None:
        """The image that a tag names, as DescribeImages has it."""
        digest = self.tags.get((repository, tag))
        if digest is None:
            return None
        image = self.images[repository, digest]
        return {
            "repositoryName": repository,
            "imageDigest": digest,
            "imageTags": [
                each for (name, each), named in self.tags.items() if (name, named) == (repository, digest)
            ],
            "imagePushedAt": moment(image.pushed_at),
            "imageManifestMediaType": INDEX if image.children else MANIFEST,
        }

    def manifest(self, repository: str, digest: str) -> Json | None:
        """An image as BatchGetImage has it."""
        image = self.images.get((repository, digest))
        if image is None:
            return None
        media = INDEX if image.children else MANIFEST
        text: Json = {"schemaVersion": 2, "mediaType": media}
        if image.children:
            text["manifests"] = [
                {"mediaType": MANIFEST, "size": 1, "digest": each} for each in image.children
            ]
        return {
            "repositoryName": repository,
            "imageId": {"imageDigest": digest},
            "imageManifest": json.dumps(text),
            "imageManifestMediaType": media,
        }

    # World

    def resolve_image(self, image: str) -> str | None:
        """See World."""
        if image in {SIDECAR_IMAGE, f"{SIDECAR_IMAGE.partition(':')[0]}@{SIDECAR_DIGEST}"}:
            return SIDECAR_DIGEST
        path = image.removeprefix(f"{REGISTRY}/")
        name, _, digest = path.partition("@")
        repository, _, tag = name.partition(":")
        if digest:
            return digest if (repository, digest) in self.images else None
        named = self.tags.get((repository, tag or "latest"))
        return named and self.reported(repository, named)

    def allocate_interface(
        self,
        subnet_ids: Sequence[str],
        group_ids: Sequence[str],
        public: bool,  # noqa: FBT001 - see World
    ) -> Interface:
        """See World."""
        self.allocated += 1
        number = self.allocated
        address = None
        if public:
            address = f"198.51.{number // 250}.{number % 250 + 1}"
            if self.released and self.random.random() < REUSED:
                address = self.released.pop()
        interface = Interface(
            eni_id=f"eni-{number:017x}",
            private_ip=f"10.0.{number // 250}.{number % 250 + 4}",
            public_ip=address,
            subnet_id=subnet_ids[number % len(subnet_ids)],
            mac=f"0a:00:00:00:{number >> 8 & 255:02x}:{number & 255:02x}",
            attachment_id=f"attachment-{number}",
            group_ids=tuple(group_ids),
        )
        self.interfaces[interface.eni_id] = interface
        return interface

    def release_interface(self, eni_id: str) -> None:
        """See World."""
        interface = self.interfaces.pop(eni_id, None)
        if interface is not None and interface.public_ip:
            self.released.append(interface.public_ip)
