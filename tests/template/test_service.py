"""The ECS service and what must be there before and after it: promises that only the template can keep."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lab.template import (
    ACCOUNT,
    PARTITION,
    REGION,
    Json,
    Stack,
    fill,
    names_in,
)
from pushlive.config import Settings
from pushlive.model import READINESS_SIDECAR
from pushlive.stack_tasks import LAST_LOOK_SECONDS


@pytest.fixture
def service(stack: Stack) -> Json:
    found: Json = stack.resources["Service"]
    return found


@pytest.fixture
def container(stack: Stack) -> Json:
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    return next(each for each in definition["ContainerDefinitions"] if each["Name"] == "app")


def depends_on(stack: Stack, name: str) -> set[str]:
    """All resources that CloudFormation makes before `name`, and deletes after it."""
    before: set[str] = set()
    todo = [name]
    while todo:
        each = stack.resources[todo.pop()]
        written = each.get("DependsOn", [])
        named = {written} if isinstance(written, str) else set(written)
        new = ((names_in(each) | named) & set(stack.resources)) - before
        before |= new
        todo += new
    return before


def test_stack_never_sets_the_live_desired_count(stack: Stack) -> None:
    services = stack.of_type("AWS::ECS::Service")
    assert set(services) == {"Service"}
    assert "DesiredCount" not in services["Service"]


@pytest.mark.parametrize(
    "needed",
    [
        "CapacityProviders",
        "Pushlive",
        "DefaultRoute",
        "RouteOfSubnetA",
        "RouteOfSubnetB",
        "TaskExecutionRole",
        "TaskLogs",
        "Repository",
    ],
)
def test_service_waits_for(stack: Stack, needed: str) -> None:
    assert needed in depends_on(stack, "Service")


@pytest.mark.parametrize(
    "kept",
    [
        "CapacityProviders",
        "Cluster",
        "InternetGatewayAttachment",
        "DefaultRoute",
        "PublicSubnetA",
        "PublicSubnetB",
        "TaskSecurityGroup",
        "TaskExecutionRole",
        "TaskRole",
        "TaskLogs",
        "Pushlive",
    ],
)
def test_no_task_is_left_when_it_goes(either_stack: Stack, kept: str) -> None:
    """Deletion runs the other way round: the service, the wait for its tasks, then what they use."""
    assert "TasksGone" in depends_on(either_stack, "Service")
    assert kept in depends_on(either_stack, "TasksGone")


def test_bad_image_is_rolled_back_and_the_old_task_stays_until_then(service: Json) -> None:
    deployment = service["Properties"]["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (deployment["MinimumHealthyPercent"], deployment["MaximumPercent"]) == (100, 200)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
@pytest.mark.parametrize("architecture", ["X86_64", "ARM64"])
def test_task_has_a_public_address_in_two_zones_that_have_its_architecture(
    template: Json, region: str, architecture: str
) -> None:
    """A zone's name stands for another zone in each account (EC2 guide, "Availability Zone IDs")."""
    stack = Stack(template, {"AWS::Region": region, "Architecture": architecture})
    network = stack.resources["Service"]["Properties"]["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "ENABLED"
    subnets = [stack.resources[subnet["Ref"]]["Properties"] for subnet in network["Subnets"]]
    zones = [
        json.dumps([subnet.get("AvailabilityZone"), subnet.get("AvailabilityZoneId")]) for subnet in subnets
    ]
    assert len(set(zones)) == len(zones) == 2
    if region == "us-east-1":
        ids = {subnet["AvailabilityZoneId"] for subnet in subnets}
        assert ids < {"use1-az1", "use1-az2", "use1-az4", "use1-az5", "use1-az6"}, "use1-az3 has no ARM64"


def test_only_the_container_port_is_open(stack: Stack) -> None:
    [group] = stack.of_type("AWS::EC2::SecurityGroup").values()
    [rule] = group["SecurityGroupIngress"]
    port = {"Ref": "ContainerPort"}
    assert (rule["FromPort"], rule["ToPort"], rule["CidrIp"]) == (port, port, {"Ref": "AllowedCidr"})


def tags(stack: Stack) -> dict[str, Any]:
    return {tag["Key"]: tag["Value"] for tag in stack.resources["Service"]["Properties"]["Tags"]}


def test_service_says_by_its_tags_what_it_wants(stack: Stack, nameless_stack: Stack) -> None:
    wanted = {"pushlive:redeploy": "on-push", "pushlive:desired-count": {"Ref": "DesiredCount"}}
    assert tags(nameless_stack) == wanted
    assert tags(stack) == wanted | {"pushlive:hostname": {"Ref": "HostName"}}


def test_task_names_the_tag_that_is_pushed(container: Json) -> None:
    assert container["Image"] == {"Fn::Sub": "${Repository.RepositoryUri}:${ImageTag}"}


def test_tag_can_move_and_the_repository_goes_with_the_stack(stack: Stack) -> None:
    [repository] = stack.of_type("AWS::ECR::Repository").values()
    assert repository["ImageTagMutability"] == "MUTABLE"
    assert repository["EmptyOnDelete"] is True
    policy = json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])
    # tests/lab/test_lifecycle.py: a rule for any image would count pushes under other tags.
    assert [rule["selection"]["tagStatus"] for rule in policy["rules"]] == ["untagged"]


