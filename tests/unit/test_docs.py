"""What the pages tell to type can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_comment_stands_behind_a_command(page: Path) -> None:
    """An interactive zsh, macOS's shell, takes it for arguments."""
    lines = re.findall(r"^\$ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [line for line in lines if any(word.startswith("#") for word in shlex.split(line))] == []
