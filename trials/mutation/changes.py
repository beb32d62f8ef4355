"""Small changes of a module's code, each one that a test should notice."""

from __future__ import annotations

import ast
import copy
import hashlib
from collections import Counter
from contextlib import contextmanager
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS = (
    (ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.In, ast.NotIn), (ast.Is, ast.IsNot),
    (ast.And, ast.Or), (ast.Add, ast.Sub), (ast.Mult, ast.Div),
)  # fmt: skip
OTHER: dict[type[ast.AST], Any] = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
SHOWN = 40
"""So much of a statement is shown around what is changed in it."""


class Mutant(NamedTuple):
    """A module's code with one change."""

    name: str
    """What was there and what is there now, on a line; with a number where there are several of one name."""
    line: int
    code: str


def mutants(module: str, code: str, count: int) -> list[Mutant]:
    """Return so many changes of a module: always the same ones, whatever changes elsewhere in it."""
    tree = ast.parse(code)
    times: Counter[str] = Counter()
    named = {}
    for change in _changes(tree):
        statement = change[0]
        name = f"{module}: {_difference(_head(statement), _head(_changed(*change)))}"
        times[name] += 1
        named[f"{name} ({times[name]})" if times[name] > 1 else name] = change
    by_chance = sorted(named, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:count]
    made = []
    for name in by_chance:
        statement, number, kind = named[name]
        with _in_place_of(tree, statement, _changed(statement, number, kind)):
            made.append(Mutant(name, statement.lineno, ast.unparse(ast.fix_missing_locations(tree))))
    return sorted(made, key=lambda each: each.line)


def _changed(statement: ast.stmt, number: int, kind: str) -> ast.stmt:
    if kind == "drop":
        return ast.Pass()
    changed = copy.deepcopy(statement)
    _change(changed, list(_own(changed))[number] if number >= 0 else changed, kind)
    return changed


@contextmanager
def _in_place_of(tree: ast.Module, old: ast.stmt, new: ast.stmt) -> Iterator[None]:
    for inner in ast.walk(tree):
        for _, value in ast.iter_fields(inner):
            if isinstance(value, list) and any(each is old for each in value):
                at = [each is old for each in value].index(True)
                value[at] = new
                yield
                value[at] = old
                return


def _changes(tree: ast.Module) -> Iterator[tuple[ast.stmt, int, str]]:
    """Yield statement, the place of a node in it, and what is to become of that."""
    for statement in _statements(tree):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield statement, -1, "drop"
        for number, node in enumerate(_own(statement)):
            if (
                (isinstance(node, ast.Compare) and type(node.ops[0]) in OTHER)
                or isinstance(node, ast.BoolOp)
                or (isinstance(node, ast.BinOp) and type(node.op) in OTHER)
            ):
                yield statement, number, "operator"
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                yield statement, number, "not"
            elif isinstance(node, ast.IfExp):
                yield statement, number, "condition"
            elif isinstance(node, ast.Constant) and isinstance(node.value, int | str) and node.value != "":
                yield statement, number, "constant"
        if isinstance(statement, ast.If | ast.While):
            yield statement, -1, "condition"
        if isinstance(statement, ast.Return) and statement.value is not None:
            yield statement, -1, "return"


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run: no imports, no docstrings, nothing for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        is_text = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
        if isinstance(child, ast.stmt) and not is_text and not isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from _statements(child)


def _own(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield a statement's expressions: none of the statements in it, no annotations, no parts of texts."""
    for name, value in ast.iter_fields(statement):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.stmt | ast.JoinedStr):
                yield child
                yield from _own(child)


def _change(statement: ast.AST, node: ast.AST, kind: str) -> None:
    if kind == "operator" and isinstance(node, ast.Compare):
        node.ops[0] = OTHER[type(node.ops[0])]()
    elif kind == "operator" and isinstance(node, ast.BoolOp | ast.BinOp):
        node.op = OTHER[type(node.op)]()
    elif kind == "not" and isinstance(node, ast.UnaryOp):
        _replace(statement, node, ast.Call(ast.Name("bool", ast.Load()), [node.operand], []))
    elif kind == "condition" and isinstance(node, ast.IfExp):
        node.test = ast.UnaryOp(ast.Not(), node.test)
    elif kind == "condition" and isinstance(statement, ast.If | ast.While):
        statement.test = ast.UnaryOp(ast.Not(), statement.test)
    elif kind == "constant" and isinstance(node, ast.Constant):
        value = node.value
        if isinstance(value, str):
            node.value = f"XX{value}"
        elif isinstance(value, int):
            node.value = not value if isinstance(value, bool) else value + 1
    elif kind == "return" and isinstance(statement, ast.Return):
        statement.value = ast.Constant(None)


def _replace(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for inner in ast.walk(parent):
        for name, value in ast.iter_fields(inner):
            if value is old:
                setattr(inner, name, new)
            elif isinstance(value, list):
                setattr(inner, name, [new if each is old else each for each in value])


def _difference(before: str, after: str) -> str:
    pairs = zip_longest(before, after)
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), len(before))
    start = max(0, same - SHOWN)
    return f"{before[start : same + SHOWN]} -> {after[start : same + SHOWN]}"


def _head(statement: ast.stmt) -> str:
    """Return a statement on a line, without the statements in it."""
    bare = copy.copy(statement)
    for name in ("body", "orelse", "finalbody", "handlers"):
        if isinstance(getattr(bare, name, None), list):
            setattr(bare, name, [])
    return " ".join(ast.unparse(bare).split())
