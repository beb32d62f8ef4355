"""A lab takes its port first. At its end nothing goes on or is left, and nobody hears of it."""

from __future__ import annotations

import io
import logging
import socket
import subprocess
import sys
import tempfile
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from lab import identity, ministack
from lab.lab import Lab
from lab.serving import PortError
from lab.user import sam
from lab.waiting import until
from tests.support.function_processes import function_folders

FAILS = "def handler(event, context):\n    raise ValueError(event)\n"
NEVER_ENDS = "def handler(event, context):\n    import time\n    time.sleep(100_000)\n"
AT_ONCE = 8
# MiniStack's folders: those of what it keeps, and what it unpacks.
WRITES_TO = {
    "ministack.core.persistence": "STATE_DIR",
    "ministack.services.cognito": "_STATE_DIR",
    "ministack.services.lambda_svc": "CODE_BLOB_DIR",
    "ministack.services.s3": "DATA_DIR",
}


def function(code: str) -> dict[str, Any]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", code)
    return {
        "FunctionName": "function",
        "Runtime": "python3.13",
        "Role": f"arn:aws:iam::{identity.ACCOUNT}:role/function",
        "Handler": "app.handler",
        "Timeout": 60,
        "Code": {"ZipFile": packed.getvalue()},
    }


@pytest.mark.parametrize("code", [FAILS, NEVER_ENDS], ids=["tried-again", "under-way"])
def test_runs_that_a_lab_s_end_meets_end_with_it(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Lab(speed=600) as lab:
        client = lab.client("lambda")
        client.create_function(**function(code))
        for _ in range(AT_ONCE):
            client.invoke(FunctionName="function", InvocationType="Event", Payload=b"{}")
        until(lambda: list(function_folders()), "a function's process")
    assert ministack.executions_in_flight() == 0
    assert list(function_folders()) == []
    assert list(tmp_path.iterdir()) == []
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_what_the_server_complains_of_goes_where_all_complaints_go() -> None:
    with Lab(speed=600):
        assert logging.getLogger("hypercorn.error").handlers == []


def test_all_that_it_writes_lies_in_its_folder() -> None:
    with Lab() as lab:
        assert Path(tempfile.gettempdir()) == lab.folder
        for module, name in WRITES_TO.items():
            assert Path(getattr(import_module(module), name)).is_relative_to(lab.folder), module
    assert not lab.folder.exists()


def test_a_port_in_use_is_refused_before_anything_starts() -> None:
    with Lab() as first:
        with pytest.raises(
            PortError, match=f"^port {first.port} is in use: choose another with --port, as in"
        ):
            Lab(port=first.port)
        assert first.client("sts").get_caller_identity()["Account"] == identity.ACCOUNT


def test_the_command_says_in_one_line_that_its_port_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = subprocess.run(  # noqa: S603 - ours
            [sys.executable, "-m", "lab", "--port", str(port)],
            cwd=sam.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (said.returncode, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    assert (
        f"port {port} is in use: choose another with --port, as in `make lab PORT={port + 1}`" in said.stderr
    )
