"""Reads what is around a service: subnets, security groups, log groups, role, repositories and images."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import urllib3

from commands.why.state import EVERYBODY, Built, Ingress, Mutability, Subnet, awslogs
from pushlive import ec2, ecr

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from commands.why.account import Account, Boundary
    from commands.why.state import Json, ServiceState

TARGETS = (
    "GatewayId", "NatGatewayId", "TransitGatewayId", "NetworkInterfaceId", "InstanceId",
    "VpcPeeringConnectionId", "LocalGatewayId", "CarrierGatewayId", "CoreNetworkArn",
)  # fmt: skip
MEDIA_TYPES = [
    *ecr.INDEX_MEDIA_TYPES,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
]
NO_REPOSITORY = "RepositoryNotFoundException"
NO_LAYER = ("LayersNotFoundException", "LayerInaccessibleException")
LARGEST_CONFIG_BYTES = 4 * 1024 * 1024
DOWNLOAD_SECONDS = 10.0


def with_setup(account: Account, boundary: Boundary, state: ServiceState) -> ServiceState:
    """Return the state with what is around the service."""
    read, each = boundary.read, boundary.each
    return replace(
        state,
        subnets=read("its subnets", _subnets, account, state),
        ingress=read("its security groups", _ingress, account, state),
        log_groups=each("its log groups", _log_groups, account, state),
        lacks_role=read("its execution role", _lacks_role, account, state),
        repositories=each("its repositories", _repositories, account, state),
        built=each("what its images were built for", _images, account, state),
    )


def _subnets(account: Account, state: ServiceState) -> tuple[Subnet, ...] | None:
    """Return the subnets, each with the default route of its own route table or of its VPC's main one."""
    if not state.is_fargate or not state.awsvpc.get("subnets"):
        return None  # on an instance the instance pulls
    answer = account.ask("ec2", "describe_subnets", SubnetIds=list(state.awsvpc["subnets"]))
    described = [each for each in answer.get("Subnets", []) if "SubnetId" in each]
    vpcs = {each["SubnetId"]: each.get("VpcId", "") for each in described}
    in_vpcs = [{"Name": "vpc-id", "Values": sorted(set(vpcs.values()))}]
    tables: dict[str, Json] = {}  # by subnet, the main one by VPC
    for table in account.items("ec2", "describe_route_tables", "RouteTables", Filters=in_vpcs):
        for association in table.get("Associations", []):
            of = table.get("VpcId", "") if association.get("Main") else association.get("SubnetId", "")
            tables[of] = table
    found = {subnet: tables.get(subnet) or tables.get(vpc) or {} for subnet, vpc in vpcs.items()}
    return tuple(
        Subnet(subnet, table.get("RouteTableId", "rtb-ID"), default_target(table.get("Routes", [])))
        for subnet, table in found.items()
    )


def default_target(routes: Sequence[Json]) -> str:
    """Return where the default route leads; empty if nowhere."""
    for route in routes:
        if route.get("DestinationCidrBlock") == EVERYBODY and route.get("State", "active") == "active":
            return next((str(route[key]) for key in TARGETS if route.get(key)), "")
    return ""


def _ingress(account: Account, state: ServiceState) -> Ingress | None:
    """Return who may reach the container port through any of the security groups."""
    if not state.awsvpc or state.port is None:
        return None
    group_ids = state.awsvpc.get("securityGroups", [])
    if not group_ids:
        # The VPC's default group holds then (API reference, AwsVpcConfiguration): it admits its members.
        return Ingress(frozenset(), frozenset({"the VPC's default security group"}))
    found = account.ask("ec2", "describe_security_groups", GroupIds=list(group_ids))
    groups = found.get("SecurityGroups", [])
    rules = [rule for group in groups for rule in group.get("IpPermissions", []) if _is_of(rule, state.port)]

    def named(ranges: str, key: str) -> frozenset[str]:
        return frozenset(each[key] for rule in rules for each in rule.get(ranges, []) if each.get(key))

    lists = named("PrefixListIds", "PrefixListId")
    edges = lists & _edges(account) if lists else lists
    others = named("UserIdGroupPairs", "GroupId") | lists - edges
    return Ingress(named("IpRanges", "CidrIp"), others, edges)


