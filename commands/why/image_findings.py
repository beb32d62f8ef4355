"""Whether the images that a service names can be pushed to, and run on its processor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import urllib3
from botocore.exceptions import ClientError

from commands.why.finding import Finding, note, problem
from pushlive import ecr
from pushlive.image_reference import tagged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.why.stack import Account
    from commands.why.state import ServiceState
    from pushlive.config import Settings

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""Task definition's `cpuArchitecture` to the platform's `architecture` (OCI image-spec, "image-index")."""
MEDIA_TYPES = (
    *ecr.INDEX_MEDIA_TYPES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
LARGEST_CONFIG_BYTES = 4 * 1024 * 1024
DOWNLOAD_SECONDS = 10.0


@dataclass(frozen=True)
class Built:
    """For what an image was built."""

    processors: frozenset[str]
    """Such as `amd64`; empty if the image does not say."""
    ports: frozenset[int] = frozenset()
    """TCP ports that it exposes (`EXPOSE`)."""


def image_findings(account: Account, settings: Settings, state: ServiceState) -> Iterator[Finding]:
    """Yield what is wrong with the images of a service's task definition."""
    references = [container["image"] for container in state.definition["containerDefinitions"]]
    names = {reference: tagged(reference, settings.registry) for reference in references}
    yield from reference_findings(names, settings.registry)
    wanted = state.definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    for reference, named in names.items():
        if named is None:
            continue
        repository, tag = named
        mutability = _mutability(account, repository)
        yield from repository_findings(repository, mutability, account.region)
        if mutability is None:
            continue
        if built := read_built(account, repository, tag):
            yield from built_findings(reference, built, wanted, state.port)


def reference_findings(names: Mapping[str, tuple[str, str] | None], registry: str) -> Iterator[Finding]:
    """Yield that no push can reach the service, because it names no tag of this registry. Pure."""
    if any(names.values()):
        return
    told = ", ".join(names)
    by_digest = any("@" in reference for reference in names)
    why = "names its image by digest, which no push changes" if by_digest else "names no tag in this registry"
    yield problem(
        "image-elsewhere",
        f"its task definition {why}: {told}",
        f"register it with the image {registry}/REPOSITORY:TAG",
    )


def repository_findings(repository: str, mutability: str | None, region: str) -> Iterator[Finding]:
    """Yield that the repository is not there, or refuses a second push of a tag. Pure."""
    if mutability is None:
        yield problem(
            "no-repository",
            f"the repository {repository} does not exist in {region}: nothing can be pushed or pulled",
            f"aws ecr create-repository --repository-name {repository}",
        )
    elif mutability.startswith("IMMUTABLE"):
        yield problem(
            "immutable-tags",
            f"the repository {repository} has immutable tags: its tag can be pushed once, then never again",
            f"aws ecr put-image-tag-mutability --repository-name {repository} --image-tag-mutability MUTABLE",
        )


def built_findings(reference: str, built: Built, wanted: str, port: int | None) -> Iterator[Finding]:
    """Yield that an image was built for another processor, or listens elsewhere. Pure."""
    processor = PROCESSORS.get(wanted, wanted.lower())
    if built.processors and processor not in built.processors:
        other = next((name for name, each in PROCESSORS.items() if each in built.processors), "")
        yield problem(
            "wrong-processor",
            f"{reference} is built for {', '.join(sorted(built.processors))}, and the task definition wants "
            f"{wanted}: its containers end with `exec format error`",
            f"docker build --platform linux/{processor} …"
            + (f"; or the parameter Architecture={other}" if other else ""),
        )
    if built.ports and port is not None and port not in built.ports:
        exposed = ", ".join(map(str, sorted(built.ports)))
        yield note(
            "port-exposed",
            f"the image exposes {exposed}, and the task definition maps {port}",
            "if no task answers, set the parameter ContainerPort to the port that the program listens on",
        )


def read_built(account: Account, repository: str, tag: str) -> Built | None:
    """Return for what the tag's image was built; None if there is no such image."""
    images = account.client("ecr").batch_get_image(
        repositoryName=repository, imageIds=[{"imageTag": tag}], acceptedMediaTypes=list(MEDIA_TYPES)
    )["images"]
    if not images:
        return None
    manifest = json.loads(images[0]["imageManifest"])
    if "manifests" in manifest:
        platforms = [each.get("platform", {}).get("architecture", "") for each in manifest["manifests"]]
        # buildx's attestations are of platform unknown/unknown.
        return Built(frozenset(platforms) - {"unknown", ""})
    return built_of(_config(account, repository, manifest["config"]))


def built_of(config: Mapping[str, Any]) -> Built:
    """Return what an image's config (OCI image-spec, "config") says. Pure."""
    exposed = (config.get("config") or {}).get("ExposedPorts") or {}
    ports = {int(each.partition("/")[0]) for each in exposed if each.partition("/")[2] in ("", "tcp")}
    return Built(frozenset({config["architecture"]} if config.get("architecture") else ()), frozenset(ports))


def _config(account: Account, repository: str, descriptor: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return an image's config; empty if ECR does not give it.

    It gives it as it gives a layer (API reference, GetDownloadUrlForLayer). That it does is not documented;
    people rely on it (containers-roadmap 178).
    """
    client = account.client("ecr")
    try:
        url = client.get_download_url_for_layer(repositoryName=repository, layerDigest=descriptor["digest"])[
            "downloadUrl"
        ]
    except (client.exceptions.LayersNotFoundException, client.exceptions.LayerInaccessibleException):
        return {}
    with urllib3.PoolManager(timeout=DOWNLOAD_SECONDS, retries=False) as pool:
        answer = pool.request("GET", url, preload_content=False)
        content = answer.read(LARGEST_CONFIG_BYTES)
    return json.loads(content)


def _mutability(account: Account, repository: str) -> str | None:
    try:
        found = account.client("ecr").describe_repositories(repositoryNames=[repository])["repositories"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "RepositoryNotFoundException":
            raise
        return None
    return str(found[0].get("imageTagMutability", "MUTABLE"))
