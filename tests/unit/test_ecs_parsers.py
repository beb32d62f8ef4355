"""What ECS answers as our values: each rule of a parser is a row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from pushlive import ecs, service_deployments
from pushlive.answers import IncompleteAnswerError
from pushlive.model import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pushlive.model import Service, ServiceDeployment, TaskDefinition

Json = dict[str, Any]

CLUSTER = "arn:aws:ecs:eu-west-1:123456789012:cluster/lab"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
DEFINITION = "arn:aws:ecs:eu-west-1:123456789012:task-definition/app:7"
OLDER = "arn:aws:ecs:eu-west-1:123456789012:task-definition/app:6"
NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def client() -> Any:
    return boto3.client(
        "ecs", region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    """Answers in the order in which they are asked for; botocore checks that they are AWS's."""
    ecs.task_definition.cache_clear()
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


# Services


def service(stub: Stubber, client: Any, *without: str, **changes: Any) -> Service:
    usual = {
        "serviceName": "app",
        "serviceArn": f"{CLUSTER.replace(':cluster/', ':service/')}/app",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 1,
        "taskDefinition": DEFINITION,
        "createdAt": NOW,
        "deployments": [
            {"id": "ecs-svc/1", "status": "PRIMARY", "rolloutState": "COMPLETED", "updatedAt": NOW}
        ],
    }
    described = {key: value for key, value in {**usual, **changes}.items() if key not in without}
    stub.add_response(
        "describe_services",
        {"services": [described]},
        {"cluster": CLUSTER, "services": ["app"], "include": ["TAGS"]},
    )
    [found] = ecs.services(client, CLUSTER, ["app"])
    return found


@pytest.mark.parametrize(
    ("changes", "controller"),
    [
        pytest.param({}, "ECS", id="no-controller-is-ecs"),
        pytest.param({"deploymentController": {"type": "ECS"}}, "ECS", id="ecs"),
        pytest.param({"deploymentController": {"type": "EXTERNAL"}}, "EXTERNAL", id="external"),
    ],
)
def test_deployment_controller(stub: Stubber, client: Any, changes: Json, controller: str) -> None:
    assert service(stub, client, **changes).deployment_controller == controller


def test_a_service_of_an_external_controller_has_no_task_definition(stub: Stubber, client: Any) -> None:
    found = service(stub, client, "taskDefinition", deploymentController={"type": "EXTERNAL"})
    assert found.task_definition_arn == ""
    found.check()


@pytest.mark.parametrize(
    ("deployments", "newest", "completed"),
    [
        pytest.param([("PRIMARY", "COMPLETED")], "id-0", True, id="one-that-is-completed"),
        pytest.param([("PRIMARY", "IN_PROGRESS")], "id-0", False, id="one-under-way"),
        pytest.param([("PRIMARY", "FAILED")], "id-0", False, id="one-that-failed"),
        pytest.param([("PRIMARY", None)], "id-0", False, id="one-of-which-ecs-tells-no-state"),
        pytest.param(
            [("PRIMARY", "COMPLETED"), ("ACTIVE", "COMPLETED")], "id-0", False, id="an-older-one-still-there"
        ),
        pytest.param(
            [("ACTIVE", "COMPLETED"), ("PRIMARY", "IN_PROGRESS")], "id-1", False, id="primary-is-not-first"
        ),
        pytest.param([("ACTIVE", "COMPLETED")], "", True, id="no-primary"),
        pytest.param([], "", False, id="none"),
    ],
)
def test_the_newest_deployment_is_the_primary_one(
    stub: Stubber,
    client: Any,
    deployments: list[tuple[str, str | None]],
    newest: str,
    completed: bool,  # noqa: FBT001
) -> None:
    shown = [
        {"id": f"id-{n}", "status": status, "createdAt": NOW + timedelta(seconds=n), "updatedAt": NOW}
        | ({"rolloutState": state} if state else {})
        for n, (status, state) in enumerate(deployments)
    ]
    found = service(stub, client, deployments=shown)
    assert found.newest_deployment_id == newest
    assert found.completed_at == (NOW if completed else None)
    assert found.deployed_at == (NOW + timedelta(seconds=int(newest[-1])) if newest else None)


