"""Which operations of AWS the code calls, read from the source. Pure.

A client is known by its annotation: `client: ECSClient`, imported from `mypy_boto3_ecs`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Operations = Callable[[str], Mapping[str, str]]
"""Service to its client's methods, each with its operation: `list_tasks` to ListTasks."""


class UnknownCallError(Exception):
    """A call looks like one of AWS, but of which service is not to be seen."""


@dataclass(frozen=True, order=True)
class Call:
    """A call of AWS."""

    service: str
    operation: str
    paginated: bool = False


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

    @classmethod
    def read(cls, path: Path) -> Module:
        """Return the module in a file."""
        return cls(path.stem, ast.parse(path.read_text("utf-8")))

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            package, _, module = node.module.partition(".")
            for alias in node.names:
                local = alias.asname or alias.name
                if package.startswith("mypy_boto3_"):
                    if local.endswith("Client"):
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

    def mentions(self, body: ast.AST) -> Iterator[tuple[str, str]]:
        """Yield module and member of all that a body names, in its own module or another of the layer."""
        for node in ast.walk(body):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in self.imports:
                    yield self.imports[node.value.id], node.attr
            elif isinstance(node, ast.Name):
                yield self.members.get(node.id, (self.name, node.id))

    def exceptions(self) -> Iterator[tuple[str, str]]:
        """Yield service and name of each modelled error that is caught: `client.exceptions.NAME`."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Attribute)
                and node.value.attr == "exceptions"
                and (client := _last_name(node.value.value)) in self.clients
            ):
                yield self.clients[client], node.attr

    def calls(self, body: ast.AST, operations: Operations, services: Iterable[str]) -> Iterator[Call]:
        """Yield the calls in a body; whatever is called as a method of one of `services` must be one.

        Raises:
            UnknownCallError: there is no such operation, or of which client it is cannot be seen.
        """
        any_method = {method for service in services for method in operations(service)}
        for node in ast.walk(body):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            method = node.func.attr
            place = f"{self.name}.py:{node.lineno}"
            client = _last_name(node.func.value)
            if client in self.clients:
                service = self.clients[client]
                if paginated := method == "get_paginator":
                    [operation] = node.args
                    method = str(ast.literal_eval(operation))
                if method not in operations(service):
                    raise UnknownCallError(f"{place}: {service} has no operation {method}")
                yield Call(service, operations(service)[method], paginated=paginated)
            elif method in any_method or method in {"get_paginator", "get_waiter"}:
                raise UnknownCallError(f"{place}: {ast.unparse(node.func)} of which client?")


def _last_name(receiver: ast.AST) -> str:
    """Return what a method is called on, without what holds it: `self.ecs_client` is ecs_client."""
    return receiver.attr if isinstance(receiver, ast.Attribute) else ast.unparse(receiver)


def modules_of(layer: Path) -> dict[str, Module]:
    """Return the layer's modules by their names."""
    return {path.stem: Module.read(path) for path in sorted(layer.glob("*.py"))}


def services_of(modules: Iterable[Module]) -> set[str]:
    """Return the services of which some module names the client."""
    return {service for module in modules for service in module.services.values()}


def calls_of_layer(layer: Path, operations: Operations) -> set[Call]:
    """Return all that the layer's modules call."""
    modules = modules_of(layer).values()
    services = services_of(modules)
    return {call for module in modules for call in module.calls(module.tree, operations, services)}


def actions_of(app: Path, layer: Path, operations: Operations) -> set[str]:
    """Return the actions, such as ecs:ListTasks, that the function in `app` calls.

    From its app.py through the functions of the layer that it names, and on through what these name. IAM's
    names are the operations' names for all that is called here. (They are not for every service: s3's
    ListObjectsV2 needs s3:ListBucket, say. Whoever calls such a one adds the exception here.)
    """
    modules = modules_of(layer)
    start = Module.read(app)
    services = services_of([start, *modules.values()])
    found = set(start.calls(start.tree, operations, services))
    todo = list(start.mentions(start.tree))
    seen: set[tuple[str, str]] = set()
    while todo:
        mention = todo.pop()
        if mention in seen or mention[0] not in modules:
            continue
        seen.add(mention)
        module = modules[mention[0]]
        body = module.body(mention[1])
        if body is not None:
            found |= set(module.calls(body, operations, services))
            todo += module.mentions(body)
    return {f"{call.service}:{call.operation}" for call in found}


def services_made(app: Path) -> set[str]:
    """Return the services of which `app` makes clients: `aws.client("ecs")`."""
    return {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(app.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "aws.client"
        and isinstance(node.args[0], ast.Constant)
    }
