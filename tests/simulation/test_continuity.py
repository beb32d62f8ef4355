"""Nobody's request fails during a deployment: for which images, settings and assumptions that holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trials.simulation.continuity import Edge, failing_seconds
from trials.simulation.places import Setup
from trials.simulation.scenario import Step

NEXT = 700  # seconds from one change to the next: the old tasks are gone
PUSHES = {
    "a-good-image": [Step("push", ("app:latest", "{image}"), NEXT)],
    "ten-pushes-in-a-row": [Step("push", ("app:latest", "{image}"), 7)] * 10,
    "ten-pushes-a-minute-apart": [Step("push", ("app:latest", "{image}"), 60)] * 10,
    "a-broken-image": [Step("push", ("app:latest", "crashes"), NEXT)],
    "an-image-that-never-listens": [Step("push", ("app:latest", "unhealthy"), 3000)],
    "a-slow-starter": [Step("push", ("app:latest", "lazy"), NEXT)],
    "scale-to-3-and-back": [Step("scale", ("app", 3), NEXT), Step("scale", ("app", 1), NEXT)],
    "a-stack-update": [Step("stack_update", ("app",), NEXT)],
}
IMAGES = {"keeps-serving-after-sigterm": "drains", "dies-on-sigterm": "rude"}
RUDE = Setup(sidecars=True, image="rude")
GET, POST = Edge(), Edge(tries=1)
GET_ON_BUSY, POST_ON_BUSY = Edge(busy=True), Edge(tries=1, busy=True)


def steps(what: str, image: str) -> list[Step]:
    """First that image itself: it is the one that is replaced."""
    named = [
        Step(each.name, tuple(image if value == "{image}" else value for value in each.arguments), each.wait)
        for each in PUSHES[what]
    ]
    return [Step("push", ("app:latest", image), NEXT), *named]


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("what", PUSHES)
@pytest.mark.parametrize("strict", [True, False], ids=["health-as-documented", "health-as-observed"])
def test_nobody_meets_a_closed_port_during(what: str, image: str, strict: bool) -> None:  # noqa: FBT001 - a parameter
    setup = Setup(sidecars=True, strict_health=strict)
    assert failing_seconds(setup, steps(what, IMAGES[image])) == 0


@pytest.mark.parametrize("what", PUSHES)
def test_if_ecs_does_not_stop_the_drain_sidecar_first_it_is_no_worse_than_without(what: str) -> None:
    for image in IMAGES.values():
        unordered = failing_seconds(Setup(sidecars=True, reverse_shutdown=False), steps(what, image))
        assert unordered <= failing_seconds(Setup(), steps(what, image))


@pytest.mark.parametrize(
    ("setup", "what", "image"),
    [
        pytest.param(Setup(), "a-good-image", "rude", id="no-drain-sidecar-and-an-app-that-dies-on-sigterm"),
        pytest.param(Setup(), "a-slow-starter", "drains", id="no-drain-sidecar-and-a-slow-starter"),
        pytest.param(
            Setup(sidecars=True, drain_seconds=30), "a-good-image", "rude", id="a-drain-time-too-short"
        ),
        pytest.param(Setup(sidecars=True, ttl_seconds=120), "a-good-image", "rude", id="a-ttl-too-long"),
    ],
)
def test_it_is_seen_where_it_does_not_hold(setup: Setup, what: str, image: str) -> None:
    assert failing_seconds(setup, steps(what, image)) > 0


@pytest.mark.parametrize(
    ("image", "edge"),
    [  # where each POST is answered, so is each GET; where those on busy connections are, so are all others
        pytest.param(
            "drains", POST_ON_BUSY, id="any-request-of-an-app-that-closes-connections-after-sigterm"
        ),
        pytest.param("rude", POST, id="a-post-on-an-idle-connection-of-an-app-that-dies-on-sigterm"),
        pytest.param("rude", GET_ON_BUSY, id="a-get-on-a-busy-connection-of-an-app-that-dies-on-sigterm"),
    ],
)
@pytest.mark.parametrize("what", PUSHES)
def test_through_an_edge_of_cloudfront_nothing_fails_during(what: str, image: str, edge: Edge) -> None:
    assert failing_seconds(Setup(sidecars=True, image=image), steps(what, image), edge) == 0


FAILS = {
    "a-get-without-the-drain-sidecar": (Setup(image="rude"), "a-good-image", GET),
    "a-get-with-30-s-of-drain": (replace(RUDE, drain_seconds=30), "a-good-image", GET),
    "a-get-with-a-ttl-of-120-s": (replace(RUDE, ttl_seconds=120), "a-good-image", GET),
    "a-post-with-30-s-of-keep-alive": (RUDE, "scale-to-3-and-back", replace(POST, keepalive_seconds=30)),
    "a-get-on-busy-connections-to-3-tasks-that-die-at-once": (
        replace(RUDE, desired=3),
        "a-good-image",
        GET_ON_BUSY,
    ),
    "a-post-on-a-busy-connection-of-an-app-that-dies-on-sigterm": (RUDE, "a-good-image", POST_ON_BUSY),
    "a-post-on-a-busy-connection-of-an-app-that-ends-sooner-than-the-keep-alive": (
        replace(RUDE, image="good"),
        "a-good-image",
        POST_ON_BUSY,
    ),
    "a-post-on-a-busy-connection-of-an-app-that-ignores-sigterm": (
        replace(RUDE, image="stubborn"),
        "a-good-image",
        POST_ON_BUSY,
    ),
}


@pytest.mark.parametrize(("setup", "what", "edge"), FAILS.values(), ids=FAILS)
def test_through_an_edge_of_cloudfront_this_fails(setup: Setup, what: str, edge: Edge) -> None:
    assert failing_seconds(setup, steps(what, setup.image), edge) > 0
