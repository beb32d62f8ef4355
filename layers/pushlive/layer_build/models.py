"""What a client needs of botocore's data: the models of the operations that are called, and no other.

A service's model is one file with all its operations, and a client reads it whole when it is made: EC2's has
four megabytes of JSON. A call of an operation that was left out is an AttributeError.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import shutil
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from layer_build.aws_calls import Call

    Json = dict[str, Any]

MODEL, PAGINATORS, ENDPOINT_RULES = "service-2", "paginators-1", "endpoint-rule-set-1"
ENDPOINTS = "endpoints.json"
KEPT = ("partitions.json", "sdk-default-configuration.json")
"""What the making of any client reads besides, whole. `_retry.json` is for the legacy retry mode only."""


class MissingInModelError(Exception):
    """The code uses something that botocore's data do not have; the text names it."""


class Models:
    """The service models in botocore's folder `data`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._models: dict[str, Json] = {}
        self._operations: dict[str, dict[str, str]] = {}

    def operations(self, service: str) -> Mapping[str, str]:
        """Return the methods of a service's client, each with its operation."""
        if service not in self._operations:
            names = self.model(service)["operations"]
            self._operations[service] = {self._botocore.xform_name(name): name for name in names}
        return self._operations[service]

    def model(self, service: str) -> Json:
        """Return a service's newest model.

        Raises:
            MissingInModelError: botocore has none.
        """
        if service not in self._models:
            self._models[service] = self._read(self.newest(service), MODEL) or {}
        return self._models[service]

    def newest(self, service: str) -> Path:
        """Return the folder of a service's newest API version, which a client takes."""
        versions = sorted((self.folder / service).glob("*/service-2.json*"))
        if not versions:
            raise MissingInModelError(f"botocore has no model of the service {service} in {self.folder}")
        return versions[-1].parent

    @cached_property
    def _botocore(self) -> Any:  # noqa: ANN401 - a module
        """The botocore that the data belong to, though this Python may have another one, or none."""
        spec = importlib.util.spec_from_file_location("_botocore", self.folder.parent / "__init__.py")
        if spec is None or spec.loader is None:
            raise MissingInModelError(f"no botocore at {self.folder.parent}")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _read(self, version: Path, name: str) -> Json | None:
        """Return a file of a service, with what botocore's own extras add to it; None if there is none."""
        if (content := _content(version / f"{name}.json")) is None:
            return None
        extras = _content(version / f"{name}.sdk-extras.json") or {}
        _merge(content, extras.get("merge", {}))
        return content

    def trim(self, calls: Iterable[Call]) -> None:
        """Leave in the folder what these calls need.

        Raises:
            MissingInModelError: something that is called is not there. Then the folder is as it was.
        """
        kept: dict[Path, Json] = {}
        by_service: dict[str, list[Call]] = {}
        for call in sorted(calls):
            by_service.setdefault(call.service, []).append(call)
        endpoints: set[str] = set()
        for service, its_calls in by_service.items():
            version, model = self.newest(service), self.model(service)
            folder = self.folder / service / version.name
            kept[folder / f"{MODEL}.json"] = trimmed_model(service, model, {c.operation for c in its_calls})
            kept[folder / f"{ENDPOINT_RULES}.json"] = _present(version / f"{ENDPOINT_RULES}.json")
            if paginated := {call.operation for call in its_calls if call.paginated}:
                paginators = self._read(version, PAGINATORS) or {"pagination": {}}
                kept[folder / f"{PAGINATORS}.json"] = trimmed_paginators(service, paginators, paginated)
            endpoints |= {service, model["metadata"]["endpointPrefix"]}
        for name in KEPT:
            kept[self.folder / name] = _present(self.folder / name)
        kept[self.folder / ENDPOINTS] = trimmed_endpoints(_present(self.folder / ENDPOINTS), endpoints)
        shutil.rmtree(self.folder)
        for path, content in kept.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def trimmed_model(service: str, model: Json, operations: set[str]) -> Json:
    """Return a service's model with these operations only, and the shapes that they reach."""
    if missing := operations - model["operations"].keys():
        raise MissingInModelError(f"the service {service} has no operation {', '.join(sorted(missing))}")
    kept = {name: _without_words(model["operations"][name]) for name in sorted(operations)}
    shapes: Json = {}
    todo = sorted(_shapes_named_in(kept))
    while todo:
        name = todo.pop()
        if name not in shapes:
            shapes[name] = _without_words(model["shapes"][name])
            todo += _shapes_named_in(shapes[name])
    return {**_without_words(model), "operations": kept, "shapes": shapes}


def trimmed_paginators(service: str, paginators: Json, operations: set[str]) -> Json:
    """Return the definitions of these paginators only."""
    if missing := operations - paginators["pagination"].keys():
        raise MissingInModelError(f"the service {service} has no paginator of {', '.join(sorted(missing))}")
    return {"pagination": {name: paginators["pagination"][name] for name in sorted(operations)}}


def trimmed_endpoints(endpoints: Json, prefixes: set[str]) -> Json:
    """Return the regions of all partitions, and the endpoints of these services only."""
    return {
        **endpoints,
        "partitions": [
            {
                **partition,
                "services": {name: each for name, each in partition["services"].items() if name in prefixes},
            }
            for partition in endpoints["partitions"]
        ],
    }


def _shapes_named_in(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield what `{"shape": NAME}` names, anywhere in `value`."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "shape" and isinstance(inner, str):
                yield inner
            else:
                yield from _shapes_named_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _shapes_named_in(inner)


def _without_words(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return `value` without documentation. A member of that name has a shape, not a text."""
    if isinstance(value, dict):
        return {
            key: _without_words(inner)
            for key, inner in value.items()
            if not (key == "documentation" and isinstance(inner, str))
        }
    return [_without_words(inner) for inner in value] if isinstance(value, list) else value


def _present(path: Path) -> Json:
    if (content := _content(path)) is None:
        raise MissingInModelError(f"botocore has no {path}")
    return content


def _content(path: Path) -> Json | None:
    """Return what is in a file, which botocore may have packed; None if there is no such file."""
    packed = path.with_name(f"{path.name}.gz")
    if not path.exists() and not packed.exists():
        return None
    content: Json = json.loads(path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes()))
    return content


def _merge(base: Json, extra: Json) -> None:
    for key, value in extra.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
