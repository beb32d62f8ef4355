"""Whatever its terminal says: `make lab` starts, tools and functions reach it, and it leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
import pytest

from lab import identity
from lab.user.sam import ROOT
from lab.waiting import until
from tests.lab.test_lab import function

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NOBODY = "http://127.0.0.1:1"
PROXIES = {"HTTP_PROXY": NOBODY, "HTTPS_PROXY": NOBODY, "ALL_PROXY": NOBODY, "http_proxy": NOBODY}
# A tool of the user's second terminal; the AWS CLI and SAM CLI make their clients in the same way.
TOOL = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
ASKS = """
import os, urllib.request
def handler(event, context):
    urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"], timeout=10).close()
    return {name: os.environ.get(name) for name in ("AWS_PROFILE", "AWS_REGION")}
"""


class Terminal:
    """Where somebody has typed `make lab`."""

    def __init__(self, said: Path, environment: Mapping[str, str]) -> None:
        self._said = said
        self._environment = environment

    @property
    def to_paste(self) -> str:
        """The lines for a second terminal, once they are there."""

        def lines() -> str | None:
            text = self._said.read_text()
            return text if "\nsam delete" in text and text.endswith("\n") else None

        words = ("export ", "unset ")
        return "\n".join(line for line in until(lines, "the lab").splitlines() if line.startswith(words))

    def types(self, *command: str) -> str:
        """What a command prints in a second terminal of the same kind, after these lines."""
        script = f'{self.to_paste}\nexec "$@"'
        return subprocess.run(  # noqa: S603 - ours
            ["/bin/sh", "-ec", script, "sh", *command],
            env=self._environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout.strip()


@contextmanager
def make_lab(
    folder: Path, *arguments: str, environment: Mapping[str, str], umask: int = -1
) -> Iterator[Terminal]:
    """A lab that somebody ends with `kill`; their configuration of AWS sends all requests elsewhere."""
    said, temporary, home = folder / "said", folder / "tmp", folder / "home"
    temporary.mkdir()
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "config").write_text(f"[default]\nendpoint_url = {NOBODY}\n")
    given = {"HOME": str(home), **environment, "TMPDIR": str(temporary)}
    environment = {name: value for name, value in given.items() if value}
    with (
        said.open("w") as output,
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "lab", "--port", "0", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            umask=umask,
        ) as process,
    ):
        try:
            yield Terminal(said, environment)
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert [*temporary.iterdir(), *home.iterdir()] == [home / ".aws"]


@pytest.mark.parametrize(
    ("environment", "arguments", "umask"),
    [
        (
            {
                "AWS_PROFILE": "nobody-s",
                "AWS_ACCESS_KEY_ID": "AKIA",
                "AWS_SECRET_ACCESS_KEY": "real",
                "AWS_SESSION_TOKEN": "real",
                "AWS_ENDPOINT_URL": NOBODY,
                "AWS_ENDPOINT_URL_STS": NOBODY,
                "AWS_CA_BUNDLE": "/nowhere",
            },
            ["--tasks", "processes"],
            -1,
        ),
        (PROXIES, ["--tasks", "processes"], -1),
        ({"DOCKER_HOST": "tcp://127.0.0.1:1"}, [], -1),
        (None, ["--tasks", "processes"], 0o077),
    ],
    ids=[
        "another-account-s-settings",
        "proxies-and-no-word-of-loopback",
        "docker-host-to-nowhere",
        "almost-nothing-and-umask-077",
    ],
)
def test_a_lab_is_reached_and_leaves_nothing(
    environment: dict[str, str] | None, arguments: list[str], umask: int, tmp_path: Path
) -> None:
    usual = {name: value for name, value in os.environ.items() if name != "HOME"}
    known = {"PATH": "/usr/bin:/bin", "HOME": ""} if environment is None else {**usual, **environment}
    with make_lab(tmp_path, *arguments, environment=known, umask=umask) as terminal:
        assert terminal.types(sys.executable, "-c", TOOL) == identity.ACCOUNT
        endpoint = terminal.types("printenv", "AWS_ENDPOINT_URL")
        seen = called(endpoint)
    assert seen == {"AWS_PROFILE": None, "AWS_REGION": identity.REGION}


def called(endpoint: str) -> dict[str, str | None]:
    """What a function of the lab answers."""
    client = boto3.client(
        "lambda",
        endpoint_url=endpoint,
        region_name=identity.REGION,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
    )
    client.create_function(**function(ASKS))
    answer = client.invoke(FunctionName="function")["Payload"].read()
    client.close()
    found: dict[str, str | None] = json.loads(answer)
    return found
