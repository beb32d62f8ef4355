"""The real Chromium, which Debian has."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

from lab.containers.docker_engine import install

if TYPE_CHECKING:
    from pathlib import Path

BROWSER_SECONDS = 60


class Browser:
    """Chromium without a window."""

    def __init__(self, folder: Path) -> None:
        install(["chromium"], logging.getLogger("e2e").info)
        self.folder = folder
        self.console: list[str] = []

    def opens(self, path: Path, *options: str) -> str:
        """Standard output of a page without a network: every name and every address leads nowhere."""
        nowhere = ["--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND"]
        return self.visits(path.as_uri(), *nowhere, "--virtual-time-budget=10000", *options)

    def visits(self, url: str, *options: str) -> str:
        """Standard output; what the page wrote to its console is kept."""
        done = subprocess.run(  # noqa: S603 - no shell
            [
                shutil.which("chromium") or "chromium",
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                f"--user-data-dir={self.folder / 'profile'}",
                "--enable-logging=stderr",
                *options,
                url,
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=BROWSER_SECONDS,
        )
        self.console = re.findall(r":CONSOLE[:(].*", done.stderr)
        return done.stdout
