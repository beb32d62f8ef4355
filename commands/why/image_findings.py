"""Whether the images that a service names can be pushed to, and run on its processor."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import urllib3

from commands.why.finding import Finding, note, problem
from pushlive import ecr
from pushlive.image_reference import tagged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from commands.why.stack import Account
    from commands.why.state import ServiceState

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


@dataclass(frozen=True)
class Mutability:
    """Which tags of a repository can be pushed again (API reference, PutImageTagMutability)."""

    setting: str = "MUTABLE"
    excluded: tuple[str, ...] = ()
    """Tags for which the opposite of `setting` holds; `*` stands for any text."""

    def admits(self, tag: str) -> bool:
        """Return whether this tag can be pushed again."""
        return self.setting.startswith("MUTABLE") != self._excludes(tag)

    def _excludes(self, tag: str) -> bool:
        return self.setting.endswith("_WITH_EXCLUSION") and any(
            fnmatchcase(tag, each) for each in self.excluded
        )

    def admitting(self, tag: str) -> Mutability:
        """Return the setting that admits this tag too, and is otherwise as near to this one as can be."""
        if self.setting.startswith("MUTABLE"):
            kept = tuple(each for each in self.excluded if not fnmatchcase(tag, each))
            return Mutability("MUTABLE_WITH_EXCLUSION", kept) if kept else Mutability()
        return Mutability("IMMUTABLE_WITH_EXCLUSION", (*self.excluded, tag))


def tag_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from being pushed."""
    names = _names(state)
    if state.containers:
        yield from reference_findings(names, state.settings.registry)
    for repository, tag in filter(None, names.values()):
        mutability = _mutability(account, repository)
        yield from repository_findings(repository, tag, mutability, account.region)


def platform_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from running where the task definition has them run."""
    wanted = state.definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    for reference, named in _names(state).items():
        if named and (built := read_built(account, *named)):
            yield from built_findings(reference, built, wanted, state.unanswered_port)


def _names(state: ServiceState) -> dict[str, tuple[str, str] | None]:
    """Return each image to its repository and tag; None where it is no tag of the registry."""
    references = [each["image"] for each in state.containers if "image" in each]
    return {reference: tagged(reference, state.settings.registry) for reference in references}


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


def repository_findings(
    repository: str, tag: str, mutability: Mutability | None, region: str
) -> Iterator[Finding]:
    """Yield that the repository is not there, or refuses a second push of the tag. Pure."""
    if mutability is None:
        yield problem(
            "no-repository",
            f"the repository {repository} does not exist in {region}: nothing can be pushed or pulled",
            "make it:",
            f"aws ecr create-repository --repository-name {repository}",
        )
    elif not mutability.admits(tag):
        admitting = mutability.admitting(tag)
        filters = " ".join(f"'filterType=WILDCARD,filter={each}'" for each in admitting.excluded)
        yield problem(
            "immutable-tags",
            f"the repository {repository} is {mutability.setting}: its tag {tag} can be pushed only once",
            f"let {tag} be pushed again:",
            f"aws ecr put-image-tag-mutability --repository-name {repository} "
            f"--image-tag-mutability {admitting.setting}"
            + (f" --image-tag-mutability-exclusion-filters {filters}" if filters else ""),
        )


def built_findings(reference: str, built: Built, wanted: str, port: int | None) -> Iterator[Finding]:
    """Yield that an image was built for another processor, or listens elsewhere. Pure.

    `port` is None where a task answers: an app may listen where its image says nothing of.
    """
    processor = PROCESSORS.get(wanted, wanted.lower())
    if built.processors and processor not in built.processors:
        other = next((name for name, each in PROCESSORS.items() if each in built.processors), "")
        yield problem(
            "wrong-processor",
            f"{reference} is built for {', '.join(sorted(built.processors))}, and the task definition wants "
            f"{wanted}: its containers end with `exec format error`",
            (f"deploy the stack with Architecture={other}; or build" if other else "build")
            + " it anew, and push:",
            f"docker build --platform linux/{processor} -t {reference} . && docker push {reference}",
        )
    if built.ports and port is not None and port not in built.ports:
        exposed = ", ".join(map(str, sorted(built.ports)))
        yield note(
            "port-exposed",
            f"the image exposes {exposed}, the task definition maps {port}, and no task answers there",
            "set the parameter ContainerPort to the port that the program listens on",
        )


def read_built(account: Account, repository: str, tag: str) -> Built | None:
    """Return for what the tag's image was built; None if there is no such image."""
    client = account.client("ecr")
    try:
        found = client.batch_get_image(
            repositoryName=repository, imageIds=[{"imageTag": tag}], acceptedMediaTypes=list(MEDIA_TYPES)
        )
    except client.exceptions.RepositoryNotFoundException:
        return None  # the check of the repository tells it
    images = found.get("images") or [{}]
    manifest = json.loads(images[0].get("imageManifest", "{}"))
    if "manifests" in manifest:
        platforms = [each.get("platform", {}).get("architecture", "") for each in manifest["manifests"]]
        # buildx's attestations are of platform unknown/unknown.
        return Built(frozenset(platforms) - {"unknown", ""})
    return built_of(_config(account, repository, manifest["config"])) if "config" in manifest else None


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
        found = client.get_download_url_for_layer(repositoryName=repository, layerDigest=descriptor["digest"])
    except (client.exceptions.LayersNotFoundException, client.exceptions.LayerInaccessibleException):
        return {}
    if "downloadUrl" not in found:
        return {}
    with urllib3.PoolManager(timeout=DOWNLOAD_SECONDS, retries=False) as pool:
        answer = pool.request("GET", found["downloadUrl"], preload_content=False)
        content = answer.read(LARGEST_CONFIG_BYTES)
    return json.loads(content)


def _mutability(account: Account, repository: str) -> Mutability | None:
    client = account.client("ecr")
    try:
        answer = client.describe_repositories(repositoryNames=[repository])
    except client.exceptions.RepositoryNotFoundException:
        return None
    found = (answer.get("repositories") or [{}])[0]
    filters = found.get("imageTagMutabilityExclusionFilters", [])
    excluded = tuple(each["filter"] for each in filters if "filter" in each)
    return Mutability(found.get("imageTagMutability", "MUTABLE"), excluded)
