"""Parameters in the lab: what AWS would refuse is refused before anything is made; two answers are enough."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lab.identity import REGION
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import HOST_NAME, DeployedStack, quiet
from tests.support import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEED = 40.0
QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.fixture(scope="module")
def stack(built: Path) -> Iterator[DeployedStack]:
    """Nothing is deployed yet."""
    with Lab(speed=SPEED) as lab:
        yield DeployedStack(lab, built)


def create(lab: Lab, template: dict[str, Any], **parameters: str) -> None:
    lab.client("cloudformation").create_stack(
        StackName="small",
        TemplateBody=json.dumps({"Resources": {"Queue": QUEUE}, **template}),
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )


def exists(lab: Lab, name: str) -> bool:
    return name in {each["StackName"] for each in lab.client("cloudformation").describe_stacks()["Stacks"]}


@pytest.mark.parametrize(
    ("constraint", "value"),
    [
        pytest.param({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", id="pattern"),
        pytest.param({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", id="pattern-of-the-whole-value"),
        pytest.param({"Type": "String", "AllowedValues": ["a", "b"]}, "c", id="values"),
        pytest.param({"Type": "String", "MaxLength": 2}, "abc", id="length"),
        pytest.param({"Type": "Number", "MinValue": 1}, "0", id="least"),
        pytest.param({"Type": "Number", "MaxValue": 9}, "10", id="most"),
        pytest.param({"Type": "Number"}, "many", id="number"),
    ],
)
def test_a_parameter_is_refused_in_the_words_of_its_constraint(
    stack: DeployedStack, constraint: dict[str, Any], value: str
) -> None:
    """As AWS says it (aws-cli issue 7750)."""
    parameter = {**constraint, "ConstraintDescription": "give something else"}
    with pytest.raises(ClientError) as refused:
        create(stack.lab, {"Parameters": {"Answer": parameter}}, Answer=value)
    assert refused.value.response["Error"] == {
        "Type": "Sender",
        "Code": "ValidationError",
        "Message": "Parameter Answer failed to satisfy constraint: give something else",
    }
    assert not exists(stack.lab, "small")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param("a", ["No a here."], id="condition-holds-and-assertion-does-not"),
        pytest.param("b", [], id="condition-does-not-hold"),
    ],
)
def test_a_rule_refuses_in_its_own_words(stack: DeployedStack, answer: str, words: list[str]) -> None:
    rule = {
        "RuleCondition": {"Fn::Equals": [{"Ref": "Answer"}, "a"]},
        "Assertions": [
            {"Assert": {"Fn::Contains": [["b", "c"], {"Ref": "Answer"}]}, "AssertDescription": "No a here."}
        ],
    }
    template = {"Parameters": {"Answer": {"Type": "String"}}, "Rules": {"NoA": rule}}
    said = []
    try:
        create(stack.lab, template, Answer=answer)
    except ClientError as error:
        said.append(error.response["Error"]["Message"].partition("failed: ")[2])
    assert said == words
    assert exists(stack.lab, "small") is not bool(words)
    stack.lab.client("cloudformation").delete_stack(StackName="small")


@pytest.mark.parametrize("names", ["", "a", "a,b", "a,b,c"])
def test_a_condition_finds_a_name_by_its_position(stack: DeployedStack, names: str) -> None:
    padded = {"Fn::Split": [",", {"Fn::Join": ["", [{"Ref": "Names"}, ",,"]]}]}
    has = {
        f"Has{number}": {"Fn::Not": [{"Fn::Equals": [{"Fn::Select": [number, padded]}, ""]}]}
        for number in range(3)
    }
    template = {
        "Parameters": {"Names": {"Type": "String"}},
        "Conditions": has,
        "Resources": {"Queue": QUEUE} | {f"Queue{n}": {**QUEUE, "Condition": f"Has{n}"} for n in range(3)},
    }
    create(stack.lab, template, Names=names)
    cloudformation = stack.lab.client("cloudformation")
    made = cloudformation.describe_stack_resources(StackName="small")["StackResources"]
    assert len(made) - 1 == len([name for name in names.split(",") if name])
    cloudformation.delete_stack(StackName="small")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"AllowedCidr": "999.1.1.1/99"}, "Parameter AllowedCidr failed to satisfy constraint: give IPv4"),
        ({"Memory": "8192"}, "With Cpu 256 give Memory 512, 1024 or 2048."),
    ],
    ids=["a-constraint", "a-rule"],
)
def test_sam_shows_the_words_and_nothing_is_made(
    stack: DeployedStack, answers: dict[str, str], words: str
) -> None:
    with pytest.raises(sam.SamError) as refused:
        sam.deploy(stack.lab, stack.build_folder, answers, quiet)
    assert words in " ".join(str(refused.value).split())
    assert not exists(stack.lab, sam.STACK_NAME)
    assert stack.lab.client("ecr").describe_repositories()["repositories"] == []


def test_sam_deploy_needs_no_guide(stack: DeployedStack, tmp_path: Path) -> None:
    """Without parameters, then with two: one question ("Deploy this changeset?"), the profile's region."""
    (tmp_path / "config").write_text(f"[default]\nregion = {REGION}\n", encoding="utf-8")
    environment = {**sam.environment(stack.lab), "AWS_CONFIG_FILE": str(tmp_path / "config")}
    template = str(stack.build_folder / "template.yaml")
    rest = shlex.join(["--config-file", str(sam.ROOT / "samconfig.toml"), "--template-file", template])

    def deploy(line: str) -> dict[str, str]:
        terminal.types(f"echo y | env -u AWS_REGION -u AWS_DEFAULT_REGION {line} {rest}", environment)
        [made] = stack.lab.client("cloudformation").describe_stacks(StackName="pushlive")["Stacks"]
        assert made["StackStatus"].endswith("_COMPLETE")
        return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}

    assert "Step4FindAddress" in deploy("sam deploy")
    overrides = f"HostedZoneId={stack.zone_id} HostName={HOST_NAME}"
    outputs = deploy(f"sam deploy --parameter-overrides {overrides}")
    assert outputs["Step4Url"] == f"http://{HOST_NAME}:8080/"
