"""A lab's end: nothing that it started goes on, and nobody hears of what was under way."""

from __future__ import annotations

import io
import logging
import tempfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from lab import ministack
from lab.lab import Lab
from lab.watch import until
from tests.function_processes import function_folders

if TYPE_CHECKING:
    from pathlib import Path

FAILS = "def handler(event, context):\n    raise ValueError(event)\n"
NEVER_ENDS = "def handler(event, context):\n    import time\n    time.sleep(100_000)\n"
AT_ONCE = 8


def function(code: str) -> dict[str, Any]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", code)
    return {
        "FunctionName": "function",
        "Runtime": "python3.13",
        "Role": f"arn:aws:iam::{ministack.ACCOUNT}:role/function",
        "Handler": "app.handler",
        "Timeout": 60,
        "Code": {"ZipFile": packed.getvalue()},
    }


@pytest.mark.parametrize("code", [FAILS, NEVER_ENDS], ids=["tried-again", "under-way"])
def test_runs_that_a_lab_s_end_meets_end_with_it(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Lab(tmp_path / "lab", speed=600) as lab:
        client = lab.client("lambda")
        client.create_function(**function(code))
        for _ in range(AT_ONCE):
            client.invoke(FunctionName="function", InvocationType="Event", Payload=b"{}")
        until(lambda: list(function_folders()), "a function's process")
    assert ministack.executions_in_flight() == 0
    assert list(function_folders()) == []
    assert list(tmp_path.glob("pushlive-functions-*")) == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_the_server_complains_of_goes_where_all_complaints_go(tmp_path: Path) -> None:
    with Lab(tmp_path / "lab", speed=600):
        assert logging.getLogger("hypercorn.error").handlers == []
