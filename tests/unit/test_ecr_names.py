"""Which image references are a tag of this registry, and what an index that somebody pushed may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.ecr import _digests
from pushlive.image_reference import is_in, naming, tagged

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("app", ("app", "latest")),
        ("app:v1", ("app", "v1")),
        ("team/my-app_2.0:1.2.3_rc-1", ("team/my-app_2.0", "1.2.3_rc-1")),
        ("a__b/c--d:_x", ("a__b/c--d", "_x")),
        (f"app:{'t' * 128}", ("app", "t" * 128)),
        (f"{'a' * 256}:x", ("a" * 256, "x")),
    ],
    ids=["latest", "tag", "path-and-all-characters", "doubled", "long-tag", "long-name"],
)
def test_tag_of_this_registry(reference: str, found: tuple[str, str]) -> None:
    assert tagged(f"{REGISTRY}/{reference}", REGISTRY) == found


@pytest.mark.parametrize(
    "reference",
    [
        "", ":latest", "a:x", "app:", "app::", "app:a:b", "app:-x", "app:.x", "app:*", "app*", "app:a b",
        "App:x", "ápp:x", "app:ä", "/app", "app/", "a//b", "app.", "app..b:x", "app\n", "app:x\n", "-app",
        "app@sha256:0", "app:x@sha256:0", f"{'a' * 257}:x", f"app:{'t' * 301}", "app:\x00", "app:x\udc80",
        r"app\x",
    ],
)  # fmt: skip
def test_what_ecr_would_refuse_is_no_tag_of_this_registry(reference: str) -> None:
    assert tagged(f"{REGISTRY}/{reference}", REGISTRY) is None


@pytest.mark.parametrize("registry", [f"x{REGISTRY}", f"{REGISTRY}.evil.org", REGISTRY.upper(), "app"])
def test_another_registry(registry: str) -> None:
    assert tagged(f"{registry}/app:x", REGISTRY) is None


PLACE = "123456789012.dkr{}eu-west-1.{}"
SPELLINGS = [
    PLACE.format(".ecr.", "amazonaws.com"),
    PLACE.format(".ecr-fips.", "amazonaws.com"),
    PLACE.format("-ecr.", "on.aws"),
    PLACE.format("-ecr-fips.", "on.aws"),
]


@pytest.mark.parametrize("registry", SPELLINGS)
@pytest.mark.parametrize("host", SPELLINGS)
def test_a_registry_is_the_same_by_each_of_its_host_names(host: str, registry: str) -> None:
    assert is_in(f"{host}/app:x", registry)
    assert tagged(f"{host}/app:x", registry) == ("app", "x")
    assert naming("app", "x", registry, ["nginx", f"{host}/app:y", f"{host}/app:x"]) == f"{host}/app:x"


@pytest.mark.parametrize(
    "host",
    [
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
        "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn",
        "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
        "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
        "123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
        "123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
    ],
)
def test_registries_of_other_partitions_have_a_fips_name_too(host: str) -> None:
    assert is_in(f"{host.replace('ecr.', 'ecr-fips.')}/app", host)


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("999999999999.dkr-ecr.eu-west-1.on.aws", id="another-account"),
        pytest.param("123456789012.dkr-ecr.eu-west-2.on.aws", id="another-region"),
        pytest.param("123456789012.dkr-ecr.eu-west-1.on.aws.evil.org", id="a-strangers-domain"),
        pytest.param("123456789012.dkr-ecr.eu-west-1.on.awsx", id="a-longer-domain"),
        pytest.param("123456789012.dkr-ecr.eu-west-1.onxaws", id="no-dot"),
        pytest.param("x123456789012.dkr-ecr.eu-west-1.on.aws", id="more-before-the-account"),
        pytest.param("12345678901.dkr-ecr.eu-west-1.on.aws", id="a-digit-too-few"),
        pytest.param("123456789012.dkr-ecr.evil.org.eu-west-1.on.aws", id="a-dot-in-the-region"),
        pytest.param("public.ecr.aws", id="the-public-registry"),
        pytest.param("", id="no-host"),
    ],
)
def test_another_registry_by_any_name(host: str) -> None:
    assert not is_in(f"{host}/app:x", REGISTRY)
    assert tagged(f"{host}/app:x", REGISTRY) is None


@pytest.mark.parametrize("registry", ["127.0.0.1:8080", "registry"])
def test_a_registry_of_another_kind_is_known_by_its_name_alone(registry: str) -> None:
    assert tagged(f"{registry}/app:x", registry) == ("app", "x")
    assert not is_in(f"{registry}1/app:x", registry)
    assert not is_in(registry, registry)


def test_a_tag_that_no_reference_names_is_spelled_out() -> None:
    assert naming("app", "x", REGISTRY, [f"{REGISTRY}/app:y", "app:x"]) == f"{REGISTRY}/app:x"


@pytest.mark.parametrize(
    ("index", "digests"),
    [
        ({"manifests": [{"digest": "sha256:a"}, {"digest": "sha256:b"}]}, ["sha256:a", "sha256:b"]),
        ({"manifests": [{"digest": "sha256:a"}, {}, None, 7, "x", {"digest": ["y"]}]}, ["sha256:a"]),
        ({"manifests": None}, []),
        ({"manifests": {"digest": "x"}}, []),
        ({}, []),
        ([], []),
        (None, []),
    ],
    ids=["two", "one-among-nonsense", "null", "object", "none", "list", "nothing"],
)
def test_digests_of_an_index(index: Any, digests: list[str]) -> None:
    assert list(_digests(json.dumps(index))) == digests


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "\ud800"], ids=["empty", "cut", "nested", "surrogate"]
)
def test_index_that_is_no_json_has_no_digests(text: str) -> None:
    assert list(_digests(text)) == []


@given(st.text())
def test_any_reference_is_a_tag_or_none(text: str) -> None:
    found = tagged(f"{REGISTRY}/{text}", REGISTRY)
    assert found is None or text in {f"{found[0]}:{found[1]}", found[0]}
