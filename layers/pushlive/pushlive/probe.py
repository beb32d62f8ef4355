"""Which addresses answer. DescribeTasks knows no readiness without a container health check."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECT_SECONDS = 1.0
AT_ONCE = 32


def answering(addresses: Iterable[str], port: int) -> frozenset[str]:
    """Return those addresses that accept a TCP connection on `port` within a second."""
    wanted = sorted(addresses)
    if not wanted:
        return frozenset()
    if len(wanted) == 1:
        return frozenset(wanted) if _answers(wanted[0], port) else frozenset()
    with ThreadPoolExecutor(min(AT_ONCE, len(wanted))) as pool:
        answers = pool.map(lambda address: _answers(address, port), wanted)
        return frozenset(address for address, answer in zip(wanted, answers, strict=True) if answer)


def _answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
