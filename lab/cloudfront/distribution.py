"""What a distribution's configuration says to an edge. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = Mapping[str, Any]

ZONE = "cloudfront.net"

# Managed policies (CloudFront guide, "Use managed … policies").
ALL_VIEWER = "216adef6-5c7f-47e4-b989-5492eafa07d3"
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
SECURITY_HEADERS = "67f7725c-6f97-4210-82d7-5512b31e9d03"

# CloudFront guide, "How CloudFront processes HTTP 4xx and 5xx status codes from your origin": those that are
# kept, and for how long where the distribution does not say.
KEPT_ERRORS = frozenset({404, 405, 414, 500, 501, 502, 503, 504})
ERROR_SECONDS = 10.0
NOT_KEPT = frozenset({"no-store", "no-cache", "private"})


@dataclass(frozen=True)
class Distribution:
    """One distribution with one origin and one cache behavior."""

    domain_name: str
    """Its own name, below cloudfront.net."""
    aliases: frozenset[str]
    origin_name: str
    origin_port: int
    connection_attempts: int
    connection_seconds: float
    read_seconds: float
    keepalive_seconds: float
    """An idle connection to the origin is closed after so long."""
    origin_headers: tuple[tuple[str, str], ...]
    """Sent to the origin in place of what a visitor sends under these names."""
    error_seconds: tuple[tuple[int, float], ...]
    redirects: bool
    """A visitor who comes by http is sent to https."""
    methods: frozenset[str]
    keeps: bool
    """Answers are kept for as long as the origin says."""
    sends_host: bool
    """The origin gets the Host that the visitor typed."""
    adds_security_headers: bool

    def keep_seconds(self, status: int, cache_control: str) -> float:
        """Return for how long an edge keeps an answer to GET; 0: not at all."""
        least = 0.0
        if status in KEPT_ERRORS:
            least = dict(self.error_seconds).get(status, ERROR_SECONDS)
        words = [word.strip().lower().partition("=") for word in cache_control.split(",")]
        said = {name: value.strip('"') for name, _, value in words}
        if not self.keeps or NOT_KEPT & said.keys():
            return least
        seconds = said.get("s-maxage", said.get("max-age", "0"))
        return max(least, float(seconds) if seconds.isdecimal() else 0.0)


def distribution(summary: Json) -> Distribution:
    """Return what ListDistributions says of one (API reference, DistributionSummary)."""
    behavior = summary["DefaultCacheBehavior"]
    [origin] = [each for each in summary["Origins"]["Items"] if each["Id"] == behavior["TargetOriginId"]]
    custom = origin["CustomOriginConfig"]
    return Distribution(
        domain_name=summary["DomainName"],
        aliases=frozenset(summary["Aliases"].get("Items", [])),
        origin_name=origin["DomainName"],
        origin_port=custom["HTTPPort"],
        connection_attempts=origin.get("ConnectionAttempts", 3),
        connection_seconds=origin.get("ConnectionTimeout", 10),
        read_seconds=custom.get("OriginReadTimeout", 30),
        keepalive_seconds=custom.get("OriginKeepaliveTimeout", 5),
        origin_headers=tuple(
            (each["HeaderName"], each["HeaderValue"])
            for each in origin.get("CustomHeaders", {}).get("Items", [])
        ),
        error_seconds=tuple(
            (each["ErrorCode"], float(each["ErrorCachingMinTTL"]))
            for each in summary.get("CustomErrorResponses", {}).get("Items", [])
            if "ErrorCachingMinTTL" in each
        ),
        redirects=behavior["ViewerProtocolPolicy"] == "redirect-to-https",
        methods=frozenset(behavior["AllowedMethods"]["Items"]),
        keeps=behavior.get("CachePolicyId") != CACHING_DISABLED,
        sends_host=behavior.get("OriginRequestPolicyId") == ALL_VIEWER,
        adds_security_headers=behavior.get("ResponseHeadersPolicyId") == SECURITY_HEADERS,
    )