@pytest.mark.parametrize(
    ("changes", "strategy", "daemon"),
    [
        pytest.param({}, "ROLLING", False, id="by-default-rolling-and-replica"),
        pytest.param({"deploymentConfiguration": {}}, "ROLLING", False, id="configured-without-a-strategy"),
        pytest.param(
            {"deploymentConfiguration": {"strategy": "CANARY"}, "schedulingStrategy": "REPLICA"},
            "CANARY",
            False,
            id="canary",
        ),
        pytest.param({"schedulingStrategy": "DAEMON"}, "ROLLING", True, id="daemon"),
    ],
)
def test_strategies(
    stub: Stubber,
    client: Any,
    changes: Json,
    strategy: str,
    daemon: bool,  # noqa: FBT001
) -> None:
    found = service(stub, client, **changes)
    assert (found.strategy, found.is_daemon) == (strategy, daemon)


@pytest.mark.parametrize("key", ["status", "desiredCount"])
def test_a_service_without_what_decisions_need_is_named_when_one_is_due(
    stub: Stubber, client: Any, key: str
) -> None:
    found = service(stub, client, key)
    with pytest.raises(IncompleteAnswerError, match=f"of DescribeServices lacks {key}"):
        found.check()


@pytest.mark.parametrize("key", ["serviceName", "serviceArn"])
def test_a_service_is_named_by_either_of_its_names(stub: Stubber, client: Any, key: str) -> None:
    found = service(stub, client, key)
    assert (found.service_name, found.service_arn) == ("app", ecs.service_arn(CLUSTER, "app"))


def test_a_tag_without_a_value_is_empty(stub: Stubber, client: Any) -> None:
    assert service(stub, client, tags=[{"key": "a"}, {"key": "b", "value": "c"}]).tags == {"a": "", "b": "c"}


# Task definitions


def definition(stub: Stubber, client: Any, *containers: Json) -> TaskDefinition:
    stub.add_response(
        "describe_task_definition",
        {"taskDefinition": {"containerDefinitions": list(containers)}},
        {"taskDefinition": DEFINITION},
    )
    return ecs.task_definition(client, DEFINITION)


def container(name: str = "app", *ports: Any, **more: Any) -> Json:
    mappings = [
        {"containerPort": each} if isinstance(each, int) else each if isinstance(each, dict) else
        {"containerPort": int(each.partition("/")[0]), "protocol": each.partition("/")[2]}
        for each in ports
    ]  # fmt: skip
    return {"name": name, "image": f"{REGISTRY}/{name}:latest", "portMappings": mappings, **more}


CHECK = {"healthCheck": {"command": ["CMD", "true"]}}


@pytest.mark.parametrize(
    ("containers", "port"),
    [
        pytest.param([{"name": "app", "image": "app"}], None, id="no-mappings"),
        pytest.param([container()], None, id="no-port"),
        pytest.param([container("app", 80)], 80, id="a-protocol-that-is-not-named-is-tcp"),
        pytest.param([container("app", "80/tcp", 443)], 80, id="the-first-of-several"),
        pytest.param([container("app", "25565/udp")], None, id="udp-only"),
        pytest.param([container("app", "53/udp", "53/tcp")], 53, id="udp-before-tcp-of-the-same-number"),
        pytest.param([container("xray", "2000/udp"), container("app", 8080)], 8080, id="udp-sidecar-first"),
        pytest.param([container("side"), container("app", 8080)], 8080, id="sidecar-without-a-port-first"),
        pytest.param([container("app", {"containerPortRange": "80-90"})], None, id="a-range"),
        pytest.param([container("app", {"containerPortRange": "1-9"}, 80)], 80, id="a-range-before-a-port"),
    ],
)
def test_port_is_the_first_that_is_tcp(
    stub: Stubber, client: Any, containers: list[Json], port: int | None
) -> None:
    assert definition(stub, client, *containers).port == port


