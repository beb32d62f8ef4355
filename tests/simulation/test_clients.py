"""The clients accept what botocore accepts, and answer in the shapes of botocore's own service models."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, StructureShape
from botocore.validate import ParamValidator

from trials.simulation.clients import CLIENTS, Client
from trials.simulation.places import FaultRates, Setup
from trials.simulation.scenario import Script, Step, playing

if TYPE_CHECKING:
    from botocore.model import OperationModel, Shape

    from trials.simulation.cloud import Call

SESSION = botocore.session.get_session()
SCALARS = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": (int, float),
    "timestamp": datetime,
}
# Every call of both functions: a first push, an index, a failure, a rollback, a scale-in to 0, a stack's end.
BUSY = Script(
    Setup(services=frozenset({"api"}), empty=True, health_check=True),
    FaultRates(twice=0.8),
    2,
    (
        Step("push_tags", ("good",), 100),
        Step("push", ("side:1", "good"), 100),
        Step("push", ("app:latest", "good", True), 200),
        Step("push", ("app:latest", "crashes"), 300),
        Step("push", ("app:latest", "drains"), 0.5),
        Step("delete_service", ("api",), 200),
        Step("scale", ("app", 2), 100),
        Step("rename", ("app",), 60),
        Step("push_old", ("app:latest", 0), 300),
    ),
)


def play_busy() -> list[Call]:
    """Every call of a busy scenario that was answered."""
    with playing(BUSY.setup, BUSY.fault_rates, BUSY.seed) as scenario:
        scenario.cloud.calls = []
        for step in BUSY.steps:
            scenario.step(step)
        scenario.operators.create_service("app-worker")
        # RedeployService asks for a lease only where another holds it.
        scenario.cloud.run(600)
        assert not scenario.failures
        return scenario.cloud.calls


def operation_model(service: str, operation: str) -> OperationModel:
    return SESSION.get_service_model(service).operation_model(operation)


def wrong(value: Any, shape: Shape, path: str) -> list[str]:
    """What is not as the shape has it: unknown members, other types."""
    if isinstance(shape, StructureShape):
        unknown = [f"{path}.{name} is unknown" for name in value if name not in shape.members]
        known = [name for name in value if name in shape.members]
        return unknown + [
            each for name in known for each in wrong(value[name], shape.members[name], f"{path}.{name}")
        ]
    if isinstance(shape, ListShape):
        return [each for item in value for each in wrong(item, shape.member, f"{path}[]")]
    if isinstance(shape, MapShape):
        return [each for item in value.values() for each in wrong(item, shape.value, f"{path}{{}}")]
    expected: Any = SCALARS[shape.type_name]
    return [] if isinstance(value, expected) else [f"{path} is {value!r}, not a {shape.type_name}"]


def test_every_request_and_answer_of_a_busy_scenario_is_as_botocore_has_it() -> None:
    calls = play_busy()
    assert {(call.service, call.operation) for call in calls} >= {
        ("ecs", "ListServices"), ("ecs", "DescribeServices"), ("ecs", "DescribeTaskDefinition"),
        ("ecs", "ListTasks"), ("ecs", "DescribeTasks"), ("ecs", "ListServiceDeployments"),
        ("ecs", "DescribeServiceDeployments"), ("ecs", "DescribeServiceRevisions"), ("ecs", "UpdateService"),
        ("ecr", "DescribeImages"), ("ecr", "BatchGetImage"), ("ec2", "DescribeNetworkInterfaces"),
        ("route53", "GetHostedZone"), ("route53", "ListResourceRecordSets"),
        ("route53", "ChangeResourceRecordSets"), ("logs", "CreateLogStream"),
    }  # fmt: skip
    validator = ParamValidator()
    problems = set()
    for call in calls:
        model = operation_model(call.service, call.operation)
        assert model.input_shape is not None
        report = validator.validate(call.request, model.input_shape)
        problems |= {report.generate_report()} if report.has_errors() else set()
        if model.output_shape is not None:
            problems |= set(wrong(call.answer, model.output_shape, call.operation))
    assert not problems


@pytest.mark.parametrize("service", sorted(CLIENTS))
def test_exceptions_are_those_of_the_service(service: str) -> None:
    errors: list[Any] = list(SESSION.get_service_model(service).error_shapes)
    shapes = {shape.error_code or shape.name for shape in errors}
    assert set(CLIENTS[service].errors) <= shapes


@pytest.mark.parametrize("service", sorted(CLIENTS))
def test_methods_are_operations_of_the_service(service: str) -> None:
    names = {
        botocore.xform_name(operation) for operation in SESSION.get_service_model(service).operation_names
    } | {"get_paginator"}
    own = {name for name in vars(CLIENTS[service]) if not name.startswith("_")} - set(vars(Client))
    assert own <= names | {"service", "errors"}


def test_what_no_function_calls_is_not_there() -> None:
    with playing(Setup(), FaultRates(), 0) as scenario:
        client = CLIENTS["ecs"](scenario.cloud, None)  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            client.create_service()  # type: ignore[attr-defined]
