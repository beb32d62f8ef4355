"""The functions tell the simulation's story in these tests only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trials.simulation import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def story_tellers() -> Iterator[None]:
    with surroundings.installed():
        yield
