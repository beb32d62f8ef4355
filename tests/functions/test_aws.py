"""The clients of the functions."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse

from pushlive import aws

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    caches = (aws.client, aws._session)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.mark.parametrize(
    ("service", "method", "arguments", "path"),
    [
        ("ecs", "describe_services", {"services": ["app"]}, ("services", "createdAt")),
        ("ecr", "describe_images", {"repositoryName": "app"}, ("imageDetails", "imagePushedAt")),
    ],
    ids=["ecs", "ecr"],
)
def test_times_are_in_utc_in_whatever_zone_the_machine_is(
    service: str,
    method: str,
    arguments: dict[str, Any],
    path: tuple[str, str],
) -> None:
    assert time.localtime().tm_gmtoff == 9 * 3600, "tests/conftest.py sets another zone"
    client, (listed, at) = aws.client(service), path
    body = json.dumps({listed: [{at: 1795169403.25}]}).encode()
    answer = AWSResponse("https://aws", 200, HTTPHeaders(), MockRawResponse(body))
    client.meta.events.register("before-send", lambda **_: answer)
    [found] = getattr(client, method)(**arguments)[listed]
    assert found[at].isoformat() == "2026-11-20T10:10:03.250000+00:00"
