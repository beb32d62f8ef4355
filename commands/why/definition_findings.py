"""What a service and its task definition say that cannot work: port, logs, roles, circuit breaker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from commands.why.finding import Finding, problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from commands.why.stack import Account
    from commands.why.state import ServiceState

    Json = Mapping[str, Any]


def definition_findings(account: Account, state: ServiceState) -> Iterator[Finding]:
    """Yield what is wrong with a service's settings and task definition."""
    containers = state.definition["containerDefinitions"]
    yield from port_findings(containers, state.host_name)
    yield from log_findings(containers, account.region, lambda group: _has_log_group(account, group))
    yield from role_findings(state.definition, lambda role: _has_role(account, role))
    yield from circuit_breaker_findings(state)


def port_findings(containers: Sequence[Json], host_name: str) -> Iterator[Finding]:
    """Yield that no port is mapped, or that the container may listen on another one. Pure."""
    mapped = [
        (mapping["containerPort"], container)
        for container in containers
        for mapping in container.get("portMappings", [])
    ]
    if not mapped:
        what = "no container of its task definition maps a containerPort"
        unknown = "nobody knows where it listens, and a running task counts as one that answers"
        if host_name:
            yield problem(
                "no-port", f"{what}: {unknown}", "add portMappings to the task definition (ContainerPort)"
            )
        return
    port, container = mapped[0]
    told = {pair["name"]: str(pair["value"]) for pair in container.get("environment", [])}.get("PORT")
    if told not in (None, str(port)):
        yield problem(
            "port-differs",
            f"container {container['name']} is told PORT={told}, but its containerPort is {port}",
            "make the two the same in the task definition",
        )


def log_findings(
    containers: Sequence[Json], region: str, has_group: Callable[[str], bool]
) -> Iterator[Finding]:
    """Yield the containers whose words nobody can read. Pure, but for `has_group`."""
    for container in containers:
        name, configuration = container["name"], container.get("logConfiguration")
        if not configuration:
            yield problem(
                "no-logs",
                f"container {name} has no logConfiguration: what it says is lost",
                "add logConfiguration with logDriver awslogs to the task definition",
            )
            continue
        options = configuration.get("options", {})
        if configuration["logDriver"] != "awslogs" or options.get("awslogs-create-group") == "true":
            continue
        group, group_region = options.get("awslogs-group", ""), options.get("awslogs-region", region)
        if group_region != region:
            what = f"container {name} logs to {group} in {group_region}, while the service is in {region}"
            yield problem("log-region", what, f"set awslogs-region to {region} in the task definition")
        elif not has_group(group):
            yield problem(
                "no-log-group",
                f"the log group {group} of container {name} does not exist: new tasks do not start",
                f"aws logs create-log-group --log-group-name {group}",
            )


def role_findings(definition: Json, has_role: Callable[[str], bool]) -> Iterator[Finding]:
    """Yield that ECS has no role to pull the image and write the logs with. Pure, but for `has_role`."""
    arn = definition.get("executionRoleArn", "")
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
    configuration = state.described.get("deploymentConfiguration", {})
    breaker = configuration.get("deploymentCircuitBreaker", {})
    if not (breaker.get("enable") and breaker.get("rollback")):
        happens = "stays as it is" if breaker.get("enable") else "is tried for ever"
        yield problem(
            "no-circuit-breaker",
            f"its deployment circuit breaker does not roll back: an image that does not run {happens}",
            f"aws ecs update-service --cluster {state.cluster} --service {state.service_name} "
            "--deployment-configuration 'deploymentCircuitBreaker={enable=true,rollback=true}'",
        )


def _has_log_group(account: Account, group: str) -> bool:
    found = account.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return any(each["logGroupName"] == group for each in found)


def _has_role(account: Account, role: str) -> bool:
    try:
        account.client("iam").get_role(RoleName=role)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return False
    return True
