"""Containers as plain processes, for machines without Docker.

What a task sees is near enough to Docker for Python programs: its files, its environment and nothing of
ours, its own address and loopback, one process group, Docker's exit codes. It is no isolation: the processes
run as this user, and share the files of their image. Programs of an image that need its C library do not
run.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from urllib3.exceptions import HTTPError

from lab.containers.container_process import ContainerProcess
from lab.containers.watchdog import Watchdog, kill_group
from lab.ec2.addresses import require_port
from lab.ecr import public_images
from lab.ecr.oci import TarError, unpack
from lab.ecr.registry import RegistryError, pull_image

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.ecr.oci import Image


# A registry that refuses, does not answer, or sends what is no image.
BROKEN_IMAGE = (RegistryError, HTTPError, TarError, OSError, KeyError, ValueError)


class CannotPullContainerError(Exception):
    """The image could not be fetched or unpacked."""


class CannotStartContainerError(Exception):
    """The image's program could not be run."""


class Runtime(Protocol):
    """What runs the containers: processes of this machine (here), or Docker (`docker_runtime`)."""

    async def pull(self, registry_host: str, repository: str, digest: str) -> str:
        """What `start` calls the image."""

    async def pull_public(self, image: str) -> str:
        """The same for an image that others publish."""

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
        ports: Sequence[tuple[str, int]] = (),
    ) -> str:
        """The runtime id of a new container."""

    async def stop(self, runtime_id: str, /) -> None:
        """Ask it to end."""

    async def kill(self, runtime_id: str, /) -> None:
        """End it."""

    async def probe(self, runtime_id: str, /, command: Sequence[str], timeout_seconds: float) -> bool:
        """Whether its health check succeeds."""

    async def close(self) -> None:
        """End all of them."""


