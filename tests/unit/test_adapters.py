"""What ECR, EC2, Route 53 and CloudWatch Logs answer as our values, and what is written to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from pushlive import ec2, ecr, leases, route53
from pushlive.answers import IncompleteAnswerError
from pushlive.leases import Lease
from pushlive.model import Image, Record, Service, ServiceDeployment
from pushlive.record_plan import owner_text
from pushlive.redeploy_plan import DeploymentState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

Json = dict[str, Any]

REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
APP = f"{REGISTRY}/app:latest"
PUSHED_AT = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
INDEXES = [INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"]
CHART = "application/vnd.cncf.helm.config.v1+json"


@pytest.fixture(scope="module")
def clients() -> Mapping[str, Any]:
    session = boto3.Session(region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
    return {name: session.client(name) for name in ("ecr", "ec2", "route53", "logs")}


@pytest.fixture
def stubbed(clients: Mapping[str, Any]) -> Iterator[Callable[[str], Stubber]]:
    """The stubber of a service's client; what was not asked for is an error."""
    stubs: dict[str, Stubber] = {}

    def stub(service: str) -> Stubber:
        if service not in stubs:
            stubs[service] = Stubber(clients[service])
            stubs[service].activate()
        return stubs[service]

    yield stub
    for each in stubs.values():
        each.assert_no_pending_responses()
        each.deactivate()


# ECR


def image(digest: str = "sha256:1", *tags: str, **more: Any) -> Json:
    usual = {"imageDigest": digest, "imagePushedAt": PUSHED_AT, "imageManifestMediaType": MANIFEST}
    return {**usual, "imageTags": list(tags), **more}


@pytest.mark.parametrize(
    ("described", "found"),
    [
        pytest.param(image(), Image(APP, "sha256:1", PUSHED_AT), id="image"),
        pytest.param(
            image(artifactMediaType="application/vnd.docker.container.image.v1+json"),
            Image(APP, "sha256:1", PUSHED_AT),
            id="image-of-docker",
        ),
        pytest.param(
            image(artifactMediaType="application/vnd.oci.image.config.v1+json"),
            Image(APP, "sha256:1", PUSHED_AT),
            id="image-of-oci",
        ),
        *[
            pytest.param(image(artifactMediaType=kind), Image(APP, "sha256:1", PUSHED_AT), id=kind)
            for kind in (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
        ],
        *[
            pytest.param(image(artifactMediaType=kind), Image(APP, None, artifact=kind), id=kind)
            for kind in ("application/vnd.docker.plugin.v1+json", "application/vnd.oci.empty.v1+json")
        ],
        pytest.param(image(artifactMediaType=CHART), Image(APP, None, artifact=CHART), id="chart"),
        pytest.param({"imageDigest": "sha256:1"}, Image(APP, "sha256:1"), id="nothing-but-a-digest"),
    ],
)
def test_image(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], described: Json, found: Image
) -> None:
    asked = {"repositoryName": "app", "imageIds": [{"imageTag": "latest"}]}
    stubbed("ecr").add_response("describe_images", {"imageDetails": [described]}, asked)
    assert ecr.image(clients["ecr"], APP, "app", "latest") == found


@pytest.mark.parametrize("media_type", INDEXES)
@pytest.mark.parametrize("kind", [{}, {"artifactMediaType": "application/vnd.example"}], ids=["", "typed"])
def test_an_index_has_its_members(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], media_type: str, kind: Json
) -> None:
    described = image(imageManifestMediaType=media_type, **kind)
    stubbed("ecr").add_response("describe_images", {"imageDetails": [described]})
    manifest = json.dumps({"manifests": [{"digest": "sha256:2"}, {"digest": "sha256:3"}]})
    stubbed("ecr").add_response(
        "batch_get_image",
        {"images": [{"imageId": {"imageDigest": "sha256:1"}, "imageManifest": manifest}]},
        {
            "repositoryName": "app",
            "imageIds": [{"imageDigest": "sha256:1"}],
            "acceptedMediaTypes": INDEXES,
        },
    )
    found = ecr.image(clients["ecr"], APP, "app", "latest")
    assert found == Image(APP, "sha256:1", PUSHED_AT, frozenset({"sha256:2", "sha256:3"}))


