"""Each diagnosis of `why`: the real stack in the lab is brought into that condition, and out of it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from commands.why.finding import Level, short
from commands.why.report import look
from commands.why.zone import name_servers
from lab.ecr.oci import build_index, hello_app_image
from lab.ecr.registry import push_image, push_index
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import HOST_NAME, quiet
from lab.waiting import until
from tests.support.terminal import types, types_python
from tests.support.why_conditions import (
    admitted,
    admitted_without_readiness,
    default_route,
    immutable_tags,
    main_route_table,
    no_log_group,
    no_log_group_of_a_function,
    private_zone,
    rule_disabled,
    rule_gone,
    zone_not_delegated_at_all,
)
from tests.support.why_stack import WhyStack
from trials.load.images import broken_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from commands.why.finding import Finding

    Condition = Callable[[WhyStack], AbstractContextManager[object]]

SPEED = 60.0


@pytest.fixture(scope="module")
def stack() -> Iterator[WhyStack]:
    with Lab(speed=SPEED) as lab:
        sam.build(lab.folder / "build", quiet)
        deployed = WhyStack(lab, lab.folder / "build")
        deployed.deploy()
        yield deployed


@pytest.fixture(scope="module")
def live(stack: WhyStack) -> WhyStack:
    """The stack after its first push."""
    stack.push("1")
    stack.shows(lambda: stack.is_steady(1) and stack.says("1"), "the first version's page")
    return stack


def command(stack: WhyStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a person types."""
    env = {**os.environ, **sam.environment(stack.lab), "PYTHONPATH": "layers/pushlive:."}
    return subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-m", "commands.why", *arguments, "--dns-server", stack.dns_server],
        cwd=sam.ROOT, env=env, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def does(found: Finding) -> str:
    """All that a person can do about it."""
    return f"{found.cure}\n{found.command}"


def test_before_the_first_push_nothing_is_wrong(stack: WhyStack) -> None:
    """The first test of the module: nobody has pushed yet."""
    found = stack.finding("no-image-yet")
    assert found.level is Level.NOTE
    assert found.command == stack.outputs["Step3Push"]
    assert stack.why().count(Level.PROBLEM) == 0


def test_another_tag_that_is_pushed_first_is_named_with_the_command_that_makes_it_the_service_s(
    stack: WhyStack,
) -> None:
    push_image(*stack.repository, "v1", hello_app_image("v1"))
    found = stack.finding("other-tag")
    assert found.level is Level.PROBLEM
    assert "is v1 (" in found.what
    assert found.what.endswith("but the service runs the tag latest, which names no image")
    printed = command(stack, sam.STACK_NAME).stdout.splitlines()
    image = "/".join(stack.repository)
    assert f"docker tag {image}:v1 {image}:latest && docker push {image}:latest" in printed


def test_a_stack_that_is_well(live: WhyStack) -> None:
    until(lambda: not live.why().all_findings, "nothing to find")
    shown = command(live, sam.STACK_NAME)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stdout.startswith("nothing is wrong")
    assert f"http://{HOST_NAME}:{live.port}/" in shown.stdout
    assert " ready · RUNNING HEALTHY since " in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    told = json.loads(command(live, sam.STACK_NAME, "--json").stdout)
    assert told["wrong"] is False
    [service] = told["services"]
    [image], [task], record = service["images"], service["tasks"], service["record"]
    assert task["digests"] == [image["digest"]]
    assert (task["answers"], task["readiness"]) == (True, "HEALTHY")
    assert record["addresses"] == record["answering"] == [task["public_ip"]]
    assert service["deployment"]["status"] == "SUCCESSFUL"
    assert {name: would["action"] for name, would in service["would"].items()} == {
        "RedeployService": "leave",
        "UpdateRecord": "keep",
    }
    assert ("RedeployService", "start", "first push") in {
        (said["function"], said["action"], said["reason"]) for said in service["decisions"]
    }


