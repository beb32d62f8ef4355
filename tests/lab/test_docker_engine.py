"""What `make e2e` says where it cannot have a Docker Engine. The engine itself is tests/e2e's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab.containers.docker_cli import DockerError
from lab.containers.docker_engine import docker_engine, install, running_engine

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the PATH, on a machine without Docker."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("lab.containers.docker_engine.SYSTEM_PATH", "")
    monkeypatch.setenv("DOCKER_HOST", "")
    return tmp_path


def program(machine: Path, name: str, script: str) -> None:
    (machine / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (machine / name).chmod(0o755)


def user(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: number)


def refusal() -> str:
    said: list[str] = []
    with pytest.raises(DockerError) as caught, docker_engine(said.append):
        pytest.fail("there is no engine")
    assert said == []
    return str(caught.value)


def test_without_an_engine_and_without_root_it_says_so(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 1000)
    assert machine.exists()
    assert refusal() == (
        "no Docker Engine answers, and starting one needs root: start Docker, or run as root"
    )


def test_root_of_a_machine_that_is_no_debian_is_told_what_to_install(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(monkeypatch, 0)
    program(machine, "ip", "exit 0")
    assert refusal() == "dockerd, docker is not installed, and this is no Debian: install it"


def test_without_root_nothing_is_installed(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 1000)
    program(machine, "apt-get", "exit 1")
    with pytest.raises(DockerError, match=r"^skopeo is not installed: install it, or run as root$"):
        install(["skopeo"], pytest.fail)


def test_an_installation_that_fails_says_why(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user(monkeypatch, 0)
    program(machine, "apt-get", "echo 'E: no network' >&2; exit 100")
    with pytest.raises(DockerError, match=r"^apt-get update failed: E: no network$"):
        install(["skopeo"], pytest.fail)


@pytest.mark.parametrize("host", ["tcp://192.0.2.1:2375", "ssh://someone@192.0.2.1"])
def test_an_engine_of_another_machine_is_not_used(
    machine: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    program(machine, "docker", "echo 28.0")
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(DockerError, match="not reached from here"):
        running_engine()
