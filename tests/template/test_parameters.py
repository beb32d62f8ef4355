"""What `sam deploy --guided` asks, and what the stack makes of the answers."""

from __future__ import annotations

import math
import re
import shlex
import tomllib
from itertools import chain
from typing import TYPE_CHECKING

import jmespath  # type: ignore[import-untyped]
import pytest

from lab.starting import SPEED
from lab.template import (
    HOST_NAME,
    HOSTED_ZONE_ID,
    HTTPS,
    PUSHLIVE,
    ROOT,
    SERVICE,
    SHAPES,
    Json,
    Stack,
    fill,
    names_in,
    nodes,
    written_template,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATES = {name: written_template(name) for name in (SERVICE, PUSHLIVE, HTTPS)}
PARAMETERS: Json = {
    name: parameter
    for template in (HTTPS, PUSHLIVE, SERVICE)
    for name, parameter in TEMPLATES[template]["Parameters"].items()
}
NEEDED = {"ClusterName", "Repositories", "OriginName"}
STEPS = ("Step1Login", "Step2Build", "Step3Push")


def as_text(value: object) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_described(name: str) -> None:
    assert len(PARAMETERS[name].get("Description", "")) > len(name)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_has_a_default_that_it_allows_where_one_can_be(name: str) -> None:
    parameter = PARAMETERS[name]
    if name in NEEDED:
        assert "Default" not in parameter
        return
    default = as_text(parameter["Default"])
    assert re.search(parameter.get("AllowedPattern", ""), default)
    assert default in [as_text(value) for value in parameter.get("AllowedValues", [default])]
    if parameter["Type"] == "Number" and "MinValue" in parameter:
        assert parameter["MinValue"] <= parameter["Default"] <= parameter["MaxValue"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_says_in_words_what_it_allows(name: str) -> None:
    """CloudFormation shows it behind "Parameter … failed to satisfy constraint: "."""
    assert PARAMETERS[name]["ConstraintDescription"].startswith("give ")


@pytest.mark.parametrize("name", [name for name in PARAMETERS if "AllowedValues" in PARAMETERS[name]])
def test_words_name_each_value_that_is_allowed(name: str) -> None:
    values = {as_text(value) for value in PARAMETERS[name]["AllowedValues"]}
    assert set(re.split(r", | or |give ", PARAMETERS[name]["ConstraintDescription"])) - {""} == values


@pytest.mark.parametrize("name", [name for name in PARAMETERS if "MinValue" in PARAMETERS[name]])
def test_words_name_the_limits(name: str) -> None:
    parameter = PARAMETERS[name]
    assert f"from {parameter['MinValue']} to {parameter['MaxValue']}" in parameter["ConstraintDescription"]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_each_parameter_is_used(template: Json) -> None:
    parts = [template.get(part) for part in ("Globals", "Conditions", "Resources", "Outputs")]
    assert set(template["Parameters"]) <= names_in(parts)


def test_parameter_of_both_templates_is_the_same_in_both() -> None:
    service, pushlive = (TEMPLATES[name]["Parameters"] for name in (SERVICE, PUSHLIVE))
    assert {name for name in service if name in pushlive and service[name] != pushlive[name]} == set()


def test_service_gives_pushlive_each_parameter() -> None:
    """But ProbePort: its tasks have a readiness sidecar."""
    nested = TEMPLATES[SERVICE]["Resources"]["Pushlive"]["Properties"]
    given = {"ClusterName": "Cluster", "Repositories": "Repository", "HostNames": "HostName"}
    assert nested["Parameters"] == {
        name: {"Ref": given.get(name, name)}
        for name in TEMPLATES[PUSHLIVE]["Parameters"]
        if name != "ProbePort"
    }


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_each_parameter_is_asked_in_one_group(template: Json) -> None:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    asked = [name for group in groups for name in group["Parameters"]]
    assert sorted(asked) == sorted(template["Parameters"])
    assert all(group["Label"]["default"] for group in groups)


ZONE = {"HostedZoneId": HOSTED_ZONE_ID}


@pytest.mark.parametrize(
    ("name", "given", "broken"),
    [
        *(pytest.param(name, given, set(), id=shape) for shape, (name, given) in SHAPES.items()),
        pytest.param(SERVICE, ZONE, {"HostNameNeedsItsZone"}, id="zone-without-name"),
        pytest.param(SERVICE, {"HostName": HOST_NAME}, {"HostNameNeedsItsZone"}, id="name-without-zone"),
        pytest.param(PUSHLIVE, ZONE, {"HostNamesNeedTheirZone"}, id="zone-without-names"),
        pytest.param(PUSHLIVE, {"HostNames": HOST_NAME}, {"HostNamesNeedTheirZone"}, id="names-without-zone"),
    ],
)
def test_answers_that_do_not_go_together_are_refused(
    templates: dict[str, Json], name: str, given: dict[str, str], broken: set[str]
) -> None:
    stack = Stack(templates[name], given)
    assert {rule for rule in stack.template["Rules"] if not stack.rule_allows(rule)} == broken


# MiB for each number of CPU units: ECS guide, "Troubleshoot Amazon ECS task definition invalid CPU or memory
# errors".
FARGATE = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4096 + 1, 1024)),
    1024: set(range(2048, 8192 + 1, 1024)),
    2048: set(range(4096, 16384 + 1, 1024)),
    4096: set(range(8192, 30720 + 1, 1024)),
    8192: set(range(16384, 61440 + 1, 4096)),
    16384: set(range(32768, 122880 + 1, 8192)),
}


