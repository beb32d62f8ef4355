"""boto3's clients as the functions see them: only the methods that they call, answered by the models.

test_clients.py holds requests and answers against botocore's own models. What is not here is an
AttributeError.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - also of a table's type at run time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ReadTimeoutError

from lab.ecs.api.requests import EcsError
from trials.simulation.places import REGION, ZONE, ZONE_ID, Json, moment
from trials.simulation.zone import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trials.simulation.cloud import Cloud
    from trials.simulation.runs import Environment, Run

# boto3 guide, "Retries", standard mode: transient and throttling errors; pushlive/aws.py: 6 tries.
TRIES = 6
ASKED_ONCE = {"UpdateService", "DeleteLogStream"}
"""See layers/pushlive/pushlive/aws.py, asking_once."""
TRIED_AGAIN = {
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "PriorRequestNotComplete",
    "ServerException",
}
READ_TIMEOUT_SECONDS = 10.0
IN_BETWEEN_SECONDS = 0.2
TIMES = (
    "createdAt", "updatedAt", "startedAt", "finishedAt", "stoppedAt", "stoppingAt", "executionStoppedAt",
    "connectivityAt", "pullStartedAt", "pullStoppedAt", "registeredAt", "deregisteredAt",
)  # fmt: skip


class NotFoundError(Exception):
    """An operation has nothing to answer; `code` is the exception's name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """What the clients share: time, faults, retries, and a note of each call."""

    service = ""
    errors: tuple[str, ...] = ()
    """The exceptions that `client.exceptions` has, of those that the functions may catch."""

    def __init__(self, cloud: Cloud, environment: Environment) -> None:
        self._cloud = cloud
        self._environment = environment
        self.exceptions = EXCEPTIONS[type(self)]

    def _run(self) -> Run:
        assert self._environment.run is not None, "a client is used by a run"
        return self._environment.run

    def _call(self, operation: str, request: Json, answer: Callable[[Run], Json]) -> Json:
        """Answer a request after a while, or raise what AWS, or botocore in the end, would."""
        run, cloud = self._run(), self._cloud
        run.calls += 1
        pause = cloud.faults.latency(self.service)
        if happening := cloud.in_between.pop(operation, None):
            cloud.clock.after(0, happening)
            pause += IN_BETWEEN_SECONDS
        for attempt in range(1, TRIES + 1):
            run.pause(pause)
            try:
                if code := cloud.faults.refusal(self.service):
                    run.met_faults = True
                    raise RefusedError(code, "refused by the simulation")  # noqa: TRY301 - as the models do
                answered = answer(run)
            except (RefusedError, EcsError, NotFoundError) as refused:
                if refused.code not in TRIED_AGAIN or attempt == TRIES:
                    raise self._error(refused.code, str(refused), operation) from None
                pause = 0.05 + cloud.random.random() * min(2.0 ** (attempt - 1), 20)
                continue
            if attempt < TRIES and cloud.faults.happens(cloud.faults.fault_rates.answer_lost):
                cloud.clock.fault("answer lost", "%s: the answer to %s is lost", run, operation)
                run.met_faults = True
                run.pause(READ_TIMEOUT_SECONDS)
                if operation in ASKED_ONCE:
                    raise ReadTimeoutError(endpoint_url=self.service)
                pause = 0.05
                continue
            break
        cloud.journal(self.service, operation, request, answered)
        return answered

    def _error(self, code: str, message: str, operation: str) -> ClientError:
        kind: type[ClientError] = getattr(self.exceptions, code, ClientError)
        metadata: Any = {"HTTPStatusCode": 500 if code == "ServerException" else 400}
        return kind({"Error": {"Code": code, "Message": message}, "ResponseMetadata": metadata}, operation)

    def _paged(self, operation: str, request: Json, answer: Callable[[Json, Run], Json]) -> Iterator[Json]:
        """Page after page, as a paginator goes."""
        token: Json = {}
        while True:
            whole = request | token
            page = self._call(operation, whole, lambda run, whole=whole: answer(whole, run))  # type: ignore[misc]
            yield page
            if "nextToken" not in page:
                return
            token = {"nextToken": page["nextToken"]}


class Pages:
    """A paginator."""

    def __init__(self, pages: Callable[[Json], Iterator[Json]]) -> None:
        self._pages = pages

    def paginate(self, **request: Any) -> Iterator[Json]:
        """The pages; `PaginationConfig` knows PageSize only."""
        size = request.pop("PaginationConfig", {}).pop("PageSize", None)
        return self._pages(request | ({"maxResults": size} if size else {}))