# the set-up

ROUTE = "create-route --route-table-id rtb-"
ADMIT = "authorize-security-group-ingress --group-id sg-"


@pytest.mark.parametrize(
    ("kind", "condition", "cure"),
    [
        pytest.param("no-route", default_route, ROUTE, id="default-route-deleted"),
        pytest.param("no-route", main_route_table, ROUTE, id="subnet-without-association"),
        pytest.param(
            "route-not-public",
            lambda s: default_route(s, NatGatewayId="nat-0123"),
            "default route is an internet gateway",
            id="route-to-nat",
        ),
        pytest.param("port-closed", admitted, ADMIT, id="ingress-revoked"),
        pytest.param(
            "port-closed-to-probe",
            lambda s: admitted_without_readiness(s, probe=True),
            "ProbePort=false",
            id="some-with-probe",
        ),
        pytest.param(
            "port-narrow",
            lambda s: admitted_without_readiness(s, probe=False),
            "",
            id="some-without-probe",
        ),
        pytest.param(
            "no-log-group", no_log_group, "create-log-group --log-group-name /", id="log-group-deleted"
        ),
        pytest.param(
            "no-log-group", no_log_group_of_a_function, "UpdateRecordLogs", id="log-group-of-function-deleted"
        ),
        pytest.param(
            "immutable-tags",
            immutable_tags,
            "--image-tag-mutability IMMUTABLE_WITH_EXCLUSION",
            id="immutable-tags",
        ),
        pytest.param("rule-missing", rule_gone, "put the rule back", id="rule-deleted"),
        pytest.param("rule-disabled", rule_disabled, "aws events enable-rule --name ", id="rule-disabled"),
        pytest.param(
            "not-delegated",
            lambda s: s.record_set("example.com", "NS", "ns1.registrar.example."),
            "set its NS to ns-1.awsdns-1.com, ",
            id="other-name-servers",
        ),
        pytest.param("not-delegated", zone_not_delegated_at_all, "set its NS to ", id="no-name-servers"),
        pytest.param(
            "partly-delegated",
            lambda s: s.record_set("example.com", "NS", "ns-1.awsdns-1.com.", "ns1.registrar.example."),
            "set its NS to ",
            id="one-name-server-of-two",
        ),
        pytest.param("private-zone", private_zone, "public zone", id="private-zone"),
        pytest.param(
            "no-zone",
            lambda s: s.setting("UpdateRecord", HOSTED_ZONE_ID="ZNOWHERE"),
            "zone that exists",
            id="zone-gone",
        ),
        pytest.param(
            "no-zone",
            lambda s: s.setting("UpdateRecord", HOSTED_ZONE_ID=""),
            "HostedZoneId",
            id="no-zone-given",
        ),
        pytest.param(
            "dry-run", lambda s: s.setting("RedeployService", DRY_RUN="true"), "DryRun=false", id="dry-run"
        ),
        pytest.param("tag-value", lambda s: s.tagged(redeploy="always"), "value=on-push", id="tag-redeploy"),
        pytest.param(
            "tag-value",
            lambda s: s.tagged(**{"desired-count": "many"}),
            "from 1 to 9999",
            id="tag-desired-count",
        ),
        pytest.param(
            "tag-value", lambda s: s.tagged(hostname="app.example.org"), "app.example.com", id="tag-hostname"
        ),
        pytest.param("paused", lambda s: s.tagged(redeploy="paused"), "value=on-push", id="paused"),
    ],
)
def test_condition_is_named_with_its_cure(live: WhyStack, kind: str, condition: Condition, cure: str) -> None:
    with condition(live):
        assert cure in does(live.finding(kind))
    assert live.is_cured(kind)


def test_a_name_server_that_refuses_is_no_wrong_delegation(live: WhyStack) -> None:
    with pytest.raises(OSError, match=r"refuses to answer for example\.net: REFUSED"):
        name_servers("example.net", live.dns_server)


