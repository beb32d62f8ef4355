"""What is there of a stack and of its services: read once, then told by findings, page and JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from commands.why.finding import aws
from pushlive.image_reference import tagged
from pushlive.model import READINESS_SIDECAR, ROLLING_BACK, UNDER_WAY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from commands.why.finding import Finding
    from pushlive import record_plan, redeploy_plan
    from pushlive.config import Settings
    from pushlive.model import Image, Record, Service, ServiceDeployment, Task

    Json = Mapping[str, Any]

EVERYBODY = "0.0.0.0/0"


class RunningTask(NamedTuple):
    """A task that is meant to run."""

    task: Task
    digests: tuple[str, ...]
    """Of its containers whose image is in this account's registry."""
    public_ip: str | None
    answers: bool
    """Its readiness sidecar is HEALTHY; where it has none, it accepts a connection from here on the port."""
    is_newest: bool
    """It belongs to the newest deployment."""


class ServiceEvent(NamedTuple):
    """A line that ECS wrote about a service."""

    at: datetime
    message: str


class NewestPush(NamedTuple):
    """The newest image of a repository that has a tag."""

    tags: tuple[str, ...]
    pushed_at: datetime


class LoggedDecision(NamedTuple):
    """A line of a function about a service."""

    at: datetime
    function: str
    service_name: str
    action: str
    reason: str
    times: int = 1
    """How often it was said in a row, until `at`."""


class Subnet(NamedTuple):
    """A subnet, and where what is for the internet goes."""

    subnet_id: str
    route_table_id: str
    target: str
    """Of its default route, such as `igw-0123…`; empty without one, or with one that leads nowhere."""

    @property
    def is_public(self) -> bool:
        """Return whether it is reached from the internet."""
        return self.target.startswith("igw-")


class Ingress(NamedTuple):
    """Who may reach the container port."""

    cidrs: frozenset[str]
    others: frozenset[str] = frozenset()
    """Security groups and prefix lists."""
    edges: frozenset[str] = frozenset()
    """The prefix list of CloudFront's edges, which is none of `others`."""

    @property
    def is_cloudfront_alone(self) -> bool:
        """Return whether CloudFront may, and nobody else."""
        return bool(self.edges) and not self.cidrs | self.others


class Mutability(NamedTuple):
    """Which tags of a repository can be pushed again (API reference, PutImageTagMutability)."""

    setting: str = "MUTABLE"
    excluded: tuple[str, ...] = ()
    """Tags for which the opposite of `setting` holds; `*` stands for any text."""


class Built(NamedTuple):
    """For what an image was built."""

    processors: frozenset[str]
    """Such as `amd64`; empty if the image does not say."""
    ports: frozenset[int] = frozenset()
    """TCP ports that it exposes (`EXPOSE`)."""


class Zone(NamedTuple):
    """The hosted zone, and the name servers that the public DNS has for it."""

    zone_id: str
    name: str = ""
    own: frozenset[str] = frozenset()
    """Its name servers."""
    asked: frozenset[str] | None = None
    """The name servers that the DNS names for it; None if that is not known."""
    is_private: bool = False
    unreadable: str = ""
    """Route 53's code of why it cannot be read."""


class Distribution(NamedTuple):
    """A distribution of CloudFront, before a name of the zone or of a service."""

    distribution_id: str
    domain_name: str
    """Its own name, below cloudfront.net."""
    origins: Mapping[str, int | None]
    """Host name to the port that is asked there."""
    aliases: frozenset[str] = frozenset()
    """The names that visitors type."""
    records: Mapping[str, frozenset[str]] = MappingProxyType({})
    """Each of these names that the zone answers for to the addresses or names that its records hold."""
    is_deployed: bool = True
    is_enabled: bool = True

    @property
    def url(self) -> str:
        """Return where visitors open it."""
        return f"https://{min(self.aliases, default=self.domain_name)}/"


class Certificate(NamedTuple):
    """A certificate that waits for a CNAME record, which proves whose the name is."""

    domain_name: str
    record_name: str
    record_value: str
    has_record: bool
    """The record is in the zone."""


