"""The README's figures are those of a file that a command wrote."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_load_s_table_is_that_of_its_file() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| failed/all requests |"))
    services = [cell.strip().replace("<br>", ", ") for cell in lines[start].split("|")[2:-1]]
    shown = set()
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        phase, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        shown |= {(phase, service, cell) for service, cell in zip(services, cells, strict=True)}
    counts = json.loads((ROOT / "docs" / "load.json").read_text())["counts"]
    assert shown == {
        (each["phase"], each["service"], f"{each['failed']}/{each['requests']}") for each in counts
    }