# a service that a person made


@pytest.mark.parametrize(
    ("kind", "service", "cure"),
    [
        pytest.param(
            "no-public-ip",
            {"network": {"assignPublicIp": "DISABLED"}},
            "assignPublicIp=ENABLED",
            id="no-public-ip",
        ),
        pytest.param("no-logs", {"container": {"logConfiguration": None}}, "logDriver awslogs", id="no-logs"),
        pytest.param("no-log-group", {"container": {"logConfiguration": {
            "logDriver": "awslogs", "options": {"awslogs-group": "/gone", "awslogs-stream-prefix": "x"}
        }}}, "create-log-group --log-group-name /gone", id="no-log-group"),
        pytest.param("log-region", {"container": {"logConfiguration": {
            "logDriver": "awslogs",
            "options": {"awslogs-group": "/x", "awslogs-stream-prefix": "x", "awslogs-region": "eu-west-1"},
        }}}, "awslogs-region to us-east-1", id="logs-in-another-region"),
        pytest.param(
            "no-execution-role",
            {"definition": {"executionRoleArn": None}},
            "AmazonECSTaskExecutionRolePolicy",
            id="no-execution-role",
        ),
        pytest.param(
            "no-execution-role",
            {"definition": {"executionRoleArn": "arn:aws:iam::000000000000:role/gone"}},
            "create the role",
            id="execution-role-gone",
        ),
        pytest.param(
            "no-port",
            {"container": {"portMappings": None}, "tags": {"hostname": "own.example.com"}},
            "portMappings",
            id="no-port",
        ),
        pytest.param(
            "port-differs",
            {"container": {"environment": [{"name": "PORT", "value": "3000"}]}},
            "the same",
            id="another-port-told",
        ),
        pytest.param(
            "port-exposed",
            {"container": {"portMappings": [{"containerPort": 3000}]}},
            "ContainerPort",
            id="another-port-exposed",
        ),
        pytest.param(
            "image-elsewhere", {"container": {"image": "nginx:1"}}, "/REPOSITORY:TAG", id="image-of-others"
        ),
        pytest.param("no-circuit-breaker", {"rollback": False}, "rollback=true", id="no-circuit-breaker"),
        pytest.param(
            "no-address",
            {
                "definition": {"networkMode": "bridge", "requiresCompatibilities": ["EC2"]},
                "tags": {"hostname": "own.example.com"},
                "settings": {"launchType": "EC2"},
            },
            "run it on Fargate",
            id="record-for-a-service-on-instances",
        ),
        pytest.param(
            "deadlock",
            {
                "settings": {"deploymentConfiguration": {"maximumPercent": 100}},
                "desired_count": 1,
                "tags": {"redeploy": "paused"},
            },
            "maximumPercent=200,minimumHealthyPercent=100",
            id="percentages-that-let-no-task-be-replaced",
        ),
        pytest.param("name-shared", {"tags": {"hostname": HOST_NAME}}, "of its own", id="name-shared"),
        pytest.param(
            "port-closed-to-probe",
            {"network": {"securityGroups": []}, "tags": {"hostname": HOST_NAME}},
            "ProbePort=false",
            id="default-group",
        ),
    ],
)  # fmt: skip
def test_mistake_of_another_service_is_named(
    live: WhyStack, kind: str, service: dict[str, Any], cure: str
) -> None:
    with live.own_service(**service):
        assert cure in does(live.finding(kind))
    assert live.is_cured(kind)


def test_a_service_of_another_controller_does_not_hide_the_others(live: WhyStack) -> None:
    live.ecs.create_service(
        cluster=live.cluster,
        serviceName="external",
        desiredCount=0,
        deploymentController={"type": "EXTERNAL"},
        tags=[{"key": "pushlive:redeploy", "value": "on-push"}],
    )
    try:
        assert "belong to the controller EXTERNAL" in live.finding("not-deployable").what
        shown = command(live, sam.STACK_NAME)
        assert "service external ─" in shown.stdout
        assert f"http://{HOST_NAME}:{live.port}/" in shown.stdout
    finally:
        live.ecs.delete_service(cluster=live.cluster, service="external", force=True)
    assert live.is_cured("not-deployable")


