"""OCI images, built and unpacked without Docker.

From the OCI image specification (image-spec: config.md, layer.md, manifest.md, image-index.md). One
platform's image is a manifest, a config and layers; an index names several. Ours have one layer and no
base.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 12) and not hasattr(tarfile, "data_filter"):  # it came with 3.11.4
    from backports import tarfile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TarError = tarfile.TarError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
HELLO_APP = Path(__file__).parents[2] / "hello_app"


@dataclass(frozen=True)
class Blob:
    """Bytes that a registry stores under their digest."""

    media_type: str
    content: bytes

    @property
    def digest(self) -> str:
        """The name of these bytes: `sha256:…`."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def descriptor(self) -> dict[str, Any]:
        """How a manifest refers to these bytes."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.content)}


@dataclass(frozen=True)
class Image:
    """One platform's image."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        """The digest that ECR shows for the image."""
        return self.manifest.digest


@dataclass(frozen=True)
class Index:
    """Several platforms' images under one digest, as `docker buildx build --platform a,b` pushes them."""

    manifest: Blob
    children: tuple[Image, ...]

    @property
    def digest(self) -> str:
        """The digest that ECR shows for the tag."""
        return self.manifest.digest


def this_machine() -> str:
    """The platform of images that run here, such as `linux/amd64`."""
    machine = platform.machine().lower()
    return "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def build_image(
    files: Mapping[str, bytes],
    *,
    command: Sequence[str],
    entry_point: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    user: str = "",
    port: int | None = None,
    target: str | None = None,
) -> Image:
    """An image that holds `files` (path in the image → content); the same arguments give the same digest.

    `target` is a platform such as `linux/arm64`; this machine's by default.
    """
    system, architecture = (target or this_machine()).split("/")
    archive = _tar(files)
    settings: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in (environment or {}).items()],
        "Cmd": list(command),
        "WorkingDir": "/",
    }
    if entry_point:
        settings["Entrypoint"] = list(entry_point)
    if user:
        settings["User"] = user
    if port:
        settings["ExposedPorts"] = {f"{port}/tcp": {}}
    config = _json_blob(
        CONFIG,
        {
            "architecture": architecture,
            "os": system,
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [Blob(LAYER, archive).digest]},
        },
    )
    layer = Blob(LAYER, gzip.compress(archive, mtime=0))
    return _image(config, layer)


def hello_app_image(
    version: str, *, environment: Mapping[str, str] | None = None, target: str | None = None
) -> Image:
    """The image that hello_app/Dockerfile describes, without its base: the lab runs it with its own Python.

    `environment` comes on top of the Dockerfile's ENV, for an image that misbehaves.
    """
    return build_image(
        {"app/app.py": (HELLO_APP / "app.py").read_bytes()},
        command=["python3", "/app/app.py"],
        environment={"VERSION": version, "PYTHONUNBUFFERED": "1", "PORT": "8080"} | dict(environment or {}),
        user="10001",
        port=8080,
        target=target,
    )


def build_index(images: Sequence[Image], *, attestations: bool = False) -> Index:
    """An index of `images`; with `attestations`, a child more for each, as buildx adds since 0.10."""
    children = list(images)
    entries = []
    for image in images:
        config = json.loads(image.config.content)
        where = {"architecture": config["architecture"], "os": config["os"]}
        entries.append(image.manifest.descriptor() | {"platform": where})
    for image in images if attestations else []:
        statement = _json_blob("application/vnd.in-toto+json", {"subject": [{"digest": image.digest}]})
        unknown = {"architecture": "unknown", "os": "unknown"}
        attestation = _image(
            _json_blob(CONFIG, unknown | {"rootfs": {"type": "layers", "diff_ids": []}}), statement
        )
        children.append(attestation)
        notes = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        }
        entries.append(attestation.manifest.descriptor() | {"platform": unknown, "annotations": notes})
    manifest = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    return Index(_json_blob(INDEX, manifest), tuple(children))


def unpack(image: Image, folder: Path) -> None:
    """Write the image's files below `folder`, and nothing anywhere else.

    A link that leaves `folder` is left out: absolute ones are usual in base images (/bin/sh), and would name
    this machine's files. Everything else that leaves it is an error.

    Raises:
        TarError: a layer is broken, or a file would be written outside `folder`.
    """
    for layer in image.layers:
        with tarfile.open(fileobj=io.BytesIO(layer.content)) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if path.name.startswith(".wh."):  # a file deleted by this layer (layer.md, "Whiteouts")
                    deleted = member.replace(name=str(path.with_name(path.name.removeprefix(".wh."))))
                    _remove(folder / tarfile.data_filter(deleted, str(folder)).name)
                else:
                    archive.extract(member, folder, filter=_inside)


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    try:
        return tarfile.data_filter(member, folder)
    except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
        return None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name.lstrip("/"))
            member.size = len(content)
            member.mode = 0o755 if content.startswith(b"#!") else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _json_blob(media_type: str, content: Mapping[str, Any]) -> Blob:
    return Blob(media_type, json.dumps(content, separators=(",", ":"), sort_keys=True).encode())


def _image(config: Blob, layer: Blob) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Image(_json_blob(MANIFEST, manifest), config, (layer,))
