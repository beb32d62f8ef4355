"""What NO_PROXY becomes."""

from __future__ import annotations

import pytest

from lab.proxies import loopback_directly

LOOPBACK = "localhost,127.0.0.1,127.0.0.0/8"
PROXY = {"HTTPS_PROXY": "http://proxy.example.com:3128"}


@pytest.mark.parametrize(
    ("environment", "no_proxy"),
    [
        ({**PROXY}, LOOPBACK),
        ({"http_proxy": "http://proxy.example.com"}, LOOPBACK),
        ({"ALL_PROXY": "socks5://proxy.example.com"}, LOOPBACK),
        ({**PROXY, "NO_PROXY": "example.com, 10.0.0.0/8"}, f"example.com,10.0.0.0/8,{LOOPBACK}"),
        ({**PROXY, "no_proxy": "a.example,localhost"}, "a.example,localhost,127.0.0.1,127.0.0.0/8"),
        ({**PROXY, "no_proxy": "a.example", "NO_PROXY": "b.example"}, f"a.example,b.example,{LOOPBACK}"),
        ({**PROXY, "NO_PROXY": "*"}, "*"),
    ],
    ids=["unset", "lower-case", "socks", "extended", "no-repetition", "both-spellings", "everything"],
)
def test_loopback_joins_what_is_reached_directly(environment: dict[str, str], no_proxy: str) -> None:
    assert loopback_directly(environment) == {"no_proxy": no_proxy, "NO_PROXY": no_proxy}


@pytest.mark.parametrize("environment", [{}, {"NO_PROXY": "a.example"}, {"HTTP_PROXY": ""}])
def test_without_a_proxy_nothing_is_set(environment: dict[str, str]) -> None:
    assert loopback_directly(environment) == {}
