"""AWS on this machine, what pushlive needs of it: `with Lab() as lab: …`.

It listens on loopback only, and when it ends nothing of it is left.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Self, TypeVar

import boto3
import urllib3
from botocore.config import Config
from hypercorn.asyncio import serve
from urllib3.exceptions import HTTPError

from lab import identity, ministack
from lab.cloudfront.edges import Edges
from lab.containers.awslogs import TaskLogs
from lab.containers.docker_runtime import DockerRuntime, Network
from lab.containers.process_runtime import ProcessRuntime
from lab.ec2.addresses import Addresses, free_port
from lab.ecs.cloudformation import EcsResources, kept_by_tasks, saved_queries
from lab.ecs.live import LabWorld, LiveEcs
from lab.ecs.model.timings import Timings
from lab.ecs.task_settings import TaskSettings
from lab.eventbridge.delivery import Delivery
from lab.eventbridge.schedules import run_schedules
from lab.front_door import FrontDoor
from lab.proxies import loopback_directly
from lab.route53.name_server import DnsServer
from lab.route53.propagation import Propagation
from lab.route53.zones import RecordSets
from lab.serving import QuietConfig, listener, running_loop
from lab.temporary import temporary_folder
from lab.user.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from lab.containers.docker_cli import Docker
    from lab.containers.process_runtime import Runtime
    from lab.route53.name_server import Records

T = TypeVar("T")

HOST = "127.0.0.1"
LOOPBACK = IPv4Network("127.0.0.0/8")
START_SECONDS = 30.0
SECONDS_TO_STABLE = 3 * 3600  # how long CloudFormation waits for a service


class Lab:
    """The running lab.

    `speed` is how many times faster than AWS its time passes: the 40 s until a task counts, stop
    time-outs, retries and schedules. With `docker` tasks are containers, otherwise processes. Names show a
    change `propagation_seconds` (of this machine's time) later. The port is taken at once; 0 is a free one.
    `timings` are ECS's in AWS's time.

    Raises:
        PortError: the port is in use.
    """

    folder: Path
    """Holds everything temporary of the lab, and ends with it."""

    def __init__(
        self,
        *,
        port: int = 0,
        speed: float = 20,
        docker: Docker | None = None,
        propagation_seconds: float = 0,
        timings: Timings | None = None,
    ) -> None:
        self.speed = speed
        self._listener = listener(HOST, port)
        self.port: int = self._listener.getsockname()[1]
        self.endpoint = f"http://{HOST}:{self.port}"
        self.docker = docker
        self.network: Network | None = None
        """Where tasks and other containers reach the lab, at its gateway; None where tasks are processes."""
        self.saved_queries: list[dict[str, Any]] = []
        """The Logs Insights queries of the stacks, as CloudFormation's properties."""
        self._propagation_seconds = propagation_seconds
        self._timings = timings or Timings()
        self._stack = ExitStack()
        self._clients: dict[str, Any] = {}

    def client(self, service_name: str) -> Any:  # noqa: ANN401 - each caller says which client it is
        """Return a boto3 client of the lab."""
        if service_name not in self._clients:
            self._clients[service_name] = self._new_client(service_name)
        return self._clients[service_name]

    def _new_client(self, service_name: str) -> Any:  # noqa: ANN401
        # Many threads use them, and their calls must not wait for each other.
        config = Config(max_pool_connections=50, retries={"mode": "standard", "max_attempts": 3})
        return boto3.client(  # type: ignore[call-overload]
            service_name,
            endpoint_url=self.endpoint,
            region_name=identity.REGION,
            aws_access_key_id=identity.CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=identity.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            config=config,
        )

    def free_port(self, wanted: int, say: Callable[[str], None] = lambda _: None) -> int:
        """Return a port for tasks: `wanted`, or the next one where another program keeps it from them."""
        port = wanted if self.docker else free_port(wanted)
        if port != wanted:
            say(f"Port {wanted} is in use on all addresses of this machine: tasks listen on {port} instead.")
        return port

    def __enter__(self) -> Self:
        """Start everything; ready when it returns."""
        with ExitStack() as stack:
            stack.callback(self._listener.close)
            self.folder = stack.enter_context(temporary_folder())
            stack.callback(os.environ.update, dict(os.environ))
            stack.callback(os.environ.clear)
            stack.callback(self._close_clients)
            os.environ |= loopback_directly(os.environ)
            application = self._set_ministack_up()
            self._loop = running_loop("lab", stack)
            self.delivery = Delivery(
                self.client("events"),
                self.client("lambda"),
                self.client("sqs"),
                retry_seconds=60 / self.speed,
            )
            self.ecs = self._start_ecs(stack)
            self.edges = self._start_edges(stack)
            self.names = Propagation(
                RecordSets(self.client("route53"), self.edges), self._propagation_seconds
            )
            self._serve(
                FrontDoor(
                    application,
                    self.ecs,
                    self.delivery.image_action,
                    self._admitted(),
                    on_names=self.names.changed,
                ),
                stack,
            )
            stack.callback(ministack.FunctionProcesses().end)
            run_schedules(self.delivery, self.client, self.speed, stack)
            stack.callback(self.delivery.close)
            self._answer_dns(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that was started."""
        if kind is KeyboardInterrupt:
            logging.disable()  # Ctrl-C reaches MiniStack's workers as well: nobody needs their complaints
        self._stack.close()

    def _set_ministack_up(self) -> Any:  # noqa: ANN401 - an ASGI application
        ministack.configure(self.port, retry_seconds=60 / self.speed, folder=self.folder / "ministack")
        application = ministack.application()
        ministack.name_registry(f"{HOST}:{self.port}")
        ministack.leave_schedules_to_us()
        ministack.refuse_parameters_in_the_words_of_aws()
        ministack.resolve_the_values_in_conditions()
        ministack.update_nested_stacks_as_outer_ones()
        ministack.run_functions_by_their_runtime()
        ministack.unpack_once(self.folder / "functions")
        return application

    def _start_ecs(self, stack: ExitStack) -> LiveEcs:
        logs = TaskLogs(self.client("logs"))
        stack.callback(logs.close)
        runtime, addresses = self._runtime(stack)
        scaled = self._timings.scaled(1 / self.speed)
        ecs = LiveEcs(
            self._loop,
            LabWorld(addresses, ministack.manifest_digest),
            runtime,
            TaskSettings(self.client("ssm"), self.client("s3")),
            f"{HOST}:{self.port}",
            f"{self._hosts()[-1]}:{self.port}",
            replace(scaled, least_probe_interval_seconds=0.5, least_probe_timeout_seconds=3),
            self.delivery.publish,
            logs.write,
        )
        handlers = EcsResources(ecs.call, SECONDS_TO_STABLE / self.speed).handlers()
        ministack.provision({**handlers, "AWS::Logs::QueryDefinition": saved_queries(self.saved_queries)})
        ministack.refuse_deletions(kept_by_tasks(ecs.interfaces, ministack.network_of))
        return ecs

    def _close_clients(self) -> None:
        while self._clients:
            self._clients.popitem()[1].close()

    def _runtime(self, stack: ExitStack) -> tuple[Runtime, Addresses]:
        runtime: Runtime
        if self.docker:
            self.network = Network.create(self.docker)
            runtime = DockerRuntime(self.docker, self.network)
            addresses = Addresses(self.network.addresses, gateway=self.network.gateway)
        else:
            runtime, addresses = self._on_loop(lambda: ProcessRuntime(self.folder)), Addresses()
        stack.callback(lambda: self._await(runtime.close()))
        return runtime, addresses

    def _hosts(self) -> list[str]:
        return [HOST, self.network.gateway] if self.network else [HOST]

    def _admitted(self) -> list[IPv4Network]:
        return [LOOPBACK, self.network.addresses] if self.network else [LOOPBACK]

    def _serve(self, application: Any, stack: ExitStack) -> None:  # noqa: ANN401 - an ASGI application
        listeners = [self._listener]
        if self.network:
            listeners.append(listener(self.network.gateway, self.port))
        config = QuietConfig(listeners)
        end = self._on_loop(asyncio.Event)
        server = asyncio.run_coroutine_threadsafe(
            serve(application, config, shutdown_trigger=end.wait), self._loop
        )

        def stop() -> None:
            self._loop.call_soon_threadsafe(end.set)
            with suppress(TimeoutError):
                server.result(timeout=10)

        stack.callback(stop)
        stack.callback(self._forget_everything)

    def _forget_everything(self) -> None:
        """Leave nothing to do for the threads of MiniStack, which go on."""
        with suppress(OSError, HTTPError):
            urllib3.request("POST", f"{self.endpoint}{ministack.RESET_PATH}", timeout=10, retries=False)

    def _start_edges(self, stack: ExitStack) -> Edges:
        """Serve CloudFront's edges from a loop of their own: visitors must not slow AWS's APIs down."""
        loop = running_loop("edges", stack)

        async def start() -> Edges:
            edges = Edges(self.client("cloudfront"), lambda: Resolver(self.dns), self.folder)
            await edges.start()
            return edges

        edges = asyncio.run_coroutine_threadsafe(start(), loop).result(START_SECONDS)
        stack.callback(lambda: asyncio.run_coroutine_threadsafe(edges.end(), loop).result(START_SECONDS))
        return edges

    def _answer_dns(self, stack: ExitStack) -> None:
        """Serve DNS from a loop of its own: it asks Route 53, so it waits for the other one."""
        loop = running_loop("dns", stack)
        server = DnsServer(self._records(stack))
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(START_SECONDS)
        stack.callback(
            lambda: asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        )
        self.dns = server.address

    def _records(self, stack: ExitStack) -> Callable[[], Records]:
        """Return what the name server answers: the record sets of now, or with a delay those of before."""
        if not self._propagation_seconds:
            return RecordSets(self.client("route53"), self.edges)
        self.names.look()
        thread = threading.Thread(target=self.names.follow, name="propagation", daemon=True)
        thread.start()
        stack.callback(thread.join, 10)
        stack.callback(self.names.close)
        return self.names

    def _await(self, awaitable: Any) -> Any:  # noqa: ANN401 - of whatever it returns
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result(START_SECONDS)

    def _on_loop(self, make: Callable[[], T]) -> T:
        async def made() -> T:
            return make()

        result: T = self._await(made())
        return result