@pytest.mark.parametrize("answer", [{}, {"images": []}, {"images": [{"imageId": {}}, {}]}])
def test_an_index_of_which_ecr_tells_nothing_has_no_members(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], answer: Json
) -> None:
    stubbed("ecr").add_response("describe_images", {"imageDetails": [image(imageManifestMediaType=INDEX)]})
    stubbed("ecr").add_response("batch_get_image", answer)
    assert ecr.image(clients["ecr"], APP, "app", "latest") == Image(APP, "sha256:1", PUSHED_AT)


@pytest.mark.parametrize("code", ["ImageNotFoundException", "RepositoryNotFoundException"])
def test_an_image_that_is_not_there(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], code: str
) -> None:
    stubbed("ecr").add_client_error("describe_images", code)
    assert ecr.image(clients["ecr"], APP, "app", "latest") == Image(APP, None)


@pytest.mark.parametrize("answer", [{}, {"imageDetails": []}, {"imageDetails": [{"imageTags": ["latest"]}]}])
def test_an_image_without_a_digest_is_an_error_that_names_it(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], answer: Json
) -> None:
    stubbed("ecr").add_response("describe_images", answer)
    with pytest.raises(IncompleteAnswerError, match="DescribeImages lacks imageDigest"):
        ecr.image(clients["ecr"], APP, "app", "latest")


def test_images_of_several_repositories_by_their_references(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any]
) -> None:
    """One call a repository; what has no digest, or is of another tag, is not in the answer."""
    references = {f"{REGISTRY}/{name}" for name in ("app:a", "app:b", "app", "side:c")} | {"nginx"}
    described = [
        image("sha256:1", "a", "other"),
        image("sha256:2", "b", artifactMediaType=CHART),
        image("sha256:3", "latest", imageManifestMediaType=INDEX),
        {"imageTags": ["c"]},
    ]
    tags = [{"imageTag": tag} for tag in ("latest", "a", "b")]
    stubbed("ecr").add_response(
        "describe_images", {"imageDetails": described}, {"repositoryName": "app", "imageIds": tags}
    )
    members = {"imageId": {"imageDigest": "sha256:3"}, "imageManifest": '{"manifests": [{"digest": "x"}]}'}
    asked = {
        "repositoryName": "app",
        "imageIds": [{"imageDigest": "sha256:3"}],
        "acceptedMediaTypes": INDEXES,
    }
    stubbed("ecr").add_response("batch_get_image", {"images": [members]}, asked)
    stubbed("ecr").add_client_error("describe_images", "AccessDeniedException")
    a, b, latest = (f"{REGISTRY}/{name}" for name in ("app:a", "app:b", "app"))
    assert ecr.images(clients["ecr"], references, REGISTRY) == {
        a: Image(a, "sha256:1", PUSHED_AT),
        b: Image(b, None, artifact=CHART),
        latest: Image(latest, "sha256:3", PUSHED_AT, frozenset({"x"})),
    }


def test_images_are_asked_a_hundred_at_once(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any]
) -> None:
    tags = [f"t{number:03}" for number in range(101)]
    for some in (tags[:100], tags[100:]):
        stubbed("ecr").add_response(
            "describe_images",
            {"imageDetails": [image(f"sha256:{tag}", tag) for tag in some]},
            {"repositoryName": "app", "imageIds": [{"imageTag": tag} for tag in some]},
        )
    assert len(ecr.images(clients["ecr"], [f"{REGISTRY}/app:{tag}" for tag in tags], REGISTRY)) == 101


# EC2


def test_public_addresses(stubbed: Callable[[str], Stubber], clients: Mapping[str, Any]) -> None:
    association = {"PublicIp": "203.0.113.1"}
    interfaces = [
        {"NetworkInterfaceId": "eni-1", "Association": association},
        {"NetworkInterfaceId": "eni-2"},
        {"NetworkInterfaceId": "eni-3", "Association": {}},
        {"Association": association},
    ]
    asked = {"Filters": [{"Name": "network-interface-id", "Values": ["eni-1", "eni-2", "eni-3"]}]}
    stubbed("ec2").add_response("describe_network_interfaces", {"NetworkInterfaces": interfaces}, asked)
    found = ec2.public_ips(clients["ec2"], ["eni-3", "eni-1", "eni-2", "eni-1"])
    assert found == {"eni-1": "203.0.113.1"}


