"""How a time is written for people."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pushlive.times import moment

AT = datetime.fromisoformat("2026-11-20T00:30:03+09:00")


@pytest.mark.parametrize(
    ("now", "written"),
    [
        pytest.param(None, "2026-11-19 15:30:03 UTC", id="of-any-zone-in-utc"),
        pytest.param(AT + timedelta(hours=8), "15:30:03 UTC", id="of-today-in-utc-without-the-date"),
        pytest.param(AT + timedelta(hours=9), "2026-11-19 15:30:03 UTC", id="of-yesterday-in-utc"),
    ],
)
def test_moment(now: datetime | None, written: str) -> None:
    assert moment(AT, now) == written
