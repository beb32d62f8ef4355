"""The first decision table: its ids are the specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushlive.model import Image, Service, ServiceDeployment
from pushlive.redeploy_plan import Action, DeploymentState, is_live, opt_out, plan_deployment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hypothesis.strategies import DrawFn

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
APP = f"{REGISTRY}/app:latest"
SIDE = f"{REGISTRY}/side:1"
OLD, NEW, BAD, INDEX, CHILD, UNKNOWN = (f"sha256:{name}" for name in ("old", "new", "bad", "ix", "ch", "un"))
PUSHED_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
OVERDUE_SECONDS = 900


def at(seconds: float) -> datetime:
    """So long after the push."""
    return PUSHED_AT + timedelta(seconds=seconds)


def image(digest: str | None = NEW, pushed: float = 0, reference: str = APP, members: str = "") -> Image:
    return Image(reference, digest, at(pushed) if digest else None, frozenset(members.split()))


def deployment(
    created: float,
    digest: str | None = OLD,
    status: str = "SUCCESSFUL",
    *,
    side: str | None = None,
    triggered: bool = False,
    finished: float | None = None,
    has_way_back: bool = True,
    rolling_back_since: float | None = None,
) -> ServiceDeployment:
    digests = {container: each for container, each in (("app", digest), ("side", side)) if each}
    return ServiceDeployment(
        f"arn:aws:ecs:eu-west-1:123456789012:service-deployment/lab/app/at{created:+g}",
        status,
        at(created),
        digests,
        at(finished) if finished is not None else None,
        triggered,
        has_way_back=has_way_back,
        rolling_back_since=at(rolling_back_since) if rolling_back_since is not None else None,
    )


def rolling_back(
    created: float = -60,
    digest: str | None = BAD,
    status: str = "ROLLBACK_IN_PROGRESS",
    *,
    since: float | None = 3600 - OVERDUE_SECONDS + 1,
    has_way_back: bool = True,
) -> ServiceDeployment:
    return deployment(created, digest, status, has_way_back=has_way_back, rolling_back_since=since)


BEFORE = deployment(-3600)
UNRESOLVED = deployment(-3600, None)
UNTOLD = UNRESOLVED._replace(untold=True)
CHART = Image(APP, None, artifact="application/vnd.cncf.helm.config.v1+json")


SERVICE = Service("app", "arn", desired_count=1)


def by_container(references: Iterable[str]) -> dict[str, str]:
    return {"side" if reference == SIDE else "app": reference for reference in references}


def service(
    references: Sequence[str] = (APP,),
    images: Sequence[Image] = (image(),),
    *,
    redeploy: str | None = "on-push",
    **changes: Any,
) -> DeploymentState:
    """A service that runs OLD since an hour before NEW was pushed: by default it is deployed."""
    of_service = {key: changes.pop(key) for key in list(changes) if key in Service._fields}
    tags = {"pushlive:redeploy": redeploy} if redeploy else {}
    named = {each.reference: each for each in images}
    usual = DeploymentState(
        SERVICE._replace(tags=tags, **of_service),
        start_count=3,
        references=by_container(references),
        images={name: named[reference] for name, reference in by_container(named).items()},
        deployments=(BEFORE,),
        running_digests=({"app": OLD},),
    )
    return usual._replace(**changes)


def new_service(**changes: Any) -> DeploymentState:
    """One whose only deployment never resolved an image."""
    return service(**{"deployments": (UNRESOLVED,), "running_digests": (), **changes})


def two_containers(**changes: Any) -> DeploymentState:
    usual: dict[str, Any] = {
        "references": (APP, SIDE),
        "images": (image(), image(OLD, -7200, SIDE)),
        "deployments": (deployment(-3600, OLD, side=OLD),),
        "running_digests": ({"app": OLD, "side": OLD},),
    }
    return service(**{**usual, **changes})


PUSH = Image(APP, NEW, PUSHED_AT)
SCHEDULE = None
NOW = at(3600)
LEAVE, SCALE_TO_ZERO, START, DEPLOY = Action.LEAVE, Action.SCALE_TO_ZERO, Action.START, Action.DEPLOY


def push_of(reference: str) -> Image:
    return Image(reference, NEW, PUSHED_AT)


def row(
    case: str,
    live: DeploymentState,
    pushed: Image | None,
    action: Action,
    reason: str,
    count: int | None = None,
    *,
    scaled_to_zero: bool = False,
    seconds: float = 3600,
) -> Any:
    """What is decided so many seconds after the push."""
    return pytest.param(live, pushed, at(seconds), scaled_to_zero, action, reason, count, id=case)


ROWS = [
    # Not opted in
    row("draining-is-left", service(status="DRAINING"), PUSH, LEAVE, "the service is DRAINING"),
    row("deleted-is-left", service(status="INACTIVE"), SCHEDULE, LEAVE, "the service is INACTIVE"),
    row("untagged-is-left", service(redeploy=None), PUSH, LEAVE, "not opted in"),
    row("another-value-of-the-tag-is-left", service(redeploy="true"), PUSH, LEAVE, "not opted in"),
    row("paused-is-left", service(redeploy="paused"), PUSH, LEAVE, "paused"),
    row("paused-is-left-by-the-schedule", service(redeploy="paused"), SCHEDULE, LEAVE, "paused"),
    row(
        "controller-external-is-left",
        service(deployment_controller="EXTERNAL"), PUSH, LEAVE, "controller EXTERNAL",
    ),
    row(
        "controller-code-deploy-is-left",
        service(deployment_controller="CODE_DEPLOY"), PUSH, LEAVE, "controller CODE_DEPLOY",
    ),
    row("strategy-rolling-is-deployed", service(strategy="ROLLING"), PUSH, DEPLOY, "now names"),
    *[
        row(
            f"strategy-{strategy}-is-declined-by-name",
            service(strategy=strategy), PUSH, LEAVE, f"its deployment strategy is {strategy}:",
        )
        for strategy in ("BLUE_GREEN", "LINEAR", "CANARY")
    ],
    row(
        "deleted-and-paused-is-left-as-deleted",
        service(status="INACTIVE", redeploy="paused"), PUSH, LEAVE, "the service is INACTIVE",
    ),
    row(
        "untagged-of-another-controller-is-left-as-untagged",
        service(redeploy=None, deployment_controller="EXTERNAL"), PUSH, LEAVE, "not opted in",
    ),
    row(
        "paused-before-another-image",
        service(redeploy="paused"), push_of(f"{REGISTRY}/other:latest"), LEAVE, "paused",
    ),
    # Another image
    row(
        "another-repository-is-left",
        service(), push_of(f"{REGISTRY}/other:latest"), LEAVE, "uses another image",
    ),
    row("another-tag-is-left", service(), push_of(f"{REGISTRY}/app:v2"), LEAVE, "uses another image"),
    row(
        "prefix-of-another-repository-is-left",
        service(references=(f"{REGISTRY}/app-worker:latest",)), PUSH, LEAVE, "uses another image",
    ),
    row(
        "longer-name-of-another-repository-is-left",
        service(), push_of(f"{REGISTRY}/app-worker:latest"), LEAVE, "uses another image",
    ),
    row(
        "another-namespace-is-left",
        service(), push_of(f"{REGISTRY}/team/app:latest"), LEAVE, "uses another image",
    ),
    row(
        "another-account's-registry-is-left",
        service(), push_of("999999999999.dkr.ecr.eu-west-1.amazonaws.com/app:latest"), LEAVE,
        "uses another image",
    ),
    row(
        "no-image-of-this-registry-is-left",
        service(references=("nginx:latest",), images=()), SCHEDULE, LEAVE, "is a tag in this registry",
    ),
    row(
        "another-image-before-a-missing-one",
        new_service(images=(image(None),)), push_of(f"{REGISTRY}/other:latest"), LEAVE, "uses another image",
    ),
    # The tag names no image
    row(
        "first-deployment-waits-for-the-first-push",
        new_service(images=(image(None),)), SCHEDULE, SCALE_TO_ZERO, f"waits for the first push of {APP}", 0,
    ),
    row(
        "first-deployment-without-any-record-of-it-waits-too",
        new_service(images=(image(None),), deployments=()), SCHEDULE, SCALE_TO_ZERO, "waits for the first", 0,
    ),
    row(
        "one-of-two-images-missing-waits-for-it",
        two_containers(
            images=(image(), image(None, 0, SIDE)), deployments=(UNRESOLVED,), running_digests=()
        ),
        PUSH, SCALE_TO_ZERO, f"waits for the first push of {SIDE}", 0,
    ),
    row(
        "scaled-to-zero-already-is-left",
        new_service(images=(image(None),), desired_count=0), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-that-ran-is-never-scaled-to-zero",
        service(images=(image(None),), running_digests=()), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-that-runs-is-never-scaled-to-zero",
        new_service(images=(image(None),), running_digests=({"app": OLD},)),
        SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-whose-older-tasks-run-is-never-scaled-to-zero",
        new_service(images=(image(None),), running_count=1), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-that-ran-under-another-container-name-is-never-scaled-to-zero",
        new_service(images=(image(None),), deployments=(UNRESOLVED._replace(digests={"before": OLD}),)),
        SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-whose-oldest-deployments-ecs-has-forgotten-is-never-scaled-to-zero",
        new_service(images=(image(None),), is_history_whole=False), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-service-whose-deployments-never-tell-what-they-ran-is-never-scaled-to-zero",
        new_service(images=(image(None),), deployments=(UNTOLD,)), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-daemon-is-never-scaled-to-zero-for-it-takes-no-count",
        new_service(images=(image(None),), start_count=None), SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "a-chart-under-the-tag-is-no-image-and-is-named",
        service(images=(CHART,)), PUSH, LEAVE,
        f"{APP} names a application/vnd.cncf.helm.config.v1+json, which is no container image",
    ),
    row(
        "a-chart-under-the-tag-of-a-service-that-never-ran-waits-for-an-image",
        new_service(images=(CHART,)), PUSH, SCALE_TO_ZERO,
        f"waits for the first push of {APP}, which names a application/vnd.cncf.helm.config.v1+json now", 0,
    ),
    row(
        "a-chart-of-one-of-two-containers-is-named",
        two_containers(images=(image(), CHART._replace(reference=SIDE))), PUSH, LEAVE, f"{SIDE} names a app",
    ),
    # This run has just held it
    row(
        "pushed-while-it-was-scaled-to-zero-is-started",
        new_service(desired_count=0), SCHEDULE, START, "while the service was at 0", 3, scaled_to_zero=True,
    ),
    row(
        "pushed-and-resolved-while-it-was-scaled-to-zero-is-started",
        service(desired_count=0, deployments=(deployment(-5, NEW, "IN_PROGRESS"),)),
        SCHEDULE, START, "pushed while the service was at 0", 3, scaled_to_zero=True,
    ),
    row(
        "scaled-to-zero-and-started-by-another-run-since-is-left",
        new_service(
            desired_count=3, deployments=(deployment(5, None, "IN_PROGRESS"), UNRESOLVED)
        ),
        SCHEDULE, LEAVE, "carried by deployment at+5", scaled_to_zero=True,
    ),
    row(
        "missing-before-scaled-to-zero",
        new_service(desired_count=0, images=(image(None),)), SCHEDULE, LEAVE, "no image", scaled_to_zero=True,
    ),
    row(
        "scaled-to-zero-before-failed",
        service(desired_count=0, deployments=(deployment(60, NEW, "STOPPED", triggered=True),)),
        SCHEDULE, START, "while the service was at 0", 3, scaled_to_zero=True,
    ),
    # These digests failed here
    row(
        "rolled-back-image-is-left",
        service(deployments=(deployment(60, NEW, "ROLLBACK_SUCCESSFUL", finished=120), BEFORE)),
        PUSH, LEAVE, "this image failed at 2026-11-20 10:02:00 UTC in deployment at+60; push a new one",
    ),
    row(
        "rolled-back-image-is-left-by-the-schedule",
        service(deployments=(deployment(60, NEW, "ROLLBACK_SUCCESSFUL"), BEFORE)),
        SCHEDULE, LEAVE, "failed at 2026-11-20 10:01:00",
    ),
    row(
        "image-whose-rollback-failed-is-left",
        service(deployments=(deployment(60, NEW, "ROLLBACK_FAILED"), BEFORE)), SCHEDULE, LEAVE, "failed at",
    ),
    row(
        "breaker-without-rollback-is-a-failure",
        service(deployments=(deployment(60, NEW, "STOPPED", triggered=True), BEFORE)),
        SCHEDULE, LEAVE, "failed at",
    ),
    row(
        "failed-image-pushed-again-is-left",
        service(deployments=(deployment(-60, NEW, "ROLLBACK_SUCCESSFUL"), BEFORE)), PUSH, LEAVE, "failed at",
    ),
    row(
        "failed-before-a-later-deployment-of-another-image-is-left",
        service(
            deployments=(
                deployment(-30, OLD),
                deployment(-60, NEW, "ROLLBACK_SUCCESSFUL"),
                BEFORE,
            )
        ),
        PUSH, LEAVE, "failed at 2026-11-20 09:59:00",
    ),
    row(
        "failed-once-but-succeeded-later-is-deployed",
        service(
            deployments=(
                deployment(-20, OLD),
                deployment(-40, NEW),
                deployment(-60, NEW, "ROLLBACK_SUCCESSFUL"),
            )
        ),
        PUSH, DEPLOY, f"{APP} now names {NEW}",
    ),
    row(
        "succeeded-once-but-failed-later-is-left",
        service(deployments=(deployment(-40, NEW, "ROLLBACK_SUCCESSFUL"), deployment(-60, NEW))),
        PUSH, LEAVE, "failed at 2026-11-20 09:59:20",
    ),
    row(
        "superseded-deployment-is-no-failure",
        service(deployments=(deployment(-60, NEW, "STOPPED"), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "another-failed-image-is-no-obstacle",
        service(deployments=(deployment(-60, BAD, "ROLLBACK_SUCCESSFUL"), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "failure-of-a-child-is-a-failure-of-its-index",
        service(
            images=(image(INDEX, members=CHILD),),
            deployments=(deployment(60, CHILD, "ROLLBACK_SUCCESSFUL"), BEFORE),
        ),
        SCHEDULE, LEAVE, "failed at",
    ),
    row(
        "failure-together-with-another-digest-of-the-second-image-is-no-obstacle",
        two_containers(deployments=(deployment(-60, NEW, "ROLLBACK_SUCCESSFUL", side=BAD),)),
        PUSH, DEPLOY, f"{APP} now names {NEW}",
    ),
    row(
        "failure-of-both-images-together-is-left",
        two_containers(deployments=(deployment(60, NEW, "ROLLBACK_SUCCESSFUL", side=OLD),)),
        SCHEDULE, LEAVE, "failed at",
    ),
    row(
        "failed-deployment-that-resolved-nothing-is-not-blamed-on-the-image",
        service(deployments=(deployment(-60, None, "ROLLBACK_FAILED"), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "missing-before-failed",
        two_containers(
            images=(image(), image(None, 0, SIDE)),
            deployments=(deployment(60, NEW, "ROLLBACK_SUCCESSFUL"),),
        ),
        SCHEDULE, LEAVE, "names no image",
    ),
    row(
        "failed-before-rollback-in-progress",
        service(deployments=(deployment(60, NEW, "ROLLBACK_IN_PROGRESS", triggered=True), BEFORE)),
        SCHEDULE, LEAVE, "this image failed",
    ),
    row(
        "failed-before-scaled-to-0",
        service(deployments=(deployment(60, NEW, "ROLLBACK_SUCCESSFUL"), BEFORE), desired_count=0),
        SCHEDULE, LEAVE, "this image failed",
    ),
    # A rollback is in progress
    row(
        "rollback-in-progress-is-left",
        service(deployments=(rolling_back(), BEFORE)),
        PUSH, LEAVE, "a rollback is in progress in deployment at-60",
    ),
    row(
        "rollback-requested-is-left",
        service(deployments=(rolling_back(status="ROLLBACK_REQUESTED"), BEFORE)),
        PUSH, LEAVE, "a rollback is in progress",
    ),
    row(
        "rollback-of-this-very-image-asked-for-by-a-person-is-left",
        service(deployments=(rolling_back(60, NEW, "ROLLBACK_REQUESTED"), BEFORE)),
        SCHEDULE, LEAVE, "a rollback is in progress",
    ),
    row(
        "older-rollback-in-progress-is-over-with-a-newer-deployment",
        service(deployments=(deployment(-30, OLD), rolling_back())), PUSH, DEPLOY, "now names",
    ),
    row(
        "rollback-in-progress-before-carried",
        service(deployments=(rolling_back(60), BEFORE)), PUSH, LEAVE, "a rollback is in progress",
    ),
    row(
        "rollback-in-progress-before-scaled-to-0",
        service(deployments=(rolling_back(), BEFORE), desired_count=0),
        PUSH, LEAVE, "a rollback is in progress",
    ),
    row(
        "push-does-not-wait-for-a-rollback-that-has-no-way-back",
        service(deployments=(rolling_back(has_way_back=False), UNRESOLVED), running_digests=()),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "schedule-finds-the-push-behind-a-rollback-that-has-no-way-back",
        service(deployments=(rolling_back(has_way_back=False), UNRESOLVED), running_digests=()),
        SCHEDULE, DEPLOY, "now names",
    ),
    row(
        "rollback-that-has-no-way-back-does-not-bring-the-failed-image-again",
        service(
            deployments=(deployment(60, NEW, "ROLLBACK_IN_PROGRESS", triggered=True, has_way_back=False),),
            running_digests=(),
        ),
        SCHEDULE, LEAVE, "this image failed",
    ),
    row(
        "push-does-not-wait-for-an-overdue-rollback",
        service(deployments=(rolling_back(since=3600 - OVERDUE_SECONDS), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "push-does-not-wait-for-an-overdue-request-to-roll-back",
        service(
            deployments=(rolling_back(status="ROLLBACK_REQUESTED", since=3600 - OVERDUE_SECONDS), BEFORE)
        ),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "rollback-whose-beginning-is-unknown-is-dated-by-its-deployment",
        service(deployments=(rolling_back(since=None), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "overdue-rollback-of-this-very-image-is-left-as-carried",
        service(deployments=(rolling_back(60, NEW, since=3600 - OVERDUE_SECONDS), BEFORE)),
        SCHEDULE, LEAVE, "carried by deployment at+60",
    ),
    # Deployments that ECS has forgotten
    row(
        "without-any-deployment-tasks-that-run-it-are-live",
        service(deployments=(), running_digests=({"app": NEW},), running_count=1, is_history_whole=False),
        SCHEDULE, LEAVE, "already live",
    ),
    row(
        "without-any-deployment-tasks-of-another-image-are-replaced",
        service(deployments=(), running_count=1, is_history_whole=False), SCHEDULE, DEPLOY, "now names",
    ),
    row(
        "without-any-deployment-or-task-what-was-deployed-after-the-push-is-live",
        service(deployments=(), running_digests=(), is_history_whole=False, deployed_at=at(1)),
        SCHEDULE, LEAVE, "already live",
    ),
    row(
        "without-any-deployment-or-task-what-was-deployed-in-the-second-of-the-push-is-deployed",
        service(deployments=(), running_digests=(), is_history_whole=False, deployed_at=at(0.999)),
        SCHEDULE, DEPLOY, "now names",
    ),
    row(
        "without-any-deployment-count-0-stays-0",
        service(deployments=(), running_digests=(), is_history_whole=False, desired_count=0),
        PUSH, LEAVE, "scaled to 0",
    ),
    row(
        "deployments-that-never-tell-what-they-ran-and-count-0-stay-at-0",
        service(deployments=(UNTOLD,), running_digests=(), desired_count=0), SCHEDULE, LEAVE, "scaled to 0",
    ),
    row(
        "deployments-that-never-tell-what-they-ran-and-tasks-that-run-it-are-live",
        service(deployments=(UNTOLD,), running_digests=({"app": NEW},)), SCHEDULE, LEAVE, "already live",
    ),
    row(
        "tasks-that-run-it-are-live-whatever-their-deployment-resolved",
        service(deployments=(deployment(0.5, OLD), BEFORE), running_digests=({"app": NEW},)),
        SCHEDULE, LEAVE, "already live",
    ),
    # A DAEMON service takes no count
    row(
        "first-push-of-a-daemon-with-instances-is-deployed",
        new_service(start_count=None), PUSH, DEPLOY, "now names",
    ),
    row(
        "first-push-of-a-daemon-without-instances-is-started-without-a-count",
        new_service(start_count=None, desired_count=0), PUSH, START, "first push", None,
    ),
    # The newest deployment carries it
    row(
        "deployment-after-the-push-carries-it",
        service(deployments=(deployment(1, None, "IN_PROGRESS"), BEFORE)),
        PUSH, LEAVE, "carried by deployment at+1",
    ),
    row(
        "deployment-after-the-push-carries-it-for-the-schedule",
        service(deployments=(deployment(1, None, "IN_PROGRESS"), BEFORE)), SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-push's-second-that-resolved-nothing-will-carry-it",
        service(deployments=(deployment(0, None, "IN_PROGRESS"), BEFORE), running_digests=()),
        PUSH, LEAVE, "carried by deployment at+0",
    ),
    row(
        "deployment-of-the-push's-second-that-never-resolved-anything-is-not-repeated",
        service(deployments=(deployment(0.999, None), BEFORE), running_digests=({},)),
        SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-push's-second-that-resolved-the-push-carries-it",
        service(deployments=(deployment(0.5, NEW, "IN_PROGRESS"), BEFORE)), PUSH, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-push's-second-that-resolved-the-push-carries-it-also-when-no-task-runs",
        service(deployments=(deployment(0.5, NEW), BEFORE), running_digests=()),
        SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-push's-second-that-resolved-the-image-before-does-not-carry-it",
        service(deployments=(deployment(0.5, OLD, "IN_PROGRESS"), BEFORE), running_digests=()),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "deployment-of-the-push's-second-is-not-judged-by-tasks-which-may-be-older",
        service(deployments=(deployment(0.5, None, "IN_PROGRESS"), BEFORE)), PUSH, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-push's-second-that-could-resolve-nothing-and-was-rolled-back-is-not-repeated",
        service(deployments=(deployment(0.5, None, "ROLLBACK_SUCCESSFUL"), BEFORE)),
        PUSH, LEAVE, "carried by",
    ),
    row(
        "deployment-of-the-second-before-the-push-does-not-carry-it",
        service(deployments=(deployment(-0.001, None, "IN_PROGRESS"), BEFORE), running_digests=()),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "deployment-of-the-push's-second-to-count-0-carries-nothing",
        service(deployments=(deployment(0.5, None), BEFORE), running_digests=(), desired_count=0),
        PUSH, LEAVE, "scaled to 0",
    ),
    row(
        "service-made-at-0-in-the-push's-second-is-started",
        new_service(deployments=(deployment(0.5, None),), desired_count=0), PUSH, START, "first push", 3,
    ),
    row(
        "service-made-in-the-push's-second-starts-with-the-push",
        new_service(deployments=(deployment(0.5, None, "IN_PROGRESS"),)), PUSH, LEAVE, "carried by",
    ),
    row(
        "second-image-pushed-in-the-second-of-a-deployment-that-did-not-resolve-it-is-carried",
        two_containers(
            images=(image(NEW, 0), image(NEW, 0, SIDE)),
            deployments=(deployment(0.5, NEW, "IN_PROGRESS"), BEFORE),
            running_digests=(),
        ),
        push_of(SIDE), LEAVE, "carried by",
    ),
    row(
        "pending-deployment-that-resolved-the-push-carries-it",
        service(deployments=(deployment(-5, NEW, "PENDING"), BEFORE)), PUSH, LEAVE, "carried by",
    ),
    row(
        "deployment-before-the-push-does-not-carry-it",
        service(deployments=(deployment(-1, OLD, "IN_PROGRESS"), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "finished-deployment-of-this-digest-that-no-task-runs-does-not-carry-it",
        service(deployments=(deployment(-60, NEW), BEFORE)), PUSH, DEPLOY, "now names",
    ),
    row(
        "only-the-newest-deployment-carries",
        service(deployments=(deployment(-10, OLD), deployment(-60, NEW, "STOPPED"))),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "digest-unknown-to-us-is-not-deployed-again-after-its-time",
        service(deployments=(deployment(1, UNKNOWN), BEFORE), running_digests=({"app": UNKNOWN},)),
        SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "digest-unknown-to-us-is-deployed-once",
        service(deployments=(deployment(-60, UNKNOWN), BEFORE), running_digests=({"app": UNKNOWN},)),
        PUSH, DEPLOY, "now names",
    ),
    row(
        "digest-unknown-to-us-in-the-push's-second-is-deployed-once-more",
        service(deployments=(deployment(0.5, UNKNOWN), BEFORE), running_digests=({"app": UNKNOWN},)),
        SCHEDULE, DEPLOY, "now names",
    ),
    row(
        "ecs-knows-no-digest-so-time-alone-decides-to-leave",
        service(deployments=(deployment(2, None), BEFORE), running_digests=({},)), SCHEDULE, LEAVE, "carried",
    ),
    row(
        "ecs-knows-no-digest-so-time-alone-decides-to-deploy",
        service(deployments=(deployment(-2, None), BEFORE), running_digests=({},)),
        SCHEDULE, DEPLOY, "now names",
    ),
    row(
        "old-digest-tagged-again-is-judged-by-the-event",
        service(
            images=(image(OLD, -7200),),
            deployments=(deployment(-3600, NEW), deployment(-7000, OLD)),
            running_digests=({"app": NEW},),
        ),
        Image(APP, OLD, PUSHED_AT), DEPLOY, f"now names {OLD}",
    ),
    row(
        "old-digest-tagged-again-is-carried-after-its-deployment",
        service(
            images=(image(OLD, -7200),),
            deployments=(deployment(2, None, "IN_PROGRESS"), deployment(-3600, NEW)),
            running_digests=(),
        ),
        Image(APP, OLD, PUSHED_AT), LEAVE, "carried by deployment at+2",
    ),
    row(
        "old-digest-tagged-again-is-not-seen-by-the-schedule-which-knows-only-its-first-push",
        service(images=(image(OLD, -7200),), running_digests=({"app": NEW},)), SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "late-event-of-a-digest-that-lost-the-tag-says-nothing-about-the-one-that-has-it",
        service(
            images=(image(NEW, -100),),
            deployments=(deployment(-90, UNKNOWN), BEFORE),
            running_digests=({"app": UNKNOWN},),
        ),
        Image(APP, OLD, PUSHED_AT), LEAVE, "carried by",
    ),
    row(
        "deployment-to-count-0-that-resolved-nothing-carries-nothing",
        service(
            deployments=(deployment(2, None), BEFORE), running_digests=(), desired_count=0
        ),
        PUSH, LEAVE, "scaled to 0",
    ),
    row(
        "service-made-at-0-on-purpose-after-the-push-is-left",
        new_service(deployments=(deployment(2, None),), desired_count=0), SCHEDULE, LEAVE, "carried by",
    ),
    # Already live
    row(
        "all-running-tasks-run-it-is-left",
        service(running_digests=({"app": NEW}, {"app": NEW})), PUSH, LEAVE, "already live",
    ),
    row(
        "one-running-task-with-another-digest-is-deployed",
        service(running_digests=({"app": NEW}, {"app": OLD})), PUSH, DEPLOY, "now names",
    ),
    row(
        "one-running-task-without-a-digest-is-deployed",
        service(running_digests=({"app": NEW}, {})), PUSH, DEPLOY, "now names",
    ),
    row("no-running-task-is-deployed", service(running_digests=()), PUSH, DEPLOY, "now names"),
    row(
        "child-of-the-index-is-live",
        service(images=(image(INDEX, members=f"{CHILD} {UNKNOWN}"),), running_digests=({"app": CHILD},)),
        SCHEDULE, LEAVE, "already live",
    ),
    row(
        "index-itself-is-live",
        service(images=(image(INDEX, members=CHILD),), running_digests=({"app": INDEX},)),
        SCHEDULE, LEAVE, "already live",
    ),
    row(
        "child-of-the-index-under-way-is-carried",
        service(
            images=(image(INDEX, members=CHILD),), deployments=(deployment(-5, CHILD, "IN_PROGRESS"), BEFORE)
        ),
        SCHEDULE, LEAVE, "carried by",
    ),
    row(
        "child-of-another-index-is-deployed",
        service(images=(image(INDEX, members=CHILD),)), SCHEDULE, DEPLOY, f"now names {INDEX}",
    ),
    row(
        "two-images-both-live-are-left",
        two_containers(running_digests=({"app": NEW, "side": OLD},)), SCHEDULE, LEAVE, "already live",
    ),
    row(
        "second-image-pushed-is-deployed",
        two_containers(images=(image(OLD, -7200), image(NEW, 0, SIDE))),
        push_of(SIDE), DEPLOY, f"{SIDE} now names {NEW}",
    ),
    row(
        "lost-push-of-the-other-image-is-deployed-too",
        two_containers(
            images=(image(NEW, -30), image(NEW, 0, SIDE)), running_digests=({"app": OLD, "side": NEW},)
        ),
        push_of(SIDE), DEPLOY, f"{APP} now names {NEW}",
    ),
    row(
        "already-live-before-scaled-to-0",
        service(running_digests=({"app": NEW},), desired_count=0), PUSH, LEAVE, "already live",
    ),
    # Start, scaled to 0, deploy
    row(
        "first-push-starts-with-the-tag's-count",
        new_service(desired_count=0), PUSH, START, "first push", 3,
    ),
    row(
        "lost-first-push-is-started-by-the-schedule",
        new_service(desired_count=0), SCHEDULE, START, "first push", 3,
    ),
    row(
        "first-push-without-any-record-of-a-deployment-starts",
        new_service(desired_count=0, deployments=()), PUSH, START, "first push", 3,
    ),
    row(
        "scaled-to-0-under-another-container-name-is-left",
        new_service(desired_count=0, deployments=(UNRESOLVED._replace(digests={"before": OLD}),)),
        PUSH, LEAVE, "scaled to 0",
    ),
    row(
        "scaled-to-0-is-left",
        service(desired_count=0, running_digests=()), PUSH, LEAVE, "scaled to 0",
    ),
    row(
        "never-ran-but-wants-tasks-is-deployed",
        new_service(), PUSH, DEPLOY, "now names",
    ),
    row("push-is-deployed", service(), PUSH, DEPLOY, f"{APP} now names {NEW}"),
    row("lost-push-is-deployed-by-the-schedule", service(), SCHEDULE, DEPLOY, f"{APP} now names {NEW}"),
    row("service-without-a-record-of-deployments-is-deployed", service(deployments=()), PUSH, DEPLOY, "now"),
]  # fmt: skip


fresh = partial(row, seconds=4.9)
FRESH = [
    fresh(
        "pushed-a-moment-ago-while-it-was-scaled-to-zero-is-started",
        new_service(desired_count=0), SCHEDULE, START, "while the service was at 0", 3, scaled_to_zero=True,
    ),
    fresh("push-of-a-moment-ago-is-left-to-its-own-event", service(), SCHEDULE, LEAVE, "pushed a moment ago"),
    fresh(
        "first-push-of-a-moment-ago-is-left-to-its-own-event",
        new_service(desired_count=0), SCHEDULE, LEAVE, "its own event is on its way",
    ),
    fresh("its-own-event-deploys-it", service(), PUSH, DEPLOY, "now names"),
    fresh("its-own-event-starts-it", new_service(desired_count=0), PUSH, START, "first push", 3),
    fresh("an-older-push-is-not-left", service(images=(image(pushed=-0.1),)), SCHEDULE, DEPLOY, "now names"),
    fresh(
        "one-of-two-images-of-a-moment-ago-is-left-to-its-own-event",
        two_containers(images=(image(NEW, -60), image(NEW, 0, SIDE))), SCHEDULE, LEAVE, "a moment ago",
    ),
    fresh(
        "already-live-before-a-moment-ago",
        service(running_digests=({"app": NEW},)), SCHEDULE, LEAVE, "already live",
    ),
    fresh(
        "failed-before-a-moment-ago",
        service(deployments=(deployment(-60, NEW, "ROLLBACK_SUCCESSFUL"),)), SCHEDULE, LEAVE, "failed at",
    ),
    fresh(
        "missing-before-a-moment-ago",
        two_containers(images=(image(), image(None, 0, SIDE))), SCHEDULE, LEAVE, "names no image",
    ),
    fresh(
        "a-moment-ago-before-scaled-to-0",
        service(desired_count=0, running_digests=()), SCHEDULE, LEAVE, "pushed a moment ago",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("live", "pushed", "now", "scaled_to_zero", "action", "reason", "desired_count"), [*ROWS, *FRESH]
)
def test_plan_deployment(
    live: DeploymentState,
    pushed: Image | None,
    now: datetime,
    scaled_to_zero: bool,  # noqa: FBT001
    action: Action,
    reason: str,
    desired_count: int | None,
) -> None:
    decision = plan_deployment(live, pushed, now, OVERDUE_SECONDS, scaled_to_zero=scaled_to_zero)
    assert (decision.action, decision.desired_count) == (action, desired_count), decision.reason
    assert reason in decision.reason


def test_after_five_seconds_the_schedule_repairs_a_lost_event() -> None:
    assert plan_deployment(service(), SCHEDULE, at(5), OVERDUE_SECONDS).action is DEPLOY


def test_a_failure_without_an_end_is_dated_by_its_beginning() -> None:
    failed = deployment(60, NEW, "STOPPED", triggered=True)
    assert (
        "failed at 2026-11-20 10:01:00 UTC"
        in plan_deployment(service(deployments=(failed,)), None, NOW, OVERDUE_SECONDS).reason
    )


def test_an_image_of_unknown_time_is_never_taken_for_carried() -> None:
    unknown_time = service(images=(Image(APP, NEW),), deployments=(deployment(10**6, OLD),))
    assert plan_deployment(unknown_time, None, NOW, OVERDUE_SECONDS).action is Action.DEPLOY


DIGESTS = [OLD, NEW, BAD, CHILD]
STATUSES = [
    "PENDING",
    "IN_PROGRESS",
    "SUCCESSFUL",
    "STOPPED",
    "ROLLBACK_REQUESTED",
    "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL",
    "ROLLBACK_FAILED",
]
SECONDS = st.sampled_from([-7200.0, -3600.0, -60.0, -1.0, 0.0, 0.5, 1.0, 60.0])
DIGEST = st.one_of(st.none(), st.sampled_from(DIGESTS))


@st.composite
def deployments(draw: DrawFn) -> tuple[ServiceDeployment, ...]:
    created = sorted(draw(st.lists(SECONDS, max_size=4, unique=True)), reverse=True)
    return tuple(
        deployment(
            each,
            draw(DIGEST),
            draw(st.sampled_from(STATUSES)),
            side=draw(DIGEST),
            triggered=draw(st.booleans()),
        )
        for each in created
    )


@st.composite
def services(draw: DrawFn) -> DeploymentState:
    """Any service of two images."""
    running = draw(st.lists(st.tuples(DIGEST, DIGEST), max_size=2))
    images = [
        image(draw(DIGEST), draw(SECONDS), reference, members=CHILD if draw(st.booleans()) else "")
        for reference in (APP, SIDE)
    ]
    return service(
        status=draw(st.sampled_from(["ACTIVE", "ACTIVE", "DRAINING"])),
        redeploy=draw(st.sampled_from(["on-push", "on-push", "paused", None])),
        desired_count=draw(st.integers(0, 2)),
        start_count=draw(st.integers(1, 3)),
        references=(APP, SIDE),
        images=tuple(images),
        deployments=draw(deployments()),
        running_digests=tuple(
            {container: each for container, each in (("app", app), ("side", side)) if each}
            for app, side in running
        ),
    )


PUSHES = st.one_of(
    st.none(), st.builds(Image, st.sampled_from([APP, SIDE]), st.sampled_from(DIGESTS), st.just(at(0)))
)


@given(services(), PUSHES)
def test_a_deployment_is_never_followed_by_another_of_the_same_push(
    live: DeploymentState, pushed: Image | None
) -> None:
    """Whatever ECS reports of it, even nothing: "the same image redeployed for ever" cannot be."""
    decision = plan_deployment(live, pushed, NOW, OVERDUE_SECONDS)
    if decision.action not in (Action.START, Action.DEPLOY):
        return
    pushed_at = max(
        each.pushed_at for each in (*live.images.values(), *([pushed] if pushed else [])) if each.pushed_at
    )
    now_named = {name: each.digest for name, each in live.images.items() if each.digest}
    others = {"app": UNKNOWN, "side": UNKNOWN}
    after_the_second = pushed_at + timedelta(seconds=1)
    for created_at, digests in (
        (pushed_at, {}),  # soon, and nothing is known of it yet
        (pushed_at, now_named),
        (after_the_second, {}),
        (after_the_second, others),
    ):
        for status in ("PENDING", "IN_PROGRESS", "SUCCESSFUL", "STOPPED"):
            begun = ServiceDeployment("arn:deployment/app/new", status, created_at, digests)
            after = live._replace(
                deployments=(begun, *live.deployments),
                service=live.service._replace(
                    desired_count=decision.desired_count or live.service.desired_count
                ),
                running_digests=(),
            )
            for again in (pushed, None):
                assert plan_deployment(after, again, NOW, OVERDUE_SECONDS).action is Action.LEAVE


@given(services(), PUSHES)
def test_a_service_that_does_not_ask_for_it_is_never_touched(
    live: DeploymentState, pushed: Image | None
) -> None:
    if opt_out(live.service):
        assert plan_deployment(live, pushed, NOW, OVERDUE_SECONDS).action is Action.LEAVE


@given(services(), PUSHES)
def test_the_count_of_a_service_that_ever_ran_is_never_changed(
    live: DeploymentState, pushed: Image | None
) -> None:
    if live.running_digests or any(each.digests for each in live.deployments):
        assert plan_deployment(live, pushed, NOW, OVERDUE_SECONDS).desired_count is None


@given(services(), PUSHES)
def test_digests_that_just_failed_are_never_deployed(live: DeploymentState, pushed: Image | None) -> None:
    digests = {name: each.digest for name, each in live.images.items() if each.digest}
    failed = ServiceDeployment("arn:deployment/app/bad", "ROLLBACK_SUCCESSFUL", at(120), digests)
    after = live._replace(deployments=(failed, *live.deployments))
    if all(each.digest for each in live.images.values()):
        assert plan_deployment(after, pushed, NOW, OVERDUE_SECONDS).action is Action.LEAVE


@given(services(), PUSHES)
def test_every_decision_has_a_reason(live: DeploymentState, pushed: Image | None) -> None:
    assert plan_deployment(live, pushed, NOW, OVERDUE_SECONDS).reason


@given(services())
def test_a_live_service_is_left_whatever_its_deployments_say(live: DeploymentState) -> None:
    """So a prefilter of a large cluster need not read them."""
    if live.service.desired_count and live.deployments and is_live(live.images, live.running_digests):
        assert plan_deployment(live, None, NOW, OVERDUE_SECONDS).action is Action.LEAVE


@pytest.mark.parametrize(
    "live",
    [
        new_service(running_count=1),
        new_service(running_digests=({"app": OLD},)),
        new_service(is_history_whole=False),
        new_service(deployments=(UNTOLD,)),
        service(running_digests=()),
    ],
    ids=["a-task-runs", "a-task-of-its-newest-deployment", "history-is-missing", "untold", "resolved"],
)
def test_what_may_have_run_is_never_said_not_to_have_run(live: DeploymentState) -> None:
    assert live.never_ran is False
    assert new_service().never_ran is True


def test_actions_are_the_words_of_the_log() -> None:
    assert [action.value for action in Action] == ["leave", "scale to zero", "start", "deploy"]
