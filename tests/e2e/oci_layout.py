"""An image that Docker built, made into what buildx pushes for two platforms, as an OCI image layout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lab.ecr.oci import CONFIG, INDEX, MANIFEST, Blob, Image, build_index

if TYPE_CHECKING:
    from pathlib import Path

OTHER = {"amd64": "arm64", "arm64": "amd64"}


def write_index(source: Path, target: Path) -> None:
    """Write an index of the image in the layout `source`, the same for the other processor, attestations."""
    [entry] = json.loads((source / "index.json").read_bytes())["manifests"]
    image = _image(source, entry["digest"])
    index = build_index([image, _for_the_other_processor(image)], attestations=True)
    target.mkdir()
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    top: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [index.manifest.descriptor()]}
    (target / "index.json").write_text(json.dumps(top))
    blobs = [index.manifest]
    for child in index.children:
        blobs += [child.manifest, child.config, *child.layers]
    (target / "blobs" / "sha256").mkdir(parents=True)
    for blob in blobs:
        (target / "blobs" / blob.digest.replace(":", "/")).write_bytes(blob.content)


def _image(layout: Path, digest: str) -> Image:
    def blob(media_type: str, name: str) -> Blob:
        return Blob(media_type, (layout / "blobs" / name.replace(":", "/")).read_bytes())

    manifest = blob(MANIFEST, digest)
    content = json.loads(manifest.content)
    layers = tuple(blob(layer["mediaType"], layer["digest"]) for layer in content["layers"])
    return Image(manifest, blob(CONFIG, content["config"]["digest"]), layers)


def _for_the_other_processor(image: Image) -> Image:
    """The same files under another name: nobody runs them."""
    settings = json.loads(image.config.content)
    settings["architecture"] = OTHER[settings["architecture"]]
    config = Blob(CONFIG, json.dumps(settings).encode())
    manifest = json.loads(image.manifest.content) | {"config": config.descriptor()}
    return Image(Blob(MANIFEST, json.dumps(manifest).encode()), config, image.layers)
