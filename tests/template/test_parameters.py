"""What `sam deploy --guided` asks, and what the stack makes of the answers."""

from __future__ import annotations

import math
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from lab.__main__ import SPEED
from tests.template.stack import (
    HOST_NAME,
    HOSTED_ZONE_ID,
    ROOT,
    SHAPES,
    Json,
    Stack,
    names_in,
    nodes,
    written_template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = written_template()
PARAMETERS: Json = TEMPLATE["Parameters"]
STEPS = ("Step1Login", "Step2Build", "Step3Push")


def as_text(value: object) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_described(name: str) -> None:
    assert len(PARAMETERS[name].get("Description", "")) > len(name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_has_a_default_that_it_allows(name: str) -> None:
    parameter = PARAMETERS[name]
    assert "Default" in parameter
    default = as_text(parameter["Default"])
    assert re.search(parameter.get("AllowedPattern", ""), default)
    assert default in [as_text(value) for value in parameter.get("AllowedValues", [default])]
    if parameter["Type"] == "Number" and "MinValue" in parameter:
        assert parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_used(name: str) -> None:
    parts = [TEMPLATE[part] for part in ("Globals", "Conditions", "Resources", "Outputs")]
    assert name in names_in(parts)


def test_each_parameter_is_asked_in_one_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    asked = [name for group in groups for name in group["Parameters"]]
    assert sorted(asked) == sorted(PARAMETERS)
    assert all(group["Label"]["default"] for group in groups)


ZONE = {"HostedZoneId": HOSTED_ZONE_ID}
CLUSTER = {"ExistingCluster": "shop", "ExistingRepositories": "shop-*"}
NAMES = {"ExistingHostNames": "*.example.com"}


@pytest.mark.parametrize(
    ("given", "broken"),
    [
        *(pytest.param(given, set(), id=shape) for shape, given in SHAPES.items()),
        pytest.param(ZONE, {"HostNameNeedsItsZone"}, id="zone-without-name"),
        pytest.param({"HostName": HOST_NAME}, {"HostNameNeedsItsZone"}, id="name-without-zone"),
        pytest.param({**CLUSTER, **ZONE}, {"HostNameNeedsItsZone"}, id="zone-without-names-of-the-cluster"),
        pytest.param({**CLUSTER, **NAMES}, {"HostNameNeedsItsZone"}, id="names-of-the-cluster-without-zone"),
        pytest.param(
            {"ExistingCluster": "shop"},
            {"ExistingClusterNeedsItsRepositories"},
            id="cluster-without-repositories",
        ),
        pytest.param(
            {"ExistingRepositories": "shop-*"},
            {"ExistingClusterNeedsItsRepositories"},
            id="repositories-without-cluster",
        ),
        pytest.param(
            {**CLUSTER, **ZONE, "HostName": HOST_NAME},
            {"HostNamesAreOfOneKind"},
            id="cluster-with-the-name-of-the-stacks-own-service",
        ),
        pytest.param({**ZONE, **NAMES}, {"HostNamesAreOfOneKind"}, id="names-of-a-cluster-without-cluster"),
        pytest.param(
            {**SHAPES["existing"], "HostName": HOST_NAME}, {"HostNamesAreOfOneKind"}, id="names-of-both-kinds"
        ),
    ],
)
def test_answers_that_do_not_go_together_are_refused(
    template: Json, given: dict[str, str], broken: set[str]
) -> None:
    stack = Stack(template, given)
    assert {rule for rule in template["Rules"] if not stack.rule_allows(rule)} == broken


def test_rule_says_which_parameters_it_is_about(template: Json) -> None:
    for name, rule in template["Rules"].items():
        for assertion in rule["Assertions"]:
            assert names_in(assertion["Assert"]) <= set(re.findall(r"\w+", assertion["AssertDescription"])), (
                name
            )


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("HostName", "app.example.com", True),
        ("HostName", "example.com", True),
        ("HostName", "App.example.com", False),
        ("HostName", "app.example.com.", False),
        ("HostName", "*.example.com", False),
        ("HostName", "app", False),
        ("HostName", "http://app.example.com", False),
        ("HostedZoneId", "Z0123456789ABCDEFGHIJ", True),
        ("HostedZoneId", "/hostedzone/Z0123456789ABCDEFGHIJ", False),
        ("ImageTag", "1.2.3-rc.1", True),
        ("ImageTag", "hello:latest", False),
        ("AllowedCidr", "203.0.113.7/32", True),
        ("AllowedCidr", "203.0.113.7", False),
        ("ExistingCluster", "shop_1-a", True),
        ("ExistingCluster", "arn:aws:ecs:eu-west-1:123456789012:cluster/shop", False),
        ("ExistingRepositories", "team/shop", True),
        ("ExistingRepositories", "shop-*", True),
        ("ExistingRepositories", "*", False),
        ("ExistingRepositories", "*-shop", False),
        ("ExistingRepositories", "shop?", False),
        ("ExistingRepositories", "shop,other", False),
        ("ExistingHostNames", "app.example.com", True),
        ("ExistingHostNames", "*.apps.example.com", True),
        ("ExistingHostNames", "*.com", False),
        ("ExistingHostNames", "*", False),
        ("ExistingHostNames", "app.*.example.com", False),
        ("ExistingHostNames", "*app.example.com", False),
        ("ExistingHostNames", "App.example.com", False),
    ],
)
def test_answer_is_checked_before_anything_is_made(name: str, value: str, *, allowed: bool) -> None:
    # CloudFormation anchors a pattern at both ends (user guide, "Parameters", AllowedPattern).
    assert bool(re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)) is allowed


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"\b(af|ap|ca|eu|il|me|mx|sa|us)(-gov)?-[a-z]+-\d", id="region-or-zone"),
        pytest.param(r"\b\d{12}\b", id="account"),
        pytest.param(r"\barn:aws[a-z-]*:", id="partition"),
        pytest.param(r"\.amazonaws\.com/", id="registry-or-endpoint"),
        pytest.param(r"\b(ami|eni|subnet|sg|vpc|igw|rtb)-[0-9a-f]{8,}\b", id="resource-id"),
    ],
)
def test_template_fixes_no_place(pattern: str) -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    assert [found[0] for found in re.finditer(pattern, text)] == []


