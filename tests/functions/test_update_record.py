"""UpdateRecord as a whole: each test is a promise to the people who use the host name."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import update_record.app
from botocore.exceptions import ClientError

from lab.ecs.virtual.fake_runtime import Behaviour
from pushlive import aws
from pushlive.config import ConfigError
from pushlive.events import EventError
from pushlive.route53 import RecordChangedMeanwhileError
from trials.in_memory.region import (
    CALM_SECONDS,
    CLUSTER_ARN,
    HOST_NAME,
    PORT,
    RECORD_LOG_GROUP,
    REGISTRY,
    TOPIC_ARN,
    digest_of,
    service_arn,
)
from trials.in_memory.wire import Fault

if TYPE_CHECKING:
    from tests.functions.conftest import CloudFormation, Log
    from trials.in_memory.region import Region

    Json = dict[str, Any]

STRANGER = "203.0.113.9"
OWNER = f"_pushlive.{HOST_NAME}"
NEVER_LISTENS = Behaviour(listens_after_seconds=None)
ATTEMPTS = aws.CONFIG.retries["max_attempts"] + 1  # type: ignore[attr-defined]


def fail(region: Region, operation: str, code: str, *, times: int = 100, containing: str = "") -> None:
    region.wire.faults.append(Fault(operation, code, times, containing))


def running(region: Region, behaviour: Behaviour | None = None, **settings: Any) -> None:
    """The service `app` runs, and has no record yet."""
    region.push("1", behaviour=behaviour)
    region.run_service(**{"host_name": HOST_NAME, **settings})


def published(region: Region, **settings: Any) -> None:
    """The service `app` runs, and its record is right."""
    running(region, **settings)
    region.update_record()
    assert region.addresses() == region.public_ips()
    region.wire.calls.clear()


def deploy(region: Region, content: str, behaviour: Behaviour | None = None) -> None:
    """A new image, of which one task has just become RUNNING."""
    before = {task["taskArn"] for task in region.tasks()}
    region.push(content, behaviour=behaviour)
    region.update_service(forceNewDeployment=True)
    region.wait_until(lambda: bool({task["taskArn"] for task in region.tasks()} - before))


def crash(region: Region) -> None:
    """The oldest task's container ends by itself."""
    region.runtime.crash(region.tasks()[0]["taskArn"], "app", region.now)


