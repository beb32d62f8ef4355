"""`python -m lab.user.browse URL`: prints a page of the lab, and opens it where it comes by http.

This machine's resolver does not know the names of the lab's zones. So the lab's name server is asked, and the
browser gets the address. It moves with each deployment: browse again. By https a browser would refuse the
address, whose certificate is the name's.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import urllib3

from lab.user.resolver import Resolver
from lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = "usage: python -m lab.user.browse URL (see the output Step4Url, or Step1Url of https.yaml)"
OK = 200
NO_LAB = "PUSHLIVE_DNS_SERVER is not set: paste the variables that `make lab` prints"


def main(arguments: Sequence[str], seconds: float = 60) -> str | int:
    """Return 0, or what is wrong."""
    url = urlsplit(arguments[0]) if len(arguments) == 1 else None
    if url is None or url.scheme not in ("http", "https") or not url.hostname:
        return USAGE
    server, _, server_port = os.environ.get("PUSHLIVE_DNS_SERVER", "").rpartition(":")
    if not server:
        return NO_LAB
    name, is_https = url.hostname, url.scheme == "https"
    port = url.port or (int(os.environ.get("PUSHLIVE_HTTPS_PORT", "443")) if is_https else 80)
    authority = os.environ.get("PUSHLIVE_AUTHORITY", "") if is_https else ""

    def read() -> tuple[str, str]:
        resolver = Resolver((server, int(server_port)))  # a visitor who comes for the first time
        return page(resolver, name, port, authority), resolver.resolve(name)[0]

    try:
        text, address = until(read, f"the page of {name}", seconds)
    except TimeoutError as error:
        return f"{error}. Does the lab run, is there a push? `make why STACK=pushlive-lab` says more"
    if is_https:
        sys.stdout.write(f"{arguments[0]} is at {address}, port {port}:\n{text}")
        return 0
    here = f"http://{address}:{port}{url.path or '/'}"
    opened = webbrowser.open(here)
    sys.stdout.write(f"{arguments[0]} is {here} now{', in your browser' if opened else ''}:\n{text}")
    return 0


def page(resolver: Resolver, host_name: str, port: int, authority: str = "") -> str:
    """Return what a visitor reads; by https where `authority` is a file of trusted certificates.

    Raises:
        OSError: the name has no address, or nobody answers there with a page.
    """
    addresses = resolver.resolve(host_name)
    if not addresses:
        raise OSError(f"{host_name} has no address")
    pool: urllib3.HTTPConnectionPool
    if authority:
        pool = urllib3.HTTPSConnectionPool(
            addresses[0], port, server_hostname=host_name, assert_hostname=host_name, ca_certs=authority
        )
    else:
        pool = urllib3.HTTPConnectionPool(addresses[0], port)
    try:
        with pool:
            answer = pool.request("GET", "/", headers={"Host": host_name}, timeout=2, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise OSError(f"{host_name} at {addresses[0]}: {error}") from error
    if answer.status != OK:
        raise OSError(f"{host_name} at {addresses[0]} answers {answer.status}")
    return answer.data.decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
