"""Environment variables that cannot be meant: a ConfigError that names one, before AWS is asked anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redeploy_service.app
import update_record.app
from hypothesis import given
from hypothesis import strategies as st

from pushlive.config import ConfigError, Settings
from tests.hostile.mutations import TEXTS, fuzzed
from trials.in_memory.region import CLUSTER_ARN, LOG_GROUP, REGISTRY, TOPIC_ARN

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = {
    "CLUSTER_ARN": CLUSTER_ARN,
    "REGISTRY": REGISTRY,
    "REPOSITORIES": "shop-*",
    "HOSTED_ZONE_ID": "Z0123456789",
    "HOST_NAMES": "*.example.com",
    "TTL_SECONDS": "10",
    "PROBE": "true",
    "DRY_RUN": "false",
    "LEASES_LOG_GROUP": LOG_GROUP,
    "TOPIC_ARN": TOPIC_ARN,
}
HANDLERS: dict[str, Callable[..., None]] = {
    "RedeployService": redeploy_service.app.handler,
    "UpdateRecord": update_record.app.handler,
}
NEEDED = {
    "RedeployService": ("CLUSTER_ARN", "REGISTRY", "LEASES_LOG_GROUP", "TOPIC_ARN"),
    "UpdateRecord": ("CLUSTER_ARN", "REGISTRY", "HOSTED_ZONE_ID", "LEASES_LOG_GROUP", "TOPIC_ARN"),
}
WRONG = {
    name: ("*", "\u00e4", "x\n", " ", "a" * 100_000, value + ":", value + "\x1b[2J")
    for name, value in GOOD.items()
}


def complaint(env: dict[str, str]) -> str | None:
    """What is wrong with these settings."""
    try:
        Settings.from_env(env)
    except ConfigError as error:
        return str(error)
    return None


def names_it(text: str, name: str) -> bool:
    return name in text and len(text) < 250 and text.isprintable()


@fuzzed(500)
@given(
    st.sampled_from(sorted(GOOD)),
    st.sampled_from(TEXTS) | st.text(max_size=40),
    st.sampled_from(["", "its own"]),
)
def test_any_value_is_taken_or_an_error_that_names_its_variable(name: str, value: str, before: str) -> None:
    text = complaint({**GOOD, name: GOOD[name] + value if before else value})
    assert text is None or names_it(text, name)


@pytest.mark.parametrize(
    ("function", "name", "value"),
    [(function, name, value) for function in HANDLERS for name in GOOD for value in WRONG[name]]
    + [(function, name, None) for function, names in NEEDED.items() for name in names],
    ids=lambda value: ascii(value)[:20] if value is not None else "missing",
)
def test_function_with_a_wrong_setting_asks_nothing_of_aws(
    monkeypatch: pytest.MonkeyPatch, function: str, name: str, value: str | None
) -> None:
    def no_client(service: str) -> Any:
        raise AssertionError(f"a client of {service} was made")

    monkeypatch.setattr("pushlive.aws.client", no_client)
    env = {**GOOD, name: value}
    monkeypatch.setattr("os.environ", {key: each for key, each in env.items() if each is not None})
    with pytest.raises(ConfigError) as raised:
        HANDLERS[function]({}, None)
    assert names_it(str(raised.value), name)
