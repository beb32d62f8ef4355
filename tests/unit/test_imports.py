"""Which room of the house may import which, what the pure modules may, and that no module needs itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = ("redeploy_service", "update_record")
ROOMS = ("pushlive", *FUNCTIONS, "commands", "lab", "trials", "tests")
MAY_IMPORT: dict[str, set[str]] = {
    "pushlive": set(),
    "redeploy_service": {"pushlive"},
    "update_record": {"pushlive"},
    "commands": {"pushlive"},
    "lab": set(),
    "trials": {"pushlive", *FUNCTIONS, "lab"},
    "tests": {"pushlive", *FUNCTIONS, "commands", "lab", "trials"},
}
"""By room, besides itself."""
LIES_IN = {"pushlive": ROOT / "layers" / "pushlive", **dict.fromkeys(FUNCTIONS, ROOT / "functions")}


def modules() -> dict[str, ast.Module]:
    """Name to syntax tree of every module of the rooms."""
    found = {}
    for room in ROOMS:
        folder = LIES_IN.get(room, ROOT)
        for path in sorted((folder / room).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imported(tree: ast.AST, known: set[str], *, when_it_runs: bool = False) -> set[str]:
    """The modules of the rooms that a module imports; `when_it_runs` leaves out the type checker's."""
    names: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) if when_it_runs:
                continue
            case ast.Import():
                names |= {alias.name for alias in node.names}
            case ast.ImportFrom(module=str(module)):
                inner = {f"{module}.{alias.name}" for alias in node.names}
                names |= {each for each in inner if each in known} or {module}
            case _:
                names |= imported(node, known, when_it_runs=when_it_runs)
    return {name for name in names if name.partition(".")[0] in ROOMS}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself; empty where there is none."""
    done: set[str] = set()

    def search(way: list[str]) -> list[str]:
        for each in sorted(graph.get(way[-1], ())):
            if each in way:
                return [*way[way.index(each) :], each]
            if each not in done and (found := search([*way, each])):
                return found
        done.add(way[-1])
        return []

    return next((found for name in sorted(graph) if name not in done and (found := search([name]))), [])


MODULES = modules()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = {room} | MAY_IMPORT[room]
    wrong = [
        f"{name} imports {each}"
        for name, tree in MODULES.items()
        if name.partition(".")[0] == room
        for each in sorted(imported(tree, set(MODULES)))
        if each.partition(".")[0] not in allowed
    ]
    assert wrong == [], f"{room} may import {sorted(allowed)} only"


@pytest.mark.parametrize("plan", [name for name in MODULES if name.endswith("_plan")])
def test_a_plan_is_pure(plan: str) -> None:
    assert imported(MODULES[plan], set(MODULES)) <= {"pushlive.model", "pushlive.times"} | {
        name for name in MODULES if name.endswith("_plan")
    }


OF_WHY = ["commands.why.finding", "commands.why.state"]
OF_WHY += [name for name in MODULES if name.startswith("commands.why.") and name.endswith("_findings")]


@pytest.mark.parametrize("module", OF_WHY)
def test_what_why_finds_was_read_before(module: str) -> None:
    """A finding is made of the state that was read: nothing here can ask AWS."""
    pure = {"pushlive.model", "pushlive.times", "pushlive.image_reference", *OF_WHY}
    plans = {name for name in MODULES if name.endswith("_plan")}
    assert imported(MODULES[module], set(MODULES), when_it_runs=True) <= pure | plans


def test_no_module_needs_itself() -> None:
    assert circle({n: imported(t, set(MODULES), when_it_runs=True) for n, t in MODULES.items()}) == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        pytest.param({"a": {"b"}, "b": {"c"}, "c": set()}, [], id="none"),
        pytest.param({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c", "b"], id="not-through-the-first"),
        pytest.param({"a": {"a"}}, ["a", "a"], id="itself"),
    ],
)
def test_a_circle_is_found(graph: dict[str, set[str]], found: list[str]) -> None:
    assert circle(graph) == found
