"""The API against botocore's model of ECS: requests, every response, limits, errors, paging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, StructureShape
from botocore.validate import ParamValidator

from lab.ecs.api.ecs_api import OPERATIONS
from lab.ecs.api.requests import EcsError
from lab.ecs.virtual.fake_runtime import Behaviour
from lab.ecs.virtual.scenario import BREAKER, IMAGE, NETWORK, Scenario

if TYPE_CHECKING:
    from botocore.model import Shape

ECS = botocore.session.Session().get_service_model("ecs")
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "double": (float, int),
    "boolean": (bool,),
    "timestamp": (float,),
}


def mismatches(shape: Shape | None, value: Any, where: str) -> list[str]:
    """Where a value is not of its shape: unknown members, wrong types, values outside an enumeration."""
    if isinstance(shape, StructureShape):
        unknown = [f"{where}.{key}: not a member" for key in value if key not in shape.members]
        known = [each for key in value if key in shape.members for each in _inside(shape, key, value, where)]
        return unknown + known
    if isinstance(shape, ListShape):
        return [
            line for i, each in enumerate(value) for line in mismatches(shape.member, each, f"{where}[{i}]")
        ]
    if isinstance(shape, MapShape):
        return [
            line for key, each in value.items() for line in mismatches(shape.value, each, f"{where}.{key}")
        ]
    assert shape is not None
    kind = shape.type_name
    if not isinstance(value, TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
        return [f"{where}: {value!r} is not a {kind}"]
    allowed = getattr(shape, "enum", None)
    return [f"{where}: {value!r} is not one of {allowed}"] if allowed and value not in allowed else []


def _inside(shape: StructureShape, key: str, value: dict[str, Any], where: str) -> list[str]:
    return mismatches(shape.members[key], value[key], f"{where}.{key}")


class Checked(Scenario):
    """A scenario in which every request and response is checked against botocore's model."""

    def call(self, operation: str, **request: object) -> dict[str, Any]:
        model = ECS.operation_model(operation)
        assert model.input_shape is not None
        report = ParamValidator().validate(request, model.input_shape)
        assert not report.has_errors(), report.generate_report()
        answer = super().call(operation, **request)
        assert mismatches(model.output_shape, answer, operation) == []
        return answer


def checked(desired: int = 1, **request: object) -> Checked:
    lab = Checked({"sha256:bad": Behaviour(exits_after_seconds=1, exit_code=1)})
    lab.push("sha256:good")
    lab.create(desired, **request)
    lab.wait_until_over()
    return lab


def describe_all(lab: Checked) -> None:
    """Every read of the API, with everything included."""
    lab.service()
    lab.service_deployments()
    for deployment in lab.service_deployments():
        lab.digests(deployment["targetServiceRevision"]["arn"])
    for status in ("RUNNING", "STOPPED"):
        arns = lab.call("ListTasks", cluster="lab", desiredStatus=status)["taskArns"]
        if arns:
            lab.call("DescribeTasks", cluster="lab", tasks=arns, include=["TAGS"])
    include = ["TAGS", "SETTINGS", "CONFIGURATIONS", "STATISTICS"]
    lab.call("DescribeClusters", clusters=["lab"], include=include)


