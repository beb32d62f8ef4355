"""What a task definition says that cannot work: its status, port, logs, role, and images. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from commands.why.finding import Finding, aws, no_log_group, note, problem
from commands.why.state import Mutability, awslogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import Built, ServiceState

PROCESSORS = {"X86_64": "amd64", "ARM64": "arm64"}
"""Task definition's `cpuArchitecture` to the platform's `architecture` (OCI image-spec, "image-index")."""


def status_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that nothing can be deployed by its task definition any more.

    ECS goes on running its tasks, but starts no new ones of it (ECS guide, "Amazon ECS task definition
    states"); UpdateService refuses it (EvalAI issue 5167).
    """
    status, arn = state.definition.get("status", "ACTIVE"), state.definition.get("taskDefinitionArn", "")
    if status != "ACTIVE":
        name = arn.rpartition("/")[2]
        yield problem(
            "definition-inactive",
            f"its task definition {name} is {status}: ECS refuses to deploy it, so no push goes live",
            "register it once more (sam deploy, Terraform, aws ecs register-task-definition), and then:",
            state.update_service(task_definition=name.partition(":")[0]),
        )


def port_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that no TCP port is mapped, or that the container may listen on another one."""
    mapped = [
        (mapping.get("protocol", "tcp"), mapping["containerPort"], container)
        for container in state.containers
        for mapping in container.get("portMappings", [])
        if "containerPort" in mapping
    ]
    tcp = [(port, container) for protocol, port, container in mapped if protocol == "tcp"]
    if not tcp and mapped:
        ports = ", ".join(str(port) for _, port, _ in mapped)
        what = f"its ports are UDP ({ports}), which cannot be asked: a task that is RUNNING is published"
        yield note("udp-only", what)
    elif not tcp and state.containers and state.host_name:
        yield problem(
            "no-port",
            "no container of its task definition maps a containerPort: nobody knows where it listens, and a "
            "running task counts as one that answers",
            "add portMappings to the task definition (ContainerPort)",
        )
    for port, container in tcp[:1]:
        pairs = container.get("environment", [])
        told = {pair.get("name"): str(pair.get("value", "")) for pair in pairs}.get("PORT")
        if told not in (None, str(port)):
            what = f"container {container.get('name')} is told PORT={told}, but its containerPort is {port}"
            yield problem("port-differs", what, "make the two the same in the task definition")


def log_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield the containers whose words nobody can read."""
    region = state.settings.region
    for container in state.containers:
        name, options = container.get("name", "?"), awslogs(container)
        group, group_region = options.get("awslogs-group", ""), options.get("awslogs-region", region)
        if not container.get("logConfiguration"):
            what = f"container {name} has no logConfiguration: what it says is lost"
            cure = "add logConfiguration with logDriver awslogs to the task definition"
            yield problem("no-logs", what, cure)
        elif group_region != region:
            what = f"container {name} logs to {group} in {group_region}, while the service is in {region}"
            yield problem("log-region", what, f"set awslogs-region to {region} in the task definition")
        elif not state.log_groups.get(group, True):
            what = f"the log group {group} of container {name} does not exist: new tasks do not start"
            yield no_log_group(what, group)


def role_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that ECS has no role to pull the image and write the logs with."""
    arn = state.definition.get("executionRoleArn", "")
    if state.definition and not arn and state.is_fargate:  # on an instance the instance's own role does it
        yield problem(
            "no-execution-role",
            "the task definition has no executionRoleArn: Fargate can neither pull from ECR nor write logs",
            "add a role with the policy AmazonECSTaskExecutionRolePolicy to the task definition",
        )
    elif state.lacks_role:
        what = f"the execution role {arn} does not exist: new tasks do not start"
        cure = "deploy the stack again, or create the role that the task definition names"
        yield problem("no-execution-role", what, cure)


def tag_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from being pushed."""
    if state.containers and not state.tags_of_images:
        by_digest = any("@" in image for image in state.image_names)
        why = "its image by digest, which no push changes" if by_digest else "no tag in this registry"
        what = f"its task definition names {why}: {', '.join(state.image_names)}"
        cure = f"register it with the image {state.settings.registry}/REPOSITORY:TAG"
        yield problem("image-elsewhere", what, cure)
    for repository, tag in state.tags_of_images.values():
        mutability = state.repositories.get(repository, Mutability())
        if mutability is None:
            what = f"the repository {repository} does not exist in {state.settings.region}"
            make = aws("ecr create-repository", repository_name=repository)
            yield problem("no-repository", f"{what}: nothing can be pushed or pulled", "make it:", make)
        elif not _admits(mutability, tag):
            what = f"the repository {repository} is {mutability.setting}"
            cure, command = f"let {tag} be pushed again:", _admit(repository, tag, mutability)
            yield problem("immutable-tags", f"{what}: its tag {tag} can be pushed only once", cure, command)


def _admits(mutability: Mutability, tag: str) -> bool:
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
    options = {"repository_name": repository, "image_tag_mutability": setting}
    if excluded:
        filters = [f"'filterType=WILDCARD,filter={each}'" for each in excluded]
        options["image_tag_mutability_exclusion_filters"] = " ".join(filters)
    return aws("ecr put-image-tag-mutability", **options)


def built_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield what keeps its images from running where the task definition has them run."""
    for image, built in state.built.items():
        if built:
            yield from _of_processor(state, image, built)
            yield from _of_ports(state, built)


def _of_processor(state: ServiceState, image: str, built: Built) -> Iterator[Finding]:
    wanted = state.definition.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
    processor = PROCESSORS.get(wanted, wanted.lower())
    if built.processors and processor not in built.processors:
        is_for = ", ".join(sorted(built.processors))
        what = f"{image} is built for {is_for}, and the task definition wants {wanted}"
        other = next((name for name, each in PROCESSORS.items() if each in built.processors), "")
        build = f"deploy the stack with Architecture={other}; or build" if other else "build"
        yield problem(
            "wrong-processor",
            f"{what}: its containers end with `exec format error`",
            f"{build} it anew, and push:",
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
