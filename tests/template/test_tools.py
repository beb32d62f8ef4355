"""SAM CLI and cfn-lint accept the template, and samconfig.toml says what they understand."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.template import HTTPS, PUSHLIVE, ROOT, SERVICE, written_template

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

CONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
SETTINGS = [
    pytest.param(command, name, id=f"{environment}-{command}-{name}")
    for environment, commands in CONFIG.items()
    if environment != "version"
    for command, sections in commands.items()
    for name in sections["parameters"]
]


@pytest.mark.parametrize("name", [SERVICE, PUSHLIVE, HTTPS])
def test_sam_validates_the_template(sam: Run, name: str) -> None:
    done = sam("validate", "--lint", "--template", name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_cfn_lint_finds_nothing() -> None:
    # By its Python: a script's first line does not reach every path.
    command = [sys.executable, str(Path(sys.executable).with_name("cfn-lint")), SERVICE, PUSHLIVE, HTTPS]
    done = subprocess.run(  # noqa: S603 - no shell
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_config_has_environments_for_aws_and_for_the_lab() -> None:
    assert CONFIG["version"] == 0.1
    environments = {"default", "lab", "https", "https-lab"}
    assert set(CONFIG) == {"version", *environments}
    assert all(set(section) == {"parameters"} for each in environments for section in CONFIG[each].values())


@pytest.fixture(scope="session")
def options_of(sam: Run) -> Callable[[str], set[str]]:
    known: dict[str, set[str]] = {}

    def options(command: str) -> set[str]:
        if command not in known:
            done = sam(command, "--help")
            assert done.returncode == 0, done.stderr
            words = done.stdout.replace(",", " ").replace("/", " ").split()
            known[command] = {word for word in words if word.startswith("--")}
        return known[command]

    return options


@pytest.mark.parametrize(("command", "name"), SETTINGS)
def test_setting_is_an_option_of_its_command(
    options_of: Callable[[str], set[str]], command: str, name: str
) -> None:
    assert f"--{name.replace('_', '-')}" in options_of(command)


@pytest.mark.parametrize("environment", ["default", "lab"])
def test_overrides_are_parameters_of_the_template(environment: str) -> None:
    overrides = CONFIG[environment]["deploy"]["parameters"].get("parameter_overrides", [])
    pairs = overrides.split() if isinstance(overrides, str) else overrides
    assert {pair.partition("=")[0] for pair in pairs} <= set(written_template(SERVICE)["Parameters"])


@pytest.mark.parametrize("environment", ["default", "lab"])
def test_stack_may_make_its_roles(environment: str) -> None:
    """All names are left to CloudFormation, so CAPABILITY_NAMED_IAM is not asked for."""
    assert (
        CONFIG[environment]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM CAPABILITY_AUTO_EXPAND"
    )
    named = [
        name
        for template in (SERVICE, PUSHLIVE)
        for name, each in written_template(template)["Resources"].items()
        if {"RoleName", "ManagedPolicyName", "UserName", "GroupName"} & set(each.get("Properties", {}))
    ]
    assert named == []
