"""The folder of a run: what is made in it ends with it, also where the run was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab.temporary import PREFIX, temporary_folder
from lab.user.sam import ROOT

RUN = """
import sys
from lab.temporary import temporary_folder
with temporary_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What TMPDIR names."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_everything_temporary_lies_in_it_and_ends_with_it(parent: Path) -> None:
    with temporary_folder() as folder:
        assert folder.parent == parent
        assert Path(tempfile.mkdtemp()).parent == folder
        assert os.environ["TMPDIR"] == str(folder)
    assert list(parent.iterdir()) == []
    assert (tempfile.gettempdir(), os.environ["TMPDIR"]) == (str(parent), str(parent))


def test_a_variable_that_was_not_set_is_not_set_afterwards(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TMPDIR")
    with temporary_folder() as folder:
        assert folder.parent == parent
    assert "TMPDIR" not in os.environ


def test_it_ends_with_a_run_that_fails(parent: Path) -> None:
    with pytest.raises(KeyboardInterrupt), temporary_folder():
        raise KeyboardInterrupt
    assert list(parent.iterdir()) == []


def test_the_next_run_removes_that_of_a_killed_one_and_no_other(parent: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - ours
        [sys.executable, "-c", RUN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout
        its = Path(run.stdout.readline().strip())
        (its / "file").touch()
        with temporary_folder():
            assert its.is_dir(), "it was in use"
        run.kill()
    assert list(parent.iterdir()) == [its]
    with temporary_folder() as folder:
        assert list(parent.iterdir()) == [folder]


def test_what_is_no_folder_of_ours_stays(parent: Path) -> None:
    outside = parent / "outside"
    outside.mkdir()
    (parent / f"{PREFIX}link").symlink_to(outside)
    (parent / f"{PREFIX}file").touch()
    with temporary_folder():
        pass
    assert {each.name for each in parent.iterdir()} == {"outside", f"{PREFIX}link", f"{PREFIX}file"}


def test_its_path_needs_no_quoting_in_a_shell(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's /tmp lies in it, and stands in the scripts of its health checks."""
    monkeypatch.setattr(tempfile, "tempdir", str(parent / "a b's é"))
    with temporary_folder() as folder:
        assert folder.parent == Path("/tmp")  # noqa: S108 - every system has it
