"""What `sam build` puts into the layer and the functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

import layer_build as build
from lab.template import PUSHLIVE, ROOT, written_template

if TYPE_CHECKING:
    from pathlib import Path

LAYER = ROOT / "layers" / "pushlive"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def fake_python(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    folder = tmp_path / "artifacts"
    (folder / "python").mkdir(parents=True)
    (folder / "python" / "module.py").write_text("ANSWER = 42\n", encoding="utf-8")
    return folder


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_layer_is_compiled_by_the_runtimes_python(artifacts: Path, path: Path) -> None:
    fake_python(path, f"python{build.RUNTIME}", f'exec "{sys.executable}" "$@"')
    build.compile_all(artifacts)
    [compiled] = artifacts.rglob("*.pyc")
    # PEP 552: bit 0 says that the file is bound to its source by hash, bit 1 that Python checks it.
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01
    assert b"/opt/python/module.py" in compiled.read_bytes()
    assert str(artifacts).encode() not in compiled.read_bytes()


@pytest.mark.parametrize("shim", [None, "exit 127"], ids=["not-installed", "shim-of-an-inactive-version"])
def test_without_the_runtimes_python_the_layer_is_left_uncompiled_and_says_so(
    artifacts: Path, path: Path, capsys: pytest.CaptureFixture[str], shim: str | None
) -> None:
    if shim:
        fake_python(path, f"python{build.RUNTIME}", shim)
    build.compile_all(artifacts)
    assert list(artifacts.rglob("*.pyc")) == []
    assert "without compiled files" in capsys.readouterr().out


def test_compiler_that_fails_fails_the_build(artifacts: Path, path: Path) -> None:
    fake_python(path, f"python{build.RUNTIME}", 'test "$1" = -c && echo "$0"')
    with pytest.raises(subprocess.CalledProcessError):
        build.compile_all(artifacts)


def test_builds_runtime_is_the_templates() -> None:
    template: dict[str, Any] = written_template(PUSHLIVE)
    layer = template["Resources"]["PushliveLayer"]["Properties"]
    assert template["Globals"]["Function"]["Runtime"] == f"python{build.RUNTIME}"
    assert layer["CompatibleRuntimes"] == [f"python{build.RUNTIME}"]


def test_built_layer_has_what_the_functions_import(built: Path) -> None:
    [layer] = (built / "Pushlive").glob("PushliveLayer*")
    assert names_in(layer) == {"python"}
    assert {"pushlive", "aws_lambda_powertools", "boto3", "botocore"} <= names_in(layer / "python")
    own = {path.name for path in (LAYER / "pushlive").iterdir() if path.name != "__pycache__"}
    assert names_in(layer / "python" / "pushlive") - {"__pycache__"} == own


def test_built_layer_ships_no_tests_and_no_build(built: Path) -> None:
    [layer] = (built / "Pushlive").glob("PushliveLayer*")
    unwanted = {"Makefile", "layer_build.py", "requirements.txt", "requirements.in", "tests", "pip", "pytest"}
    assert [path for path in layer.rglob("*") if path.name in unwanted] == []


def test_built_layer_fits_lambda(built: Path) -> None:
    """250 MB unpacked is Lambda's limit; a fraction of it keeps a cold start short."""
    [layer] = (built / "Pushlive").glob("PushliveLayer*")
    assert sum(path.stat().st_size for path in layer.rglob("*") if path.is_file()) < 15_000_000


@pytest.mark.parametrize("function", ["RedeployService", "UpdateRecord"])
def test_built_function_is_its_app_alone(built: Path, function: str) -> None:
    compiled = {"__pycache__"} if build.runtime_python() else set()
    assert names_in(built / "Pushlive" / function) == {"app.py"} | compiled


@pytest.mark.parametrize("app", ["RedeployService", "UpdateRecord"])
def test_built_function_imports_from_the_built_layer_alone(built: Path, app: str) -> None:
    """As in Lambda: /var/task and /opt/python, no environment and no AWS call at import."""
    [layer] = (built / "Pushlive").glob("PushliveLayer*/python")
    script = (
        f"import sys; sys.path[:0] = [{str(built / 'Pushlive' / app)!r}, {str(layer)!r}]\n"
        "import app, botocore\n"
        f"assert botocore.__file__.startswith({str(layer)!r}), botocore.__file__\n"
        "assert callable(app.handler)\n"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-I", "-B", "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


CLIENTS = """
import json, sys
from pushlive import aws
services, regions = json.load(sys.stdin)
try:
    aws.client("s3")
except Exception as error:
    print(type(error).__name__, file=sys.stderr)
found = {}
for service in services:
    client = aws.client(service)
    operations = client.meta.service_model.operation_names
    endpoints = [aws._session().client(service, region_name=region).meta.endpoint_url for region in regions]
    found[service] = [sorted(operations), endpoints]
print(json.dumps(found))
"""
REGIONS = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]


def test_built_layer_makes_clients_for_the_declared_operations_of_whatever_region(built: Path) -> None:
    """With the endpoints that botocore's whole data have."""
    [layer] = (built / "Pushlive").glob("PushliveLayer*/python")
    declared = sorted(set().union(*build.OPERATIONS.values()))
    services = sorted({action.partition(":")[0] for action in declared})
    done = subprocess.run(  # noqa: S603 - no shell
        [sys.executable, "-B", "-c", CLIENTS],
        input=json.dumps([services, REGIONS]),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(layer), "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "UnknownServiceError\n")
    session = botocore.session.get_session()
    assert json.loads(done.stdout) == {
        service: [
            [action.partition(":")[2] for action in declared if action.startswith(f"{service}:")],
            [session.create_client(service, region_name=each).meta.endpoint_url for each in REGIONS],
        ]
        for service in services
    }