class Ecs(Client):
    """Amazon ECS: the model."""

    service = "ecs"

    def _ask(self, operation: str, request: Json) -> Json:
        return self._call(operation, request, lambda run: self._answer(operation, request, run))

    def _answer(self, operation: str, request: Json, run: Run) -> Json:
        self._cloud.checks.before_call(run, operation, request)
        if operation == "UpdateService":
            # pushlive.yaml: only of services that ask for it (aws:ResourceTag/pushlive:redeploy).
            service = self._cloud.service(request["service"])
            if service is not None and service.tags.get("pushlive:redeploy") != "on-push":
                run.met_faults = True
                raise RefusedError("AccessDeniedException", "no identity-based policy allows the action")
        answered = self._cloud.ecs(operation, request)
        self._cloud.checks.after_call(run, operation, request, answered)
        return DATED[operation](answered) if operation in DATED else answered

    def get_paginator(self, operation_name: str) -> Pages:
        """Those of the lists."""
        operation = {"list_services": "ListServices", "list_tasks": "ListTasks"}[operation_name]
        return Pages(
            lambda request: self._paged(
                operation, request, lambda whole, run: self._answer(operation, whole, run)
            )
        )

    def describe_services(self, **request: Any) -> Json:
        """As boto3; without the services' messages, which the functions do not read."""
        return self._ask("DescribeServices", request)

    def describe_task_definition(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("DescribeTaskDefinition", request)

    def describe_tasks(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("DescribeTasks", request)

    def list_service_deployments(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("ListServiceDeployments", request)

    def describe_service_deployments(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("DescribeServiceDeployments", request)

    def describe_service_revisions(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("DescribeServiceRevisions", request)

    def update_service(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("UpdateService", request)

    def untag_resource(self, **request: Any) -> Json:
        """As boto3."""
        return self._ask("UntagResource", request)


def _dated(described: Json) -> Json:
    """The description with times for the model's epoch seconds."""
    return {**described, **{key: moment(described[key]) for key in TIMES if key in described}}


def _dated_service(service: Json) -> Json:
    return {**_dated(service), "events": [], "deployments": [_dated(each) for each in service["deployments"]]}


def _dated_deployment(deployment: Json) -> Json:
    rollback = {"rollback": _dated(deployment["rollback"])} if "rollback" in deployment else {}
    return {**_dated(deployment), **rollback}


def _each(key: str, dated: Callable[[Json], Json]) -> Callable[[Json], Json]:
    return lambda answered: {**answered, key: [dated(each) for each in answered[key]]}


DATED: dict[str, Callable[[Json], Json]] = {
    "DescribeServices": _each("services", _dated_service),
    "UpdateService": lambda answered: {"service": _dated_service(answered["service"])},
    "DescribeTaskDefinition": lambda answered: {
        **answered,
        "taskDefinition": _dated(answered["taskDefinition"]),
    },
    "DescribeTasks": _each("tasks", _dated),
    "ListServiceDeployments": _each("serviceDeployments", _dated),
    "DescribeServiceDeployments": _each("serviceDeployments", _dated_deployment),
    "DescribeServiceRevisions": _each("serviceRevisions", _dated),
}


class Ecr(Client):
    """Amazon ECR."""

    service = "ecr"
    errors = ("ImageNotFoundException", "RepositoryNotFoundException")

    def describe_images(self, **request: Any) -> Json:
        """As boto3: one tag that is missing fails them all."""

        def answer(run: Run) -> Json:
            repository = request["repositoryName"]
            details = []
            for image in request["imageIds"]:
                self._cloud.checks.tag_read(run, repository, image["imageTag"])
                if repository not in self._cloud.registry.repositories:
                    raise NotFoundError(
                        "RepositoryNotFoundException", f"The repository {repository} does not exist"
                    )
                found = self._cloud.registry.describe(repository, image["imageTag"])
                if found is None:
                    raise NotFoundError("ImageNotFoundException", f"The image {image} does not exist")
                details.append(found)
            return {"imageDetails": details}

        return self._call("DescribeImages", request, answer)

    def batch_get_image(self, **request: Any) -> Json:
        """As boto3."""

        def answer(run: Run) -> Json:
            run.items += len(request["imageIds"])
            found = [
                self._cloud.registry.manifest(request["repositoryName"], image["imageDigest"])
                for image in request["imageIds"]
            ]
            return {"images": [each for each in found if each], "failures": []}

        return self._call("BatchGetImage", request, answer)


class Ec2(Client):
    """Amazon EC2."""

    service = "ec2"

    def get_paginator(self, operation_name: str) -> Pages:
        """That of the network interfaces."""
        assert operation_name == "describe_network_interfaces"
        return Pages(lambda request: self._paged("DescribeNetworkInterfaces", request, self._interfaces))

    def _interfaces(self, request: Json, run: Run) -> Json:
        interfaces = self._cloud.registry.interfaces
        wanted = list(interfaces)
        if request.get("NetworkInterfaceIds"):  # an empty list is none at all: everything
            wanted = request["NetworkInterfaceIds"]
            if gone := [each for each in wanted if each not in interfaces]:
                raise NotFoundError("InvalidNetworkInterfaceID.NotFound", f"{gone} do not exist")
        for each in request.get("Filters", []):
            assert each["Name"] == "network-interface-id"
            wanted = [eni_id for eni_id in wanted if eni_id in each["Values"]]
        run.items += len(wanted)
        self._cloud.checks.interfaces_read(run, wanted)
        return {"NetworkInterfaces": [_interface(interfaces[eni_id]) for eni_id in wanted]}


def _interface(found: Any) -> Json:
    described = {
        "NetworkInterfaceId": found.eni_id,
        "PrivateIpAddress": found.private_ip,
        "SubnetId": found.subnet_id,
        "Status": "in-use",
    }
    return described | ({"Association": {"PublicIp": found.public_ip}} if found.public_ip else {})


class Route53(Client):
    """Amazon Route 53."""

    service = "route53"
    errors = ("InvalidChangeBatch", "NoSuchHostedZone")

    def get_hosted_zone(self, **request: Any) -> Json:
        """As boto3."""
        return self._call(
            "GetHostedZone",
            request,
            lambda _: {
                "HostedZone": {"Id": f"/hostedzone/{ZONE_ID}", "Name": f"{ZONE}.", "CallerReference": REGION}
            },
        )

    def list_resource_record_sets(self, **request: Any) -> Json:
        """As boto3."""

        def answer(run: Run) -> Json:
            self._cloud.zone.count(self._cloud.clock.now)
            limit = int(request.get("MaxItems", "300"))
            found = self._cloud.zone.listed(request.get("StartRecordName", "").rstrip("."), limit)
            run.items += len(found)
            self._cloud.checks.records_read(run, len(found))
            return {"ResourceRecordSets": found, "IsTruncated": len(found) == limit, "MaxItems": str(limit)}

        return self._call("ListResourceRecordSets", request, answer)

    def change_resource_record_sets(self, **request: Any) -> Json:
        """As boto3."""

        def answer(run: Run) -> Json:
            self._cloud.zone.count(self._cloud.clock.now)
            self._cloud.checks.before_change(run, request["ChangeBatch"]["Changes"])
            self._cloud.zone.change(request["ChangeBatch"]["Changes"], self._cloud.clock.now)
            self._cloud.checks.after_change(run, request["ChangeBatch"]["Changes"])
            return {
                "ChangeInfo": {
                    "Id": "/change/C1",
                    "Status": "PENDING",
                    "SubmittedAt": moment(self._cloud.clock.now),
                }
            }

        return self._call("ChangeResourceRecordSets", request, answer)


class Logs(Client):
    """Amazon CloudWatch Logs: streams without lines."""

    service = "logs"
    errors = ("ResourceAlreadyExistsException", "ResourceNotFoundException")

    def create_log_stream(self, **request: Any) -> Json:
        """As boto3."""

        def answer(_: Run) -> Json:
            name = request["logStreamName"]
            if name in self._cloud.log_streams:
                raise NotFoundError(
                    "ResourceAlreadyExistsException", "The specified log stream already exists"
                )
            self._cloud.log_streams[name] = int(self._cloud.clock.now * 1000)
            return {}

        return self._call("CreateLogStream", request, answer)

    def delete_log_stream(self, **request: Any) -> Json:
        """As boto3."""

        def answer(_: Run) -> Json:
            if self._cloud.log_streams.pop(request["logStreamName"], None) is None:
                raise NotFoundError("ResourceNotFoundException", "The specified log stream does not exist.")
            return {}

        return self._call("DeleteLogStream", request, answer)

    def describe_log_streams(self, **request: Any) -> Json:
        """As boto3: by name, fifty at most."""

        def answer(run: Run) -> Json:
            prefix = request.get("logStreamNamePrefix", "")
            found = sorted(each for each in self._cloud.log_streams.items() if each[0].startswith(prefix))[
                :50
            ]
            run.items += len(found)
            return {"logStreams": [{"logStreamName": name, "creationTime": at} for name, at in found]}

        return self._call("DescribeLogStreams", request, answer)


class Sns(Client):
    """Amazon SNS."""

    service = "sns"

    def publish(self, **request: Any) -> Json:
        """As boto3."""

        def answer(run: Run) -> Json:
            self._cloud.checks.told(run, request["Subject"], request["Message"])
            return {"MessageId": str(self._cloud.clock.now)}

        return self._call("Publish", request, answer)


class _Exceptions:
    """`client.exceptions`."""

    def __init__(self, names: tuple[str, ...]) -> None:
        for name in names:
            setattr(self, name, type(name, (ClientError,), {}))


CLIENTS: dict[str, type[Client]] = {kind.service: kind for kind in (Ecs, Ecr, Ec2, Route53, Logs, Sns)}
EXCEPTIONS = {kind: _Exceptions(kind.errors) for kind in CLIENTS.values()}
