"""Fixtures of several folders: the SAM CLI, and what it builds, once for all.

All tests, and the processes that they start, run in a time zone that is not UTC, and in the C locale.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.proxies import loopback_directly
from lab.temporary import temporary_folder
from lab.user.sam import OWN

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).parents[1]
RUN_SECONDS = 240

os.environ |= {"TZ": "Asia/Tokyo", "LC_ALL": "C"}
time.tzset()


def pytest_configure(config: pytest.Config) -> None:
    """All that tests leave in TMPDIR, pytest's own folders too, ends with the run."""
    stack = ExitStack()
    stack.enter_context(temporary_folder())
    config.add_cleanup(stack.close)
    os.environ |= loopback_directly(os.environ)


@pytest.fixture(scope="session")
def sam_executable() -> str:
    beside = ROOT / ".venv-sam" / "bin" / "sam"
    found = os.environ.get("SAM") or (str(beside) if beside.exists() else shutil.which("sam"))
    if not found or not shutil.which(found):
        pytest.fail(
            f"No SAM CLI (SAM={os.environ.get('SAM', '')!r}): install requirements/sam.txt into .venv-sam, "
            "put sam on the PATH, or name it in the environment variable SAM"
        )
    return found


@pytest.fixture(scope="session")
def sam(sam_executable: str) -> Run:
    """Runs the SAM CLI, without credentials: nothing here needs an account."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {**OWN, "AWS_DEFAULT_REGION": "us-east-1", "NO_COLOR": "1", "COLUMNS": "200"}

    def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        command = [sam_executable, *arguments]
        return subprocess.run(  # noqa: S603 - no shell, our own words
            command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=RUN_SECONDS
        )

    return run


@pytest.fixture(scope="session")
def built(sam: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefacts of `sam build`, from a copy of the sources: the checkout's own build stays as it is."""
    sources = tmp_path_factory.mktemp("sources")
    for name in ("template.yaml", "pushlive.yaml", "samconfig.toml"):
        shutil.copy(ROOT / name, sources)
    for name in ("functions", "layers"):
        shutil.copytree(ROOT / name, sources / name)
    build = sources / "build"
    done = sam("build", "--build-dir", str(build), cwd=sources)
    assert done.returncode == 0, f"sam build: {done.stdout}\n{done.stderr}"
    return build
