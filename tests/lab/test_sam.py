"""How the lab runs sam: one build at a time, and nothing outside of the checkout's own folder."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from lab.user import sam
from lab.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

# A sam that builds until it may go on, and fails where another one builds at the same place.
BUILDS = """#!/bin/sh
mkdir busy || exit 1
rm -rf build
mkdir build
until test -e go; do sleep 0.02; done
touch build/template.yaml
rmdir busy
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    executable = tmp_path / "sam"
    executable.write_text(BUILDS)
    executable.chmod(0o755)
    monkeypatch.setenv("SAM", str(executable))
    monkeypatch.setattr(sam, "KEPT", tmp_path / "kept")
    return tmp_path / "kept"


def test_two_builds_at_once_wait_for_each_other_and_both_are_whole(kept: Path, tmp_path: Path) -> None:
    said: dict[str, list[str]] = {"first": [], "second": []}
    runs = {
        name: threading.Thread(target=sam.build, args=(tmp_path / name, lines.append))
        for name, lines in said.items()
    }
    runs["first"].start()
    until((kept / "busy").is_dir, "the first build")
    runs["second"].start()
    until(lambda: said["second"], "a word of the second")
    (kept / "go").touch()
    for run in runs.values():
        run.join()
    assert said == {"first": [], "second": ["waiting for another run's sam build to end"]}
    assert all((tmp_path / name / "template.yaml").exists() for name in said)


def test_sam_writes_nothing_into_the_home_folder(tmp_path: Path) -> None:
    sam.run(["validate"], {"HOME": str(tmp_path), "AWS_DEFAULT_REGION": "us-east-1"}, lambda _: None)
    assert list(tmp_path.iterdir()) == []
