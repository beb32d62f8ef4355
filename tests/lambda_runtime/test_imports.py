"""What a function loads before its first event, in Lambda's Python, with what `sam build` made alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.lambda_runtime.expectations import FUNCTIONS
from tests.template.stack import ROOT

if TYPE_CHECKING:
    from tests.lambda_runtime.emulator import BuiltFunction, Runtime

    Json = dict[str, Any]

# Each stands for what comes with it.
UNUSED = ("botocore.docs", "html.parser", "importlib.metadata", "urllib3.http2", "bz2", "typing_extensions")

# What a frame holds besides its names and its stack (CPython, pycore_frame.h, _PyInterpreterFrame).
FRAME_WORDS = 11
CHUNK_BYTES = 16 * 1024

AS_A_FUNCTION = f"""
import gc, json, sys, warnings

class Deepest:
    frames_bytes = 0

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        frame, found = sys._getframe(), 0
        while frame:
            code, frame = frame.f_code, frame.f_back
            names = code.co_nlocals + len(code.co_cellvars) + len(code.co_freevars)
            found += 8 * (names + code.co_stacksize + {FRAME_WORDS})
        cls.frames_bytes = max(cls.frames_bytes, found)

sys.meta_path.insert(0, Deepest)
import app
sys.meta_path.remove(Deepest)
made, waited_for = gc.get_count()[0], gc.get_threshold()[0]
loaded = [name for name in {UNUSED!r} if name in sys.modules]

import botocore.docs.docstring, botocore.docs.service, botocore.docs.utils
import pathlib, shutil, tempfile, typing_extensions, urllib3.http2.probe
from pushlive import aws
assert botocore.docs.utils.AutoPopulatedParam
assert urllib3.http2.probe.acquire_and_get and urllib3.http2.inject_into_urllib3
with tempfile.TemporaryDirectory() as folder:
    for kind in ("bztar", "xztar"):
        shutil.make_archive(folder + "/archive", kind, pathlib.Path(app.__file__).parent, "app.py")
    archives = sorted(path.name for path in pathlib.Path(folder).iterdir())
print(json.dumps({{
    "loaded": loaded,
    "has_the_decorator": hasattr(warnings, "deprecated"),
    "made": made,
    "waited_for": waited_for,
    "frames_bytes": Deepest.frames_bytes,
    "real": [
        botocore.docs.service.ServiceDocumenter.__name__,
        botocore.docs.docstring.ClientMethodDocstring.__name__,
        typing_extensions.TypedDict.__name__,
    ],
    "archives": archives,
    "docstring": aws.client("ecs").list_services.__doc__,
}}))
"""


@pytest.fixture(scope="module", params=FUNCTIONS)
def imported(runtime: Runtime, functions: dict[str, BuiltFunction], request: pytest.FixtureRequest) -> Json:
    function = functions[request.param]
    return told_by(
        [str(runtime.python), "-B", "-c", AS_A_FUNCTION], f"{function.folder}:{function.layer / 'python'}"
    )


def told_by(command: list[str], path: str) -> Json:
    env = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    assert done.returncode == 0, done.stderr
    told: Json = json.loads(done.stdout)
    return told


def test_what_no_function_uses_is_not_loaded(imported: Json) -> None:
    needed = [] if imported["has_the_decorator"] else ["typing_extensions"]
    assert imported["loaded"] == needed


def test_whoever_needs_what_was_left_out_gets_the_real_one(imported: Json) -> None:
    assert imported["real"] == ["ServiceDocumenter", "ClientMethodDocstring", "TypedDict"]
    assert imported["archives"] == ["archive.tar.bz2", "archive.tar.xz"]


def test_methods_have_no_docstring(imported: Json) -> None:
    assert imported["docstring"] == ""


def test_the_garbage_collector_leaves_the_first_event_alone(imported: Json) -> None:
    """An event makes far less than the imports do, and a collection takes as long as ten calls."""
    assert imported["made"] < imported["waited_for"] / 2


def test_imports_are_not_nested_so_deeply_that_frames_need_a_second_chunk(imported: Json) -> None:
    """Of a sixth Lambda's runtime and the compiler of regular expressions have need."""
    assert imported["frames_bytes"] < CHUNK_BYTES * 5 / 6


def test_what_was_imported_before_stays() -> None:
    script = """
import json, sys
import botocore.docs.docstring, typing_extensions, urllib3.http2
before = {name: module for name, module in sys.modules.items() if name.startswith(("botocore", "urllib3"))}
import pushlive.lean_imports
from pushlive import aws
assert all(sys.modules[name] is module for name, module in before.items())
assert sys.modules["typing_extensions"] is typing_extensions
print(json.dumps({"docstring": str(aws.client("ecs").list_services.__doc__)[:200]}))
"""
    told = told_by([sys.executable, "-B", "-c", script], str(ROOT / "layers" / "pushlive"))
    assert "Returns a list of services" in told["docstring"]
