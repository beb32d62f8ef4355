"""A registry and a network for virtual time. Pure and deterministic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ecs.model.world import Interface

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeWorld:
    """A registry of tags and digests, and interfaces with addresses that are never used twice."""

    def __init__(self) -> None:
        self.images: dict[str, str] = {}  # REPO:TAG → digest
        self.digests: set[str] = set()  # REPO@digest, still there
        self.interfaces: dict[str, Interface] = {}
        self.allocated = 0

    def push(self, image: str, digest: str) -> None:
        """The tag names the digest now."""
        self.images[image] = digest
        self.digests.add(f"{image.rpartition(':')[0]}@{digest}")

    def delete(self, repository: str, digest: str) -> None:
        """The digest is gone from the registry, with every tag that names it."""
        self.digests.discard(f"{repository}@{digest}")
        self.images = {image: each for image, each in self.images.items() if each != digest}

    def resolve_image(self, image: str) -> str | None:
        """See World."""
        if "@" in image:
            return image.partition("@")[2] if image in self.digests else None
        return self.images.get(image if ":" in image.rpartition("/")[2] else f"{image}:latest")

    def allocate_interface(
        self,
        subnet_ids: Sequence[str],
        group_ids: Sequence[str],
        public: bool,  # noqa: FBT001 - see World
    ) -> Interface:
        """See World."""
        self.allocated += 1
        number = self.allocated
        interface = Interface(
            eni_id=f"eni-{number:017x}",
            private_ip=f"10.0.{number // 250 % 250}.{number % 250 + 4}",
            public_ip=f"198.51.{number // 250 % 250}.{number % 250 + 1}" if public else None,
            subnet_id=subnet_ids[number % len(subnet_ids)] if subnet_ids else "subnet-0",
            mac=f"0a:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
            attachment_id=f"attachment-{number}",
            group_ids=tuple(group_ids),
        )
        self.interfaces[interface.eni_id] = interface
        return interface

    def release_interface(self, eni_id: str) -> None:
        """See World."""
        del self.interfaces[eni_id]
