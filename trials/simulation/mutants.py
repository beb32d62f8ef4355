"""Deliberate defects, each named after what a real project did wrong; the simulation must catch every one.

Each replaces one thing of the functions or of pushlive's modules for as long as its `with` block lasts.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import redeploy_service.app as redeploy_app
import update_record.app as record_app
from botocore.exceptions import ClientError

from pushlive import (
    ec2,
    ecs,
    image_reference,
    leases,
    outcome_plan,
    record_plan,
    redeploy_plan,
    redeploy_state,
    route53,
    stack_records,
)
from pushlive.config import ConfigError
from pushlive.model import REDEPLOY_TAG, ROLLING_BACK, Record, Task
from pushlive.redeploy_plan import Action, Decision
from trials.simulation.places import REGISTRY, Setup
from trials.simulation.scenario import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Patch = tuple[object, str, object]


@dataclass(frozen=True)
class Mutant:
    """A defect."""

    name: str
    seen_in: str
    """Where somebody met it; see docs/reliability.md."""
    patches: Callable[[], list[Patch]]
    story: tuple[Step, ...] = ()
    """Steps that show it, where chance seldom takes them."""
    setup: Setup = Setup()  # noqa: RUF009 - it is frozen
    """Where they are taken."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The functions have this defect."""
        running = [patch.object(target, name, defect) for target, name, defect in self.patches()]
        for each in running:
            each.start()
        try:
            yield
        finally:
            for each in running:
                each.stop()


# RedeployService


def _deploys_any_push() -> list[Patch]:
    def plan(state: Any, pushed: Any, *rest: Any, **known: Any) -> Decision:
        if pushed is not None and not redeploy_plan.opt_out(state.service):
            return Decision(Action.DEPLOY, "somebody pushed something")
        return redeploy_plan.plan_deployment(state, pushed, *rest, **known)

    return [(redeploy_app, "plan_deployment", plan)]


def _matches_by_prefix() -> list[Patch]:
    def plan(state: Any, pushed: Any, *rest: Any, **known: Any) -> Decision:
        references = state.references.values()
        if pushed and pushed.reference not in references and not redeploy_plan.opt_out(state.service):
            prefix = pushed.reference.rpartition(":")[0]
            if any(each.rpartition(":")[0].startswith(prefix) for each in references):
                return Decision(Action.DEPLOY, f"its image begins with {prefix}")
        return redeploy_plan.plan_deployment(state, pushed, *rest, **known)

    return [(redeploy_app, "plan_deployment", plan)]


def _trusts_the_event() -> list[Patch]:
    def plan(state: Any, pushed: Any, *rest: Any, **known: Any) -> Decision:
        newest = state.deployments[0].digests if state.deployments else {}
        concerned = [name for name, each in state.references.items() if pushed and each == pushed.reference]
        another = any(newest.get(name) != pushed.digest for name in concerned)
        if another and state.service.desired_count and not redeploy_plan.opt_out(state.service):
            return Decision(Action.DEPLOY, "the event says so")
        return redeploy_plan.plan_deployment(state, pushed, *rest, **known)

    return [(redeploy_app, "plan_deployment", plan)]


def _leases_nothing() -> list[Patch]:
    return [(leases, "take", lambda *_: leases.Lease("leased")), (leases, "release", _nothing)]


def _only_looks_at_pushes() -> list[Patch]:
    whole = redeploy_app.Redeployment.run

    def run(self: redeploy_app.Redeployment, event: Any) -> None:
        if event.get("source") == "aws.ecr":
            whole(self, event)

    return [(redeploy_app.Redeployment, "run", run)]


def _stops_at_the_first_failure() -> list[Patch]:
    whole = redeploy_app.Redeployment._reconcile

    def look_at(self: redeploy_app.Redeployment, found: Any, trigger: Any) -> Any:
        try:
            return whole(self, found, trigger)
        except (ClientError, ConfigError) as error:
            raise RuntimeError("nobody catches this") from error

    return [(redeploy_app.Redeployment, "_reconcile", look_at)]


def _does_not_hear_paused() -> list[Patch]:
    def opt_out(service: Any) -> str | None:
        heard = {REDEPLOY_TAG: redeploy_plan.ON_PUSH} if REDEPLOY_TAG in service.tags else {}
        return OPT_OUT(service._replace(tags={**service.tags, **heard}))

    return [(module, "opt_out", opt_out) for module in (redeploy_plan, redeploy_state, redeploy_app)]


OPT_OUT = redeploy_plan.opt_out