def metrics(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [key for line in lines for key in line if key.startswith("Records")]


# The name holds the addresses


def test_the_first_task_is_published_with_a_note_whose_record_it_is(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region)
    event = region.task_event("RUNNING")
    region.update_record(event, TTL_SECONDS="7")
    assert region.records() == {
        (HOST_NAME, "A"): region.public_ips(),
        (OWNER, "TXT"): {f"pushlive service={service_arn('app')}"},
    }
    assert region.changes() == ["ChangeResourceRecordSets"]
    changes = region.calls("ChangeResourceRecordSets")[0]["ChangeBatch"]["Changes"]
    assert [change["ResourceRecordSet"]["TTL"] for change in changes] == [7, 300]
    written, kept = log.lines(event_id=event["id"])
    assert (written["message"], written["ecs_service"], written["host_name"]) == ("write", "app", HOST_NAME)
    assert written["addresses"] == sorted(region.public_ips())
    assert written["reason"] == "all 1 tasks of the newest deployment answer"
    assert kept["message"] == "keep"
    assert metrics(capsys) == ["RecordsWritten"]
    assert set(region.probed) == {(address, PORT) for address in region.public_ips()}


def test_a_right_record_costs_no_change(region: Region, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    published(region)
    capsys.readouterr()
    region.update_record()
    region.update_record(region.task_event("RUNNING"))
    assert region.changes() == []
    assert log.messages(ecs_service="app")[-2:] == ["keep", "keep"]
    assert "already right" in log.reasons(ecs_service="app").splitlines()[-1]
    assert {line["service"] for line in log.lines()} == {"UpdateRecord"}
    assert metrics(capsys) == []


def test_every_task_of_the_service_is_in_the_record_whichever_event_came_last(region: Region) -> None:
    running(region, desired=3)
    events = [each.event for each in region.runtime.events if "lastStatus" in each.event["detail"]]
    for event in [each for each in events if each["detail"]["lastStatus"] == "RUNNING"]:
        region.update_record(event)
        assert region.addresses() == region.public_ips()
    assert len(region.public_ips()) == 3
    assert region.changes() == ["ChangeResourceRecordSets"]


def test_more_tasks_than_one_call_describes_are_all_in_the_record(region: Region) -> None:
    running(region, desired=105)
    region.update_record()
    public_ips = {task.interface.public_ip for task in region.model.engine.tasks.values()}
    assert len(public_ips) == 105
    assert region.addresses() == public_ips


def test_more_services_than_one_call_describes_all_get_their_record(region: Region) -> None:
    region.push("1")
    for number in range(12):
        region.create_service(f"app-{number:02}", host_name=f"app-{number:02}.example.com")
    region.wait(CALM_SECONDS)
    region.update_record()
    for number in range(12):
        assert region.addresses(f"app-{number:02}.example.com") == region.public_ips(f"app-{number:02}")


def test_a_service_without_a_host_name_costs_one_call_and_no_line(region: Region, log: Log) -> None:
    running(region, host_name="")
    region.update_record(region.task_event("RUNNING"))
    assert [call.operation for call in region.wire.calls] == ["DescribeServices"]
    assert log.lines() == []


def test_clients_move_as_soon_as_the_new_task_answers_and_before_the_old_one_is_stopped(
    region: Region,
) -> None:
    published(region)
    old = region.public_ips()
    deploy(region, "2")
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() == region.public_ips() - old
    assert len(region.public_ips()) == 2
    region.wait(CALM_SECONDS)
    region.update_record(region.task_event("STOPPED"))
    assert region.addresses() == region.public_ips()
    assert region.changes() == ["ChangeResourceRecordSets"]


def test_the_old_tasks_stay_until_as_many_new_ones_answer(region: Region) -> None:
    published(region, desired=2)
    old = region.public_ips()
    region.update_service(deploymentConfiguration={"maximumPercent": 150, "minimumHealthyPercent": 100})
    deploy(region, "2")
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() == region.public_ips()
    assert len(region.public_ips() - old) == 1


@pytest.mark.parametrize("change", [{"health_check": True}, {"port": PORT + 1}], ids=["health-check", "port"])
def test_the_old_tasks_stay_in_the_record_while_a_revision_changes_how_readiness_is_seen(
    region: Region, change: dict[str, Any]
) -> None:
    """An old task has no health check, or another port: its own task definition says which."""
    published(region, desired=2)
    old = region.public_ips()
    region.update_service(
        deploymentConfiguration={"maximumPercent": 150, "minimumHealthyPercent": 100},
        taskDefinition=region.register("app", ["app:latest"], **change),
    )
    ready = "HEALTHY" if "health_check" in change else "UNKNOWN"
    region.wait_until(
        lambda: any(
            task["healthStatus"] == ready for task in region.tasks() if task["taskDefinitionArn"][-1] == "2"
        )
    )
    region.update_record()
    assert region.addresses() == region.public_ips()
    assert len(region.public_ips() & old) >= 1


def test_a_crashed_tasks_address_is_replaced_when_its_successor_answers(region: Region) -> None:
    published(region)
    old = region.addresses()
    crash(region)
    region.update_record(region.task_event("STOPPING"))
    assert region.addresses() == old
    region.wait_until(lambda: bool(region.tasks()))
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() == region.public_ips() != old


def test_a_crashed_tasks_address_goes_at_once_while_another_answers(region: Region) -> None:
    published(region, desired=2)
    crash(region)
    region.update_record(region.task_event("STOPPING"))
    assert region.addresses() == region.public_ips()
    assert len(region.public_ips()) == 1


def test_a_late_running_event_does_not_bring_a_dead_task_back(region: Region) -> None:
    published(region)
    late = region.task_event("RUNNING")
    crash(region)
    region.wait(CALM_SECONDS)
    region.update_record(region.task_event("RUNNING"))
    region.update_record(late)
    assert region.addresses() == region.public_ips()
    assert region.changes() == ["ChangeResourceRecordSets"]


def test_a_stop_without_another_task_asks_for_no_interface_at_all(region: Region) -> None:
    """`NetworkInterfaceIds=[]` would mean all of the account's."""
    published(region)
    crash(region)
    region.update_record(region.task_event("STOPPING"))
    assert region.calls("DescribeNetworkInterfaces") == []
    assert region.changes() == []


def test_a_vanished_interface_does_not_fail_the_others(region: Region, log: Log) -> None:
    running(region, desired=3)
    lost = region.tasks()[1]

    def lose_it() -> None:
        region.lose_interface(lost["taskArn"])

    gone = region.model.engine.tasks[lost["taskArn"]].interface.public_ip
    region.before("DescribeNetworkInterfaces", lose_it)
    region.update_record()
    assert region.addresses() == region.public_ips() - {gone}
    assert log.lines(message="task without a public address")[0]["task"] == lost["taskArn"]


def test_a_task_without_a_public_address_is_named_and_the_others_are_served(region: Region, log: Log) -> None:
    running(region)
    region.create_service("inside", public=False, host_name="inside.example.com")
    region.wait(CALM_SECONDS)
    region.update_record()
    assert region.addresses("inside.example.com") is None
    assert region.addresses() == region.public_ips()
    [line] = log.lines(message="task without a public address")
    assert (line["ecs_service"], line["level"]) == ("inside", "WARNING")
    assert "assignPublicIp" in line["reason"]


def test_a_tag_in_capitals_with_a_dot_at_its_end_names_the_same_record(region: Region) -> None:
    running(region, host_name="App.Example.COM.")
    region.update_record()
    region.update_record()
    assert region.addresses() == region.public_ips()
    assert region.changes() == ["ChangeResourceRecordSets"]


def test_another_ttl_is_written(region: Region) -> None:
    published(region)
    region.update_record(TTL_SECONDS="60")
    region.update_record(TTL_SECONDS="60")
    assert region.changes() == ["ChangeResourceRecordSets"]


# Nothing runs


def test_no_running_task_keeps_the_record(region: Region, log: Log) -> None:
    published(region)
    record = region.addresses()
    crash(region)
    region.update_record()
    assert region.addresses() == record
    assert "a missing name would be remembered" in log.reasons(message="keep")


def test_a_service_scaled_to_0_loses_its_record_and_the_note(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    published(region)
    capsys.readouterr()
    region.scale(0)
    region.wait(5)
    region.update_record(region.task_event("DEACTIVATING"))
    assert region.records() == {}
    assert region.changes() == ["ChangeResourceRecordSets"]
    assert "desired count is 0" in log.reasons(message="delete")
    assert region.calls("ListTasks") == []
    assert metrics(capsys) == ["RecordsDeleted"]


def test_a_service_scaled_up_again_gets_its_record_back(region: Region) -> None:
    published(region)
    region.scale(0)
    region.wait(CALM_SECONDS)
    region.update_record()
    region.scale(1)
    region.wait(CALM_SECONDS)
    region.update_record()
    assert region.addresses() == region.public_ips()


def test_a_deleted_service_loses_its_record(region: Region, log: Log) -> None:
    published(region)
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    region.wait(CALM_SECONDS)
    region.update_record(region.task_event("STOPPED"))
    assert region.records() == {}
    assert "the service no longer wants this name" in log.reasons(message="delete")


def test_a_service_that_is_forgotten_is_no_error(region: Region, log: Log) -> None:
    running(region)
    event = region.task_event("RUNNING")
    event["detail"]["group"] = "service:other"
    region.update_record(event)
    assert region.changes() == []
    assert log.messages(message="failed") == []


# Somebody else's record


@pytest.mark.parametrize(
    ("record_type", "settings", "said"),
    [
        ("A", {}, "has an A record, but no TXT record"),
        ("CNAME", {"TTL": 10, "ResourceRecords": [{"Value": "other.example.org"}]}, "is a CNAME"),
        (
            "A",
            {
                "AliasTarget": {
                    "HostedZoneId": "Z35SXDOTRQ7X7K",
                    "DNSName": "lb.example.org",
                    "EvaluateTargetHealth": False,
                }
            },
            "is an alias",
        ),
        (
            "A",
            {"SetIdentifier": "a", "Weight": 1, "TTL": 10, "ResourceRecords": [{"Value": STRANGER}]},
            "is a record with a routing policy",
        ),
    ],
    ids=["a-record", "cname", "alias", "weighted"],
)
@pytest.mark.parametrize("desired", [1, 0])
def test_a_record_that_is_not_ours_is_refused_and_stays(
    region: Region,
    log: Log,
    capsys: pytest.CaptureFixture[str],
    record_type: str,
    settings: Json,
    said: str,
    desired: int,
) -> None:
    region.upsert(HOST_NAME, record_type, [STRANGER], **settings)
    before = region.records()
    running(region, desired=desired)
    region.update_record()
    assert region.records() == before
    assert region.changes() == []
    [line] = log.lines(message="refuse")
    assert (line["level"], line["ecs_service"]) == ("WARNING", "app")
    assert said in line["reason"]
    assert metrics(capsys) == ["RecordsRefused"]


@pytest.mark.parametrize("owner", ["heritage=external-dns", f"pushlive service={service_arn('app-2')}"])
def test_a_record_that_another_owner_claims_is_refused_and_stays(
    region: Region, log: Log, owner: str
) -> None:
    region.upsert(HOST_NAME, "A", [STRANGER])
    region.upsert(OWNER, "TXT", [f'"{owner}"'])
    before = region.records()
    running(region)
    region.update_record()
    assert region.records() == before
    assert region.changes() == []
    assert f"says: {owner}" in log.reasons(message="refuse")


def test_the_second_service_that_wants_a_name_is_refused(region: Region, log: Log) -> None:
    published(region)
    region.run_service("second", host_name=HOST_NAME)
    region.update_record()
    assert region.addresses() == region.public_ips("app")
    assert [line["ecs_service"] for line in log.lines(message="refuse")] == ["second"]


def test_records_of_other_names_and_types_are_left(region: Region) -> None:
    region.upsert("a.app.example.com", "A", [STRANGER])
    region.upsert("app-2.example.com", "A", [STRANGER])
    region.upsert(HOST_NAME, "TXT", ['"hello"'])
    before = region.records()
    published(region)
    region.scale(0)
    region.update_record()
    assert region.records() == before


# Other events


def test_a_standalone_task_gets_no_record(region: Region, log: Log) -> None:
    running(region)
    event = region.task_event("RUNNING")
    event["detail"]["group"] = "family:app"
    region.update_record(event)
    assert region.wire.calls == []
    assert "a standalone task (family:app) has no record" in log.reasons(message="ignored")


def test_a_task_of_another_cluster_is_ignored(region: Region, log: Log) -> None:
    running(region)
    event = region.task_event("RUNNING")
    event["detail"]["clusterArn"] += "-2"
    region.update_record(event)
    assert region.wire.calls == []
    assert "another cluster" in log.reasons(message="ignored")


def test_a_push_changes_no_record(region: Region, log: Log) -> None:
    region.update_record(region.push("1"))
    assert region.wire.calls == []
    assert "a push changes no address" in log.reasons(message="ignored")


def test_a_damaged_event_is_an_error_that_names_the_key(region: Region) -> None:
    running(region)
    event = region.task_event("RUNNING")
    del event["detail"]["group"]
    with pytest.raises(EventError, match="group"):
        region.update_record(event)


# A task that runs and does not answer yet


def test_a_slow_starter_is_waited_for_and_published_when_it_answers(region: Region) -> None:
    published(region)
    old = region.addresses()
    deploy(region, "2", Behaviour(listens_after_seconds=20))
    begun = region.now
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() != old
    assert region.addresses() == region.public_ips() - (old or set())
    assert 19 <= region.now - begun <= 21


def test_a_first_slow_starter_is_not_published_before_it_answers(region: Region) -> None:
    region.push("1", behaviour=Behaviour(listens_after_seconds=20))
    region.create_service(host_name=HOST_NAME)
    region.wait_until(lambda: bool(region.tasks()))
    region.update_record()  # the schedule does not wait
    assert region.addresses() is None
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() == region.public_ips()


def test_the_schedule_does_not_wait(region: Region) -> None:
    running(region, NEVER_LISTENS)
    begun = region.now
    region.update_record()
    assert region.now == begun


def test_a_task_that_never_answers_is_waited_for_until_the_deadline_only(region: Region, log: Log) -> None:
    published(region)
    old = region.addresses()
    deploy(region, "2", NEVER_LISTENS)
    begun = region.now
    region.update_record(region.task_event("RUNNING"), seconds=30)
    assert 30 <= region.now - begun <= 31
    assert region.addresses() == old
    assert log.messages(ecs_service="app")[-1] == "keep"
    assert len(log.lines(event_id=log.lines()[-1]["event_id"])) == 1, "one line a decision, not one a look"


def test_a_unresponsive_task_is_asked_each_second_and_aws_rarely(region: Region) -> None:
    """Many runs may wait at once, and Route 53 takes few requests a second from the whole account."""
    published(region)
    deploy(region, "2", NEVER_LISTENS)
    region.probed.clear()
    region.update_record(region.task_event("RUNNING"), seconds=45)
    assert len(region.probed) >= 45
    assert len(region.calls("DescribeTasks")) <= 10
    # The record, and whose it is: at first, and before the change when ECS has stopped the old task.
    assert len(region.calls("ListResourceRecordSets")) == 4
    assert region.changes() == ["ChangeResourceRecordSets"]


def test_a_record_that_changed_while_a_run_waited_is_read_again_before_it_is_changed(region: Region) -> None:
    published(region)
    deploy(region, "2", Behaviour(listens_after_seconds=20))
    event = region.task_event("RUNNING")
    readings = 0

    def reading() -> None:
        nonlocal readings
        readings += 1
        if readings == 3:  # the first look took two; another run is faster now
            region.update_record(event)
        else:
            region.before("ListResourceRecordSets", reading)

    old = region.addresses()
    region.before("ListResourceRecordSets", reading)
    region.update_record(event)
    assert region.addresses() == region.public_ips() - (old or set())
    assert region.changes() == ["ChangeResourceRecordSets"]  # the other run's alone


def test_a_record_that_a_waiting_run_lost_the_race_for_is_read_again(region: Region) -> None:
    """The other run's task has ended by then, and what was right before the race is no longer there."""
    published(region)
    old = region.addresses()
    deploy(region, "2", Behaviour(listens_after_seconds=20))
    event, new = region.task_event("RUNNING"), region.tasks()[-1]["taskArn"]

    def another_run() -> None:
        region.update_record(event)
        assert region.addresses() != old
        region.runtime.crash(new, "app", region.now)

    region.before("ChangeResourceRecordSets", another_run)
    region.update_record(event, seconds=30)
    assert region.addresses() == old


def test_no_unresponsive_task_no_wait(region: Region) -> None:
    published(region)
    crash(region)
    begun = region.now
    region.update_record(region.task_event("STOPPING"))
    assert region.now == begun


def test_with_the_probe_switched_off_running_counts(region: Region) -> None:
    running(region, NEVER_LISTENS)
    region.update_record(region.task_event("RUNNING"), PROBE="false")
    assert region.addresses() == region.public_ips()
    assert region.probed == []


def test_a_stale_address_makes_way_for_a_task_that_only_runs(region: Region, log: Log) -> None:
    published(region)
    crash(region)
    region.push("2", behaviour=NEVER_LISTENS)
    region.update_service(forceNewDeployment=True)
    region.wait(CALM_SECONDS)
    region.update_record()
    assert region.addresses() == region.public_ips()
    assert "may be a stranger's" in log.reasons(message="write")


def test_a_task_is_published_only_when_its_health_check_says_so(region: Region) -> None:
    region.push("1", behaviour=Behaviour(healthy_after_seconds=12))
    region.create_service(host_name=HOST_NAME, health_check=True)
    region.wait_until(lambda: bool(region.tasks()))
    assert region.tasks()[0]["healthStatus"] == "UNKNOWN"
    region.update_record()
    assert region.addresses() is None
    region.update_record(region.task_event("RUNNING"))
    assert region.tasks()[0]["healthStatus"] == "HEALTHY"
    assert region.addresses() == region.public_ips()


def test_a_task_whose_port_has_begun_to_answer_is_looked_at_soon_for_its_health(region: Region) -> None:
    """ECS stops the old task as soon as the new one is HEALTHY, and tells nobody of it before."""
    region.push("1", behaviour=Behaviour(listens_after_seconds=24, healthy_after_seconds=24))
    region.create_service(host_name=HOST_NAME, health_check=True)
    region.wait_until(lambda: bool(region.tasks()))
    began = region.now
    region.update_record(region.task_event("RUNNING"))
    assert region.addresses() == region.public_ips()
    # Its health is asked for every 5 s. An unresponsive port is looked at again after 1, 3, 7, 15, 23, 31 s.
    assert region.now - began <= 25.1 + 2, "seconds"


SIDECAR_IMAGE = "public.ecr.aws/docker/library/busybox:1.37"


def with_drain_sidecar(region: Region, behaviour: Behaviour) -> None:
    """The service `app` with template.yaml's drain sidecar, HEALTHY when the app has listened for 95 s."""
    region.push("1", behaviour=behaviour)
    region.behaviours[digest_of(SIDECAR_IMAGE)] = Behaviour(watches="app", ready_after_seconds=95)
    check = {"command": ["CMD-SHELL", "test"], "interval": 5, "retries": 6, "startPeriod": 300}
    images = ["app:latest", SIDECAR_IMAGE]
    region.create_service(images=images, host_name=HOST_NAME, last={"healthCheck": check}, essential=False)
    region.wait_until(lambda: bool(region.tasks()))


def test_clients_move_as_soon_as_the_port_answers_while_the_drain_sidecar_lets_ecs_wait(
    region: Region,
) -> None:
    with_drain_sidecar(region, Behaviour())
    region.update_record(region.task_event("RUNNING"))
    assert region.tasks()[0]["healthStatus"] == "UNKNOWN"
    assert region.addresses() == region.public_ips()


def test_where_the_port_must_not_be_asked_the_drain_sidecar_says_when_it_is_ready(region: Region) -> None:
    with_drain_sidecar(region, Behaviour())
    region.update_record(region.task_event("RUNNING"), PROBE="false")
    assert region.addresses() is None
    region.wait(100)
    region.update_record(PROBE="false")
    assert region.tasks()[0]["healthStatus"] == "HEALTHY"
    assert region.addresses() == region.public_ips()


def with_readiness_sidecar(region: Region, behaviour: Behaviour) -> None:
    """The service `app` with template.yaml's readiness sidecar, HEALTHY while the app listens."""
    region.push("1", behaviour=behaviour)
    region.behaviours[digest_of(SIDECAR_IMAGE)] = Behaviour(watches="app", on_sigterm_seconds=0)
    check = {"command": ["CMD-SHELL", "test"], "interval": 5, "retries": 3, "startPeriod": 300}
    sidecar = {"name": "readiness-sidecar", "essential": False, "healthCheck": check}
    region.create_service(images=["app:latest", SIDECAR_IMAGE], host_name=HOST_NAME, last=sidecar)
    region.wait_until(lambda: bool(region.tasks()))


@pytest.mark.parametrize("probe", ["true", "false"])
def test_a_readiness_sidecar_says_when_a_task_is_published_and_its_port_is_not_asked(
    probe: str, region: Region
) -> None:
    with_readiness_sidecar(region, Behaviour(listens_after_seconds=24))
    began = region.now
    region.update_record(region.task_event("RUNNING"), seconds=20, PROBE=probe)
    assert region.addresses() is None
    region.update_record(region.task_event("RUNNING"), PROBE=probe)
    assert region.addresses() == region.public_ips()
    assert region.now - began <= 24 + 5.1 + 2, "a check each 5 s, a look each 2 s"
    assert region.probed == []


def test_clients_stay_with_the_old_task_while_the_new_ones_readiness_sidecar_is_not_healthy(
    region: Region,
) -> None:
    with_readiness_sidecar(region, Behaviour())
    region.update_record(region.task_event("RUNNING"))
    old = region.addresses()
    deploy(region, "2", NEVER_LISTENS)
    region.update_record(region.task_event("RUNNING"), seconds=20)  # ECS stops the old one after 40
    assert region.addresses() == old
    assert region.probed == []


def test_clients_stay_with_the_old_task_until_the_new_one_has_run_for_a_while(region: Region) -> None:
    published(region)
    old = region.addresses()
    deploy(region, "2")
    begun = region.now
    region.update_record(region.task_event("RUNNING"), seconds=5, MIN_READY_SECONDS="15")
    assert region.addresses() == old
    region.update_record(region.task_event("RUNNING"), MIN_READY_SECONDS="15")
    assert region.addresses() is not None
    assert region.addresses() != old
    assert 15 <= region.now - begun <= 15 + 2, "seconds"


def test_an_image_that_listens_for_a_moment_and_ends_never_gets_a_client(region: Region) -> None:
    published(region)
    old = region.addresses()
    deploy(region, "2", Behaviour(exits_after_seconds=4, exit_code=1))
    region.update_record(region.task_event("RUNNING"), MIN_READY_SECONDS="15")
    assert region.addresses() == old


def test_where_no_other_task_answers_a_new_one_is_published_at_once(region: Region) -> None:
    running(region)
    crash(region)
    region.wait_until(lambda: bool(region.tasks()))
    region.update_record(region.task_event("RUNNING"), MIN_READY_SECONDS="15")
    assert region.addresses() == region.public_ips()


def test_an_unhealthy_task_leaves_the_record(region: Region) -> None:
    region.push("1", behaviour=Behaviour(unhealthy_after_seconds=400))
    region.run_service(host_name=HOST_NAME, health_check=True, desired=2)
    region.update_record()
    old = region.addresses()
    region.wait_until(lambda: any(task["healthStatus"] == "UNHEALTHY" for task in region.tasks()))
    region.update_record()
    assert region.addresses() == old, "no task is healthy: keep the name"
    region.wait_until(lambda: any(task["healthStatus"] == "HEALTHY" for task in region.tasks()))
    region.update_record()
    healthy = [task["taskArn"] for task in region.tasks() if task["healthStatus"] == "HEALTHY"]
    assert region.addresses() == {region.model.engine.tasks[arn].interface.public_ip for arn in healthy}


# Others at work at the same time


def test_another_run_that_wrote_meanwhile_is_not_undone(region: Region) -> None:
    """The outer run read before the new task answered; the inner one writes what is true since."""
    running(region)
    old = region.public_ips()
    event = region.task_event("RUNNING")

    def deploy_and_update() -> None:
        deploy(region, "2")
        region.update_record(region.task_event("RUNNING"))

    region.before("ChangeResourceRecordSets", deploy_and_update)
    region.update_record(event)
    assert region.addresses() == region.public_ips() - old
    assert len(region.changes()) == 2


def test_a_record_that_somebody_changed_meanwhile_is_read_again_and_put_right(region: Region) -> None:
    published(region)
    crash(region)
    region.wait(CALM_SECONDS)
    region.before("ChangeResourceRecordSets", lambda: region.upsert(HOST_NAME, "A", [STRANGER]))
    region.update_record()
    assert region.addresses() == region.public_ips()
    assert region.changes() == ["ChangeResourceRecordSets"] * 2


def test_a_record_that_somebody_else_made_meanwhile_is_refused_and_stays(region: Region, log: Log) -> None:
    running(region)
    region.before("ChangeResourceRecordSets", lambda: region.upsert(HOST_NAME, "A", [STRANGER]))
    region.update_record()
    assert region.addresses() == {STRANGER}
    assert len(log.lines(message="refuse")) == 1


def test_a_name_that_somebody_took_meanwhile_is_refused_and_stays(region: Region, log: Log) -> None:
    """The A record is still the one that was read; only whose it is has changed."""
    published(region)
    old = region.addresses()
    crash(region)
    region.wait(CALM_SECONDS)
    region.before(
        "ChangeResourceRecordSets", lambda: region.upsert(OWNER, "TXT", ['"heritage=external-dns"'])
    )
    region.update_record()
    assert region.addresses() == old
    assert region.records()[OWNER, "TXT"] == {"heritage=external-dns"}
    assert len(log.lines(message="refuse")) == 1


def test_a_task_that_came_while_the_record_was_written_is_added_by_the_same_run(region: Region) -> None:
    running(region)

    def scale_up() -> None:
        region.scale(2)
        region.wait_until(lambda: len(region.tasks()) == 2)

    region.before("ChangeResourceRecordSets", scale_up)
    region.update_record()
    assert region.addresses() == region.public_ips()
    assert len(region.public_ips()) == 2


def test_a_race_lost_again_and_again_is_raised(region: Region, log: Log) -> None:
    published(region)
    crash(region)
    region.wait(CALM_SECONDS)
    others = iter(range(1, 100))

    def change_again() -> None:
        region.upsert(HOST_NAME, "A", [f"203.0.113.{next(others)}"])
        region.before("ChangeResourceRecordSets", change_again)

    change_again()
    begun = region.now
    with pytest.raises(ExceptionGroup) as raised:
        region.update_record()
    assert isinstance(raised.value.exceptions[0], RecordChangedMeanwhileError)
    assert log.messages(ecs_service="app")[-1] == "failed"
    assert len(region.changes()) == update_record.app.LOST_RACES
    waits = range(1, update_record.app.LOST_RACES)  # each longer, so that runs in step get out of it
    assert region.now - begun == pytest.approx(sum(waits) * update_record.app.LOST_RACE_SECONDS)


def test_a_batch_that_route_53_will_never_take_is_not_taken_for_a_lost_race(region: Region, log: Log) -> None:
    """It has the same error for both (API reference, ChangeResourceRecordSets, InvalidChangeBatch)."""
    published(region)
    crash(region)
    region.wait(CALM_SECONDS)
    fail(region, "ChangeResourceRecordSets", "InvalidChangeBatch")
    begun = region.now
    with pytest.raises(ExceptionGroup, match=r"InvalidChangeBatch\) when calling") as raised:
        region.update_record()
    assert isinstance(raised.value.exceptions[0], ClientError)
    assert (len(region.changes()), region.now) == (2, begun), "twice, at once, and not eight times"
    assert log.messages(ecs_service="app")[-1] == "failed"


def test_a_record_that_others_changed_and_changed_back_is_no_error(region: Region) -> None:
    published(region)
    crash(region)
    region.wait(CALM_SECONDS)
    old = region.addresses() or set()
    region.before("ChangeResourceRecordSets", lambda: region.upsert(HOST_NAME, "A", ["203.0.113.9"]))

    def change_back() -> None:
        region.before("ListResourceRecordSets", lambda: region.upsert(HOST_NAME, "A", sorted(old)))

    region.before("ChangeResourceRecordSets", change_back)
    region.update_record()
    assert region.addresses() == region.public_ips()


# A name that the zone does not answer for

DEEP = "shop.apps.example.com"


@pytest.mark.parametrize("at", ["apps.example.com", DEEP])
def test_a_name_that_the_zone_delegates_away_is_refused_and_told_once(
    region: Region, log: Log, at: str
) -> None:
    region.upsert(at, "NS", ["ns.example.net"])
    running(region, host_name=DEEP)
    for _ in range(2):
        region.update_record()
    assert region.changes() == []
    assert f"its NS records of {at} name other servers" in log.reasons(message="refuse")
    assert [subject for subject, _ in region.messages()] == ["pushlive: no record: app"]


@pytest.mark.parametrize("beside", ["www.example.com", "other.apps.example.com", "x.shop.apps.example.com"])
def test_a_delegation_beside_the_name_or_below_it_is_none_of_its_business(
    region: Region, beside: str
) -> None:
    region.upsert(beside, "NS", ["ns.example.net"])
    running(region, host_name=DEEP)
    region.update_record()
    assert region.addresses(DEEP) == region.public_ips()


def test_a_record_of_ours_goes_also_where_its_name_was_delegated_since(region: Region) -> None:
    running(region, host_name=DEEP)
    region.update_record()
    region.upsert("apps.example.com", "NS", ["ns.example.net"])
    region.scale(0)
    region.wait(CALM_SECONDS)
    region.update_record()
    assert region.records() == {}


# Errors


@pytest.mark.parametrize(
    ("host_name", "said"),
    [
        ("app.example.org", "but the hosted zone is example.com"),
        ("app.notexample.com", "but the hosted zone is example.com"),
        ("under_score.example.com", "not a host name"),
        ("*.example.com", "not a host name"),
    ],
)
def test_a_name_that_the_zone_cannot_hold_is_named_while_other_services_are_served(
    region: Region, log: Log, host_name: str, said: str
) -> None:
    region.push("1")
    region.create_service("a", host_name=host_name)
    region.run_service("b", host_name=HOST_NAME)
    with pytest.raises(ExceptionGroup, match="1 services could not be served") as raised:
        region.update_record()
    assert isinstance(raised.value.exceptions[0], ConfigError)
    [line] = log.lines(message="failed")
    assert line["ecs_service"] == "a"
    assert host_name in line["exception"]
    assert said in line["exception"]
    assert region.addresses() == region.public_ips("b")


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("ChangeResourceRecordSets", "Throttling"),
        ("ChangeResourceRecordSets", "PriorRequestNotComplete"),
        ("DescribeTasks", "ThrottlingException"),
        ("DescribeNetworkInterfaces", "RequestLimitExceeded"),
    ],
)
def test_a_throttled_call_is_tried_again_and_then_raised(region: Region, operation: str, code: str) -> None:
    running(region)
    fail(region, operation, code, times=ATTEMPTS + 2)
    with pytest.raises(ExceptionGroup) as raised:
        region.update_record()
    [error] = raised.value.exceptions
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == code
    assert region.wire.attempts[operation] == ATTEMPTS
    region.update_record()  # Lambda's next try: two more refusals, and done
    assert region.addresses() == region.public_ips()


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("DescribeTaskDefinition", "AccessDeniedException"),
        ("ListTasks", "AccessDeniedException"),
        ("DescribeNetworkInterfaces", "UnauthorizedOperation"),
        ("ListResourceRecordSets", "AccessDenied"),
        ("ChangeResourceRecordSets", "AccessDenied"),
    ],
)
def test_a_permission_that_is_missing_is_raised_and_changes_nothing(
    region: Region, operation: str, code: str
) -> None:
    running(region)
    fail(region, operation, code)
    with pytest.raises(ExceptionGroup) as raised:
        region.update_record()
    [error] = raised.value.exceptions
    assert isinstance(error, ClientError)
    assert error.response["Error"]["Code"] == code
    assert region.records() == {}


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchHostedZone"])
def test_a_zone_that_is_not_ours_is_named_with_its_parameter(region: Region, code: str) -> None:
    running(region)
    fail(region, "GetHostedZone", code)
    with pytest.raises(ExceptionGroup, match=f"{region.zone_id} cannot be read .{code}.: give") as raised:
        region.update_record()
    assert isinstance(raised.value.exceptions[0], ConfigError)
    assert region.changes() == []


