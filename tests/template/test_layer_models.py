"""What the build leaves of botocore's data and of the libraries."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import botocore
import pytest

from layer_build.aws_calls import Call, calls_of_layer
from layer_build.contents import keep_reached
from layer_build.models import (
    MissingInModelError,
    Models,
    trimmed_endpoints,
    trimmed_model,
    trimmed_paginators,
)
from tests.template.stack import ROOT

BOTOCORE = Path(botocore.__file__).parent
LAYER = ROOT / "layers" / "pushlive" / "pushlive"
HEAD = "from mypy_boto3_ecs import ECSClient\n"

MODEL: dict[str, Any] = {
    "metadata": {"endpointPrefix": "x"},
    "documentation": "words",
    "operations": {
        "Used": {
            "name": "Used",
            "input": {"shape": "In"},
            "errors": [{"shape": "Gone"}],
            "documentation": "words",
        },
        "Unused": {"name": "Unused", "input": {"shape": "Other"}},
    },
    "shapes": {
        "In": {
            "type": "structure",
            "members": {
                "shape": {"shape": "List"},
                "documentation": {"shape": "Text", "documentation": "words"},
            },
        },
        "List": {"type": "list", "member": {"shape": "In"}},
        "Text": {"type": "string"},
        "Gone": {"type": "structure", "members": {}, "exception": True},
        "Other": {"type": "structure", "members": {}},
    },
}


def test_model_keeps_what_its_operations_reach_and_no_words() -> None:
    trimmed = trimmed_model("x", MODEL, {"Used"})
    assert set(trimmed["operations"]) == {"Used"}
    assert set(trimmed["shapes"]) == {"In", "List", "Text", "Gone"}
    assert set(trimmed["shapes"]["In"]["members"]) == {"shape", "documentation"}
    assert "words" not in json.dumps(trimmed)
    assert trimmed["metadata"] == MODEL["metadata"]


def test_operation_that_the_model_lacks_is_named() -> None:
    with pytest.raises(MissingInModelError, match="the service x has no operation Gone"):
        trimmed_model("x", MODEL, {"Used", "Gone"})


def test_paginator_that_is_not_defined_is_named() -> None:
    defined = {"pagination": {"A": {"result_key": "a"}, "B": {}}}
    assert trimmed_paginators("x", defined, {"A"}) == {"pagination": {"A": {"result_key": "a"}}}
    with pytest.raises(MissingInModelError, match="the service x has no paginator of C"):
        trimmed_paginators("x", defined, {"A", "C"})


def test_endpoints_keep_all_regions_and_the_services_in_use() -> None:
    partition = {"partition": "aws", "regions": {"eu-west-1": {}}, "services": {"ecs": {}, "s3": {}}}
    [trimmed] = trimmed_endpoints({"partitions": [partition]}, {"ecs"})["partitions"]
    assert trimmed == partition | {"services": {"ecs": {}}}


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """A botocore that knows two services, one of them in two versions."""
    data = tmp_path / "botocore" / "data"
    for service in ("ecs", "sqs"):
        shutil.copytree(BOTOCORE / "data" / service, data / service)
    shutil.copytree(data / "ecs" / "2014-11-13", data / "ecs" / "2013-01-01")
    for path in BOTOCORE.glob("data/*.json"):
        shutil.copy(path, data)
    shutil.copy(BOTOCORE / "__init__.py", data.parent)
    return Models(data)


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


ALWAYS = {"endpoints.json", "partitions.json", "sdk-default-configuration.json"}
OF_ECS = {"ecs/2014-11-13/service-2.json", "ecs/2014-11-13/endpoint-rule-set-1.json"}


def test_data_of_services_operations_and_paginators_that_are_not_called_are_left_out(models: Models) -> None:
    models.trim([Call("ecs", "ListTasks", paginated=True), Call("ecs", "UpdateService")])
    assert files_in(models.folder) == ALWAYS | OF_ECS | {"ecs/2014-11-13/paginators-1.json"}
    after = Models(models.folder)
    assert dict(after.operations("ecs")) == {"list_tasks": "ListTasks", "update_service": "UpdateService"}


def test_paginators_are_left_out_where_none_is_used(models: Models) -> None:
    models.trim([Call("ecs", "UpdateService")])
    assert files_in(models.folder) == ALWAYS | OF_ECS


@pytest.mark.parametrize(
    ("call", "named"),
    [
        pytest.param(Call("sns", "Publish"), "the service sns", id="service"),
        pytest.param(Call("ecs", "MendService"), "ecs has no operation MendService", id="operation"),
        pytest.param(
            Call("ecs", "UpdateService", paginated=True), "no paginator of UpdateService", id="paginator"
        ),
    ],
)
def test_nothing_is_removed_where_something_is_missing(models: Models, call: Call, named: str) -> None:
    before = files_in(models.folder)
    with pytest.raises(MissingInModelError, match=named):
        models.trim([call, Call("ecs", "ListTasks")])
    assert files_in(models.folder) == before


def test_what_botocore_adds_to_a_paginator_is_kept(models: Models) -> None:
    path = models.newest("ecs") / "paginators-1.sdk-extras.json"
    path.write_text(json.dumps({"merge": {"pagination": {"ListTasks": {"non_aggregate_keys": ["x"]}}}}))
    models.trim([Call("ecs", "ListTasks", paginated=True)])
    kept = json.loads((models.newest("ecs") / "paginators-1.json").read_text())["pagination"]["ListTasks"]
    assert kept["non_aggregate_keys"] == ["x"]
    assert kept["result_key"] == "taskArns"


def test_model_is_found_packed_and_unpacked(models: Models) -> None:
    path = models.newest("sqs") / "service-2.json"
    packed = path.with_name(f"{path.name}.gz")
    content = gzip.decompress(packed.read_bytes())
    names = set(models.operations("sqs").values())
    packed.unlink()
    path.write_bytes(content)
    assert set(Models(models.folder).operations("sqs").values()) == names


def test_layer_s_calls_are_of_each_module(tmp_path: Path, models: Models) -> None:
    (tmp_path / "one.py").write_text(HEAD + "def f(client: ECSClient): client.list_tasks()")
    (tmp_path / "two.py").write_text(HEAD + "def f(client: ECSClient): client.get_paginator('list_tasks')")
    found = calls_of_layer(tmp_path, models.operations)
    assert found == {Call("ecs", "ListTasks"), Call("ecs", "ListTasks", paginated=True)}


def test_the_layer_s_own_calls_are_in_botocore(tmp_path: Path) -> None:
    """The build reads them so; here with the botocore of the tests."""
    shutil.copytree(BOTOCORE, tmp_path / "botocore", ignore=shutil.ignore_patterns("docs", "__pycache__"))
    models = Models(tmp_path / "botocore" / "data")
    calls = calls_of_layer(LAYER, models.operations)
    models.trim(calls)
    assert {call.service for call in calls} == {
        path.name for path in models.folder.iterdir() if path.is_dir()
    }


# Libraries


def package(folder: Path, **sources: str) -> Path:
    for name, source in sources.items():
        path = folder.joinpath("p", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    for path in [folder / "p", *(folder / "p").rglob("*/")]:
        if path.is_dir() and not (path / "__init__.py").exists():
            (path / "__init__.py").touch()
    return folder


def test_modules_that_nothing_imports_are_left_out(tmp_path: Path) -> None:
    package(
        tmp_path,
        root="from . import sibling\nfrom .sub.inner import name\nimport os",
        sibling="def f():\n from p import lazily",
        lazily="",
        sub__inner="from ..beside import name",
        beside="name = 1",
        typed="",
        unused__deep="",
    )
    (tmp_path / "p" / "root.py").open("a").write("\nif TYPE_CHECKING:\n from p import typed\n")
    keep_reached(tmp_path, "p", ["p.root"], "p.never")
    modules = {"root.py", "sibling.py", "lazily.py", "beside.py", "sub/inner.py", "sub/__init__.py"}
    assert files_in(tmp_path / "p") == modules | {"__init__.py"}
    assert not (tmp_path / "p" / "unused").exists()


def test_what_is_never_used_is_left_out_though_imported(tmp_path: Path) -> None:
    package(tmp_path, root="def f():\n from p.never.deep import x", never__deep="import p.other", other="")
    keep_reached(tmp_path, "p", ["p.root"], "p.never")
    assert files_in(tmp_path / "p") == {"__init__.py", "root.py"}


def test_module_that_the_functions_import_and_that_is_gone_is_named(tmp_path: Path) -> None:
    package(tmp_path, root="")
    with pytest.raises(FileNotFoundError, match=r"p\.gone"):
        keep_reached(tmp_path, "p", ["p.root", "p.gone"], "p.never")
    assert (tmp_path / "p" / "root.py").exists()