def test_a_task_definition_that_is_inactive(live: WhyStack) -> None:
    with live.own_service():
        [own_one] = live.ecs.describe_services(cluster=live.cluster, services=["own"])["services"]
        live.ecs.deregister_task_definition(taskDefinition=own_one["taskDefinition"])
        assert live.finding("definition-inactive").command.endswith("--service own --task-definition own")
    assert live.is_cured("definition-inactive")


def test_images_that_cannot_be_pushed_to_are_named(live: WhyStack) -> None:
    registry, repository = live.repository
    with live.own_service({"image": f"{registry}/gone:latest"}):
        assert live.finding("no-repository").command == "aws ecr create-repository --repository-name gone"
    with live.own_service({"image": f"{registry}/{repository}@sha256:{'0' * 64}"}):
        found = live.finding("image-elsewhere")
        assert "by digest, which no push changes" in found.what
        assert found.cure.endswith(f"{registry}/REPOSITORY:TAG")


def test_an_image_for_another_processor(live: WhyStack) -> None:
    images = [hello_app_image("arm", target="linux/arm64")]
    with live.own_service({"image": "/".join(live.repository) + ":arm"}, {"redeploy": "paused"}, x86=True):
        push_image(*live.repository, "arm", images[0])
        found = live.finding("wrong-processor")
        assert "is built for arm64, and the task definition wants X86_64" in found.what
        assert "--platform linux/amd64" in found.command
        push_image(*live.repository, "arm", hello_app_image("amd", target="linux/amd64"))
        assert live.is_cured("wrong-processor")
        push_index(*live.repository, "arm", build_index(images, attestations=True))
        assert "built for arm64, and" in live.finding("wrong-processor").what
        push_index(
            *live.repository, "arm", build_index([*images, hello_app_image("amd", target="linux/amd64")])
        )
        assert live.is_cured("wrong-processor")


# what goes on


def test_a_broken_image_is_told_with_what_runs_instead(live: WhyStack) -> None:
    good = live.push("2")
    live.shows(lambda: live.is_steady(1) and live.says("2"), "the second version")
    bad = push_image(*live.repository, "latest", broken_image("2"))
    until(lambda: live.deployments()[0]["status"] == "ROLLBACK_SUCCESSFUL", "the rollback's end")
    shown = until(lambda: told_as_failed(live), "the image told as failed")
    first = " ".join(shown.split())
    assert f"latest names {short(bad)}, which failed at " in first
    assert f"{short(good)} runs since " in first
    assert "push an image that works; " in first
    command = live.finding("image-failed").command
    assert command in shown
    assert "broken on purpose" in types(command, sam.environment(live.lab))
    assert first.index("which failed at") < first.index("URL"), "what is wrong comes first"
    assert live.why().services[0].state.live.deployments[0].status_reason, "what ECS says"
    live.push("3")
    assert live.is_cured("image-failed")
    until(lambda: live.is_steady(1), "the third version")


def told_as_failed(stack: WhyStack) -> str:
    shown = command(stack, sam.STACK_NAME)
    if "which failed at" not in shown.stdout:
        return ""
    assert shown.returncode == 1, shown.stdout + shown.stderr
    return shown.stdout


