"""No process outlives the lab, also when the lab is killed with SIGKILL.

A small process waits for the end of its standard input, which comes when the lab ends in whatever way, and
then kills the process groups it was told of. Unlike Linux's PR_SET_PDEATHSIG it reaches whole groups, works
on macOS, does not depend on which thread started the process, and needs no code between fork and exec.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

PROGRAM = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Watchdog:
    """The process groups that must not outlive us."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        # A session of its own: a Ctrl-C is not for it.
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", "-c", PROGRAM],
            stdin=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Kill `group` when we end, or at `kill_all`."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def unwatch(self, group: int) -> None:
        """`group` has ended: its number may soon be another's."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def kill_all(self) -> None:
        """Kill every group that is watched now."""
        for group in self._groups:
            kill_group(group)

    def close(self) -> None:
        """End the watchdog; groups that it still watches are killed."""
        self._process.communicate()

    def _tell(self, line: str) -> None:
        # Without its watchdog the lab still works; only its own sudden death would leave processes behind.
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode())


def kill_group(group: int) -> None:
    """SIGKILL for every process of `group`, if there is one."""
    # PermissionError: macOS says so of a group that holds nothing but zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