def test_one_failing_service_does_not_stop_the_rest(region: Region, log: Log) -> None:
    region.push("1")
    for name in ("a", "b", "c"):
        region.create_service(name, host_name=f"{name}.example.com")
    region.wait(CALM_SECONDS)
    fail(region, "ListTasks", "AccessDeniedException", containing="'serviceName': 'b'")
    with pytest.raises(ExceptionGroup):
        region.update_record()
    assert [line["ecs_service"] for line in log.lines(message="failed")] == ["b"]
    for name in ("a", "c"):
        assert region.addresses(f"{name}.example.com") == region.public_ips(name)


# Settings


def test_a_dry_run_decides_and_changes_nothing(
    region: Region, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    running(region)
    begun = region.now
    region.update_record(region.task_event("RUNNING"), DRY_RUN="true")
    assert (region.records(), region.changes(), region.now) == ({}, [], begun)
    [line] = log.lines()
    assert (line["message"], line["dry_run"]) == ("write", True)
    assert metrics(capsys) == []


def handler_env(monkeypatch: pytest.MonkeyPatch, region: Region) -> SimpleNamespace:
    settings = {
        "CLUSTER_ARN": CLUSTER_ARN,
        "REGISTRY": REGISTRY,
        "LEASES_LOG_GROUP": RECORD_LOG_GROUP,
        "TOPIC_ARN": TOPIC_ARN,
        "HOSTED_ZONE_ID": region.zone_id,
    }
    for key, value in {**settings, "PROBE": "false"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("pushlive.aws.client", region.wire.client)
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


def test_the_handler_serves_an_event_with_lambdas_settings(
    monkeypatch: pytest.MonkeyPatch, region: Region
) -> None:
    context = handler_env(monkeypatch, region)
    running(region)
    with region.wire.recorded("UpdateRecord"):
        update_record.app.handler(region.task_event("RUNNING"), context)  # type: ignore[arg-type]
    assert region.addresses() == region.public_ips()


@pytest.mark.parametrize("name", ["CLUSTER_ARN", "HOSTED_ZONE_ID"])
def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch, region: Region, name: str) -> None:
    context = handler_env(monkeypatch, region)
    monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match=name):
        update_record.app.handler(region.schedule(), context)  # type: ignore[arg-type]


