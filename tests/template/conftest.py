"""Fixtures of the template's tests: the stack with and without a host name."""

from __future__ import annotations

import pytest

from tests.template.stack import HOST_NAME, HOSTED_ZONE_ID, REGION, Json, Stack, transformed_template


@pytest.fixture(scope="session")
def template() -> Json:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)  # the transform asks for the partition's name by it
        return transformed_template()


@pytest.fixture(scope="session")
def stack(template: Json) -> Stack:
    """With a host name: all there is."""
    return Stack(template, {"HostedZoneId": HOSTED_ZONE_ID, "HostName": HOST_NAME})


@pytest.fixture(scope="session")
def nameless_stack(template: Json) -> Stack:
    """As the defaults have it."""
    return Stack(template, {})


@pytest.fixture(params=["stack", "nameless_stack"], ids=["with-host-name", "without-host-name"])
def either_stack(request: pytest.FixtureRequest) -> Stack:
    found: Stack = request.getfixturevalue(request.param)
    return found
