"""A Docker Engine, through the `docker` command that people type."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

COMMAND_SECONDS = 600  # a build or a pull may take long; nothing here takes this long


class DockerError(Exception):
    """A docker command failed, or there is none; the text says what it said."""


@dataclass(frozen=True)
class Docker:
    """The Docker Engine at `host`, or, without one, the engine that `docker` talks to by itself."""

    host: str = ""

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The variables with which docker, and tools that use it, reach this engine."""
        more = {"DOCKER_HOST": self.host} if self.host else {}
        # Without buildx, Docker's newer builder, the client asks for it in vain: its older one does as well.
        return more if self._has_buildx(more) else more | {"DOCKER_BUILDKIT": "0"}

    @staticmethod
    def _has_buildx(more: Mapping[str, str]) -> bool:
        asked = subprocess.run(
            ["docker", "buildx", "version"],  # noqa: S607 - the user's own docker
            env=os.environ | more,
            capture_output=True,
            check=False,
        )
        return asked.returncode == 0

    def answers(self) -> bool:
        """Whether the engine is there and may be used."""
        try:
            return bool(shutil.which("docker") and self.run("version", "--format", "{{.Server.Version}}"))
        except DockerError:
            return False

    def has_image(self, reference: str) -> bool:
        """Whether the engine holds the image."""
        return bool(self.run("image", "ls", "--quiet", reference))

    def run(
        self, *arguments: str, content: bytes | None = None, folder: Path | None = None, echo: bool = False
    ) -> str:
        """What the command wrote, without the last line end. `content` is its standard input.

        With `echo` its standard error goes to ours, as it comes.

        Raises:
            DockerError: it failed.
        """
        done = subprocess.run(  # noqa: S603 - no shell
            ["docker", *arguments],  # noqa: S607 - the user's own docker
            env=os.environ | self.environment,
            input=content if content is not None else b"",
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=None if echo else subprocess.PIPE,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        if done.returncode:
            raise DockerError(f"docker {' '.join(arguments)}: {_text(done.stderr) or done.returncode}")
        return _text(done.stdout)

    async def run_async(self, *arguments: str) -> str:
        """The same, for the lab's event loop."""
        process = await asyncio.create_subprocess_exec(
            "docker",
            *arguments,
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C is for the lab, which then ends its containers
        )
        try:
            output, errors = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
        if process.returncode:
            raise DockerError(_text(errors) or f"docker {arguments[0]}: {process.returncode}")
        return _text(output)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace").strip()
