"""The real template in the lab: sam deploy, pushes over the registry protocol, tasks as processes, DNS."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from lab.ecr.oci import build_image, build_index, hello_app_image
from lab.ecr.registry import push_image, push_index
from lab.lab import Lab
from lab.user import sam
from lab.user.deployed_stack import HOST_NAME, DeployedStack, quiet
from lab.user.resolver import Resolver
from lab.waiting import until
from tests.support.function_processes import function_folders
from tests.support.terminal import types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEED = 40.0


@pytest.fixture(scope="module")
def stack(built: Path) -> Iterator[DeployedStack]:
    with Lab(speed=SPEED) as lab:
        deployed = DeployedStack(lab, built)
        deployed.deploy()
        yield deployed


@pytest.fixture(scope="module")
def live(stack: DeployedStack) -> DeployedStack:
    """The stack after its first push."""
    assert stack.service()["desiredCount"] == 0, "a new service must wait for the first push"
    stack.push("1")
    until(lambda: stack.says("1"), "the first version's page")
    until(lambda: stack.is_steady(1), "the first deployment's end")
    return stack


def test_first_deploy_of_an_empty_repository_succeeds_and_costs_nothing(stack: DeployedStack) -> None:
    assert stack.service()["desiredCount"] == 0
    assert stack.lab.ecs.interfaces() == {}
    assert stack.record_names() == set()
    reasons = [
        line["reason"] for line in stack.log_of("RedeployService") if line["message"] == "scale to zero"
    ]
    assert [reason.partition(" of ")[0] for reason in reasons] == ["waits for the first push"]


@pytest.mark.usefixtures("stack")
def test_functions_share_what_the_lab_unpacked() -> None:
    layers = [worker / "layer_0" / "python" for worker in function_folders()]
    assert layers
    assert len({layer.readlink() for layer in layers}) == 1


def test_the_outputs_are_the_next_commands(live: DeployedStack) -> None:
    registry, repository = live.repository
    uri = f"{registry}/{repository}:latest"
    assert live.outputs["Step1Login"].endswith(f"docker login --username AWS --password-stdin {registry}")
    assert live.outputs["Step2Build"] == f"docker build --platform linux/amd64 -t {uri} hello_app"
    assert live.outputs["Step3Push"] == f"docker push {uri}"
    assert live.outputs["Step4Url"] == f"http://{HOST_NAME}:{live.port}/"


def test_a_push_is_the_deploy(live: DeployedStack) -> None:
    live.push("2")
    until(lambda: live.says("2"), "the second version's page")
    until(lambda: live.is_steady(1), "its deployment's end")
    assert live.record_names() == {(HOST_NAME, "A"), (f"_pushlive.{HOST_NAME}", "TXT")}


def test_another_tag_and_an_untagged_manifest_deploy_nothing(live: DeployedStack) -> None:
    before = len(live.deployments())
    live.push("other", tag="other")
    live.push("child", tag=None)
    until(
        lambda: any("uses another image" in line["reason"] for line in live.log_of("RedeployService")),
        "the push of the other tag to be looked at",
    )
    assert len(live.deployments()) == before


def test_a_multi_arch_push_is_one_deployment(live: DeployedStack) -> None:
    before = len(live.deployments())
    images = [hello_app_image("multi", target=target) for target in ("linux/amd64", "linux/arm64")]
    push_index(*live.repository, "latest", build_index(images, attestations=True))
    until(lambda: live.says("multi"), "the page of the image's own platform")
    until(lambda: live.is_steady(1), "its deployment's end")
    for rule in live.lab.delivery.schedules():
        live.lab.delivery.run_schedule(rule)
    until(lambda: _looked_at_by_the_schedule(live), "the schedule's decision")
    assert len(live.deployments()) == before + 1


def _looked_at_by_the_schedule(stack: DeployedStack) -> bool:
    schedules = {p.event["id"] for p in stack.lab.delivery.history if p.event["source"] == "aws.events"}
    newest = max(stack.deployments(), key=lambda d: d["createdAt"])["createdAt"]
    return any(
        line["event_id"] in schedules and line["timestamp"][:19] > f"{newest:%Y-%m-%d %H:%M:%S}"
        for line in stack.log_of("RedeployService")
    )


def test_no_stack_update_sets_the_live_desired_count_back(live: DeployedStack) -> None:
    cluster, name = live.outputs["ClusterName"], live.outputs["ServiceName"]
    live.ecs.update_service(cluster=cluster, service=name, desiredCount=3)
    until(lambda: live.is_steady(3), "three tasks")
    until(lambda: len(Resolver(live.lab.dns).resolve(HOST_NAME)) == 3, "three addresses")

    live.deploy(DesiredCount="2")  # a parameter that only a tag uses
    assert live.is_steady(3)

    built = (live.build_folder / "template.yaml").read_text()
    edited = live.build_folder / "edited.yaml"  # beside the artefacts that it names
    assert "MaximumPercent: 200" in built
    edited.write_text(built.replace("MaximumPercent: 200", "MaximumPercent: 150"))
    live.deploy(template=edited)
    assert live.service()["deploymentConfiguration"]["maximumPercent"] == 150
    assert live.is_steady(3)

    live.deploy(template=edited, Memory="1024")  # another task definition: a deployment
    until(lambda: live.is_steady(3), "three tasks of the new task definition")
    live.ecs.update_service(cluster=cluster, service=name, desiredCount=1)
    until(lambda: live.is_steady(1), "one task again")
    until(lambda: len(Resolver(live.lab.dns).resolve(HOST_NAME)) == 1, "one address again")


def capacity(stack: DeployedStack) -> set[tuple[str, str]]:
    """Launch type and capacity provider of the tasks."""
    cluster = stack.outputs["ClusterName"]
    arns = stack.ecs.list_tasks(cluster=cluster)["taskArns"]
    tasks = stack.ecs.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    return {(task["launchType"], task["capacityProviderName"]) for task in tasks}


def test_spot_is_switched_on_the_live_service_and_a_push_keeps_it(live: DeployedStack) -> None:
    cluster, name = live.outputs["ClusterName"], live.outputs["ServiceName"]
    arn = live.service()["serviceArn"]
    live.ecs.update_service(cluster=cluster, service=name, desiredCount=2)
    until(lambda: live.is_steady(2), "two tasks")
    assert capacity(live) == {("FARGATE", "FARGATE")}
    for spot, provider in (("true", "FARGATE_SPOT"), ("false", "FARGATE")):
        live.deploy(Spot=spot)
        until(lambda: live.is_steady(2), "the end of the deployment")
        assert capacity(live) == {("FARGATE", provider)}
        assert live.service()["serviceArn"] == arn, "the same service"
        live.push(f"spot {spot}")
        until(partial(live.says, f"spot {spot}"), "the pushed version's page")
        until(lambda: live.is_steady(2), "the end of its deployment")
        assert capacity(live) == {("FARGATE", provider)}
    live.ecs.update_service(cluster=cluster, service=name, desiredCount=1)
    until(lambda: live.is_steady(1), "one task again")


def test_another_host_name_leaves_no_old_record_behind(live: DeployedStack) -> None:
    live.deploy(HostName="other.example.com")
    until(lambda: "Hello" in live.page("other.example.com"), "the page under the new name")
    assert live.record_names() == {("other.example.com", "A"), ("_pushlive.other.example.com", "TXT")}
    live.deploy(HostName=HOST_NAME)
    until(lambda: "Hello" in live.page(), "the page under the old name")


def test_another_zone_leaves_no_old_record_behind(live: DeployedStack) -> None:
    old = live.zone_id
    made = live.lab.client("route53").create_hosted_zone(Name="example.com", CallerReference="another")
    live.zone_id = made["HostedZone"]["Id"].rpartition("/")[2]
    live.deploy(HostedZoneId=live.zone_id)
    until(lambda: (HOST_NAME, "A") in live.record_names(), "the record in the new zone")
    new, live.zone_id = live.zone_id, old
    assert live.record_names() == set()
    live.deploy(HostedZoneId=old)
    until(lambda: (HOST_NAME, "A") in live.record_names(), "the record in the old zone again")
    live.lab.client("route53").delete_hosted_zone(Id=new)


def test_a_name_that_the_zone_does_not_own_fails_the_update_and_says_so(live: DeployedStack) -> None:
    with pytest.raises(sam.SamError, match="UPDATE_ROLLBACK_COMPLETE"):
        live.deploy(HostName="app.example.org")
    events = live.lab.client("cloudformation").describe_stack_events(StackName=sam.STACK_NAME)["StackEvents"]
    [reason] = {
        event["ResourceStatusReason"]
        for event in events
        if (event["LogicalResourceId"], event.get("ResourceStatus")) == ("Pushlive", "UPDATE_FAILED")
    }
    assert "'app.example.org', but the hosted zone is example.com" in reason
    live.parameters["HostName"] = HOST_NAME
    until(lambda: "Hello" in live.page(), "the page, as before")


def test_a_failed_run_is_retried_and_then_lies_in_the_dead_letter_queue(live: DeployedStack) -> None:
    functions = live.lab.client("lambda").list_functions()["Functions"]
    [function] = [f["FunctionName"] for f in functions if "RedeployService" in f["FunctionName"]]
    event = {"id": "damaged", "detail-type": "ECR Image Action", "source": "aws.ecr"}
    live.lab.client("lambda").invoke(
        FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode()
    )
    sqs = live.lab.client("sqs")
    [queue] = [url for url in sqs.list_queues()["QueueUrls"] if "DeadLetters" in url]

    def letter_of_the_event() -> Any:
        """What failed earlier may lie there too."""
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        letters = [json.loads(message["Body"]) for message in found]
        return next((each for each in letters if each["requestPayload"] == event), None)

    letter = until(letter_of_the_event, "the event in the dead-letter queue")
    assert letter["requestContext"]["approximateInvokeCount"] == 3
    assert "region is missing" in json.dumps(letter["responsePayload"])


def test_a_push_whose_event_is_lost_is_found_by_the_schedule(live: DeployedStack) -> None:
    before = len(live.deployments())
    live.lab.delivery.lose(lambda event: event["source"] == "aws.ecr")
    live.push("lost")
    until(lambda: live.says("lost"), "the page of the version whose event was lost")
    until(lambda: live.is_steady(1), "its deployment's end")
    assert len(live.deployments()) == before + 1


def test_an_event_that_cannot_be_delivered_lies_in_the_rule_s_dead_letter_queue(live: DeployedStack) -> None:
    events, sqs = live.lab.client("events"), live.lab.client("sqs")
    url = sqs.create_queue(QueueName="undelivered")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    target = {
        "Id": "gone",
        "Arn": "arn:aws:lambda:us-east-1:000000000000:function:gone",
        "RetryPolicy": {"MaximumRetryAttempts": 1},
        "DeadLetterConfig": {"Arn": queue_arn},
    }
    events.put_rule(Name="to-nowhere", EventPattern=json.dumps({"source": ["aws.ecr"]}))
    events.put_targets(Rule="to-nowhere", Targets=[target])
    live.push("child of nobody", tag=None)
    [message] = until(
        lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"),
        "the event in the queue",
    )
    assert json.loads(message["Body"])["detail"]["image-tag"] == ""
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ResourceNotFoundException"
    events.remove_targets(Rule="to-nowhere", Ids=["gone"])
    events.delete_rule(Name="to-nowhere")


def test_awslogs_brings_the_containers_lines(live: DeployedStack) -> None:
    logs = live.lab.client("logs")

    def lines() -> list[str]:
        groups = [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]]
        [group] = [name for name in groups if name.endswith("TaskLogs")]
        return [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]

    until(lambda: any("serving" in line for line in lines()), "the log line of a starting app")


STUBBORN = b"""
import http.server, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
address = os.environ.get("HOST", ""), int(os.environ["PORT"])
http.server.HTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_sam_delete_leaves_nothing_also_of_a_task_that_takes_its_time_to_stop(live: DeployedStack) -> None:
    """ECS calls its service INACTIVE long before; nobody then tries again to delete cluster and gateway."""
    image = build_image({"app.py": STUBBORN}, command=["python3", "/app.py"])
    digest = push_image(*live.repository, "latest", image)
    until(lambda: live.runs_image(digest) and live.is_steady(1), "the image that ignores SIGTERM")
    sam.delete(live.lab, quiet)
    lab = live.lab
    assert live.record_names() == set()
    assert lab.client("ecr").describe_repositories()["repositories"] == []
    assert lab.client("ecs").list_clusters()["clusterArns"] == []
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("events").list_rules()["Rules"] == []
    assert lab.ecs.interfaces() == {}
    until(lambda: not live.record_names(), "nobody to put the record back", seconds=1)


