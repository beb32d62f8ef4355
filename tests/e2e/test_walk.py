"""A newcomer's walk: what `make lab` prints, pasted as it stands, and docs/steering.md's commands between."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lab.user import browse, sam, walk
from lab.waiting import until
from tests.support.browser import Browser
from tests.support.terminal import commands, filled_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCES = ("Makefile", "template.yaml", "pushlive.yaml", "https.yaml", "samconfig.toml")
FOLDERS = ("functions", "layers", "lab", "commands", "hello_app", "requirements")
README = commands(sam.ROOT / "README.md")
STEERING = commands(sam.ROOT / "docs" / "steering.md")
URL = f"http://{walk.HOST_NAME}:{walk.PORT}/"
WALK_SECONDS = 200


class Person:
    """Has the lab in one terminal, and types into another one, whose shell knows nothing of it."""

    def __init__(self, said: str, home: Path) -> None:
        _, *said_and_lines = said.strip().split("\n\n")
        self.variables, self.first, self.https, self.names, self.delete = said_and_lines[1::2]
        [self._browse] = (line for line in self.first.splitlines() if "lab.user.browse" in line)
        self._home = home

    def types(self, *lines: str, answers: str = "") -> str:
        """What the lines print; a failure fails the test."""
        done = subprocess.run(  # noqa: S603 - the project's own lines
            ["bash", "-ec", "\n".join([self.variables, *lines])],  # noqa: S607
            env={"PATH": os.environ["PATH"], "HOME": str(self._home), "BROWSER": "echo opened %s"},
            input=answers,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=WALK_SECONDS,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def words(self) -> dict[str, str]:
        """The words in capitals of docs/steering.md, as the stack's outputs have them."""
        outputs = dict(line.split("\t") for line in self.types(self.names).splitlines())
        return {
            "CLUSTER": outputs["ClusterName"],
            "SERVICE": outputs["ServiceName"],
            "SERVICE_ARN": outputs["ServiceArn"],
            "REPOSITORY": outputs["RepositoryName"],
            "TAG": "latest",
        }

    def push(self, version: str) -> None:
        image, line = (line for line in self.first.splitlines() if "IMAGE" in line and not line.endswith("1"))
        self.types(image, line.replace("2", version))

    def sees(self, version: str) -> bool:
        return f"version {version}," in self.types(self._browse)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, where `sam build` and `make` leave nothing in the checkout of the tests."""
    folder = tmp_path_factory.mktemp("a newcomer's é")
    for name in SOURCES:
        shutil.copy2(sam.ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(sam.ROOT / name, folder / name)
    for name in walk.ENVIRONMENTS:
        (folder / name).mkdir()
        for each in (sam.ROOT / name).iterdir():
            (folder / name / each.name).symlink_to(each)
        (folder / name / "installed").unlink(missing_ok=True)
        (folder / name / "installed").touch()  # newer than its lock: make has nothing to do
    return folder


@pytest.fixture(scope="module")
def person(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """Somebody for whom `make lab` has just said what to paste."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "lab", "--tasks", "processes", "--port", str(port)],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as lab:
        assert lab.stdout
        said = ""
        for line in lab.stdout:
            said += line
            if line.startswith("sam delete --config-env lab"):
                break
        try:
            yield Person(said, tmp_path_factory.mktemp("home"))
        finally:
            lab.send_signal(signal.SIGTERM)  # a script in the background has its children ignore SIGINT
            rest, errors = lab.communicate(timeout=60)
    assert (rest, errors) == ("stopped; everything that was started has ended\n", "")


def test_what_is_pasted_ends_with_two_versions_a_page_in_the_browser_and_an_answer(person: Person) -> None:
    printed = person.types(person.first)
    assert re.findall(r"^pushed hello_app, version (\d)", printed, re.MULTILINE) == ["1", "2"]
    assert re.search(r"^opened http://127\.[\d.]+:\d+/$", printed, re.MULTILINE)
    assert "Hello, World! version 1," in printed
    assert f"nothing is wrong · stack {sam.STACK_NAME} " in printed
    until(lambda: person.sees("2"), "the page of version 2")


