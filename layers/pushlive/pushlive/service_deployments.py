"""Amazon ECS: a service's deployments, and what each resolved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from pushlive.answers import IncompleteAnswerError, needed
from pushlive.ecs import chunks, task_definition
from pushlive.image_reference import is_in, without_digest
from pushlive.model import ServiceDeployment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_ecs import ECSClient

DEPLOYMENTS_READ = 20  # DescribeServiceDeployments and DescribeServiceRevisions take as many (API reference)


def deployments(
    client: ECSClient, cluster_arn: str, service_name: str, registry: str
) -> tuple[ServiceDeployment, ...]:
    """Return the service's newest deployments, newest first, with the digests that each resolved.

    Only of images in `registry`: what others publish, such as the drain sidecar's image, is there before the
    first push, and says nothing about whether the service ever ran.

    Raises:
        IncompleteAnswerError: ECS does not tell of one what a decision needs.
    """
    listed = needed(
        client.list_service_deployments(
            cluster=cluster_arn, service=service_name, maxResults=DEPLOYMENTS_READ
        ),
        "serviceDeployments",
        "ListServiceDeployments",
    )
    arns = [needed(each, "serviceDeploymentArn", "ListServiceDeployments") for each in listed]
    if not arns:
        return ()
    operation = "DescribeServiceDeployments"
    described = needed(
        client.describe_service_deployments(serviceDeploymentArns=arns), "serviceDeployments", operation
    )
    # A rollback may go to a revision of before the deployments that are listed.
    named = {_target(each) for each in described} | {_way_back(each) for each in described}
    revisions = {
        revision.get("serviceRevisionArn", ""): revision
        for some in chunks(sorted(named - {""}), DEPLOYMENTS_READ)
        for revision in client.describe_service_revisions(serviceRevisionArns=some).get(
            "serviceRevisions", []
        )
    }
    digests = {arn: _resolved(client, revision, registry) for arn, revision in revisions.items()}
    found = [
        _deployment(each, digests, has_way_back=_has_way_back(each, revisions, registry))
        for each in described
    ]
    return tuple(sorted(found, key=lambda deployment: deployment.created_at, reverse=True))


def _target(deployment: Mapping[str, Any]) -> str:
    arn: str = deployment.get("targetServiceRevision", {}).get("arn", "")
    return arn


def _rollback(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    rollback: Mapping[str, Any] = deployment.get("rollback", {})
    return rollback


def _way_back(deployment: Mapping[str, Any]) -> str:
    """Return the revision of an earlier deployment that a rollback goes to (API reference, Rollback)."""
    arn: str = _rollback(deployment).get("serviceRevisionArn", "")
    return arn


def _has_way_back(
    deployment: Mapping[str, Any], revisions: Mapping[str, Mapping[str, Any]], registry: str
) -> bool:
    """Return whether a rollback goes to a revision that runs something else than what failed.

    One that has resolved no digest runs what its tag names now: so another tag is something else.
    """
    failed = _images(revisions.get(_target(deployment), {}), registry)
    goes_to = _images(revisions.get(_way_back(deployment), {}), registry)
    return not _rollback(deployment) or any(
        (digest or image) != failed.get(name, ("", ""))[bool(digest)]
        for name, (image, digest) in goes_to.items()
    )


def _images(revision: Mapping[str, Any], registry: str) -> dict[str, tuple[str, str]]:
    """Return container to image and digest, of images in `registry`; no digest before a task has started."""
    return {
        each["containerName"]: (without_digest(each["image"]), each.get("imageDigest", ""))
        for each in revision.get("containerImages", [])
        if "containerName" in each and is_in(each.get("image", ""), registry)
    }


def _resolved(client: ECSClient, revision: Mapping[str, Any], registry: str) -> Mapping[str, str] | None:
    """Return container to digest of the images in `registry`; None where ECS never tells a digest of them."""
    resolved = {
        image["containerName"]: image["imageDigest"]
        for image in revision.get("containerImages", [])
        if image.get("imageDigest") and "containerName" in image and is_in(image.get("image", ""), registry)
    }
    if resolved:
        return resolved
    try:
        definition = task_definition(client, revision.get("taskDefinition", ""))
    except (ClientError, IncompleteAnswerError):  # its definition may have been deleted since
        return None
    ours = {name for name, image in definition.images.items() if is_in(image, registry)}
    return None if ours and ours <= definition.unresolved else {}


def _deployment(
    deployment: Mapping[str, Any],
    digests: Mapping[str, Mapping[str, str] | None],
    *,
    has_way_back: bool,
) -> ServiceDeployment:
    operation = "DescribeServiceDeployments"
    resolved = digests.get(_target(deployment))
    bake_minutes = deployment.get("deploymentConfiguration", {}).get("bakeTimeInMinutes", 0)
    return ServiceDeployment(
        deployment_arn=needed(deployment, "serviceDeploymentArn", operation),
        status=needed(deployment, "status", operation),
        created_at=needed(deployment, "createdAt", operation),
        digests=resolved or {},
        finished_at=deployment.get("finishedAt") or deployment.get("stoppedAt"),
        circuit_breaker_triggered=deployment.get("deploymentCircuitBreaker", {}).get("status") == "TRIGGERED",
        status_reason=deployment.get("statusReason", ""),
        rolled_back_to=digests.get(_way_back(deployment)) or {},
        untold=resolved is None,
        bake_seconds=60 * bake_minutes,
        has_way_back=has_way_back,
        rolling_back_since=_rollback(deployment).get("startedAt") or deployment.get("updatedAt"),
    )
