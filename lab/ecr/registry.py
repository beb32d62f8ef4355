"""Images pushed to and pulled from a registry, without Docker.

The push and pull of the OCI distribution specification (distribution-spec: spec.md), over plain HTTP: the
registry of the lab listens on loopback only. `oras` was tried: it serialises a manifest anew, so that it has
another digest than the image, and refuses an index.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import urllib3

from lab.ecr.oci import INDEX, MANIFEST, Blob, Image, Index, this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

# What `docker push` of an older Docker sends.
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPT = f"{MANIFEST}, {INDEX}, {DOCKER_MANIFEST}, {DOCKER_INDEX}"

LARGEST_BLOB_BYTES = 512 * 1024 * 1024
HTTP = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=False)


class RegistryError(Exception):
    """The registry refused, or sent something else than was asked for."""


def push_image(registry_host: str, repository: str, tag: str | None, image: Image) -> str:
    """The digest of `image`, now in the registry; without a `tag` by digest only, like an index's child."""
    for blob in (*image.layers, image.config):
        _push_blob(registry_host, repository, blob)
    return _push_manifest(registry_host, repository, tag, image.manifest)


def push_index(registry_host: str, repository: str, tag: str, index: Index) -> str:
    """The digest of `index`, now in the registry: its children first and untagged, then the tag."""
    for child in index.children:
        push_image(registry_host, repository, None, child)
    return _push_manifest(registry_host, repository, tag, index.manifest)


def pull_image(registry_host: str, repository: str, reference: str, *, target: str | None = None) -> Image:
    """The image that `reference` (a tag or a digest) names; of an index, the child for `target`.

    Raises:
        RegistryError: no such image, none for this platform, or bytes that do not have their digest.
    """
    base = f"http://{registry_host}/v2/{repository}"
    response = _request("GET", f"{base}/manifests/{reference}", HTTPStatus.OK, headers={"Accept": ACCEPT})
    manifest = Blob(response.headers["Content-Type"], response.data)
    if reference.startswith("sha256:") and manifest.digest != reference:
        raise RegistryError(f"{repository}@{reference}: the registry sent {manifest.digest}")
    content = json.loads(manifest.content)
    if "manifests" in content:
        wanted = target or this_machine()
        for entry in content["manifests"]:
            if f"{entry['platform']['os']}/{entry['platform']['architecture']}" == wanted:
                return pull_image(registry_host, repository, entry["digest"], target=target)
        raise RegistryError(f"{repository}@{manifest.digest} has no image for {wanted}")
    config, *layers = (_pull_blob(base, entry) for entry in (content["config"], *content["layers"]))
    return Image(manifest, config, tuple(layers))


def _request(
    method: str,
    url: str,
    expected: HTTPStatus,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> urllib3.BaseHTTPResponse:
    response = HTTP.request(method, url, body=body, headers=headers)
    if response.status != expected:
        answer = response.data[:500].decode(errors="replace")
        raise RegistryError(f"{method} {url}: {response.status} {answer}")
    return response


def _push_blob(registry_host: str, repository: str, blob: Blob) -> None:
    base = f"http://{registry_host}/v2/{repository}/blobs"
    if HTTP.request("HEAD", f"{base}/{blob.digest}").status == HTTPStatus.OK:
        return
    session = _request("POST", f"{base}/uploads/", HTTPStatus.ACCEPTED)
    location = urljoin(f"{base}/uploads/", session.headers["Location"])
    url = f"{location}{'&' if '?' in location else '?'}digest={blob.digest}"
    _request(
        "PUT",
        url,
        HTTPStatus.CREATED,
        body=blob.content,
        headers={"Content-Type": "application/octet-stream"},
    )


def _push_manifest(registry_host: str, repository: str, tag: str | None, manifest: Blob) -> str:
    url = f"http://{registry_host}/v2/{repository}/manifests/{tag or manifest.digest}"
    _request(
        "PUT", url, HTTPStatus.CREATED, body=manifest.content, headers={"Content-Type": manifest.media_type}
    )
    return manifest.digest


def _pull_blob(base: str, descriptor: Mapping[str, Any]) -> Blob:
    if descriptor["size"] > LARGEST_BLOB_BYTES:
        raise RegistryError(f"{descriptor['digest']} has {descriptor['size']} bytes: too large for the lab")
    response = _request("GET", f"{base}/blobs/{descriptor['digest']}", HTTPStatus.OK)
    blob = Blob(descriptor["mediaType"], response.data)
    if blob.digest != descriptor["digest"]:
        raise RegistryError(f"{descriptor['digest']}: the registry sent {blob.digest}")
    return blob