def test_a_push_that_waits_says_for_what(live: WhyStack) -> None:
    with live.tagged(redeploy="paused"):
        digest = live.push("waits")
        found = live.finding("paused")
        assert found.level is Level.PROBLEM
        assert f"while {short(digest)}, pushed at " in found.what
    live.shows(lambda: live.is_steady(1) and live.says("waits"), "the version that waited")
    with live.setting("RedeployService", DRY_RUN="true"):
        digest = live.push("dry")
        waits = until(lambda: due(live, "dry-run"), "the push that a dry run leaves")
        assert f"{short(digest)}, pushed at " in waits
    with live.deaf():
        until(lambda: live.is_steady(1), "nothing under way")
        digest = live.push("unheard")
        assert f"{short(digest)}, pushed at " in live.finding("push-due").what
        assert live.found("rule-disabled")
    live.shows(lambda: live.is_steady(1) and live.says("unheard"), "the version that nobody heard of")


def due(stack: WhyStack, kind: str) -> str:
    return next((f.what for f in stack.why().all_findings if f.kind == kind and f.level is Level.PROBLEM), "")


def test_a_service_scaled_to_0(live: WhyStack) -> None:
    name = live.outputs["ServiceName"]
    live.ecs.update_service(cluster=live.cluster, service=name, desiredCount=0)
    assert live.finding("scaled-to-0").command.endswith(f"--service {name} --desired-count 1")
    live.ecs.update_service(cluster=live.cluster, service=name, desiredCount=1)
    assert live.is_cured("scaled-to-0")
    until(lambda: live.is_steady(1) and HOST_NAME in str(live.record_names()), "the task and its record")


def test_a_tag_that_names_nothing_any_more(live: WhyStack) -> None:
    ecr, repository = live.lab.client("ecr"), live.repository[1]
    named = ecr.list_images(repositoryName=repository, filter={"tagStatus": "TAGGED"})["imageIds"]
    tags = [{"imageTag": each["imageTag"]} for each in named]  # or another tag would be the newest push
    ecr.batch_delete_image(repositoryName=repository, imageIds=tags)
    assert live.finding("image-gone").command == live.outputs["Step3Push"]
    live.push("again")
    assert live.is_cured("image-gone")
    live.shows(lambda: live.is_steady(1) and live.says("again"), "the version pushed again")


def test_a_record_of_somebody_else(live: WhyStack) -> None:
    with live.record_set(f"_pushlive.{HOST_NAME}", "TXT", '"pushlive service=arn:another"'):
        found = live.finding("record-refused")
        assert "belongs to another owner" in found.what
        assert "arn:another" in found.what
        assert found.cure == "choose another name, or remove that record"
    assert live.is_cured("record-refused")


def test_a_record_that_is_out_of_date(live: WhyStack) -> None:
    with live.deaf(), live.record_set(HOST_NAME, "A", "127.255.1.1"):
        due_record, unresponsive = live.finding("record-due"), live.finding("unresponsive-address")
        assert "the record holds 127.255.1.1; it should hold 127." in due_record.what
        assert unresponsive.what == f"127.255.1.1 of the record {HOST_NAME} is of no task that is ready"
    assert live.is_cured("record-due")


def test_a_task_that_listens_elsewhere(live: WhyStack) -> None:
    listens = {
        "environment": [{"name": "PORT", "value": "9999"}],
        "portMappings": [{"containerPort": 18234}],  # nobody else on this machine listens there
    }
    # Nobody waits for an answer meanwhile: UpdateRecord would, for most of a minute.
    with live.deaf(), live.own_service(listens, {"hostname": "own.example.com"}, desired_count=1):
        until(lambda: own(live)["runningCount"] == 1, "the task")
        found = live.finding("no-answer")
        assert "there is no record own.example.com, because no task answers on port 18234" in found.what
        assert live.found("port-differs")


def own(stack: WhyStack) -> Any:
    return stack.ecs.describe_services(cluster=stack.cluster, services=["own"])["services"][0]


def test_tasks_that_fail_for_ever(live: WhyStack) -> None:
    image = "/".join(live.repository) + ":broken"
    push_image(*live.repository, "broken", broken_image("for ever"))
    with live.own_service({"image": image}, desired_count=1, rollback=False):
        assert "failed, and it goes on trying" in live.finding("tasks-fail").what
        stopped = (
            "its last task stopped: Essential container in task exited (app: exit code 1, the program failed)"
        )
        until(lambda: (found := live.found("tasks-fail")) and stopped in found.cure, "why a task stopped")
        shown = live.why().services
        assert {each.state.service.service_name for each in shown} == {"own", live.outputs["ServiceName"]}