# The stack's custom resource


def test_the_record_of_a_new_stack_is_answered_and_nothing_is_written(
    region: Region, cloudformation: CloudFormation
) -> None:
    region.update_record(cloudformation.request("Create", HOST_NAME))
    assert cloudformation.answer == {
        "Status": "SUCCESS",
        "Reason": "done",
        "PhysicalResourceId": cloudformation.made(HOST_NAME),
        "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/hello/1",
        "RequestId": "request-1",
        "LogicalResourceId": "HostNameRecords",
    }
    assert region.changes() == []


def delete_request(cloudformation: CloudFormation) -> Json:
    return cloudformation.delete_of_service("app", HOST_NAME)


def test_a_stack_that_goes_takes_the_tag_then_the_record_and_nobody_puts_it_back(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.update_record(delete_request(cloudformation))
    assert region.changes() == ["UntagResource", "ChangeResourceRecordSets"]
    assert region.records() == {}
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert cloudformation.answer["PhysicalResourceId"] == "app"
    region.update_record(region.task_event("RUNNING"))
    region.update_record()
    assert region.records() == {}


def test_a_run_that_had_read_the_tag_before_it_went_ends_without_a_record(
    region: Region, cloudformation: CloudFormation
) -> None:
    running(region)
    region.before("ChangeResourceRecordSets", lambda: region.update_record(delete_request(cloudformation)))
    region.update_record(region.task_event("RUNNING"))
    assert region.records() == {}


@pytest.mark.parametrize("seconds", [1, CALM_SECONDS, 2 * 3600], ids=["draining", "inactive", "forgotten"])
def test_a_stack_whose_service_is_gone_already_loses_its_record(
    region: Region, cloudformation: CloudFormation, seconds: float
) -> None:
    published(region)
    region.ecs.delete_service(cluster="lab", service="app", force=True)
    region.wait(seconds)
    region.update_record(delete_request(cloudformation))
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]
    assert region.records() == {}


