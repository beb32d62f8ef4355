"""An AWS account in virtual time: model of ECS, ECR, Route 53, EventBridge, Lambda with the functions."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redeploy_service.app import Redeployment
from update_record.app import RecordUpdate

from lab.ecs.api.ecs_api import EcsApi
from lab.ecs.model.ecs_model import EcsModel
from lab.ecs.model.engine import Options
from lab.ecs.virtual.fake_runtime import Behaviour, FakeRuntime
from pushlive.config import Settings
from trials.simulation.bus import Bus, rules_of_template
from trials.simulation.checks import Checks
from trials.simulation.clients import CLIENTS
from trials.simulation.clock import Clock
from trials.simulation.faults import Faults
from trials.simulation.places import (
    ACCOUNT,
    CLUSTER,
    CLUSTER_ARN,
    RECORD,
    REDEPLOY,
    REGION,
    REGISTRY,
    TTL_SECONDS,
    ZONE_ID,
    moment,
)
from trials.simulation.registry import Registry
from trials.simulation.resolvers import Clients
from trials.simulation.runs import TIMEOUT_SECONDS, Functions
from trials.simulation.zone import Zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lab.ecs.model.state import Service, Task
    from trials.simulation.places import Json, Setup
    from trials.simulation.runs import Environment

LAST_LOOK_SECONDS = 15.0  # functions/update_record/app.py
PROBE_SECONDS = 1.0  # layers/pushlive/pushlive/probe.py
SETTINGS = Settings.from_env(
    {
        "CLUSTER_ARN": CLUSTER_ARN,
        "REGISTRY": REGISTRY,
        "HOSTED_ZONE_ID": ZONE_ID,
        "TTL_SECONDS": str(TTL_SECONDS),
        "MIN_READY_SECONDS": "15",
        "LEASES_LOG_GROUP": "redeploy-service",
        "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:pushlive",
    }
)


@dataclass(frozen=True)
class Call:
    """A call of a function that was answered."""

    service: str
    operation: str
    request: Json
    answer: Json


class Cloud:
    """Everything; `seed` decides all that is left to chance."""

    def __init__(self, setup: Setup, seed: int = 0) -> None:
        self.setup = setup
        self.random = random.Random(seed)  # noqa: S311 - chance of a game, not of a secret
        self.clock = Clock()
        self.faults = Faults(self.clock, self.random)
        self.registry = Registry(self.random, setup.reports_child)
        self.zone = Zone(self.random)
        options = Options(
            reverse_shutdown=setup.reverse_shutdown,
            breaker_ends_rollbacks=setup.breaker_ends_rollbacks,
            unchecked_container_is_unknown=setup.strict_health,
        )
        self.model = EcsModel(self.registry, self.random, options=options, region=REGION, account=ACCOUNT)
        drains = Behaviour(
            watches="app", on_sigterm_seconds=setup.drain_seconds, ready_after_seconds=setup.drain_seconds
        )
        sidecars = {
            "drain-sidecar": drains,
            "readiness-sidecar": Behaviour(watches="app", on_sigterm_seconds=0),
        }
        self.runtime = FakeRuntime(self.model, sidecars)
        self.settings = SETTINGS._replace(ttl_seconds=setup.ttl_seconds)
        self.checks = Checks(self)
        self.clients = Clients(self)
        self.functions = Functions(self, {REDEPLOY: self._redeploy, RECORD: self._update_record})
        self.functions.finished = self.checks.run_finished
        self.bus = Bus(self, rules_of_template())
        self.stack_answers: dict[str, str] = {}
        """What CloudFormation was told: request to what failed."""
        self.log_streams: dict[str, int] = {}
        self.in_between: dict[str, Callable[[], None]] = {}
        """What happens just before a function's next call of an operation."""
        self.calls: list[Call] | None = None
        self._api = EcsApi(self.model)
        self._published = 0

    # time

    def run(self, seconds: float) -> None:
        """Let time pass, as long as no check has failed."""
        until, clock, runtime = self.clock.now + seconds, self.clock, self.runtime
        while not self.checks.failures:
            mine, its = clock.next_due(), runtime.next_due()
            if its is not None and its <= mine and its <= until:
                clock.now = max(clock.now, its)
                runtime.run_until(clock.now)
                self._publish()
            elif mine <= until:
                clock.act()
            else:
                clock.now = max(clock.now, until)
                return

    def _publish(self) -> None:
        events = self.runtime.events
        while self._published < len(events):
            message = events[self._published]
            self._published += 1
            self.checks.ecs_changed(message.event)
            self.bus.publish(message.event)

    # what the functions, and the hands, ask

    def ecs(self, operation: str, request: Json) -> Json:
        """Ask the model of ECS."""
        answer = self._api.call(operation, request, self.clock.now)
        self.runtime.take()
        self._publish()
        return answer

    def journal(self, service: str, operation: str, request: Json, answer: Json) -> None:
        """Note a call, where somebody wants to see them."""
        if self.calls is not None:
            self.calls.append(Call(service, operation, request, answer))

    def service(self, name: str, cluster: str = CLUSTER) -> Service | None:
        """A service, unless it is deleted."""
        found = self.model.engine.clusters[cluster].services.get(name)
        return found if found is not None and found.status == "ACTIVE" else None

    def services(self) -> list[Service]:
        """Those of the watched cluster."""
        return [
            each for each in self.model.engine.clusters[CLUSTER].services.values() if each.status == "ACTIVE"
        ]

    def tasks(self, service: Service) -> Iterator[Task]:
        """Its tasks that are to go on running."""
        for deployment in service.deployments:
            yield from deployment.tasks

    def answers(self, task: Task) -> bool:
        """Whether clients may be sent to it: by what it does, not by what anybody has found out."""
        return (
            task.last_status == "RUNNING"
            and task.desired_status == "RUNNING"
            and task.interface.public_ip is not None
            and task.interface.eni_id in self.registry.interfaces
            and (task.health == "HEALTHY" if "app" in task.definition.checked else task.health != "UNHEALTHY")
            and self.runtime.listens(task.arn, next(iter(task.containers)), self.clock.now)
        )

    def serves(self, task: Task) -> bool:
        """Whether a client that has its address is answered, also after SIGTERM."""
        return (
            task.last_status in {"RUNNING", "DEACTIVATING", "STOPPING"}
            and task.interface.eni_id in self.registry.interfaces
            and self.runtime.listens(task.arn, next(iter(task.containers)), self.clock.now)
        )

    def keeps_connections(self, task: Task) -> bool:
        """Whether a client's connection stays open after an answer."""
        return self.runtime.keeps_connections(task.arn, next(iter(task.containers)))

    def never_answered(self, task: Task) -> bool:
        """Whether a task runs, and has not listened at any time yet."""
        container = next(iter(task.containers.values()))
        after = self.runtime.behaviours[container.digest or ""].listens_after_seconds
        started = container.started_at if container.started_at is not None else self.clock.now
        return task.desired_status == "RUNNING" and (after is None or self.clock.now < started + after)

    # the functions

    def _client(self, environment: Environment, service: str) -> Any:
        if service not in environment.clients:
            environment.clients[service] = CLIENTS[service](self, environment)
        return environment.clients[service]

    def _sleep(self, environment: Environment) -> Callable[[float], None]:
        def sleep(seconds: float) -> None:
            assert environment.run is not None
            environment.run.pause(seconds)

        return sleep

    def _redeploy(self, environment: Environment, event: Json) -> None:
        Redeployment(
            self.settings,
            self._client(environment, "ecs"),
            self._client(environment, "ecr"),
            lambda: self._client(environment, "logs"),
            lambda: self._client(environment, "sns"),
            seconds_left=lambda: TIMEOUT_SECONDS,
            now=lambda: moment(self.clock.now),
        ).run(event)

    def _update_record(self, environment: Environment, event: Json) -> None:
        RecordUpdate(
            self.settings,
            self._client(environment, "ecs"),
            self._client(environment, "ec2"),
            self._client(environment, "route53"),
            lambda: self._client(environment, "logs"),
            lambda: self._client(environment, "sns"),
            deadline=self.clock.now + TIMEOUT_SECONDS - LAST_LOOK_SECONDS,
            now=lambda: self.clock.now,
            clock=lambda: moment(self.clock.now),
            sleep=self._sleep(environment),
            answering=lambda addresses, port: self._probe(environment, addresses, port),
        ).run(event)

    def _probe(self, environment: Environment, addresses: Iterable[str], port: int) -> frozenset[str]:
        wanted = set(addresses)
        if not wanted:
            return frozenset()
        self._sleep(environment)(0.01)
        found = frozenset(
            task.interface.public_ip or ""
            for task in self.model.engine.tasks.values()
            if task.last_status not in {"DEPROVISIONING", "STOPPED"}
            and task.interface.public_ip in wanted
            and port == _port(task)
            and self.runtime.listens(task.arn, next(iter(task.containers)), self.clock.now)
        )
        if wanted - found:
            self._sleep(environment)(PROBE_SECONDS)
        return found


def _port(task: Task) -> int | None:
    mappings = task.definition.described["containerDefinitions"][0]["portMappings"]
    return mappings[0]["containerPort"] if mappings else None
