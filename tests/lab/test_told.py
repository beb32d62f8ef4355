"""Each message, alarm and widget of the stack: its condition is made to happen, and somebody is told."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from lab.ecr.oci import build_image
from lab.ecr.registry import push_image
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import HOST_NAME, DeployedStack, quiet
from lab.user.mail_box import Inbox, Mail
from lab.user.resolver import Resolver
from lab.waiting import until
from pushlive.stopped_tasks import LOOPBACK_REASON, ON_LOOPBACK_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 60.0
STRANGER = "203.0.113.9"
BROKEN = {"app/app.py": b"raise SystemExit('broken on purpose')"}
LISTENS_ON_LOOPBACK = ("python3", "-m", "http.server", "--bind", "127.0.0.1")
NEVER_LISTENS = {"app/app.py": b"import time; time.sleep(100_000)"}


class ToldStack(DeployedStack):
    """A stack whose topic somebody reads."""

    def __init__(self, lab: Lab, build_folder: Any) -> None:
        super().__init__(lab, build_folder)
        self.deploy()
        self.inbox = Inbox(lab, self.outputs["NotificationsTopic"])

    def change_record(self, action: str) -> None:
        """The A record of somebody else."""
        record_set = {
            "Name": HOST_NAME,
            "Type": "A",
            "TTL": 10,
            "ResourceRecords": [{"Value": STRANGER}],
        }
        self.lab.client("route53").change_resource_record_sets(
            HostedZoneId=self.zone_id,
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record_set}]},
        )

    def push_files(self, files: dict[str, bytes], *command: str) -> str:
        image = build_image(files, command=[*(command or ("python3", "/app/app.py"))], port=self.port)
        return push_image(*self.repository, "latest", image)

    def addresses(self) -> list[str]:
        """What the name stands for."""
        return Resolver(self.lab.dns).resolve(HOST_NAME)

    def exit_codes(self, container: str) -> set[int]:
        """Of this container of the tasks that have stopped, or are stopping."""
        cluster = self.outputs["ClusterName"]
        arns = self.ecs.list_tasks(cluster=cluster, desiredStatus="STOPPED")["taskArns"]
        tasks = self.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"] if arns else []
        ended = [each for task in tasks for each in task["containers"] if "exitCode" in each]
        return {each["exitCode"] for each in ended if each["name"] == container}

    def mail_of(self, words: str, text: str = "") -> Mail:
        """The newest message with these words in its subject, and in its text; as soon as it is there."""

        def found() -> Mail | None:
            return next(
                (each for each in reversed(self.inbox.mails) if words in each.subject and text in each.text),
                None,
            )

        return until(found, f"a message {words!r} with {text!r}; there are {self.inbox.mails}", seconds=90)

    def set_variable(self, function: str, **variables: str) -> dict[str, str]:
        """Change a function's environment; return what it was."""
        client = self.lab.client("lambda")
        [name] = [
            each["FunctionName"]
            for each in client.list_functions()["Functions"]
            if function in each["FunctionName"]
        ]
        before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": {**before, **variables}}
        )
        return {key: before[key] for key in variables}


@pytest.fixture(scope="module")
def stack() -> Iterator[ToldStack]:
    with Lab(speed=SPEED) as lab:
        sam.build(lab.folder / "build", quiet)
        yield ToldStack(lab, lab.folder / "build")


def test_a_first_push_that_never_answers_raises_an_alarm_and_is_told_as_failed(stack: ToldStack) -> None:
    digest = stack.push_files(NEVER_LISTENS)
    alarm = stack.mail_of("NoAnswerAlarm")
    assert "none that answers on its port" in " ".join(alarm.text.split())
    stack.mail_of("FAILED, there was nothing to go back to", digest)


def test_a_record_that_is_not_ours_is_told_with_its_owner(stack: ToldStack) -> None:
    stack.change_record("CREATE")
    stack.push("1")
    mail = stack.mail_of(f"no record: {stack.outputs['ServiceName']}")
    assert f"{HOST_NAME} has an A record, but no TXT record _pushlive.{HOST_NAME}" in mail.text
    stack.change_record("DELETE")
    until(lambda: stack.says("1"), "the page, once the name is free")


def test_a_push_that_is_live_is_told_with_tag_digest_duration_and_address(stack: ToldStack) -> None:
    digest = stack.push("2")
    mail = stack.mail_of("pushlive: live: ", digest)
    registry, repository = stack.repository
    assert "seconds after the push" in mail.text
    assert f"{registry}/{repository}:latest" in mail.text
    assert f"http://{HOST_NAME}:{stack.port}/" in mail.text


def test_a_broken_image_is_told_as_failed_and_never_as_live(stack: ToldStack) -> None:
    good = stack.push("good")
    stack.mail_of("pushlive: live: ", good)
    digest = stack.push_files(BROKEN)
    mail = stack.mail_of("FAILED, what ran before runs again", digest)
    assert "app: exit code 1" in mail.text, "what ECS says of its task"
    assert "aws logs tail" in mail.text
    assert good in mail.text.partition("Runs now")[2]
    until(lambda: stack.is_steady(1), "the rollback's end")
    assert [
        each for each in stack.inbox.mails if "pushlive: live: " in each.subject and digest in each.text
    ] == []


