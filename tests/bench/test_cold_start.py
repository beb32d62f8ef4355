"""One round of the cold starts: each contestant makes the calls that ours makes, or the bench says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trials.bench.cold_start import EMPTY, OURS, PLAIN, cold_starts

if TYPE_CHECKING:
    from pathlib import Path

    from lab.lambda_runtime.emulator import Runtime


def test_a_round_of_ours_and_others(
    runtime: Runtime, built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = cold_starts(runtime, built, tmp_path, 1, lambda _: None, (OURS, PLAIN, EMPTY))
    assert set(found["functions"]) == {"RedeployService", "UpdateRecord"}
    for its in found["functions"].values():
        assert its["aws_calls"] > 5
        assert set(its["time_ratio_to"]) == {PLAIN, EMPTY}
    capsys.readouterr()


def test_a_contestant_that_makes_other_calls_ends_the_bench(
    runtime: Runtime, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trials.bench.cold_start.HANDLER_OF", {PLAIN: "empty.py"})
    monkeypatch.setattr("trials.bench.cold_start.plain_package", lambda folder, _, **__: folder)
    with pytest.raises(RuntimeError, match="plain of RedeployService called"):
        cold_starts(runtime, built, tmp_path, 1, lambda _: None, (OURS, PLAIN))