def test_functions_need_no_reserved_concurrency(pushlive_stack: Stack) -> None:
    """It fails in accounts with a quota of 10, which is what a new account has."""
    for name, function in pushlive_stack.of_type("AWS::Lambda::Function").items():
        assert "ReservedConcurrentExecutions" not in function, name


@pytest.mark.parametrize("function", ["RedeployService", "UpdateRecord"])
def test_failure_of_a_function_is_tried_again_kept_and_told(pushlive_stack: Stack, function: str) -> None:
    invocation = pushlive_stack.resources[f"{function}EventInvokeConfig"]["Properties"]
    assert invocation["MaximumRetryAttempts"] == 2
    assert invocation["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": ["DeadLetters", "Arn"]
    }
    alarm = pushlive_stack.resources[f"{function}Alarm"]["Properties"]
    assert (alarm["MetricName"], alarm["Dimensions"][0]["Value"]) == ("Errors", {"Ref": function})


@pytest.mark.parametrize(
    ("function", "variables"),
    [
        (
            "RedeployService",
            {
                "CLUSTER_ARN",
                "REGISTRY",
                "REPOSITORIES",
                "DRY_RUN",
                "LEASES_LOG_GROUP",
                "TOPIC_ARN",
                "OVERDUE_MINUTES",
            },
        ),
        (
            "UpdateRecord",
            {
                "CLUSTER_ARN",
                "REGISTRY",
                "DRY_RUN",
                "LEASES_LOG_GROUP",
                "TOPIC_ARN",
                "HOSTED_ZONE_ID",
                "HOST_NAMES",
                "TTL_SECONDS",
                "MIN_READY_SECONDS",
                "PROBE",
            },
        ),
    ],
)
def test_function_gets_its_settings(pushlive_stack: Stack, function: str, variables: set[str]) -> None:
    assert set(pushlive_stack.resources[function]["Properties"]["Environment"]["Variables"]) == variables


@pytest.mark.parametrize(("spot", "provider"), [("false", "FARGATE"), ("true", "FARGATE_SPOT")])
def test_capacity_is_always_a_strategy_so_that_spot_can_be_switched_on_a_live_service(
    template: Json, spot: str, provider: str
) -> None:
    """A launch type instead may make CloudFormation replace the service (template reference, LaunchType)."""
    stack = Stack(template, {"Spot": spot})
    [service] = stack.of_type("AWS::ECS::Service").values()
    assert "LaunchType" not in service
    assert service["CapacityProviderStrategy"] == [{"CapacityProvider": provider, "Weight": 1}]
    [associations] = stack.of_type("AWS::ECS::ClusterCapacityProviderAssociations").values()
    assert provider in associations["CapacityProviders"]
    assert "CapacityProviders" not in stack.resources["Cluster"].get("Properties", {})


