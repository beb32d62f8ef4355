"""Imports botocore and Powertools without what they load and no function uses: 7 in 100 of a cold start.

Import it before them. While they are being imported, something small stands in for

- botocore's documentation of itself, which brings a parser of HTML and writes a text for each method;
- what urllib3 needs to switch to HTTP/2, which it does only when asked, with `importlib.metadata`;
- typing_extensions, of which Powertools needs one decorator: Python has it by itself since 3.13;
- bz2 and lzma: shutil only looks whether they are there.

Afterwards each name is as if nobody had imported it, so whoever needs one of these gets the real one. What
was imported before stays as it is.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _stand_ins() -> Iterator[ModuleType]:
    yield _package_alone("botocore", "docs")
    yield _module(
        "botocore.docs.docstring",
        ClientMethodDocstring=_no_docstring,
        PaginatorDocstring=_no_docstring,
        WaiterDocstring=_no_docstring,
    )
    yield _package_alone("urllib3", "http2")
    if hasattr(warnings, "deprecated"):
        yield _module("typing_extensions", deprecated=warnings.deprecated)
    yield from (_module("bz2"), _module("lzma"))


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _package_alone(library: str, package: str) -> ModuleType:
    """Return a package of a library, of which any module can be imported, without what it imports itself."""
    spec = PathFinder.find_spec(library)
    folders = spec.submodule_search_locations or () if spec else ()
    return _module(f"{library}.{package}", __path__=[f"{folder}/{package}" for folder in folders])


def _no_docstring(**_: object) -> str:
    return ""


@contextmanager
def _standing_in(stand_ins: Iterable[ModuleType]) -> Iterator[None]:
    """Let these be what is imported by their names until the block ends, unless such a module is there."""
    ours = {module.__name__: module for module in stand_ins if module.__name__ not in sys.modules}
    sys.modules.update(ours)
    try:
        yield
    finally:
        inside = tuple(f"{name}." for name in ours)
        for name in [name for name in sys.modules if name in ours or name.startswith(inside)]:
            del sys.modules[name]


# From the bottom up, so that imports are not nested deeply. Python keeps its frames in chunks of 16 KiB: a
# call that needs a new one maps it, and unmaps it at its return (python/cpython issue 142183; 3.13 has a cure
# since March 2026). Where urllib3's regular expressions are compiled at such a border, that takes as long as
# ten calls of AWS.
# isort: off
with _standing_in(_stand_ins()):
    import aws_lambda_powertools  # noqa: F401
    import urllib3  # noqa: F401
    import botocore.compat
    import botocore.session  # noqa: F401
