"""Settings from the environment, read once an invocation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CLUSTER_ARN = re.compile(r"arn:[\w-]+:ecs:(?P<region>[\w-]+):(?P<account>\d{12}):cluster/(?P<name>[\w-]+)")


class ConfigError(Exception):
    """A setting is missing or wrong; the text names it and says what to do."""


@dataclass(frozen=True)
class Settings:
    """What the template tells a function."""

    cluster_arn: str
    registry: str
    """Host of this account's image registry, `ACCOUNT.dkr.ecr.REGION.amazonaws.com`."""
    hosted_zone_id: str
    """The zone that the records live in; empty where the stack has no host name."""
    ttl_seconds: int
    probe: bool
    """Whether a task must answer on its port before its address is published."""
    dry_run: bool
    """Decide and log, change nothing."""

    @property
    def account(self) -> str:
        """Return the account number of the cluster."""
        return self.cluster_arn.split(":")[4]

    @property
    def region(self) -> str:
        """Return the region of the cluster."""
        return self.cluster_arn.split(":")[3]

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Return the settings in `env`.

        Raises:
            ConfigError: a variable is missing or has a value that cannot be meant; the text names it.
        """
        cluster_arn = _text(env, "CLUSTER_ARN")
        if not CLUSTER_ARN.fullmatch(cluster_arn):
            raise ConfigError(
                f"CLUSTER_ARN is {cluster_arn!r}: give the cluster's whole ARN, "
                "such as arn:aws:ecs:eu-west-1:123456789012:cluster/hello"
            )
        return cls(
            cluster_arn=cluster_arn,
            registry=_text(env, "REGISTRY"),
            hosted_zone_id=env.get("HOSTED_ZONE_ID", ""),
            ttl_seconds=_whole_number(env, "TTL_SECONDS", default="10"),
            probe=_true_or_false(env, "PROBE", default="true"),
            dry_run=_true_or_false(env, "DRY_RUN", default="false"),
        )


def _text(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "")
    if not value:
        raise ConfigError(
            f"The environment variable {name} is missing: template.yaml sets it for each function"
        )
    return value


def _whole_number(env: Mapping[str, str], name: str, default: str) -> int:
    value = env.get(name, default)
    # str.isdigit also accepts digits such as "²", which int() refuses.
    if not (value.isascii() and value.isdigit()):
        raise ConfigError(f"{name} is {value!r}: give a whole number of seconds, such as {default}")
    return int(value)


def _true_or_false(env: Mapping[str, str], name: str, default: str) -> bool:
    value = env.get(name, default).lower()
    if value not in ("true", "false"):
        raise ConfigError(f"{name} is {value!r}: give true or false")
    return value == "true"
