"""The clients' process, and what it has noted so far."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from trials.picture.recording import Request

if TYPE_CHECKING:
    from types import TracebackType

    from trials.load.clients import Load

ROOT = Path(__file__).parent.parent.parent
END_SECONDS = 30
OVERDUE_SECONDS = (
    0.5  # of a request: the machine was busy with something else, and its failures may be its own
)


class ClientsError(Exception):
    """The clients' process ended with an error; what it said is above."""


class Answers:
    """Runs the clients while its block does; afterwards every answer is here."""

    def __init__(self, load: Load) -> None:
        self.requests: dict[str, list[Request]] = defaultdict(list)
        """By host name, in the order in which they ended."""
        self.repeated: dict[str, list[float]] = defaultdict(list)
        """By host name: when those were due that were sent a second time."""
        self.late: dict[float, float] = {}
        """When requests were due that this machine could not begin in time, and how late it was."""
        self.total = 0
        self.failed = 0
        self._load = load

    def __enter__(self) -> Self:
        """Start the clients."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trials.load.clients"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C is for us, who then end its input
        )
        self._thread = threading.Thread(target=self._take, name="answers")
        self._thread.start()
        assert self._process.stdin  # noqa: S101 - it is a pipe
        self._process.stdin.write(self._load.to_json() + "\n")
        self._process.stdin.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the clients, and take their last answers."""
        assert self._process.stdin  # noqa: S101 - it is a pipe
        self._process.stdin.close()
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._thread.join()
        if code and error is None:
            raise ClientsError(f"the clients ended with {code}")

    def require_running(self) -> None:
        """Do nothing while the clients run.

        Raises:
            ClientsError: they have ended before they were told to.
        """
        if (code := self._process.poll()) is not None:
            raise ClientsError(f"the clients ended with {code}")

    def _take(self) -> None:
        assert self._process.stdout  # noqa: S101 - it is a pipe
        with self._process.stdout as lines:
            for line in lines:
                host_name, *fields, repeated, overdue_seconds = json.loads(line)
                request = Request(*fields)
                self.requests[host_name].append(request)
                self.total += 1
                self.failed += bool(request.failure)
                if overdue_seconds > OVERDUE_SECONDS:
                    self.late[request.at] = overdue_seconds
                if repeated:
                    self.repeated[host_name].append(request.at)
