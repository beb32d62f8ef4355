"""Fixtures of the bench's tests: those of the built functions."""

from __future__ import annotations

from tests.lambda_runtime.conftest import runtime

__all__ = ["runtime"]
