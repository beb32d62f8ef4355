"""One container as one process group: how its program runs here, what it writes, how it ends."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from lab.containers.output_lines import OutputLines
from lab.containers.watchdog import kill_group
from lab.ec2.addresses import loopback_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LINGER_SECONDS = 1  # for output of a process that left the group; Docker would have killed it

# A task's own loopback, and all of its addresses, which are here the one that others reach.
LOOPBACK = re.compile(r"\b(127\.0\.0\.1|localhost)\b")
EVERYWHERE = re.compile(r"\b0\.0\.0\.0\b")
PYTHON = re.compile(r"python(3(\.\d+)?)?")


class ContainerProcess(asyncio.SubprocessProtocol):
    """The first process of a container and its group.

    `settings` is the `config` object of the image's config. `exited` gets the exit code as Docker counts
    it, after the last line of output went to `log`.
    """

    def __init__(
        self,
        *,
        rootfs: Path,
        settings: Mapping[str, Any],
        environment: Mapping[str, str],
        address: str,
        home: Path,
        log: Callable[[str], None],
    ) -> None:
        self.exited: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.pid = 0
        self._rootfs = rootfs
        self.address = address
        self.loopback = loopback_of(address)
        self._home = home
        self._log = log
        self._lines = OutputLines()
        self.stop_signal = _signal_number(settings.get("StopSignal") or "SIGTERM")
        self.working_folder = self._inside(settings.get("WorkingDir") or "/")
        image_environment = dict(item.split("=", 1) for item in settings.get("Env") or [])
        path = [
            str(self._inside(folder)) for folder in image_environment.get("PATH", "").split(":") if folder
        ]
        host = (image_environment | dict(environment)).get("HOST", "0.0.0.0")
        # Nothing of the lab's own environment: it may hold credentials, and would make the demo depend on it.
        self.environment = image_environment | {
            "LANG": "C.UTF-8",
            "HOME": str(home),
            "TMPDIR": str(home),
            **environment,
            "HOST": self._in_this_task(host, self.loopback),
            "PATH": os.pathsep.join(
                [*path, str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
            ),
        }

    def on_this_machine(self, argv: Sequence[str], *, loopback: str = "") -> list[str]:
        """The command line that does here what `argv` does in the container.

        Python is ours, files of the image are where they were unpacked, /tmp is the container's own, and so
        is 127.0.0.1, unless `loopback` is to stand for it.
        """
        if not argv:
            raise ValueError("no command")
        arguments = [
            self._in_this_task(argument, loopback or self.loopback).replace("/tmp/", f"{self._home}/")  # noqa: S108 - theirs
            for argument in argv
        ]
        mapped = [
            str(self._inside(a)) if a.startswith("/") and self._inside(a).exists() else a for a in arguments
        ]
        if PYTHON.fullmatch(PurePosixPath(arguments[0]).name):
            mapped[0] = sys.executable
        return mapped

    def _in_this_task(self, text: str, loopback: str) -> str:
        """`text` with the addresses that stand here for a task's loopback, and for all of its addresses."""
        return EVERYWHERE.sub(self.address, LOOPBACK.sub(loopback, text))

    def send(self, number: int) -> None:
        """Send a signal to the first process alone."""
        if not self.exited.done():
            self._transport.send_signal(number)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - both streams are one
        """asyncio: output came."""
        for line in self._lines.feed(data):
            self._log(line)

    def process_exited(self) -> None:
        """asyncio: the first process ended, and with it, as in a container, all others."""
        kill_group(self.pid)
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._transport.close)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """asyncio: it ended, and its output too."""
        for line in self._lines.end():
            self._log(line)
        self._transport.close()
        code = self._transport.get_returncode()
        self.exited.set_result(code if code is not None and code >= 0 else 128 - (code or 0))

    def _inside(self, path: str) -> Path:
        return self._rootfs / os.path.normpath(f"/{path}").lstrip("/")


def _signal_number(name: str) -> int:
    return int(name) if name.isdigit() else signal.Signals["SIG" + name.removeprefix("SIG")]
