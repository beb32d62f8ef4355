"""A run's folder for everything temporary. It ends with the run; the next removes that of a killed run."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "pushlive-run-"
PLAIN = re.compile(r"[\w/.+-]+", re.ASCII)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder. Until the block ends, this process and its children make their temporary files in it.

    Its path needs no quoting in a shell: the lab writes it into the scripts of containers.
    """
    parent = Path(tempfile.gettempdir())
    if not PLAIN.fullmatch(str(parent)):
        parent = Path("/tmp")  # noqa: S108 - every system has it
    for folder in parent.glob(f"{PREFIX}*"):
        _remove_if_nobody_s(folder)
    new = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}", dir=parent))
    lock = _locked(new)
    folder = new.rename(parent / new.name.removeprefix("new-"))
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir, variable = before
        if variable is None:
            os.environ.pop("TMPDIR", None)
        else:
            os.environ["TMPDIR"] = variable
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path) -> int:
    """A lock on the folder, which the system takes back when we end in whatever way.

    Raises:
        OSError: another process holds it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _remove_if_nobody_s(folder: Path) -> None:
    with suppress(OSError):  # it is in use, or another user's, or has just gone
        if folder.lstat().st_uid == os.geteuid():
            lock = _locked(folder)
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
