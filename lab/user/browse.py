"""`python -m lab.user.browse http://NAME:PORT/`: opens a page of the lab, and prints it.

This machine's resolver does not know the names of the lab's zones. So the lab's name server is asked, and the
browser gets the address. It moves with each deployment: browse again.
"""

from __future__ import annotations

import os
import sys
import urllib.request
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.user.resolver import Resolver
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
USAGE = "usage: python -m lab.user.browse http://NAME:PORT/ (see the output Step4Url)"
NO_LAB = "PUSHLIVE_DNS_SERVER is not set: paste the variables that `make lab` prints"


def main(arguments: Sequence[str], seconds: float = 60) -> str | int:
    """Return 0, or what is wrong."""
    url = urlsplit(arguments[0]) if len(arguments) == 1 else None
    if url is None or url.scheme != "http" or not url.hostname:
        return USAGE
    server, _, server_port = os.environ.get("PUSHLIVE_DNS_SERVER", "").rpartition(":")
    if not server:
        return NO_LAB
    name, port = url.hostname, url.port or 80

    def read() -> tuple[str, str]:
        resolver = Resolver((server, int(server_port)))  # a visitor who comes for the first time
        return page(resolver, name, port), resolver.resolve(name)[0]

    try:
        text, address = until(read, f"the page of {name}", seconds)
    except TimeoutError as error:
        return f"{error}. Does the lab run, is there a push? `make why STACK=pushlive-lab` says more"
    here = f"http://{address}:{port}{url.path or '/'}"
    opened = webbrowser.open(here)
    sys.stdout.write(f"{arguments[0]} is {here} now{', in your browser' if opened else ''}:\n{text}")
    return 0


def page(resolver: Resolver, host_name: str, port: int) -> str:
    """Return what a visitor of the host name reads.

    Raises:
        OSError: the name has no address, or nobody answers there.
    """
    addresses = resolver.resolve(host_name)
    if not addresses:
        raise OSError(f"{host_name} has no address")
    with DIRECTLY.open(f"http://{addresses[0]}:{port}/", timeout=2) as answer:
        text: str = answer.read(100_000).decode()
        return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
