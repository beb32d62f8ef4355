"""The real SAM CLI: updates of a stack whose tasks are containers, `sam logs`, `sam delete`. Runs last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.user import sam
from lab.user.deployed_stack import quiet
from lab.waiting import until

if TYPE_CHECKING:
    from tests.e2e.conftest import Typed

HEALTH_CHECK = """        HealthCheck:
          Command: [CMD-SHELL, 'python3 -c "import urllib.request as r; r.urlopen(''http://127.0.0.1:8080/'')"']
          Interval: 20
          Timeout: 60
"""


def test_sam_validates_the_template(live: Typed) -> None:
    assert "is a valid SAM Template" in live.types("sam validate --lint")


def test_deploying_what_is_there_changes_nothing(live: Typed) -> None:
    before, task = len(live.deployments()), running_task(live)
    words: list[str] = []
    live.deploy(progress=words.append)
    assert any("No changes to deploy" in line for line in words), words
    assert (len(live.deployments()), running_task(live)["taskArn"]) == (before, task["taskArn"])


def test_a_changed_parameter_moves_to_new_containers(live: Typed) -> None:
    old = running_task(live)
    live.deploy(DrainSeconds="3")
    until(lambda: live.is_steady(1), "the deployment's end")
    new = running_task(live)
    assert new["taskArn"] != old["taskArn"]
    environment = live.docker.run(
        "inspect", "--format", "{{json .Config.Env}}", new["containers"][0]["runtimeId"]
    )
    assert "DRAIN_SECONDS=3" in json.loads(environment)


def test_a_health_check_of_an_edited_template_runs_in_the_container(live: Typed) -> None:
    built = (live.build_folder / "template.yaml").read_text()
    stop_timeout = "StopTimeout:\n          Ref: StopTimeoutSeconds\n"
    assert built.count(stop_timeout) == 1
    edited = live.build_folder / "edited.yaml"  # beside the artefacts that it names
    edited.write_text(built.replace(f"        {stop_timeout}", f"        {stop_timeout}{HEALTH_CHECK}"))
    live.deploy(template=edited, DrainSidecar="false")  # its check would be the only one that counts
    until(lambda: live.is_steady(1), "the deployment's end")
    assert running_task(live)["healthStatus"] == "HEALTHY"
    live.deploys("healthy")
    assert running_task(live)["healthStatus"] == "HEALTHY"


def test_a_container_that_does_not_pass_its_health_check_is_rolled_back(live: Typed) -> None:
    arguments = "--build-arg PROGRAM=never_listens"
    live.types(f"docker build {arguments} -t {live.uri} tests/e2e/images && {live.outputs['Step3Push']}")
    until(
        lambda: max(live.deployments(), key=lambda d: d["createdAt"])["status"] == "ROLLBACK_SUCCESSFUL",
        "the rollback",
        seconds=120,
    )
    assert "version healthy," in live.page()
    reasons = {str(container["stoppedReason"]) for container in live.stopped()}
    assert any("failed container health checks" in reason for reason in reasons), reasons


def test_sam_logs_shows_the_decisions(live: Typed) -> None:
    words = live.types(
        f"sam logs --stack-name {sam.STACK_NAME} --region us-east-1 --name Pushlive/RedeployService"
        " --start-time '1hour ago'"
    )
    assert '"message": "start"' in words, words[-2000:]


def test_sam_delete_leaves_nothing(live: Typed) -> None:
    sam.delete(live.lab, quiet)
    assert live.record_names() == set()
    assert "pushlive-lab" not in str(live.ecs.list_clusters()["clusterArns"])
    assert live.lab.client("lambda").list_functions()["Functions"] == []


def running_task(live: Typed) -> dict[str, Any]:
    cluster, service = live.outputs["ClusterName"], live.outputs["ServiceName"]
    [arn] = live.ecs.list_tasks(cluster=cluster, serviceName=service)["taskArns"]
    [task] = live.ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"]
    return dict(task)
