"""Whose account the lab is, in which region, and by which credentials its users come."""

from __future__ import annotations

import os

ACCOUNT = "000000000000"  # the account of credentials that are not an account number
REGION = "us-east-1"

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "lab",
    "AWS_SECRET_ACCESS_KEY": "lab",  # made up: MiniStack accepts any
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,  # a profile of a real account may say where its requests go
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