def dangling(stack: Stack, value: object) -> Iterator[str]:
    for name in names_in(value):
        if not name.startswith("AWS::") and name not in stack.resources and name not in stack.parameters:
            yield name


def test_no_resource_or_output_refers_to_one_that_is_left_out(any_stack: Stack) -> None:
    for name, each in (any_stack.resources | any_stack.outputs).items():
        assert sorted(dangling(any_stack, each)) == [], name
        awaited = each.get("DependsOn", [])
        awaited = [awaited] if isinstance(awaited, str) else awaited
        assert set(awaited) <= set(any_stack.resources), name


def test_stack_for_an_existing_cluster_is_the_functions_and_nothing_of_the_sample(
    stack: Stack, existing_stack: Stack
) -> None:
    kinds = {each["Type"].split("::")[1] for each in existing_stack.resources.values()}
    assert kinds == {"CloudWatch", "Events", "HostNameRecord", "IAM", "Lambda", "Logs", "SNS", "SQS"}
    assert set(existing_stack.resources) < set(stack.resources)
    assert set(existing_stack.of_type("AWS::IAM::Role")) == {"RedeployServiceRole", "UpdateRecordRole"}
    assert set(existing_stack.of_type("AWS::Logs::LogGroup")) == {"RedeployServiceLogs", "UpdateRecordLogs"}


def test_stack_for_an_existing_cluster_has_no_outputs_of_the_sample(existing_stack: Stack) -> None:
    assert set(existing_stack.outputs) == {
        "Step1OptIn",
        "Step5Why",
        "Step6Replay",
        "Step7Dashboard",
        "NotificationsTopic",
        "ClusterName",
    }
    assert existing_stack.outputs["ClusterName"]["Value"] == {"Ref": "ExistingCluster"}
    shown = existing_stack.outputs["Step1OptIn"]["Value"]["Fn::Sub"]
    assert ":service/${ExistingCluster}/SERVICE --tags key=pushlive:redeploy,value=on-push" in shown


