"""Says why a push did, or did not, deploy: what is wrong first, with its cure, then what is there.

    make why [STACK=NAME]
    PYTHONPATH=layers/pushlive:. .venv/bin/python -m commands.why [NAME] [--json]

NAME and the region are those of samconfig.toml if you give none. It only reads: who may describe the
stack's resources may ask. Exit code: 0 nothing is wrong, 1 something is wrong, 2 it could not look.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from commands.why import as_json
from commands.why.account import Account, CannotLookError, is_denied
from commands.why.finding import Level
from commands.why.page import page
from commands.why.report import look

if TYPE_CHECKING:
    from collections.abc import Sequence

SAM_CONFIG = Path(__file__).parent.parent.parent / "samconfig.toml"
NOTHING_WRONG, SOMETHING_WRONG, COULD_NOT_LOOK = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(
        prog="why", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"--json: {as_json.__doc__}",
    )  # fmt: skip
    parser.add_argument("stack", nargs="?", help="name of the stack (default: that of samconfig.toml)")
    parser.add_argument("--region", help="default: that of samconfig.toml, or of your AWS configuration")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    parser.add_argument(
        "--dns-server",
        default=os.environ.get("PUSHLIVE_DNS_SERVER", ""),
        metavar="HOST[:PORT]",
        help="which DNS server to ask about the zone (default: PUSHLIVE_DNS_SERVER, or the system resolver)",
    )
    chosen = parser.parse_args(arguments)
    deploy = _sam_deploy_parameters(SAM_CONFIG)
    try:
        session = botocore.session.get_session()
        # As SAM CLI finds it; else that of the AWS configuration.
        if region := chosen.region or deploy.get("region") or os.environ.get("AWS_REGION"):
            session.set_config_variable("region", region)
        name = chosen.stack or deploy.get("stack_name", "pushlive")
        report = look(Account(session), name, chosen.dns_server)
    except (CannotLookError, ClientError, BotoCoreError) as error:
        print(f"why: {_in_a_line(error)}", file=sys.stderr)
        return COULD_NOT_LOOK
    if chosen.json:
        print(json.dumps(as_json.as_json(report), indent=2))
    else:
        Console().print(page(report), crop=False)
    if report.count(Level.PROBLEM):
        return SOMETHING_WRONG
    return COULD_NOT_LOOK if report.count(Level.UNSEEN) else NOTHING_WRONG


def _sam_deploy_parameters(path: Path) -> dict[str, Any]:
    """Return what `sam deploy` takes from samconfig.toml, where `--guided` writes its answers."""
    try:
        return dict(tomllib.loads(path.read_text())["default"]["deploy"]["parameters"])
    except (OSError, LookupError, ValueError):
        return {}


def _in_a_line(error: Exception) -> str:
    """Return what happened, and what to do, without a traceback."""
    if isinstance(error, exceptions.NoCredentialsError):
        return "There are no AWS credentials: `aws configure`, `aws sso login`, or set AWS_PROFILE"
    if isinstance(error, exceptions.NoRegionError):
        return "No region is set: give --region, or set AWS_REGION"
    if isinstance(error, exceptions.ConnectionError | exceptions.HTTPClientError):
        return f"AWS is not reached: {error} (is AWS_ENDPOINT_URL right, does the lab run?)"
    if is_denied(error):
        return f"You may not look at this: {error}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
