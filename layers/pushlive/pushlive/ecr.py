"""Amazon ECR: what a tag names now."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pushlive.redeploy_plan import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_ecr import ECRClient

INDEX_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

# What ECR takes (API reference, CreateRepository, repositoryName; ImageIdentifier, imageTag), and Docker.
NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
TAGGED = re.compile(
    rf"(?P<repository>(?=[^:]{{2,256}}(?::|$)){NAME}(?:/{NAME})*)(?::(?P<tag>[\w][\w.-]{{0,299}}))?", re.ASCII
)


def tagged(reference: str, registry: str) -> tuple[str, str] | None:
    """Return repository and tag of an image reference, or None if it is not a tag in `registry`.

    No tag means `latest`, as for Docker. A reference by digest never changes what it names, and one that is
    no name at all has no image.
    """
    prefix = f"{registry}/"
    found = TAGGED.fullmatch(reference.removeprefix(prefix)) if reference.startswith(prefix) else None
    return (found["repository"], found["tag"] or "latest") if found else None


def reference_of(repository: str, tag: str, registry: str, references: Sequence[str]) -> str:
    """Return that of `references` which names this tag, or else the reference spelled out."""
    for reference in references:
        if tagged(reference, registry) == (repository, tag):
            return reference
    return f"{registry}/{repository}:{tag}"


def image(client: ECRClient, reference: str, repository: str, tag: str) -> Image:
    """Return what the tag names now; without a digest if there is no such image or repository."""
    try:
        found = client.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])[
            "imageDetails"
        ][0]
    except (client.exceptions.ImageNotFoundException, client.exceptions.RepositoryNotFoundException):
        return Image(reference, None)
    digest = found["imageDigest"]
    members: frozenset[str] = frozenset()
    if found.get("imageManifestMediaType") in INDEX_MEDIA_TYPES:
        members = _members(client, repository, digest)
    return Image(reference, digest, found["imagePushedAt"], members)


def _members(client: ECRClient, repository: str, digest: str) -> frozenset[str]:
    answer = client.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=list(INDEX_MEDIA_TYPES),
    )
    return frozenset(digest for found in answer["images"] for digest in _digests(found["imageManifest"]))


def _digests(index: str) -> Iterator[str]:
    """Yield the digests in an index, of what somebody pushed as one."""
    try:
        manifests = json.loads(index)["manifests"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return
    for manifest in manifests if isinstance(manifests, list) else ():
        digest = manifest.get("digest") if isinstance(manifest, dict) else None
        if isinstance(digest, str):
            yield digest