def _skips_while_under_way() -> list[Patch]:
    whole = redeploy_plan._is_deployed

    def is_deployed(container: str, image: Any, state: Any) -> bool:
        newest = state.deployments[0] if state.deployments else None
        if newest is None or image.pushed_at is None:
            return whole(container, image, state)
        earlier = image.pushed_at - newest.created_at
        return timedelta(seconds=1) < earlier < timedelta(minutes=2) or whole(container, image, state)

    return [(redeploy_plan, "_is_deployed", is_deployed)]


def _forgets_that_it_ran() -> list[Patch]:
    return [(redeploy_plan.DeploymentState, "never_ran", property(lambda _: True))]


def _looks_at_the_repository_only() -> list[Patch]:
    whole = image_reference.naming

    def naming(repository: str, tag: str, registry: str, references: Any) -> str:
        for reference in references:
            if reference.startswith(f"{REGISTRY}/{repository}:"):
                return str(reference)
        return whole(repository, tag, registry, references)

    def plan(state: Any, pushed: Any, *rest: Any, **known: Any) -> Decision:
        if pushed and not redeploy_plan.opt_out(state.service):
            live = [image for image in state.images.values() if image.reference == pushed.reference]
            if live and live[0].digest != pushed.digest:
                return Decision(Action.DEPLOY, "a push to its repository")
        return redeploy_plan.plan_deployment(state, pushed, *rest, **known)

    return [(image_reference, "naming", naming), (redeploy_app, "plan_deployment", plan)]


def _waits_for_any_rollback() -> list[Patch]:
    return [(redeploy_plan, "_rolls_back", lambda deployment, *_: deployment.status in ROLLING_BACK)]


def _tells_a_rollback_as_live() -> list[Patch]:
    def outcome(deployment: Any) -> outcome_plan.Outcome | None:
        if deployment.status == "ROLLBACK_SUCCESSFUL":
            return outcome_plan.Outcome.LIVE
        return OUTCOME(deployment)

    return [(outcome_plan, "outcome", outcome)]


OUTCOME = outcome_plan.outcome


# UpdateRecord


def _planned(change: Callable[[Any, Any, record_plan.Decision], record_plan.Decision]) -> list[Patch]:
    def plan(state: Any, record: Any, ttl_seconds: int) -> record_plan.Decision:
        return change(state, record, record_plan.plan_record(state, record, ttl_seconds))

    return [(record_app, "plan_record", plan)]


def _deletes_at_zero(state: Any, record: Any, decision: record_plan.Decision) -> record_plan.Decision:
    if (
        decision.action is not record_plan.Action.REFUSE
        and record.exists
        and not any(target.runs for target in state.targets)
    ):
        return record_plan.Decision(record_plan.Action.DELETE, "no task runs")
    return decision


def _never_removes(_: Any, record: Any, decision: record_plan.Decision) -> record_plan.Decision:
    if decision.action is record_plan.Action.WRITE:
        return decision._replace(addresses=decision.addresses | record.addresses)
    return decision


def _last_task_wins(_: Any, record: Any, decision: record_plan.Decision) -> record_plan.Decision:
    if decision.action is record_plan.Action.WRITE:
        last = frozenset([max(decision.addresses)])
        same = last == record.addresses
        return decision._replace(addresses=last, action=record_plan.Action.KEEP if same else decision.action)
    return decision


def _keeps_for_ever(state: Any, _: Any, decision: record_plan.Decision) -> record_plan.Decision:
    gone = decision.action is record_plan.Action.DELETE and state.desired_count == 0
    return decision._replace(action=record_plan.Action.KEEP) if gone else decision


def _trusts_the_tasks_event() -> list[Patch]:
    """On RUNNING the event's address is added, on STOPPED it is removed; nothing else is looked at."""
    known: dict[str, str] = {}
    whole = record_app.RecordUpdate.run
    asked: list[Any] = [None]

    def run(self: record_app.RecordUpdate, event: Any) -> None:
        asked[0] = event
        whole(self, event)

    def public_ips(client: Any, eni_ids: Any) -> dict[str, str]:
        found = PUBLIC_IPS(client, eni_ids)
        known.update(found)
        return found

    def plan(service: Any, record: Any, ttl_seconds: int) -> record_plan.Decision:
        decision = record_plan.plan_record(service, record, ttl_seconds)
        detail = asked[0].get("detail", {})
        if "attachments" not in detail or not record.exists or decision.action in KEEP_OUT:
            return decision
        own = {known.get(each["value"], "") for each in detail["attachments"][0]["details"]} - {""}
        running = detail["lastStatus"] == "RUNNING" == detail["desiredStatus"]
        addresses = record.addresses | own if running else record.addresses - own
        if not addresses or addresses == record.addresses:
            return record_plan.Decision(record_plan.Action.KEEP, "as the event says")
        return record_plan.Decision(record_plan.Action.WRITE, "as the event says", addresses)

    return [
        (record_app.RecordUpdate, "run", run),
        (ec2, "public_ips", public_ips),
        (record_app, "plan_record", plan),
    ]


