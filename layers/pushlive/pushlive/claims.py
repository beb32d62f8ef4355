"""At most one deployment per push: of several runs at the same time one holds the claim, and deploys.

ECS has no compare-and-swap and UpdateService no client token. But of two calls of CloudWatch Logs'
CreateLogStream with one name the second gets ResourceAlreadyExistsException (API reference,
CreateLogStream, errors). So a claim is an empty log stream in the function's own log group: it costs
nothing, and stays as a trace of what was deployed.

A claim is of a service, of the images to deploy, and of the deployment that theirs will follow. Why then no
push is deployed twice: all runs that find it due have read the same newest deployment, because one that was
created later than the push, or in its second, carries it. Once one of them has deployed, whoever reads sees
that, and whoever has read before meets the claim. The time of the push is not part of it: ECR and the event
may give it a second apart, and an old digest that gets its tag back follows another deployment.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

    from pushlive.redeploy_plan import DeploymentState

# The function's time-out in template.yaml: a claim is made after its run began, so after so long that run is
# over. The slack is for a request that was on its way when Lambda ended the run.
RUN_SECONDS = 60
SLACK_SECONDS = 5
OVER_AFTER = timedelta(seconds=RUN_SECONDS + SLACK_SECONDS)

# A stream's name has 512 characters at most, without ":" and "*" (API reference, CreateLogStream). A
# service's name has 255, and a task definition ten containers (ECS guide, "Service quotas").
DIGEST_CHARACTERS = 12
LONGEST_STREAM = 512
LONGEST_NUMBER = len("/9999")  # or SETTLED

SETTLED = "done"
"""In place of a claim's number: there is no more to claim."""


class Claim(NamedTuple):
    """The right to deploy, for as long as its run may last."""

    subject: str
    number: int = 1
    """Above 1: taken over from a run that is over and may have deployed. Read the deployments again."""

    @property
    def stream(self) -> str:
        """Return the name of its log stream."""
        return f"{self.subject}/{self.number}"


def subjects(state: DeploymentState, *, deploys: bool) -> tuple[str, ...]:
    """Return what is to be claimed: the service, its newest deployment, and the images to follow it.

    A service that never ran has another claim before that, for its hold and its start: they must not cross.
    To be deployed it needs both, because somebody who scales it may have started it between the looks of two
    runs, one of which then sees a service that ran.
    """
    follows = state.deployments[0].name if state.deployments else "none"
    first = f"claims/{state.service.service_name}/{follows}/first"
    if state.never_ran and not deploys:
        return (first,)
    digests = sorted({str(image.digest).removeprefix("sha256:") for image in state.images.values()})
    images = "-".join(digest[:DIGEST_CHARACTERS] for digest in digests)
    of_images = f"claims/{state.service.service_name}/{follows}/{images}"
    return (first, of_images) if state.never_ran else (of_images,)


def take(client: CloudWatchLogsClient, log_group: str, subject: str, now: datetime) -> Claim | None:
    """Return the claim, or None while another run may hold it.

    A run that was ended between its claim and its deployment leaves the claim behind; when that run is
    certainly over, one other run takes over with the next number.
    """
    subject = fitting(subject)
    first = Claim(subject)
    if _create(client, log_group, first.stream):
        return first
    listed = client.describe_log_streams(logGroupName=log_group, logStreamNamePrefix=f"{subject}/")
    streams = listed.get("logStreams", [])
    if any(stream.get("logStreamName") == f"{subject}/{SETTLED}" for stream in streams):
        return None
    # Milliseconds. One without a time may have been made just now.
    claimed_at = [stream.get("creationTime", 1000 * now.timestamp()) / 1000 for stream in streams]
    if not claimed_at or now < datetime.fromtimestamp(max(claimed_at), UTC) + OVER_AFTER:
        return None
    following = Claim(subject, len(claimed_at) + 1)
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


def release(client: CloudWatchLogsClient, log_group: str, claim: Claim) -> None:
    """Give the claim back: nothing was deployed, and the next run may try at once.

    It is asked for once (`aws`): a repetition could take away the claim that another run has made since.
    """
    client.delete_log_stream(logGroupName=log_group, logStreamName=claim.stream)


def settle(client: CloudWatchLogsClient, log_group: str, claim: Claim) -> None:
    """Keep anybody from claiming this ever again: what it was for is done."""
    _create(client, log_group, f"{claim.subject}/{SETTLED}")


def _create(client: CloudWatchLogsClient, log_group: str, stream: str) -> bool:
    try:
        client.create_log_stream(logGroupName=log_group, logStreamName=stream)
    except client.exceptions.ResourceAlreadyExistsException:
        return False
    return True
