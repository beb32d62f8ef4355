"""The images that others publish and we use: Python's, busybox's, and Lambda's for `sam local invoke`.

Where the engine cannot pull them, stand-ins are made on this machine, from Debian 13: its Python 3.13, its
busybox.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.containers.docker_cli import DockerError
from lab.containers.docker_engine import install
from lab.ecr.public_images import SIDECAR_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.containers.docker_cli import Docker

ROOT = Path(__file__).parents[2]
[PYTHON_IMAGE] = re.findall(r"^FROM (\S+)", (ROOT / "hello_app" / "Dockerfile").read_text(), re.MULTILINE)
LAMBDA_IMAGES = {
    "x86_64": "public.ecr.aws/lambda/python:3.13-x86_64",
    "aarch64": "public.ecr.aws/lambda/python:3.13-arm64",
}
DEBIAN = "trixie"  # Debian 13, whose python3 is 3.13
LEFT_OUT = ("./var/cache", "./var/lib/apt", "./usr/share/doc", "./usr/share/locale", "./usr/share/man")

# What Lambda's own image does: the function before the layers before the runtime (Lambda guide, "Working with
# layers for Python Lambda functions"; samcli starts the emulator, which starts /var/runtime/bootstrap).
BOOTSTRAP = """#!/bin/sh
export PYTHONPATH=/var/task:/opt/python:/opt/python/lib/python3.13/site-packages:/var/runtime
exec /var/lang/bin/python3.13 -m awslambdaric "$_HANDLER"
"""
BUSYBOX_DOCKERFILE = """FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "/bin"]
RUN mkdir -m 1777 /tmp
ENV PATH=/bin
CMD ["sh"]
"""
LAMBDA_DOCKERFILE = """FROM {base}
RUN mkdir -p /var/lang/bin /var/task /opt && ln -s /usr/bin/python3.13 /var/lang/bin/python3.13
COPY runtime /var/runtime
COPY trap.py /var/runtime/botocore/__init__.py
ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin LANG=en_US.UTF-8 TZ=:/etc/localtime \\
    LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
ENTRYPOINT ["/var/runtime/bootstrap"]
"""


@contextmanager
def base_images(docker: Docker, folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """All images are there; stand-ins are removed at the end. `folder` keeps a root file system.

    Raises:
        DockerError: they can neither be pulled nor made; one line says why.
    """
    images = (SIDECAR_IMAGE, PYTHON_IMAGE, lambda_image())
    missing = [image for image in images if not _can_be_had(docker, image, say)]
    if missing:
        root = _root_file_system(folder, say)
        say("Making stand-ins for images that cannot be pulled ...")
        docker.run("import", str(root), PYTHON_IMAGE)
        if SIDECAR_IMAGE in missing:
            _make_busybox_image(docker, say)
        if lambda_image() in missing:
            _make_lambda_image(docker)
    try:
        yield
    finally:
        for image in missing:
            docker.run("image", "rm", "--force", image)


def fetch(docker: Docker, image: str, say: Callable[[str], None]) -> None:
    """Make sure that the engine has an image that others publish.

    Raises:
        DockerError: it cannot be pulled.
    """
    if not docker.has_image(image):
        say(f"Pulling {image} ...")
        docker.run("pull", "--quiet", image)


def lambda_image() -> str:
    """The image in which `sam local invoke` runs a function on this machine."""
    return LAMBDA_IMAGES.get(platform.machine(), LAMBDA_IMAGES["x86_64"])


def _can_be_had(docker: Docker, image: str, say: Callable[[str], None]) -> bool:
    try:
        fetch(docker, image, say)
    except DockerError:
        return False
    return True


def _root_file_system(folder: Path, say: Callable[[str], None]) -> Path:
    """A tar file of Debian with Python; made once."""
    archive = folder / f"{DEBIAN}-{platform.machine()}.tar"
    if archive.exists():
        return archive
    install(["debootstrap"], say)
    if os.geteuid() != 0:
        raise DockerError(f"{PYTHON_IMAGE} cannot be pulled, and making a stand-in for it needs root")
    say(f"Making a root file system of Debian {DEBIAN} (a minute, once) ...")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pushlive-root-") as root:
        _run(["/usr/sbin/debootstrap", "--variant=minbase", "--include=python3", DEBIAN, root])
        new = archive.with_suffix(".new")
        excluded = [f"--exclude={path}" for path in LEFT_OUT]
        _run(["tar", "-C", root, *excluded, "-cf", str(new), "."])
    return new.rename(archive)


def _make_busybox_image(docker: Docker, say: Callable[[str], None]) -> None:
    """Debian's static busybox, with a link for each of its programs, as in the published image."""
    install(["busybox"], say)
    with tempfile.TemporaryDirectory(prefix="pushlive-busybox-") as name:
        folder = Path(name)
        shutil.copy(shutil.which("busybox") or "/bin/busybox", folder / "busybox")
        (folder / "Dockerfile").write_text(BUSYBOX_DOCKERFILE)
        docker.run("build", "--quiet", "--tag", SIDECAR_IMAGE, str(folder))


def _make_lambda_image(docker: Docker) -> None:
    """Debian's Python and Lambda's runtime interface client; its botocore is a trap: ours must come first."""
    with tempfile.TemporaryDirectory(prefix="pushlive-lambda-") as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        options = ["--require-hashes", "--only-binary=:all:", "--python-version=3.13", "--implementation=cp"]
        where = ["--target", str(folder / "runtime"), "-r", str(ROOT / "requirements" / "runtime.txt")]
        _run([*pip, *options, *where])
        (folder / "runtime" / "bootstrap").write_text(BOOTSTRAP)
        (folder / "runtime" / "bootstrap").chmod(0o755)
        (folder / "trap.py").write_text("raise ImportError('this is not the botocore of the layer')\n")
        (folder / "Dockerfile").write_text(LAMBDA_DOCKERFILE.format(base=PYTHON_IMAGE))
        docker.run("build", "--quiet", "--tag", lambda_image(), str(folder))


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603 - no shell
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise DockerError(f"{Path(command[0]).name}: {' '.join(done.stdout.split()[-40:])}")
