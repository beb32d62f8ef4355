"""What `sam deploy --guided` asks, and what the stack makes of the answers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.template.stack import (
    HOST_NAME,
    HOSTED_ZONE_ID,
    ROOT,
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


@pytest.mark.parametrize(
    ("zone", "name", "allowed"),
    [
        pytest.param("", "", True, id="neither-works-without-a-record"),
        pytest.param(HOSTED_ZONE_ID, HOST_NAME, True, id="both-make-the-record"),
        pytest.param(HOSTED_ZONE_ID, "", False, id="zone-without-name-is-refused"),
        pytest.param("", HOST_NAME, False, id="name-without-zone-is-refused"),
    ],
)
def test_host_name_and_zone_go_together(template: Json, zone: str, name: str, *, allowed: bool) -> None:
    stack = Stack(template, {"HostedZoneId": zone, "HostName": name})
    assert stack.rule_allows("HostNameNeedsItsZone") is allowed
    assert stack.true("HasHostName") is bool(zone and name)
    assert stack.true("HasNoHostName") is not stack.true("HasHostName")


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


def test_no_resource_or_output_refers_to_one_that_is_left_out(either_stack: Stack) -> None:
    for name, each in (either_stack.resources | either_stack.outputs).items():
        assert sorted(dangling(either_stack, each)) == [], name
        awaited = each.get("DependsOn", [])
        awaited = [awaited] if isinstance(awaited, str) else awaited
        assert set(awaited) <= set(either_stack.resources), name


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
