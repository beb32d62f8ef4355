"""The ECS model in real time: its commands run containers, its events go out."""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

from lab.containers.process_runtime import CannotPullContainerError, CannotStartContainerError
from lab.ecr import public_images
from lab.ecs.api.ecs_api import EcsApi
from lab.ecs.model.ecs_model import EcsModel
from lab.ecs.model.world import (
    EventMessage,
    Interface,
    KillContainer,
    ProbeHealth,
    PullImage,
    StartContainer,
    StopContainer,
)
from lab.ecs.task_settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.containers.process_runtime import Runtime
    from lab.ec2.addresses import Addresses
    from lab.ecs.model.state import Task
    from lab.ecs.model.timings import Timings
    from lab.ecs.model.world import Command
    from lab.ecs.task_settings import TaskSettings

    # task id, container name, line
    Log = Callable[[Task, str, str], None]


# Where a container learns which task it is (ECS guide, "task metadata endpoint version 4").
METADATA_PATH = "/_lab/metadata/"


class LabWorld:
    """What the model needs of the registry and of the network."""

    def __init__(self, addresses: Addresses, manifest_digest: Callable[[str, str], str | None]) -> None:
        self.interfaces: dict[str, Interface] = {}
        self._addresses = addresses
        self._manifest_digest = manifest_digest

    def resolve_image(self, image: str) -> str | None:
        """Return the digest that a reference names now, or None if there is no such image."""
        if public := public_images.digest_of(image):
            return public
        repository, reference = split_image(image)
        return self._manifest_digest(repository, reference)

    def allocate_interface(
        self,
        subnet_ids: Sequence[str],
        group_ids: Sequence[str],
        public: bool,  # noqa: FBT001 - the model's protocol
    ) -> Interface:
        """Return a new interface; its public address is one of this machine's."""
        eni_id = f"eni-{secrets.token_hex(9)[:17]}"
        interface = Interface(
            eni_id=eni_id,
            private_ip=f"10.0.{secrets.randbelow(2)}.{4 + secrets.randbelow(250)}",
            public_ip=self._addresses.allocate() if public else None,
            subnet_id=subnet_ids[secrets.randbelow(len(subnet_ids))],
            mac=":".join(["0a", *(f"{secrets.randbelow(256):02x}" for _ in range(5))]),
            attachment_id=secrets.token_hex(16),
            group_ids=tuple(group_ids),
        )
        self.interfaces[eni_id] = interface
        return interface

    def release_interface(self, eni_id: str) -> None:
        """Forget an interface; its address goes back to the pool."""
        interface = self.interfaces.pop(eni_id, None)
        if interface and interface.public_ip:
            self._addresses.release(interface.public_ip)


def split_image(image: str) -> tuple[str, str]:
    """Return repository, and tag or digest, of `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY[:TAG]@DIGEST`."""
    path = image.partition("/")[2]
    name, _, digest = path.partition("@")
    repository, _, tag = name.partition(":")
    return repository, digest or tag or "latest"


