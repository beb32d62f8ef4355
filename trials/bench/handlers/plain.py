"""What people write: boto3's clients at import, Powertools' Logger, and the calls of our function."""

import json
from pathlib import Path

import boto3
from aws_lambda_powertools import Logger

CALLS = json.loads(Path(__file__).with_name("calls.json").read_text(encoding="utf-8"))
CLIENTS = {service: boto3.client(service) for service in {call["service"] for call in CALLS}}
logger = Logger(service="plain")


def handler(event: object, context: object) -> None:  # noqa: ARG001 - Lambda passes them
    """Make the calls."""
    for call in CALLS:
        getattr(CLIENTS[call["service"]], call["method"])(**call["parameters"])
    logger.info("done", calls=len(CALLS))
