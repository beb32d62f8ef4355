"""The lab is reached directly, also where a proxy is set and nothing says that loopback needs none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PROXIES = {"http_proxy", "https_proxy", "all_proxy"}
# Python compares names and whole addresses; curl, Go and Python's requests also know the network.
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8")


def loopback_directly(environment: Mapping[str, str]) -> dict[str, str]:
    """Return NO_PROXY in both spellings: what `environment` has, and loopback. Without a proxy: nothing.

    Without a proxy it must not be set: Python on macOS would then forget the proxy of the system's settings.
    """
    if not any(name.lower() in PROXIES and value for name, value in environment.items()):
        return {}
    given = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    if "*" in given:  # nothing goes to a proxy; Python understands it only where it stands alone
        hosts = ["*"]
    else:
        hosts = [host.strip() for each in given for host in each.split(",") if host.strip()]
        hosts = list(dict.fromkeys([*hosts, *LOOPBACK]))
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(hosts))
