"""What is around the functions in the simulation: a logger that tells the story, no metrics, no HTTP."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import redeploy_service.app
import update_record.app

from pushlive import cloudformation, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pushlive.events import StackRequest
    from trials.simulation.cloud import Cloud


class StoryLogger:
    """What the functions call of Powertools' Logger."""

    def __init__(self, function: str) -> None:
        self._function = function
        self.cloud: Cloud | None = None
        self._said: dict[str, tuple[object, ...]] = {}

    def listen(self, cloud: Cloud | None) -> None:
        """Write the story of this one from now on."""
        self.cloud = cloud
        self._said.clear()

    def structure_logs(self, **_: object) -> None:
        """The keys of every line: the story has its own."""

    def debug(self, message: str, **keys: Any) -> None:
        """Not told: what services that never asked for anything are left for."""

    def info(self, message: str, **keys: Any) -> None:
        """A decision."""
        if self.cloud is None or message == "ignored":
            return
        where = str(keys.get("host_name") or keys.get("ecs_service"))
        said = (message, keys.get("reason"), str(keys.get("addresses")), keys.get("digest"))
        if self._said.get(where) != said:  # what is said again and again is told once
            self._said[where] = said
            what = " ".join([message, where, *keys.get("addresses", ())])
            self.cloud.clock.tell("  %s: %s: %s", self._function, what, keys.get("reason"))

    warning = info

    def exception(self, message: str, **keys: Any) -> None:
        """An error that is raised again in the end."""
        if self.cloud is not None:
            self.cloud.clock.tell(
                "  %s: %s: an error with %s", self._function, message, keys.get("ecs_service")
            )


LOGGERS = (StoryLogger("RedeployService"), StoryLogger("UpdateRecord"))


class NoMetric:
    """What is measured is not looked at."""

    def add_dimension(self, name: str, value: str) -> None:
        """As of Powertools' metric."""


@contextmanager
def no_metric(*_: object, **__: object) -> Iterator[NoMetric]:
    """In place of single_metric, which would print."""
    yield NoMetric()


def answer(request: StackRequest, _: str = "", *, failure: str = "") -> None:
    """In place of the answer to CloudFormation, which would go out to the network."""
    for logger in LOGGERS:
        if logger.cloud is not None:
            logger.cloud.stack_answers[request.event_id] = failure


@contextmanager
def installed() -> Iterator[None]:
    """Let the functions tell their decisions to the story for a while."""
    with ExitStack() as patches:
        for module, logger in zip((redeploy_service.app, update_record.app), LOGGERS, strict=True):
            patches.enter_context(patch.object(module, "logger", logger))
        patches.enter_context(patch.object(metrics, "single_metric", no_metric))
        patches.enter_context(patch.object(cloudformation, "answer", answer))
        yield


def listen(cloud: Cloud | None) -> None:
    """Whose story the loggers write."""
    for logger in LOGGERS:
        logger.listen(cloud)