@pytest.mark.parametrize(("interfaces", "calls"), [(0, 0), (200, 1), (201, 2)])
def test_public_addresses_are_asked_two_hundred_at_once(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], interfaces: int, calls: int
) -> None:
    wanted = [f"eni-{number:03}" for number in range(interfaces)]
    for call in range(calls):
        some = wanted[200 * call : 200 * call + 200]
        asked = {"Filters": [{"Name": "network-interface-id", "Values": some}]}
        stubbed("ec2").add_response("describe_network_interfaces", {}, asked)
    assert ec2.public_ips(clients["ec2"], wanted) == {}


# Route 53

SHORT = owner_text("arn:aws:ecs:eu-west-1:123456789012:service/lab/app")
LONG = owner_text(f"arn:aws:ecs:eu-west-1:123456789012:service/{'c' * 255}/{'s' * 255}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(SHORT, f'"{SHORT}"', id="short"),
        pytest.param("x" * 255, f'"{"x" * 255}"', id="as-long-as-a-string-may-be"),
        pytest.param("x" * 256, f'"{"x" * 255}" "x"', id="longer"),
        pytest.param(LONG, f'"{LONG[:255]}" "{LONG[255:510]}" "{LONG[510:]}"', id="longest-names"),
    ],
)
def test_ownership_is_written_and_read_in_strings_of_255_characters(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], text: str, value: str
) -> None:
    """Route 53 guide, "TXT record type"."""

    def change(action: str, kind: str, value: str, ttl: int) -> Json:
        name = "app.example.com" if kind == "A" else "_pushlive.app.example.com"
        record = {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": value}]}
        return {"Action": action, "ResourceRecordSet": record}

    def asked(*changes: Json) -> Json:
        return {"HostedZoneId": "Z1", "ChangeBatch": {"Comment": "pushlive", "Changes": list(changes)}}

    done = {"ChangeInfo": {"Id": "1", "Status": "PENDING", "SubmittedAt": PUSHED_AT}}
    stub, client = stubbed("route53"), clients["route53"]
    made = [change("CREATE", "A", "192.0.2.1", 10), change("CREATE", "TXT", value, 300)]
    stub.add_response("change_resource_record_sets", done, asked(*made))
    route53.write(client, "Z1", "app.example.com", Record(), frozenset({"192.0.2.1"}), 10, text)

    page = {"IsTruncated": False, "MaxItems": "20"}
    for each in made:
        found = {**each["ResourceRecordSet"], "Name": f"{each['ResourceRecordSet']['Name']}."}
        stub.add_response("list_resource_record_sets", {**page, "ResourceRecordSets": [found]})
    record = route53.read_record(client, "Z1", "app.example.com")
    assert record == Record(frozenset({"192.0.2.1"}), 10, exists=True, owner=text, owner_ttl_seconds=300)

    gone = [change("DELETE", "A", "192.0.2.1", 10), change("DELETE", "TXT", value, 300)]
    again = [gone[0], change("CREATE", "A", "192.0.2.2", 7), gone[1], made[1]]
    stub.add_response("change_resource_record_sets", done, asked(*again))
    route53.write(client, "Z1", "app.example.com", record, frozenset({"192.0.2.2"}), 7, text)
    stub.add_response("change_resource_record_sets", done, asked(*gone))
    route53.delete(client, "Z1", "app.example.com", record)

    owner = {"Name": "_pushlive.app.example.com.", "Type": "TXT", "ResourceRecords": [{"Value": value}]}
    stub.add_response("list_resource_record_sets", {**page, "ResourceRecordSets": [owner]})
    services = text.removeprefix("pushlive service=").rpartition("/")[0]
    owned = list(route53.owned(client, "Z1", services)) if text in (SHORT, LONG) else []
    if not owned:
        client.list_resource_record_sets(HostedZoneId="Z1")
    else:
        assert owned == [("app.example.com", text.removeprefix("pushlive service="))]


# CloudWatch Logs

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


def service(*digests: str, never_ran: bool = False) -> DeploymentState:
    found = [Image(f"{REGISTRY}/{digest}", f"sha256:{digest * 64}") for digest in digests]
    images = {f"container{number}": image for number, image in enumerate(found)}
    ran = ServiceDeployment("arn/follows", "SUCCESSFUL", NOW, {} if never_ran else {"app": "sha256:1"})
    return DeploymentState(Service("app", "arn"), images=images, deployments=(ran,))


@pytest.mark.parametrize("digests", [("a", "b"), ("b", "a"), ("b", "a", "b")])
def test_a_lease_names_each_digest_once_in_their_order(digests: tuple[str, ...]) -> None:
    wanted = (f"leases/app/follows/{'a' * 12}-{'b' * 12}",)
    assert leases.subjects(service(*digests), deploys=True) == wanted


FIRST, OF_ITS_IMAGE = "leases/app/follows/first", f"leases/app/follows/{'a' * 12}"


@pytest.mark.parametrize(
    ("deploys", "names"),
    [(True, (FIRST, OF_ITS_IMAGE)), (False, (FIRST,))],
    ids=["to-start-it", "to-hold-it"],
)
def test_leases_of_a_service_that_never_ran(deploys: bool, names: tuple[str, ...]) -> None:  # noqa: FBT001
    assert leases.subjects(service("a", never_ran=True), deploys=deploys) == names


def test_a_lease_of_a_service_without_any_deployment_follows_none() -> None:
    found = service("a")
    found = found._replace(deployments=(), service=found.service._replace(running_count=1))
    assert leases.subjects(found, deploys=True) == (f"leases/app/none/{'a' * 12}",)


def seconds_ago(seconds: float) -> int:
    return int((NOW - timedelta(seconds=seconds)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("streams", "number"),
    [
        pytest.param([("s/1", 64)], None, id="its-run-may-be-at-work"),
        pytest.param([("s/1", 65)], 2, id="its-run-is-over"),
        pytest.param([("s/1", 500), ("s/2", 64)], None, id="taken-over-and-that-run-may-be-at-work"),
        pytest.param([("s/1", 500), ("s/2", 65)], 3, id="taken-over-and-that-run-is-over"),
        pytest.param([("s/1", 500), ("s/done", 400)], None, id="done"),
        pytest.param([("s/1", None)], None, id="made-at-a-time-that-is-not-told"),
        pytest.param([], None, id="given-back-meanwhile"),
    ],
)
def test_taking_a_lease_that_another_run_holds(
    stubbed: Callable[[str], Stubber],
    clients: Mapping[str, Any],
    streams: list[tuple[str, float | None]],
    number: int | None,
) -> None:
    """Only streams below this subject are asked for: those of others do not keep it from being taken."""
    stub = stubbed("logs")
    first = {"logGroupName": "group", "logStreamName": "s/1"}
    stub.add_client_error("create_log_stream", "ResourceAlreadyExistsException", expected_params=first)
    shown = [
        {"logStreamName": name} | ({} if ago is None else {"creationTime": seconds_ago(ago)})
        for name, ago in streams
    ]
    asked = {"logGroupName": "group", "logStreamNamePrefix": "s/"}
    stub.add_response("describe_log_streams", {"logStreams": shown}, asked)
    if number:
        stub.add_response("create_log_stream", {}, {**first, "logStreamName": f"s/{number}"})
    taken = leases.take(clients["logs"], "group", "s", NOW)
    assert taken == (Lease("s", number) if number else None)


def test_a_lease_that_another_run_takes_over_at_the_same_moment_is_that_runs(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any]
) -> None:
    stub = stubbed("logs")
    stub.add_client_error("create_log_stream", "ResourceAlreadyExistsException")
    shown = [{"logStreamName": "s/1", "creationTime": seconds_ago(500)}]
    stub.add_response("describe_log_streams", {"logStreams": shown})
    stub.add_client_error("create_log_stream", "ResourceAlreadyExistsException")
    assert leases.take(clients["logs"], "group", "s", NOW) is None


@pytest.mark.parametrize("length", [507, 508, 1000])
def test_a_streams_name_fits_and_is_of_its_subject_only(
    stubbed: Callable[[str], Stubber], clients: Mapping[str, Any], length: int
) -> None:
    """CloudWatch Logs API reference, CreateLogStream, logStreamName: 512 characters."""
    names = []
    for subject in ("s" * length, "s" * (length - 1) + "t"):
        stubbed("logs").add_response("create_log_stream", {})
        taken = leases.take(clients["logs"], "group", subject, NOW)
        assert taken is not None
        names += [taken.stream, taken._replace(number=9999).stream, f"{taken.subject}/{leases.FINISHED}"]
        assert (taken.subject == subject) is (length == 507)
        assert taken.subject[:400] == subject[:400]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) == 512
