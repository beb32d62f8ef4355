"""What the ECS operations share: errors, names and ARNs, tags, paging. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.ecs.model.engine import Engine
    from lab.ecs.model.state import Cluster, Json, Service


class EcsError(Exception):
    """An error of the ECS API; `code` is the exception's name in the API reference."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def invalid(message: str) -> NoReturn:
    """Answer InvalidParameterException."""
    raise EcsError("InvalidParameterException", message)


def cluster_of(engine: Engine, request: Json) -> Cluster:
    """The request's cluster, by name or ARN; `default` if it names none."""
    name = str(request.get("cluster") or "default").rpartition("/")[2]
    cluster = engine.clusters.get(name)
    if cluster is None or cluster.status != "ACTIVE":
        raise EcsError("ClusterNotFoundException", "Cluster not found.")
    return cluster


def find_service(cluster: Cluster, name_or_arn: str) -> Service | None:
    """The service, ACTIVE, DRAINING or lately INACTIVE; an ARN must be of this cluster."""
    if name_or_arn.startswith("arn:"):
        service = cluster.services.get(name_or_arn.rpartition("/")[2])
        return service if service is not None and service.arn == name_or_arn else None
    return cluster.services.get(name_or_arn)


def service_of(cluster: Cluster, name_or_arn: str) -> Service:
    """The service, or ServiceNotFoundException."""
    service = find_service(cluster, name_or_arn)
    if service is None:
        raise EcsError("ServiceNotFoundException", "Service not found.")
    return service


def active_service_of(cluster: Cluster, name_or_arn: str) -> Service:
    """The service; it must be ACTIVE."""
    service = service_of(cluster, name_or_arn)
    if service.status != "ACTIVE":
        raise EcsError("ServiceNotActiveException", "Service was not ACTIVE.")
    return service


def at_most(items: Sequence[str], limit: int, what: str) -> None:
    """API reference: DescribeServices 10, DescribeTasks 100, service deployments and revisions 20."""
    if not items:
        invalid(f"{what} cannot be empty.")
    if len(items) > limit:
        invalid(f"{what} cannot have more than {limit} elements.")


def page(items: Sequence[Any], request: Json, *, default: int) -> tuple[list[Any], Json]:
    """One page, and the nextToken to add to the answer if there is more."""
    size = request.get("maxResults") or default
    if not 1 <= size <= 100:  # noqa: PLR2004 - the same for every list operation modelled
        invalid("maxResults must be between 1 and 100.")
    token = request.get("nextToken") or "0"
    if not token.isdecimal():
        invalid("Invalid token.")
    start = int(token)
    end = start + size
    return list(items[start:end]), {"nextToken": str(end)} if end < len(items) else {}


def tags_in(listed: Sequence[Json]) -> dict[str, str]:
    """Tags of a request."""
    return {tag["key"]: tag.get("value", "") for tag in listed}


def tags_out(tags: dict[str, str]) -> list[Json]:
    """Tags as the API lists them."""
    return [{"key": key, "value": value} for key, value in tags.items()]


def missing(arn: str) -> Json:
    """API reference, "API failure reasons": MISSING."""
    return {"arn": arn, "reason": "MISSING"}