KEEP_OUT = (record_plan.Action.REFUSE, record_plan.Action.DELETE)
PUBLIC_IPS = ec2.public_ips


def _upserts() -> list[Patch]:
    def write(
        client: Any, zone_id: str, name: str, current: Any, addresses: Any, ttl_seconds: int, owner: str
    ) -> None:
        changes: list[Any] = [
            {**route53._change("DELETE", name, "A", addresses, ttl_seconds), "Action": "UPSERT"}
        ]
        if not current.owner:
            changes.append(route53._change("CREATE", route53.owner_name(name), "TXT", [f'"{owner}"'], 300))
        route53._apply(client, zone_id, name, current, changes)

    return [(route53, "write", write)]


def _never_looks_again() -> list[Patch]:
    whole = record_app.RecordUpdate._reconcile_once

    def look(
        self: record_app.RecordUpdate, service_name: str, name: str, right: Record | None, *, given_up: bool
    ) -> tuple[record_plan.Decision, record_plan.RecordState, Record]:
        decision, state, record = whole(self, service_name, name, right, given_up=given_up)
        if decision.action is record_plan.Action.WRITE:
            self.deadline = self.now()  # it waits for tasks as ever, but takes what it wrote for right
        return decision, state, record

    return [(record_app.RecordUpdate, "_reconcile_once", look)]


def _asks_for_all_interfaces() -> list[Patch]:
    def public_ips(client: Any, _: Any) -> dict[str, str]:
        return {
            each["NetworkInterfaceId"]: each["Association"]["PublicIp"]
            for page in client.get_paginator("describe_network_interfaces").paginate(NetworkInterfaceIds=[])
            for each in page["NetworkInterfaces"]
            if "Association" in each
        }

    return [(ec2, "public_ips", public_ips)]


def _asks_for_vanished_interfaces() -> list[Patch]:
    def public_ips(client: Any, eni_ids: Any) -> dict[str, str]:
        wanted = sorted(set(eni_ids))
        pages = client.get_paginator("describe_network_interfaces").paginate(NetworkInterfaceIds=wanted)
        return {
            each["NetworkInterfaceId"]: each["Association"]["PublicIp"]
            for page in (pages if wanted else [])
            for each in page["NetworkInterfaces"]
            if "Association" in each
        }

    return [(ec2, "public_ips", public_ips)]


def _names_standalone_tasks() -> list[Patch]:
    def tasks(client: Any, cluster_arn: str, _: str) -> list[Task]:
        arns = client.get_paginator("list_tasks").paginate(cluster=cluster_arn, desiredStatus="RUNNING")
        found = [arn for page in arns for arn in page["taskArns"]]
        answer = client.describe_tasks(cluster=cluster_arn, tasks=found)["tasks"] if found else []
        return [ecs._task(each) for each in answer]

    return [(ecs, "tasks", tasks)]


def _scans_the_zone() -> list[Patch]:
    def record_sets(client: Any, zone_id: str, name: str) -> Any:
        listed = client.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        return [found for found in listed if found["Name"].rstrip(".") == name]

    return [(route53, "_record_sets", record_sets)]


def _ignores_the_stacks_end() -> list[Patch]:
    return [(stack_records.StackRecords, "_give_up_one", lambda *_: None)]


def _nothing(*_: object) -> None:
    return None


GOOD_PUSH = Step("push", ("app:latest", "good", False), 310)
BROKEN_PUSH = Step("push", ("app:latest", "crashes", False), 310)
BROKEN_AGAIN = Step("push_broken_again", ("app:latest", "crashes"), 310)
THE_NEW_TASK_ENDS = Step("in_between", ("ChangeResourceRecordSets", "end_newest", "app", "stopped by hand"))
SOMEBODY_TAKES_THE_NAME = Step(
    "in_between", ("ChangeResourceRecordSets", "foreign_record", "app", "takes the name")
)

