"""Each operation that the code calls is called, in Lambda's Python, with nothing but the built layer."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore
import botocore.session
import pytest

from layer_build.aws_calls import Call, Module, calls_of_layer, modules_of
from layer_build.models import Models
from tests.lambda_runtime.expectations import FUNCTIONS
from tests.template.stack import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.lambda_runtime.emulator import BuiltFunction, Runtime

    Json = dict[str, Any]

LAYER = ROOT / "layers" / "pushlive" / "pushlive"
APPS = sorted((ROOT / "functions").glob("*/app.py"))
CALLS = sorted(calls_of_layer(LAYER, Models(Path(botocore.__file__).parent / "data").operations))

# botocore checks request and answer against the layer's model, and builds the request from it.
SCRIPT = """
import json, sys
from botocore import xform_name
from botocore.stub import Stubber
from pushlive import aws
asked = json.load(sys.stdin)
client = aws.client(asked["service"])
for name in asked["exceptions"]:
    assert issubclass(getattr(client.exceptions, name), client.exceptions.ClientError)
for call in asked["calls"]:
    method = xform_name(call["operation"])
    with Stubber(client) as stubber:
        stubber.add_response(method, call["answer"])
        if call["paginated"]:
            answer = next(iter(client.get_paginator(method).paginate(**call["request"])))
        else:
            answer = getattr(client, method)(**call["request"])
        assert set(call["answer"]) <= set(answer), (method, sorted(answer))
        stubber.assert_no_pending_responses()
    print(call["operation"])
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


def asked(service: str, calls: Iterable[Call], exceptions: Iterable[str]) -> Json:
    model = botocore.session.get_session().get_service_model(service)
    return {
        "service": service,
        "exceptions": sorted(exceptions),
        "calls": [
            {
                "operation": call.operation,
                "paginated": call.paginated,
                "request": sample(each.input_shape, required_only=True),
                "answer": sample(each.output_shape, required_only=False) if each.output_shape else {},
            }
            for call in calls
            for each in [model.operation_model(call.operation)]
        ],
    }


@pytest.mark.parametrize("service", sorted({call.service for call in CALLS}))
def test_each_operation_of_a_service_is_in_the_layer(
    runtime: Runtime, functions: dict[str, BuiltFunction], service: str
) -> None:
    modules = [*modules_of(LAYER).values(), *map(Module.read, APPS)]
    exceptions = {name for module in modules for its, name in module.exceptions() if its == service}
    calls = [call for call in CALLS if call.service == service]
    done = subprocess.run(  # noqa: S603 - no shell
        [runtime.python, "-B", "-c", SCRIPT],
        input=json.dumps(asked(service, calls, exceptions)),
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
    assert done.stdout.split() == [call.operation for call in calls]


def test_errors_that_are_caught_are_asked_for() -> None:
    """The reader of the source finds them, so the test above asks for something."""
    found = {each for module in modules_of(LAYER).values() for each in module.exceptions()}
    assert ("logs", "ResourceAlreadyExistsException") in found
