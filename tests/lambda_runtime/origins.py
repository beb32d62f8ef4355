"""Where the code of a process came from."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.lambda_runtime.emulator import BuiltFunction

FACTS = """
import importlib.metadata, json, sys, sysconfig
print(json.dumps({
    "name": "python%d.%d" % sys.version_info[:2],
    "standard_library": sysconfig.get_path("stdlib"),
    "site_packages": [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")],
    "distributions": [each.metadata["Name"] for each in importlib.metadata.distributions()],
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """What the runtime's Python says of itself."""

    name: str
    """As Lambda spells it, such as `python3.13`."""
    standard_library: Path
    site_packages: frozenset[Path]
    distributions: frozenset[str]

    @classmethod
    def of(cls, python: Path) -> Interpreter:
        command = [str(python), "-I", "-c", FACTS]
        facts = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - no shell
        return cls(
            name=facts["name"],
            standard_library=Path(facts["standard_library"]),
            site_packages=frozenset(map(Path, facts["site_packages"])),
            distributions=frozenset(facts["distributions"]),
        )


def by_origin(
    loaded: Iterable[Path], function: BuiltFunction, interpreter: Interpreter
) -> dict[str, set[str]]:
    """Function, layer, runtime and standard library, with the top modules and packages that came from each.

    Files from any other place are under `elsewhere`.
    """
    folders = [
        (function.folder, "function"),
        (function.layer / "python", "layer"),
        *((folder, "runtime") for folder in interpreter.site_packages),
        (interpreter.standard_library, "standard library"),
    ]
    found: dict[str, set[str]] = defaultdict(set)
    for path in loaded:
        origin, name = "elsewhere", str(path)
        for folder, its_origin in folders:
            inside = path.relative_to(folder).parts if path.is_relative_to(folder) else ()
            # The folder of a standard library may hold the site-packages of a machine.
            if inside and inside[0] not in {"site-packages", "dist-packages"}:
                first = next(part for part in inside if part != "__pycache__")
                origin, name = its_origin, first.partition(".")[0]
                break
        found[origin].add(name)
    return found