MUTANTS = (
    Mutant("any push deploys", "meroku ci_lambda: any tag and any repository fires it", _deploys_any_push),
    Mutant("prefix match", "aws-ecs-automation: app hits app-worker", _matches_by_prefix),
    Mutant("any tag deploys", "meroku ci_lambda: the tag is not looked at", _looks_at_the_repository_only),
    Mutant("trust the push event", "ecs-force-redeploy: late and repeated events deploy", _trusts_the_event),
    Mutant(
        "the same image for ever",
        "keel #560",
        lambda: [(redeploy_plan, "_is_deployed", lambda *_: False)],
    ),
    Mutant("no lease", "keel #187: one push, several deployments", _leases_nothing),
    Mutant(
        "ignore failed digests",
        "watchtower #1134: the broken image comes back",
        lambda: [(redeploy_plan, "failure_of_these_images", _nothing)],
        story=(GOOD_PUSH, BROKEN_PUSH, Step("push_same", ("app:latest",), 310), BROKEN_AGAIN),
    ),
    Mutant(
        "deploy what is not opted in",
        "ecs-redeploy: scans every service",
        lambda: [(module, "opt_out", _nothing) for module in (redeploy_plan, redeploy_state, redeploy_app)],
    ),
    Mutant("paused is not heard", "watchtower #90", _does_not_hear_paused),
    Mutant("events only", "ecs-redeploy: a lost event is lost", _only_looks_at_pushes),
    Mutant("one failure stops the rest", "ecs-redeploy", _stops_at_the_first_failure),
    Mutant("skip while a deployment is under way", "asked for: no push is lost", _skips_while_under_way),
    Mutant(
        "wait for any rollback",
        "ECS guide, circuit breaker: a rollback needs a COMPLETED deployment",
        _waits_for_any_rollback,
        story=(BROKEN_PUSH, GOOD_PUSH),
        setup=Setup(empty=True, breaker_ends_rollbacks=False),
    ),
    Mutant(
        "a rollback notified as a success",
        "amazon-ecs-deploy-task-definition #191, App Runner (containers-roadmap 209)",
        _tells_a_rollback_as_live,
        story=(GOOD_PUSH, BROKEN_PUSH),
    ),
    Mutant(
        "no notification",
        "App Runner (containers-roadmap 213)",
        lambda: [(outcome_plan, "ended", lambda *_: [])],
    ),
    Mutant(
        "the same message again and again",
        "level-triggered, and nothing remembers",
        lambda: [(leases, "finish", _nothing)],
        story=(GOOD_PUSH, Step("push_same", ("app:latest",), 310)),
    ),
    Mutant("scale what ran to zero", "aws-cdk 14994: the first deployment", _forgets_that_it_ran),
    Mutant(
        "trust the task event's address",
        "cdk-ecs-public-discovery: a late RUNNING brings a dead task back",
        _trusts_the_tasks_event,
    ),
    Mutant(
        "drop the re-read after writing",
        "cdk-fargate-public-dns",
        _never_looks_again,
        story=(GOOD_PUSH, THE_NEW_TASK_ENDS, GOOD_PUSH),
    ),
    Mutant(
        "UPSERT instead of compare-and-swap",
        "ecs-service-extensions AssignPublicIp",
        _upserts,
        story=(GOOD_PUSH, SOMEBODY_TAKES_THE_NAME, GOOD_PUSH),
    ),
    Mutant(
        "delete at zero tasks", "ecs-service-extensions AssignPublicIp", lambda: _planned(_deletes_at_zero)
    ),
    Mutant("keep at desired count 0", "subdomain take-over", lambda: _planned(_keeps_for_ever)),
    Mutant(
        "overwrite whose record it is",
        "ecs-service-extensions AssignPublicIp, external-dns #5457",
        lambda: [(record_plan, "_refusal", _nothing)],
    ),
    Mutant(
        "ask for all interfaces",
        "ecs-service-extensions AssignPublicIp: a batch without any",
        _asks_for_all_interfaces,
    ),
    Mutant(
        "one vanished interface fails all",
        "ecs-service-extensions AssignPublicIp",
        _asks_for_vanished_interfaces,
    ),
    Mutant(
        "no handling of stops", "cdk-fargate-public-dns, aws-ecs-public-dns", lambda: _planned(_never_removes)
    ),
    Mutant(
        "the last task wins", "cdk-fargate-public-dns, aws-ecs-public-dns", lambda: _planned(_last_task_wins)
    ),
    Mutant(
        "publish before the port listens",
        "minecraft-ondemand",
        lambda: [(record_plan.Target, "is_candidate", property(lambda target: target.runs))],
    ),
    Mutant("standalone tasks get the name", "aws-ecs-public-dns: family: tasks", _names_standalone_tasks),
    Mutant("scan the whole zone", "cdk-ecs-public-discovery", _scans_the_zone),
    Mutant("leave the record behind", "cdk-ecs-public-discovery: deletion", _ignores_the_stacks_end),
)