def test_the_readme_s_line_finds_the_id_of_the_zone(person: Person) -> None:
    find, *_ = README["Quick start on AWS"]
    assert f"HostedZoneId={person.types(find).strip()} " in person.first


def test_a_pause_and_a_way_back(person: Person) -> None:
    words = person.words()
    [pause], [resume] = STEERING["Pause"], STEERING["Resume"]
    look, go_back = STEERING["Go back to an earlier image"]
    person.types(filled_in(pause, words))
    person.push("3")
    assert "paused by its tag" in person.types(f"make why STACK={sam.STACK_NAME}")
    assert person.sees("2")
    person.types(filled_in(resume, words))
    until(lambda: person.sees("3"), "the page of version 3, by the schedule")
    oldest = person.types(filled_in(look, words)).splitlines()[-1].split("\t")[1]
    person.types(filled_in(go_back, {**words, "DIGEST": oldest}))
    until(lambda: person.sees("1"), "the page of version 1")


def test_https_is_two_more_commands_for_curl_and_for_a_browser(person: Person, tmp_path: Path) -> None:
    printed = person.types(person.https)
    where = re.search(rf"^https://{walk.HOST_NAME}/ is at (\S+), port (\d+):$", printed, re.MULTILINE)
    assert where, printed
    assert "Hello, World! version 1," in printed
    address, port = where.groups()
    url = f"https://{walk.HOST_NAME}:{port}/"
    resolved = f"--resolve {walk.HOST_NAME}:{port}:{address} {url}"
    assert "Hello, World!" in person.types(f'curl -sS --fail --cacert "$PUSHLIVE_AUTHORITY" {resolved}')
    [authority] = re.findall(r"PUSHLIVE_AUTHORITY=(\S+)", person.variables)
    trusted = f"--ignore-certificate-errors-spki-list={key_of(address, int(port), authority)}"
    mapped = f"--host-resolver-rules=MAP {walk.HOST_NAME} {address}"
    assert "Hello, World! version 1," in Browser(tmp_path).visits(url, trusted, mapped, "--dump-dom")


def key_of(address: str, port: int, authority: str) -> str:
    """The hash of the key of the server's certificate, once it was checked against the authority."""
    context = ssl.create_default_context(cafile=authority)
    with (
        socket.create_connection((address, port)) as connection,
        context.wrap_socket(connection, server_hostname=walk.HOST_NAME) as secure,
    ):
        certificate = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def test_sam_delete_asks_three_times_and_leaves_nothing(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = person.types(person.delete, answers="y\n" * 3)
    assert printed.count("[y/N]") == 3
    left = [
        "aws ecr describe-repositories --query repositories[].repositoryName --output text",
        "aws ecs list-clusters --query clusterArns --output text",
        "aws lambda list-functions --query Functions[].FunctionName --output text",
    ]
    assert person.types(*left).split() == []
    [name_server] = re.findall(r"PUSHLIVE_DNS_SERVER=(\S+)", person.variables)
    monkeypatch.setenv("PUSHLIVE_DNS_SERVER", name_server)
    assert "has no address" in str(browse.main([URL], seconds=0.5))


@pytest.mark.parametrize(
    ("url", "server", "said"),
    [
        pytest.param([], "127.0.0.1:1", browse.USAGE, id="no-url"),
        pytest.param(["hello.example.com"], "127.0.0.1:1", browse.USAGE, id="a-name-alone"),
        pytest.param([URL], "", browse.NO_LAB, id="without-the-lab-s-variables"),
    ],
)
def test_a_page_that_cannot_be_opened_says_what_to_do(
    url: list[str], server: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHLIVE_DNS_SERVER", server)
    assert browse.main(url) == said