def test_every_answer_of_a_service_that_deploys_fails_and_rolls_back_is_of_its_shape() -> None:
    lab = Checked({"sha256:bad": Behaviour(exits_after_seconds=1, exit_code=1)})
    lab.push("sha256:good")
    check = {"command": ["CMD", "true"], "interval": 5}
    app = {"name": "app", "image": IMAGE, "healthCheck": check, "portMappings": [{"containerPort": 80}]}
    tags = [{"key": "a", "value": "b"}]
    lab.register(app, tags=tags, runtimePlatform={"cpuArchitecture": "ARM64"})
    lab.create(desired=2, deploymentConfiguration=BREAKER, tags=tags, propagateTags="SERVICE")
    seen: set[str] = set()

    def look() -> bool:
        describe_all(lab)
        status = str(lab.service_deployments()[0]["status"])
        seen.add(status)
        return status in {"SUCCESSFUL", "ROLLBACK_SUCCESSFUL"}

    lab.wait_until(look)
    lab.push("sha256:bad")
    lab.redeploy()
    lab.wait_until(look)
    assert seen == {"PENDING", "IN_PROGRESS", "SUCCESSFUL", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"}
    lab.on_service("DeleteService", force=True)
    lab.wait(60)
    describe_all(lab)


def test_clusters_can_be_created_listed_and_deleted() -> None:
    lab = Checked()
    assert lab.call("CreateCluster")["cluster"]["clusterName"] == "default"
    assert lab.call("CreateCluster", clusterName="lab")["cluster"]["status"] == "ACTIVE"
    arns = lab.call("ListClusters")["clusterArns"]
    assert arns == [f"arn:aws:ecs:us-east-1:000000000000:cluster/{name}" for name in ("lab", "default")]
    assert lab.call("DeleteCluster", cluster=arns[0])["cluster"]["status"] == "INACTIVE"
    assert lab.call("ListClusters")["clusterArns"] == arns[1:]
    assert lab.call("DescribeClusters", clusters=["none"])["failures"][0]["reason"] == "MISSING"


def test_a_cluster_counts_its_services_and_tasks_and_cannot_be_deleted_with_them() -> None:
    lab = checked(2)
    cluster = lab.call("DescribeClusters", clusters=["lab"])["clusters"][0]
    assert (cluster["activeServicesCount"], cluster["runningTasksCount"], cluster["pendingTasksCount"]) == (
        1,
        2,
        0,
    )
    assert code(lab, "DeleteCluster", cluster="lab") == "ClusterContainsServicesException"
    lab.on_service("DeleteService", force=True)
    lab.wait(2)
    assert code(lab, "DeleteCluster", cluster="lab") == "ClusterContainsTasksException"
    lab.wait(60)
    lab.call("DeleteCluster", cluster="lab")


def test_task_definitions_have_revisions_and_a_family_means_the_latest_active_one() -> None:
    lab = Checked()
    first, second = lab.register(), lab.register()
    assert lab.call("ListTaskDefinitions", familyPrefix="web")["taskDefinitionArns"] == [first, second]
    assert lab.call("ListTaskDefinitions", sort="DESC")["taskDefinitionArns"] == [second, first]
    assert (
        lab.call("DeregisterTaskDefinition", taskDefinition="web:2")["taskDefinition"]["status"] == "INACTIVE"
    )
    assert lab.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"]["revision"] == 1
    assert lab.call("DescribeTaskDefinition", taskDefinition=second)["taskDefinition"]["status"] == "INACTIVE"
    assert lab.call("ListTaskDefinitions", status="INACTIVE")["taskDefinitionArns"] == [second]
    assert code(lab, "DescribeTaskDefinition", taskDefinition="web:9") == "ClientException"
    assert code(lab, "DescribeTaskDefinition", taskDefinition="none") == "ClientException"


def test_a_health_check_is_described_with_its_defaults() -> None:
    lab = Checked()
    lab.register({"name": "app", "image": IMAGE, "healthCheck": {"command": ["CMD", "true"]}})
    found = lab.call("DescribeTaskDefinition", taskDefinition="web")["taskDefinition"][
        "containerDefinitions"
    ][0]
    assert found["healthCheck"] == {"command": ["CMD", "true"], "interval": 30, "timeout": 5, "retries": 3}


@pytest.mark.parametrize(
    "containers",
    [
        pytest.param([{"name": "a", "image": "i", "essential": False}], id="none-is-essential"),
        pytest.param(
            [{"name": "a", "image": "i", "dependsOn": [{"containerName": "b", "condition": "START"}]}],
            id="depends-on-none",
        ),
        pytest.param(
            [
                {"name": "a", "image": "i", "dependsOn": [{"containerName": "b", "condition": "HEALTHY"}]},
                {"name": "b", "image": "i"},
            ],
            id="HEALTHY-without-a-health-check",
        ),
        pytest.param(
            [
                {"name": "a", "image": "i", "dependsOn": [{"containerName": "b", "condition": "SUCCESS"}]},
                {"name": "b", "image": "i"},
            ],
            id="SUCCESS-of-an-essential-container",
        ),
        pytest.param([{"name": "a", "image": "i", "stopTimeout": 121}], id="stop-timeout-above-120"),
        pytest.param(
            [{"name": "a", "image": "i", "secrets": [{"name": "A", "valueFrom": "/a"}] * 2}],
            id="secret-twice",
        ),
        pytest.param(
            [
                {
                    "name": "a",
                    "image": "i",
                    "environment": [{"name": "A", "value": "1"}],
                    "secrets": [{"name": "A", "valueFrom": "/a"}],
                }
            ],
            id="secret-that-is-a-variable-too",
        ),
    ],
)
def test_a_task_definition_is_refused(containers: list[dict[str, Any]]) -> None:
    with pytest.raises(EcsError, match="ClientException"):
        Checked().register(*containers)


def code(lab: Scenario, operation: str, **request: object) -> str:
    with pytest.raises(EcsError) as caught:
        lab.call(operation, **request)
    return caught.value.code


def test_names_and_arns_of_clusters_services_and_tasks_are_interchangeable() -> None:
    lab = checked()
    service = lab.service()
    arguments = {"cluster": service["clusterArn"], "services": [service["serviceArn"]]}
    assert lab.call("DescribeServices", **arguments)["services"][0]["serviceName"] == "web"
    arn = lab.tasks()[0]["taskArn"]
    short = arn.rpartition("/")[2]
    assert lab.call("DescribeTasks", cluster="lab", tasks=[short])["tasks"][0]["taskArn"] == arn
    lab.call("UpdateService", cluster="lab", service=service["serviceArn"], desiredCount=1)


def test_a_service_arn_of_another_cluster_is_missing() -> None:
    lab = checked()
    arn = "arn:aws:ecs:us-east-1:000000000000:service/other/web"
    answer = lab.call("DescribeServices", cluster="lab", services=[arn])
    assert answer == {"services": [], "failures": [{"arn": arn, "reason": "MISSING"}]}


def test_tags_are_described_only_when_included() -> None:
    lab = checked(tags=[{"key": "pushlive:redeploy", "value": "on-push"}])
    assert "tags" not in lab.call("DescribeServices", cluster="lab", services=["web"])["services"][0]
    assert lab.service()["tags"] == [{"key": "pushlive:redeploy", "value": "on-push"}]


def test_resources_can_be_tagged_and_untagged() -> None:
    lab = checked()
    service = lab.service()
    task = lab.tasks()[0]
    for arn in (service["serviceArn"], service["clusterArn"], service["taskDefinition"], task["taskArn"]):
        lab.call(
            "TagResource", resourceArn=arn, tags=[{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
        )
        lab.call("UntagResource", resourceArn=arn, tagKeys=["a"])
        assert lab.call("ListTagsForResource", resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    unknown = "arn:aws:ecs:us-east-1:000000000000:task/lab/0"
    assert code(lab, "ListTagsForResource", resourceArn=unknown) == "InvalidParameterException"


def test_tags_go_to_tasks_when_propagated() -> None:
    lab = checked(tags=[{"key": "a", "value": "1"}], propagateTags="SERVICE")
    arns = lab.call("ListTasks", cluster="lab")["taskArns"]
    assert lab.call("DescribeTasks", cluster="lab", tasks=arns, include=["TAGS"])["tasks"][0]["tags"] == [
        {"key": "a", "value": "1"}
    ]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        pytest.param("DescribeServices", {"cluster": "lab", "services": ["s"] * 11}, id="services-10"),
        pytest.param("DescribeServices", {"cluster": "lab", "services": []}, id="services-none"),
        pytest.param("DescribeTasks", {"cluster": "lab", "tasks": ["t"] * 101}, id="tasks-100"),
        pytest.param(
            "DescribeServiceDeployments", {"serviceDeploymentArns": ["d"] * 21}, id="deployments-20"
        ),
        pytest.param("DescribeServiceRevisions", {"serviceRevisionArns": ["r"] * 21}, id="revisions-20"),
        pytest.param("ListServices", {"cluster": "lab", "maxResults": 101}, id="page-of-services-100"),
        pytest.param("ListTasks", {"cluster": "lab", "maxResults": 101}, id="page-of-tasks-100"),
        pytest.param("ListTasks", {"cluster": "lab", "nextToken": "what"}, id="not-a-token"),
        pytest.param(
            "ListTasks", {"cluster": "lab", "startedBy": "x", "family": "y"}, id="started-by-is-alone"
        ),
        pytest.param("StopTask", {"cluster": "lab", "task": "0"}, id="stop-an-unknown-task"),
        pytest.param(
            "CreateService",
            {"cluster": "lab", "serviceName": "new", "taskDefinition": "web"},
            id="no-desired-count",
        ),
        pytest.param(
            "CreateService",
            {"cluster": "lab", "serviceName": "new", "taskDefinition": "web", "desiredCount": 1},
            id="no-network",
        ),
        pytest.param(
            "CreateService",
            {
                "cluster": "lab",
                "serviceName": "web",
                "taskDefinition": "web",
                "desiredCount": 1,
                "networkConfiguration": NETWORK,
            },
            id="the-name-is-taken",
        ),
        pytest.param("RunTask", {"cluster": "lab", "taskDefinition": "web"}, id="run-without-network"),
    ],
)
def test_invalid_parameters(operation: str, request_: dict[str, Any]) -> None:
    assert code(checked(), operation, **request_) == "InvalidParameterException"


@pytest.mark.parametrize(
    ("operation", "request_", "error"),
    [
        pytest.param(
            "DescribeServices",
            {"cluster": "none", "services": ["web"]},
            "ClusterNotFoundException",
            id="cluster-not-found",
        ),
        pytest.param("ListTasks", {}, "ClusterNotFoundException", id="no-default-cluster"),
        pytest.param(
            "UpdateService",
            {"cluster": "lab", "service": "none"},
            "ServiceNotFoundException",
            id="update-not-found",
        ),
        pytest.param(
            "ListServiceDeployments",
            {"cluster": "lab", "service": "none"},
            "ServiceNotFoundException",
            id="deployments-not-found",
        ),
        pytest.param(
            "ListTasks",
            {"cluster": "lab", "serviceName": "none"},
            "ServiceNotFoundException",
            id="tasks-not-found",
        ),
        pytest.param(
            "UpdateService",
            {"cluster": "lab", "service": "web", "taskDefinition": "none"},
            "ClientException",
            id="no-task-definition",
        ),
        pytest.param(
            "StopServiceDeployment",
            {"serviceDeploymentArn": "none"},
            "ServiceDeploymentNotFoundException",
            id="no-service-deployment",
        ),
    ],
)
def test_errors(operation: str, request_: dict[str, Any], error: str) -> None:
    assert code(checked(), operation, **request_) == error


def test_a_deleted_service_cannot_be_updated() -> None:
    lab = checked()
    lab.on_service("DeleteService", force=True)
    assert code(lab, "UpdateService", cluster="lab", service="web") == "ServiceNotActiveException"
    lab.wait(10)
    assert code(lab, "UpdateService", cluster="lab", service="web") == "ServiceNotActiveException"


def test_an_operation_that_is_not_modelled_says_so() -> None:
    with pytest.raises(EcsError, match="UnsupportedFeatureException"):
        Scenario().call("CreateTaskSet")


def pages(lab: Scenario, operation: str, key: str, **request: object) -> list[int]:
    """The size of each page."""
    sizes: list[int] = []
    token: dict[str, object] = {}
    while True:
        answer = lab.call(operation, **request, **token)
        sizes.append(len(answer[key]))
        if "nextToken" not in answer:
            return sizes
        token = {"nextToken": answer["nextToken"]}


def test_lists_come_in_pages() -> None:
    lab = Checked()
    lab.push("sha256:good")
    lab.create(desired=5)
    for number in range(22):
        lab.create(desired=0, serviceName=f"web-{number}")
    for _ in range(44):
        lab.redeploy()
    lab.wait(2)
    assert pages(lab, "ListServices", "serviceArns", cluster="lab") == [10, 10, 3]
    assert pages(lab, "ListServices", "serviceArns", cluster="lab", maxResults=100) == [23]
    assert pages(lab, "ListTasks", "taskArns", cluster="lab", maxResults=2) == [2, 2, 1]
    listed = {"cluster": "lab", "service": "web"}
    assert pages(lab, "ListServiceDeployments", "serviceDeployments", **listed) == [20, 20, 5]
    assert pages(lab, "ListTaskDefinitions", "taskDefinitionArns") == [1]
    assert pages(lab, "ListClusters", "clusterArns") == [1]


def test_service_deployments_are_filtered_by_status_and_time_newest_first() -> None:
    lab = checked()
    first = lab.service_deployments()[0]
    lab.redeploy()
    lab.wait_until_over()
    lab.redeploy()
    listed = {"cluster": "lab", "service": "web"}
    rows = lab.call("ListServiceDeployments", **listed)["serviceDeployments"]
    assert [row["createdAt"] for row in rows] == sorted((row["createdAt"] for row in rows), reverse=True)
    pending = lab.call("ListServiceDeployments", **listed, status=["PENDING", "IN_PROGRESS"])
    assert len(pending["serviceDeployments"]) == 1
    early = lab.call("ListServiceDeployments", **listed, createdAt={"before": first["createdAt"] + 1})
    assert [row["serviceDeploymentArn"] for row in early["serviceDeployments"]] == [
        first["serviceDeploymentArn"]
    ]


def test_tasks_are_filtered_by_service_family_and_deployment() -> None:
    lab = checked(2)
    lab.register(family="job")
    network = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
    lab.call(
        "RunTask", cluster="lab", taskDefinition="job", networkConfiguration=network, startedBy="me", count=3
    )
    sizes = [
        len(lab.call("ListTasks", cluster="lab", **filters)["taskArns"])
        for filters in (
            {},
            {"serviceName": "web"},
            {"family": "job"},
            {"startedBy": "me"},
            {"startedBy": lab.primary()["id"]},
            {"launchType": "EC2"},
            {"desiredStatus": "STOPPED"},
        )
    ]
    assert sizes == [5, 2, 3, 3, 2, 0, 0]


def test_stop_task_is_of_its_shape() -> None:
    lab = checked()
    stopped = lab.call("StopTask", cluster="lab", task=lab.tasks()[0]["taskArn"])["task"]
    assert (stopped["desiredStatus"], stopped["stopCode"]) == ("STOPPED", "UserInitiated")


def test_stop_service_deployment_is_of_its_shape_and_only_for_unfinished_ones() -> None:
    lab = checked()
    over = lab.service_deployments()[0]["serviceDeploymentArn"]
    assert code(lab, "StopServiceDeployment", serviceDeploymentArn=over) == "ConflictException"
    lab.redeploy()
    arn = lab.service_deployments()[0]["serviceDeploymentArn"]
    assert lab.call("StopServiceDeployment", serviceDeploymentArn=arn) == {"serviceDeploymentArn": arn}


def test_unknown_service_deployments_and_revisions_are_missing() -> None:
    lab = checked()
    for operation, key in (
        ("DescribeServiceDeployments", "serviceDeploymentArns"),
        ("DescribeServiceRevisions", "serviceRevisionArns"),
    ):
        assert lab.call(operation, **{key: ["arn"]})["failures"] == [{"arn": "arn", "reason": "MISSING"}]


def test_every_operation_is_one_of_botocores() -> None:
    assert set(OPERATIONS) <= set(ECS.operation_names)
