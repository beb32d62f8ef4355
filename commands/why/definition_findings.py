"""What a service and its task definition say that cannot work: port, logs, roles, circuit breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from commands.why.finding import Finding, note, problem
from commands.why.progress_findings import deployable
from pushlive.redeploy_plan import opt_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commands.why.stack import Account
    from commands.why.state import ServiceState


def log_group_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield the containers whose words nobody can read."""
    return log_findings(state, lambda group: has_log_group(account, group))


def execution_role_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield that ECS has no role to pull the image and write the logs with."""
    return role_findings(state, lambda role: _has_role(account, role))


def status_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that nothing can be deployed by its task definition any more. Pure.

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
            state.update_service("--task-definition", name.partition(":")[0]),
        )


def port_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that no TCP port is mapped, or that the container may listen on another one. Pure."""
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
            yield problem(
                "port-differs",
                f"container {container.get('name')} is told PORT={told}, but its containerPort is {port}",
                "make the two the same in the task definition",
            )


def log_findings(state: ServiceState, has_group: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield the containers whose words nobody can read. Pure, but for `has_group`."""
    region = state.settings.region
    for container in state.containers:
        name, configuration = container.get("name", "?"), container.get("logConfiguration")
        if not configuration:
            yield problem(
                "no-logs",
                f"container {name} has no logConfiguration: what it says is lost",
                "add logConfiguration with logDriver awslogs to the task definition",
            )
            continue
        options = configuration.get("options", {})
        group, group_region = options.get("awslogs-group", ""), options.get("awslogs-region", region)
        makes_it = options.get("awslogs-create-group") == "true"
        if configuration.get("logDriver") != "awslogs" or makes_it or not group:
            continue
        if group_region != region:
            what = f"container {name} logs to {group} in {group_region}, while the service is in {region}"
            yield problem("log-region", what, f"set awslogs-region to {region} in the task definition")
        elif not has_group(group):
            yield no_log_group(
                f"the log group {group} of container {name} does not exist: new tasks do not start", group
            )


def no_log_group(what: str, group: str) -> Finding:
    """Return that a log group is missing."""
    return problem("no-log-group", what, "make it:", f"aws logs create-log-group --log-group-name {group}")


def has_log_group(account: Account, group: str) -> bool:
    """Return whether there is a log group of this name."""
    found = account.client("logs").describe_log_groups(logGroupNamePrefix=group).get("logGroups", [])
    return any(each.get("logGroupName") == group for each in found)


def role_findings(state: ServiceState, has_role: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield that ECS has no role to pull the image and write the logs with. Pure, but for `has_role`."""
    arn = state.definition.get("executionRoleArn", "")
    if not state.definition or not (arn or state.is_fargate):
        return  # on an instance, the instance's own role pulls the image and writes the logs
    if not arn:
        yield problem(
            "no-execution-role",
            "the task definition has no executionRoleArn: Fargate can neither pull from ECR nor write logs",
            "add a role with the policy AmazonECSTaskExecutionRolePolicy to the task definition",
        )
    elif not has_role(arn.rpartition("/")[2]):
        yield problem(
            "no-execution-role",
            f"the execution role {arn} does not exist: new tasks do not start",
            "deploy the stack again, or create the role that the task definition names",
        )


def circuit_breaker_findings(state: ServiceState) -> Iterator[Finding]:
    """Yield that an image which does not run would be tried for ever. Pure."""
    breaker = state.described.get("deploymentConfiguration", {}).get("deploymentCircuitBreaker", {})
    if (
        state.described
        and not opt_out(state.live.service)
        and not (breaker.get("enable") and breaker.get("rollback"))
    ):
        happens = "stays as it is" if breaker.get("enable") else "is tried for ever"
        yield problem(
            "no-circuit-breaker",
            f"its deployment circuit breaker does not roll back: an image that does not run {happens}",
            "let it roll back:",
            deployable(state),
        )


def _has_role(account: Account, role: str) -> bool:
    try:
        account.client("iam").get_role(RoleName=role)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return False
    return True
