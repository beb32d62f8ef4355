"""What a service costs a month, four ways: `python3 trials/bench/costs.py` prints the README's table.

List prices in USD of us-east-1, from AWS's pricing pages: Fargate, VPC (public IPv4 addresses), Route 53,
Elastic Load Balancing, CloudFront, App Runner (its last list; it takes no new customers). Data transfer,
images and requests are left out: they are the same in each row, or free at this size.
"""

from __future__ import annotations

HOURS = 730
VCPU, GIGABYTES = 0.25, 0.5
"""The smallest Fargate task and the smallest App Runner instance."""

FARGATE_X86_VCPU, FARGATE_X86_GB = 0.04048, 0.004445
FARGATE_ARM_VCPU, FARGATE_ARM_GB = 0.03238, 0.00356
FARGATE_SPOT_DISCOUNT = 0.70
"""At best: the price of spare capacity changes."""
PUBLIC_IPV4 = 0.005
LOAD_BALANCER = 0.0225
"""An hour of an Application Load Balancer, before its capacity units (0.008 each)."""
LOAD_BALANCER_SUBNETS = 2
"""It must have two, with a public address in each (Elastic Load Balancing guide)."""
EXPRESS_MODE_SERVICES = 25
"""At most so many services of ECS Express Mode share a load balancer (ECS guide)."""
CLOUDFRONT_FREE_GB, CLOUDFRONT_FREE_REQUESTS = 1000, 10_000_000
"""A month, for each account, for ever. What goes from a task to CloudFront is free."""
CLOUDFRONT_GB, CLOUDFRONT_REQUEST = 0.085, 0.01 / 10_000
"""The first 10 TB beyond, and requests by HTTPS, in the United States."""
APP_RUNNER_VCPU, APP_RUNNER_GB = 0.064, 0.007
APP_RUNNER_DEPLOYMENTS = 1.0
"""A month of automatic deployments of one service."""
HOSTED_ZONE = 0.50
"""A month."""


def cloudfront(gigabytes: float, requests: float) -> float:
    """Return the USD a month of HTTPS by CloudFront (docs/https.md); its certificate and records are free."""
    paid_gigabytes = max(0.0, gigabytes - CLOUDFRONT_FREE_GB)
    paid_requests = max(0.0, requests - CLOUDFRONT_FREE_REQUESTS)
    return paid_gigabytes * CLOUDFRONT_GB + paid_requests * CLOUDFRONT_REQUEST


def costs() -> dict[str, float]:
    """What runs: USD a month."""
    x86 = (VCPU * FARGATE_X86_VCPU + GIGABYTES * FARGATE_X86_GB) * HOURS
    arm = (VCPU * FARGATE_ARM_VCPU + GIGABYTES * FARGATE_ARM_GB) * HOURS
    spot = x86 * (1 - FARGATE_SPOT_DISCOUNT)
    address = PUBLIC_IPV4 * HOURS
    load_balancer = LOAD_BALANCER * HOURS + LOAD_BALANCER_SUBNETS * address
    memory, processor = GIGABYTES * APP_RUNNER_GB * HOURS, VCPU * APP_RUNNER_VCPU * HOURS
    return {
        "pushlive, one task": x86 + address + HOSTED_ZONE,
        "pushlive, one task, with HTTPS": x86 + address + HOSTED_ZONE + cloudfront(100, 1_000_000),
        "pushlive, one task, `Architecture=ARM64`": arm + address + HOSTED_ZONE,
        "pushlive, one task, `Spot=true`, at best": spot + address + HOSTED_ZONE,
        "pushlive before the first push, or scaled to 0": HOSTED_ZONE,
        "the same task behind a load balancer": x86 + address + load_balancer + HOSTED_ZONE,
        "the same task in Express Mode, one of 25 behind its load balancer": x86
        + address
        + load_balancer / EXPRESS_MODE_SERVICES
        + HOSTED_ZONE,
        "App Runner, always busy": memory + processor + APP_RUNNER_DEPLOYMENTS + HOSTED_ZONE,
        "App Runner, never asked": memory + APP_RUNNER_DEPLOYMENTS + HOSTED_ZONE,
    }


def table() -> str:
    """The costs as a table in Markdown."""
    rows = [f"| {what} | {usd:.2f} |" for what, usd in costs().items()]
    return "\n".join(["| what runs | USD a month |", "|---|---:|", *rows])


if __name__ == "__main__":
    print(table())
