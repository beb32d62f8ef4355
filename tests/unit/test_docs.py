"""What the pages tell to type can be typed as it stands, and what they link to is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_comment_stands_behind_a_command(page: Path) -> None:
    """An interactive zsh, macOS's shell, takes it for arguments."""
    lines = re.findall(r"^\$ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [line for line in lines if any(word.startswith("#") for word in shlex.split(line))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_docs_holds_only_pages_and_images() -> None:
    pages = {path for path in PAGES if path.parent.name == "docs"}
    assert set((ROOT / "docs").iterdir()) - pages == {ROOT / "docs" / "images"}
