"""Images made without Docker, in a real registry: MiniStack's ECR."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from lab.ecr import push
from lab.ecr.oci import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Blob,
    Image,
    TarError,
    build_image,
    build_index,
    hello_app_image,
    unpack,
)
from lab.ecr.registry import RegistryError, pull_image, push_image, push_index
from tests.support.ministack_process import ministack

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

SMALL = {"app/run.sh": b"#!/bin/sh\necho hello\n", "etc/motd": b"good morning\n"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("ministack")) as host:
        yield host


@pytest.fixture(scope="module")
def ecr(registry: str) -> "ECRClient":
    client: ECRClient = boto3.client(
        "ecr",
        endpoint_url=f"http://{registry}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    return client


@pytest.fixture
def repository(ecr: "ECRClient", request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace("_", "-")
    ecr.create_repository(repositoryName=name)
    return str(name)


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> Blob:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return Blob(LAYER, buffer.getvalue())


def file(name: str) -> tarfile.TarInfo:
    return tarfile.TarInfo(name)


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = tarfile.SYMTYPE
    member.linkname = target
    return member


def image_of(*layers: Blob) -> Image:
    return Image(Blob(MANIFEST, b"{}"), Blob(CONFIG, b"{}"), layers)


def test_same_content_has_the_same_digest_and_another_content_another() -> None:
    image = build_image(SMALL, command=["/app/run.sh"])
    assert image == build_image(dict(reversed(SMALL.items())), command=["/app/run.sh"])
    assert image.digest != build_image(SMALL | {"etc/motd": b"good night\n"}, command=["/app/run.sh"]).digest
    assert hello_app_image("1").digest != hello_app_image("2").digest


def test_config_says_how_to_run_it_and_names_the_uncompressed_layer() -> None:
    image = build_image(
        SMALL,
        entry_point=["/app/run.sh"],
        command=["once"],
        environment={"COLOUR": "green"},
        user="10001",
        port=8080,
        target="linux/arm64",
    )
    config = json.loads(image.config.content)
    assert (config["os"], config["architecture"]) == ("linux", "arm64")
    assert config["config"] == {
        "Entrypoint": ["/app/run.sh"],
        "Cmd": ["once"],
        "Env": ["COLOUR=green"],
        "User": "10001",
        "ExposedPorts": {"8080/tcp": {}},
        "WorkingDir": "/",
    }
    with tarfile.open(fileobj=io.BytesIO(image.layers[0].content), mode="r:gz") as archive:
        assert [(m.name, m.mode, m.mtime, m.uid) for m in archive] == [
            ("app/run.sh", 0o755, 0, 0),
            ("etc/motd", 0o644, 0, 0),
        ]


def test_registry_stores_our_bytes_under_our_digest(registry: str, ecr: "ECRClient", repository: str) -> None:
    image = build_image(SMALL, command=["/app/run.sh"])
    assert push_image(registry, repository, "v1", image) == image.digest
    assert push_image(registry, repository, "v1", image) == image.digest  # again: nothing left to send

    (stored,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])["images"]
    assert stored["imageManifest"].encode() == image.manifest.content
    assert stored["imageId"]["imageDigest"] == image.digest
    assert stored["imageManifestMediaType"] == MANIFEST


def test_moving_a_tag_leaves_the_old_image_untagged(registry: str, ecr: "ECRClient", repository: str) -> None:
    first, second = hello_app_image("1"), hello_app_image("2")
    push_image(registry, repository, "latest", first)
    push_image(registry, repository, "latest", second)
    details = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert {d["imageDigest"]: d.get("imageTags") or [] for d in details} == {
        first.digest: [],
        second.digest: ["latest"],
    }


def test_index_has_untagged_children_and_gives_each_platform_its_own(
    registry: str, ecr: "ECRClient", repository: str
) -> None:
    amd64, arm64 = (hello_app_image("1", target=f"linux/{name}") for name in ("amd64", "arm64"))
    index = build_index([amd64, arm64], attestations=True)
    assert push_index(registry, repository, "latest", index) == index.digest

    details = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert {d["imageDigest"]: d.get("imageTags") or [] for d in details} == {
        index.digest: ["latest"],
        **{child.digest: [] for child in index.children},
    }
    assert len(index.children) == 4
    (stored,) = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "latest"}])["images"]
    assert stored["imageManifestMediaType"] == INDEX
    assert pull_image(registry, repository, "latest", target="linux/amd64") == amd64
    assert pull_image(registry, repository, index.digest, target="linux/arm64") == arm64
    with pytest.raises(RegistryError, match="no image for linux/s390x"):
        pull_image(registry, repository, "latest", target="linux/s390x")


def test_pulled_image_is_what_was_pushed(registry: str, repository: str, tmp_path: Path) -> None:
    image = build_image(SMALL, command=["/app/run.sh"])
    push_image(registry, repository, None, image)
    pulled = pull_image(registry, repository, image.digest)
    assert pulled == image
    unpack(pulled, tmp_path)
    assert {str(p.relative_to(tmp_path)): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == SMALL


@pytest.mark.parametrize("reference", ["no-such-tag", f"sha256:{'0' * 64}"], ids=["tag", "digest"])
def test_pull_of_an_unknown_image_fails(registry: str, ecr: "ECRClient", reference: str) -> None:
    repository = f"unknown-{len(reference)}"
    ecr.create_repository(repositoryName=repository)
    with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
        pull_image(registry, repository, reference)


def test_push_to_a_missing_repository_fails(registry: str) -> None:
    with pytest.raises(RegistryError, match="NAME_UNKNOWN"):
        push_image(registry, "nobody-made-this", "latest", hello_app_image("1"))


@pytest.mark.parametrize("name", ["../outside", "a/../../outside"])
def test_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TarError, match="outside the destination"):
        unpack(image_of(layer((file(name), b"!"))), tmp_path / "rootfs")
    assert not (tmp_path / "outside").exists()


def test_link_that_leaves_the_folder_is_left_out(tmp_path: Path) -> None:
    image = image_of(
        layer(
            (link("bin/sh", "/bin/busybox"), b""),
            (link("up", "../../somewhere"), b""),
            (link("latest", "etc/motd"), b""),
            (file("etc/motd"), b"hi"),
        )
    )
    unpack(image, tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["etc", "latest", "motd"]
    assert (tmp_path / "latest").read_bytes() == b"hi"


def test_file_through_a_link_to_the_outside_is_refused(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    rootfs.mkdir()
    (rootfs / "escape").symlink_to(tmp_path)
    with pytest.raises(TarError, match="outside the destination"):
        unpack(image_of(layer((file("escape/stolen"), b"!"))), rootfs)
    with pytest.raises(TarError, match="outside the destination"):
        unpack(image_of(layer((file("escape/.wh.kept"), b""))), rootfs)


def test_upper_layer_deletes_what_its_whiteouts_name(tmp_path: Path) -> None:
    lower = layer((file("etc/old"), b""), (file("cache/a/b"), b""), (file("kept"), b""))
    upper = layer((file("etc/.wh.old"), b""), (file(".wh.cache"), b""), (file(".wh.never-was"), b""))
    unpack(image_of(lower, upper), tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["etc", "kept"]


def test_hello_app_is_pushed_by_a_command(
    registry: str, ecr: "ECRClient", repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push.main([f"{registry}/{repository}:latest", "2"]) == 0
    [image] = ecr.describe_images(repositoryName=repository)["imageDetails"]
    assert image["imageTags"] == ["latest"]
    assert image["imageDigest"] in capsys.readouterr().out
    assert pull_image(registry, repository, "latest").manifest == hello_app_image("2").manifest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "usage: python -m lab.ecr.push 127.0.0.1:PORT/REPOSITORY:TAG"),
        (["123456789012.dkr.ecr.eu-west-1.amazonaws.com/hello:latest"], "usage: "),
        (["127.0.0.1:1/hello:latest"], "Is the lab running"),
    ],
    ids=["no-image", "an-image-on-aws", "no-lab"],
)
def test_a_push_that_cannot_be_says_what_to_do(arguments: list[str], said: str) -> None:
    assert said in str(push.main(arguments))
