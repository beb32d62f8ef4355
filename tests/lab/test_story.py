"""What a run leaves in its folder."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from lab.story import Story

if TYPE_CHECKING:
    from pathlib import Path


def test_the_logs_of_two_runs_at_once_are_not_mixed(tmp_path: Path) -> None:
    first, second = (Story(Console(file=io.StringIO()), tmp_path) for _ in range(2))
    second.progress("of the second")
    first.progress("of the first")
    for story in (first, second):
        story.close()
    assert (tmp_path / "demo.log").read_text() == "of the second\n"
