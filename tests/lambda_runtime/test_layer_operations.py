"""Each operation that is declared is called, in Lambda's Python, with nothing but the built layer."""

from __future__ import annotations

import ast
import json
import subprocess
from typing import TYPE_CHECKING, Any

import botocore.session

from layer_build import OPERATIONS
from tests.lambda_runtime.expectations import FUNCTIONS
from tests.template.test_operations import SOURCES

if TYPE_CHECKING:
    from lab.lambda_runtime.emulator import BuiltFunction, Runtime

    Json = dict[str, Any]

ACTIONS = sorted(set().union(*OPERATIONS.values()))

# botocore checks request and answer against the layer's model, and builds the request from it.
SCRIPT = """
import json, sys
from botocore import xform_name
from botocore.stub import Stubber
from pushlive import aws
asked = json.load(sys.stdin)
clients = {call["service"]: aws.client(call["service"]) for call in asked["calls"]}
for name in asked["exceptions"]:
    assert any(hasattr(client.exceptions, name) for client in clients.values()), name
for call in asked["calls"]:
    client, method = clients[call["service"]], xform_name(call["operation"])
    ways = [getattr(client, method)]
    if client.can_paginate(method):
        ways.append(lambda **request: next(iter(client.get_paginator(method).paginate(**request))))
    for way in ways:
        with Stubber(client) as stubber:
            stubber.add_response(method, call["answer"])
            answer = way(**call["request"])
            assert set(call["answer"]) <= set(answer), (method, sorted(answer))
            stubber.assert_no_pending_responses()
    print(f"{call['service']}:{call['operation']}")
"""


SCALARS: dict[str, Any] = {
    "boolean": True,
    "double": 1.0,
    "timestamp": 1_700_000_000,  # botocore takes seconds since 1970 for a time as well
    "blob": "bytes",
}


def sample(shape: Any, *, required_only: bool, above: tuple[str, ...] = ()) -> Any:
    """A value of a shape, with all members, or with those that it must have."""
    kind, least = shape.type_name, max(1, int(shape.metadata.get("min", 1)))
    if kind in SCALARS:
        return SCALARS[kind]
    if kind in {"integer", "long", "string"}:
        return least if kind != "string" else shape.enum[0] if shape.enum else "x" * least
    if shape.name in above:  # a shape that holds itself
        return {} if kind == "structure" else []
    inside = (*above, shape.name)
    if kind == "list":
        return [sample(shape.member, required_only=required_only, above=inside)]
    if kind == "map":
        return {"key": sample(shape.value, required_only=required_only, above=inside)}
    names = shape.required_members if required_only else shape.members
    return {name: sample(shape.members[name], required_only=required_only, above=inside) for name in names}


def a_call(action: str) -> Json:
    service, _, operation = action.partition(":")
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return {
        "service": service,
        "operation": operation,
        "request": sample(model.input_shape, required_only=True),
        "answer": sample(model.output_shape, required_only=False) if model.output_shape else {},
    }


def caught() -> set[str]:
    """The names of modelled errors that the code asks a client for: `client.exceptions.NAME`."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(value=ast.Attribute(attr="exceptions"), attr=name):
                    found.add(name)
    return found


def test_each_operation_and_each_error_that_is_caught_is_in_the_layer(
    runtime: Runtime, functions: dict[str, BuiltFunction]
) -> None:
    assert "ResourceAlreadyExistsException" in caught()
    done = subprocess.run(  # noqa: S603 - no shell
        [runtime.python, "-B", "-c", SCRIPT],
        input=json.dumps({"exceptions": sorted(caught()), "calls": [a_call(each) for each in ACTIONS]}),
        env={
            "PYTHONPATH": str(functions[FUNCTIONS[0]].layer / "python"),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ACTIONS
