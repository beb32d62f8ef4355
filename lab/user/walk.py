"""What `make lab` says: what is there, and what to type into another terminal, in bash or zsh. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

from lab.proxies import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

ZONE = "example.com"
HOST_NAME = f"hello.{ZONE}"
ORIGIN_NAME = f"origin-{HOST_NAME}"
PORT = 8080
ENVIRONMENTS = (".venv", ".venv-sam", ".venv-aws")
FIRST_REPOSITORY = "repositories[0].repositoryUri"
OUTPUTS = "Stacks[0].Outputs[].[OutputKey, OutputValue]"
MISLEADING = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_SESSION_TOKEN")  # of another account, in either terminal
NO_PROXY = ",".join(LOOPBACK)  # a proxy would look for the lab on its own machine


class Part(NamedTuple):
    """A sentence, and the lines to paste that stand below it."""

    says: str
    lines: Sequence[str]


def parts(
    root: Path,
    environment: Mapping[str, str],
    stack_name: str,
    parameters: Mapping[str, str],
    *,
    docker: bool,
    foreign: Iterable[str] = (),
) -> Iterator[Part]:
    """Yield what to paste: the variables, then the commands from nothing to a second version and its reasons.

    `root` is the checkout; `environment` makes tools talk to the lab; `foreign` are variables that may
    stand in its way.
    """
    yield Part(
        "Paste this into a second terminal, so that it talks to the lab:",
        _variables(root, environment, {*MISLEADING, *foreign} - environment.keys()),
    )
    overrides = " ".join(f"{name}={value}" for name, value in parameters.items())
    yield Part(
        "Then these, one after the other:",
        [
            "sam build",
            f"sam deploy --config-env lab --parameter-overrides {overrides}",
            f"IMAGE=$(aws ecr describe-repositories --query '{FIRST_REPOSITORY}' --output text):latest",
            _push("1", docker=docker),
            f"python -m lab.user.browse http://{HOST_NAME}:{parameters.get('ContainerPort', PORT)}/",
            _push("2", docker=docker),
            f"make why STACK={stack_name}",
        ],
    )
    origin = f"OriginName={ORIGIN_NAME} OriginPort={parameters.get('ContainerPort', PORT)}"
    own = f"HostedZoneId={parameters['HostedZoneId']} HostName={HOST_NAME}"
    yield Part(
        "For HTTPS, these as well. curl trusts the lab with --cacert $PUSHLIVE_AUTHORITY:",
        [
            f"sam deploy --config-env lab --parameter-overrides Https=true HostName={ORIGIN_NAME}",
            f"sam deploy --config-env https-lab --parameter-overrides {origin} {own}",
            f"python -m lab.user.browse https://{HOST_NAME}/",
        ],
    )
    yield Part(
        "docs/steering.md says how to pause, resume and go back. This prints the words in capitals:",
        [
            f"aws cloudformation describe-stacks --stack-name {stack_name} --query '{OUTPUTS}' --output text",
        ],
    )
    yield Part(
        "Remove it all; it asks three times, and y is the answer:",
        ["sam delete --config-env https-lab --no-prompts", "sam delete --config-env lab"],
    )


def _variables(root: Path, environment: Mapping[str, str], unwanted: Iterable[str]) -> list[str]:
    path = ":".join(f"$PWD/{name}/bin" for name in ENVIRONMENTS)
    return [
        f"cd {shlex.quote(str(root))}",
        f'export PATH="{path}:$PATH"',
        f"unset {' '.join(sorted(unwanted))}",
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.items()),
        f'export NO_PROXY={NO_PROXY}"${{NO_PROXY:+,$NO_PROXY}}"',
        'export no_proxy="$NO_PROXY"',
    ]


def _push(version: str, *, docker: bool) -> str:
    if docker:
        return f'docker build --build-arg VERSION={version} -t "$IMAGE" hello_app && docker push "$IMAGE"'
    return f'python -m lab.ecr.push "$IMAGE" {version}'
