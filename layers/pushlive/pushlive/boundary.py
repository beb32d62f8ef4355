"""One boundary around each service: what goes wrong with one does not keep a run from serving the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aws_lambda_powertools import Logger

    from pushlive.model import Service

# The text becomes part of a dead letter, and a message of SQS has a size (SQS guide, "Message quotas").
LONGEST_ERROR = 300
ERRORS_TOLD = 20


def serve_each(logger: Logger, services: Iterable[Service], serve: Callable[[Service], None]) -> None:
    """Serve each service, whatever becomes of the others.

    Raises:
        ExceptionGroup: some could not be served, each with a line in the log. Lambda then runs the event
            again, and puts this text into the dead letter at last.
    """
    failures: list[tuple[str, Exception]] = []
    for service in services:
        try:
            serve(service)
        except Exception as error:
            logger.exception("failed", ecs_service=service.service_name)
            failures.append((service.service_name, error))
    if failures:
        told = [f"{name}: {_text(error)}" for name, error in failures[:ERRORS_TOLD]]
        if more := len(failures) - len(told):
            told.append(f"and {more} more, which the log names")
        raise ExceptionGroup(
            f"{len(failures)} services could not be served: {'; '.join(told)}",
            [error for _, error in failures],
        )


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
