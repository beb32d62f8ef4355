"""Fixtures of the template's tests: the shapes of the stack."""

from __future__ import annotations

import pytest

from tests.template.stack import REGION, SHAPES, Json, Stack, transformed_template


@pytest.fixture(scope="session")
def template() -> Json:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)  # the transform asks for the partition's name by it
        return transformed_template()


@pytest.fixture(scope="session")
def stack(template: Json) -> Stack:
    """With a host name: all there is."""
    return Stack(template, SHAPES["sample"])


@pytest.fixture(scope="session")
def nameless_stack(template: Json) -> Stack:
    """As the defaults have it."""
    return Stack(template, SHAPES["sample-without-host-name"])


@pytest.fixture(scope="session")
def existing_stack(template: Json) -> Stack:
    """For the services of a cluster that the stack did not make, with host names."""
    return Stack(template, SHAPES["existing"])


@pytest.fixture(scope="session", params=SHAPES)
def any_stack(template: Json, request: pytest.FixtureRequest) -> Stack:
    """Each shape in turn."""
    return Stack(template, SHAPES[request.param])


@pytest.fixture(params=["stack", "nameless_stack"], ids=["with-host-name", "without-host-name"])
def either_stack(request: pytest.FixtureRequest) -> Stack:
    """The sample's two shapes."""
    found: Stack = request.getfixturevalue(request.param)
    return found
