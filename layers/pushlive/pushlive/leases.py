"""At most one deployment per push: of several runs at the same time one holds the lease, and deploys.

ECS has no compare-and-swap and UpdateService no client token. But of two calls of CloudWatch Logs'
CreateLogStream with one name the second gets ResourceAlreadyExistsException (API reference,
CreateLogStream, errors). So a lease is an empty log stream in the function's own log group: it costs
nothing, and stays as a trace of what was deployed.

A lease is of a service, of the images to deploy, and of the deployment that theirs will follow. Why then no
push is deployed twice: all runs that find it due have read the same newest deployment, because one that was
created later than the push, or in its second, carries it. Once one of them has deployed, a run that reads
then sees that, and a run that has read before meets the lease. The time of the push is not part of it: ECR
and the event may give it a second apart, and an old digest that gets its tag back follows another deployment.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from pushlive.redeploy_plan import DeploymentState

# The function's time-out in pushlive.yaml: a lease is made after its run began, so after so long that run is
# over. The slack is for a request that was on its way when Lambda ended the run.
RUN_SECONDS = 60
SLACK_SECONDS = 5
OVER_AFTER = timedelta(seconds=RUN_SECONDS + SLACK_SECONDS)

# A stream's name has 512 characters at most, without ":" and "*" (API reference, CreateLogStream). A
# service's name has 255, and a task definition ten containers (ECS guide, "Service quotas").
DIGEST_CHARACTERS = 12
LONGEST_STREAM = 512
LONGEST_NUMBER = len("/9999")  # or FINISHED

FINISHED = "done"
"""In place of a lease's number: there is no more to lease."""


class Lease(NamedTuple):
    """The right to deploy, for as long as its run may last."""

    subject: str
    number: int = 1
    """Above 1: taken over from a run that is over and may have deployed. Read the deployments again."""

    @property
    def stream(self) -> str:
        """Return the name of its log stream."""
        return f"{self.subject}/{self.number}"


def subjects(state: DeploymentState, *, deploys: bool) -> tuple[str, ...]:
    """Return what is to be leased: the service, its newest deployment, and the images to follow it.

    A service that never ran has another lease before that: to scale it to zero and to start it do not cross.
    To be deployed it needs both, because somebody who scales it may have started it between the looks of two
    runs, one of which then sees a service that ran.
    """
    follows = state.deployments[0].name if state.deployments else "none"
    first = f"leases/{state.service.service_name}/{follows}/first"
    if state.never_ran and not deploys:
        return (first,)
    digests = sorted({str(image.digest).removeprefix("sha256:") for image in state.images.values()})
    images = "-".join(digest[:DIGEST_CHARACTERS] for digest in digests)
    of_images = f"leases/{state.service.service_name}/{follows}/{images}"
    return (first, of_images) if state.never_ran else (of_images,)


def take(client: CloudWatchLogsClient, log_group: str, subject: str, now: datetime) -> Lease | None:
    """Return the lease, or None while another run may hold it.

    A run that was ended between its lease and its deployment leaves the lease behind; when that run is
    certainly over, one other run takes over with the next number.
    """
    subject = fitting(subject)
    first = Lease(subject)
    if _create(client, log_group, first.stream):
        return first
    listed = client.describe_log_streams(logGroupName=log_group, logStreamNamePrefix=f"{subject}/")
    streams = listed.get("logStreams", [])
    if any(stream.get("logStreamName") == f"{subject}/{FINISHED}" for stream in streams):
        return None
    # Milliseconds. One without a time may have been made just now.
    leased_at = [stream.get("creationTime", 1000 * now.timestamp()) / 1000 for stream in streams]
    if not leased_at or now < datetime.fromtimestamp(max(leased_at), UTC) + OVER_AFTER:
        return None
    following = Lease(subject, len(leased_at) + 1)
    return following if _create(client, log_group, following.stream) else None


def fitting(subject: str) -> str:
    """Return the subject, or one of its own that fits into a stream's name.

    A subject that also holds a host name, of up to 243 characters, may be longer.
    """
    longest = LONGEST_STREAM - LONGEST_NUMBER
    if len(subject) <= longest:
        return subject
    told_apart_by = hashlib.sha256(subject.encode()).hexdigest()[:32]
    return f"{subject[: longest - len(told_apart_by) - 1]}-{told_apart_by}"


def release(client: CloudWatchLogsClient, log_group: str, lease: Lease) -> None:
    """Give the lease back: nothing was deployed, and the next run may try at once.

    It is asked for once (`aws`): a repetition could take away the lease that another run has made since.
    """
    client.delete_log_stream(logGroupName=log_group, logStreamName=lease.stream)


def finish(client: CloudWatchLogsClient, log_group: str, lease: Lease) -> None:
    """Keep anybody from leasing this ever again: what it was for is done."""
    _create(client, log_group, f"{lease.subject}/{FINISHED}")


def _create(client: CloudWatchLogsClient, log_group: str, stream: str) -> bool:
    try:
        client.create_log_stream(logGroupName=log_group, logStreamName=stream)
    except client.exceptions.ResourceAlreadyExistsException:
        return False
    return True
