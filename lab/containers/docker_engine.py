"""A Docker Engine for as long as it is needed: the one that runs, or one of our own.

Ours needs root on Debian. It has a data folder of its own, and makes no rule in the firewall, so that nothing
of it is left when it has ended; packages that were installed for it stay.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.containers.docker_cli import Docker, DockerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECONDS = 30
END_SECONDS = 30
PACKAGES = {
    "dockerd": "docker.io",
    "debootstrap": "debootstrap",
    "skopeo": "skopeo",
    "ip": "iproute2",
    "busybox": "busybox-static",
    "chromium": "chromium",
}
SYSTEM_PATH = "/usr/sbin"  # Debian's dockerd and debootstrap lie there; it is not on everybody's PATH
BRIDGE = Path("/sys/class/net/docker0")
BRIDGE_ADDRESS = "198.19.255.1/24"  # RFC 2544's range for measurements: in nobody's way


def running_engine() -> Docker:
    """The Docker Engine that runs here.

    Raises:
        DockerError: none does, or its containers' addresses are not this machine's.
    """
    docker = Docker(os.environ.get("DOCKER_HOST", ""))
    if not docker.answers():
        raise DockerError("no Docker Engine answers")
    if platform.system() != "Linux" or docker.host.startswith(("tcp:", "ssh:")):
        raise DockerError("the addresses of this Docker Engine's containers are not reached from here")
    return docker


@contextmanager
def docker_engine(say: Callable[[str], None]) -> Iterator[Docker]:
    """The Docker Engine that runs on this machine, or one that ends with the block.

    Raises:
        DockerError: there is none, and none can be started; the text is one line that says what is missing.
    """
    running = Docker(os.environ.get("DOCKER_HOST", ""))
    if running.answers():
        say("A Docker Engine runs here: it is used.")
        yield running
        return
    if os.geteuid() != 0:
        raise DockerError(
            "no Docker Engine answers, and starting one needs root: start Docker, or run as root"
        )
    install(["dockerd", "docker", "ip"], say)
    with tempfile.TemporaryDirectory(prefix="pushlive-docker-") as folder:
        say("No Docker Engine runs here: starting one ...")
        with _started(Path(folder)) as docker:
            yield docker
        say("The Docker Engine has ended.")


def install(commands: list[str], say: Callable[[str], None]) -> None:
    """Install, with Debian's packages, the commands that are missing.

    Raises:
        DockerError: this is not Debian, not root, or the installation failed.
    """
    missing = [command for command in commands if not _which(command)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise DockerError(f"{', '.join(missing)} is not installed, and this is no Debian: install it")
    if os.geteuid() != 0:
        raise DockerError(f"{', '.join(missing)} is not installed: install it, or run as root")
    _apt("update")
    packages = sorted({_package(command) for command in missing})
    say(f"Installing Debian's {', '.join(packages)} ...")
    _apt("install", "--yes", "--no-install-recommends", *packages)


def _package(command: str) -> str:
    if command != "docker":
        return PACKAGES[command]
    # Debian 13 has the client in a package of its own.
    known = subprocess.run(["apt-cache", "show", "docker-cli"], capture_output=True, check=False)  # noqa: S607
    return "docker.io" if known.returncode else "docker-cli"


def _apt(*arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - no shell
        ["apt-get", "-qq", "-o", "Dpkg::Use-Pty=0", *arguments],  # noqa: S607 - Debian's own
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DockerError(f"apt-get {arguments[0]} failed: {' '.join(done.stderr.split()[-40:])}")


@contextmanager
def _started(folder: Path) -> Iterator[Docker]:
    socket = folder / "docker.sock"
    log = folder / "dockerd.log"
    docker = Docker(f"unix://{socket}")
    options = {
        "data-root": folder / "data",
        "exec-root": folder / "exec",
        "pidfile": folder / "pid",
        "host": f"unix://{socket}",
        "bip": BRIDGE_ADDRESS,
        "iptables": "false",
        "ip6tables": "false",
        "ip-forward": "false",
        "ip-masq": "false",
    }
    had_bridge = BRIDGE.exists()
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - no shell
            [_which("dockerd") or "dockerd", *(f"--{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for us: containers are ended before their engine
        )
    try:
        give_up = time.monotonic() + START_SECONDS
        while not docker.answers():
            if process.poll() is not None or time.monotonic() > give_up:
                words = log.read_text(errors="replace").split()
                raise DockerError(f"the Docker Engine did not start: {' '.join(words[-60:])}")
            time.sleep(0.1)
        yield docker
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if BRIDGE.exists() and not had_bridge:
            subprocess.run(["ip", "link", "delete", BRIDGE.name], check=False)  # noqa: S603, S607


def _which(command: str) -> str | None:
    return shutil.which(command, path=os.pathsep.join([os.environ.get("PATH", os.defpath), SYSTEM_PATH]))
