"""A person at a terminal: types a line, and finds the commands of a document to type."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.user import sam

if TYPE_CHECKING:
    from collections.abc import Mapping

COMMAND_SECONDS = 120
SECTION = re.compile(r"^## (?P<title>.+?)$(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)
TO_FILL_IN = re.compile(r"\b[A-Z]{3,}(?:_[A-Z]+)*\b")


def types(line: str, environment: Mapping[str, str]) -> str:
    """What the command line prints, with the checkout's own aws and sam; its failure fails the test."""
    own = [sam.ROOT / ".venv-aws" / "bin", Path(sam.executable()).parent]
    path = os.pathsep.join([*map(str, own), os.environ["PATH"]])
    done = subprocess.run(  # noqa: S603 - the project's own lines
        ["bash", "-eo", "pipefail", "-c", line],  # noqa: S607
        cwd=sam.ROOT,
        env={**os.environ, **environment, "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}"
    return done.stdout


def types_python(line: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """How a line `python3 ...` ends, by the Python of the tests, which has what our commands need."""
    python, *words = shlex.split(line, comments=True)
    assert python == "python3"
    return subprocess.run(  # noqa: S603 - no shell, the project's own lines
        [sys.executable, *words],
        cwd=sam.ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )


def commands(document: Path) -> dict[str, list[str]]:
    """The lines that a document tells to type, by the title of their section."""
    text = document.read_text(encoding="utf-8")
    return {found["title"]: COMMAND.findall(found["text"]) for found in SECTION.finditer(text)}


def filled_in(line: str, words: Mapping[str, str]) -> str:
    """The line with a word for each in capitals."""
    return TO_FILL_IN.sub(lambda found: words[found[0]], line)