class LiveEcs:
    """The ECS API for any thread; containers and timers on the lab's event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        world: LabWorld,
        runtime: Runtime,
        settings: TaskSettings,
        registry: str,
        metadata_host: str,
        timings: Timings,
        publish: Callable[[dict[str, Any]], None],
        log: Log,
    ) -> None:
        self._loop = loop
        self._world = world
        self._runtime = runtime
        self._settings = settings
        self._registry = registry
        self._metadata_host = metadata_host
        self._publish = publish
        self._log = log
        self._model = EcsModel(world, random.Random(secrets.randbits(64)), timings=timings)  # noqa: S311 - ids
        self._api = EcsApi(self._model)
        self._lock = threading.RLock()
        self._timer: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._images: dict[tuple[str, str], str] = {}
        self._environments: dict[tuple[str, str], dict[str, str]] = {}
        self._runtime_ids: dict[tuple[str, str], str] = {}

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer of the ECS API.

        Raises:
            EcsError: what AWS would answer.
        """
        with self._lock:
            answer = self._api.call(operation, request, time.time())
        self._loop.call_soon_threadsafe(self._pump)
        return answer

    def interfaces(self) -> Mapping[str, Interface]:
        """Return the interfaces that exist now, by id."""
        with self._lock:
            return dict(self._world.interfaces)

    def metadata(self, task_id: str) -> dict[str, Any] | None:
        """Return what the metadata endpoint tells about a task that is not stopped."""
        with self._lock:
            for task in self._model.engine.tasks.values():
                if task.id == task_id:
                    family, revision = task.definition.family, str(task.definition.revision)
                    # On AWS the private address; here the task has only the one that others reach.
                    network = {
                        "NetworkMode": "awsvpc",
                        "IPv4Addresses": [_address(task)],
                        "MACAddress": task.interface.mac,
                    }
                    return {
                        "Cluster": task.cluster.arn,
                        "TaskARN": task.arn,
                        "Family": family,
                        "Revision": revision,
                        "Containers": [
                            {"Name": name, "KnownStatus": container.last_status, "Networks": [network]}
                            for name, container in task.containers.items()
                        ],
                    }
        return None

    def kill_container(self, task_arn: str, container_name: str) -> None:
        """Kill a container's processes behind ECS's back, as a crash does."""
        runtime_id = self._runtime_ids[task_arn, container_name]
        asyncio.run_coroutine_threadsafe(self._runtime.kill(runtime_id), self._loop).result()

    def _pump(self) -> None:
        """Let the model get on: run its commands, publish its events, come again when it is due."""
        with self._lock:
            self._model.advance(time.time())
            messages = self._model.drain()
            due = self._model.next_due()
        for message in messages:
            if isinstance(message, EventMessage):
                self._publish(message.event)
            else:
                task = self._loop.create_task(self._run(message))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        if self._timer:
            self._timer.cancel()
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - time.time()), self._pump)

    def _observe(self, observation: Callable[..., None], *arguments: object, **more: object) -> None:
        with self._lock:
            observation(*arguments, time.time(), **more)
        self._pump()

    async def _run(self, command: Command) -> None:
        key = (command.task.arn, command.container)
        match command:
            case PullImage():
                await self._pull(command, key)
            case StartContainer():
                await self._start(command.task, key)
            case ProbeHealth():
                health_check = command.task.containers[command.container].definition.health_check
                argv = _definition(command.task, command.container)["healthCheck"]["command"]
                timeout_seconds = health_check.timeout_seconds if health_check else 0
                ok = await self._runtime.probe(self._runtime_ids.get(key, ""), argv, timeout_seconds)
                self._observe(self._model.health_probed, *key, ok)
            case StopContainer():
                await self._runtime.stop(self._runtime_ids.get(key, ""))
            case KillContainer():
                await self._runtime.kill(self._runtime_ids.get(key, ""))

    async def _pull(self, command: PullImage, key: tuple[str, str]) -> None:
        repository, _ = split_image(command.image)
        try:
            definition = _definition(command.task, command.container)
            self._environments[key] = await asyncio.to_thread(self._settings.read, definition)
            if public_images.digest_of(command.image):
                self._images[key] = await self._runtime.pull_public(command.image)
            else:
                self._images[key] = await self._runtime.pull(self._registry, repository, command.digest)
        except SettingsError as error:
            self._observe(self._model.settings_missing, command.task.arn, str(error))
        except CannotPullContainerError as error:
            self._observe(self._model.pull_failed, *key, f"CannotPullContainerError: {error}")
        else:
            self._observe(self._model.image_pulled, *key)

    async def _start(self, task: Task, key: tuple[str, str]) -> None:
        definition = _definition(task, key[1])
        try:
            runtime_id = await self._runtime.start(
                task.id,
                self._images[key],
                address=_address(task),
                on_exit=lambda code: self._exited(key, code),
                log=lambda line: self._log(task, key[1], line),
                entry_point=definition.get("entryPoint", ()),
                command=definition.get("command", ()),
                environment={
                    **self._environments.pop(key),
                    "ECS_CONTAINER_METADATA_URI_V4": f"http://{self._metadata_host}{METADATA_PATH}{task.id}",
                },
                ports=[
                    (mapping.get("protocol", "tcp"), mapping["containerPort"])
                    for mapping in definition.get("portMappings", ())
                    if "containerPort" in mapping
                ],
            )
        except CannotStartContainerError as error:
            self._observe(
                self._model.container_exited, *key, 127, reason=f"CannotStartContainerError: {error}"
            )
            return
        self._runtime_ids[key] = runtime_id
        self._observe(self._model.container_started, *key, runtime_id)

    def _exited(self, key: tuple[str, str], code: int) -> None:
        self._runtime_ids.pop(key, None)
        self._observe(self._model.container_exited, *key, code)


def _definition(task: Task, container_name: str) -> dict[str, Any]:
    """Return the container definition, as the task definition has it."""
    found: dict[str, Any]
    for found in task.definition.described["containerDefinitions"]:
        if found["name"] == container_name:
            return found
    raise KeyError(container_name)


def _address(task: Task) -> str:
    """Return where the task listens: its public address, which is one of this machine's here."""
    return task.interface.public_ip or "127.0.0.1"