def _edges(account: Account) -> frozenset[str]:
    """Return the prefix list of CloudFront's edges, which has another id in each region."""
    by_name = [{"Name": "prefix-list-name", "Values": [ec2.CLOUDFRONT_PREFIX_LIST]}]
    found = account.ask("ec2", "describe_managed_prefix_lists", Filters=by_name)
    return frozenset(each.get("PrefixListId", "") for each in found.get("PrefixLists", []))


def _is_of(rule: Json, port: int) -> bool:
    """Return whether a rule of a security group is about this TCP port."""
    protocol, first, last = rule.get("IpProtocol"), rule.get("FromPort", 0), rule.get("ToPort", port)
    return protocol == "-1" or (protocol in ("tcp", "6") and first <= port <= last)


def _log_groups(account: Account, state: ServiceState) -> Iterator[tuple[str, bool]]:
    """Yield the log groups that must be there before a task starts, and whether they are."""
    region = state.settings.region
    for options in map(awslogs, state.containers):
        if options and options.get("awslogs-region", region) == region:
            yield options["awslogs-group"], has_log_group(account, options["awslogs-group"])


def has_log_group(account: Account, group: str) -> bool:
    """Return whether there is a log group of this name."""
    found = account.ask("logs", "describe_log_groups", logGroupNamePrefix=group)
    return any(each.get("logGroupName") == group for each in found.get("logGroups", []))


def _lacks_role(account: Account, state: ServiceState) -> bool:
    """Return whether the task definition names an execution role that is not there."""
    name = state.definition.get("executionRoleArn", "").rpartition("/")[2]
    return bool(name) and account.ask("iam", "get_role", "NoSuchEntity", RoleName=name) is None


def _repositories(account: Account, state: ServiceState) -> Iterator[tuple[str, Mutability | None]]:
    for name, _ in state.tags_of_images.values():
        answer = account.ask("ecr", "describe_repositories", NO_REPOSITORY, repositoryNames=[name])
        if answer is None:
            yield name, None
            continue
        found = (answer.get("repositories") or [{}])[0]
        filters = found.get("imageTagMutabilityExclusionFilters", [])
        excluded = tuple(each["filter"] for each in filters if "filter" in each)
        yield name, Mutability(found.get("imageTagMutability", "MUTABLE"), excluded)


def _images(account: Account, state: ServiceState) -> Iterator[tuple[str, Built | None]]:
    for image, named in state.tags_of_images.items():
        yield image, _built(account, *named)


def _built(account: Account, repository: str, tag: str) -> Built | None:
    """Return for what the tag's image was built; None if there is no such image."""
    asked = {"repositoryName": repository, "imageIds": [{"imageTag": tag}]}
    found = account.ask("ecr", "batch_get_image", NO_REPOSITORY, **asked, acceptedMediaTypes=MEDIA_TYPES)
    images = (found or {}).get("images") or [{}]
    manifest = json.loads(images[0].get("imageManifest", "{}"))
    if "manifests" in manifest:
        platforms = [each.get("platform", {}).get("architecture", "") for each in manifest["manifests"]]
        # buildx's attestations are of platform unknown/unknown.
        return Built(frozenset(platforms) - {"unknown", ""})
    return built_of(_config(account, repository, manifest["config"])) if "config" in manifest else None


def built_of(config: Json) -> Built:
    """Return what an image's config (OCI image-spec, "config") says."""
    exposed = (config.get("config") or {}).get("ExposedPorts") or {}
    ports = {int(each.partition("/")[0]) for each in exposed if each.partition("/")[2] in ("", "tcp")}
    return Built(frozenset({config["architecture"]} if config.get("architecture") else ()), frozenset(ports))


def _config(account: Account, repository: str, descriptor: Json) -> Any:  # noqa: ANN401 - JSON
    """Return an image's config; empty if ECR does not give it.

    It gives it as it gives a layer (API reference, GetDownloadUrlForLayer). That it does is not documented;
    people rely on it (containers-roadmap 178).
    """
    asked = {"repositoryName": repository, "layerDigest": descriptor["digest"]}
    found = account.ask("ecr", "get_download_url_for_layer", *NO_LAYER, **asked)
    if not found or "downloadUrl" not in found:
        return {}
    with urllib3.PoolManager(timeout=DOWNLOAD_SECONDS, retries=False) as pool:
        answer = pool.request("GET", found["downloadUrl"], preload_content=False)
        return json.loads(answer.read(LARGEST_CONFIG_BYTES))