def test_an_app_on_loopback_only_never_gets_the_name_and_is_told_so(stack: ToldStack) -> None:
    stack.mail_of("pushlive: live: ", stack.push("reachable"))
    record = stack.addresses()
    stack.push_files({"app/page": b""}, *LISTENS_ON_LOOPBACK, str(stack.port))
    until(lambda: ON_LOOPBACK_ONLY in stack.exit_codes("drain-sidecar"), "the first task's end")
    assert stack.deployments()[0]["status"] == "IN_PROGRESS", "two more tasks are tried"
    assert stack.says("reachable")
    assert stack.addresses() == record
    mail = stack.mail_of("FAILED, what ran before runs again", LOOPBACK_REASON)
    assert f"Its task:   {LOOPBACK_REASON}" in mail.text
    [line] = [
        line for line in stack.log_of("RedeployService") if line.get("stopped_reason") == LOOPBACK_REASON
    ]
    assert line["message"] == "failed"
    until(lambda: stack.is_steady(1) and stack.says("reachable"), "the rollback's end")


def test_a_deployment_that_is_late_raises_an_alarm(stack: ToldStack) -> None:
    before = stack.set_variable("RedeployService", OVERDUE_MINUTES="0")
    stack.push_files({**NEVER_LISTENS, "app/why": b"overdue"})
    mail = stack.mail_of("DeploymentLateAlarm")
    assert "A deployment is still under way after 15 minutes" in mail.text
    stack.set_variable("RedeployService", **before)
    until(lambda: stack.is_steady(1), "the rollback's end", seconds=120)


def test_an_event_that_fails_three_times_raises_two_alarms(stack: ToldStack) -> None:
    arn = stack.service()["serviceArn"]
    stack.ecs.tag_resource(resourceArn=arn, tags=[{"key": "pushlive:desired-count", "value": "many"}])
    stack.push("4")
    failed = stack.mail_of("RedeployServiceAlarm")
    kept = stack.mail_of("DeadLettersAlarm")
    assert "its log says why" in failed.text
    assert "Step6Replay is the command that shows it" in " ".join(kept.text.split())
    stack.ecs.tag_resource(resourceArn=arn, tags=[{"key": "pushlive:desired-count", "value": "1"}])


def test_a_record_that_cannot_be_written_raises_an_alarm(stack: ToldStack) -> None:
    arn = stack.service()["serviceArn"]
    stack.ecs.tag_resource(resourceArn=arn, tags=[{"key": "pushlive:hostname", "value": "app.example.org"}])
    mail = stack.mail_of("UpdateRecordAlarm")
    assert "the record may be out of date" in mail.text
    stack.ecs.tag_resource(resourceArn=arn, tags=[{"key": "pushlive:hostname", "value": HOST_NAME}])


def test_the_saved_query_asks_for_what_the_functions_write(stack: ToldStack) -> None:
    [query] = stack.lab.saved_queries
    asked_for(stack, query["LogGroupNames"], query["QueryString"])


def test_the_dashboard_shows_what_was_measured(stack: ToldStack) -> None:
    cloudwatch, widgets = stack.lab.client("cloudwatch"), widgets_of(stack)
    rows = [row for widget in widgets for row in widget["properties"].get("metrics", [])]
    shown = {tuple(each for each in row if isinstance(each, str)) for row in rows}
    service = {"cluster": stack.outputs["ClusterName"], "service": stack.outputs["ServiceName"]}
    stack.ecs.update_service(**service, desiredCount=0)  # which deletes the record

    def missing() -> set[str]:
        measured = {
            (metric["Namespace"], metric["MetricName"], *(part for pair in dimensions for part in pair))
            for metric in cloudwatch.list_metrics()["Metrics"]
            if (dimensions := [(each["Name"], each["Value"]) for each in metric["Dimensions"]])
        }
        return {row[1] for row in shown - measured}

    until(lambda: not missing(), f"all that is shown to be measured, not {missing()}")
    alarms = {alarm["AlarmArn"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert {arn for widget in widgets for arn in widget["properties"].get("alarms", [])} == alarms


def test_the_dashboards_queries_ask_for_what_the_functions_write(stack: ToldStack) -> None:
    queries = [widget["properties"]["query"] for widget in widgets_of(stack) if widget["type"] == "log"]
    assert len(queries) == 2
    for query in queries:
        *sources, rest = query.split(" | ", query.count("SOURCE"))
        asked_for(stack, [source.split("'")[1] for source in sources], rest)


def widgets_of(stack: ToldStack) -> list[Any]:
    cloudwatch = stack.lab.client("cloudwatch")
    [name] = [entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]]
    return list(json.loads(cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])["widgets"])


def asked_for(stack: ToldStack, groups: list[str], query: str) -> None:
    """Check that Logs Insights takes the query, and that some line has each field that it names."""
    logs = stack.lab.client("logs")
    now = int(time.time())
    begun = logs.start_query(
        logGroupNames=groups, startTime=now - 86_400, endTime=now + 60, queryString=query
    )
    until(lambda: logs.get_query_results(queryId=begun["queryId"])["status"] == "Complete", "the query's end")
    lines = stack.log_of("RedeployService") + stack.log_of("UpdateRecord")
    fields = set(re.findall(r"(?:ispresent\(|latest\(|by )(\w+)", query))
    for listed in re.findall(r"fields ([^|]+)", query):
        fields |= {name.strip() for name in listed.split(",") if "@" not in name}
    assert fields <= {key for line in lines for key in line}
