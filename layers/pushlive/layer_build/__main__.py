"""`python3 -m layer_build FOLDER` builds the layer there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from layer_build.aws_calls import calls_of_layer
from layer_build.contents import leave_out
from layer_build.models import Models

RUNTIME = "3.13"
HERE = Path(__file__).parents[1]


def build(artifacts: Path) -> None:
    """Put the layer into `artifacts`, where `sam build` takes it from."""
    target = artifacts / "python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--only-binary=:all:", "--python-version", RUNTIME, "--implementation", "py", "--no-deps"]
    lock = ["--require-hashes", "--requirement", str(HERE / "requirements.txt")]
    subprocess.run([*pip, *wheels, *lock, "--target", str(target)], check=True)  # noqa: S603 - no shell
    leave_out(target)
    models = Models(target / "botocore" / "data")
    models.trim(calls_of_layer(HERE / "pushlive", models.operations))
    shutil.copytree(HERE / "pushlive", target / "pushlive", ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(artifacts)


def compile_all(artifacts: Path) -> None:
    """Compile for the Lambda runtime's Python, where it is installed: about half of a cold start.

    Unchecked, by hash: the archive changes file times, which would void the usual kind.
    """
    python = runtime_python()
    if python is None:
        print(
            f"No Python {RUNTIME} here: the layer is built without compiled files, so cold starts are slower."
        )
        return
    compiler = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*compiler, "-s", str(artifacts), "-p", "/opt", str(artifacts)], check=True)  # noqa: S603


def runtime_python() -> str | None:
    """Return the Lambda runtime's Python; None if it is not installed here."""
    # The shim of a version manager (pyenv) runs a version that is not active only when it is asked for.
    asked_for = {**os.environ, "PYENV_VERSION": RUNTIME}
    command = [f"python{RUNTIME}", "-c", "import sys; print(sys.executable)"]
    try:
        done = subprocess.run(command, env=asked_for, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


if __name__ == "__main__":
    build(Path(sys.argv[1]))
