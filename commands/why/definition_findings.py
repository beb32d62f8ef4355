"""What a service and its task definition say that cannot work: port, logs, roles, circuit breaker. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands.why.finding import Finding, note, problem
from commands.why.progress_findings import deployable
from commands.why.stack_findings import no_log_group
from commands.why.state import awslogs
from pushlive.redeploy_plan import opt_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commands.why.state import ServiceState


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


def circuit_breaker_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that an image which does not run would be tried for ever."""
    breaker = state.described.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    rolls_back = breaker.get("enable") and breaker.get("rollback")
    if state.described and not opt_out(state.service) and not rolls_back:
        happens = "stays as it is" if breaker.get("enable") else "is tried for ever"
        what = f"its deployment circuit breaker does not roll back: an image that does not run {happens}"
        yield problem("no-circuit-breaker", what, "let it roll back:", deployable(state))
