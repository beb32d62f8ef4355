"""Whether the images that a service names can be pushed to, and run on its processor. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, note, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import Built, Mutability, ServiceState

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""Task definition's `cpuArchitecture` to the platform's `architecture` (OCI image-spec, "image-index")."""


def tag_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from being pushed."""
    if state.containers and not state.tags_of_images:
        by_digest = any("@" in image for image in state.image_names)
        why = "names its image by digest, which no push changes"
        yield problem(
            "image-elsewhere",
            f"its task definition {why if by_digest else 'names no tag in this registry'}: "
            + ", ".join(state.image_names),
            f"register it with the image {state.settings.registry}/REPOSITORY:TAG",
        )
    for repository, tag in state.tags_of_images.values():
        if repository not in state.repositories:
            continue
        mutability = state.repositories[repository]
        if mutability is None:
            what = f"the repository {repository} does not exist in {state.settings.region}"
            make = aws("ecr create-repository", repository_name=repository)
            yield problem("no-repository", f"{what}: nothing can be pushed or pulled", "make it:", make)
        elif not admits(mutability, tag):
            what = (
                f"the repository {repository} is {mutability.setting}: its tag {tag} can be pushed only once"
            )
            let = _admit(repository, tag, mutability)
            yield problem("immutable-tags", what, f"let {tag} be pushed again:", let)


def admits(mutability: Mutability, tag: str) -> bool:
    """Return whether this tag can be pushed again."""
    has_exceptions = mutability.setting.endswith("_WITH_EXCLUSION")
    is_excluded = has_exceptions and any(fnmatchcase(tag, each) for each in mutability.excluded)
    return mutability.setting.startswith("MUTABLE") != is_excluded


def _admit(repository: str, tag: str, mutability: Mutability) -> str:
    """Return the command that admits this tag too, and otherwise changes as little as can be."""
    setting, excluded = "IMMUTABLE_WITH_EXCLUSION", [*mutability.excluded, tag]
    if mutability.setting.startswith("MUTABLE"):
        excluded = [each for each in mutability.excluded if not fnmatchcase(tag, each)]
        setting = "MUTABLE_WITH_EXCLUSION" if excluded else "MUTABLE"
    filters = " ".join(f"'filterType=WILDCARD,filter={each}'" for each in excluded)
    exclusion = {"image_tag_mutability_exclusion_filters": filters} if filters else {}
    return aws(
        "ecr put-image-tag-mutability", repository_name=repository, image_tag_mutability=setting, **exclusion
    )


def platform_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from running where the task definition has them run."""
    for image, built in state.built.items():
        if built:
            yield from _of_processor(state, image, built)
            yield from _of_ports(state, built)


def _of_processor(state: ServiceState, image: str, built: Built) -> Iterator[Finding]:
    wanted = state.definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    processor = PROCESSORS.get(wanted, wanted.lower())
    if built.processors and processor not in built.processors:
        other = next((name for name, each in PROCESSORS.items() if each in built.processors), "")
        yield problem(
            "wrong-processor",
            f"{image} is built for {', '.join(sorted(built.processors))}, and the task definition wants "
            f"{wanted}: its containers end with `exec format error`",
            (f"deploy the stack with Architecture={other}; or build" if other else "build")
            + " it anew, and push:",
            f"docker build --platform linux/{processor} -t {image} . && docker push {image}",
        )


def _of_ports(state: ServiceState, built: Built) -> Iterator[Finding]:
    """Where a task answers the port is right: an app may listen where its image says nothing of."""
    port = state.unanswered_port
    if built.ports and port is not None and port not in built.ports:
        exposed = ", ".join(map(str, sorted(built.ports)))
        what = f"the image exposes {exposed}, the task definition maps {port}, and no task answers there"
        cure = "set the parameter ContainerPort to the port that the program listens on"
        yield note("port-exposed", what, cure)
