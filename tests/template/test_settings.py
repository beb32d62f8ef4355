"""The page's parameters; settings and secrets: what tasks get, and what the role that starts them may do."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from lab.template import ACCOUNT, PARTITION, REGION, ROOT, SERVICE, Json, Stack, fill, written_template

PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
FILE = "arn:aws:s3:::shop-settings/live/app.env"
PARAMETERS = f"arn:{PARTITION}:ssm:{REGION}:{ACCOUNT}:parameter/shop"


def in_stack_shop(stack: Stack, value: Any) -> Any:
    """`value` as it is in a stack of that name."""
    pseudo = {"Partition": PARTITION, "Region": REGION, "AccountId": ACCOUNT, "StackName": "shop"}
    return fill(value, {**stack.parameters, **{f"AWS::{name}": text for name, text in pseudo.items()}})


def container(stack: Stack, name: str = "app") -> Json:
    [definition] = stack.of_type("AWS::ECS::TaskDefinition").values()
    [found] = [each for each in definition["ContainerDefinitions"] if each["Name"] == name]
    return dict(found)


def statements(stack: Stack) -> dict[str, list[tuple[str, str]]]:
    """Policy of the role that starts tasks to actions and their resource, without what every task needs."""
    role = stack.of_type("AWS::IAM::Role")["TaskExecutionRole"]
    found = {
        policy["PolicyName"]: in_stack_shop(stack, policy["PolicyDocument"])["Statement"]
        for policy in role["Policies"]
        if policy["PolicyName"] != "pull-and-log"
    }
    assert all(each.keys() == {"Effect", "Action", "Resource"} for each in chain(*found.values()))
    return {name: [(each["Action"], each["Resource"]) for each in listed] for name, listed in found.items()}


def test_the_pages_table_has_each_parameter_with_its_default() -> None:
    shown: dict[str, str] = {}
    for titles, defaults in re.findall(r"^\| (`.+?`) \| ([^|]+) \|", PAGE, flags=re.MULTILINE):
        names, values = re.findall(r"\w+", titles), defaults.split(", ")
        shown |= dict(zip(names, values if len(values) > 1 else values * len(names), strict=True))
    parameters = written_template(SERVICE)["Parameters"]
    assert shown == {name: str(each["Default"]) or "none" for name, each in parameters.items()}


@pytest.mark.parametrize("names", ["", "A", "DATABASE_URL,API_KEY", "A,B,C", "A,B,C,D", "A,B,C,D,E"])
def test_each_secret_is_the_parameter_of_its_name_below_the_stacks(template: Json, names: str) -> None:
    stack = Stack(template, {"Secrets": names})
    assert in_stack_shop(stack, container(stack)["Secrets"]) == [
        {"Name": name, "ValueFrom": f"{PARAMETERS}/{name}"} for name in names.split(",") if name
    ]
    assert "Secrets" not in container(stack, "drain-sidecar")


def test_a_file_of_settings_is_named_where_it_is_given(template: Json) -> None:
    stack = Stack(template, {"EnvironmentFile": FILE})
    assert in_stack_shop(stack, container(stack)["EnvironmentFiles"]) == [{"Type": "s3", "Value": FILE}]
    assert "EnvironmentFiles" not in container(Stack(template, {}))


@pytest.mark.parametrize(
    ("given", "granted"),
    [
        pytest.param({}, {}, id="nothing-for-none"),
        pytest.param(
            {"Secrets": "A,B"},
            {"read-secrets": [("ssm:GetParameters", f"{PARAMETERS}/*")]},
            id="the-stacks-parameters-for-secrets",
        ),
        pytest.param(
            {"EnvironmentFile": FILE},
            {
                "read-environment-file": [
                    ("s3:GetObject", FILE),
                    ("s3:GetBucketLocation", "arn:aws:s3:::shop-settings"),
                ]
            },
            id="one-object-and-its-bucket-for-a-file",
        ),
    ],
)
def test_role_that_starts_tasks_may_read(
    template: Json, given: dict[str, str], granted: dict[str, list[tuple[str, str]]]
) -> None:
    assert statements(Stack(template, given)) == granted


def test_the_pages_additions_to_the_template_are_right(tmp_path: Path) -> None:
    kms, policies = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    below_secrets = re.compile(r"(Action: ssm:GetParameters\n +Resource: .*\n)")
    below_task_role = re.compile(r"(\n  TaskRole:.*?\n)(?=\n  TaskDefinition:)", re.DOTALL)
    assert len(below_secrets.findall(text)) == len(below_task_role.findall(text)) == 1
    for place, addition in ((below_secrets, kms), (below_task_role, policies)):
        text = place.sub(lambda found, addition=addition: found[1] + addition, text)  # type: ignore[misc]
    resources = yaml_parse(text)["Resources"]
    [policy] = resources["TaskRole"]["Properties"]["Policies"]
    assert policy["PolicyDocument"]["Statement"][0]["Action"] == ["s3:GetObject", "s3:PutObject"]
    *_, secrets = resources["TaskExecutionRole"]["Properties"]["Policies"]
    granted = secrets["Fn::If"][1]["PolicyDocument"]["Statement"]
    assert [each["Action"] for each in granted] == ["ssm:GetParameters", "kms:Decrypt"]
    (tmp_path / "template.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - no shell
        [str(Path(sys.executable).with_name("cfn-lint")), str(tmp_path / "template.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
