"""What `make lab` tells to paste, in each shell that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.user import sam, walk

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "PUSHLIVE_DNS_SERVER": "127.0.0.1:53"}
PARAMETERS = sam.parameters("Z123", walk.HOST_NAME, 20)
SHELLS = [shell for shell in ("bash", "zsh", "dash") if shutil.which(shell)]


def parts(root: Path, *, docker: bool = False) -> list[walk.Part]:
    return list(walk.parts(root, ENVIRONMENT, sam.STACK_NAME, PARAMETERS, docker=docker, foreign={"AWS_FOO"}))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["plain", "a space", "it's", 'a "quote" and $HOME', "é"])
@pytest.mark.parametrize("proxy", ["", "corp.example.com"], ids=["no-exceptions-before", "some-before"])
def test_the_variables_are_right_in_each_shell(shell: str, name: str, proxy: str, tmp_path: Path) -> None:
    root = tmp_path / name
    root.mkdir()
    variables = parts(root)[0].lines
    show = ["PATH", "NO_PROXY", "no_proxy", *ENVIRONMENT]
    anothers = {"AWS_PROFILE": "theirs", "AWS_FOO": "theirs"}
    script = "\n".join([*variables, *(f'printf "%s\\n" "${name}"' for name in show), "pwd", "env"])
    done = subprocess.run(  # noqa: S603 - our own lines
        [shell, "-ec", script],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_PROXY": proxy} | anothers,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    path, no_proxy, same, *others = done.stdout.splitlines()
    others, left = others[: len(ENVIRONMENT) + 1], others[len(ENVIRONMENT) + 1 :]
    assert path.split(":")[:3] == [f"{root}/{each}/bin" for each in (".venv", ".venv-sam", ".venv-aws")]
    assert path.endswith(f":{os.environ['PATH']}")
    assert no_proxy.split(",") == [*walk.NO_PROXY.split(","), *([proxy] if proxy else [])]
    assert same == no_proxy
    assert others == [*ENVIRONMENT.values(), str(root)]
    assert [line for line in left if line.startswith(tuple(anothers))] == []


@pytest.mark.parametrize("docker", [False, True], ids=["processes", "containers"])
def test_a_line_is_a_command_and_nothing_else(docker: bool, tmp_path: Path) -> None:  # noqa: FBT001
    lines = [line for part in parts(tmp_path, docker=docker) for line in part.lines]
    assert [line for line in lines if "#" in line or "\n" in line or line != line.strip()] == []
    pushes = [line for line in lines if "$IMAGE" in line]
    assert ["docker push" in line for line in pushes] == [docker, docker]


def test_the_stack_s_times_pass_as_fast_as_the_lab_s() -> None:
    assert sam.parameters("Z123", "a.example.com", 20) == {
        "HostedZoneId": "Z123",
        "HostName": "a.example.com",
        "DrainSeconds": "5",
        "MinReadySeconds": "1",
        "TtlSeconds": "1",
    }