def test_each_size_of_fargate_is_allowed(template: Json) -> None:
    assert [int(each) for each in PARAMETERS["Cpu"]["AllowedValues"]] == list(FARGATE)
    sizes = set.union(*FARGATE.values())
    assert all(re.fullmatch(PARAMETERS["Memory"]["AllowedPattern"], str(size)) for size in sizes)
    for cpu, taken in FARGATE.items():
        rule = f"MemoryFor{cpu}Cpu"
        allowed = {
            size
            for size in sizes | {511, 1025}
            if Stack(template, {"Cpu": str(cpu), "Memory": str(size)}).rule_allows(rule)
        }
        assert allowed == taken


@pytest.mark.parametrize("cpu", FARGATE)
def test_memory_that_fargate_does_not_take_is_refused_in_words(template: Json, cpu: int) -> None:
    stack = Stack(template, {"Cpu": str(cpu), "Memory": "511"})
    [broken] = [name for name in template["Rules"] if not stack.rule_allows(name)]
    [assertion] = template["Rules"][broken]["Assertions"]
    words = assertion["AssertDescription"]
    assert words.startswith(f"With Cpu {cpu} give Memory ")
    assert {min(FARGATE[cpu]), max(FARGATE[cpu])} <= set(map(int, re.findall(r"\d+", words)))


