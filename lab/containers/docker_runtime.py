"""Tasks as containers of a Docker Engine, each at an address of its own in a network of the lab's own.

The network is a bridge of this machine: its addresses are reached from here and from nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import secrets
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from lab.containers.docker_cli import DockerError
from lab.containers.output_lines import OutputLines
from lab.containers.process_runtime import CannotPullContainerError, CannotStartContainerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.containers.docker_cli import Docker

LABEL = "pushlive.lab"
# RFC 2544's range for measurements: no machine on the internet has these addresses.
NETWORKS = ipaddress.IPv4Network("198.18.0.0/15")
NETWORK_ATTEMPTS = 10
CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Network:
    """A bridge with addresses for tasks; the lab's own is `gateway`."""

    name: str
    addresses: ipaddress.IPv4Network
    gateway: str

    @classmethod
    def create(cls, docker: Docker) -> Self:
        """A new network.

        Raises:
            DockerError: the engine has no room for one.
        """
        for attempt in range(1, NETWORK_ATTEMPTS + 1):
            third = secrets.randbelow(2**9)
            addresses = ipaddress.IPv4Network((int(NETWORKS.network_address) + third * 256, 24))
            gateway, name = str(addresses[1]), f"pushlive-lab-{secrets.token_hex(4)}"
            options = ["--subnet", str(addresses), "--gateway", gateway, "--label", LABEL]
            try:
                docker.run("network", "create", *options, name)
            except DockerError as error:
                if attempt == NETWORK_ATTEMPTS or "overlaps" not in str(error):
                    raise
            else:
                return cls(name, addresses, gateway)
        raise AssertionError  # the last attempt returned or raised


class DockerRuntime:
    """Pulls images and runs containers until `close`. Its methods belong to one event loop."""

    def __init__(self, docker: Docker, network: Network) -> None:
        self._docker = docker
        self._network = network
        self._follow: dict[str, asyncio.Task[None]] = {}
        self._first_of_task: dict[str, str] = {}
        self._pulled: set[str] = set()
        self._closed = False

    async def pull(self, registry_host: str, repository: str, digest: str) -> str:
        """The image's name for `start`.

        Raises:
            CannotPullContainerError: no such image, none for this processor, or one that is broken.
        """
        reference = f"{registry_host}/{repository}@{digest}"
        try:
            await self._docker.run_async("pull", "--quiet", reference)
        except DockerError as error:
            raise CannotPullContainerError(str(error)) from error
        self._pulled.add(reference)
        return reference

    async def pull_public(self, image: str) -> str:
        """The same for an image that others publish; it stays in the engine.

        Raises:
            CannotPullContainerError: it is neither there nor to be had.
        """
        try:
            if not await self._docker.run_async("image", "ls", "--quiet", image):
                await self._docker.run_async("pull", "--quiet", image)
        except DockerError as error:
            raise CannotPullContainerError(str(error)) from error
        return image

    async def start(
        self,
        task_id: str,
        image: str,
        *,
        address: str,
        on_exit: Callable[[int], None],
        log: Callable[[str], None],
        entry_point: Sequence[str] = (),
        command: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        ports: Sequence[tuple[str, int]] = (),  # noqa: ARG002 - each task has all ports of its own address
    ) -> str:
        """The id of a new container of `image`.

        `entry_point`, `command` and `environment` are those of the container definition. The containers of
        one task share its address. `log` gets each line of output, `on_exit` the exit code, after all lines
        and never before this returns.

        Raises:
            CannotStartContainerError: the program is not in the image.
        """
        first, *rest = entry_point or [""]
        options = ["--label", f"{LABEL}={self._network.name}"]
        if task_id in self._first_of_task:
            options += ["--network", f"container:{self._first_of_task[task_id]}"]
        else:
            options += ["--network", self._network.name, "--ip", address]
        for name, value in (environment or {}).items():
            options += ["--env", f"{name}={value}"]
        if first:
            options += ["--entrypoint", first]
        try:
            container = await self._docker.run_async("create", *options, image, *rest, *command)
        except DockerError as error:
            raise CannotStartContainerError(str(error)) from error
        try:
            await self._docker.run_async("start", container)
        except DockerError as error:
            await self._docker.run_async("rm", "--force", container)
            raise CannotStartContainerError(str(error)) from error
        self._first_of_task.setdefault(task_id, container)
        self._follow[container] = asyncio.create_task(self._until_it_exits(container, log, on_exit))
        if self._closed:
            await self.kill(container)
        return container

    async def stop(self, container: str) -> None:
        """Send the image's STOPSIGNAL (SIGTERM by default), as ECS does; it may ignore that."""
        with suppress(DockerError):  # it is no longer there
            signal = await self._docker.run_async("inspect", "--format", "{{.Config.StopSignal}}", container)
            await self._docker.run_async("kill", "--signal", signal or "SIGTERM", container)

    async def kill(self, container: str) -> None:
        """End every process of the container; its exit code is 137."""
        with suppress(DockerError):  # it is no longer there
            await self._docker.run_async("kill", container)

    async def probe(self, container: str, command: Sequence[str], timeout_seconds: float) -> bool:
        """Whether a health check, `["CMD", …]` or `["CMD-SHELL", "…"]`, succeeds in the container in time."""
        kind, *argv = command
        if not container:
            return False
        shell = ["/bin/sh", "-c"] if kind == "CMD-SHELL" else []
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._docker.run_async("exec", container, *shell, *argv)
        except (DockerError, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Remove what was made here; each `on_exit` has been called when this returns."""
        self._closed = True
        for container in list(self._follow):
            await self.kill(container)
        await asyncio.gather(*self._follow.values(), return_exceptions=True)
        for reference in self._pulled:
            with suppress(DockerError):  # two digests of one image: the first removal was of both
                await self._docker.run_async("image", "rm", "--force", reference)
        await self._docker.run_async("network", "rm", self._network.name)

    async def _until_it_exits(
        self, container: str, log: Callable[[str], None], on_exit: Callable[[int], None]
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *("docker", "logs", "--follow", container),
            env=os.environ | self._docker.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        lines = OutputLines()
        while content := await process.stdout.read(CHUNK_BYTES):
            for line in lines.feed(content):
                log(line)
        for line in lines.end():
            log(line)
        await process.wait()
        code = int(await self._docker.run_async("wait", container))
        await self._docker.run_async("rm", "--force", container)
        del self._follow[container]
        self._first_of_task = {task: each for task, each in self._first_of_task.items() if each != container}
        on_exit(code)
