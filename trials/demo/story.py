"""How the demo is told: steps on the terminal, a table at the end, the same as JSON."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from rich.markup import escape
from rich.table import Table

from lab import waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

T = TypeVar("T")

LONGEST_SILENCE_SECONDS = 10.0
SPINNER_COLUMNS = 2


@dataclass
class Step:
    """One step of the story, with the times that it measured, in seconds."""

    title: str
    started: float
    seconds: float = 0
    visits: int = 0
    failed_visits: int = 0
    measured: dict[str, float] = field(default_factory=dict)


class Story:
    """The steps so far, what is said about them, what is awaited now, and the tools' own words in a file.

    A terminal shows what is awaited beside a spinner. Elsewhere it is a line of its own after
    `silence_seconds` in which nothing was said.
    """

    def __init__(
        self,
        console: Console,
        folder: Path,
        log_name: str = "demo.log",
        silence_seconds: float = LONGEST_SILENCE_SECONDS,
    ) -> None:
        self.steps: list[Step] = []
        self._console = console
        self._folder = folder
        log = folder / log_name
        log.unlink(missing_ok=True)  # another run may still write into it: each has a file of its own
        self._log = log.open("w")
        self._status = console.status("")
        self._awaited = ""
        self._silence_seconds = silence_seconds
        self._said = threading.Event()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tell that a step begins, show what it does, tell how long it took."""
        step = Step(title, time.time())
        self._console.print(f"[bold]{title}[/]")
        self._log.write(f"\n== {title}\n")
        self.show("")
        with self._status, self._no_long_silence(step):
            yield step
        step.seconds = time.time() - step.started
        self.steps.append(step)
        self._console.print(f"  [green]✓[/] {step.seconds:.1f} s")

    @contextmanager
    def awaiting(self, what: str) -> Iterator[None]:
        """Show, while the block runs, what is awaited."""
        before = self._awaited
        self.show(what)
        try:
            yield
        finally:
            self.show(before)

    def until(self, look: Callable[[], T | None], what: str) -> T:
        """`waiting.until`, shown as what is awaited.

        Raises:
            TimeoutError: as there.
        """
        with self.awaiting(f"waiting for {what}"):
            return waiting.until(look, what)

    def progress(self, line: str) -> None:
        """Keep a line of a tool's output in the file, and show it until the tool has ended."""
        self._log.write(line + "\n")
        if any(letter.isalpha() for letter in line):  # not a ruler
            self._show(f"{self._awaited}: {line.strip()}")

    def show(self, what: str) -> None:
        """Show what is awaited from now on."""
        self._awaited = what
        self._show(what)

    def _show(self, words: str) -> None:
        self._status.update(f"[dim]{escape(words[: self._console.width - SPINNER_COLUMNS])}[/]")

    def say(self, text: str) -> None:
        """Tell something of a step, in rich's markup."""
        self._console.print(f"  {text}", soft_wrap=True)
        self._said.set()

    @contextmanager
    def _no_long_silence(self, step: Step) -> Iterator[None]:
        """Where no spinner is seen, say now and then what is awaited."""
        if self._console.is_interactive:
            yield
            return
        end = False

        def follow() -> None:
            while not end:
                if not self._said.wait(self._silence_seconds):
                    seconds = time.time() - step.started
                    self._console.print(f"  … {seconds:.0f} s: {escape(self._awaited)}", soft_wrap=True)
                self._said.clear()

        thread = threading.Thread(target=follow, name="what is awaited", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end = True
            self._said.set()
            thread.join()
            self._said.clear()

    def end(self, speed: float) -> None:
        """Print the table, and write the same as JSON."""
        self._console.print(self._table())
        story = {
            "speed": speed,
            "steps": [
                {
                    "title": step.title,
                    "seconds": round(step.seconds, 3),
                    "measured": {name: round(seconds, 3) for name, seconds in step.measured.items()},
                    "visits": step.visits,
                    "failed_visits": step.failed_visits,
                }
                for step in self.steps
            ],
        }
        path = self._folder / "demo.json"
        path.write_text(json.dumps(story, indent=2, ensure_ascii=False) + "\n")
        self._console.print(f"The same as JSON: {path}; what the tools said: {self._log.name}")
        self.close()

    def close(self) -> None:
        """Close the file of the tools' words."""
        self._log.close()

    def _table(self) -> Table:
        table = Table(title="What happened", show_lines=False)
        table.add_column("step")
        table.add_column("took", justify="right")
        table.add_column("of that")
        table.add_column("visits failed", justify="right")
        for step in self.steps:
            measured = "\n".join(f"{name}: {seconds:.2f} s" for name, seconds in step.measured.items())
            visits = f"{step.failed_visits} of {step.visits}" if step.visits else ""
            table.add_row(step.title, f"{step.seconds:.1f} s", measured, visits)
        return table
