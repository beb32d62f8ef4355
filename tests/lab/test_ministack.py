"""What lab/ministack.py assumes of MiniStack: each private name, what it takes and what it does."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import zipfile
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab import ministack

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ecr() -> Any:
    return import_module("ministack.services.ecr")


@pytest.fixture
def eventbridge() -> Any:
    return import_module("ministack.services.eventbridge")


@pytest.fixture
def provisioners() -> Any:
    return import_module("ministack.services.cloudformation.provisioners")


@pytest.fixture
def stacks() -> Any:
    return import_module("ministack.services.cloudformation.stacks")


def test_its_version_is_the_one_that_the_lock_file_pins() -> None:
    assert f"ministack=={version('ministack')} " in (ROOT / "requirements" / "lab.txt").read_text()


def test_a_repository_s_uri_is_made_by_repo_uri(ecr: Any) -> None:
    assert list(inspect.signature(ecr._repo_uri).parameters) == ["name"]
    assert '"repositoryUri": _repo_uri(name)' in inspect.getsource(ecr._create_repository)


def test_the_registry_is_called_by_the_labs_host(ecr: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = import_module("ministack.services.cloudformation.engine")
    stacks = import_module("ministack.services.cloudformation.handlers")
    for module in (engine, stacks):
        monkeypatch.setattr(module, "_parse_template", module._parse_template)
    monkeypatch.setattr(ecr, "_repo_uri", ecr._repo_uri)
    ministack.name_registry("127.0.0.1:4566")
    assert ecr._repo_uri("hello") == "127.0.0.1:4566/hello"
    written = "A: !Sub ${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/hello"
    for module in (engine, stacks):
        assert module._parse_template(written) == {"A": {"Fn::Sub": "127.0.0.1:4566/hello"}}


def test_the_application_starts_the_scheduler_by_its_module_s_name(
    eventbridge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = import_module("ministack.app")
    assert "_eb_mod.start_scheduler()" in inspect.getsource(app._handle_lifespan)
    monkeypatch.setattr(eventbridge, "start_scheduler", eventbridge.start_scheduler)
    ministack.leave_schedules_to_us()
    before = eventbridge._scheduler_thread
    eventbridge.start_scheduler()
    assert eventbridge._scheduler_thread is before


def test_resource_types_are_provisioned_by_the_registered_functions(
    provisioners: Any, stacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", dict(provisioners._RESOURCE_HANDLERS))
    monkeypatch.setattr(stacks, "_runs_on_worker_thread", stacks._runs_on_worker_thread)
    assert not stacks._runs_on_worker_thread("AWS::Lab::Thing")
    calls = []

    def create(logical_id: str, properties: dict[str, str], stack_name: str) -> tuple[str, dict[str, str]]:
        calls.append((logical_id, properties, stack_name))
        return "physical", {"Arn": "arn"}

    ministack.provision({"AWS::Lab::Thing": {"create": create}})
    made = provisioners._provision_resource("AWS::Lab::Thing", "Service", {"Name": "x"}, "stack")
    assert made == ("physical", {"Arn": "arn"})
    assert calls == [("Service", {"Name": "x"}, "stack")]
    assert stacks._runs_on_worker_thread("AWS::Lab::Thing")
    assert stacks._runs_on_worker_thread("Custom::HostNameRecords")
    assert not stacks._runs_on_worker_thread("AWS::EC2::VPC")


def test_a_deletion_that_is_refused_does_not_happen(
    provisioners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted: list[str] = []
    handlers = {"delete": lambda physical_id, _: deleted.append(physical_id)}
    monkeypatch.setattr(provisioners, "_RESOURCE_HANDLERS", {"AWS::Lab::Thing": handlers})

    def check(physical_id: str) -> None:
        if physical_id == "kept":
            raise RuntimeError("in use")

    ministack.refuse_deletions({"AWS::Lab::Thing": check})
    with pytest.raises(RuntimeError, match="in use"):
        provisioners._delete_resource("AWS::Lab::Thing", "kept", {})
    provisioners._delete_resource("AWS::Lab::Thing", "other", {})
    assert deleted == ["other"]


@pytest.mark.parametrize("kind", ["AWS::EC2::VPCGatewayAttachment", "AWS::EC2::Subnet"])
def test_the_types_whose_deletion_we_refuse_are_there(kind: str, provisioners: Any) -> None:
    assert "delete" in provisioners._RESOURCE_HANDLERS[kind]
    assert not provisioners._RESOURCE_HANDLERS[kind].get("delete_with_logical_id")


@pytest.mark.parametrize("kind", ["AWS::ECS::Cluster", "AWS::ECS::TaskDefinition", "AWS::ECS::Service"])
def test_the_types_that_we_replace_are_there(kind: str, provisioners: Any) -> None:
    assert {"create", "update", "delete"} <= provisioners._RESOURCE_HANDLERS[kind].keys()


@pytest.mark.parametrize(
    ("name", "replace"),
    [
        ("_resolve_parameters", ministack.refuse_parameters_in_the_words_of_aws),
        ("_evaluate_conditions", ministack.resolve_the_values_in_conditions),
    ],
)
def test_each_module_that_imported_a_function_gets_ours(
    name: str, replace: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/lab/test_parameters.py shows what ours do."""
    package = "ministack.services.cloudformation"
    modules = [import_module(f"{package}.{each}") for each in ("engine", "handlers", "changesets", "stacks")]
    using = [module for module in modules if name in vars(module)]
    assert {module.__name__.rpartition(".")[2] for module in using} >= {"engine", "handlers", "changesets"}
    for module in using:
        monkeypatch.setattr(module, name, vars(module)[name])
    before = {vars(module)[name] for module in using}
    replace()
    after = {vars(module)[name] for module in using}
    assert (len(before), len(after)) == (1, 1)
    assert before != after


