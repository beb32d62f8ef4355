"""Builds the layer: the locked libraries, cut to what the functions use, and our own modules, compiled.

Called by `sam build` as `python3 layer_build.py FOLDER`. Any Python 3.10 or later with pip can do it: the
libraries are pure Python, chosen for the Lambda runtime's version. Never shipped.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

RUNTIME = "3.13"
HERE = Path(__file__).parent

OPERATIONS = {
    "RedeployService": {
        "ecr:BatchGetImage",
        "ecr:DescribeImages",
        "ecs:DescribeServiceDeployments",
        "ecs:DescribeServiceRevisions",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListServiceDeployments",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:UpdateService",
        "logs:CreateLogStream",
        "logs:DeleteLogStream",
        "logs:DescribeLogStreams",
        "sns:Publish",
    },
    "UpdateRecord": {
        "ec2:DescribeManagedPrefixLists",
        "ec2:DescribeNetworkInterfaces",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeTasks",
        "ecs:ListServices",
        "ecs:ListTasks",
        "ecs:UntagResource",
        "logs:CreateLogStream",
        "logs:DeleteLogStream",
        "logs:DescribeLogStreams",
        "route53:ChangeResourceRecordSets",
        "route53:GetHostedZone",
        "route53:ListResourceRecordSets",
        "sns:Publish",
    },
}
"""The AWS operations that each function calls. The layer's clients and the roles have no others."""

UNUSED = (
    "bin",
    "boto3/data",  # of boto3.resource
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/data_classes",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/parameters",
    "aws_lambda_powertools/utilities/parser",
)
"""The large parts of the libraries that no function imports: a third of the layer."""


def build(artifacts: Path) -> None:
    """Put the layer into `artifacts`, where `sam build` takes it from."""
    target = artifacts / "python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    wheels = ["--only-binary=:all:", "--python-version", RUNTIME, "--implementation", "py", "--no-deps"]
    lock = ["--require-hashes", "--requirement", str(HERE / "requirements.txt")]
    subprocess.run([*pip, *wheels, *lock, "--target", str(target)], check=True)  # noqa: S603 - no shell
    for folder in UNUSED:
        shutil.rmtree(target / folder)
    cut_data(target / "botocore" / "data")
    shutil.copytree(HERE / "pushlive", target / "pushlive", ignore=shutil.ignore_patterns("__pycache__"))
    compile_all(artifacts)


def cut_data(data: Path) -> None:
    """Leave in botocore's data what `OPERATIONS` needs: a client reads its service's model whole.

    Raises:
        ValueError: botocore has no such operation.
    """
    operations: dict[str, set[str]] = {}
    for service, _, operation in (each.partition(":") for each in set().union(*OPERATIONS.values())):
        operations.setdefault(service, set()).add(operation)
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in operations:
            shutil.rmtree(folder)
    prefixes = set()
    for service, names in operations.items():
        *older, newest = sorted((data / service).iterdir())
        for version in older:
            shutil.rmtree(version)
        packed = newest / "service-2.json.gz"
        whole = json.loads(gzip.decompress(packed.read_bytes()), object_hook=without_documentation)
        model = cut_model(whole, names)
        prefixes.add(model["metadata"]["endpointPrefix"])
        write(newest / "service-2.json", model)
        packed.unlink()
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services.keys() & prefixes}
    write(data / "endpoints.json", endpoints)


def cut_model(model: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a service's model with these operations only, and the shapes that they reach.

    Raises:
        ValueError: the model lacks one of the operations.
    """
    if missing := names - model["operations"].keys():
        raise ValueError(
            f"{model['metadata']['serviceId']} has no operation {', '.join(sorted(missing))}: see OPERATIONS"
        )
    operations = {name: model["operations"][name] for name in names}
    shapes: dict[str, Any] = {}
    todo = shapes_in(operations)
    while todo:
        name = todo.pop()
        shapes[name] = model["shapes"][name]
        todo |= shapes_in(shapes[name]) - shapes.keys()
    return model | {"operations": operations, "shapes": shapes}


def without_documentation(node: dict[str, Any]) -> dict[str, Any]:
    """Return a node of a model without its text. A member of that name has a shape, not a text."""
    return {key: value for key, value in node.items() if key != "documentation" or not isinstance(value, str)}


def shapes_in(part: dict[str, Any]) -> set[str]:
    """Return the names of the shapes that a part of a model refers to."""
    return set(re.findall(r'"shape": "(\w+)"', json.dumps(part)))


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file of botocore's data."""
    path.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")


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
