"""How a time is written for people. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


def moment(at: datetime, now: datetime | None = None) -> str:
    """Return a time in UTC, such as `2026-11-20 10:02:03 UTC`; without the date if `now` has the same one."""
    at = at.astimezone(UTC)
    of_today = now is not None and at.date() == now.astimezone(UTC).date()
    return f"{at:%H:%M:%S} UTC" if of_today else f"{at:%Y-%m-%d %H:%M:%S} UTC"
