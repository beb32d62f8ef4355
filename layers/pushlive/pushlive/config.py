"""Settings from the environment, read once an invocation."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

CLUSTER_ARN = re.compile(r"arn:[\w-]+:ecs:[\w-]+:\d{12}:cluster/[\w-]{1,255}", re.ASCII)
REGISTRY = re.compile(r"[\w.-]{1,253}(:\d{1,5})?", re.ASCII)
ZONE_ID = re.compile(r"[A-Z0-9]{1,32}")  # API reference, HostedZone
REPOSITORIES = re.compile(r"[a-z0-9][a-z0-9._/-]{0,254}\*?")  # as the parameter Repositories
HOST_NAMES = re.compile(r"(\*\.)?[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")  # as the parameter HostNames
LOG_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")  # API reference, CreateLogGroup
TOPIC_ARN = re.compile(r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]{1,256}", re.ASCII)
SHOWN = 80
"""So much of a wrong value is repeated in an error."""
LONGEST_TTL_SECONDS = 2**31 - 1  # API reference, ResourceRecordSet


class ConfigError(Exception):
    """A setting is missing or wrong; the text names it and says what to do."""


class Settings(NamedTuple):
    """What the template tells a function."""

    cluster_arn: str
    registry: str
    """Host of this account's image registry, `ACCOUNT.dkr.ecr.REGION.amazonaws.com`."""
    repositories: str
    """Whose images are ours to deploy: a name or `shop-*`; empty for all that IAM admits."""
    hosted_zone_id: str
    """The zone that the records live in; empty where the stack has no host name."""
    host_names: str
    """Which names tags may claim: a name or `*.example.com`; empty for all that IAM admits."""
    ttl_seconds: int
    min_ready_seconds: int
    """For so long a new task must have run before clients leave older ones for it."""
    probe: bool
    """Whether a task must answer on its port before its address is published."""
    dry_run: bool
    """Decide and log, change nothing."""
    leases_log_group: str
    """The function's log group, which holds its leases."""
    topic_arn: str
    """The SNS topic that tells people."""
    overdue_seconds: int
    """A deployment that is under way for longer is told to be late."""

    @property
    def account(self) -> str:
        """Return the account number of the cluster."""
        return self.cluster_arn.split(":")[4]

    @property
    def region(self) -> str:
        """Return the region of the cluster."""
        return self.cluster_arn.split(":")[3]

    def admits_repository(self, name: str) -> bool:
        """Return whether the images of a repository are ours to deploy."""
        return not self.repositories or fnmatchcase(name, self.repositories)

    def admits_host_name(self, name: str) -> bool:
        """Return whether a service of the cluster may have the record of this name."""
        return not self.host_names or fnmatchcase(name, self.host_names)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Return the settings in `env`.

        Raises:
            ConfigError: a variable is missing or has a value that cannot be meant; the text names it.
        """
        arn = "the cluster's whole ARN, such as arn:aws:ecs:eu-west-1:123456789012:cluster/hello"
        registry = "the registry's host, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com"
        return cls(
            cluster_arn=_text(env, "CLUSTER_ARN", CLUSTER_ARN, arn),
            registry=_text(env, "REGISTRY", REGISTRY, registry),
            repositories=_optional_text(env, "REPOSITORIES", REPOSITORIES, "a repository's name, or shop-*"),
            hosted_zone_id=_optional_text(env, "HOSTED_ZONE_ID", ZONE_ID, "a zone's id, such as Z0123456789"),
            host_names=_optional_text(env, "HOST_NAMES", HOST_NAMES, "a host name, or *.example.com"),
            ttl_seconds=_whole_number(env, "TTL_SECONDS", default="10"),
            min_ready_seconds=_whole_number(env, "MIN_READY_SECONDS", default="0"),
            probe=_true_or_false(env, "PROBE", default="true"),
            dry_run=_true_or_false(env, "DRY_RUN", default="false"),
            leases_log_group=_text(env, "LEASES_LOG_GROUP", LOG_GROUP, "the name of a log group"),
            topic_arn=_text(env, "TOPIC_ARN", TOPIC_ARN, "the whole ARN of an SNS topic"),
            overdue_seconds=60 * _whole_number(env, "OVERDUE_MINUTES", default="15", what="minutes"),
        )


def _text(env: Mapping[str, str], name: str, form: re.Pattern[str], wanted: str) -> str:
    value = _optional_text(env, name, form, wanted)
    if not value:
        raise ConfigError(
            f"The environment variable {name} is missing: pushlive.yaml sets it for each function"
        )
    return value


def _optional_text(env: Mapping[str, str], name: str, form: re.Pattern[str], wanted: str) -> str:
    value = env.get(name, "")
    if value and not form.fullmatch(value):
        raise ConfigError(f"{name} is {_shown(value)}: give {wanted}")
    return value


def _whole_number(env: Mapping[str, str], name: str, default: str, what: str = "seconds") -> int:
    value = env.get(name, default)
    # str.isdigit also accepts digits such as "²", which int() refuses.
    is_number = value.isascii() and value.isdigit() and len(value) <= len(str(LONGEST_TTL_SECONDS))
    if not is_number or int(value) > LONGEST_TTL_SECONDS:
        raise ConfigError(f"{name} is {_shown(value)}: give a whole number of {what}, such as {default}")
    return int(value)


def _true_or_false(env: Mapping[str, str], name: str, default: str) -> bool:
    value = env.get(name, default).lower()
    if value not in ("true", "false"):
        raise ConfigError(f"{name} is {_shown(value)}: give true or false")
    return value == "true"


def _shown(value: str) -> str:
    return f"{value[:SHOWN]!r:.{SHOWN}}"
