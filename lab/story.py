"""How the demo is told: steps on the terminal, a table at the end, the same as JSON."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console


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
    """The steps so far, what is said about them, and the tools' own words in a file."""

    def __init__(self, console: Console, folder: Path, log_name: str = "demo.log") -> None:
        self.steps: list[Step] = []
        self._console = console
        self._folder = folder
        log = folder / log_name
        log.unlink(missing_ok=True)  # another run may still write into it: each has a file of its own
        self._log = log.open("w")
        self._status = console.status("")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tell that a step begins, show what it does, tell how long it took."""
        step = Step(title, time.time())
        self._console.print(f"[bold]{title}[/]")
        self._log.write(f"\n== {title}\n")
        self._status.update("")
        with self._status:
            yield step
        step.seconds = time.time() - step.started
        self.steps.append(step)
        self._console.print(f"  [green]✓[/] {step.seconds:.1f} s")

    def progress(self, line: str) -> None:
        """Show a line of a tool's output, for a moment, and keep it in the file."""
        self._log.write(line + "\n")
        self.show(line)

    def show(self, line: str) -> None:
        """Show a line for a moment."""
        self._status.update(f"[dim]{escape(line[:100])}[/]")

    def say(self, text: str) -> None:
        """Tell something of a step, in rich's markup."""
        self._console.print(f"  {text}", soft_wrap=True)

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
