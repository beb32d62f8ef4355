"""What the functions say while they are measured in this process is not asked for."""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

import redeploy_service.app
import update_record.app

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def silence() -> Iterator[None]:
    """Let the functions' log and metrics go nowhere while the block runs."""
    loggers = [redeploy_service.app.logger, update_record.app.logger]
    streams = [logger.registered_handler.stream for logger in loggers]  # type: ignore[attr-defined]
    root = logging.getLogger()
    handlers = root.handlers[:]  # MiniStack's, once a lab has run in this process
    with redirect_stdout(io.StringIO()) as nowhere:
        for logger in loggers:
            logger.registered_handler.stream = nowhere  # type: ignore[attr-defined]
        root.handlers.clear()
        try:
            yield
        finally:
            root.handlers[:] = handlers
            for logger, stream in zip(loggers, streams, strict=True):
                logger.registered_handler.stream = stream  # type: ignore[attr-defined]
