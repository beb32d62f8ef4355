"""Fixtures of the hostile tests: the functions' own."""

from __future__ import annotations

from tests.functions.conftest import cloudformation, hands, log, moto, region, session, wire

__all__ = ["cloudformation", "hands", "log", "moto", "region", "session", "wire"]