def test_a_stack_without_a_record_goes_as_well(region: Region, cloudformation: CloudFormation) -> None:
    region.update_record(delete_request(cloudformation))
    assert cloudformation.answer["Status"] == "SUCCESS"


def test_a_stack_that_goes_leaves_somebody_elses_record(
    region: Region, cloudformation: CloudFormation
) -> None:
    region.upsert(HOST_NAME, "A", [STRANGER])
    running(region)
    region.update_record(delete_request(cloudformation))
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert region.addresses() == {STRANGER}


def test_another_host_name_removes_the_old_record_only(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.tag(hostname="new.example.com")
    region.update_record()
    old = cloudformation.made(HOST_NAME)
    region.update_record(cloudformation.request("Update", "new.example.com", PhysicalResourceId=old))
    assert cloudformation.answer["PhysicalResourceId"] == cloudformation.made("new.example.com")
    cloudformation.answers.clear()
    region.update_record(cloudformation.delete(HOST_NAME), HOST_NAMES="new.example.com")
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert set(region.records()) == {("new.example.com", "A"), ("_pushlive.new.example.com", "TXT")}
    assert "UntagResource" not in region.changes()


def test_a_failure_is_answered_with_its_reason(
    region: Region, cloudformation: CloudFormation, log: Log
) -> None:
    published(region)
    fail(region, "ChangeResourceRecordSets", "AccessDenied")
    region.update_record(delete_request(cloudformation))
    assert cloudformation.answer["Status"] == "FAILED"
    assert cloudformation.answer["Reason"].startswith("ClientError: An error occurred (AccessDenied)")
    assert log.messages()[-1] == "failed"
    assert region.addresses() == region.public_ips()


def refused(region: Region, cloudformation: CloudFormation, host_name: str = HOST_NAME) -> str:
    """Why the stack cannot be made. CloudFormation then deletes what was not made, which must not fail."""
    zone_id = cloudformation.zone_id
    region.update_record(cloudformation.request("Create", host_name), HOSTED_ZONE_ID=zone_id)
    [answer] = cloudformation.answers
    assert answer["Status"] == "FAILED"
    made = answer["PhysicalResourceId"]
    delete = cloudformation.request("Delete", host_name, PhysicalResourceId=made)
    region.update_record(delete, HOSTED_ZONE_ID=zone_id)
    assert cloudformation.answers[-1]["Status"] == "SUCCESS", cloudformation.answers[-1]["Reason"]
    assert region.changes() == []
    return str(answer["Reason"])


def test_a_name_outside_the_zone_fails_the_stack(region: Region, cloudformation: CloudFormation) -> None:
    assert "but the hosted zone is example.com" in refused(region, cloudformation, "app.example.org")


def test_a_zone_that_does_not_exist_fails_the_stack(region: Region, cloudformation: CloudFormation) -> None:
    cloudformation.zone_id = "Z0GONE"
    told = refused(region, cloudformation)
    assert "The hosted zone Z0GONE cannot be read (NoSuchHostedZone): give the parameter HostedZoneId" in told


def test_a_zone_of_another_account_fails_the_stack(region: Region, cloudformation: CloudFormation) -> None:
    """Route 53 denies it, and does not say that there is none."""
    fail(region, "GetHostedZone", "AccessDenied")
    fail(region, "ListResourceRecordSets", "AccessDenied")
    told = refused(region, cloudformation)
    assert (
        f"{region.zone_id} cannot be read (AccessDenied): give the parameter HostedZoneId of a zone" in told
    )


@pytest.mark.parametrize("at", ["apps.example.com", "shop.apps.example.com"])
def test_a_name_that_the_zone_delegates_away_fails_the_stack(
    region: Region, cloudformation: CloudFormation, at: str
) -> None:
    region.upsert(at, "NS", ["ns.example.net"])
    told = refused(region, cloudformation, "shop.apps.example.com")
    assert f"NS records of {at} name other servers. Give the parameter HostedZoneId of their zone" in told


def test_an_update_that_is_refused_leaves_the_old_record(
    region: Region, cloudformation: CloudFormation
) -> None:
    """CloudFormation deletes what an update has made; here that is nothing."""
    published(region)
    old = cloudformation.made(HOST_NAME)
    region.update_record(cloudformation.request("Update", "app.example.org", PhysicalResourceId=old))
    assert cloudformation.answer["Status"] == "FAILED"
    assert cloudformation.answer["PhysicalResourceId"] == old
    assert region.changes() == []


def test_a_zone_that_was_deleted_does_not_block_the_stacks_removal(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    delete = delete_request(cloudformation)
    region.forget_records()
    region.hands["route53"].delete_hosted_zone(Id=region.zone_id)
    region.update_record(delete)
    assert cloudformation.answer["Status"] == "SUCCESS", cloudformation.answer["Reason"]


def test_a_stack_that_moves_to_another_zone_removes_the_record_from_the_old_one_only(
    region: Region, cloudformation: CloudFormation
) -> None:
    """The function already works for the new zone when CloudFormation deletes what was in the old one."""
    published(region)
    old, delete = region.zone_id, cloudformation.delete(HOST_NAME)
    made = region.hands["route53"].create_hosted_zone(Name="example.com.", CallerReference="another")
    cloudformation.zone_id = region.zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
    region.update_record()
    region.update_record(
        cloudformation.request("Update", HOST_NAME, PhysicalResourceId=delete["PhysicalResourceId"])
    )
    assert cloudformation.answers[0]["PhysicalResourceId"] == cloudformation.made(HOST_NAME)
    region.update_record(delete)
    assert cloudformation.answers[1]["Status"] == "SUCCESS", cloudformation.answers[1]["Reason"]
    assert "UntagResource" not in region.changes()
    assert region.addresses() == region.public_ips()
    region.zone_id = old
    assert region.records() == {}


def test_a_record_is_given_up_though_ecs_still_shows_the_tag(
    region: Region, cloudformation: CloudFormation
) -> None:
    published(region)
    region.before("ListResourceRecordSets", lambda: region.tag(hostname=HOST_NAME))
    region.update_record(delete_request(cloudformation))
    assert region.changes() == ["UntagResource", "ChangeResourceRecordSets"]
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert region.records() == {}


def test_a_dry_run_removes_neither_tag_nor_record(region: Region, cloudformation: CloudFormation) -> None:
    published(region)
    region.update_record(delete_request(cloudformation), DRY_RUN="true")
    assert region.changes() == []
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert region.addresses() == region.public_ips()


# Another host name of the stack's service


def test_a_service_whose_stack_changes_its_name_gets_the_record_with_the_update(
    region: Region, cloudformation: CloudFormation
) -> None:
    """ECS sends no event of a changed tag."""
    published(region)
    region.tag(hostname="new.example.com")
    event = cloudformation.delete_of_service("app", "new.example.com") | {"RequestType": "Update"}
    region.update_record(event)
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert region.addresses("new.example.com") == region.public_ips()


def test_a_record_that_cannot_be_written_then_does_not_fail_the_update(
    region: Region, cloudformation: CloudFormation, log: Log
) -> None:
    published(region)
    region.tag(hostname="new.example.net")
    event = cloudformation.delete_of_service("app", "new.example.net") | {"RequestType": "Update"}
    region.update_record(event)
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert any("example.net" in str(line) and line["level"] == "ERROR" for line in log.lines())


# CloudFront's addresses


def test_the_template_is_told_the_regions_prefix_list_of_cloudfront(
    region: Region, cloudformation: CloudFormation
) -> None:
    lists = region.hands["ec2"].describe_managed_prefix_lists()["PrefixLists"]
    [wanted] = [each for each in lists if each["PrefixListName"].endswith("global.cloudfront.origin-facing")]
    region.update_record(cloudformation.request_for_cloudfronts_addresses("Create"))
    assert cloudformation.answer["Status"] == "SUCCESS"
    assert cloudformation.answer["PhysicalResourceId"] == wanted["PrefixListId"]


def test_the_end_of_that_resource_asks_nothing(region: Region, cloudformation: CloudFormation) -> None:
    event = cloudformation.request_for_cloudfronts_addresses("Delete", PhysicalResourceId="pl-1")
    region.update_record(event)
    assert (cloudformation.answer["Status"], cloudformation.answer["PhysicalResourceId"]) == (
        "SUCCESS",
        "pl-1",
    )
    assert region.calls("DescribeManagedPrefixLists") == []


def test_a_region_without_that_prefix_list_is_named_with_the_way_out(
    region: Region, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pushlive.ec2.CLOUDFRONT_PREFIX_LIST", "com.amazonaws.global.none")
    region.update_record(cloudformation.request_for_cloudfronts_addresses("Create"))
    assert cloudformation.answer["Status"] == "FAILED"
    assert "give the parameter Https false" in cloudformation.answer["Reason"]
