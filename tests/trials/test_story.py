"""How the demo is told: what is awaited is seen, and the figures are those of the page."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

from rich.console import Console

from lab.user import sam
from lab.waiting import until
from tests.support.recorded_run import ours
from trials.demo.demo import note_visits
from trials.demo.story import Step, Story
from trials.picture.words import figures

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def piped() -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=80), written


def test_where_output_is_piped_a_long_silence_says_what_is_awaited(tmp_path: Path) -> None:
    console, written = piped()
    story = Story(console, tmp_path, silence_seconds=0.05)

    def said(words: str) -> bool:
        return any(line.endswith(f" s: {words}") for line in written.getvalue().splitlines())

    with story.step("A step"):
        with story.awaiting("sam build"):
            story.progress("Building codeuri")
            until(lambda: said("sam build"), "the words")
        story.until(lambda: said("waiting for the rollback"), "the rollback")
    story.close()
    assert "Building codeuri" not in written.getvalue()
    assert "Building codeuri" in (tmp_path / "demo.log").read_text(encoding="utf-8")


def test_what_is_said_breaks_the_silence(tmp_path: Path) -> None:
    console, written = piped()
    story = Story(console, tmp_path, silence_seconds=60)
    with story.step("A step"), story.awaiting("nothing"):
        story.say("something")
    story.close()
    assert [line.strip() for line in written.getvalue().splitlines()][:2] == ["A step", "something"]
    assert "nothing" not in written.getvalue()


def test_a_terminal_shows_what_is_awaited_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    story = Story(Console(file=io.StringIO(), force_terminal=True, width=30), tmp_path)
    monkeypatch.setattr(story._status, "update", shown.append)
    with story.step("A step"):
        with story.awaiting("sam build"):
            story.progress("Building codeuri: a long line of a tool")
            story.progress("---------")
        story.until(lambda: True, "the rollback")
    story.close()
    assert [text.removeprefix("[dim]").removesuffix("[/]") for text in shown] == [
        "",
        "sam build",
        "sam build: Building codeuri:",
        "",
        "waiting for the rollback",
        "",
    ]


def test_terminal_and_page_count_the_same_visits() -> None:
    recording = ours()
    steps = [Step("0. before", recording.began_at - 5)]
    steps += [Step(f"{n}. {phase.title}", phase.began_at) for n, phase in enumerate(recording.phases, 1)]
    note_visits(steps, recording)
    page = figures(recording)
    assert sum(step.visits for step in steps) == page["requests"]["total"]
    assert sum(step.failed_visits for step in steps) == page["requests"]["failed"] > 0
    answered = {
        step.measured["push → first answer of the new version"]
        for step in steps
        if "push → first answer of the new version" in step.measured
    }
    shown = {push["first_answer_after"] for push in page["pushes"]} - {None}
    assert {round(seconds, 3) for seconds in answered} == shown
    assert (steps[0].visits, steps[0].measured) == (0, {})


COMPLAINT = """
import logging, sys
from pathlib import Path
from lab.starting import keep_complaints
from lab import ministack
keep_complaints(Path(sys.argv[1]))
ministack.configure(4566, 1, Path(sys.argv[1]).parent / "ministack")
ministack.application()
for name in ("ministack", "lambda", "asyncio"):
    logging.getLogger(name).error("a complaint of %s", name)
"""


def test_what_ministack_complains_of_is_in_the_file_only(tmp_path: Path) -> None:
    log = tmp_path / "lab.log"
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", COMPLAINT, str(log)], cwd=sam.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
    assert log.read_text(encoding="utf-8").count("a complaint of") == 3


def test_the_logs_of_two_runs_at_once_are_not_mixed(tmp_path: Path) -> None:
    first, second = (Story(Console(file=io.StringIO()), tmp_path) for _ in range(2))
    second.progress("of the second")
    first.progress("of the first")
    for story in (first, second):
        story.close()
    assert (tmp_path / "demo.log").read_text() == "of the second\n"
