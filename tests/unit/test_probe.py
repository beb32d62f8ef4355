"""Which addresses answer: asked on this machine's own loopback addresses."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from pushlive import probe

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 100
LOOPBACK = [f"127.0.1.{number}" for number in range(1, MANY + 1)]


@contextmanager
def listening(*addresses: str) -> Iterator[int]:
    """A port on which each of these addresses listens; the kernel accepts for us."""
    with ExitStack() as stack:
        first, *others = [stack.enter_context(socket.socket()) for _ in addresses]
        first.bind((addresses[0], 0))
        port: int = first.getsockname()[1]
        for each, address in zip(others, addresses[1:], strict=True):
            each.bind((address, port))
        for each in (first, *others):
            each.listen()
        yield port


@pytest.mark.parametrize(
    ("asked", "answering"),
    [
        pytest.param([], [], id="nobody-asked"),
        pytest.param(LOOPBACK[:1], LOOPBACK[:1], id="one-that-listens"),
        pytest.param(LOOPBACK[2:3], [], id="one-that-refuses"),
        pytest.param(LOOPBACK[:2], LOOPBACK[:2], id="two-that-listen"),
        pytest.param(LOOPBACK[1:3], LOOPBACK[1:2], id="one-of-two-that-listens"),
        pytest.param(LOOPBACK[2:4], [], id="two-that-refuse"),
        pytest.param(["127.0.1.1", "no address"], ["127.0.1.1"], id="what-is-no-address-does-not-answer"),
    ],
)
def test_answering(asked: list[str], answering: list[str]) -> None:
    with listening(*LOOPBACK[:2]) as port:
        assert probe.answering(asked, port) == frozenset(answering)


def test_many_at_once() -> None:
    """More than are asked at the same time, each second of them listens."""
    with listening(*LOOPBACK[::2]) as port:
        assert probe.answering(iter(LOOPBACK), port) == frozenset(LOOPBACK[::2])


def test_another_port_of_the_same_address_does_not_answer() -> None:
    with listening("127.0.1.1") as port, listening("127.0.1.2") as other:
        assert port != other
        assert probe.answering(["127.0.1.1", "127.0.1.2"], other) == {"127.0.1.2"}


class Filtered:
    """A network that drops what is sent to some addresses: a connection to them times out."""

    def __init__(self) -> None:
        self.asked: dict[str, float | None] = {}
        self.closed: list[str] = []

    def connect(self, at: tuple[str, int], timeout: float | None = None) -> Filtered._Connection:
        self.asked[at[0]] = timeout
        if at[0] == "203.0.113.1":
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        if at[0] == "203.0.113.2":
            raise OSError(errno.EHOSTUNREACH, "No route to host")
        return self._Connection(self, at[0])

    class _Connection:
        def __init__(self, network: Filtered, address: str) -> None:
            self._network, self._address = network, address

        def close(self) -> None:
            self._network.closed.append(self._address)


@pytest.mark.parametrize("unresponsive", ["203.0.113.1", "203.0.113.2"], ids=["filtered", "no-route"])
def test_who_drops_what_is_sent_does_not_answer_and_costs_a_second(
    monkeypatch: pytest.MonkeyPatch, unresponsive: str
) -> None:
    network = Filtered()
    monkeypatch.setattr(socket, "create_connection", network.connect)
    assert probe.answering([unresponsive], 80) == frozenset()
    assert probe.answering([unresponsive, "203.0.113.9"], 80) == {"203.0.113.9"}
    assert network.asked == {unresponsive: 1.0, "203.0.113.9": 1.0}
    assert network.closed == ["203.0.113.9"]
