"""Which image references are a tag of this registry, and what an index that somebody pushed may hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.ecr import _digests
from pushlive.image_reference import tagged

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
