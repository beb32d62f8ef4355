"""Which clients ask which service, and how often. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trials.load.clients import ClientSettings, Load

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_SECONDS = 2.0  # of a request; of this machine's time, as latencies are
HOLD_SECONDS = 5  # of AWS: some resolvers keep an answer for so much longer


class Door(NamedTuple):
    """A name that is asked, and how."""

    host_name: str
    port: int
    authority: str = ""
    """A file of trusted certificates; with one clients ask by HTTPS, and every second one sends POST."""


def load(
    name_server: tuple[str, int],
    doors: Sequence[Door],
    *,
    requests_per_second: float,
    speed: float,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Load:
    """Return the load of a lab of that speed: all its clients, from when their names are there."""
    asking = clients(doors, requests_per_second=requests_per_second, hold_seconds=HOLD_SECONDS / speed)
    return Load(name_server, timeout_seconds, asking)


def clients(
    doors: Sequence[Door], *, requests_per_second: float, hold_seconds: float
) -> tuple[ClientSettings, ...]:
    """Return the clients of all services, who together ask at that rate, one after the other.

    Half of them keep connections alive; half of each keep an address `hold_seconds` beyond its TTL.
    """
    kinds = [
        (keeps, holds, posts)
        for posts in (False, True)
        for keeps in (False, True)
        for holds in (0.0, hold_seconds)
    ]
    count = len(kinds) * len(doors)
    each = requests_per_second / count
    return tuple(
        ClientSettings(
            name=f"{place + 1}: {_in_words(keeps_alive=keeps, holds=holds > 0)}",
            host_name=door.host_name,
            port=door.port,
            requests_per_second=each,
            first_after_seconds=(place * len(doors) + number) / count / each,
            keeps_alive=keeps,
            holds_seconds=holds,
            authority=door.authority,
            posts=posts and bool(door.authority),
        )
        for number, door in enumerate(doors)
        for place, (keeps, holds, posts) in enumerate(kinds)
    )


def _in_words(*, keeps_alive: bool, holds: bool) -> str:
    connections = "kept-alive connections" if keeps_alive else "new connections"
    return f"{connections}, {'holds an answer too long' if holds else 'honours the TTL'}"
