"""What a task definition writes as a container's image: which registry, repository and tag it means. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# The host names of one registry: plain and dual-stack, each also with FIPS (ECR guide, "Private registry
# authentication", "Getting started with making requests over IPv6"; the partitions' names as in
# awslabs/amazon-ecr-credential-helper, ecr-login/api/client.go).
REGISTRY = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\."
    r"(?:amazonaws\.(?:com(?:\.cn)?|eu)|on\.(?:aws|amazonwebservices\.(?:com\.cn|eu))"
    r"|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)",
    re.ASCII,
)
# What ECR takes (API reference, CreateRepository, repositoryName; ImageIdentifier, imageTag), and Docker.
NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
TAGGED = re.compile(
    rf"(?P<repository>(?=[^:]{{2,256}}(?::|$)){NAME}(?:/{NAME})*)(?::(?P<tag>[\w][\w.-]{{0,299}}))?", re.ASCII
)


def is_in(reference: str, registry: str) -> bool:
    """Return whether an image reference lies in `registry`, by whichever of the registry's host names."""
    host, slash, _ = reference.partition("/")
    return bool(slash) and _place(host) == _place(registry)


def tagged(reference: str, registry: str) -> tuple[str, str] | None:
    """Return repository and tag of an image reference, or None if it is not a tag in `registry`.

    No tag means `latest`, as for Docker. A reference by digest never changes what it names, and one that is
    no name at all has no image.
    """
    found = TAGGED.fullmatch(reference.partition("/")[2]) if is_in(reference, registry) else None
    return (found["repository"], found["tag"] or "latest") if found else None


def naming(repository: str, tag: str, registry: str, references: Iterable[str]) -> str:
    """Return that of `references` which names this tag, or else the reference spelled out."""
    for reference in references:
        if tagged(reference, registry) == (repository, tag):
            return reference
    return f"{registry}/{repository}:{tag}"


def without_digest(image: str) -> str:
    """Return the tag of an image that ECS shows as `REPOSITORY:TAG@DIGEST`; any other image as it is.

    DescribeTasks adds the digest once a deployment has resolved it (amazon-ecs-agent issue 4226).
    """
    name, _, _digest = image.partition("@")
    return name if ":" in name.rpartition("/")[2] else image


def _place(host: str) -> tuple[str, str] | str:
    """Return account and region of a registry of ECR's, the host name of any other."""
    found = REGISTRY.fullmatch(host)
    return (found["account"], found["region"]) if found else host
