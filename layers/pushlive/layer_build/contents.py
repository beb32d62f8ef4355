"""What of the libraries is left out: modules that nothing imports, and what only pip and people read.

What is shipped of a library is as its authors made it.
"""

from __future__ import annotations

import ast
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

POWERTOOLS = "aws_lambda_powertools"
# What the functions import of it. A part that is not reached from here is not in the layer.
POWERTOOLS_PARTS = (POWERTOOLS, f"{POWERTOOLS}.logging", f"{POWERTOOLS}.metrics")
# Imported inside one function, for values that are models of pydantic, which is not in the layer.
POWERTOOLS_NEVER = f"{POWERTOOLS}.event_handler"

# Of a library's dist-info stay its name and version, which scanners look for, and its licence.
KEPT_OF_DIST_INFO = ("METADATA", "LICENSE", "LICENCE", "NOTICE", "COPYING", "licenses")


def leave_out(target: Path) -> None:
    """Remove from the folder of the libraries what no function needs."""
    shutil.rmtree(target / "bin", ignore_errors=True)  # console scripts
    for folder in target.glob("*.dist-info"):
        for path in folder.iterdir():
            if not path.name.startswith(KEPT_OF_DIST_INFO):
                path.unlink()
    keep_reached(target, POWERTOOLS, POWERTOOLS_PARTS, POWERTOOLS_NEVER)


def keep_reached(target: Path, package: str, roots: Sequence[str], never: str) -> None:
    """Remove the modules of a package that are not imported, directly or by others, from `roots`.

    Imports inside functions count, those for type checkers and those of the package `never` do not.

    Raises:
        FileNotFoundError: one of `roots` is not there.
    """
    for name in roots:
        if _file_of(target, name) is None:
            raise FileNotFoundError(f"The module {name}, which the functions import, is not in {target}")
    _remove_all_but(_reached(target, package, roots, never), target / package)


def _remove_all_but(kept: set[Path], folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()


def _reached(target: Path, package: str, roots: Sequence[str], never: str) -> set[Path]:
    found: set[Path] = set()
    todo = list(roots)
    while todo:
        name = todo.pop()
        if not name.startswith(package) or f"{name}.".startswith(f"{never}."):
            continue
        parts = name.split(".")
        for length in range(1, len(parts) + 1):  # importing a module imports the packages around it
            path = _file_of(target, ".".join(parts[:length]))
            if path is None:  # a member of a module, not a module
                break
            if path not in found:
                found.add(path)
                todo += _imported(path, target)
    return found


def _file_of(target: Path, module: str) -> Path | None:
    path = target.joinpath(*module.split("."))
    for each in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if each.exists():
            return each
    return None


def _imported(path: Path, target: Path) -> Iterator[str]:
    """Yield the modules that a file imports, and the members, which may be modules."""
    inside = path.relative_to(target).with_suffix("").parts
    package = inside[:-1]  # of a package's __init__.py it is the package itself
    for node in _run_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for each in node.orelse:
                yield each
                yield from _run_nodes(each)
            continue
        yield node
        yield from _run_nodes(node)
