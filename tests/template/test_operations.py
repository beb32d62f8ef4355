"""What is declared of the functions is what the code calls.

Of which function a call is, tests/functions sees: each call of a run must be declared of its function.
"""

from __future__ import annotations

import ast

import botocore.session
import pytest
from botocore import xform_name

from lab.template import ROOT
from layer_build import OPERATIONS

APPS = {
    "RedeployService": ROOT / "functions" / "redeploy_service" / "app.py",
    "UpdateRecord": ROOT / "functions" / "update_record" / "app.py",
}
SOURCES = [*APPS.values(), *(ROOT / "layers" / "pushlive" / "pushlive").glob("*.py")]
DECLARED = {action.partition(":")[2] for actions in OPERATIONS.values() for action in actions}
SERVICES = {action.partition(":")[0] for actions in OPERATIONS.values() for action in actions}
SESSION = botocore.session.get_session()
METHODS = {
    xform_name(operation): operation
    for service in SERVICES
    for operation in SESSION.get_service_model(service).operation_names
}
"""What clients of these services can do."""


def calls_in(source: str) -> set[str]:
    """The operations that a source calls, whatever the name of the client is."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr="get_paginator" | "get_waiter"), args=[argument]):
                names.add(str(ast.literal_eval(argument)))
            case ast.Call(func=ast.Attribute(attr=name)):
                names.add(name)
    return {METHODS[name] for name in names & METHODS.keys()}


def clients_in(source: str) -> set[str]:
    """The services of which a source makes clients."""
    return {
        str(ast.literal_eval(node.args[0]))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "aws.client"
    }


@pytest.mark.parametrize(
    ("source", "operations"),
    [
        pytest.param("client.list_tasks()", {"ListTasks"}, id="method"),
        pytest.param("self.ecs_client.update_service(x=1)", {"UpdateService"}, id="method-of-an-attribute"),
        pytest.param("made()[0].publish()", {"Publish"}, id="method-of-whatever"),
        pytest.param("c.get_paginator('list_services').paginate()", {"ListServices"}, id="paginator"),
        pytest.param("client.exceptions.X; client.copy()", set(), id="no-call-of-aws"),
    ],
)
def test_calls_are_read_from_the_source(source: str, operations: set[str]) -> None:
    assert calls_in(source) == operations


def test_each_call_of_the_code_is_declared_and_each_declared_operation_is_called() -> None:
    assert set().union(*(calls_in(path.read_text("utf-8")) for path in SOURCES)) == DECLARED


@pytest.mark.parametrize("function", OPERATIONS)
def test_function_makes_clients_of_the_services_that_are_declared(function: str) -> None:
    services = {action.partition(":")[0] for action in OPERATIONS[function]}
    assert clients_in(APPS[function].read_text("utf-8")) == services