@pytest.mark.parametrize(
    ("containers", "has", "port_has"),
    [
        pytest.param([container("app", 80)], False, False, id="none"),
        pytest.param([container("app", 80, **CHECK)], True, True, id="of-the-container-with-the-port"),
        pytest.param([container("app", 80), container("side", **CHECK)], True, False, id="of-another"),
        pytest.param(
            [container("app", 80, essential=False, **CHECK)], False, False, id="not-essential-does-not-count"
        ),
        pytest.param(
            [container("app", 80, essential=True, **CHECK)], True, True, id="essential-said-in-so-many-words"
        ),
        pytest.param(
            [container("udp", "53/udp", **CHECK), container("app", 80)], True, False, id="of-a-udp-sidecar"
        ),
        pytest.param([container("app", **CHECK)], True, False, id="without-a-port"),
    ],
)
def test_health_check(
    stub: Stubber,
    client: Any,
    containers: list[Json],
    has: bool,  # noqa: FBT001
    port_has: bool,  # noqa: FBT001
) -> None:
    found = definition(stub, client, *containers)
    assert (found.has_health_check, found.port_has_health_check) == (has, port_has)


def test_images_log_group_and_what_is_not_resolved(stub: Stubber, client: Any) -> None:
    awslogs = {"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "logs"}}}
    splunk = {"logConfiguration": {"logDriver": "splunk", "options": {"awslogs-group": "no"}}}
    bare = {"logConfiguration": {"logDriver": "awslogs"}}
    found = definition(
        stub,
        client,
        container("a", **splunk),
        container("b", versionConsistency="disabled", **bare),
        container("c", versionConsistency="enabled", **awslogs),
        {"name": "no-image"},
        {"image": "no-name"},
    )
    assert found.images == {name: f"{REGISTRY}/{name}:latest" for name in "abc"}
    assert found.log_group == "logs"
    assert found.unresolved == {"b"}


def test_a_service_without_a_task_definition_asks_for_none(stub: Stubber, client: Any) -> None:
    assert stub
    with pytest.raises(IncompleteAnswerError, match="names no task definition"):
        ecs.task_definition(client, "")


# Tasks


def task(stub: Stubber, client: Any, **described: Any) -> Task:
    stub.add_response("list_tasks", {"taskArns": ["arn:1"]}, {"cluster": CLUSTER, "desiredStatus": "RUNNING",
                                                              "serviceName": "app"})  # fmt: skip
    stub.add_response("describe_tasks", {"tasks": [described]}, {"cluster": CLUSTER, "tasks": ["arn:1"]})
    [found] = ecs.tasks(client, CLUSTER, "app")
    return found


@pytest.mark.parametrize(
    ("shown", "image"),
    [
        pytest.param("h/app:1", "h/app:1", id="tag"),
        pytest.param("h/app:1@sha256:0a", "h/app:1", id="tag-and-digest-is-the-tag"),
        pytest.param("h/app@sha256:0a", "h/app@sha256:0a", id="digest-alone-tells-no-tag"),
        pytest.param("h:443/app@sha256:0a", "h:443/app@sha256:0a", id="a-registrys-port-is-no-tag"),
        pytest.param("h:443/a/app:1@sha256:0a", "h:443/a/app:1", id="a-registrys-port-and-a-tag"),
        pytest.param("app", "app", id="name-alone"),
    ],
)
def test_image_of_a_task(stub: Stubber, client: Any, shown: str, image: str) -> None:
    containers = [{"name": "app", "image": shown, "imageDigest": "sha256:0a"}, {"image": "unnamed"}]
    found = task(stub, client, containers=containers)
    assert (found.images, found.digests) == ({"app": image}, {"app": "sha256:0a"})


@pytest.mark.parametrize(
    ("sidecar", "readiness"),
    [
        pytest.param({"name": "readiness-sidecar", "healthStatus": "HEALTHY"}, "HEALTHY", id="healthy"),
        pytest.param({"name": "readiness-sidecar", "healthStatus": "UNHEALTHY"}, "UNHEALTHY", id="unhealthy"),
        pytest.param({"name": "readiness-sidecar"}, "UNKNOWN", id="not-told"),
        pytest.param({"name": "drain-sidecar", "healthStatus": "HEALTHY"}, "", id="no-readiness-sidecar"),
    ],
)
def test_readiness_of_a_task(stub: Stubber, client: Any, sidecar: Json, readiness: str) -> None:
    assert task(stub, client, containers=[{"name": "app"}, sidecar]).readiness == readiness


def test_a_task_of_which_ecs_tells_nothing(stub: Stubber, client: Any) -> None:
    found = task(stub, client)
    assert found == Task(digests={}, images={})


def test_interface_is_the_attachments_detail_of_that_name(stub: Stubber, client: Any) -> None:
    details = [{"name": "subnetId", "value": "subnet-1"}, {"name": "networkInterfaceId", "value": "eni-1"}]
    attachments = [{"type": "Service Connect"}, {"type": "ElasticNetworkInterface", "details": details}]
    assert task(stub, client, attachments=attachments).eni_id == "eni-1"


def test_tasks_of_services_leaves_out_what_no_service_started(stub: Stubber, client: Any) -> None:
    stub.add_response("list_tasks", {"taskArns": ["a", "b", "c"]}, {"cluster": CLUSTER,
                                                                   "desiredStatus": "RUNNING"})  # fmt: skip
    tasks = [{"taskArn": "a", "group": "service:x"}, {"taskArn": "b", "group": "family:y"}, {"taskArn": "c"}]
    stub.add_response("describe_tasks", {"tasks": tasks})
    assert {
        name: [t.task_arn for t in of] for name, of in ecs.tasks_of_services(client, CLUSTER).items()
    } == {"x": ["a"]}


@pytest.mark.parametrize(
    ("since", "codes"),
    [(None, ["old", "new"]), (NOW, ["new"]), (NOW + timedelta(1), [])],
    ids=["all-that-ecs-dates", "from-that-moment-on", "none-since"],
)
def test_stopped_tasks_are_those_created_since(
    stub: Stubber, client: Any, since: datetime | None, codes: list[str]
) -> None:
    request = {"cluster": CLUSTER, "serviceName": "app", "desiredStatus": "STOPPED"}
    stub.add_response("list_tasks", {"taskArns": ["a", "b", "c"]}, request)
    times = {"old": NOW - timedelta(1), "new": NOW}
    tasks = [{"createdAt": at, "stopCode": code} for code, at in times.items()]
    stub.add_response("describe_tasks", {"tasks": [*tasks, {"stopCode": "never-created"}]})
    assert [each.stop_code for each in ecs.stopped_tasks(client, CLUSTER, "app", since)] == codes


def test_running_digests_are_of_running_tasks_of_that_deployment() -> None:
    digests = {"app": "sha256:1", "gone": "sha256:2"}
    one = Task("", "d1", "RUNNING", "RUNNING", digests=digests)
    others = [one._replace(deployment_id="d2"), one._replace(last_status="PENDING")]
    assert ecs.running_digests([*others, one], "d1") == (digests,)


# Deployments

REVISION = "targetServiceRevision"
DRAIN_SIDECAR = {"name": "drain-sidecar", "image": "public.ecr.aws/docker/library/busybox:1.37"}
APP = container("app")


def resolved(**digests: str) -> list[Json]:
    images = {"app": APP["image"]}
    images["dual"] = "123456789012.dkr-ecr.eu-west-1.on.aws/app:latest"
    images["drain-sidecar"] = DRAIN_SIDECAR["image"]
    return [
        {"containerName": name.replace("_", "-"), "image": images[name.replace("_", "-")]}
        | ({"imageDigest": digest} if digest else {})
        for name, digest in digests.items()
    ]


def deployments(
    stub: Stubber,
    client: Any,
    revisions: dict[str, Json],
    described: list[Json],
    definitions: dict[str, list[Json]] | None = None,
) -> tuple[ServiceDeployment, ...]:
    """Answers the three calls, and those of the task definitions that are asked for."""
    arns = [each.get("serviceDeploymentArn", "arn") for each in described]
    stub.add_response(
        "list_service_deployments",
        {"serviceDeployments": [{"serviceDeploymentArn": arn} for arn in arns]},
        {"cluster": CLUSTER, "service": "app", "maxResults": 20},
    )
    if arns:
        stub.add_response(
            "describe_service_deployments",
            {"serviceDeployments": described},
            {"serviceDeploymentArns": arns},
        )
    if targets := sorted(
        {d["targetServiceRevision"]["arn"] for d in described if "targetServiceRevision" in d}
    ):
        shown = [{"serviceRevisionArn": arn, **each} for arn, each in revisions.items()]
        stub.add_response(
            "describe_service_revisions", {"serviceRevisions": shown}, {"serviceRevisionArns": targets}
        )
    for arn, containers in (definitions or {}).items():
        stub.add_response(
            "describe_task_definition",
            {"taskDefinition": {"containerDefinitions": containers}},
            {"taskDefinition": arn},
        )
    return service_deployments.deployments(client, CLUSTER, "app", REGISTRY)


def deployment(number: int = 1, revision: str = "r1", **changes: Any) -> Json:
    return {
        "serviceDeploymentArn": f"arn/{number}",
        "status": "SUCCESSFUL",
        "createdAt": NOW + timedelta(seconds=number),
        "targetServiceRevision": {"arn": revision},
        **changes,
    }


def test_a_service_without_deployments_costs_one_call(stub: Stubber, client: Any) -> None:
    assert deployments(stub, client, {}, []) == ()


def test_newest_first_whatever_the_order_of_the_answer(stub: Stubber, client: Any) -> None:
    known = {"r1": {"containerImages": resolved(app="sha256:1")}}
    found = deployments(stub, client, known, [deployment(1), deployment(3), deployment(2)])
    assert [each.name for each in found] == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("images", "containers", "digests", "untold"),
    [
        pytest.param(resolved(app="sha256:1", drain_sidecar="sha256:c"), None, {"app": "sha256:1"}, False,
                     id="ours-beside-a-drain-sidecar"),
        pytest.param(resolved(dual="sha256:1"), None, {"dual": "sha256:1"}, False, id="by-another-host-name"),
        pytest.param(resolved(app="", drain_sidecar="sha256:c"), [APP, DRAIN_SIDECAR], {}, False,
                     id="a-drain-sidecar-of-a-service-that-never-ran"),
        pytest.param(resolved(app=""), [APP | {"versionConsistency": "disabled"}], {}, True,
                     id="never-resolved-tells-nothing"),
        pytest.param(resolved(app=""), [APP, DRAIN_SIDECAR | {"versionConsistency": "disabled"}], {}, False,
                     id="a-drain-sidecar-that-is-not-resolved-does-not-matter"),
        pytest.param(resolved(app=""), [APP, container("x", versionConsistency="disabled")], {}, False,
                     id="one-of-two-that-is-resolved-would-have-told"),
        pytest.param(resolved(), [DRAIN_SIDECAR], {}, False, id="nothing-of-ours"),
    ],
)  # fmt: skip
def test_what_a_deployment_resolved(
    stub: Stubber,
    client: Any,
    images: list[Json],
    containers: list[Json] | None,
    digests: dict[str, str],
    untold: bool,  # noqa: FBT001
) -> None:
    known = {"r1": {"containerImages": images, "taskDefinition": OLDER}}
    asked = {OLDER: containers} if containers is not None else {}
    [found] = deployments(stub, client, known, [deployment()], asked)
    assert (found.digests, found.untold) == (digests, untold)


