"""Which operations of AWS each function calls, read from the source. Pure.

From a function's app.py through the functions of the layer that it names, and on through what these name.
A client is known by its annotation: `client: ECSClient`, imported from `mypy_boto3_ecs`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import botocore.session
from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class UnknownCallError(Exception):
    """A call looks like one of AWS, but of which service is not to be seen."""


@dataclass
class Module:
    """A source file: its clients, its functions, and the modules of the layer that it imports."""

    name: str
    tree: ast.Module
    services: dict[str, str] = field(default_factory=dict)
    """Class of a client to its service, such as ECSClient to ecs."""
    imports: dict[str, str] = field(default_factory=dict)
    """Local name to module of the layer, for `from pushlive import ecs`."""
    members: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Local name to module and member, for `from pushlive.ecs import tasks`."""

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, _, module = node.module.partition(".")
            for alias in node.names:
                local = alias.asname or alias.name
                if package.startswith("mypy_boto3_"):
                    self.services[local] = package.removeprefix("mypy_boto3_")
                elif package == "pushlive" and module:
                    self.members[local] = (module, alias.name)
                elif package == "pushlive":
                    self.imports[local] = alias.name

    @property
    def clients(self) -> dict[str, str]:
        """Name of an argument or attribute that is a client, to its service."""
        annotated = [
            (node.arg, node.annotation) for node in ast.walk(self.tree) if isinstance(node, ast.arg)
        ] + [
            (node.target.id, node.annotation)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        ]
        return {
            name: self.services[annotation.id]
            for name, annotation in annotated
            if isinstance(annotation, ast.Name) and annotation.id in self.services
        }

    def body(self, member: str) -> ast.AST | None:
        """A function, class or value of the module, by its name."""
        for node in self.tree.body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and node.name == member
            ):
                return node
        return None


@cache
def operations(service: str) -> dict[str, str]:
    """Method of a client to operation: `list_tasks` to ListTasks, from botocore's own model."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


def actions_of(app: Path, layer: Path) -> set[str]:
    """Return the actions, such as ecs:ListTasks, that the function in `app` calls.

    IAM's names are the operations' names for all that is called here. (They are not for every service:
    s3's ListObjectsV2 needs s3:ListBucket, say. Whoever calls such a one adds the exception here.)
    """
    modules = {
        path.stem: Module(path.stem, ast.parse(path.read_text("utf-8"))) for path in layer.glob("*.py")
    }
    start = Module("app", ast.parse(app.read_text("utf-8")))
    found = set(_calls(start, start.tree))
    todo = list(_mentions(start, start.tree))
    seen: set[tuple[str, str]] = set()
    while todo:
        mention = todo.pop()
        if mention in seen or mention[0] not in modules:
            continue
        seen.add(mention)
        module = modules[mention[0]]
        body = module.body(mention[1])
        if body is not None:
            found |= set(_calls(module, body))
            todo += _mentions(module, body)
    return found


def services_made(app: Path) -> set[str]:
    """Return the services of which `app` makes clients: `aws.client("ecs")`."""
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(app.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "aws.client"
        and isinstance(node.args[0], ast.Constant)
    }


def _mentions(module: Module, body: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield module and member of all that a body names, in its own module or another of the layer."""
    for node in ast.walk(body):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in module.imports:
                yield module.imports[node.value.id], node.attr
        elif isinstance(node, ast.Name):
            yield module.members.get(node.id, (module.name, node.id))


def _calls(module: Module, body: ast.AST) -> Iterator[str]:
    any_service = {
        method for service in ("ec2", "ecr", "ecs", "logs", "route53") for method in operations(service)
    }
    for node in ast.walk(body):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        receiver, method = node.func.value, node.func.attr
        name = receiver.attr if isinstance(receiver, ast.Attribute) else ast.unparse(receiver)
        if name in module.clients:
            service = module.clients[name]
            if method == "get_paginator":
                [operation] = node.args
                method = str(ast.literal_eval(operation))
            if method not in operations(service):
                raise UnknownCallError(f"{module.name}:{node.lineno}: {service} has no operation {method}")
            yield f"{service}:{operations(service)[method]}"
        elif method in any_service or method in {"get_paginator", "get_waiter"}:
            raise UnknownCallError(f"{module.name}:{node.lineno}: {ast.unparse(node.func)} of which client?")
