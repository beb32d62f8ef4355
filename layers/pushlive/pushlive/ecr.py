"""Amazon ECR: what a tag names now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pushlive.redeploy_plan import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_ecr import ECRClient

INDEX_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)


def tagged(reference: str, registry: str) -> tuple[str, str] | None:
    """Return repository and tag of an image reference, or None if it is not a tag in `registry`.

    No tag means `latest`, as for Docker. A reference by digest never changes what it names.
    """
    prefix = f"{registry}/"
    if not reference.startswith(prefix) or "@" in reference:
        return None
    repository, _, tag = reference.removeprefix(prefix).partition(":")
    return repository, tag or "latest"


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
    return frozenset(
        manifest["digest"]
        for found in answer["images"]
        for manifest in json.loads(found["imageManifest"]).get("manifests", [])
    )