def test_sample_has_no_output_for_other_services(either_stack: Stack) -> None:
    assert "Step1OptIn" not in either_stack.outputs


def test_without_host_names_a_stack_for_an_existing_cluster_is_not_about_records(template: Json) -> None:
    left = str(Stack(template, SHAPES["existing-without-host-names"]).resources)
    assert [word for word in ("route53", "HOSTED_ZONE_ID", "pushlive:hostname") if word in left] == []


def test_without_a_host_name_no_resource_is_about_records(nameless_stack: Stack) -> None:
    left = str(nameless_stack.resources)
    assert [word for word in ("route53", "HOSTED_ZONE_ID", "pushlive:hostname") if word in left] == []


def test_host_name_adds_resources_and_changes_no_more_than_it_must(
    stack: Stack, nameless_stack: Stack
) -> None:
    assert set(nameless_stack.resources) < set(stack.resources)
    changed = {name for name, each in nameless_stack.resources.items() if each != stack.resources[name]}
    # The service's tag, the rules that may put what they could not deliver into the queue, what one looks at.
    assert changed == {"Service", "DeadLettersPolicy", "Dashboard", "DecisionsQuery"}


def test_outputs_are_the_next_commands(either_stack: Stack) -> None:
    shown = {name: str(output["Value"]) for name, output in either_stack.outputs.items()}
    assert set(STEPS) <= set(shown)
    login, build, push = (shown[step] for step in STEPS)
    assert "aws ecr get-login-password" in login
    assert "docker login --username AWS --password-stdin" in login
    assert "docker build --platform" in build
    assert "docker push ${Repository.RepositoryUri}:${ImageTag}" in push
    assert "-t ${Repository.RepositoryUri}:${ImageTag} " in build
    assert all(output["Description"] for output in either_stack.outputs.values())


def test_with_a_host_name_the_last_step_is_its_url(stack: Stack) -> None:
    assert stack.outputs["Step4Url"]["Value"] == {"Fn::Sub": "http://${HostName}:${ContainerPort}/"}
    assert "Step4FindAddress" not in stack.outputs


def test_without_a_host_name_the_last_step_finds_the_address(nameless_stack: Stack) -> None:
    text = nameless_stack.outputs["Step4FindAddress"]["Value"]["Fn::Sub"]
    assert "describe-network-interfaces" in text
    assert "http://ADDRESS:${ContainerPort}/" in text
    assert "Step4Url" not in nameless_stack.outputs


@pytest.mark.parametrize(("architecture", "platform"), [("X86_64", "linux/amd64"), ("ARM64", "linux/arm64")])
def test_image_is_built_for_the_processor_that_the_task_gets(
    template: Json, architecture: str, platform: str
) -> None:
    stack = Stack(template, {"Architecture": architecture})
    assert stack.outputs["Step2Build"]["Value"]["Fn::Sub"][1] == {"Platform": platform}
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    assert definition["RuntimePlatform"]["CpuArchitecture"] == {"Ref": "Architecture"}


def test_nodes_finds_references_however_deep() -> None:
    assert names_in({"a": [{"Fn::Sub": ["${B.Arn} ${own} ${!literal}", {"own": {"Ref": "C"}}]}]}) == {
        "B",
        "C",
    }
    assert {"Ref": "C"} in list(nodes([{"x": {"Ref": "C"}}]))


def test_the_lab_waits_as_many_times_shorter_as_its_time_is_faster(template: Json) -> None:
    """Else a companion is not ready before the lab's health checks, which are faster too, give it up."""
    lab = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))["lab"]["deploy"]["parameters"]
    given = dict(each.split("=") for each in lab["parameter_overrides"].split())
    defaults = Stack(template, {}).parameters
    assert {name: int(value) for name, value in given.items()} == {
        name: math.ceil(defaults[name] / SPEED) for name in ("DrainSeconds", "SettleSeconds", "TtlSeconds")
    }
