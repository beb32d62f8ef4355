"""Addresses of this machine that stand for the public addresses of tasks.

For tasks that are processes they are loopback addresses: Linux answers on all of 127.0.0.0/8, so that every
task of the lab can listen on its own port 8080, as tasks with network interfaces of their own do. But for a
port on which another program listens on all addresses of this machine: that one is in use on these too.
"""

from __future__ import annotations

import ipaddress
import secrets
import socket
from errno import EADDRINUSE

NETWORK = ipaddress.IPv4Network("127.64.0.0/10")
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
LOOPBACKS = int(ipaddress.IPv4Address("0.128.0.0"))  # added to an address below 127.128.0.0


class Addresses:
    """Addresses that no two tasks have at once, and that come back as late as possible.

    A released address is not handed out again before all others were, as AWS gives a stopped task's address
    to a stranger and not to the next task. The first one is random: two labs on one machine do not meet.
    """

    def __init__(self, network: ipaddress.IPv4Network = NETWORK, *, gateway: str | None = None) -> None:
        self._network = network
        self._gateway = gateway  # of a bridge: its other addresses are those of containers
        self._in_use = {gateway} if gateway else set()
        self._next = secrets.randbelow(network.num_addresses)

    def allocate(self) -> str:
        """An address that is in nobody's use, until `release`.

        Raises:
            RuntimeError: all are in use, or this machine does not answer on such addresses.
        """
        for _ in range(self._network.num_addresses):
            address = str(self._network[self._next])
            self._next = (self._next + 1) % self._network.num_addresses
            if address not in self._in_use and not address.endswith((".0", ".255")):
                if not self._gateway:
                    _require_loopback(address)
                self._in_use.add(address)
                return address
        raise RuntimeError(f"all addresses of {self._network} are in use")

    def release(self, address: str) -> None:
        """Give `address` back; one that was never allocated is ignored."""
        self._in_use.discard(address)


def loopback_of(address: str) -> str:
    """What stands for 127.0.0.1 in the task at `address`: no task's address, and no other task's loopback."""
    return str(ipaddress.IPv4Address(int(ipaddress.IPv4Address(address)) | LOOPBACKS))


def _require_loopback(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError as error:
            raise RuntimeError(
                f"this machine does not answer on {address} ({error.strerror}): the lab gives every task a"
                f" loopback address of its own. macOS has 127.0.0.1 only: use a Docker Engine there, or add"
                f" addresses with `sudo ifconfig lo0 alias {address}`"
            ) from error


def free_port(wanted: int) -> int:
    """`wanted`, or the next port on which no other program listens on all addresses of this machine."""
    port = wanted
    while _in_use(str(NETWORK[1]), port):
        port += 1
    return port


def require_port(address: str, port: int, protocol: str = "tcp") -> None:
    """Do nothing where a program can listen there.

    Raises:
        OSError: it cannot; the text says why, and what to do.
    """
    try:
        _listen(address, port, protocol)
    except OSError as error:
        if error.errno != EADDRINUSE:
            raise OSError(
                f"port {port} cannot be used here ({error.strerror}): deploy with another ContainerPort"
            ) from error
        everywhere = _in_use(str(NETWORK[1]), port, protocol)
        where = "all addresses of this machine, as `docker run -p` does" if everywhere else address
        raise OSError(
            f"port {port} is in use: another program listens on {where}. End it, or deploy with another"
            " ContainerPort"
        ) from error


def _in_use(address: str, port: int, protocol: str = "tcp") -> bool:
    try:
        _listen(address, port, protocol)
    except OSError as error:
        return error.errno == EADDRINUSE
    return False


def _listen(address: str, port: int, protocol: str) -> None:
    with socket.socket(socket.AF_INET, KINDS[protocol]) as probe:
        if protocol == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
        if protocol == "tcp":
            probe.listen()  # two may bind it, and only one may listen
