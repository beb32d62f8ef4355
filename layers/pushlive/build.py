"""Builds the layer: libraries, pushlive's own modules, and compiled files.

Any Python 3 with pip can do it: the libraries are pure Python, chosen for the Lambda runtime's version.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

RUNTIME = "3.13"
HERE = Path(__file__).parent

# botocore brings the models of some 400 services. A client of any other service than these fails
# at once, with an UnknownServiceError that lists what there is.
SERVICES = frozenset({"ec2", "ecr", "ecs", "logs", "route53", "sns"})


def build(artifacts: Path) -> None:
    """Put the layer into `artifacts`, where `sam build` takes it from."""
    target = artifacts / "python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--only-binary=:all:", "--python-version", RUNTIME, "--implementation", "py", "--no-deps"]
    lock = ["--require-hashes", "--requirement", str(HERE / "requirements.txt")]
    subprocess.run([*pip, *wheels, *lock, "--target", str(target)], check=True)  # noqa: S603 - no shell
    shutil.rmtree(target / "bin", ignore_errors=True)  # console scripts
    leave_out_other_services(target / "botocore" / "data")
    shutil.copytree(HERE / "pushlive", target / "pushlive", ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(artifacts)


def leave_out_other_services(models: Path) -> None:
    """Remove the service models that no function uses.

    Raises:
        FileNotFoundError: one that is used is not there, so the lists do not fit any more.
    """
    for name in SERVICES:
        if not (models / name).is_dir():
            raise FileNotFoundError(f"botocore has no model of {name} in {models}")
    for model in models.iterdir():
        if model.is_dir() and model.name not in SERVICES:
            shutil.rmtree(model)


def compile_all(artifacts: Path) -> None:
    """Compile for the Lambda runtime's Python, where it is installed: about half of a cold start.

    Unchecked, by hash: the archive changes file times, which would void the usual kind.
    """
    python = shutil.which(f"python{RUNTIME}")
    # A version manager's shim exists for versions that are not active, and fails when it is run.
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:  # noqa: S603
        print(
            f"No Python {RUNTIME} here: the layer is built without compiled files, so cold starts are slower."
        )
        return
    compiler = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiler, "-s", str(artifacts), "-p", "/opt", str(artifacts)], check=True)  # noqa: S603


if __name__ == "__main__":
    build(Path(sys.argv[1]))
