"""What is uploaded: the layer and the functions, zipped, beside the libraries as people upload them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

FUNCTIONS = ("RedeployService", "UpdateRecord")
MEGABYTE = 1_000_000


def packages(built: Path, plain: Path, folder: Path) -> dict[str, Any]:
    """Return the sizes in MB of what `sam build` made, and of the plain libraries."""
    nested = built / "Pushlive"
    parts = {"layer": nested / "PushliveLayer", **{name: nested / name for name in FUNCTIONS}, "plain": plain}
    zipped = {name: _zipped(path, folder / f"{name}-zipped") for name, path in parts.items()}
    unpacked = {name: _size(path) for name, path in parts.items()}
    return {
        "layer_ratio_to_plain": round(zipped["layer"] / zipped["plain"], 3),
        "zipped_mb": {name: round(size / MEGABYTE, 3) for name, size in zipped.items()},
        "unpacked_mb": {name: round(size / MEGABYTE, 3) for name, size in unpacked.items()},
    }


def _zipped(folder: Path, archive: Path) -> int:
    return Path(shutil.make_archive(str(archive), "zip", folder)).stat().st_size


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
