"""One round of the cold starts: each contestant makes the calls that ours makes, or the bench says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.cold_start import EMPTY, FLOOR, OURS, cold_starts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lambda_runtime.emulator import Runtime


def test_a_round_of_ours_and_the_floor(
    runtime: Runtime, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cold_starts(runtime, built, tmp_path, 1, lambda _: None, (OURS, FLOOR, EMPTY))
    assert set(found["functions"]) == {"RedeployService", "UpdateRecord"}
    for its in found["functions"].values():
        assert its["aws_calls"] > 5
        assert set(its["time_ratio_to"]) == {FLOOR, EMPTY}
    capsys.readouterr()


def test_a_contestant_that_fails_ends_the_bench(
    runtime: Runtime, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cold_start.HANDLER_OF", {FLOOR: "floor.py", EMPTY: "floor.py"})
    with pytest.raises(RuntimeError, match="empty of RedeployService called"):
        cold_starts(runtime, built, tmp_path, 1, lambda _: None, (OURS, EMPTY))
