"""Fixtures of the templates' tests: the shapes of the stacks."""

from __future__ import annotations

import pytest

from lab.template import HTTPS, PUSHLIVE, REGION, SERVICE, SHAPES, Json, Stack, transformed_template


@pytest.fixture(scope="session")
def templates() -> dict[str, Json]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", REGION)  # the transform asks for the partition's name by it
        return {name: transformed_template(name) for name in (SERVICE, PUSHLIVE, HTTPS)}


@pytest.fixture(scope="session")
def template(templates: dict[str, Json]) -> Json:
    """That of a service from nothing."""
    return templates[SERVICE]


@pytest.fixture(scope="session")
def shapes(templates: dict[str, Json]) -> dict[str, Stack]:
    return {shape: Stack(templates[name], given) for shape, (name, given) in SHAPES.items()}


@pytest.fixture(scope="session")
def stack(shapes: dict[str, Stack]) -> Stack:
    """A service with a host name: all there is."""
    return shapes["service"]


@pytest.fixture(scope="session")
def https_stack(shapes: dict[str, Stack]) -> Stack:
    """HTTPS in front of it, with a name of its own."""
    return shapes["https"]


@pytest.fixture(scope="session")
def nameless_stack(shapes: dict[str, Stack]) -> Stack:
    """As the defaults have it."""
    return shapes["service-without-host-name"]


@pytest.fixture(scope="session")
def pushlive_stack(shapes: dict[str, Stack]) -> Stack:
    """The functions alone, with host names."""
    return shapes["pushlive"]


@pytest.fixture(scope="session")
def nameless_pushlive_stack(shapes: dict[str, Stack]) -> Stack:
    return shapes["pushlive-without-host-names"]


@pytest.fixture(scope="session", params=SHAPES)
def any_stack(shapes: dict[str, Stack], request: pytest.FixtureRequest) -> Stack:
    """Each shape in turn."""
    return shapes[request.param]


@pytest.fixture(
    params=["pushlive_stack", "nameless_pushlive_stack"], ids=["with-host-names", "without-host-names"]
)
def either_pushlive_stack(request: pytest.FixtureRequest) -> Stack:
    """The functions' two shapes."""
    found: Stack = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["stack", "nameless_stack"], ids=["with-host-name", "without-host-name"])
def either_stack(request: pytest.FixtureRequest) -> Stack:
    """The service's two shapes."""
    found: Stack = request.getfixturevalue(request.param)
    return found