def test_a_subnet_s_network_is_known() -> None:
    ec2 = import_module("ministack.services.ec2")
    ec2._create_vpc({"CidrBlock": ["10.9.0.0/16"]})
    [vpc_id] = [vpc["VpcId"] for vpc in ec2._vpcs.values() if vpc["CidrBlock"] == "10.9.0.0/16"]
    ec2._create_subnet({"VpcId": [vpc_id], "CidrBlock": ["10.9.1.0/24"]})
    [subnet_id] = [each["SubnetId"] for each in ec2._subnets.values() if each["VpcId"] == vpc_id]
    assert (ministack.network_of(subnet_id), ministack.network_of("subnet-none")) == (vpc_id, "")


def test_an_unknown_manifest_has_no_digest() -> None:
    assert ministack.manifest_digest("no-such-repository", "latest") is None


def test_a_real_account_s_settings_do_not_reach_the_functions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = {"AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "real", "LOG_LEVEL": "DEBUG"}
    monkeypatch.setattr(os, "environ", {**os.environ, **secrets})  # a copy, thrown away afterwards
    ministack.configure(4567, retry_seconds=1, folder=tmp_path)
    assert "AWS_PROFILE" not in os.environ
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert os.environ["GATEWAY_PORT"] == "4567"
    assert "LOG_LEVEL" not in os.environ


def test_a_function_s_python_is_the_one_that_its_runtime_names(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = import_module("ministack.core.lambda_runtime")
    assert "binary, worker_script = _detect_runtime_binary(runtime)" in inspect.getsource(runtime.Worker)
    monkeypatch.setattr(runtime, "_detect_runtime_binary", runtime._detect_runtime_binary)
    own, worker = runtime._detect_runtime_binary("python3.13")
    monkeypatch.setattr(ministack, "installed", {"python3.13": "/opt/python3.13"}.get)
    ministack.run_functions_by_their_runtime()
    assert runtime._detect_runtime_binary("python3.13") == ("/opt/python3.13", worker)
    assert runtime._detect_runtime_binary("python3.2") == (own, worker)


def test_each_run_of_a_function_is_in_flight_until_its_end() -> None:
    lambda_svc = import_module("ministack.services.lambda_svc")
    source = inspect.getsource(lambda_svc._execute_function)
    assert "_acquire_execution_slot(func, config)" in source
    assert source.index("finally:") < source.index("_release_execution_slot(")
    before = ministack.executions_in_flight()
    slot, _refused_by = lambda_svc._acquire_execution_slot({}, {"FunctionName": "a"})
    assert ministack.executions_in_flight() == before + 1
    lambda_svc._release_execution_slot(slot)
    assert ministack.executions_in_flight() == before


def test_each_process_of_a_function_is_known_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = import_module("ministack.core.lambda_runtime")
    assert "self._spawn()" in inspect.getsource(runtime.Worker.invoke)
    assert list(inspect.signature(runtime.Worker._spawn).parameters) == ["self"]
    lambda_svc = import_module("ministack.services.lambda_svc")
    assert 'logger.error("Warm worker execution error' in inspect.getsource(lambda_svc)
    spawned: list[Any] = []
    killed: list[Any] = []
    monkeypatch.setattr(runtime.Worker, "_spawn", spawned.append)
    monkeypatch.setattr(runtime, "kill_workers", killed.extend)
    monkeypatch.setattr(lambda_svc, "logger", lambda_svc.logger)
    processes = ministack.FunctionProcesses()
    runtime.Worker._spawn("a worker")
    processes.end()
    assert spawned == ["a worker"]
    assert set(killed) == {"a worker"}
    with pytest.raises(RuntimeError, match="the lab ends"):
        runtime.Worker._spawn("another")
    assert spawned == ["a worker"]


@pytest.fixture
def unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """MiniStack's zipfile, in a lab that keeps what is unpacked in `tmp_path/kept`."""
    runtime = import_module("ministack.core.lambda_runtime")
    monkeypatch.setattr(runtime, "zipfile", runtime.zipfile)
    ministack.unpack_once(tmp_path / "kept")
    return runtime.zipfile


def archive(path: Path, text: str) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("app.py", text)
        made.writestr("python/library/__init__.py", text)
    return path


def unpacked(unpacking: Any, packed: Path, folder: Path) -> Path:
    folder.mkdir()
    with unpacking.ZipFile(packed) as opened:
        opened.extractall(folder)
    return folder


def test_a_worker_unpacks_function_and_layer_with_its_modules_zipfile() -> None:
    source = inspect.getsource(import_module("ministack.core.lambda_runtime").Worker._spawn)
    assert source.count("zipfile.ZipFile(") == 2
    assert ".extractall(code_dir)" in source
    assert ".extractall(layer_dir)" in source


def test_an_archive_is_unpacked_once(unpacking: Any, tmp_path: Path) -> None:
    packed = archive(tmp_path / "code.zip", "first")
    first, second = (unpacked(unpacking, packed, tmp_path / name) for name in ("first", "second"))
    for folder in (first, second):
        assert (folder / "app.py").read_text(encoding="utf-8") == "first"
        assert (folder / "python" / "library" / "__init__.py").read_text(encoding="utf-8") == "first"
    assert (first / "app.py").samefile(second / "app.py")
    shutil.rmtree(first)  # as MiniStack does when the process is over
    assert (second / "app.py").read_text(encoding="utf-8") == "first"


def test_another_archive_of_the_same_name_is_another(unpacking: Any, tmp_path: Path) -> None:
    unpacked(unpacking, archive(tmp_path / "code.zip", "first"), tmp_path / "first")
    changed = unpacked(unpacking, archive(tmp_path / "code.zip", "other"), tmp_path / "second")
    assert (changed / "app.py").read_text(encoding="utf-8") == "other"


def test_nothing_is_kept_of_an_archive_that_is_damaged(unpacking: Any, tmp_path: Path) -> None:
    packed = archive(tmp_path / "code.zip", "x" * 99)
    packed.write_bytes(packed.read_bytes().replace(b"x" * 99, b"y" * 99))
    with pytest.raises(zipfile.BadZipFile):
        unpacked(unpacking, packed, tmp_path / "first")
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize(
    ("script", "found"),
    [
        pytest.param('test "$PYENV_VERSION" = 3.99 && echo /opt/3.99', "/opt/3.99", id="shim-of-pyenv"),
        pytest.param("exit 127", None, id="shim-of-a-version-that-is-not-installed"),
        pytest.param(None, None, id="no-such-command"),
    ],
)
def test_the_python_of_a_runtime_is_found_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, found: str | None
) -> None:
    if script:
        (tmp_path / "python3.99").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "python3.99").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    ministack.installed.cache_clear()
    assert ministack.installed("python3.99") == found