def drain_sidecar(stack: Stack) -> Json:
    found: Json
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    [found] = [each for each in definition["ContainerDefinitions"] if each["Name"] == "drain-sidecar"]
    return found


def test_clients_are_drained_before_the_old_task_is_killed(stack: Stack, container: Json) -> None:
    """Until the record is changed; 60 s at most until Route 53 answers the new address everywhere, the TTL,
    and as much as resolvers are late."""
    defaults = stack.parameters
    for each in (container, drain_sidecar(stack)):
        assert {"Name": "DRAIN_SECONDS", "Value": {"Ref": "DrainSeconds"}} in each["Environment"]
    assert container["StopTimeout"] == {"Ref": "StopTimeoutSeconds"}
    needed = defaults["MinReadySeconds"] + 5 + 60 + defaults["TtlSeconds"] + 5
    assert needed <= defaults["DrainSeconds"] < defaults["StopTimeoutSeconds"]


def test_no_answer_lets_ecs_kill_the_drain_sidecar_while_it_drains(template: Json, stack: Stack) -> None:
    """With a StopTimeoutSeconds below DrainSeconds, too."""
    assert template["Parameters"]["DrainSeconds"]["MaxValue"] < drain_sidecar(stack)["StopTimeout"] <= 120


def test_ecs_counts_a_task_when_its_drain_sidecar_is_ready(stack: Stack, container: Json) -> None:
    """Essential containers make a task's health, and each needs a check (API reference, HealthCheck)."""
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    essential = [each for each in definition["ContainerDefinitions"] if each["Essential"]]
    assert [each["Name"] for each in essential] == ["drain-sidecar"]
    [kind, check] = drain_sidecar(stack)["HealthCheck"]["Command"]
    assert (kind, check) == (
        "CMD-SHELL",
        {
            "Fn::Sub": "read -r own </tmp/ready && { nc -z -w 2 $own ${ContainerPort}"
            " || nc -w 2 $own ${ContainerPort} -e true; }"
        },
    )
    [command] = drain_sidecar(stack)["Command"][2:]
    assert 'echo "$own" >/tmp/ready' in command
    assert "HealthCheck" not in container, "any image, unchanged: it may hold no program but its own"


def test_ecs_stops_the_drain_sidecar_before_the_app(stack: Stack) -> None:
    assert drain_sidecar(stack)["DependsOn"] == [{"ContainerName": "app", "Condition": "START"}]


def test_ecs_pins_no_digest_of_the_sidecars_image(stack: Stack) -> None:
    """The public registry may drop it (template reference, ContainerDefinition, VersionConsistency)."""
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    pinned = {each["Name"]: each.get("VersionConsistency") for each in definition["ContainerDefinitions"]}
    assert pinned == {"app": None, "drain-sidecar": "disabled", READINESS_SIDECAR: "disabled"}


def test_the_app_is_the_first_container_with_a_port(stack: Stack) -> None:
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    assert [each["Name"] for each in definition["ContainerDefinitions"] if "PortMappings" in each] == ["app"]


@pytest.mark.parametrize(("given", "essential"), [("true", "drain-sidecar"), ("false", "app")])
def test_one_container_is_essential(given: str, essential: str, template: Json) -> None:
    """The readiness sidecar never is: its check would let ECS stop old tasks before clients have moved."""
    [definition] = Stack(template, {"DrainSidecar": given}).of_type("AWS::ECS::TaskDefinition").values()
    assert [each["Name"] for each in definition["ContainerDefinitions"] if each["Essential"]] == [essential]
    assert READINESS_SIDECAR in [each["Name"] for each in definition["ContainerDefinitions"]]