class Https(NamedTuple):
    """What stands before the host names."""

    distributions: tuple[Distribution, ...] | None = None
    """None: they were not asked for, or could not be read."""
    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True)
class ServiceState:
    """A service as it is now."""

    settings: Settings
    """Of the functions that serve it."""
    now: datetime
    live: redeploy_plan.DeploymentState
    """As RedeployService reads it, but as if it were not paused."""
    tags: Mapping[str, str]
    """Its tags, those of pushlive only."""
    unseen: tuple[Finding, ...] = ()
    """What of it could not be looked at."""
    failed_tasks: int = 0
    """Of the newest deployment."""
    events: tuple[ServiceEvent, ...] = ()
    """What ECS wrote about it, newest first."""
    stopped_reason: str = ""
    """Why the newest task that failed did so (`stopped_tasks`); ECS remembers it for an hour or so."""
    tasks: tuple[RunningTask, ...] = ()
    port: int | None = None
    host_name: str = ""
    record: Record | None = None
    answering: frozenset[str] = frozenset()
    """The record's addresses that answer: as RunningTask says, or from here."""
    distributions: tuple[Distribution, ...] | None = None
    """Those with its host name as origin or alias; None: they could not be read."""
    pushes: Mapping[str, NewestPush] = field(default_factory=dict)
    """Image reference to the newest push to its repository."""
    deployment_decision: redeploy_plan.Decision | None = None
    """What RedeployService would do now, on its schedule; None if it refuses the service's tags."""
    if_not_paused: redeploy_plan.Decision | None = None
    """What it would do if the tag said `on-push`."""
    record_decision: record_plan.Decision | None = None
    """What UpdateRecord would do now, if it saw what is seen from here."""
    wrong_settings: tuple[str, ...] = ()
    """What the functions refuse, in their words."""
    decisions: tuple[LoggedDecision, ...] = ()
    """Newest first."""
    described: Json = field(default_factory=dict)
    """As DescribeServices gives it."""
    definition: Json = field(default_factory=dict)
    """Its task definition, as DescribeTaskDefinition gives it; empty where it has none."""
    subnets: tuple[Subnet, ...] | None = None
    """Of its tasks; None on instances, where the instance's own count."""
    ingress: Ingress | None = None
    log_groups: Mapping[str, bool] = field(default_factory=dict)
    """Whether the log groups that its containers need are there."""
    lacks_role: bool | None = None
    """The execution role that its task definition names is not there."""
    repositories: Mapping[str, Mutability | None] = field(default_factory=dict)
    """Of its images; None: there is no such repository."""
    built: Mapping[str, Built | None] = field(default_factory=dict)
    """Image reference to what it was built for; None: there is no such image."""

    @property
    def service(self) -> Service:
        """Return the service as ECS describes it."""
        return self.live.service

    @property
    def images(self) -> tuple[Image, ...]:
        """Return what the tags that it uses name, each once."""
        return tuple(dict.fromkeys(self.live.images.values()))

    @property
    def newest(self) -> ServiceDeployment | None:
        """Return its newest deployment."""
        return self.live.deployments[0] if self.live.deployments else None

    @property
    def has_readiness(self) -> bool:
        """Return whether its tasks say themselves whether they are ready, so that nobody asks their port."""
        return any(each.get("name") == READINESS_SIDECAR for each in self.containers)

    @property
    def asking(self) -> tuple[Distribution, ...]:
        """Return the distributions that ask its host name."""
        return tuple(each for each in self.distributions or () if self.host_name in each.origins)

    @property
    def before(self) -> Distribution | None:
        """Return the distribution that visitors come by."""
        return next((each for each in self.asking if each.is_enabled), None)

    @property
    def url(self) -> str | None:
        """Return where visitors open it."""
        asked = f"http://{self.host_name}:{self.port}/" if self.host_name and self.port else None
        return self.before.url if self.before else asked

    @property
    def unanswered_port(self) -> int | None:
        """Return the port on which no task of the newest deployment answers; None if one does."""
        return None if any(task.answers and task.is_newest for task in self.tasks) else self.port

    @property
    def is_changing(self) -> bool:
        """Return whether a deployment, or its rollback, is under way."""
        return self.newest is not None and self.newest.status in ROLLING_BACK | UNDER_WAY

    @property
    def lacks_tasks(self) -> bool:
        """Return whether fewer tasks run than it wants."""
        return self.service.running_count < self.service.desired_count

    @property
    def containers(self) -> list[Json]:
        """Return the containers of its task definition."""
        return list(self.definition.get("containerDefinitions", []))

    @property
    def image_names(self) -> list[str]:
        """Return the images of its task definition, each once, as written there."""
        return list(dict.fromkeys(each["image"] for each in self.containers if "image" in each))

    @property
    def tags_of_images(self) -> dict[str, tuple[str, str]]:
        """Return each image that is a tag of the registry to its repository and tag."""
        named = {image: tagged(image, self.settings.registry) for image in self.image_names}
        return {image: name for image, name in named.items() if name}

    @property
    def awsvpc(self) -> Json:
        """Return the subnets and security groups of its tasks; empty where they have no address."""
        return dict(self.described.get("networkConfiguration", {}).get("awsvpcConfiguration", {}))

    @property
    def is_fargate(self) -> bool:
        """Return whether its tasks run on Fargate, where each can have a public address."""
        # The launch type is omitted where there is a strategy (API reference, Service, launchType).
        strategy = self.described.get("capacityProviderStrategy", [])
        runs_on = [*strategy, {"capacityProvider": self.described.get("launchType", "")}]
        return any(each.get("capacityProvider", "").startswith("FARGATE") for each in runs_on)

    def update_service(self, **options: object) -> str:
        """Return the command that changes these settings of it."""
        cluster, service = self.settings.cluster_arn.rpartition("/")[2], self.service.service_name
        return aws("ecs update-service", cluster=cluster, service=service, **options)


