"""What servers of the lab stand on: event loops in threads of their own, and sockets that listen."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from errno import EADDRINUSE
from typing import TYPE_CHECKING, Any

from hypercorn.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack


class PortError(Exception):
    """The lab's port cannot be had; the text says what to do."""


def running_loop(name: str, stack: ExitStack) -> asyncio.AbstractEventLoop:
    """Return an event loop that runs in a thread of its own until `stack` is closed."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(_complain)
    thread = threading.Thread(target=loop.run_forever, name=name, daemon=True)

    def end() -> None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    stack.callback(end)
    thread.start()
    return loop


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What asyncio complains of, but not a connection that the server's end cut off."""
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens: from here on nobody else has the port, and who connects waits for the server.

    Raises:
        PortError: the port cannot be had.
    """
    try:
        return listening(host, port)
    except OSError as error:
        words = "is in use" if error.errno == EADDRINUSE else f"cannot be had ({error.strerror})"
        raise PortError(
            f"port {port} {words}: choose another with --port, as in `make lab PORT={port + 1}`"
        ) from error


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the port cannot be had.
    """
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened


class QuietConfig(Config):
    """hypercorn's configuration of a server on sockets that listen already."""

    def __init__(self, listeners: Iterable[socket.socket]) -> None:
        super().__init__()
        self.bind = [f"fd://{each.detach()}" for each in listeners]
        self.graceful_timeout = 1
        self.loglevel = "WARNING"
        self.errorlog = logging.getLogger("hypercorn.error")  # otherwise it writes to the terminal