def test_a_revision_whose_definition_is_gone_tells_nothing(stub: Stubber, client: Any) -> None:
    known = {"r1": {"containerImages": resolved(app=""), "taskDefinition": OLDER}}
    with pytest.MonkeyPatch.context() as patch:
        add = stub.add_response

        def and_then_the_error(operation: str, *answer: Any) -> None:
            add(operation, *answer)
            if operation == "describe_service_revisions":
                stub.add_client_error("describe_task_definition", "ClientException", "Unable to describe")

        patch.setattr(stub, "add_response", and_then_the_error)
        [found] = deployments(stub, client, known, [deployment()])
    assert (found.digests, found.untold) == ({}, True)


def test_a_deployment_without_a_revision_tells_nothing(stub: Stubber, client: Any) -> None:
    described = deployment()
    del described["targetServiceRevision"]
    [found] = deployments(stub, client, {}, [described])
    assert (found.digests, found.untold) == ({}, True)


def test_what_ecs_says_of_a_deployment(stub: Stubber, client: Any) -> None:
    known = {
        "r0": {"containerImages": resolved(app="sha256:0")},
        "r1": {"containerImages": resolved(app="sha256:1")},
    }
    described = deployment(
        2,
        finishedAt=NOW,
        statusReason="it failed",
        deploymentCircuitBreaker={"status": "TRIGGERED"},
        rollback={"serviceRevisionArn": "r0"},
        deploymentConfiguration={"bakeTimeInMinutes": 30},
    )
    found, _ = deployments(stub, client, known, [deployment(1, "r0"), described])
    assert found.finished_at == NOW
    assert found.circuit_breaker_triggered
    assert found.status_reason == "it failed"
    assert found.rolled_back_to == {"app": "sha256:0"}
    assert found.bake_seconds == 1800


