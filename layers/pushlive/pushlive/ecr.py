"""Amazon ECR: what a tag names now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pushlive.answers import needed
from pushlive.image_reference import tagged
from pushlive.model import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_ecr import ECRClient

INDEX_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)

# What a container image is told to be: its manifest's config (OCI image-spec, "Media types"; docker's "Image
# manifest v2, schema 2"), or the manifest itself. A Helm chart has another config, and so has any artifact.
IMAGE_MEDIA_TYPES = (
    "application/vnd.oci.image.",
    "application/vnd.docker.container.image.",
    "application/vnd.docker.distribution.manifest.",
)

AT_ONCE = 100
"""So many images a call of DescribeImages and BatchGetImage takes (API reference)."""


def image(client: ECRClient, reference: str, repository: str, tag: str) -> Image:
    """Return what the tag names now; without a digest if there is no such image or repository.

    Raises:
        IncompleteAnswerError: ECR does not tell the digest of the image that is there.
    """
    try:
        answer = client.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except (client.exceptions.ImageNotFoundException, client.exceptions.RepositoryNotFoundException):
        return Image(reference, None)
    found: Mapping[str, Any] = (answer.get("imageDetails") or [{}])[0]
    digest = needed(found, "imageDigest", "DescribeImages")
    members = _members(client, repository, [digest]) if _is_index(found) else {}
    return _image(found, members)._replace(reference=reference)


def images(client: ECRClient, references: Iterable[str], registry: str) -> dict[str, Image]:
    """Return what each of these references names now, without those that name no image of `registry`.

    A hundred tags of a repository at once. Where one of them is missing ECR tells nothing of the others
    (API reference, DescribeImages, errors): then none of the hundred is in the answer, as where ECR refuses.
    A caller that needs one of them reads it by itself.
    """
    repositories: dict[str, dict[str, str]] = {}
    for reference in sorted(references):
        if name := tagged(reference, registry):
            repositories.setdefault(name[0], {})[name[1]] = reference
    found: dict[str, Image] = {}
    for repository, by_tag in repositories.items():
        tags = list(by_tag)
        for start in range(0, len(tags), AT_ONCE):
            for tag, image in _images(client, repository, tags[start : start + AT_ONCE]).items():
                found[by_tag[tag]] = image._replace(reference=by_tag[tag])
    return found


def _images(client: ECRClient, repository: str, tags: Sequence[str]) -> dict[str, Image]:
    """Return tag to image; nothing at all where one is missing."""
    try:
        answer = client.describe_images(
            repositoryName=repository, imageIds=[{"imageTag": tag} for tag in tags]
        )
    except ClientError:
        return {}
    described = [each for each in answer.get("imageDetails", []) if "imageDigest" in each]
    indexes = {each["imageDigest"] for each in described if _is_index(each)}
    members = _members(client, repository, sorted(indexes)) if indexes else {}
    return {
        tag: _image(each, members) for each in described for tag in each.get("imageTags", []) if tag in tags
    }


def _image(found: Mapping[str, Any], members: Mapping[str, frozenset[str]]) -> Image:
    """Return what DescribeImages tells of an image; without a digest if it is an artifact of another kind."""
    kind = found.get("artifactMediaType", "")
    if kind and not kind.startswith(IMAGE_MEDIA_TYPES) and not _is_index(found):
        return Image("", None, artifact=kind)
    digest = found["imageDigest"]
    return Image("", digest, found.get("imagePushedAt"), members.get(digest, frozenset()))


def _is_index(found: Mapping[str, Any]) -> bool:
    return found.get("imageManifestMediaType") in INDEX_MEDIA_TYPES


def _members(client: ECRClient, repository: str, digests: Sequence[str]) -> dict[str, frozenset[str]]:
    """Return each index's digest with those of its members."""
    answer = client.batch_get_image(
        repositoryName=repository,
        imageIds=[{"imageDigest": digest} for digest in digests],
        acceptedMediaTypes=list(INDEX_MEDIA_TYPES),
    )
    return {
        digest: frozenset(_digests(found.get("imageManifest", "")))
        for found in answer.get("images", [])
        if (digest := found.get("imageId", {}).get("imageDigest"))
    }


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
