"""Fixtures of the permissions' tests: the functions' own, with IAM between them and AWS."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from lab.template import ROOT
from pushlive import aws, ecs, route53
from tests.functions.conftest import cloudformation, hands, log, moto, session
from tests.permissions.enforcement import EnforcedRegion, EnforcedWire
from tests.permissions.policies import policies
from trials.in_memory.region import ACCOUNT

if TYPE_CHECKING:
    import boto3
    from moto.core.models import MockAWS

__all__ = ["cloudformation", "hands", "log", "moto", "session"]


@pytest.fixture(scope="session")
def wire(session: boto3.Session) -> EnforcedWire:
    return EnforcedWire(session, aws.CONFIG, ACCOUNT)


@pytest.fixture
def region(
    moto: MockAWS, wire: EnforcedWire, hands: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> EnforcedRegion:
    """As in the functions' tests; the policies are the transformed template's."""
    moto.reset()
    ecs.task_definition.cache_clear()
    route53.zone_name.cache_clear()
    region = EnforcedRegion(wire, hands)
    wire.enforce(policies(region.zone_id))
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=region.wait))
    return region


@pytest.fixture(scope="session")
def checkov_environment() -> Path:
    """Where checkov is installed: a Python of its own, because it pins another boto3."""
    beside = ROOT / ".venv-checkov" / "bin" / "checkov"
    found = os.environ.get("CHECKOV") or (str(beside) if beside.exists() else shutil.which("checkov"))
    if not found or not shutil.which(found):
        pytest.fail(
            f"No checkov (CHECKOV={os.environ.get('CHECKOV', '')!r}): install requirements/checkov.txt into "
            ".venv-checkov, put checkov on the PATH, or name it in the environment variable CHECKOV"
        )
    return Path(found).parent