class ProcessRuntime:
    """Pulls images and runs containers until `close`. Its methods belong to one event loop."""

    def __init__(self, folder: Path) -> None:
        self._images = folder / "images"
        self._homes = folder / "homes"
        self._containers: dict[str, ContainerProcess] = {}
        self._probes: set[asyncio.subprocess.Process] = set()
        self._watchdog = Watchdog()
        self._started = 0
        self._closed = False

    async def pull(self, registry_host: str, repository: str, digest: str) -> str:
        """The folder with the image's files (`rootfs`) and `config.json`; fetched once for each digest.

        Raises:
            CannotPullContainerError: no such image, or one that is broken.
        """
        return str(
            await asyncio.to_thread(
                self._unpack, digest, lambda: pull_image(registry_host, repository, digest)
            )
        )

    async def pull_public(self, image: str) -> str:  # noqa: ARG002 - there is only this one
        """The same, with a stand-in for the drain sidecar's image."""
        stand_in = public_images.stand_in()
        return str(await asyncio.to_thread(self._unpack, stand_in.manifest.digest, lambda: stand_in))

    def _unpack(self, digest: str, pull: Callable[[], Image]) -> Path:
        folder = self._images / digest.replace(":", "-")
        if folder.is_dir():
            return folder
        self._images.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=self._images))
        try:
            image = pull()
            unpack(image, new / "rootfs")
            (new / "config.json").write_bytes(image.config.content)
            new.rename(folder)
        except BROKEN_IMAGE as error:
            shutil.rmtree(new)
            if not folder.is_dir():  # another task's pull of the same image was faster
                raise CannotPullContainerError(f"{digest}: {error}") from error
        return folder

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
        ports: Sequence[tuple[str, int]] = (),
    ) -> str:
        """The runtime id of a new container of `image` (a folder that `pull` returned).

        `entry_point`, `command`, `environment` and `ports` (protocol and number) are those of the container
        definition; a HOST of 0.0.0.0, or none, becomes `address`. `log` gets each line of output, `on_exit`
        the exit code, after all lines and never before this returns.

        Raises:
            CannotStartContainerError: the program is not in the image nor on this machine, or a port of
                this machine cannot be used.
        """
        try:
            for protocol, port in ports:
                require_port(address, port, protocol)
        except OSError as error:
            raise CannotStartContainerError(str(error)) from error
        folder = Path(image)
        settings = json.loads((folder / "config.json").read_bytes()).get("config") or {}
        # An entryPoint also drops the image's Cmd, as `docker run --entrypoint` does.
        default = [] if entry_point else settings.get("Cmd") or []
        argv = [*(entry_point or settings.get("Entrypoint") or []), *(command or default)]
        self._started += 1
        runtime_id = f"{task_id}-{self._started}"
        home = self._homes / runtime_id
        home.mkdir(parents=True, exist_ok=True)
        container = ContainerProcess(
            rootfs=folder / "rootfs",
            settings=settings,
            environment=environment or {},
            address=address,
            home=home,
            log=log,
        )
        try:
            await _run(container, argv)
        except (OSError, ValueError) as error:
            shutil.rmtree(home)
            raise CannotStartContainerError(f"{argv}: {error}") from error
        self._containers[runtime_id] = container
        self._watchdog.watch(container.pid)
        container.exited.add_done_callback(lambda _: self._forget(runtime_id))
        container.exited.add_done_callback(lambda exited: on_exit(exited.result()))
        if self._closed:
            kill_group(container.pid)
        return runtime_id

    async def stop(self, runtime_id: str) -> None:
        """Send the image's STOPSIGNAL (SIGTERM by default) to the first process alone, as Docker does."""
        if container := self._containers.get(runtime_id):
            container.send(container.stop_signal)

    async def kill(self, runtime_id: str) -> None:
        """End every process of the container; its exit code is 137."""
        if container := self._containers.get(runtime_id):
            kill_group(container.pid)

    async def probe(self, runtime_id: str, command: Sequence[str], timeout_seconds: float) -> bool:
        """Whether a health check, `["CMD", …]` or `["CMD-SHELL", "…"]`, succeeds in the container in time.

        In a task 127.0.0.1 reaches what listens there and what listens on 0.0.0.0; here they are two.
        """
        container = self._containers.get(runtime_id)
        if container is None:
            return False
        kind, *argv = command
        argv = ["sh", "-c", *argv] if kind == "CMD-SHELL" else argv
        addresses = (container.address, container.loopback)
        checks = (tuple(container.on_this_machine(argv, loopback=each)) for each in addresses)
        try:
            async with asyncio.timeout(timeout_seconds):
                for check in dict.fromkeys(checks):
                    if await self._succeeds(container, check):
                        return True
        except TimeoutError:
            pass
        return False

    async def _succeeds(self, container: ContainerProcess, argv: Sequence[str]) -> bool:
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd=container.working_folder,
                env=container.environment,
            )
        except OSError:
            return False
        self._watchdog.watch(process.pid)
        self._probes.add(process)
        if self._closed:
            kill_group(process.pid)
        try:
            return await process.wait() == 0
        finally:
            kill_group(process.pid)
            await process.wait()
            self._probes.discard(process)
            self._watchdog.unwatch(process.pid)

    async def close(self) -> None:
        """End every process that was started here; each `on_exit` has been called when this returns."""
        self._closed = True
        self._watchdog.kill_all()
        await asyncio.gather(
            *(container.exited for container in self._containers.values()),
            *(process.wait() for process in self._probes),
        )
        await asyncio.to_thread(self._watchdog.close)

    def _forget(self, runtime_id: str) -> None:
        self._watchdog.unwatch(self._containers.pop(runtime_id).pid)
        shutil.rmtree(self._homes / runtime_id, ignore_errors=True)


async def _run(container: ContainerProcess, argv: Sequence[str]) -> None:
    await asyncio.get_running_loop().subprocess_exec(
        lambda: container,
        *container.on_this_machine(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        cwd=container.working_folder,
        env=container.environment,
    )
