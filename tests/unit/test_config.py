"""Settings: what cannot be meant is an error that names its variable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.config import ConfigError, Settings

CLUSTER_ARN = "arn:aws:ecs:us-east-1:123456789012:cluster/pushlive"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:hello-Topic"
LEAST = {
    "CLUSTER_ARN": CLUSTER_ARN,
    "REGISTRY": REGISTRY,
    "LEASES_LOG_GROUP": "redeploy-service",
    "TOPIC_ARN": TOPIC_ARN,
}
ALL = LEAST | {
    "REPOSITORIES": "shop-*",
    "HOSTED_ZONE_ID": "Z0123456789ABCDEFGHIJ",
    "HOST_NAMES": "*.example.com",
    "TTL_SECONDS": "30",
    "MIN_READY_SECONDS": "20",
    "PROBE": "false",
    "DRY_RUN": "true",
    "OVERDUE_MINUTES": "20",
    "PATH": "/usr/bin",
}


def test_each_variable_becomes_its_setting() -> None:
    assert Settings.from_env(ALL) == Settings(
        cluster_arn=CLUSTER_ARN,
        registry=REGISTRY,
        repositories="shop-*",
        hosted_zone_id="Z0123456789ABCDEFGHIJ",
        host_names="*.example.com",
        ttl_seconds=30,
        min_ready_seconds=20,
        probe=False,
        dry_run=True,
        leases_log_group="redeploy-service",
        topic_arn=TOPIC_ARN,
        overdue_seconds=1200,
    )


def test_defaults_probe_change_and_keep_no_record() -> None:
    assert Settings.from_env(LEAST) == Settings(
        cluster_arn=CLUSTER_ARN,
        registry=REGISTRY,
        repositories="",
        hosted_zone_id="",
        host_names="",
        ttl_seconds=10,
        min_ready_seconds=0,
        probe=True,
        dry_run=False,
        leases_log_group="redeploy-service",
        topic_arn=TOPIC_ARN,
        overdue_seconds=900,
    )


@pytest.mark.parametrize(
    ("arn", "account", "region"),
    [
        (CLUSTER_ARN, "123456789012", "us-east-1"),
        ("arn:aws-us-gov:ecs:us-gov-west-1:999999999999:cluster/a_b-c", "999999999999", "us-gov-west-1"),
        ("arn:aws-cn:ecs:cn-north-1:000000000001:cluster/default", "000000000001", "cn-north-1"),
    ],
)
def test_account_and_region_are_the_clusters(arn: str, account: str, region: str) -> None:
    settings = Settings.from_env(LEAST | {"CLUSTER_ARN": arn})
    assert (settings.account, settings.region) == (account, region)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("CLUSTER_ARN", "the cluster's whole ARN, such as arn:aws:ecs:eu-west-1:123456789012:cluster/hello"),
        ("REGISTRY", "the registry's host, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com"),
        ("REPOSITORIES", "a repository's name, or shop-*"),
        ("HOSTED_ZONE_ID", "a zone's id, such as Z0123456789"),
        ("HOST_NAMES", "a host name, or *.example.com"),
        ("TTL_SECONDS", "a whole number of seconds, such as 10"),
        ("MIN_READY_SECONDS", "a whole number of seconds, such as 0"),
        ("PROBE", "true or false"),
        ("DRY_RUN", "true or false"),
        ("LEASES_LOG_GROUP", "the name of a log group"),
        ("TOPIC_ARN", "the whole ARN of an SNS topic"),
        ("OVERDUE_MINUTES", "a whole number of minutes, such as 15"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_what_to_give(name: str, wanted: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Settings.from_env(ALL | {name: "?!"})
    assert str(raised.value) == f"{name} is '?!': give {wanted}"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings.from_env(ALL).dry_run = False  # type: ignore[misc]


@pytest.mark.parametrize("name", ["CLUSTER_ARN", "REGISTRY"])
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_missing_variable_is_an_error_that_names_it(name: str, how: str) -> None:
    env = {key: value for key, value in ALL.items() if key != name} if how == "missing" else ALL | {name: ""}
    with pytest.raises(ConfigError, match=rf"\b{name} is missing\b"):
        Settings.from_env(env)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLUSTER_ARN", "pushlive"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1:123456789012:service/pushlive/hello"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1::cluster/pushlive"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1:12345:cluster/pushlive"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1:123456789012:cluster/"),
        ("CLUSTER_ARN", "arn:aws:ecs:us-east-1:123456789012:cluster/push/live"),
        ("CLUSTER_ARN", "arn:aws:lambda:us-east-1:123456789012:function:Cluster"),
        ("CLUSTER_ARN", f" {CLUSTER_ARN}"),
        ("CLUSTER_ARN", f"{CLUSTER_ARN}\n"),
        ("CLUSTER_ARN", CLUSTER_ARN + "a" * 255),
        ("CLUSTER_ARN", CLUSTER_ARN.replace("123456789012", "١٢٣٤٥٦٧٨٩٠١٢")),
        ("CLUSTER_ARN", CLUSTER_ARN + "é"),
        ("REGISTRY", f"https://{REGISTRY}"),
        ("REGISTRY", f"{REGISTRY}/"),
        ("REGISTRY", f"{REGISTRY}\n"),
        ("REGISTRY", "*"),
        ("HOSTED_ZONE_ID", "/hostedzone/Z0123456789ABCDEFGHIJ"),
        ("HOSTED_ZONE_ID", "z0123456789abcdefghij"),
        ("HOSTED_ZONE_ID", "Z" * 33),
        ("HOSTED_ZONE_ID", "*"),
        ("REPOSITORIES", "*"),
        ("REPOSITORIES", "*-shop"),
        ("REPOSITORIES", "shop-*-web"),
        ("REPOSITORIES", "shop-[ab]"),
        ("REPOSITORIES", "shop-?"),
        ("REPOSITORIES", "Shop"),
        ("REPOSITORIES", f"{REGISTRY}/shop:latest"),
        ("HOST_NAMES", "*"),
        ("HOST_NAMES", "*.com"),
        ("HOST_NAMES", "app.*.example.com"),
        ("HOST_NAMES", "app?.example.com"),
        ("HOST_NAMES", "*.example.com."),
        ("HOST_NAMES", "*.Example.com"),
        ("LEASES_LOG_GROUP", "redeploy:service"),
        ("LEASES_LOG_GROUP", "*"),
        ("LEASES_LOG_GROUP", "g" * 513),
        ("TTL_SECONDS", "2147483648"),
        ("TTL_SECONDS", "9" * 5000),
        ("TTL_SECONDS", ""),
        ("TTL_SECONDS", "ten"),
        ("TTL_SECONDS", "-1"),
        ("TTL_SECONDS", "1.5"),
        ("TTL_SECONDS", "10s"),
        ("TTL_SECONDS", " 10"),
        ("TTL_SECONDS", "1_0"),
        ("TTL_SECONDS", "²"),
        ("TTL_SECONDS", "１０"),  # noqa: RUF001 - full-width digits, which int() would take
        ("PROBE", ""),
        ("PROBE", "yes"),
        ("PROBE", "0"),
        ("DRY_RUN", ""),
        ("DRY_RUN", "on"),
        ("DRY_RUN", "true "),
    ],
)
def test_wrong_value_is_an_error_that_names_the_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} is ") as raised:
        Settings.from_env(ALL | {name: value})
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("pattern", "name", "admitted"),
    [
        ("", "anything", True),
        ("shop", "shop", True),
        ("shop", "shop-web", False),
        ("shop", "team/shop", False),
        ("shop-*", "shop-web", True),
        ("shop-*", "shop-", True),
        ("shop-*", "shop", False),
        ("shop-*", "SHOP-web", False),
        ("shop/*", "shop/web/edge", True),
    ],
)
def test_repository_is_admitted(pattern: str, name: str, *, admitted: bool) -> None:
    assert Settings.from_env(LEAST | {"REPOSITORIES": pattern}).admits_repository(name) is admitted


@pytest.mark.parametrize(
    ("pattern", "name", "admitted"),
    [
        ("", "app.example.com", True),
        ("app.example.com", "app.example.com", True),
        ("app.example.com", "www.app.example.com", False),
        ("app.example.com", "app-example.com", False),
        ("*.example.com", "app.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "app.example.com.evil.org", False),
        ("*.example.com", "evilexample.com", False),
    ],
)
def test_host_name_is_admitted(pattern: str, name: str, *, admitted: bool) -> None:
    assert Settings.from_env(LEAST | {"HOST_NAMES": pattern}).admits_host_name(name) is admitted


@pytest.mark.parametrize("name", ["PROBE", "DRY_RUN"])
@pytest.mark.parametrize(
    ("value", "meant"), [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False)]
)
def test_true_and_false_in_any_case(name: str, value: str, *, meant: bool) -> None:
    settings = Settings.from_env(ALL | {name: value})
    assert (settings.probe if name == "PROBE" else settings.dry_run) is meant


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("1", 1), ("60", 60), ("2147483647", 2147483647)])
def test_ttl_is_a_whole_number_of_seconds(value: str, seconds: int) -> None:
    assert Settings.from_env(LEAST | {"TTL_SECONDS": value}).ttl_seconds == seconds


@given(st.dictionaries(st.sampled_from(sorted(ALL)), st.text(max_size=40)))
def test_any_environment_gives_settings_or_a_config_error(env: dict[str, str]) -> None:
    try:
        settings = Settings.from_env(LEAST | env)
    except ConfigError as error:
        named = [name for name in env if name in str(error)]
    else:
        named = [settings.registry]
    assert named