def test_a_nested_stack_is_updated_as_an_outer_one(
    provisioners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = import_module("ministack.services.cloudformation.engine")
    cloudformation = import_module("ministack.services.cloudformation")
    source = inspect.getsource(provisioners._cfn_nested_stack_deploy)
    assert "template = _parse_template(template_body)" in source
    assert "_update_resource(\n" in source
    monkeypatch.setattr(engine, "_parse_template", engine._parse_template)
    answers = iter([("queue", {"Arn": "new"}), ("b", {})])
    monkeypatch.setattr(provisioners, "_update_resource", lambda *_: next(answers))
    deleted: list[Any] = []
    monkeypatch.setattr(provisioners, "_delete_resource", lambda *given: deleted.append(given))
    resources = {"Thing": {"Attributes": {"Arn": "old", "QueueName": "q"}}}
    monkeypatch.setattr(cloudformation, "_stacks", {"nested": {"_resources": resources}})
    ministack.update_nested_stacks_as_outer_ones()
    template = {"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": {"Type": "AWS::SNS::Topic"}}}
    assert "Transform" not in engine._parse_template(json.dumps(template))
    kept = provisioners._update_resource("AWS::SQS::Queue", "queue", {}, {"A": "1"}, "nested", "Thing")
    assert kept == ("queue", {"Arn": "new", "QueueName": "q"})
    assert deleted == []
    assert provisioners._update_resource("Custom::Records", "a", {}, {}, "nested", "Thing") == ("b", {})
    assert deleted == [("Custom::Records", "a", {}, "nested", "Thing")]