def awslogs(container: Json) -> Json:
    """Return where the container logs to, if its tasks only start where that log group is; empty if not."""
    configuration = container.get("logConfiguration") or {}
    options: Json = configuration.get("options", {})
    makes_it = options.get("awslogs-create-group") == "true"
    needs_it = configuration.get("logDriver") == "awslogs" and not makes_it and options.get("awslogs-group")
    return options if needs_it else {}


@dataclass(frozen=True)
class Stack:
    """A stack, perhaps of pushlive."""

    name: str
    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Logical id to resource type and physical id, those of a nested stack among them."""
    first_failure: str = ""
    """Why its newest operation failed."""

    @property
    def is_whole(self) -> bool:
        """Return whether all its resources are there."""
        return self.status.endswith("_COMPLETE") and self.status != "ROLLBACK_COMPLETE"

    def physical_id(self, logical_id: str) -> str:
        """Return the name or id of a resource; empty if the stack has no such resource."""
        return self.resources.get(logical_id, ("", ""))[1]

    def of_type(self, kind: str) -> list[str]:
        """Return the physical ids of all resources of a type, such as `AWS::Events::Rule`."""
        return [each for its_kind, each in self.resources.values() if its_kind == kind and each]


@dataclass(frozen=True)
class State:
    """A stack of pushlive with its functions and services, as they are now."""

    stack: Stack
    region: str
    at: datetime
    settings: Settings | None = None
    """Of its functions; None where they have not been made."""
    services: tuple[ServiceState, ...] = ()
    """Those of the cluster that carry a tag of pushlive."""
    function_logs: Mapping[str, str] = field(default_factory=dict)
    """Function, by its logical id, to the log group that it writes to."""
    log_groups: Mapping[str, bool] = field(default_factory=dict)
    """Whether these are there."""
    rules: Mapping[str, str | None] = field(default_factory=dict)
    """Rule to its state; None if it is gone."""
    dead_letters: int = 0
    zone: Zone | None = None
    https: Https = field(default_factory=Https)
    unseen: tuple[Finding, ...] = ()
    """What could not be looked at."""