def test_without_a_host_name_a_push_deploys_all_the_same(live: DeployedStack) -> None:
    kept = ("ContainerPort", "DrainSeconds", "MinReadySeconds")
    live.parameters = {name: live.parameters[name] for name in kept}
    live.deploy()
    assert "Step4Url" not in live.outputs
    live.push("1")
    until(lambda: live.is_steady(1), "the first push to run")
    [interface] = live.lab.ecs.interfaces().values()
    shown = types(live.outputs["Step4FindAddress"], sam.environment(live.lab))
    assert shown.split() == [f"http://{interface.public_ip}:{live.port}/"]
    functions = live.lab.client("lambda").list_functions()["Functions"]
    assert ["RedeployService" in function["FunctionName"] for function in functions] == [True]


def test_the_schedules_go_on_after_a_stack_was_deleted_and_made_anew(live: DeployedStack) -> None:
    before = len(live.deployments())
    live.lab.delivery.lose(lambda event: event["source"] == "aws.ecr")
    live.push("2")
    until(lambda: len(live.deployments()) == before + 1, "the schedule to find the push")
    until(lambda: live.is_steady(1), "the end of its deployment")


def test_sam_delete_leaves_nothing_of_a_stack_without_a_host_name(live: DeployedStack) -> None:
    sam.delete(live.lab, quiet)
    assert live.ecs.list_clusters()["clusterArns"] == []
    assert live.lab.ecs.interfaces() == {}


def test_the_lab_listens_on_loopback_only(stack: DeployedStack) -> None:
    assert stack.lab.endpoint.startswith("http://127.0.0.1:")
    assert stack.lab.dns[0] == "127.0.0.1"