def test_events_that_could_not_be_handled(live: WhyStack) -> None:
    with live.tagged(**{"desired-count": "many"}):
        live.push("dead")
        found = live.finding("dead-letters")
        assert found.command == live.outputs["Step6Replay"]
        assert "desired-count" in live.finding("tag-value").what

    def sent_again() -> bool:
        """Whether nothing is left; a run that read the wrong tag may end after the queue was emptied."""
        shown = types_python(f"{live.outputs['Step6Replay']} --replay", sam.environment(live.lab))
        assert shown.returncode == 0, shown.stdout + shown.stderr
        return live.found("dead-letters") is None

    until(sent_again, "the end of dead-letters")
    live.shows(lambda: live.is_steady(1) and live.says("dead"), "the version")


def test_a_function_that_fails(live: WhyStack) -> None:
    def after_a_run() -> str:
        live.trigger("UpdateRecord")
        found = live.found("function-failed")
        return found.what if found else "it did not"

    with live.deaf():  # it is triggered by us only, so that no run is tried again later
        with live.setting("UpdateRecord", HOSTED_ZONE_ID="ZNOWHERE"):
            # MiniStack may still be replacing the function's process.
            until(lambda: "NoSuchHostedZone" in after_a_run(), "the failure")
            assert after_a_run().startswith("UpdateRecord failed on it at its last run: ")
        until(lambda: after_a_run() == "it did not", "the end of the failure")


def test_a_stack_whose_creation_failed(live: WhyStack) -> None:
    """Before test_it_only_reads, which knows all that is called."""
    nowhere = {"Type": "AWS::ECS::Service", "Properties": {"Cluster": "nowhere", "TaskDefinition": "app:1"}}
    stacks = live.lab.client("cloudformation")
    stacks.create_stack(StackName="broken", TemplateBody=json.dumps({"Resources": {"Service": nowhere}}))
    until(
        lambda: stacks.describe_stacks(StackName="broken")["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE",
        "the end of the stack",
    )
    found = look(live.account, "broken", live.dns_server).all_findings
    shown = command(live, "broken")
    stacks.delete_stack(StackName="broken")
    assert [each.kind for each in found] == ["stack-status"]
    assert "failed (ROLLBACK_COMPLETE); its first failure: Service: " in found[0].what
    assert (shown.returncode, "sam delete --stack-name broken" in shown.stdout.splitlines()) == (1, True)


def test_it_only_reads(live: WhyStack) -> None:
    """In all the conditions of this module, if it is run as a whole."""
    live.why()
    read = ("Describe", "List", "Get", "BatchGet", "Filter")
    assert not [name for name in live.called if not name.partition(":")[2].startswith(read)]
    # MiniStack issues certificates at once. tests/lab/test_https.py has a port that is open to a prefix list.
    others = {"acm:DescribeCertificate", "ec2:DescribeManagedPrefixLists"}
    assert live.called | others == documented(), "docs/why.md names the actions that who asks must be allowed"


def documented() -> set[str]:
    listed = (sam.ROOT / "docs" / "why.md").read_text().partition("needs these actions")[2]
    lines = [line.partition(": ") for line in listed.split("```")[1].split("\n") if line]
    return {f"{service}:{action}" for service, _, actions in lines for action in actions.split()}


def test_a_stack_that_does_not_exist(live: WhyStack) -> None:
    shown = command(live, "nowhere")
    assert (shown.returncode, shown.stdout) == (2, "")
    assert shown.stderr.startswith("why: There is no stack 'nowhere' in region us-east-1: name another")
    assert shown.stderr.count("\n") == 1
