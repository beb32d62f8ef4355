"""The Makefile before and after the real work: which Python will do, any folder, and nothing left."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# As much of a Python as the Makefile asks for. It makes environments that hold itself.
PYTHON = """#!/bin/sh
case "$*" in
*version_info*) exit {too_old} ;;
*platform*) echo 3.9.18 ;;
*ensurepip*) exit {no_venv} ;;
*"-m venv"*) for folder; do :; done; mkdir -p "$folder/bin/lib"; cp "$0" "$folder/bin/python" ;;
*"-m pip"*) echo "Collecting everything"; exit {no_network} ;;
*"-P -m"* | *commands.why*) echo "$@" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as the Makefile asks for, where few would put one."""
    folder = tmp_path / "a b's \"é$HOME"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    return folder


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - ours
        ["make", *arguments],  # noqa: S607 - the one that people have
        cwd=clone,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        capture_output=True,
        text=True,
        check=False,
    )


def python(clone: Path, *, too_old: int = 0, no_venv: int = 0, no_network: int = 0) -> str:
    made = clone / "its python"
    made.write_text(PYTHON.format(too_old=too_old, no_venv=no_venv, no_network=no_network))
    made.chmod(0o755)
    return f"PYTHON=./{made.name}"


def test_an_old_python_is_refused_in_one_line(clone: Path) -> None:
    done = make(clone, python(clone, too_old=1), "demo")
    said, _makes = done.stderr.splitlines()
    assert said == (
        "pushlive needs Python 3.11 or later. ./its python is 3.9.18."
        " Name another one, as in: make PYTHON=python3.12 demo"
    )
    assert (done.returncode, done.stdout, list(clone.glob(".venv*"))) == (2, "", [])


def test_a_python_that_is_not_there_is_refused_in_one_line(clone: Path) -> None:
    done = make(clone, "PYTHON=no-such-python", "test")
    said, _makes = done.stderr.splitlines()
    assert "no-such-python is not there. Name another one, as in: make PYTHON=python3.12 test" in said
    assert (done.returncode, done.stdout, list(clone.glob(".venv*"))) == (2, "", [])


def test_a_python_without_venv_is_refused_with_what_to_install(clone: Path) -> None:
    done = make(clone, python(clone, no_venv=1), "lab")
    said, _makes = done.stderr.splitlines()
    assert said.startswith("./its python cannot make virtual environments. Install its venv (on Debian")
    assert (done.returncode, done.stdout, list(clone.glob(".venv*"))) == (2, "", [])


@pytest.mark.parametrize(
    ("command", "module"), [(".venv-sam/bin/sam", "samcli"), (".venv-aws/bin/aws", "awscli")]
)
def test_a_command_runs_in_any_folder(clone: Path, command: str, module: str) -> None:
    done = make(clone, python(clone), f"{command.partition('/')[0]}/installed")
    assert done.returncode == 0, done.stderr
    said = subprocess.run([clone / command, "a b", "c"], capture_output=True, text=True, check=True)  # noqa: S603
    assert said.stdout == f"-P -m {module} a b c\n"


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ([], "-m commands.why"),
        (["STACK=shop"], "-m commands.why shop"),
        (["STACK=shop", "JSON=1"], "-m commands.why shop --json"),
    ],
    ids=["the-stack-of-samconfig", "another-stack", "as-json"],
)
def test_why_is_asked_with_the_variables_of_make(clone: Path, variables: list[str], command: str) -> None:
    done = make(clone, python(clone), "why", *variables)
    assert done.stdout.splitlines()[-1] == command, done.stderr


def test_an_installation_that_failed_is_not_taken_for_one(clone: Path) -> None:
    assert make(clone, python(clone, no_network=1), ".venv-sam/installed").returncode == 2
    assert not (clone / ".venv-sam" / "installed").exists()


def test_clean_removes_what_git_ignores(clone: Path) -> None:
    before = set(clone.iterdir())
    for pattern in (ROOT / ".gitignore").read_text().split():
        for name in (pattern.replace("*", ""), pattern.replace("*", "-sam")):
            (clone / name).mkdir(exist_ok=True)
    (clone / "requirements" / "__pycache__").mkdir()
    assert make(clone, "clean").returncode == 0
    assert set(clone.rglob("*")) == before | set((clone / "requirements").glob("*.*"))