def test_rule_says_which_parameters_it_is_about() -> None:
    for name, rule in chain(*(template["Rules"].items() for template in TEMPLATES.values())):
        for assertion in rule["Assertions"]:
            about = {each for each in names_in(assertion["Assert"]) if not each.startswith("AWS::")}
            assert about <= set(re.findall(r"\w+", assertion["AssertDescription"])), name


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
        ("HostName", "203.0.113.7", False),
        ("HostName", f"{'a' * 63}.example.com", True),
        ("HostName", f"{'a' * 64}.example.com", False),
        ("HostName", f"{'a.' * 116}example.com", True),  # with _pushlive. before it 253, the most there is
        ("HostName", f"{'a.' * 116}example.comm", False),
        ("HostedZoneId", "Z0123456789ABCDEFGHIJ", True),
        ("HostedZoneId", "/hostedzone/Z0123456789ABCDEFGHIJ", False),
        ("ImageTag", "1.2.3-rc.1", True),
        ("ImageTag", "hello:latest", False),
        ("ImageTag", "a" * 128, True),
        ("ImageTag", "a" * 129, False),
        ("AllowedCidr", "203.0.113.7/32", True),
        ("AllowedCidr", "255.255.255.255/32", True),
        ("AllowedCidr", "203.0.113.128/25", True),
        ("AllowedCidr", "203.0.113.1/25", True),  # EC2 makes it 203.0.113.0/25
        ("AllowedCidr", "203.0.113.0/24", True),
        ("AllowedCidr", "203.0.113.7/24", False),
        ("AllowedCidr", "203.0.113.0/17", True),
        ("AllowedCidr", "10.1.0.0/16", True),
        ("AllowedCidr", "10.1.2.0/16", False),
        ("AllowedCidr", "10.1.0.0/9", True),
        ("AllowedCidr", "10.0.0.0/8", True),
        ("AllowedCidr", "10.0.0.1/8", False),
        ("AllowedCidr", "10.1.0.0/8", False),
        ("AllowedCidr", "128.0.0.0/1", True),
        ("AllowedCidr", "0.0.0.0/0", True),
        ("AllowedCidr", "10.0.0.0/0", False),
        ("AllowedCidr", "203.0.113.7", False),
        ("AllowedCidr", "203.0.113.7/33", False),
        ("AllowedCidr", "203.0.113.7/032", False),
        ("AllowedCidr", "203.0.113/24", False),
        ("AllowedCidr", "999.1.1.1/99", False),
        ("AllowedCidr", "203.0.113.07/32", False),
        ("AllowedCidr", "2001:db8::/32", False),
        ("EnvironmentFile", "arn:aws:s3:::shop-settings/live/app.env", True),
        ("EnvironmentFile", "arn:aws-us-gov:s3:::shop/.env", True),
        ("EnvironmentFile", "s3://shop-settings/app.env", False),
        ("EnvironmentFile", "arn:aws:s3:::shop-settings/app.txt", False),  # ECS guide: it must end with .env
        ("EnvironmentFile", "arn:aws:s3:::shop-settings/*.env", False),  # it is a resource of a policy, too
        ("EnvironmentFile", "arn:aws:s3:::shop*/app.env", False),
        ("EnvironmentFile", "arn:aws:s3:::app.env", False),
        ("Secrets", "DATABASE_URL", True),
        ("Secrets", "DATABASE_URL,API_KEY", True),
        ("Secrets", "A,B,C,D,E", True),
        ("Secrets", "A,B,C,D,E,F", False),
        ("Secrets", "DATABASE_URL, API_KEY", False),
        ("Secrets", "DATABASE_URL,", False),
        ("Secrets", "DATABASE-URL", False),
        ("Secrets", "1ST", False),
        ("Secrets", "/shop/DATABASE_URL", False),
        ("Secrets", "A,B,A", False),
        ("Secrets", "A,A", False),
        ("Secrets", "A,AB,B,B_A,BA", True),
        ("Secrets", "PORT", False),
        ("Secrets", "A,DRAIN_SECONDS", False),
        ("Secrets", "DB_PORT,PORT_2", True),
        ("ClusterName", "shop_1-a", True),
        ("ClusterName", "arn:aws:ecs:eu-west-1:123456789012:cluster/shop", False),
        ("Repositories", "team/shop", True),
        ("Repositories", "shop-*", True),
        ("Repositories", "*", False),
        ("Repositories", "*-shop", False),
        ("Repositories", "shop?", False),
        ("Repositories", "shop,other", False),
        ("HostNames", "app.example.com", True),
        ("HostNames", "*.apps.example.com", True),
        ("HostNames", "*.com", False),
        ("HostNames", "*", False),
        ("HostNames", "app.*.example.com", False),
        ("HostNames", "*app.example.com", False),
        ("HostNames", "App.example.com", False),
    ],
)
def test_answer_is_checked_before_anything_is_made(name: str, value: str, *, allowed: bool) -> None:
    # CloudFormation anchors a pattern at both ends (user guide, "Parameters", AllowedPattern).
    parameter = PARAMETERS[name]
    fits = len(value) <= parameter.get("MaxLength", 4096)
    assert bool(fits and re.fullmatch(parameter["AllowedPattern"], value)) is allowed


@pytest.mark.parametrize("place", range(4))
def test_an_octet_of_the_allowed_addresses_goes_from_0_to_255(place: int) -> None:
    allowed = re.compile(PARAMETERS["AllowedCidr"]["AllowedPattern"])
    octets = [
        octet
        for octet in range(1100)
        if allowed.fullmatch(".".join(["1"] * place + [str(octet)] + ["1"] * (3 - place)) + "/32")
    ]
    assert octets == list(range(256))