@pytest.mark.parametrize(
    ("rollback", "has_way_back"),
    [
        pytest.param({}, True, id="no-rollback-yet"),
        pytest.param({"serviceRevisionArn": "r0"}, True, id="to-another-image"),
        pytest.param({"serviceRevisionArn": "r2"}, False, id="to-the-image-that-failed"),
    ],
)
def test_a_rollback_ends_well_where_it_goes_to_something_else(
    stub: Stubber,
    client: Any,
    rollback: Json,
    has_way_back: bool,  # noqa: FBT001
) -> None:
    failed = {"containerImages": resolved(app="sha256:1")}
    known = {"r0": {"containerImages": resolved(app="sha256:0")}, "r1": failed, "r2": failed}
    before = [deployment(1, arn) for arn in ("r0", "r2")]
    found, *_ = deployments(stub, client, known, [*before, deployment(2, rollback=rollback)])
    assert found.has_way_back is has_way_back


@pytest.mark.parametrize(
    ("changes", "finished"),
    [({}, None), ({"stoppedAt": NOW}, NOW), ({"finishedAt": NOW, "stoppedAt": NOW - timedelta(1)}, NOW)],
    ids=["under-way", "stopped", "finished-and-stopped"],
)
def test_when_a_deployment_ended(
    stub: Stubber, client: Any, changes: Json, finished: datetime | None
) -> None:
    known = {"r1": {"containerImages": resolved(app="sha256:1")}}
    quiet: Json = {"deploymentCircuitBreaker": {"status": "MONITORING"}}
    [found] = deployments(stub, client, known, [deployment(**quiet, **changes)])
    assert found.finished_at == finished
    assert not found.circuit_breaker_triggered
    assert (found.status_reason, found.rolled_back_to, found.bake_seconds) == ("", {}, 0)