def test_record_goes_before_the_service_and_the_service_before_pushlive(stack: Stack) -> None:
    """Deletion runs the other way round, so the addresses are released when nobody is sent to them."""
    assert {"Service", "Pushlive"} <= depends_on(stack, "RecordGone")
    assert stack.resources["RecordGone"]["Properties"]["ServiceName"] == {"Fn::GetAtt": ["Service", "Name"]}


@pytest.mark.parametrize(
    "kept", ["UpdateRecord", "UpdateRecordRole", "RecordPolicy", "UpdateRecordLogs", "PushliveLayer"]
)
def test_records_go_before(pushlive_stack: Stack, kept: str) -> None:
    assert any(name.startswith(kept) for name in depends_on(pushlive_stack, "HostNameRecords"))


def test_records_are_those_of_the_parameters(pushlive_stack: Stack) -> None:
    """Each of these changed makes another resource, whose old one then takes its records away."""
    [records] = pushlive_stack.of_type("Custom::HostNameRecords").values()
    for name in ("HostedZoneId", "HostNames", "ClusterName"):
        assert records[name] == {"Ref": name}


def test_what_the_stacks_ask_has_time_for_three_runs(stack: Stack, pushlive_stack: Stack) -> None:
    """One and two minutes apart (Lambda guide, "Asynchronous invocation"). A task stops for twice 120 s."""
    seconds = max(each["Timeout"] for each in pushlive_stack.of_type("AWS::Lambda::Function").values())
    asked = [
        each["Properties"]
        for each in (stack.resources | pushlive_stack.resources).values()
        if each["Type"].startswith("Custom::")
    ]
    assert [int(each["ServiceTimeout"]) >= 3 * seconds + 180 for each in asked] == [True] * 3
    assert 3 * (seconds - LAST_LOOK_SECONDS) + 180 > 2 * 120 + 60


def test_nothing_is_retained_when_the_stack_goes(any_stack: Stack) -> None:
    kept = {
        name
        for name, each in any_stack.resources.items()
        if {each.get("DeletionPolicy", "Delete"), each.get("UpdateReplacePolicy", "Delete")} != {"Delete"}
    }
    assert kept == set()


def test_every_log_has_an_end(stack: Stack, pushlive_stack: Stack, container: Json) -> None:
    groups = stack.of_type("AWS::Logs::LogGroup") | pushlive_stack.of_type("AWS::Logs::LogGroup")
    assert all(group["RetentionInDays"] == {"Ref": "LogRetentionDays"} for group in groups.values())
    functions = pushlive_stack.of_type("AWS::Lambda::Function").values()
    used = [function["LoggingConfig"]["LogGroup"] for function in functions]
    used.append(container["LogConfiguration"]["Options"]["awslogs-group"])
    assert sorted(each["Ref"] for each in used) == sorted(groups)


def test_settings_are_what_the_functions_understand(either_pushlive_stack: Stack) -> None:
    """Read as the functions read them, with what the references stand for in some account."""
    names = {
        **{name: str(value) for name, value in either_pushlive_stack.parameters.items()},
        "AWS::Partition": PARTITION,
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
        "AWS::URLSuffix": "amazonaws.com",
        "RedeployServiceLogs": "logs",
        "UpdateRecordLogs": "logs",
        "Notifications": f"arn:{PARTITION}:sns:{REGION}:{ACCOUNT}:shop",
    }
    for name, function in either_pushlive_stack.of_type("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        settings = Settings.from_env({key: str(value) for key, value in fill(variables, names).items()})
        assert settings.cluster_arn == f"arn:{PARTITION}:ecs:{REGION}:{ACCOUNT}:cluster/shop"
        assert settings.registry == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
        assert (settings.repositories, settings.host_names) == (
            ("shop-*", "") if name == "RedeployService" else ("", "*.example.com")
        )