@pytest.mark.parametrize(
    "pattern",
    [
        # us-east-1 has a zone without ARM64, which the template avoids.
        pytest.param(r"\b(?!us-east-1\b)(af|ap|ca|eu|il|me|mx|sa|us)(-gov)?-[a-z]+-\d", id="region-or-zone"),
        pytest.param(r"\b\d{12}\b", id="account"),
        pytest.param(r"\barn:aws[a-z-]*:(?!s3:::BUCKET)", id="partition"),
        pytest.param(r"\.amazonaws\.com/", id="registry-or-endpoint"),
        pytest.param(r"\b(ami|eni|subnet|sg|vpc|igw|rtb)-[0-9a-f]{8,}\b", id="resource-id"),
    ],
)
def test_templates_fix_no_place(pattern: str) -> None:
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in TEMPLATES)
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


def test_pushlive_is_the_functions_and_what_they_need(pushlive_stack: Stack) -> None:
    kinds = {each["Type"].split("::")[1] for each in pushlive_stack.resources.values()}
    assert kinds == {"CloudWatch", "Events", "HostNameRecords", "IAM", "Lambda", "Logs", "SNS", "SQS"}


def test_pushlive_says_how_a_service_opts_in(pushlive_stack: Stack) -> None:
    shown = pushlive_stack.outputs["Step1OptIn"]["Value"]["Fn::Sub"]
    assert ":service/${ClusterName}/SERVICE --tags key=pushlive:redeploy,value=on-push" in shown


def test_service_shows_the_next_commands_of_pushlive(stack: Stack, pushlive_stack: Stack) -> None:
    names = {"Step6Replay", "Step7Dashboard", "NotificationsTopic"}
    shown = {name: {"Fn::GetAtt": ["Pushlive", f"Outputs.{name}"]} for name in names}
    assert {name: stack.outputs[name]["Value"] for name in names} == shown
    assert names <= set(pushlive_stack.outputs)


@pytest.mark.parametrize("shape", ["service-without-host-name", "pushlive-without-host-names"])
def test_without_a_host_name_no_resource_is_about_records(shapes: dict[str, Stack], shape: str) -> None:
    left = str(shapes[shape].resources)
    assert [word for word in ("route53", "HOSTED_ZONE_ID", "pushlive:hostname") if word in left] == []


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param("service", {"Service"}, id="its-tag"),
        # The rules that may put what they could not deliver into the queue, what one looks at.
        pytest.param(
            "pushlive", {"DeadLettersPolicy", "Dashboard", "DecisionsQuery"}, id="the-queue-and-the-sight"
        ),
    ],
)
def test_host_name_adds_resources_and_changes_no_more_than_it_must(
    shapes: dict[str, Stack], shape: str, expected: set[str]
) -> None:
    named = shapes[shape].resources
    nameless = next(each for name, each in shapes.items() if name.startswith(f"{shape}-without")).resources
    assert set(nameless) < set(named)
    assert {name for name, each in nameless.items() if each != named[name]} == expected


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
    values = {**nameless_stack.parameters, "AWS::Region": "eu-west-1", "TaskSecurityGroup.GroupId": "sg-1"}
    words = shlex.split(fill(nameless_stack.outputs["Step4FindAddress"]["Value"], values))
    assert words[:3] == ["aws", "ec2", "describe-network-interfaces"]
    interfaces = [{"Association": {"PublicIp": "203.0.113.7"}}, {"Status": "pending"}]
    query = words[words.index("--query") + 1]
    assert jmespath.search(query, {"NetworkInterfaces": interfaces}) == ["http://203.0.113.7:8080/"]
    assert "Step4Url" not in nameless_stack.outputs


def test_no_output_has_a_comment_behind_its_command(any_stack: Stack) -> None:
    """An interactive zsh, macOS's shell, takes it for arguments."""
    for name, output in any_stack.outputs.items():
        for text in (each for each in nodes(output["Value"]) if isinstance(each, str)):
            assert [word for word in shlex.split(text) if word.startswith("#")] == [], name


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
    """Else a drain sidecar is not ready before the lab's health checks, which are faster too, give it up."""
    lab = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))["lab"]["deploy"]["parameters"]
    given = dict(each.split("=") for each in lab["parameter_overrides"].split())
    defaults = Stack(template, {}).parameters
    assert {name: int(value) for name, value in given.items()} == {
        name: math.ceil(defaults[name] / SPEED) for name in ("DrainSeconds", "MinReadySeconds", "TtlSeconds")
    }