@pytest.mark.parametrize("key", ["serviceDeploymentArn", "status", "createdAt"])
def test_a_deployment_without_what_decisions_need_is_an_error_that_names_it(
    stub: Stubber, client: Any, key: str
) -> None:
    described = deployment()
    described["serviceDeploymentArn"] = "arn"
    del described[key]
    known = {"r1": {"containerImages": resolved(app="sha256:1")}}
    with pytest.raises(IncompleteAnswerError, match=f"of DescribeServiceDeployments lacks {key}"):
        deployments(stub, client, known, [described])


# Changes


@pytest.mark.parametrize(
    ("deploy", "desired", "request_"),
    [
        pytest.param(True, None, {"forceNewDeployment": True}, id="deploy"),
        pytest.param(False, 0, {"forceNewDeployment": False, "desiredCount": 0}, id="hold"),
        pytest.param(True, 3, {"forceNewDeployment": True, "desiredCount": 3}, id="start"),
    ],
)
def test_update(
    stub: Stubber,
    client: Any,
    deploy: bool,  # noqa: FBT001
    desired: int | None,
    request_: Json,
) -> None:
    stub.add_response("update_service", {}, {"cluster": CLUSTER, "service": "app", **request_})
    ecs.update(client, CLUSTER, "app", deploy=deploy, desired_count=desired)
